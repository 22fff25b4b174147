//! A thousand annotated pods at once: none is left as it came, none is denied.
//!
//! The API server calls a webhook once for each request: it dials again only where nothing was sent. A
//! replica that is killed therefore fails the creates it was answering, with status 500, and whoever
//! creates pods tries again, as every controller does. What must never happen is a refusal (403) or a
//! pod that passed without the webhook.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::support::control_plane::{ControlPlane, Options};
use crate::support::latchkey::{Latchkey, OWN_NAMESPACE, RunOptions, binary};
use crate::support::wait;

const PODS: usize = 1000;
/// Creates under way at once: what a busy controller manager has.
const AT_ONCE: usize = 16;
const SOON: Duration = Duration::from_mins(1);
/// Tries of one create, a quarter of a second apart.
const TRIES: usize = 40;

const FURNITURE: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: default}
spec: {provider: {fake: {data: [{key: app, value: '{\"hello\": \"world\"}'}]}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: store-users, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: latchkey-store-user}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccounts:default'}]
";

/// What a burst met.
#[derive(Debug, Default)]
struct Burst {
    took: Duration,
    retried: usize,
}

async fn cluster() -> anyhow::Result<ControlPlane> {
    let plane = ControlPlane::start(Options::default()).await?;
    plane.install_crds().await?;
    let kubectl = plane.kubectl();
    kubectl.run(["create", "namespace", OWN_NAMESPACE]).await?;
    kubectl.apply(FURNITURE).await?;
    kubectl
        .apply(include_str!("../../manifests/webhooks/store-user.yaml"))
        .await?;
    Ok(plane)
}

fn pod(name: &str, is_annotated: bool) -> anyhow::Result<Pod> {
    let key = if is_annotated {
        "latchkey.dev/secret.app"
    } else {
        "example.com/app"
    };
    Ok(serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {key: "secret://fake/app"}},
        "spec": {"containers": [
            {"name": "a", "image": "none", "envFrom": [{"secretRef": {"name": "app"}}]},
        ]},
    }))?)
}

