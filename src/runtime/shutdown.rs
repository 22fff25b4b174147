//! The first signal asks every task to finish; the second ends the process at once.

use tokio::signal::unix::{SignalKind, signal as listen};
use tokio_util::sync::CancellationToken;

/// Resolves, in every clone, when the process is asked to drain.
#[derive(Clone)]
pub struct Drain(CancellationToken);

impl Drain {
    pub(super) fn new() -> Self {
        Self(CancellationToken::new())
    }

    /// Asks for the drain.
    pub fn start(&self) {
        self.0.cancel();
    }

    /// Whether the drain was asked for.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits for the drain.
    pub async fn wait(self) {
        self.0.cancelled().await;
    }
}

/// Resolves at the first SIGINT or SIGTERM, or when `drain` was started otherwise; from then on a
/// second signal has the default effect.
pub(super) async fn signal(drain: Drain) {
    let interrupt = first(SignalKind::interrupt());
    let terminate = first(SignalKind::terminate());
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
        () = drain.clone().wait() => {}
    }
    drain.start();
}

async fn first(kind: SignalKind) {
    match listen(kind) {
        Ok(mut signals) => {
            if signals.recv().await.is_some() {
                return;
            }
        }
        Err(error) => tracing::error!(error = %error, "Failed to listen for a signal"),
    }
    std::future::pending::<()>().await;
}
