//! The load tool, oha.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use clap::Parser;
use serde_json::Value;
use tokio::process::Command;

/// What one run sends.
pub(crate) struct Drive {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// Name of the review.
    pub(crate) body: &'static str,
    /// The content type it is sent with.
    pub(crate) content_type: &'static str,
    /// The status that every answer must have.
    pub(crate) status: &'static str,
}

impl Drive {
    /// A review that is answered.
    pub(crate) const fn of(name: &'static str) -> Self {
        Self {
            name,
            body: name,
            content_type: "application/json",
            status: "200",
        }
    }
}

/// Sends reviews of pods at a fixed rate; run by tests/load/run.sh.
#[derive(Debug, Parser)]
pub(crate) struct Load {
    /// The load tool, oha
    #[arg(long, value_name = "FILE")]
    tool: PathBuf,
    /// Reviews a second
    #[arg(long, default_value_t = 2000)]
    pub(crate) rate: u32,
    /// Connections, which stay open
    #[arg(long, default_value_t = 16)]
    pub(crate) connections: u32,
    /// Length of each run in seconds
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u32,
    /// How often all runs are repeated
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
}

/// What one run has measured; times are milliseconds.
pub(crate) struct Times {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Answers a second.
    pub(crate) rate: f64,
    /// Answers in all.
    pub(crate) answers: f64,
    /// Time on a processor that the server has used for one answer.
    pub(crate) cpu_micros: f64,
}

impl Load {
    /// Sends the review in `body` at the rate.
    pub(crate) async fn run(&self, drive: &Drive, url: &str, body: &Path) -> anyhow::Result<Times> {
        let mut command = Command::new(&self.tool);
        command
            .args(["--no-tui", "--output-format", "json", "--insecure"])
            .args(["-m", "POST", "-T", drive.content_type, "-D"])
            .arg(body)
            .args(["-c", &self.connections.to_string()])
            .args(["-q", &self.rate.to_string()])
            .args(["-z", &format!("{}s", self.seconds)])
            .arg(url)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await;
        let output = output.with_context(|| format!("failed to run {}", self.tool.display()))?;
        ensure!(
            output.status.success(),
            "the load tool failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        times(&serde_json::from_slice(&output.stdout)?, drive)
    }
}

fn times(report: &Value, drive: &Drive) -> anyhow::Result<Times> {
    let statuses = report["statusCodeDistribution"].as_object();
    let statuses = statuses.context("the report must count statuses")?;
    ensure!(
        statuses.len() == 1 && statuses.contains_key(drive.status),
        "every answer to {} must have status {}: {statuses:?}",
        drive.name,
        drive.status
    );
    let at = |pointer: &str| {
        let number = report.pointer(pointer).and_then(Value::as_f64);
        number.with_context(|| format!("the report must have {pointer}: {report}"))
    };
    let milliseconds = |pointer: &str| Ok::<_, anyhow::Error>(at(pointer)? * 1000.0);
    Ok(Times {
        p50: milliseconds("/latencyPercentiles/p50")?,
        p99: milliseconds("/latencyPercentiles/p99")?,
        p999: milliseconds("/latencyPercentiles/p99.9")?,
        rate: at("/summary/requestsPerSec")?,
        answers: at(&format!("/statusCodeDistribution/{}", drive.status))?,
        cpu_micros: 0.0,
    })
}
