//! `make demo`: a secret's way from an ESC environment to a Kubernetes Secret and to a pod, for real.

#![expect(clippy::print_stdout, reason = "a demo shows things")]

#[path = "../support.rs"]
mod support;

mod cluster;
mod inside;
mod pod;
mod progress;
mod signals;
mod story;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use cluster::Cluster;
use story::Stage;
use support::node::{self, Node};

/// Exit code of a program ended by SIGINT.
const INTERRUPTED: u8 = 130;

/// Shows a secret's way from an ESC environment to a Secret and a pod.
#[derive(Debug, Parser)]
struct Args {
    /// Run the pod for real: needs root, containerd and runc
    #[arg(long)]
    node: bool,
    /// Folder of the process outside; set by the demo itself when it enters its namespaces
    #[arg(long, hide = true, value_name = "FOLDER")]
    inside: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(perform(args)),
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(|error| {
        println!("\nThe demo failed: {error:#}");
        ExitCode::FAILURE
    })
}

async fn perform(args: Args) -> anyhow::Result<ExitCode> {
    if args.node && args.inside.is_none() {
        let status = inside::enter().await?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
    }
    tokio::select! {
        outcome = demo(args.inside.as_deref()) => outcome.map(|()| ExitCode::SUCCESS),
        () = signals::interrupted() => {
            println!("\nInterrupted; everything is stopped and removed.");
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

async fn demo(inside: Option<&Path>) -> anyhow::Result<()> {
    let started = Instant::now();
    progress::chapter("A cluster");
    if let Some(outside) = inside {
        Node::prepare(outside)?;
    }
    let cluster = Cluster::open(inside.map(|_| node::ADDRESS)).await?;
    let node = match (inside, cluster.own()) {
        (Some(outside), Some(plane)) => {
            let start = Node::start(plane, outside);
            let what = "starting containerd and the kubelet, importing the images";
            Some(progress::step(what, start).await?)
        }
        _ => None,
    };
    let stage = Stage::set(cluster, node).await?;
    let summary = match play(&stage).await {
        Ok(summary) => summary,
        Err(error) => {
            println!("{}", stage.picture().await);
            return Err(error);
        }
    };
    progress::chapter(format!("Summary, after {} s", started.elapsed().as_secs()));
    summary.iter().for_each(progress::show);
    println!();
    Ok(())
}

/// Plays the acts in order and returns what to remember of each.
async fn play(stage: &Stage) -> anyhow::Result<Vec<String>> {
    stage.create_environment().await?;
    let synced = stage.sync().await?;
    let changed = stage.follow("goodbye").await?;
    let restored = stage.follow("world").await?;
    let secret = pod::inject(stage).await?;
    let mut summary = vec![
        format!(
            "the article's manifests, unchanged: a Secret with hello=world after {synced:.1} s"
        ),
        format!("hello=goodbye in the store: in the Secret after {changed:.1} s"),
        format!("hello=world in the store: in the Secret after {restored:.1} s"),
        format!("the annotated pod was stored with the Secret {secret}, which has hello=world"),
    ];
    if stage.has_node() {
        summary.push(format!("the pod runs: {}", pod::visit(stage).await?));
    }
    Ok(summary)
}