/// Creates one pod; answers how often it had to be tried again.
async fn create(api: &Api<Pod>, pod: &Pod) -> anyhow::Result<usize> {
    for tries in 0..TRIES {
        match api.create(&PostParams::default(), pod).await {
            Ok(_) => return Ok(tries),
            // An earlier try that was not answered.
            Err(kube::Error::Api(status)) if status.code == 409 && tries > 0 => return Ok(tries),
            Err(kube::Error::Api(status)) if status.code == 500 => {
                ensure!(
                    status.message.contains("failed calling webhook"),
                    "{status:?}"
                );
            }
            Err(error) => bail!("refused: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    bail!("still failing after {TRIES} tries")
}

/// Creates the pods; `made` counts along.
async fn burst(
    api: &Api<Pod>,
    stem: &str,
    is_annotated: bool,
    made: &AtomicUsize,
) -> anyhow::Result<Burst> {
    let started = Instant::now();
    let creates = (0..PODS).map(async |index| {
        let pod = pod(&format!("{stem}-{index}"), is_annotated)?;
        let tries = create(api, &pod).await;
        made.fetch_add(1, Ordering::Relaxed);
        tries
    });
    let outcomes: Vec<anyhow::Result<usize>> = futures::stream::iter(creates)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut burst = Burst {
        took: started.elapsed(),
        retried: 0,
    };
    for outcome in outcomes {
        burst.retried += usize::from(outcome? > 0);
    }
    Ok(burst)
}

async fn all_injected(api: &Api<Pod>, stem: &str) -> anyhow::Result<()> {
    let pods = api.list(&ListParams::default()).await?;
    let prefix = format!("{stem}-");
    let ours = pods.iter().filter(|pod| {
        let name = pod.metadata.name.as_deref();
        name.is_some_and(|name| name.starts_with(&prefix))
    });
    let (mut count, mut bare) = (0, 0);
    for pod in ours {
        count += 1;
        let spec = pod.spec.as_ref().context("a spec")?;
        let sources = spec.containers[0].env_from.iter().flatten();
        let mut names =
            sources.filter_map(|source| Some(source.secret_ref.as_ref()?.name.as_str()));
        bare += usize::from(!names.all(|name| name.starts_with("inj-app-")));
    }
    ensure!(
        (count, bare) == (PODS, 0),
        "{count} pods, {bare} not injected"
    );
    Ok(())
}

/// Until the RoleBinding is known.
async fn warm(api: &Api<Pod>) -> anyhow::Result<()> {
    wait::until("the first pod", SOON, async || {
        let pod = pod("warm", true)?;
        api.create(&PostParams::default(), &pod).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_pods_against_one_replica_are_all_injected() -> anyhow::Result<()> {
    let plane = cluster().await?;
    let logs = plane.workdir().path();
    let _replica =
        Latchkey::start("only", plane.kubeconfig(), logs, &RunOptions::default()).await?;
    let api: Api<Pod> = Api::namespaced(plane.client().await?, "default");
    warm(&api).await?;
    let made = AtomicUsize::new(0);
    let plain = burst(&api, "plain", false, &made).await?;
    let annotated = burst(&api, "annotated", true, &made).await?;
    println!(
        "{PODS} pods, {AT_ONCE} at once: {plain:?} without the webhook, {annotated:?} with it"
    );
    ensure!(annotated.retried == 0, "{annotated:?}");
    all_injected(&api, "annotated").await
}

/// A balancer as kube-proxy is one: a connection goes to any backend that accepts it.
async fn balance(listener: TcpListener, backends: Vec<SocketAddr>, is_over: Arc<AtomicBool>) {
    let mut turn = 0_usize;
    while let Ok((mut client, _)) = listener.accept().await {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        turn += 1;
        let mut order = backends.clone();
        order.rotate_left(turn % backends.len());
        tokio::spawn(async move {
            for backend in order {
                if let Ok(mut server) = TcpStream::connect(backend).await {
                    // Whichever side ends it ends both.
                    tokio::io::copy_bidirectional(&mut client, &mut server)
                        .await
                        .ok();
                    return;
                }
            }
        });
    }
}

fn address(replica: &Latchkey) -> anyhow::Result<SocketAddr> {
    let url = replica.webhook_url();
    Ok(url.strip_prefix("https://").context("https")?.parse()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_and_a_new_ca_leave_no_pod_behind() -> anyhow::Result<()> {
    let plane = cluster().await?;
    let logs = plane.workdir().path();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://{}", listener.local_addr()?);
    let options = RunOptions {
        webhook_url: Some(&url),
        flags: &["--enable-leader-election", "--ca-publish-delay", "2s"],
        ..RunOptions::default()
    };
    let mut first = Latchkey::start("first", plane.kubeconfig(), logs, &options).await?;
    let second = Latchkey::start("second", plane.kubeconfig(), logs, &options).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let backends = vec![address(&first)?, address(&second)?];
    let balancer = tokio::spawn(balance(listener, backends, Arc::clone(&is_over)));
    let api: Api<Pod> = Api::namespaced(plane.client().await?, "default");
    warm(&api).await?;

    let made = AtomicUsize::new(0);
    let faults = async {
        while made.load(Ordering::Relaxed) < PODS / 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut rotate = tokio::process::Command::new(binary()?);
        rotate
            .args(["certs", "rotate"])
            .env("KUBECONFIG", plane.kubeconfig());
        ensure!(rotate.status().await?.success());
        while made.load(Ordering::Relaxed) < PODS / 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        first.daemon().crash()
    };
    let (outcome, faults) = tokio::join!(burst(&api, "pod", true, &made), faults);
    faults?;
    let outcome = outcome?;
    let (took, retried) = (outcome.took.as_millis(), outcome.retried);
    println!("{PODS} pods through a SIGKILL and a rotation: {took} ms, {retried} tried again");
    ensure!(outcome.retried <= AT_ONCE * 2, "{outcome:?}");
    all_injected(&api, "pod").await?;
    let bundle = "{.webhooks[0].clientConfig.caBundle}";
    let get = ["get", "mutatingwebhookconfiguration", "latchkey.dev", "-o"];
    let jsonpath = format!("jsonpath={bundle}");
    let encoded = plane
        .kubectl()
        .run(get.into_iter().chain([jsonpath.as_str()]))
        .await?;
    // Base64 of two certificates: no rotation, no second.
    ensure!(
        encoded.len() > 1400,
        "the CA was not rotated: {} characters",
        encoded.len()
    );
    is_over.store(true, Ordering::Relaxed);
    balancer.abort();
    Ok(())
}
