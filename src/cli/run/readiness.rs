//! When the webhook is ready: when a review over TLS, with the CA that API servers are told to trust, is
//! answered.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::watch;

/// How long a review of our own may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Pause before the next try.
const PAUSE: Duration = Duration::from_millis(250);
/// Failed tries until one is worth a line in the log, and between two such.
const QUIET_TRIES: u32 = 20;

/// What has to be there.
pub(super) struct Conditions {
    /// The bundle that the configurations show, where we publish it.
    pub published: Option<watch::Receiver<Option<String>>>,
    /// Resolves when the caches are complete.
    pub caches: BoxFuture<'static, ()>,
    /// Where the server listens.
    pub address: SocketAddr,
    /// The name in the certificate.
    pub name: String,
    /// Whether a review can be posted: not where clients need a certificate.
    pub is_open: bool,
}

/// Resolves when the webhook can serve.
pub(super) async fn reached(conditions: Conditions) {
    let Conditions {
        published,
        caches,
        address,
        name,
        is_open,
    } = conditions;
    caches.await;
    let Some(mut published) = published else {
        return;
    };
    let mut tries = 0_u32;
    loop {
        let shown = published.wait_for(Option::is_some).await;
        let Some(bundle) = shown.ok().and_then(|shown| shown.clone()) else {
            return std::future::pending().await;
        };
        if !is_open {
            return;
        }
        match review(&bundle, &name, address).await {
            Ok(()) => return,
            Err(error) => {
                if tries.is_multiple_of(QUIET_TRIES) && tries > 0 {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "A review of our own is not answered"
                    );
                }
            }
        }
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn review(bundle: &str, name: &str, address: SocketAddr) -> anyhow::Result<()> {
    let target = if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    };
    let client = reqwest::Client::builder()
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(bundle.as_bytes())?)
        .resolve(name, target)
        .no_proxy()
        .timeout(LIMIT)
        .build()?;
    let host = if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_owned()
    };
    let uid = uuid::Uuid::new_v4().to_string();
    let body = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "default",
            "operation": "CREATE",
            "dryRun": true,
            "userInfo": {"username": "latchkey"},
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "ready", "namespace": "default"},
                "spec": {"containers": [{"name": "ready", "image": "none"}]},
            },
        },
    });
    let url = format!("https://{host}:{}/mutate?timeout=5s", target.port());
    let answer = client.post(url).json(&body).send().await?;
    let answer: Value = answer.error_for_status()?.json().await?;
    let response = answer
        .get("response")
        .context("no response in the answer")?;
    ensure!(
        response["uid"] == uid.as_str() && response["allowed"] == true,
        "the answer was {response}"
    );
    Ok(())
}
