//! Work by key: each key is due at one moment, and at most one pass over it is under way.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use tokio::time::Instant;

/// Keys and the moments they are due.
pub(super) struct Queue<K> {
    due: BTreeSet<(Instant, K)>,
    moments: HashMap<K, Instant>,
    running: HashSet<K>,
    woken: HashSet<K>,
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    /// Nothing to do.
    pub(super) fn new() -> Self {
        Self {
            due: BTreeSet::new(),
            moments: HashMap::new(),
            running: HashSet::new(),
            woken: HashSet::new(),
        }
    }

    /// Makes `key` due at `moment`, or earlier if it already is. A key whose pass is under way becomes
    /// due when that has ended.
    pub(super) fn add(&mut self, key: K, moment: Instant) {
        if self.running.contains(&key) {
            self.woken.insert(key);
            return;
        }
        if let Some(present) = self.moments.get(&key).copied() {
            if present <= moment {
                return;
            }
            self.due.remove(&(present, key.clone()));
        }
        self.moments.insert(key.clone(), moment);
        self.due.insert((moment, key));
    }

    /// The next moment at which something is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(moment, _)| *moment)
    }

    /// Takes a key that is due, whose pass begins.
    pub(super) fn begin(&mut self, now: Instant) -> Option<K> {
        let (moment, _) = self.due.first()?;
        if *moment > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        self.moments.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    /// The pass over `key` has ended; it is due again at `again`, or at once if it was woken meanwhile.
    pub(super) fn end(&mut self, key: K, again: Option<Instant>, now: Instant) {
        self.running.remove(&key);
        let moment = if self.woken.remove(&key) {
            Some(now)
        } else {
            again
        };
        if let Some(moment) = moment {
            self.add(key, moment);
        }
    }

    /// Passes under way.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earlier_moment_counts() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.add("a", now + Duration::from_secs(10));
        queue.add("a", now);
        queue.add("a", now + Duration::from_secs(20));
        assert_eq!(queue.next(), Some(now));
        assert_eq!(queue.begin(now), Some("a"));
        assert_eq!(queue.begin(now), None);
    }

    #[test]
    fn a_key_woken_during_its_pass_is_due_behind_it() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.add("a", now);
        assert_eq!(queue.begin(now), Some("a"));
        queue.add("a", now);
        assert_eq!(queue.begin(now), None);
        queue.end("a", Some(now + Duration::from_mins(1)), now);
        assert_eq!(queue.begin(now), Some("a"));
        queue.end("a", None, now);
        assert_eq!((queue.next(), queue.running()), (None, 0));
    }
}
