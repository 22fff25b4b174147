//! Pods that really run: a kubelet and containerd, on the one machine, in namespaces of their own.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::support::control_plane::{ControlPlane, Options};
use crate::support::kubectl::Kubectl;
use crate::support::latchkey::{Latchkey, RunOptions};
use crate::support::node::{self, Node};
use crate::support::wait;
use crate::world::FURNITURE;

/// This test's other half.
const INSIDE: &str = "node::inside_of_namespaces_the_pods_print_what_they_should";
/// Time for a pod to be scheduled, started and to end.
const SOON: Duration = Duration::from_mins(2);

/// Stores, accounts, and what a pod names.
const SURROUNDINGS: &str = include_str!("node/surroundings.yaml");
/// The pods of `pod-injection`'s design, each with what it has to print.
const SHAPES: [(&str, &str, &[&str]); 7] = [
    (
        "pod/env",
        include_str!("node/env.yaml"),
        &["app: password=s3cret replica=unset", "metrics: untouched"],
    ),
    (
        "pod/env-from",
        include_str!("node/env_from.yaml"),
        &["worker: colour=blue of version 12, plain=as it was"],
    ),
    (
        "pod/file",
        include_str!("node/file.yaml"),
        &["api: url=db://h/web password=S3CRET"],
    ),
    (
        "pod/inline",
        include_str!("node/inline.yaml"),
        &[
            "migrate: t0ken",
            "shop: postgres://web:s3cret@db:5432/shop eu",
        ],
    ),
    (
        "pod/projected",
        include_str!("node/projected.yaml"),
        &["proxy: token=t0ken", "app: runs beside the proxy"],
    ),
    (
        "job/memory",
        include_str!("node/memory.yaml"),
        &["first: s3cret web", "edge: s3cret, 640, cannot write"],
    ),
    (
        "job/batch",
        include_str!("node/job.yaml"),
        &["job: password=s3cret"],
    ),
];

#[tokio::test]
async fn pods_of_every_shape_and_a_job_run_on_a_node() -> anyhow::Result<()> {
    if !node::is_root() {
        eprintln!("NOT RUN: pods on a node need root, for namespaces, containerd and runc");
        return Ok(());
    }
    let inside = node::enter(|command: &mut Command, _| {
        command.args(["--exact", INSIDE, "--ignored", "--nocapture"]);
    });
    let mut inside = inside.await?;
    let status = tokio::task::spawn_blocking(move || inside.child.wait()).await??;
    ensure!(status.success(), "the other half ended with {status}");
    Ok(())
}

#[tokio::test]
#[ignore = "run by the test above, in namespaces of its own"]
async fn inside_of_namespaces_the_pods_print_what_they_should() -> anyhow::Result<()> {
    let outside = std::env::temp_dir();
    Node::prepare(&outside)?;
    let plane = ControlPlane::start(Options {
        scheduler: true,
        node_address: Some(node::ADDRESS),
    })
    .await?;
    plane.install_crds().await?;
    let node = Node::start(&plane, &outside).await?;
    let kubectl = plane.kubectl();
    kubectl.apply(FURNITURE).await?;
    let logs = plane.workdir().path();
    let address = node::ADDRESS.to_string();
    let options = RunOptions {
        // Agents in pods ask where the API server does.
        webhook_host: Some(&address),
        flags: &["--agent-image=latchkey.test/latchkey:1"],
        ..RunOptions::default()
    };
    let latchkey = Latchkey::start("latchkey", plane.kubeconfig(), logs, &options).await?;
    kubectl.apply(SURROUNDINGS).await?;
    let outcome = run(&kubectl).await;
    if outcome.is_err() {
        for log in node.logs().into_iter().chain([latchkey.log()]) {
            eprintln!(
                "--- {}\n{}",
                log.display(),
                crate::support::daemon::tail(log, 40)
            );
        }
        let args = ["get", "pods,events,secrets", "-n", "shapes"];
        eprintln!("{}", kubectl.run(args).await.unwrap_or_default());
    }
    outcome
}

async fn run(kubectl: &Kubectl) -> anyhow::Result<()> {
    for (name, manifest, _) in SHAPES {
        // A fresh RoleBinding takes the API server's authoriser a moment.
        wait::until(format!("{name} to be admitted"), SOON, async || {
            kubectl.apply(manifest).await.map(drop)
        })
        .await
        .with_context(|| name.to_owned())?;
    }
    for (name, _, lines) in SHAPES {
        wait::until(format!("the words of {name}"), SOON, async || {
            let args = ["logs", "-n", "shapes", name, "--all-containers"];
            let printed = kubectl.run(args).await?;
            for line in lines {
                ensure!(
                    printed.lines().any(|printed| printed == *line),
                    "{line:?} is missing in {printed:?}"
                );
            }
            Ok(())
        })
        .await?;
    }
    // The agent ends with the containers it serves.
    let ended = [
        "wait",
        "-n",
        "shapes",
        "job/memory",
        "--for=condition=complete",
    ];
    kubectl
        .run(ended.into_iter().chain(["--timeout=120s"]))
        .await?;
    let secrets = kubectl
        .run(["get", "secrets", "-n", "shapes", "-o", "name"])
        .await?;
    ensure!(!secrets.contains("inj-tls"), "in memory alone: {secrets}");
    Ok(())
}
