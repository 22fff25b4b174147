//! A brake on mass deletion.
//!
//! A store that was emptied, moved or misrouted says of every secret that it does not exist. Where many
//! objects would lose their Secret or keys of it within a short time, none does: the wish is noted, and
//! only when few others have it too it is granted. Whole Secrets go only after a pause in which the
//! others can make themselves heard.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::memory::Key;
use crate::controllers::schedule::until;

/// How long a granted wish counts.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// How long a wish waits for those of others. Objects of one store and interval come within 20 s.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// A wish that was not repeated for so long has lapsed: an object that is held is tried again sooner.
const LAPSE: SignedDuration = SignedDuration::from_hours(1);

/// What an object would lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Its whole Secret, because the store has nothing any more.
    Secret,
    /// Some keys of it, or a Secret under an earlier name.
    Part,
}

/// Whether an object may lose something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may.
    Granted,
    /// Ask again after this wait.
    Pause(Duration),
    /// Not while so many objects would.
    Held,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    since: Timestamp,
    repeated: Timestamp,
    granted: bool,
}

/// Counts the objects that would lose something.
pub(crate) struct Brake {
    /// More objects than this within ten minutes are held; 0 holds none.
    limit: usize,
    wishes: Mutex<HashMap<Key, Wish>>,
}

impl Brake {
    /// Holds when more than `limit` objects would lose something within ten minutes; never with 0.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            wishes: Mutex::default(),
        }
    }

    /// Asks for an object.
    pub(crate) fn ask(&self, key: &Key, loss: Loss, now: Timestamp) -> Verdict {
        if self.limit == 0 {
            return Verdict::Granted;
        }
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        wishes.retain(|_, wish| {
            let life = if wish.granted { WINDOW } else { LAPSE };
            now.duration_since(wish.repeated) < life
        });
        let new = Wish {
            since: now,
            repeated: now,
            granted: false,
        };
        let wish = wishes.entry(key.clone()).or_insert(new);
        wish.repeated = now;
        let ripe = wish.since + PAUSE;
        if wishes.len() > self.limit {
            return Verdict::Held;
        }
        if loss == Loss::Secret && now < ripe {
            return Verdict::Pause(until(now, ripe));
        }
        if let Some(wish) = wishes.get_mut(key) {
            wish.granted = true;
        }
        Verdict::Granted
    }

    /// How many objects are held.
    pub(crate) fn holding(&self) -> usize {
        let wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        let open = wishes.values().filter(|wish| !wish.granted).count();
        if self.limit > 0 && wishes.len() > self.limit {
            open
        } else {
            0
        }
    }

    /// The object has its values again, or is gone: an open wish is none any more.
    pub(crate) fn withdraw(&self, key: &Key) {
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        if wishes.get(key).is_some_and(|wish| !wish.granted) {
            wishes.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn key(object: u32) -> Key {
        ("team".to_owned(), object.to_string())
    }

    #[test]
    fn when_everything_vanishes_nothing_is_deleted() {
        let brake = Brake::new(3);
        for object in 0..10 {
            let verdict = brake.ask(&key(object), Loss::Secret, at(i64::from(object)));
            assert_ne!(verdict, Verdict::Granted, "{object}");
        }
        // However often they ask.
        for round in 1..5 {
            for object in 0..10 {
                let verdict = brake.ask(&key(object), Loss::Secret, at(round * 400));
                assert_eq!(verdict, Verdict::Held);
            }
        }
    }

    #[test]
    fn a_single_secret_is_deleted_after_a_pause() {
        let brake = Brake::new(3);
        assert_eq!(
            brake.ask(&key(1), Loss::Secret, at(0)),
            Verdict::Pause(Duration::from_secs(30))
        );
        assert_eq!(brake.ask(&key(1), Loss::Secret, at(30)), Verdict::Granted);
        assert_eq!(brake.ask(&key(2), Loss::Part, at(31)), Verdict::Granted);
    }

    #[test]
    fn what_was_granted_counts_for_ten_minutes() {
        let brake = Brake::new(2);
        for object in 0..2 {
            assert_eq!(brake.ask(&key(object), Loss::Part, at(0)), Verdict::Granted);
        }
        assert_eq!(brake.ask(&key(2), Loss::Part, at(60)), Verdict::Held);
        brake.withdraw(&key(0));
        assert_eq!(brake.ask(&key(2), Loss::Part, at(120)), Verdict::Held);
        assert_eq!(brake.ask(&key(2), Loss::Part, at(601)), Verdict::Granted);
    }

    #[test]
    fn values_that_come_back_release_the_others() {
        let brake = Brake::new(1);
        assert!(matches!(
            brake.ask(&key(1), Loss::Secret, at(0)),
            Verdict::Pause(_)
        ));
        assert_eq!(brake.ask(&key(2), Loss::Secret, at(1)), Verdict::Held);
        brake.withdraw(&key(1));
        assert_eq!(brake.ask(&key(2), Loss::Secret, at(40)), Verdict::Granted);
    }

    #[test]
    fn a_limit_of_zero_holds_nothing() {
        let brake = Brake::new(0);
        for object in 0..100 {
            assert_eq!(
                brake.ask(&key(object), Loss::Secret, at(0)),
                Verdict::Granted
            );
        }
    }
}
