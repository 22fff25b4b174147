//! The REST API of Pulumi ESC over a [`Store`], as its CLI and its SDKs speak it.
//!
//! Everything but `/healthz` and `/metrics` needs a token. No secret, token or session id is logged: a
//! request is logged by the name of its operation, never by its path.

mod accept;
mod body;
mod definition;
mod environments;
mod evaluation;
mod guard;
mod labels;
mod open;
mod params;
mod path;
mod problem;
mod revisions;
mod routes;
mod secrets;
mod session;
mod target;
mod user;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::store::Store;
use crate::telemetry::metrics::Metrics;
use problem::Problem;
use session::Sessions;

pub use accept::{TlsError, tls_config};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How often sessions that have ended are wiped.
const SWEEP: Duration = Duration::from_secs(30);

/// A server that is not listening yet.
pub struct Server(Shared);

struct State {
    store: Store,
    sessions: Sessions,
    clock: Clock,
    metrics: Metrics,
    default_organization: String,
    /// Evaluations at once; each may hold a CPU and tens of megabytes.
    evaluations: Semaphore,
}

type Shared = Arc<State>;

impl Server {
    /// A server of `store`. A token for all organisations has `default_organization` as its default.
    #[must_use]
    pub fn new(store: Store, metrics: Metrics, default_organization: &str, clock: Clock) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(State {
            store,
            sessions: Sessions::default(),
            clock,
            metrics,
            default_organization: default_organization.to_owned(),
            evaluations: Semaphore::new(cpus.max(2)),
        }))
    }

    /// Serves until `drain` resolves, then until the requests under way are answered. Whoever wants a
    /// bound on that drops the future.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        drain: impl Future<Output = ()> + Send,
    ) {
        let state = Arc::clone(&self.0);
        let sweep = async move {
            let mut interval = tokio::time::interval(SWEEP);
            loop {
                interval.tick().await;
                state.sessions.sweep(state.now());
            }
        };
        tokio::select! {
            () = accept::serve(routes::router(&self.0), listener, tls, drain) => {}
            () = sweep => {}
        }
    }
}

impl State {
    fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// Runs work that blocks on the disk, off the threads that serve.
async fn blocking<T: Send + 'static>(
    state: &Shared,
    work: impl FnOnce(&Shared) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let state = Arc::clone(state);
    match tokio::task::spawn_blocking(move || work(&state)).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(panicked = error.is_panic(), "Failed to finish a request");
            Err(Problem::internal())
        }
    }
}

/// Runs an evaluation when it is its turn.
async fn evaluating<T: Send + 'static>(
    state: &Shared,
    work: impl FnOnce(&Shared) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let turn = state.evaluations.acquire().await;
    let _turn = turn.expect("the semaphore must never be closed");
    blocking(state, work).await
}
