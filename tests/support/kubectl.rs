//! kubectl, as a user has it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Runs kubectl against one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// `program` is the binary to run, `kubeconfig` names the cluster.
    pub(crate) fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self {
            program,
            kubeconfig,
        }
    }

    /// The kubeconfig file in use.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs it and returns stdout; fails with stderr when kubectl does.
    pub(crate) async fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> anyhow::Result<String> {
        self.run_with_input(args, "").await
    }

    /// `kubectl apply -f -` of `manifest`, client-side as most users do it.
    pub(crate) async fn apply(&self, manifest: &str) -> anyhow::Result<String> {
        self.run_with_input(["apply", "-f", "-"], manifest).await
    }

    /// As [`Kubectl::run`] with `input` on stdin.
    pub(crate) async fn run_with_input<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &str,
    ) -> anyhow::Result<String> {
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(args)
            .kill_on_drop(true);
        output_of(command, input).await
    }
}

/// Runs a short command to its end and returns stdout; fails with stderr when it does.
pub(crate) async fn output_of(mut command: Command, input: &str) -> anyhow::Result<String> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let shown = format!("{:?}", command.as_std());
    let mut child = command
        .spawn()
        .with_context(|| format!("failed to start {shown}"))?;
    let mut stdin = child.stdin.take().context("stdin must be piped")?;
    let feed = async {
        // A program that ends without reading its input reports why by itself.
        stdin.write_all(input.as_bytes()).await.ok();
        drop(stdin);
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    let output = output?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} ended with {}:\n{}", output.status, stderr.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{shown} must print UTF-8"))
}
