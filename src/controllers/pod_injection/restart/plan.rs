//! Which pods have old values, and what is done about it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};

/// Changes that follow each other this fast are answered together.
pub(super) const DEBOUNCE: SignedDuration = SignedDuration::from_secs(10);
/// At most one restart of a workload in this time.
pub(super) const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// A pod that cannot be restarted is told only of changes as recent as this, and not again at each start
/// of latchkey.
const NEWS: SignedDuration = SignedDuration::from_hours(1);

/// A Secret as a pod that must be restarted for it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Values {
    /// Name of the Secret.
    pub name: String,
    /// Digest of its data.
    pub digest: String,
    /// When the data last became other data.
    pub changed: Option<Timestamp>,
}

/// A live pod of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Name of the pod.
    pub name: String,
    /// Identity of the pod.
    pub uid: String,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it serves.
    pub ready: bool,
    /// What its template said it was last restarted for.
    pub restarted_for: Option<String>,
    /// The Secrets whose change asks for a restart.
    pub secrets: Vec<Values>,
}

impl Member {
    /// When the values that the pod started with became old, if they are. A pod that was made in the very
    /// second of the change may have either, and counts as old.
    fn outdated_since(&self) -> Option<Timestamp> {
        let changes = self.secrets.iter().filter_map(|secret| secret.changed);
        changes.filter(|changed| *changed >= self.created).max()
    }
}

/// What is known of a workload whose template can be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// What its template says it was last restarted for.
    pub restarted_for: Option<String>,
    /// When that was.
    pub restarted_at: Option<Timestamp>,
}

/// When there is something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// No pod has old values.
    Never,
    /// Then.
    At(Timestamp),
    /// Now; the pods have old values since this moment.
    Now(Timestamp),
}

/// Finds out when the pods of one owner are acted on: when no Secret has changed for a while.
pub(super) fn due(members: &[Member], now: Timestamp) -> Due {
    let Some(latest) = members.iter().filter_map(Member::outdated_since).max() else {
        return Due::Never;
    };
    if now < latest + DEBOUNCE {
        Due::At(latest + DEBOUNCE)
    } else {
        Due::Now(latest)
    }
}

/// What is done to a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing: its pods are being replaced already.
    Done,
    /// Nothing before this moment.
    Wait(Timestamp),
    /// Its pods are replaced, for these values.
    Restart(String),
}

/// Decides on a workload by its template. Pods of an older template are being replaced by a rollout that
/// is under way, so only those count that were made from a template with the present annotation; and the
/// annotation that a restart would write is the guard against a second one.
pub(super) fn decide(members: &[Member], record: &Record, now: Timestamp) -> Decision {
    let pending: Vec<&Member> = members
        .iter()
        .filter(|pod| pod.outdated_since().is_some() && pod.restarted_for == record.restarted_for)
        .collect();
    if pending.is_empty() {
        return Decision::Done;
    }
    let digest = fingerprint(&pending);
    if record.restarted_for.as_ref() == Some(&digest) {
        return Decision::Done;
    }
    match record.restarted_at.map(|at| at + WINDOW) {
        Some(free) if now < free => Decision::Wait(free),
        _ => Decision::Restart(digest),
    }
}

/// What is done by evictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Eviction<'m> {
    /// Nothing is left to evict.
    Done,
    /// A pod that took the place of an evicted one is not ready yet, or the last round was too recent.
    Wait(Timestamp),
    /// This pod goes next, in the round for these values.
    Evict(&'m Member, String),
}

