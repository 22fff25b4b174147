//! Programs that scripts of the tests build or install.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::repository;

/// Runs a script of the repository that brings something there unless that was done before, and returns the path that
/// it prints as its only line. Its progress goes to our stderr.
pub(crate) fn path_from(script: &str) -> anyhow::Result<PathBuf> {
    let output = Command::new(repository().join(script))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("failed to run {script}"))?;
    let is_done = output.status.success();
    ensure!(is_done, "{script} failed; see the messages above");
    let path = String::from_utf8(output.stdout)?;
    Ok(PathBuf::from(path.trim()))
}
