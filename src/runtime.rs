//! The skeleton of a process: probes, leader election, drain. It knows no controller.
//!
//! [`Builder::bind`] opens the sockets and gives a [`Bound`], to which tasks are added; [`Bound::run`]
//! runs them until a signal asks for a drain or a task ends. A task that ends early ends the process
//! with its name as the reason: a process that has lost a part must not look alive.

mod admin;
mod initialized;
pub mod lease;
mod shutdown;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tokio::net::TcpListener;

use crate::telemetry::metrics::Metrics;

pub use initialized::Handle;
pub use shutdown::Drain;

/// Where probes and metrics are served, and how long a drain may take.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Address of /metrics; `0` serves none
    #[arg(long, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub metrics_addr: String,
    /// Address of /livez and /readyz; `0` serves none
    #[arg(long, default_value = "0.0.0.0:8082", value_name = "ADDRESS")]
    pub live_addr: String,
    /// Seconds that work under way may take after a signal
    #[arg(long, default_value_t = 25, value_name = "SECONDS")]
    pub drain_timeout: u64,
}

impl Args {
    /// No probes, and a drain of at most `drain`.
    #[must_use]
    pub fn without_probes(drain: Duration) -> Self {
        Self {
            metrics_addr: "0".to_owned(),
            live_addr: "0".to_owned(),
            drain_timeout: drain.as_secs(),
        }
    }
}

/// Why a process ends without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("failed to listen on {address} (--{flag}): {source}")]
    Listen {
        /// The flag that gave the address.
        flag: &'static str,
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// A task ended although nobody asked for it.
    #[error("task {task} ended: {reason}")]
    EndTask {
        /// Its name.
        task: &'static str,
        /// Why.
        reason: String,
    },
    /// Work under way did not finish after a signal.
    #[error("tasks were still running {0} s after the signal: {1}")]
    Drain(u64, String),
}

/// What a task ends with.
pub type TaskResult = Result<(), String>;

/// Sockets, probes and tasks of a process.
pub struct Bound {
    metrics: Metrics,
    metrics_listener: Option<TcpListener>,
    live_listener: Option<TcpListener>,
    initialized: initialized::Initialized,
    drain: Drain,
    tasks: Vec<(&'static str, BoxFuture<'static, TaskResult>)>,
    drain_timeout: u64,
}

impl Bound {
    /// Opens the sockets.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub async fn new(args: &Args, metrics: Metrics) -> Result<Self, Error> {
        Ok(Self {
            metrics_listener: listen("metrics-addr", &args.metrics_addr).await?,
            live_listener: listen("live-addr", &args.live_addr).await?,
            metrics,
            initialized: initialized::Initialized::default(),
            drain: Drain::new(),
            tasks: Vec::new(),
            drain_timeout: args.drain_timeout,
        })
    }

    /// A part of the process that must be ready before the process is; `name` is told while it is not.
    pub fn initializing(&mut self, name: &'static str) -> Handle {
        self.initialized.add(name)
    }

    /// Resolves when the process is asked to drain.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// Adds a task. It should end, with `Ok`, when the drain resolves and no sooner.
    pub fn task(
        &mut self,
        name: &'static str,
        task: impl Future<Output = TaskResult> + Send + 'static,
    ) {
        self.tasks.push((name, task.boxed()));
    }

    /// Runs until a signal and its drain, or until a task ends.
    ///
    /// # Errors
    /// When a task ends or panics unasked, or does not finish in time after a signal.
    pub async fn run(self) -> Result<(), Error> {
        let admin = admin::Admin::new(self.metrics, self.initialized, self.drain.clone());
        let mut probes = Vec::new();
        for (flag, listener) in [
            ("metrics-addr", self.metrics_listener),
            ("live-addr", self.live_listener),
        ] {
            if let Some(listener) = listener {
                log_address(flag, &listener);
                probes.push(admin::serve(admin.clone(), listener));
            }
        }
        let probes = async {
            if probes.is_empty() {
                std::future::pending::<()>().await;
            }
            futures::future::join_all(probes).await;
        };
        let mut names: Vec<&'static str> = self.tasks.iter().map(|(name, _)| *name).collect();
        let mut tasks: FuturesUnordered<_> = self
            .tasks
            .into_iter()
            .map(|(name, task)| spawned(name, task))
            .collect();
        let signal = shutdown::signal(self.drain.clone());
        tokio::pin!(probes, signal);
        let mut deadline: Option<tokio::time::Instant> = None;
        loop {
            if deadline.is_some() && tasks.is_empty() {
                return Ok(());
            }
            let expired = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((name, result)) = tasks.next() => {
                    names.retain(|running| *running != name);
                    if deadline.is_none() || result.is_err() {
                        let reason = result.err().unwrap_or_else(|| "it finished".to_owned());
                        return Err(Error::EndTask { task: name, reason });
                    }
                }
                () = &mut signal, if deadline.is_none() => {
                    tracing::info!("Draining");
                    deadline = Some(tokio::time::Instant::now() + Duration::from_secs(self.drain_timeout));
                }
                () = expired => return Err(Error::Drain(self.drain_timeout, names.join(", "))),
                () = &mut probes => {
                    let reason = "the probe server stopped".to_owned();
                    return Err(Error::EndTask { task: "admin", reason });
                }
            }
        }
    }
}

/// Runs a task on the worker threads; a panic becomes a result.
async fn spawned(
    name: &'static str,
    task: BoxFuture<'static, TaskResult>,
) -> (&'static str, TaskResult) {
    let task = AssertUnwindSafe(task).catch_unwind();
    let result = match tokio::spawn(task).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err("it panicked".to_owned()),
    };
    (name, result)
}

async fn listen(flag: &'static str, address: &str) -> Result<Option<TcpListener>, Error> {
    if matches!(address, "" | "0") {
        return Ok(None);
    }
    let address = if address.starts_with(':') {
        format!("0.0.0.0{address}")
    } else {
        address.to_owned()
    };
    match TcpListener::bind(&address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(source) => Err(Error::Listen {
            flag,
            address,
            source,
        }),
    }
}

fn log_address(flag: &str, listener: &TcpListener) {
    let address: Option<SocketAddr> = listener.local_addr().ok();
    tracing::info!(
        flag,
        address = address.map(|address| address.to_string()),
        "Serving probes"
    );
}