/// Decides which pod is evicted next: one at a time, and only while those with new values are ready.
/// `round` is what the last evictions were for, and when they began.
pub(super) fn next_eviction<'m>(
    members: &'m [Member],
    round: Option<&(String, Timestamp)>,
    now: Timestamp,
) -> Eviction<'m> {
    let (old, new): (Vec<&Member>, Vec<&Member>) = members
        .iter()
        .partition(|pod| pod.outdated_since().is_some());
    // A pod that does not serve anyhow goes first.
    let Some(next) = old.iter().min_by_key(|pod| (pod.ready, &pod.name)) else {
        return Eviction::Done;
    };
    let digest = fingerprint(&old);
    if let Some((before, began)) = round
        && *before != digest
        && now < *began + WINDOW
    {
        return Eviction::Wait(*began + WINDOW);
    }
    if new.iter().any(|pod| !pod.ready) {
        return Eviction::Wait(now + DEBOUNCE);
    }
    Eviction::Evict(next, digest)
}

/// The pods with old values that are told of it, for want of anything better.
pub(super) fn to_tell(members: &[Member], now: Timestamp) -> Vec<&Member> {
    let is_news = |pod: &&Member| pod.outdated_since().is_some_and(|since| now < since + NEWS);
    members.iter().filter(is_news).collect()
}

/// The Secrets whose values are old in any of the pods.
pub(super) fn outdated_secrets(members: &[Member]) -> BTreeSet<&str> {
    let old = members.iter().flat_map(|pod| {
        let outdated = |secret: &&Values| secret.changed.is_some_and(|at| at >= pod.created);
        pod.secrets.iter().filter(outdated)
    });
    old.map(|secret| secret.name.as_str()).collect()
}

