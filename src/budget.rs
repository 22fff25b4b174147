//! How often a server is called: a budget of requests a second, one for each store.
//!
//! Whoever calls on behalf of a store does so within [`Budget::spend`]. Every request that leaves this
//! process meanwhile takes a [`turn`] where requests of its transport leave, tries again included; what is
//! answered from memory costs nothing. Turns are taken in the order in which they are asked for. Outside of
//! a budget there is nothing to wait for.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::telemetry::metrics::Metrics;

/// Longest time that a caller waits for its turn: as long as a slow refresh may take, and much longer than
/// values read within it are waited for one after the other.
const LONGEST_LINE: Duration = Duration::from_mins(5);

tokio::task_local! {
    static CURRENT: Arc<Spending>;
}

/// The requests of one store.
pub struct Budget {
    limiter: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
    ticks: Ticks,
    interval: Duration,
    line: Mutex<()>,
    waiting: AtomicU32,
    provider: &'static str,
    metrics: Metrics,
}

/// Calls that are under way within a budget.
struct Spending {
    budget: Arc<Budget>,
    prepaid: AtomicU32,
}

/// The time since a budget was made, by the clock that tests can stop.
#[derive(Clone, Copy)]
struct Ticks(Instant);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Budget {
    /// A budget of `per_second` requests, of which those of one second may be spent at once. Waits are
    /// counted in `metrics` under the name of the provider.
    #[must_use]
    pub fn new(per_second: f64, provider: &'static str, metrics: Metrics) -> Self {
        let interval = Duration::try_from_secs_f64(per_second.recip());
        let interval = interval
            .unwrap_or(Duration::MAX)
            .max(Duration::from_nanos(1));
        let at_once = Duration::from_secs(1).as_nanos() / interval.as_nanos();
        let at_once = u32::try_from(at_once).ok().and_then(NonZeroU32::new);
        let quota = Quota::with_period(interval).expect("the interval must not be zero");
        let ticks = Ticks(Instant::now());
        Self {
            limiter: RateLimiter::direct_with_clock(
                quota.allow_burst(at_once.unwrap_or(NonZeroU32::MIN)),
                ticks,
            ),
            ticks,
            interval,
            line: Mutex::new(()),
            waiting: AtomicU32::new(0),
            provider,
            metrics,
        }
    }

    /// How long a caller would wait, where that is too long to begin.
    #[must_use]
    pub fn too_long(&self) -> Option<Duration> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let wait = self.interval.saturating_mul(waiting);
        (wait > LONGEST_LINE).then_some(wait)
    }

    /// Makes calls whose requests take their turns.
    pub async fn spend<F: Future>(self: &Arc<Self>, calls: F) -> F::Output {
        let spending = Arc::new(Spending {
            budget: Arc::clone(self),
            prepaid: AtomicU32::new(0),
        });
        CURRENT.scope(spending, calls).await
    }

    async fn take(&self) {
        if let Ok(_turn) = self.line.try_lock()
            && self.limiter.check().is_ok()
        {
            return;
        }
        let _place = Place::new(self);
        let _turn = self.line.lock().await;
        while let Err(early) = self.limiter.check() {
            tokio::time::sleep(early.wait_time_from(self.ticks.now())).await;
        }
    }
}

/// A place in the line; it is left when dropped, also by who gives up.
struct Place<'a>(&'a Budget);

impl<'a> Place<'a> {
    fn new(budget: &'a Budget) -> Self {
        budget.waiting.fetch_add(1, Ordering::Relaxed);
        budget.metrics.request_waits(budget.provider);
        Self(budget)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.request_waits_no_more(self.0.provider);
    }
}

/// Waits until a request may be sent.
pub async fn turn() {
    let Ok(spending) = CURRENT.try_with(Arc::clone) else {
        return;
    };
    let prepaid = &spending.prepaid;
    let spent = prepaid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    if spent.is_err() {
        spending.budget.take().await;
    }
}

/// Waits until a request may be sent that takes its turn later, where the time for an answer runs already.
pub async fn prepay() {
    let Ok(spending) = CURRENT.try_with(Arc::clone) else {
        return;
    };
    spending.budget.take().await;
    spending.prepaid.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use futures::future::{join_all, select};

    use super::*;

    fn budget(per_second: f64) -> Arc<Budget> {
        Arc::new(Budget::new(per_second, "x", Metrics::new()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_holds_no_more_requests_than_the_budget_and_all_come_in_order() {
        let budget = budget(5.0);
        let started = Instant::now();
        let times = join_all((0..20).map(|_| async {
            budget.spend(turn()).await;
            started.elapsed().as_millis()
        }))
        .await;
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(times[4], 0, "one second's worth at once");
        let steady = |i: usize| times[i] >= 200 * (i as u128 - 4);
        assert!((5..20).all(steady), "{times:?}");
        assert!(times[19] < 3_200, "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn less_than_one_a_second_is_one_at_a_time() {
        let budget = budget(0.5);
        let started = Instant::now();
        for _ in 0..3 {
            budget.spend(turn()).await;
        }
        let took = started.elapsed();
        assert!(took >= Duration::from_secs(4), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_paid_for_does_not_wait_again_and_others_are_not_asked_to() {
        let budget = budget(1.0);
        let started = Instant::now();
        budget
            .spend(async {
                prepay().await;
                turn().await;
            })
            .await;
        turn().await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        budget.spend(turn()).await;
        assert!(started.elapsed() >= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_is_too_long_is_told_and_who_gives_up_leaves_it() {
        let budget = budget(0.01);
        budget.spend(turn()).await;
        assert_eq!(budget.too_long(), None);
        let waiters = join_all((0..4).map(|_| budget.spend(turn())));
        let look = std::pin::pin!(async { budget.too_long() });
        let looked = select(Box::pin(waiters), look).await;
        let futures::future::Either::Right((found, waiters)) = looked else {
            panic!("nobody's turn has come");
        };
        assert_eq!(found, Some(Duration::from_secs(400)));
        drop(waiters);
        assert_eq!(budget.too_long(), None);
    }
}
