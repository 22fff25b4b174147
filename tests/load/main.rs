//! `tests/load/run.sh`: the webhook under a fixed rate of reviews over TLS, on this machine alone.
//!
//! The webhook runs against a real API server, so that its caches and its permissions are those of a cluster;
//! the load tool then speaks to it as the API server does, HTTP/1.1 on connections that stay open.

#![expect(clippy::print_stdout, reason = "this program prints a table")]

#[path = "../support.rs"]
mod support;

mod process;
mod tool;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser as _;

use process::Process;
use support::control_plane::{ControlPlane, Options};
use support::latchkey::{Latchkey, OWN_NAMESPACE, RunOptions};
use support::{reviews, wait};
use tool::{Drive, Load, Times};

const SOON: Duration = Duration::from_mins(1);
/// How long a process rests before its memory is read.
const REST: Duration = Duration::from_secs(5);

const FURNITURE: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: vault}
spec: {provider: {fake: {data: [{key: app, value: '{\"hello\": \"world\"}'}]}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: store-users, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: latchkey-store-user}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccounts:shop'}]
";

/// What is sent. The floor is refused for its content type once its body was read.
const DRIVES: [Drive; 4] = [
    Drive {
        name: "floor",
        body: "typical",
        content_type: "text/plain",
        status: "415",
    },
    Drive::of("plain"),
    Drive::of("typical"),
    Drive::of("aliases"),
];

#[tokio::main(worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    let load = Load::parse();
    let plane = ControlPlane::start(Options::default()).await?;
    plane.install_crds().await?;
    let kubectl = plane.kubectl();
    kubectl.run(["create", "namespace", OWN_NAMESPACE]).await?;
    kubectl.apply(FURNITURE).await?;
    kubectl
        .apply(include_str!("../../manifests/webhooks/store-user.yaml"))
        .await?;
    let logs = plane.workdir().path();
    let mut latchkey =
        Latchkey::start("latchkey", plane.kubeconfig(), logs, &RunOptions::default()).await?;
    let process = Process::of(latchkey.daemon().id());
    let url = format!("{}/mutate?timeout=5s", latchkey.webhook_url());
    meet(&url).await?;
    tokio::time::sleep(REST).await;
    println!("{}", process::machine()?);
    println!(
        "{} reviews/s over {} connections, {} rounds of {} s each; load of the machine before: {}",
        load.rate,
        load.connections,
        load.rounds,
        load.seconds,
        process::load_average()?
    );
    println!(
        "memory of operator and webhook in one process, at rest: {:.1} MiB",
        process.resident_mib()?
    );
    let mut files = Vec::new();
    for drive in &DRIVES {
        let body = reviews::body(drive.body).context("the review must be known")?;
        files.push(
            plane
                .workdir()
                .file(&format!("{}.json", drive.name), body)?,
        );
    }
    let rounds = drive(&load, &url, &files, &process).await?;
    report(&rounds);
    println!(
        "memory after the load: {:.1} MiB; load of the machine: {}",
        process.resident_mib()?,
        process::load_average()?
    );
    Ok(())
}

/// Sends the typical review until it is answered with a patch: then stores and permissions are known.
async fn meet(url: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .build()?;
    let body = reviews::body("typical").context("the review must be known")?;
    wait::until("the first patch", SOON, async || {
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(body.clone());
        let text = request.send().await?.text().await?;
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        ensure!(answer["response"]["patch"].is_string(), "{text}");
        ensure!(answer["response"]["warnings"].is_null(), "{text}");
        Ok(())
    })
    .await
}

/// One round after the other, so that what else the machine does falls on all alike.
async fn drive(
    load: &Load,
    url: &str,
    files: &[PathBuf],
    process: &Process,
) -> anyhow::Result<Vec<Vec<Times>>> {
    let mut all: Vec<Vec<Times>> = DRIVES.iter().map(|_| Vec::new()).collect();
    for _ in 0..load.rounds {
        for (index, drive) in DRIVES.iter().enumerate() {
            let before = process.cpu_time()?;
            let mut times = load.run(drive, url, &files[index]).await?;
            let spent = process.cpu_time()?.saturating_sub(before);
            times.cpu_micros = spent.as_secs_f64() * 1e6 / times.answers;
            all[index].push(times);
        }
    }
    Ok(all)
}

/// Of each drive the round with the lowest p99: the others say what the machine did besides.
fn report(rounds: &[Vec<Times>]) {
    println!(
        "{:<10} {:>9} {:>9} {:>9} {:>9} {:>14} {:>13}",
        "review", "p50 ms", "p99 ms", "p99.9 ms", "per s", "CPU us/review", "p50 / floor"
    );
    let mut floor = None;
    for (drive, rounds) in DRIVES.iter().zip(rounds) {
        let best = rounds.iter().min_by(|a, b| a.p99.total_cmp(&b.p99));
        let Some(best) = best else { continue };
        let floor = *floor.get_or_insert(best.p50);
        println!(
            "{:<10} {:>9.3} {:>9.3} {:>9.3} {:>9.0} {:>14.0} {:>13.2}",
            drive.name,
            best.p50,
            best.p99,
            best.p999,
            best.rate,
            best.cpu_micros,
            best.p50 / floor
        );
        for other in rounds {
            println!(
                "           p50 {:.3}, p99 {:.3}, p99.9 {:.3}",
                other.p50, other.p99, other.p999
            );
        }
    }
}
