//! The cluster that the demo plays in: one of its own, or the one that DEMO_KUBECONFIG names.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::progress;
use crate::support::control_plane::{self, ControlPlane, Options};
use crate::support::kubectl::Kubectl;
use crate::support::latchkey::OWN_NAMESPACE;
use crate::support::workdir::Workdir;

/// Names a kubeconfig file; without it the demo starts a control plane.
pub(crate) const KUBECONFIG: &str = "DEMO_KUBECONFIG";
/// Host at which the API server of that cluster reaches this machine; 127.0.0.1 unless set.
pub(crate) const WEBHOOK_HOST: &str = "DEMO_WEBHOOK_HOST";
/// Namespace of the store's access token, as in the example.
pub(crate) const TOKEN_NAMESPACE: &str = "external-secrets";

/// Where the demo plays; dropping it leaves the place as it was.
#[derive(Debug)]
pub(crate) enum Cluster {
    /// Started by us, and gone with us.
    Own(Box<ControlPlane>),
    /// Somebody else's.
    Foreign(Visit),
}

impl Cluster {
    /// Starts a control plane or visits the given cluster.
    pub(crate) async fn open(node_address: Option<Ipv4Addr>) -> anyhow::Result<Self> {
        if let Some(kubeconfig) = std::env::var_os(KUBECONFIG).filter(|path| !path.is_empty()) {
            let what = format!("looking at the cluster of {}", kubeconfig.display());
            let visit = progress::step(what, Visit::begin(kubeconfig)).await?;
            return Ok(Self::Foreign(visit));
        }
        let options = Options {
            scheduler: node_address.is_some(),
            node_address,
        };
        let start = ControlPlane::start(options);
        let plane = progress::step("starting etcd, API server and controllers", start).await?;
        Ok(Self::Own(Box::new(plane)))
    }

    /// kubectl for it.
    pub(crate) fn kubectl(&self) -> Kubectl {
        match self {
            Self::Own(plane) => plane.kubectl(),
            Self::Foreign(visit) => visit.kubectl.clone(),
        }
    }

    /// Its kubeconfig file.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.kubectl().kubeconfig().to_owned()
    }

    /// Folder for the demo's files.
    pub(crate) fn workdir(&self) -> &Workdir {
        match self {
            Self::Own(plane) => plane.workdir(),
            Self::Foreign(visit) => &visit.workdir,
        }
    }

    /// The control plane, if it is ours.
    pub(crate) fn own(&self) -> Option<&ControlPlane> {
        match self {
            Self::Own(plane) => Some(plane),
            Self::Foreign(_) => None,
        }
    }
}

/// A stay in a cluster that is not ours.
#[derive(Debug)]
pub(crate) struct Visit {
    kubectl: Kubectl,
    program: PathBuf,
    webhooks_before: BTreeSet<String>,
    namespaces_to_remove: Vec<&'static str>,
    workdir: Workdir,
}

const WEBHOOKS: &str = "mutatingwebhookconfigurations,validatingwebhookconfigurations";

impl Visit {
    /// Refuses a cluster in which the demo would meddle with what is there.
    async fn begin(kubeconfig: OsString) -> anyhow::Result<Self> {
        let program = match which("kubectl") {
            Some(program) => program,
            None => tokio::task::spawn_blocking(control_plane::build)
                .await??
                .join("kubectl"),
        };
        let kubeconfig = std::path::absolute(Path::new(&kubeconfig))?;
        let kubectl = Kubectl::new(program.clone(), kubeconfig);
        let crds = kubectl.run(["get", "crds", "-o", "name"]).await?;
        ensure!(
            !crds.contains(".external-secrets.io"),
            "this cluster has External Secrets already and the demo would meddle with it: use an empty one"
        );
        let namespaces = kubectl.run(["get", "namespaces", "-o", "name"]).await?;
        let namespaces_to_remove = [TOKEN_NAMESPACE, OWN_NAMESPACE]
            .into_iter()
            .filter(|name| {
                !namespaces
                    .lines()
                    .any(|line| line == format!("namespace/{name}"))
            })
            .collect();
        let webhooks = kubectl.run(["get", WEBHOOKS, "-o", "name"]).await?;
        Ok(Self {
            kubectl,
            program,
            webhooks_before: webhooks.lines().map(str::to_owned).collect(),
            namespaces_to_remove,
            workdir: Workdir::new("latchkey-demo-")?,
        })
    }

    fn remove_what_we_made(&self) -> anyhow::Result<()> {
        let example = crate::story::example();
        let example = example
            .to_str()
            .context("the checkout's path must be UTF-8")?;
        self.run(&[
            "delete",
            "pod",
            "hello-server",
            "-n",
            "default",
            "--ignore-not-found",
        ])?;
        self.run(&["delete", "-f", example, "--ignore-not-found"])
            .ok();
        let materialised = [
            "delete",
            "secrets",
            "-n",
            "default",
            "-l",
            "latchkey.dev/managed",
        ];
        self.run(&materialised)?;
        for (kind, name) in [
            ("rolebinding", crate::pod::BINDING),
            ("clusterrole", "latchkey-store-user"),
        ] {
            self.run(&["delete", kind, name, "-n", "default", "--ignore-not-found"])?;
        }
        for webhook in self.run(&["get", WEBHOOKS, "-o", "name"])?.lines() {
            if webhook.contains("latchkey") && !self.webhooks_before.contains(webhook) {
                self.run(&["delete", webhook])?;
            }
        }
        let crds = crate::support::crds();
        let crds = crds.to_str().context("the checkout's path must be UTF-8")?;
        self.run(&["delete", "-f", crds, "--ignore-not-found"])?;
        let token = [
            "delete",
            "secret",
            "pulumi-access-token",
            "--ignore-not-found",
        ];
        self.run(&[&token[..], &["-n", TOKEN_NAMESPACE]].concat())?;
        for namespace in &self.namespaces_to_remove {
            let delete = ["delete", "namespace", namespace, "--ignore-not-found"];
            self.run(&[&delete[..], &["--wait=false"]].concat())?;
        }
        Ok(())
    }

    fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(self.kubectl.kubeconfig())
            .arg("--request-timeout=30s")
            .args(args)
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "failed to run kubectl {args:?}");
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        println!("     removing what the demo made in the cluster");
        if let Err(error) = self.remove_what_we_made() {
            println!("FAIL could not remove everything: {error:#}");
        }
    }
}

/// The first program of this name on the PATH.
fn which(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
