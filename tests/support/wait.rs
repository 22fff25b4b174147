//! Waiting for what another process does.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// Pause between two looks: short against the seconds that things take here, long against a look's cost.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until `look` yields a value, and fails with the last complaint when `limit` has passed.
///
/// `look` returns `Ok` with the value, or `Err` that says what is still missing.
pub(crate) async fn until<T>(
    what: impl Display,
    limit: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        let Some(left) = limit.checked_sub(started.elapsed()) else {
            bail!("gave up waiting for {what} after {} s", limit.as_secs());
        };
        let complaint = match tokio::time::timeout(left, look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(complaint)) => complaint,
            Err(_) => anyhow::anyhow!("no answer"),
        };
        if started.elapsed() + PAUSE > limit {
            return Err(complaint).with_context(|| {
                format!("gave up waiting for {what} after {} s", limit.as_secs())
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}
