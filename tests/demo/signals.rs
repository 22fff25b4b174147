//! Being told to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGINT, SIGTERM or SIGHUP; from the first call on they no longer end the process by themselves.
pub(crate) async fn interrupted() {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let waits = kinds.map(|kind| {
        Box::pin(async move {
            match signal(kind) {
                Ok(mut stream) => stream.recv().await,
                Err(_) => std::future::pending().await,
            }
        })
    });
    futures::future::select_all(waits).await;
}
