//! The demo again, in namespaces in which it can run a node.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::signals;
use crate::support::node;

/// Runs the demo again in namespaces of its own and returns how that ended.
pub(crate) async fn enter() -> anyhow::Result<ExitStatus> {
    ensure!(
        node::is_root(),
        "NODE=1 runs containers and must be root; `make demo` alone needs no rights"
    );
    ensure!(
        std::env::var_os(crate::cluster::KUBECONFIG).is_none_or(|value| value.is_empty()),
        "NODE=1 brings its own cluster: unset {}",
        crate::cluster::KUBECONFIG
    );
    let inside = node::enter(|command, outside| {
        command.arg("--inside").arg(outside);
    });
    let node::Inside { child, .. } = &mut inside.await?;
    wait_and_forward_signals(child).await
}

async fn wait_and_forward_signals(child: &mut Child) -> anyhow::Result<ExitStatus> {
    let group =
        Pid::from_raw(i32::try_from(child.id())?).context("a process id must not be zero")?;
    let mut signal = Signal::TERM;
    let pause = std::time::Duration::from_millis(50);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status
                .code()
                .map_or(status, |code| ExitStatus::from_raw(code << 8)));
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = signals::interrupted() => {
                kill_process_group(group, signal).ok();
                // Whoever asks twice means it.
                signal = Signal::KILL;
            }
        }
    }
}
