//! Whether to push now. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::controllers::schedule::until;

/// What is known without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    /// What was pushed last.
    pub synced: Option<String>,
    /// When.
    pub refreshed: Option<Timestamp>,
    /// Resource version string of the object as ESO makes it.
    pub version: String,
    /// The same, of what may change made values: the spec and the force-sync annotation.
    pub narrow_version: String,
    /// Whether values are made anew at each push.
    pub generates: bool,
    /// How often; zero or less is on changes only.
    pub interval: SignedDuration,
    /// Whether the source has changed since.
    pub source_changed: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Push.
    Push,
    /// Wait so long; `None` is until something changes.
    Rest(Option<Duration>),
}

impl Observed {
    /// What the status records of a push.
    pub(super) fn pushed_version(&self) -> &str {
        if self.generates {
            &self.narrow_version
        } else {
            &self.version
        }
    }

    /// The wait after a push.
    pub(super) fn rest(&self, from: Timestamp, now: Timestamp) -> Option<Duration> {
        let periodic = self.interval > SignedDuration::ZERO;
        periodic.then(|| until(now, from + self.interval))
    }
}

/// Decides. Made values are not made again because a label changed.
pub(super) fn next_step(observed: &Observed, now: Timestamp) -> Step {
    let synced = observed
        .synced
        .as_deref()
        .filter(|synced| !synced.is_empty());
    let (Some(synced), Some(refreshed)) = (synced, observed.refreshed) else {
        return Step::Push;
    };
    let unchanged = synced == observed.pushed_version() || synced == observed.version;
    if !unchanged || observed.source_changed {
        return Step::Push;
    }
    match observed.rest(refreshed.min(now), now) {
        Some(wait) if wait.is_zero() => Step::Push,
        wait => Step::Rest(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn pushed() -> Observed {
        Observed {
            synced: Some("1-a".to_owned()),
            refreshed: Some(at(1000)),
            version: "1-a".to_owned(),
            narrow_version: "1-n".to_owned(),
            generates: false,
            interval: SignedDuration::from_secs(60),
            source_changed: false,
        }
    }

    #[test]
    fn values_are_pushed_at_first_on_changes_and_when_the_interval_is_over() {
        assert_eq!(
            next_step(&pushed(), at(1059)),
            Step::Rest(Some(Duration::from_secs(1)))
        );
        assert_eq!(next_step(&pushed(), at(1060)), Step::Push);
        let changed = Observed {
            version: "1-b".to_owned(),
            ..pushed()
        };
        assert_eq!(next_step(&changed, at(1001)), Step::Push);
        let new = Observed {
            synced: None,
            ..pushed()
        };
        assert_eq!(next_step(&new, at(1001)), Step::Push);
    }

    #[test]
    fn a_changed_source_is_pushed_at_once() {
        let changed = Observed {
            source_changed: true,
            interval: SignedDuration::ZERO,
            ..pushed()
        };
        assert_eq!(next_step(&changed, at(1001)), Step::Push);
    }

    #[test]
    fn an_interval_of_zero_pushes_on_changes_only() {
        let never = Observed {
            interval: SignedDuration::ZERO,
            ..pushed()
        };
        assert_eq!(next_step(&never, at(9_000_000)), Step::Rest(None));
    }

    #[test]
    fn made_values_stay_when_only_metadata_changes() {
        let made = Observed {
            generates: true,
            synced: Some("1-n".to_owned()),
            version: "1-b".to_owned(),
            ..pushed()
        };
        assert!(matches!(next_step(&made, at(1001)), Step::Rest(Some(_))));
        let forced = Observed {
            narrow_version: "1-m".to_owned(),
            ..made
        };
        assert_eq!(next_step(&forced, at(1001)), Step::Push);
    }
}
