//! When something is done again. Pure: the present is an argument.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Wait after the first failure; it doubles with each further one (ESO 2.9.0).
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Part of an interval over which the objects of one grid are spread.
const SPREAD_PART: i32 = 10;
/// Longest spread: what providers hold for all who ask, they hold for half a minute, so that objects
/// which share a remote secret still share the read of it.
const LONGEST_SPREAD: SignedDuration = SignedDuration::from_secs(20);

/// How long after a tick an object comes, always the same for the same object: less than a tenth of the
/// interval, so that no refresh is later than 1.1 intervals after the one before.
#[must_use]
pub(crate) fn spread(interval: SignedDuration, seed: &impl Hash) -> SignedDuration {
    let widest = (interval / SPREAD_PART).min(LONGEST_SPREAD).as_millis();
    if widest <= 0 {
        return SignedDuration::ZERO;
    }
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    let part = i128::from(hasher.finish()) % widest;
    SignedDuration::from_millis(i64::try_from(part).unwrap_or(0))
}

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
    fn objects_of_one_grid_are_spread_over_a_tenth_and_keep_their_place() {
        let places = |interval: SignedDuration| -> Vec<SignedDuration> {
            (0..100).map(|object| spread(interval, &object)).collect()
        };
        let minute = places(SignedDuration::from_mins(1));
        assert!(
            minute
                .iter()
                .all(|place| *place < SignedDuration::from_secs(6))
        );
        assert!(minute.iter().max().unwrap() > &SignedDuration::from_secs(4));
        assert_eq!(minute, places(SignedDuration::from_mins(1)));
        let day = places(SignedDuration::from_hours(24));
        assert!(day.iter().all(|place| *place < LONGEST_SPREAD));
        assert_eq!(spread(SignedDuration::ZERO, &1), SignedDuration::ZERO);
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
