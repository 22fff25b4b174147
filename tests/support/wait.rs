//! Waiting for what another process does.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::Context as _;

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
    let deadline = Instant::now() + limit;
    let mut complaint = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => complaint = Some(error),
            // The last complaint says more than that the next look was cut short.
            Err(_) => {
                let complaint = complaint.unwrap_or_else(|| anyhow::anyhow!("no answer"));
                let seconds = limit.as_secs();
                return Err(complaint)
                    .with_context(|| format!("gave up waiting for {what} after {seconds} s"));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
