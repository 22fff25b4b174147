//! The webhook's certificates, in a cluster of their own: rotation, reverts, readiness.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::control_plane::{ControlPlane, Options};
use crate::support::latchkey::{Latchkey, OWN_NAMESPACE, RunOptions, binary};
use crate::support::wait;

const SOON: Duration = Duration::from_mins(1);

async fn cluster() -> anyhow::Result<ControlPlane> {
    let plane = ControlPlane::start(Options::default()).await?;
    plane.install_crds().await?;
    let create = ["create", "namespace", OWN_NAMESPACE];
    plane.kubectl().run(create).await?;
    Ok(plane)
}

async fn replica(plane: &ControlPlane, name: &str) -> anyhow::Result<Latchkey> {
    let options = RunOptions {
        flags: &["--enable-leader-election", "--ca-publish-delay", "3s"],
        ..RunOptions::default()
    };
    let logs = plane.workdir().path();
    Latchkey::start(name, plane.kubeconfig(), logs, &options).await
}

/// The bundle as the API server has it.
async fn published(api: &Api<MutatingWebhookConfiguration>) -> anyhow::Result<Vec<u8>> {
    let configuration = api.get("latchkey.dev").await?;
    let webhook = configuration.webhooks.context("webhooks")?.swap_remove(0);
    let bundle = webhook.client_config.ca_bundle;
    Ok(bundle.context("a bundle")?.0)
}

fn certificates(bundle: &[u8]) -> usize {
    String::from_utf8_lossy(bundle)
        .matches("BEGIN CERTIFICATE")
        .count()
}

/// A new connection, so a handshake, with trust in the bundle and nothing else.
async fn reach(bundle: &[u8], url: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(bundle)?)
        .no_proxy()
        .build()?;
    // Not a review, but an answer.
    client.post(format!("{url}/mutate")).send().await?;
    Ok(())
}

#[tokio::test]
async fn case_60_a_ca_is_rotated_under_two_replicas_without_a_failed_handshake()
-> anyhow::Result<()> {
    let plane = cluster().await?;
    let first = replica(&plane, "first").await?;
    let second = replica(&plane, "second").await?;
    let api: Api<MutatingWebhookConfiguration> = Api::all(plane.client().await?);
    let old = published(&api).await?;
    ensure!(certificates(&old) == 1);

    let (is_over, handshakes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = async {
        while !is_over.load(Ordering::Relaxed) {
            // An API server may be late by what replicas allow for, less a margin.
            let pinned = published(&api).await?;
            for _ in 0..4 {
                for replica in [&first, &second] {
                    reach(&pinned, replica.webhook_url()).await?;
                    handshakes.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        anyhow::Ok(())
    };
    let rotation = async {
        let rotated = rotate(&plane, &api, &old, [&first, &second]).await;
        is_over.store(true, Ordering::Relaxed);
        rotated
    };
    let (load, rotation) = tokio::join!(load, rotation);
    load.context("a handshake failed")?;
    rotation?;
    ensure!(handshakes.load(Ordering::Relaxed) > 40);
    Ok(())
}

/// Asks for a new CA and waits until both replicas serve leaves of it.
async fn rotate(
    plane: &ControlPlane,
    api: &Api<MutatingWebhookConfiguration>,
    old: &[u8],
    replicas: [&Latchkey; 2],
) -> anyhow::Result<()> {
    let mut command = tokio::process::Command::new(binary()?);
    command
        .args(["certs", "rotate"])
        .env("KUBECONFIG", plane.kubeconfig());
    ensure!(command.status().await?.success());
    let both = wait::until("both CAs to be published", SOON, async || {
        let bundle = published(api).await?;
        ensure!(certificates(&bundle) == 2);
        Ok(bundle)
    })
    .await?;
    let (old_text, both_text) = (String::from_utf8(old.to_vec())?, String::from_utf8(both)?);
    let new = both_text.replace(&old_text, "");
    ensure!(certificates(new.as_bytes()) == 1, "the old CA left at once");
    wait::until("leaves of the new CA", SOON, async || {
        for replica in replicas {
            reach(new.as_bytes(), replica.webhook_url()).await?;
        }
        Ok(())
    })
    .await?;
    for replica in replicas {
        // As an agent in a pod that has not asked since.
        reach(old, replica.webhook_url())
            .await
            .context("who knows only the old CA is not served")?;
    }
    let after = published(api).await?;
    ensure!(
        certificates(&after) == 2,
        "the old CA must stay for its leaves"
    );
    Ok(())
}

#[tokio::test]
async fn case_61_a_reverted_bundle_is_restored_and_said_without_a_loop() -> anyhow::Result<()> {
    let plane = cluster().await?;
    let replica = replica(&plane, "only").await?;
    let api: Api<MutatingWebhookConfiguration> = Api::all(plane.client().await?);
    let good = published(&api).await?;
    let revert = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]);
    let revert: json_patch::Patch = serde_json::from_value(revert)?;
    let mut reverts = 0;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(12);
    while tokio::time::Instant::now() < deadline {
        if published(&api).await.is_ok_and(|bundle| bundle == good) {
            let patch: Patch<()> = Patch::Json(revert.clone());
            api.patch("latchkey.dev", &PatchParams::default(), &patch)
                .await?;
            reverts += 1;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // At once, then after 1, 2, 4 and 8 seconds.
    ensure!((3..=6).contains(&reverts), "{reverts} repairs in 12 s");
    let log = std::fs::read_to_string(replica.log())?;
    ensure!(
        log.contains("keeps being changed by somebody else"),
        "{log}"
    );
    wait::until("the last repair", SOON, async || {
        ensure!(published(&api).await? == good);
        Ok(())
    })
    .await?;
    // Nobody writes when nothing is wrong.
    let version = api.get("latchkey.dev").await?.metadata.resource_version;
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(api.get("latchkey.dev").await?.metadata.resource_version == version);
    Ok(())
}
