//! Readiness as a count of parts: the process is ready when every part has said so.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

type Waiting = Arc<Mutex<BTreeSet<&'static str>>>;

/// The parts that are not ready yet.
#[derive(Clone, Default)]
pub(super) struct Initialized(Waiting);

/// One part; it is ready when the handle says so. A handle that is dropped silently never is, so that
/// nobody can forget it.
pub struct Handle {
    name: &'static str,
    waiting: Waiting,
}

impl Initialized {
    pub(super) fn add(&self, name: &'static str) -> Handle {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name);
        Handle {
            name,
            waiting: Arc::clone(&self.0),
        }
    }

    /// Names of the parts that are not ready.
    pub(super) fn waiting(&self) -> Vec<&'static str> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect()
    }
}

impl Handle {
    /// The part is ready.
    pub fn ready(self) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_waited_for_until_it_says_so() {
        let parts = Initialized::default();
        let (first, second) = (parts.add("first"), parts.add("second"));
        assert_eq!(parts.waiting(), ["first", "second"]);
        first.ready();
        drop(second);
        assert_eq!(parts.waiting(), ["second"]);
    }
}
