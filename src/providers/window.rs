//! One fetch per remote secret and refresh window, shared by all objects and keys.
//!
//! Each key has a slot behind a lock, so that concurrent callers wait for one call and share its
//! outcome, a failure included. Values are held for 30 s at most, and only for callers to whom they
//! are new enough.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use super::slots::Slots;
use super::{Clock, Error, ErrorKind};

/// How long values are held after they were asked for.
const HOLD: Duration = Duration::from_secs(30);

/// How long a failure answers callers in place of another call, unless the remote said how long.
const FAILURE_LIFE: Duration = Duration::from_secs(5);

/// Longest time that a remote is believed when it asks to wait.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What was fetched, by what it is of.
pub(super) struct Window<K, V> {
    clock: Clock,
    slots: Slots<K, Mutex<Slot<V>>>,
}

struct Slot<V> {
    /// With the time before the fetch began: the value is at least as new.
    held: Option<(Arc<V>, SystemTime)>,
    failure: Option<(Error, SystemTime)>,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self {
            held: None,
            failure: None,
        }
    }
}

impl<K, V> Window<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// An empty window that lives by `clock`.
    pub(super) fn new(clock: Clock) -> Self {
        let slots = Slots::new(50_000, Duration::from_mins(5));
        Self { clock, slots }
    }

    /// The value of `key`, fetched no earlier than `not_before`.
    ///
    /// # Errors
    /// That of the fetch, of this caller's or of one a moment ago.
    pub(super) async fn get(
        &self,
        key: &K,
        not_before: SystemTime,
        fetch: impl Future<Output = Result<V, Error>>,
    ) -> Result<Arc<V>, Error> {
        let slot = self.slots.of(key).await;
        let mut slot = slot.lock().await;
        let now = (self.clock)();
        if let Some((value, at)) = &slot.held
            && *at >= not_before
            && !has_passed(*at, HOLD, now)
        {
            return Ok(Arc::clone(value));
        }
        if let Some((error, until)) = &slot.failure
            && let Ok(left) = until.duration_since(now)
            && !left.is_zero()
        {
            let mut error = error.clone();
            error.retry_after = error.retry_after.map(|_| left);
            return Err(error);
        }
        match fetch.await {
            Ok(value) => {
                let value = Arc::new(value);
                slot.failure = None;
                slot.held = Some((Arc::clone(&value), now));
                Ok(value)
            }
            Err(error) => {
                if is_of_remote(error.kind) {
                    let life = error.retry_after.unwrap_or(FAILURE_LIFE).min(LONGEST_WAIT);
                    slot.failure = Some((error.clone(), (self.clock)() + life));
                }
                Err(error)
            }
        }
    }

    /// Forgets what is known of `key`, after it was written.
    pub(super) async fn forget(&self, key: &K) {
        self.slots.forget(key).await;
    }

    /// Drops values that were held long enough, asked for or not. A slot in use is left for the next
    /// time.
    pub(super) fn sweep(&self) {
        let now = (self.clock)();
        for slot in self.slots.values() {
            if let Ok(mut slot) = slot.try_lock() {
                slot.held.take_if(|(_, at)| has_passed(*at, HOLD, now));
            }
        }
    }
}

/// What the configuration causes is found without a call and costs nobody a quota.
fn is_of_remote(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Denied | ErrorKind::Throttled | ErrorKind::Unavailable
    )
}

fn has_passed(since: SystemTime, life: Duration, now: SystemTime) -> bool {
    now.duration_since(since).unwrap_or_default() >= life
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    struct Bench {
        window: Window<&'static str, usize>,
        seconds: Arc<AtomicU64>,
        calls: AtomicUsize,
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + seconds)
    }

    impl Bench {
        fn new() -> Self {
            let seconds = Arc::new(AtomicU64::new(0));
            let clock = Arc::clone(&seconds);
            Self {
                window: Window::new(Arc::new(move || at(clock.load(Ordering::SeqCst)))),
                seconds,
                calls: AtomicUsize::new(0),
            }
        }

        async fn get(&self, not_before: u64, error: Option<Error>) -> Result<usize, Error> {
            let fetch = async {
                tokio::task::yield_now().await;
                let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
                error.map_or(Ok(call), Err)
            };
            let got = self.window.get(&"key", at(not_before), fetch).await;
            got.map(|value| *value)
        }
    }

    #[tokio::test]
    async fn callers_at_once_share_one_fetch_and_a_later_window_fetches_again() {
        let bench = Bench::new();
        let answers = join_all((0..20).map(|_| bench.get(0, None))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(1))));
        bench.seconds.store(10, Ordering::SeqCst);
        assert_eq!(bench.get(0, None).await.unwrap(), 1);
        assert_eq!(bench.get(5, None).await.unwrap(), 2);
        bench.seconds.store(40, Ordering::SeqCst);
        assert_eq!(bench.get(5, None).await.unwrap(), 3, "30 s are over");
    }

    #[tokio::test]
    async fn a_failure_answers_for_as_long_as_the_remote_asked() {
        let bench = Bench::new();
        let mut throttled = Error::new(ErrorKind::Throttled, "x", "slow down");
        throttled.retry_after = Some(Duration::from_secs(20));
        bench.get(0, Some(throttled)).await.unwrap_err();
        bench.seconds.store(15, Ordering::SeqCst);
        let again = bench.get(15, None).await.unwrap_err();
        assert_eq!(again.retry_after, Some(Duration::from_secs(5)));
        bench.seconds.store(20, Ordering::SeqCst);
        assert_eq!(bench.get(15, None).await.unwrap(), 2);
        let local = Error::new(ErrorKind::Invalid, "x", "no Secret");
        bench.get(20, None).await.unwrap();
        bench.seconds.store(60, Ordering::SeqCst);
        bench.get(60, Some(local)).await.unwrap_err();
        assert!(bench.get(60, None).await.is_ok(), "mended at once");
    }
}
