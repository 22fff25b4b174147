//! A namespace per test, and a picture of it when the test fails.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;

use futures::FutureExt as _;

use super::control_plane::ControlPlane;
use super::daemon;
use super::kubectl::Kubectl;

/// What describes a namespace's state; Secrets are listed by name only.
const DUMPS: [&[&str]; 6] = [
    &["get", "externalsecrets,secretstores", "-o", "yaml"],
    &["get", "clustersecretstores", "-o", "yaml"],
    &["get", "pods", "-o", "yaml"],
    &["get", "secrets"],
    &["get", "events", "--sort-by=.lastTimestamp"],
    &["get", "leases"],
];

/// A test's own namespace.
#[derive(Debug)]
pub(crate) struct Scenario {
    namespace: String,
    kubectl: Kubectl,
    logs: Vec<PathBuf>,
}

impl Scenario {
    /// The namespace's name; also good as the stem of cluster-wide names.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// kubectl for the cluster; give `-n` where it matters.
    pub(crate) fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Shows the end of this log if the test fails.
    pub(crate) fn watch_log(&mut self, log: impl Into<PathBuf>) {
        self.logs.push(log.into());
    }

    async fn picture(&self) -> String {
        let mut picture = String::new();
        for args in DUMPS {
            let scoped = ["-n", &self.namespace].into_iter().chain(args.to_vec());
            let text = match self.kubectl.run(scoped).await {
                Ok(text) => text,
                Err(error) => format!("{error:#}"),
            };
            writeln!(picture, "--- kubectl {}\n{text}", args.join(" ")).ok();
        }
        for log in &self.logs {
            let tail = daemon::tail(log, 80);
            writeln!(picture, "--- end of {}\n{tail}", log.display()).ok();
        }
        picture
    }
}

/// Runs `test` in a new namespace whose name starts with `stem`.
///
/// If it fails or panics, the namespace's objects, events and the watched logs are printed and the
/// namespace stays; otherwise it is deleted, without waiting.
pub(crate) async fn run(
    plane: &ControlPlane,
    stem: &str,
    test: impl AsyncFnOnce(&mut Scenario) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let suffix = uuid::Uuid::new_v4().simple().to_string();
    let mut scenario = Scenario {
        namespace: format!("{stem}-{}", &suffix[..6]),
        kubectl: plane.kubectl(),
        logs: Vec::new(),
    };
    let namespace = scenario.namespace.clone();
    let kubectl = scenario.kubectl.clone();
    kubectl.run(["create", "namespace", &namespace]).await?;
    let outcome = AssertUnwindSafe(test(&mut scenario)).catch_unwind().await;
    if matches!(outcome, Ok(Ok(()))) {
        let delete = ["delete", "namespace", "--wait=false", &namespace];
        kubectl.run(delete).await?;
        return Ok(());
    }
    eprintln!(
        "{stem} failed in {namespace}:\n{}",
        scenario.picture().await
    );
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}
