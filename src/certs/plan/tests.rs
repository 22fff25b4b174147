use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn calm() -> Situation {
    let life = |end| Life {
        begin: at(0),
        end: at(end),
    };
    Situation {
        now: at(0),
        current: life(900),
        is_staged: false,
        retire: None,
        is_rotation_asked: false,
        leaf: life(30),
        is_leaf_of_current: true,
        shown_since: Some(at(0)),
        settle: SignedDuration::from_secs(60),
    }
}

#[test]
fn certificates_are_renewed_at_two_thirds_of_their_life() {
    let step = |now| {
        next_step(&Situation {
            now: at(now),
            ..calm()
        })
    };
    assert_eq!(step(0), Step::Keep);
    assert_eq!(step(19), Step::Keep);
    assert_eq!(step(20), Step::RenewLeaf);
    assert_eq!(step(600), Step::Stage);
}

#[test]
fn a_staged_ca_signs_only_after_it_was_shown_long_enough() {
    let staged = Situation {
        is_staged: true,
        ..calm()
    };
    let step = |now, shown_since| {
        let now = at(now);
        let leaf = Life {
            begin: now,
            end: now + SignedDuration::from_hours(1),
        };
        next_step(&Situation {
            now,
            leaf,
            shown_since,
            ..staged
        })
    };
    assert_eq!(step(59, Some(at(0))), Step::Keep);
    assert_eq!(step(60, Some(at(0))), Step::Promote);
    assert_eq!(step(80, Some(at(30))), Step::Keep);
    assert_eq!(step(80, None), Step::Keep);
    assert_eq!(
        step(900, None),
        Step::Promote,
        "an expired CA has nothing to lose"
    );
}

#[test]
fn a_rotation_that_is_asked_for_begins_at_once_and_only_once() {
    let asked = Situation {
        is_rotation_asked: true,
        ..calm()
    };
    assert_eq!(next_step(&asked), Step::Stage);
    assert_eq!(
        next_step(&Situation {
            is_staged: true,
            ..asked
        }),
        Step::Keep
    );
}

#[test]
fn repairs_become_rare_while_they_are_reverted() {
    let mut repairs = Repairs::default();
    let mut now = at(1_000_000);
    let mut waits = Vec::new();
    for _ in 0..12 {
        assert!(repairs.due() <= now);
        repairs.made(now);
        waits.push(repairs.due().duration_since(now).as_secs());
        now = repairs.due();
    }
    assert_eq!(&waits[..4], [1, 2, 4, 8]);
    assert_eq!(waits[11], 300);
    assert_eq!(repairs.made(now + SignedDuration::from_hours(1)), 1);
}

/// The shared Secret.
#[derive(Clone, Debug)]
struct Record {
    version: u32,
    current: (u32, Life),
    next: Option<(u32, Life)>,
    previous: Option<(BTreeSet<u32>, Timestamp)>,
    asked: bool,
}

impl Record {
    fn bundle(&self) -> BTreeSet<u32> {
        let mut all: BTreeSet<u32> = [self.current.0].into();
        all.extend(self.next.map(|next| next.0));
        all.extend(
            self.previous
                .iter()
                .flat_map(|(past, _)| past.iter().copied()),
        );
        all
    }
}

#[derive(Clone, Debug)]
struct Replica {
    leaf: (u32, Life),
    repairs: Repairs,
    next_look: i64,
    /// How late its watch of the configurations is.
    delay: i64,
}

struct World {
    record: Record,
    /// The configuration's bundle and when it was written, the newest last.
    published: Vec<(i64, BTreeSet<u32>)>,
    made: u32,
}

const LEAF: i64 = 2400;
const AUTHORITY: i64 = 40_000;
const SETTLE: i64 = 60;

fn life(now: i64, length: i64) -> Life {
    Life {
        begin: at(now - 300),
        end: at(now + length),
    }
}

impl World {
    fn new() -> Self {
        let record = Record {
            version: 0,
            current: (0, life(0, AUTHORITY)),
            next: None,
            previous: None,
            asked: false,
        };
        Self {
            published: vec![(-1000, record.bundle())],
            record,
            made: 0,
        }
    }

    /// The configuration as somebody sees it who is `delay` seconds late.
    fn seen(&self, now: i64, delay: i64) -> (usize, &BTreeSet<u32>) {
        let known = |entry: &&(i64, BTreeSet<u32>)| entry.0 <= now - delay;
        let count = self.published.iter().take_while(known).count().max(1);
        (count, &self.published[count - 1].1)
    }

