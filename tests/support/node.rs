//! A node that runs pods for real: containerd and kubelet in namespaces of their own.
//!
//! A program that wants a node starts itself again in new network, mount and process namespaces. Whatever
//! happens to it there goes with them: processes, mounts, addresses, the kernel settings that a kubelet changes. Control groups
//! are the one thing that stays behind, so a watchdog outside removes those.

#[path = "node/parts.rs"]
mod parts;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::control_plane::{self, ControlPlane};
use super::daemon::{self, Daemon};
use super::kubectl::output_of;
use super::workdir::Workdir;
use super::{repository, wait};

/// The node's address in its network namespace.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 223, 0, 1);
/// The node's name.
const NAME: &str = "node";
/// Programs that are needed, and the Debian packages that have them.
const NEEDED: [(&str, &str); 7] = [
    ("/usr/bin/containerd", "containerd"),
    ("/usr/sbin/runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/bin/busybox", "busybox-static"),
    ("/sbin/ip", "iproute2"),
    ("/usr/bin/unshare", "util-linux"),
    ("/sbin/iptables", "iptables"),
];
/// How long containerd or the node may take to become ready.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// This program, running again in namespaces of its own.
#[derive(Debug)]
pub(crate) struct Inside {
    /// The process.
    pub(crate) child: Child,
    // Removed, with what is left of the control groups, after the process has ended.
    _outside: Workdir,
}

/// Whether this process may make a node.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Starts this program again in namespaces of its own, with arguments made from a folder outside of them,
/// which [`Node::prepare`] and [`Node::start`] want there.
///
/// Needs root; installs the Debian packages that are missing.
pub(crate) async fn enter(arguments: impl FnOnce(&mut Command, &Path)) -> anyhow::Result<Inside> {
    install_packages()?;
    // Here, where the network is.
    tokio::task::spawn_blocking(control_plane::build).await??;
    let outside = Workdir::with_cleanup("latchkey-node-", include_str!("node/cleanup.sh"))?;
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "--pid", "--fork", "--mount-proc"])
        .args(["--kill-child=KILL", "--"])
        .arg(std::env::current_exe()?)
        // Everything written inside goes with this folder.
        .env("TMPDIR", outside.path());
    arguments(&mut command, outside.path());
    Ok(Inside {
        child: daemon::spawn_attached(&command)?,
        _outside: outside,
    })
}

fn install_packages() -> anyhow::Result<()> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| !Path::new(program).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("Installing Debian packages: {}", missing.join(" "));
    let apt_get = |args: &[&str]| -> anyhow::Result<()> {
        let status = Command::new("apt-get")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .with_context(|| format!("failed to run apt-get; install {missing:?} by hand"))?;
        ensure!(status.success(), "apt-get {args:?} ended with {status}");
        Ok(())
    };
    apt_get(&["update", "-qq"])?;
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    apt_get(&[&install[..], &missing].concat())
}

/// A running node; its pods end with the process namespace.
#[derive(Debug)]
pub(crate) struct Node {
    kubelet: Daemon,
    containerd: Daemon,
    folder: PathBuf,
}

impl Node {
    /// Prepares the namespaces this process is in; before anything else uses the network.
    pub(crate) fn prepare(outside: &Path) -> anyhow::Result<()> {
        parts::network(ADDRESS)?;
        parts::mounts(outside)?;
        parts::control_group(&group_of(outside)?)
    }

    /// Starts containerd and the kubelet and waits until the node is ready.
    pub(crate) async fn start(plane: &ControlPlane, outside: &Path) -> anyhow::Result<Self> {
        let folder = plane.workdir().folder("node")?;
        let containerd = start_containerd(&folder).await?;
        import_images(&folder).await?;
        let kubelet = start_kubelet(plane, &folder, &group_of(outside)?)?;
        let mut node = Self {
            kubelet,
            containerd,
            folder,
        };
        node.wait_until_ready(plane).await?;
        Ok(node)
    }

    /// Log files, for a look at a failure.
    pub(crate) fn logs(&self) -> [&Path; 2] {
        [self.kubelet.log(), self.containerd.log()]
    }

    async fn wait_until_ready(&mut self, plane: &ControlPlane) -> anyhow::Result<()> {
        let kubectl = plane.kubectl();
        let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        wait::until("the node", READY_WITHIN, async || {
            self.containerd.check_running()?;
            self.kubelet.check_running()?;
            let ready = kubectl.run(["get", "node", NAME, "-o", path]).await?;
            ensure!(ready == "True", "the node is not ready");
            Ok(())
        })
        .await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The kubelet first, so that it restarts nothing; then what would keep the folder from being removed.
        let stopped = self.kubelet.stop().and_then(|_| self.containerd.stop());
        if let Err(error) = stopped.and_then(|_| parts::unmount_below(&self.folder)) {
            eprintln!("could not stop the node: {error:#}");
        }
    }
}

/// The control group's name: that of the folder, which [`enter`]'s watchdog knows.
fn group_of(outside: &Path) -> anyhow::Result<String> {
    let name = outside.file_name().and_then(|name| name.to_str());
    Ok(name.context("the folder must have a name")?.to_owned())
}

async fn start_containerd(folder: &Path) -> anyhow::Result<Daemon> {
    let config = parts::containerd_config(folder)?;
    let mut command = Command::new("containerd");
    command.arg("--config").arg(config);
    let log = folder.join("containerd.log");
    let mut containerd = Daemon::start("containerd", &command, &log)?;
    wait::until("containerd", READY_WITHIN, async || {
        containerd.check_running()?;
        ctr(folder, &["version"]).await
    })
    .await?;
    Ok(containerd)
}

async fn import_images(folder: &Path) -> anyhow::Result<()> {
    let scripts = repository().join("tests/support/node");
    let mut make = tokio::process::Command::new("sh");
    make.arg(scripts.join("image.sh"))
        .arg(folder)
        .arg(scripts.join("answer.sh"))
        .arg(super::latchkey::binary()?)
        .kill_on_drop(true);
    output_of(make, "").await?;
    let archive = folder.join("images.tar");
    let archive = archive
        .to_str()
        .context("the temporary folder's path must be UTF-8")?;
    ctr(folder, &["images", "import", archive]).await
}

async fn ctr(folder: &Path, args: &[&str]) -> anyhow::Result<()> {
    let mut ctr = tokio::process::Command::new("ctr");
    ctr.arg("--address")
        .arg(parts::socket(folder))
        .args(["--namespace", "k8s.io"])
        .args(args)
        .kill_on_drop(true);
    output_of(ctr, "").await.map(drop)
}

fn start_kubelet(plane: &ControlPlane, folder: &Path, group: &str) -> anyhow::Result<Daemon> {
    let config = parts::kubelet_config(folder, ADDRESS, group)?;
    let flag = |name: &str, value: PathBuf| format!("--{name}={}", value.display());
    let mut command = Command::new(plane.program("kubelet"));
    command
        .arg(flag("config", config))
        .arg(flag("kubeconfig", plane.kubeconfig().to_owned()))
        .arg(flag("root-dir", folder.join("kubelet")))
        .arg(flag("cert-dir", folder.join("kubelet/pki")))
        .arg(format!("--hostname-override={NAME}"))
        .arg(format!("--node-ip={ADDRESS}"));
    Daemon::start("kubelet", &command, &folder.join("kubelet.log"))
}
