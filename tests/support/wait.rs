//! Waiting for what another process does.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::daemon::Ended;

/// Pause between two looks: short against the seconds that things take here, long against a look's cost.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until `look` yields a value, and fails with the last complaint when `limit` has passed.
///
/// `look` returns `Ok` with the value, or `Err` that says what is still missing. [`Ended`] is final: what has
/// ended will not come.
pub(crate) async fn until<T>(
    what: impl Display,
    limit: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    let mut complaint = anyhow::anyhow!("no answer");
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // A look that is cut short leaves the complaint of the one before, which says more.
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if error.is::<Ended>() => return Err(error),
            Ok(Err(error)) => complaint = error,
            Err(_) => {}
        }
        // Not left to the timeout: a look that answers at once is never cut short.
        if Instant::now() >= deadline {
            let seconds = limit.as_secs();
            return Err(complaint)
                .with_context(|| format!("gave up waiting for {what} after {seconds} s"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