    /// A look of one replica, from what it watched and read to the writes that compare and swap.
    fn look(&mut self, replica: &mut Replica, now: i64) {
        for _ in 0..5 {
            let record = self.record.clone();
            let (count, seen) = self.seen(now, replica.delay);
            let wanted = record.bundle();
            // Every change is noticed in order, so what is seen has been so since it came.
            let since = at(self.published[count - 1].0 + replica.delay);
            let shown_since = (*seen == wanted).then_some(since);
            if *seen != wanted && replica.repairs.due() <= at(now) {
                replica.repairs.made(at(now));
                // The guard: only if nobody wrote since what was seen.
                if count == self.published.len() {
                    self.published.push((now, wanted));
                }
            }

            let situation = Situation {
                now: at(now),
                current: record.current.1,
                is_staged: record.next.is_some(),
                retire: record.previous.as_ref().map(|(_, retire)| *retire),
                is_rotation_asked: record.asked,
                leaf: replica.leaf.1,
                is_leaf_of_current: replica.leaf.0 == record.current.0,
                shown_since,
                settle: SignedDuration::from_secs(SETTLE),
            };
            replica.next_look = now + pause(&situation, &replica.repairs).as_secs().max(1);
            match next_step(&situation) {
                Step::Keep => return,
                Step::RenewLeaf => replica.leaf = (record.current.0, life(now, LEAF)),
                // Looked at afresh, past the watch: nothing was written since what was seen.
                Step::Promote
                    if count != self.published.len() || *self.seen(now, 0).1 != record.bundle() =>
                {
                    return;
                }
                step => self.write(step, now),
            }
        }
    }

    fn write(&mut self, step: Step, now: i64) {
        let record = &mut self.record;
        record.version += 1;
        match step {
            Step::Stage => {
                self.made += 1;
                record.next = Some((self.made, life(now, AUTHORITY)));
                record.asked = false;
            }
            Step::Promote => {
                let next = record.next.take().unwrap();
                let mut past = record
                    .previous
                    .take()
                    .map_or_else(BTreeSet::new, |(past, _)| past);
                past.insert(record.current.0);
                record.current = next;
                record.previous = Some((past, at(now + LEAF + 600)));
            }
            Step::Retire => record.previous = None,
            Step::Keep | Step::RenewLeaf => unreachable!(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the order of looks and the lateness of watches: at no moment does an API server meet a
    /// replica whose leaf it does not trust, and every rotation ends.
    #[test]
    fn there_is_no_moment_without_a_common_ca(
        delays in prop::collection::vec(0_i64..SETTLE, 2..4),
        servers in prop::collection::vec(0_i64..SETTLE, 1..3),
        requests in prop::collection::vec(0_i64..5_000, 0..4),
        reverts in prop::collection::vec(0_i64..5_000, 0..4),
        late in prop::collection::vec(0_i64..50, 1..5),
    ) {
        let mut world = World::new();
        let mut replicas: Vec<Replica> = delays
            .iter()
            .map(|&delay| Replica {
                leaf: (0, life(0, LEAF)),
                repairs: Repairs::default(),
                next_look: 0,
                delay,
            })
            .collect();
        for now in 0..12_000 {
            world.record.asked |= requests.contains(&now);
            if reverts.contains(&now) {
                // Somebody rolls back to what holds the CA that signs now and nothing else.
                let signer = [world.record.current.0].into();
                let past = world.record.previous.is_some();
                if !past { world.published.push((now, signer)); }
            }
            for replica in &mut replicas {
                if replica.next_look <= now {
                    world.look(replica, now);
                    let wobble = usize::try_from(now).unwrap() % late.len();
                    replica.next_look += late[wobble];
                }
                for &delay in &servers {
                    let (_, trusted) = world.seen(now, delay);
                    let leaf = replica.leaf;
                    prop_assert!(trusted.contains(&leaf.0), "at {now}: {leaf:?} not in {trusted:?}");
                    prop_assert!(leaf.1.end > at(now));
                }
            }
        }
        prop_assert!(!world.record.asked && world.record.next.is_none());
        prop_assert!(requests.is_empty() == (world.record.current.0 == 0));
        prop_assert!(world.record.previous.is_none(), "the old CA stays for ever");
    }
}
