//! latchkey's own processes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::daemon::Daemon;
use super::kubectl::output_of;
use super::metrics::Samples;
use super::{ports, wait};

/// How long a process may take to become ready.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How long a process may take to drain before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Namespace of latchkey's own objects, which must exist before it runs.
pub(crate) const OWN_NAMESPACE: &str = "latchkey-system";

/// The binary under test: the one that `LATCHKEY_BINARY` names, or the one built beside the running test
/// or example.
pub(crate) fn binary() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("LATCHKEY_BINARY") {
        let named = PathBuf::from(named);
        ensure!(
            named.is_file(),
            "LATCHKEY_BINARY: no file {}",
            named.display()
        );
        return Ok(named);
    }
    let this = std::env::current_exe()?;
    let profile = this.ancestors().nth(2).context("must be in target")?;
    let binary = profile.join("latchkey");
    ensure!(
        binary.is_file(),
        "{} is missing: run `cargo build --bin latchkey`",
        binary.display()
    );
    Ok(binary)
}

/// A running `latchkey run`.
#[derive(Debug)]
pub(crate) struct Latchkey {
    daemon: Daemon,
    live_url: String,
    metrics_url: String,
    webhook_url: String,
}

/// How to start [`Latchkey`].
#[derive(Clone, Debug, Default)]
pub(crate) struct RunOptions<'a> {
    /// Address of the ESC server that stores without `apiUrl` use.
    pub(crate) esc_url: Option<&'a str>,
    /// Host at which the API server reaches the webhook; 127.0.0.1 unless given.
    pub(crate) webhook_host: Option<&'a str>,
    /// Whole address at which the API server reaches the webhook, for example of a balancer.
    pub(crate) webhook_url: Option<&'a str>,
    /// Further flags, such as `--no-webhook`.
    pub(crate) flags: &'a [&'a str],
}

impl Latchkey {
    /// Starts operator and webhook against a cluster and waits until they say they are ready.
    ///
    /// `name` distinguishes the log files of several in one folder.
    pub(crate) async fn start(
        name: &str,
        kubeconfig: &Path,
        logs: &Path,
        options: &RunOptions<'_>,
    ) -> anyhow::Result<Self> {
        let [webhook, metrics, live] = ports::free()?;
        let (bind, host) = match options.webhook_host {
            Some(host) => ("0.0.0.0", host),
            None => ("127.0.0.1", "127.0.0.1"),
        };
        let own_url = format!("https://{host}:{webhook}");
        let mut command = Command::new(binary()?);
        command
            .arg("run")
            .args(["--webhook-addr", &format!("{bind}:{webhook}")])
            .args(["--webhook-url", options.webhook_url.unwrap_or(&own_url)])
            .args(["--metrics-addr", &format!("127.0.0.1:{metrics}")])
            .args(["--live-addr", &format!("127.0.0.1:{live}")])
            .args(["--drain-delay", "1"])
            .args(options.flags)
            .env("KUBECONFIG", kubeconfig);
        if let Some(url) = options.esc_url {
            command.args(["--esc-url", url]);
        }
        let log = logs.join(format!("{name}.log"));
        let daemon = Daemon::start(name, &command, &log)?.with_grace(GRACE);
        let mut latchkey = Self {
            daemon,
            live_url: format!("http://127.0.0.1:{live}"),
            metrics_url: format!("http://127.0.0.1:{metrics}/metrics"),
            webhook_url: own_url,
        };
        latchkey.wait_until_ready().await?;
        Ok(latchkey)
    }

    /// Its log file.
    pub(crate) fn log(&self) -> &Path {
        self.daemon.log()
    }

    /// Its process, to stop or crash it.
    pub(crate) fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// Base URL of `/livez` and `/readyz`.
    pub(crate) fn live_url(&self) -> &str {
        &self.live_url
    }

    /// Base URL of its webhook.
    pub(crate) fn webhook_url(&self) -> &str {
        &self.webhook_url
    }

    /// Its counters, as of now.
    pub(crate) async fn metrics(&self) -> anyhow::Result<Samples> {
        scrape(&self.metrics_url).await
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let ready = format!("{}/readyz", self.live_url);
        let daemon = &mut self.daemon;
        let outcome = wait::until("latchkey", READY_WITHIN, async || {
            daemon.check_running()?;
            reqwest::get(&ready).await?.error_for_status()?;
            Ok(())
        })
        .await;
        outcome.with_context(|| super::daemon::tail(self.daemon.log(), 30))
    }
}

/// A running `latchkey esc serve`.
#[derive(Debug)]
pub(crate) struct EscServer {
    daemon: Daemon,
    url: String,
    token: String,
}

impl EscServer {
    /// Starts it on a free port with its data in `dir` and waits until it answers.
    pub(crate) async fn start(dir: &Path, organization: &str, token: &str) -> anyhow::Result<Self> {
        let [port] = ports::free()?;
        Self::start_on(port, dir, organization, token).await
    }

    /// As [`EscServer::start`], on a port of the caller's choice: for a restart at the same address.
    pub(crate) async fn start_on(
        port: u16,
        dir: &Path,
        organization: &str,
        token: &str,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(binary()?);
        command
            .args(["esc", "serve", "--organization", organization])
            .args(["--addr", &format!("127.0.0.1:{port}")])
            .arg("--data-dir")
            .arg(dir.join("esc"))
            .env("LATCHKEY_ESC_TOKEN", token);
        let daemon = Daemon::start("esc", &command, &dir.join("esc.log"))?.with_grace(GRACE);
        let mut server = Self {
            daemon,
            url: format!("http://127.0.0.1:{port}"),
            token: token.to_owned(),
        };
        server.wait_until_answering().await?;
        Ok(server)
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its process, to stop or crash it.
    pub(crate) fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// Its log file.
    pub(crate) fn log(&self) -> &Path {
        self.daemon.log()
    }

    /// Its counters, as of now.
    pub(crate) async fn metrics(&self) -> anyhow::Result<Samples> {
        scrape(&format!("{}/metrics", self.url)).await
    }

    /// Runs `latchkey esc env …` against it with `input` on stdin and returns stdout.
    pub(crate) async fn env(&self, args: &[&str], input: &str) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::new(binary()?);
        command
            .args(["esc", "env"])
            .args(args)
            .env("PULUMI_BACKEND_URL", &self.url)
            .env("PULUMI_ACCESS_TOKEN", &self.token)
            .kill_on_drop(true);
        output_of(command, input).await
    }

    async fn wait_until_answering(&mut self) -> anyhow::Result<()> {
        let (url, daemon) = (self.url.clone(), &mut self.daemon);
        let outcome = wait::until("the ESC server", READY_WITHIN, async || {
            daemon.check_running()?;
            // Any answer will do: without a token most are refusals.
            reqwest::get(&url).await?;
            Ok(())
        })
        .await;
        outcome.with_context(|| super::daemon::tail(self.daemon.log(), 30))
    }
}

async fn scrape(url: &str) -> anyhow::Result<Samples> {
    let response = reqwest::get(url).await?.error_for_status()?;
    Samples::parse(&response.text().await?)
}
