//! Helm, as a user has it.

use std::path::PathBuf;

use anyhow::Context as _;

use super::control_plane::ControlPlane;
use super::kubectl::output_of;
use super::{repository, script};

/// Runs Helm against one cluster, with folders of its own.
#[derive(Clone, Debug)]
pub(crate) struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Helm {
    /// Builds Helm unless that was done before.
    pub(crate) async fn new(plane: &ControlPlane) -> anyhow::Result<Self> {
        let program =
            tokio::task::spawn_blocking(|| script::path_from("tests/helm/build.sh")).await??;
        Ok(Self {
            program,
            kubeconfig: plane.kubeconfig().to_owned(),
            home: plane.workdir().path().join("helm"),
        })
    }

    /// Runs it and returns stdout; fails with stderr when Helm does.
    pub(crate) async fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HELM_CACHE_HOME", self.home.join("cache"))
            .env("HELM_CONFIG_HOME", self.home.join("config"))
            .env("HELM_DATA_HOME", self.home.join("data"))
            .kill_on_drop(true);
        output_of(command, "").await
    }
}

/// Path of the chart under test.
pub(crate) fn chart() -> anyhow::Result<String> {
    let path = repository().join("charts/latchkey");
    Ok(path.to_str().context("must be UTF-8")?.to_owned())
}
