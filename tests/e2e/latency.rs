//! How long a person waits for a Secret: from the apply of an ExternalSecret until a watch shows the Secret.
//!
//! Times are printed, never asserted; beside each stands the floor, a plain Secret created in the same run.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;
use tokio::sync::mpsc;

use crate::world::{Place, world};

const OBJECTS: usize = 50;
/// Objects before those, which open connections and fill caches.
const WARM_UP: usize = 5;
const PATIENCE: Duration = Duration::from_mins(1);

const STORE: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: NS}
spec: {provider: {fake: {data: [{key: app, value: '{\"hello\": \"world\"}'}]}}}
";

/// The names of Secrets as a watch shows them.
struct Shown(mpsc::UnboundedReceiver<String>);

impl Shown {
    fn of(api: Api<Secret>) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let secrets = watcher(api, watcher::Config::default());
            let mut secrets = std::pin::pin!(secrets.default_backoff().touched_objects());
            while let Some(Ok(secret)) = secrets.next().await {
                if sender
                    .send(secret.metadata.name.unwrap_or_default())
                    .is_err()
                {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// Waits until a Secret of this name is shown, and answers how long that was after `started`.
    async fn wait(&mut self, name: &str, started: Instant) -> anyhow::Result<Duration> {
        let shown = async {
            while let Some(shown) = self.0.recv().await {
                if shown == name {
                    return Ok(started.elapsed());
                }
            }
            anyhow::bail!("the watch has ended")
        };
        let waited = tokio::time::timeout(PATIENCE, shown).await;
        waited.with_context(|| format!("there is no Secret {name} after {PATIENCE:?}"))?
    }
}

fn external_secret(name: &str) -> serde_json::Value {
    json!({
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"name": "fake"},
            "dataFrom": [{"extract": {"key": "app"}}],
        },
    })
}

fn plain_secret(name: &str) -> anyhow::Result<Secret> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"hello": "world"},
    }))?)
}

/// The times, shortest first.
struct Times(Vec<Duration>);

impl Times {
    fn sorted(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that `percent` of all do not exceed, in milliseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1].as_secs_f64() * 1000.0
    }
}

async fn measure(place: &Place) -> anyhow::Result<(Times, Times)> {
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
    let objects: Api<DynamicObject> = place.objects("ExternalSecret");
    let mut shown = Shown::of(secrets.clone());
    let apply = PatchParams::apply("latency");
    let (mut synced, mut plain) = (Vec::new(), Vec::new());
    for i in 0..WARM_UP + OBJECTS {
        let name = format!("plain-{i}");
        let secret = plain_secret(&name)?;
        let started = Instant::now();
        secrets.create(&PostParams::default(), &secret).await?;
        plain.push(shown.wait(&name, started).await?);

        let name = format!("app-{i}");
        let object = external_secret(&name);
        let started = Instant::now();
        objects.patch(&name, &apply, &Patch::Apply(&object)).await?;
        synced.push(shown.wait(&name, started).await?);
    }
    let measured = |times: &[Duration]| Times::sorted(times[WARM_UP..].to_vec());
    Ok((measured(&synced), measured(&plain)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_follows_its_external_secret_at_once() -> anyhow::Result<()> {
    let world = world().await?;
    let run = world.run("latency", async |place| {
        place.apply(STORE).await?;
        place.ready("SecretStore", "fake", "True", "").await?;
        let (synced, plain) = measure(place).await?;
        ensure!(synced.0.len() == OBJECTS && plain.0.len() == OBJECTS);
        for (what, times) in [
            ("ExternalSecret applied until its Secret is seen", &synced),
            ("plain Secret created until it is seen", &plain),
        ] {
            println!(
                "{OBJECTS} x {what}: p50 {:.1} ms, p99 {:.1} ms",
                times.percentile(50),
                times.percentile(99)
            );
        }
        Ok(())
    });
    run.await
}
