//! What containerd and the kubelet find around them.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

const CONTROL_GROUPS: &str = "/sys/fs/cgroup";
/// Folders outside our own in which containerd, runc and the kubelet leave things.
const LITTERED: [&str; 3] = ["/run", "/var/log", "/var/lib/cni"];
/// Settings of the whole machine that a kubelet changes.
const SETTINGS: [&str; 3] = [
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
];

/// Gives the network namespace a loopback and the node its address.
pub(super) fn network(address: Ipv4Addr) -> anyhow::Result<()> {
    run("ip", &["link", "set", "lo", "up"])?;
    run("ip", &["link", "add", "node0", "type", "bridge"])?;
    let network = format!("{address}/24");
    run("ip", &["address", "add", &network, "dev", "node0"])?;
    run("ip", &["link", "set", "node0", "up"])
}

/// Covers what would be littered or changed outside with mounts that end with this mount namespace.
pub(super) fn mounts(outside: &Path) -> anyhow::Result<()> {
    for folder in LITTERED {
        fs::create_dir_all(folder)?;
        run("mount", &["-t", "tmpfs", "tmpfs", folder])?;
    }
    for setting in SETTINGS {
        let real = format!("/proc/sys/{setting}");
        let double = outside.join(setting.replace('/', "."));
        fs::write(&double, fs::read(&real)?)?;
        let double = double
            .to_str()
            .context("the temporary folder's path must be UTF-8")?;
        run("mount", &["--bind", double, &real])?;
    }
    Ok(())
}

/// Detaches every mount below a folder, the innermost first, used or not.
pub(super) fn unmount_below(folder: &Path) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let below = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|mount| Path::new(mount).starts_with(folder))
        .collect::<Vec<_>>();
    for mount in below.into_iter().rev() {
        run("umount", &["--lazy", mount])?;
    }
    Ok(())
}

/// Makes the control group under which the kubelet puts its pods, in every hierarchy there is.
pub(super) fn control_group(name: &str) -> anyhow::Result<()> {
    let root = Path::new(CONTROL_GROUPS);
    if root.join("cgroup.controllers").exists() {
        let offered = fs::read_to_string(root.join("cgroup.controllers"))?;
        for controller in offered.split_whitespace() {
            // Those in use by the root's own processes cannot be handed down; the kubelet names what it lacks.
            fs::write(
                root.join("cgroup.subtree_control"),
                format!("+{controller}"),
            )
            .ok();
        }
        return Ok(fs::create_dir(root.join(name))?);
    }
    for hierarchy in fs::read_dir(root)? {
        let hierarchy = hierarchy?;
        if hierarchy.file_type()?.is_dir() {
            fs::create_dir(hierarchy.path().join(name))?;
        }
    }
    // A cpuset without processors and memory takes no process.
    let cpuset = root.join("cpuset");
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let all = fs::read(cpuset.join(file))?;
        fs::write(cpuset.join(name).join(file), all)?;
    }
    Ok(())
}

/// containerd's socket.
pub(super) fn socket(folder: &Path) -> PathBuf {
    folder.join("c.sock")
}

/// Writes containerd's configuration and that of its network plugin.
pub(super) fn containerd_config(folder: &Path) -> anyhow::Result<PathBuf> {
    let at = folder.display();
    let network = serde_json::json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.222.0.0/24"}]],
                // Agents in pods ask latchkey at the node's address.
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": folder.join("addresses"),
            },
        }],
    });
    let networks = folder.join("cni");
    fs::create_dir_all(&networks)?;
    fs::write(networks.join("10-pods.conflist"), network.to_string())?;
    let config = format!(
        r#"version = 2
root = "{at}/containerd/root"
state = "{at}/containerd/state"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "latchkey.test/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{at}/cni"
"#,
        socket = socket(folder).display(),
    );
    write(folder, "containerd.toml", &config)
}

/// Writes the kubelet's configuration.
pub(super) fn kubelet_config(
    folder: &Path,
    address: Ipv4Addr,
    group: &str,
) -> anyhow::Result<PathBuf> {
    let resolver = write(folder, "resolv.conf", &format!("nameserver {address}\n"))?;
    let config = serde_json::json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        // Reachable only inside the namespace.
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{group}"),
        "containerRuntimeEndpoint": format!("unix://{}", socket(folder).display()),
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": false,
        "failSwapOn": false,
        "podLogsDir": folder.join("logs"),
        "resolvConf": resolver,
        "volumePluginDir": folder.join("plugins"),
    });
    write(folder, "kubelet.json", &config.to_string())
}

fn write(folder: &Path, name: &str, content: &str) -> anyhow::Result<PathBuf> {
    let file = folder.join(name);
    fs::write(&file, content).with_context(|| format!("failed to write {}", file.display()))?;
    Ok(file)
}

fn run(program: &str, args: &[&str]) -> anyhow::Result<()> {
    let status = Command::new(program)
        .args(args)
        .status()
        .with_context(|| format!("failed to run {program}"))?;
    ensure!(status.success(), "{program} {args:?} ended with {status}");
    Ok(())
}