/// One short text for the present values of all Secrets of the pods.
fn fingerprint(members: &[&Member]) -> String {
    let secrets = members.iter().flat_map(|pod| &pod.secrets);
    let digests: BTreeMap<&str, &str> = secrets
        .map(|secret| (secret.name.as_str(), secret.digest.as_str()))
        .collect();
    let lines: Vec<String> = digests
        .iter()
        .map(|(name, digest)| format!("{name}={digest}"))
        .collect();
    let mut text = HEXLOWER.encode(digest(&SHA256, lines.join("\n").as_bytes()).as_ref());
    text.truncate(32);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn pod(name: &str, created: i64, digest: &str, changed: Option<i64>) -> Member {
        Member {
            name: name.to_owned(),
            uid: name.to_owned(),
            created: at(created),
            ready: true,
            restarted_for: None,
            secrets: vec![Values {
                name: "inj-db".to_owned(),
                digest: digest.to_owned(),
                changed: changed.map(at),
            }],
        }
    }

    fn restarted(record: &Record, members: &[Member], now: i64) -> String {
        match decide(members, record, at(now)) {
            Decision::Restart(digest) => digest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_secret_that_never_changed_restarts_nothing() {
        let members = [pod("a", 0, "one", None), pod("b", 500, "one", Some(100))];
        assert_eq!(due(&members, at(1_000_000)), Due::Never);
        assert_eq!(
            decide(&members, &Record::default(), at(1_000_000)),
            Decision::Done
        );
        assert_eq!(next_eviction(&members, None, at(1_000_000)), Eviction::Done);
    }

    #[test]
    fn the_last_of_several_changes_counts() {
        let members = [pod("a", 0, "two", Some(100))];
        assert_eq!(due(&members, at(101)), Due::At(at(110)));
        let again = [pod("a", 0, "three", Some(108))];
        assert_eq!(due(&again, at(110)), Due::At(at(118)));
        assert_eq!(due(&again, at(118)), Due::Now(at(108)));
    }

    #[test]
    fn a_pod_made_after_the_change_does_not_count_and_one_of_the_same_second_does() {
        assert_eq!(due(&[pod("a", 101, "two", Some(100))], at(200)), Due::Never);
        assert_eq!(
            due(&[pod("a", 100, "two", Some(100))], at(200)),
            Due::Now(at(100))
        );
    }

    #[test]
    fn the_annotation_that_a_restart_wrote_guards_against_another() {
        let old = [pod("a", 0, "two", Some(100))];
        let digest = restarted(&Record::default(), &old, 110);
        let record = Record {
            restarted_for: Some(digest.clone()),
            restarted_at: Some(at(110)),
        };
        // The old pod still runs: the rollout is under way.
        assert_eq!(decide(&old, &record, at(115)), Decision::Done);
        // Its successor was made after the change.
        let successor = Member {
            restarted_for: Some(digest.clone()),
            ..pod("b", 112, "two", Some(100))
        };
        let both = [old[0].clone(), successor.clone()];
        assert_eq!(decide(&both, &record, at(100_000)), Decision::Done);
        // A clock that runs ahead makes the successor look old: the digest holds.
        let ahead = Member {
            secrets: pod("b", 0, "two", Some(500)).secrets,
            ..successor
        };
        assert_eq!(decide(&[ahead], &record, at(100_000)), Decision::Done);
    }

    #[test]
    fn a_second_change_within_the_window_waits_for_its_end() {
        let record = Record {
            restarted_for: Some("first".to_owned()),
            restarted_at: Some(at(110)),
        };
        let members = [Member {
            restarted_for: Some("first".to_owned()),
            ..pod("a", 112, "three", Some(200))
        }];
        assert_eq!(decide(&members, &record, at(210)), Decision::Wait(at(410)));
        assert!(matches!(
            decide(&members, &record, at(410)),
            Decision::Restart(_)
        ));
    }

    #[test]
    fn pods_of_a_template_that_is_being_replaced_do_not_count() {
        let record = Record {
            restarted_for: Some("now".to_owned()),
            restarted_at: None,
        };
        let members = [
            Member {
                restarted_for: Some("before".to_owned()),
                ..pod("a", 0, "two", Some(100))
            },
            pod("b", 0, "two", Some(100)),
        ];
        assert_eq!(decide(&members, &record, at(1000)), Decision::Done);
    }

    #[test]
    fn the_digest_is_of_the_values_and_not_of_the_pods() {
        let one = restarted(&Record::default(), &[pod("a", 0, "two", Some(100))], 110);
        let two = [pod("b", 5, "two", Some(100)), pod("c", 7, "two", Some(100))];
        assert_eq!(restarted(&Record::default(), &two, 500), one);
        let other = [pod("a", 0, "three", Some(100))];
        assert_ne!(restarted(&Record::default(), &other, 110), one);
    }

    #[test]
    fn pods_are_evicted_one_by_one_as_their_successors_become_ready() {
        let mut members = vec![pod("a", 0, "two", Some(100)), pod("b", 0, "two", Some(100))];
        members[1].ready = false;
        let Eviction::Evict(first, digest) = next_eviction(&members, None, at(110)) else {
            panic!("one must go");
        };
        assert_eq!(first.name, "b");
        let round = (digest, at(110));
        members[1] = Member {
            ready: false,
            ..pod("c", 111, "two", Some(100))
        };
        let wait = next_eviction(&members, Some(&round), at(120));
        assert_eq!(wait, Eviction::Wait(at(130)));
        members[1].ready = true;
        let next = next_eviction(&members, Some(&round), at(130));
        assert!(matches!(next, Eviction::Evict(pod, _) if pod.name == "a"));
        members.remove(0);
        assert_eq!(
            next_eviction(&members, Some(&round), at(140)),
            Eviction::Done
        );
    }

    #[test]
    fn another_round_of_evictions_waits_for_the_window() {
        let members = [pod("a", 150, "three", Some(200))];
        let round = ("before".to_owned(), at(110));
        assert_eq!(
            next_eviction(&members, Some(&round), at(210)),
            Eviction::Wait(at(410))
        );
        let later = next_eviction(&members, Some(&round), at(410));
        assert!(matches!(later, Eviction::Evict(..)));
    }

    #[test]
    fn old_changes_are_no_news_after_a_start() {
        let members = [pod("a", 0, "two", Some(100))];
        assert_eq!(to_tell(&members, at(200)).len(), 1);
        assert_eq!(to_tell(&members, at(4000)).len(), 0);
        assert_eq!(outdated_secrets(&members), BTreeSet::from(["inj-db"]));
    }
}
