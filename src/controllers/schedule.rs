//! When something is done again. Pure: the present is an argument.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Wait after the first failure; it doubles with each further one (ESO 2.9.0).
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Last moment at or before `now` of a grid with the given spacing.
///
/// Objects that share `seed` (their store) and spacing share the grid, so that one call of the provider
/// serves them all, and grids of different stores are spread over the interval.
#[must_use]
pub(crate) fn tick(now: Timestamp, interval: SignedDuration, seed: &impl Hash) -> Timestamp {
    let interval = interval.as_nanos();
    if interval <= 0 {
        return now;
    }
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    let phase = i128::from(hasher.finish()) % interval;
    let since_tick = (now.as_nanosecond() - phase).rem_euclid(interval);
    Timestamp::from_nanosecond(now.as_nanosecond() - since_tick).unwrap_or(now)
}

/// Wait before the try after `failures` failures in a row: doubled each time up to `longest`, and
/// shortened by up to a quarter so that objects which failed together do not come back together.
#[must_use]
pub(crate) fn retry_wait(failures: u32, longest: Duration, seed: &impl Hash) -> Duration {
    let doubled =
        FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(20)));
    let mut hasher = DefaultHasher::new();
    (seed, failures).hash(&mut hasher);
    let parts = u32::try_from(hasher.finish() % 256).unwrap_or(0);
    let wait = doubled.min(longest);
    wait.saturating_sub(wait / 1024 * parts)
}

/// The time from `now` to `then`; zero when it has passed.
#[must_use]
pub(crate) fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: SignedDuration = SignedDuration::from_secs(10);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn ticks_are_one_interval_apart_and_not_in_the_future() {
        let first = tick(at(1_000_000), INTERVAL, &"store");
        assert!(first <= at(1_000_000) && at(1_000_000).duration_since(first) < INTERVAL);
        assert_eq!(
            tick(at(1_000_010), INTERVAL, &"store").duration_since(first),
            INTERVAL
        );
        assert_eq!(tick(first, INTERVAL, &"store"), first);
    }

    #[test]
    fn stores_have_different_phases() {
        let phases: std::collections::BTreeSet<Timestamp> = (0..20)
            .map(|store| tick(at(1_000_000), INTERVAL, &store))
            .collect();
        assert!(phases.len() > 10, "{phases:?}");
    }

    #[test]
    fn retries_slow_down_to_the_longest_wait() {
        let longest = Duration::from_mins(1);
        let waits: Vec<Duration> = (1..12)
            .map(|failures| retry_wait(failures, longest, &"object"))
            .collect();
        assert!(waits[0] <= FIRST_RETRY && waits[0] >= FIRST_RETRY * 3 / 4);
        assert!(waits[10] <= longest && waits[10] >= longest * 3 / 4);
        assert!(retry_wait(u32::MAX, longest, &"object") <= longest);
    }
}
