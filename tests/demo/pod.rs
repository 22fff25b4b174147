//! An annotated pod: what was asked for and what the API server stored.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use crate::progress::{self, step};
use crate::story::{Stage, read_secret, show_pairs};
use crate::support::{repository, wait};

/// The name by which the pod's author refers to the secret.
const ALIAS: &str = "app";
const NAME: &str = "hello-server";
/// Lets the pod's account use the stores; its name is unlikely to be taken in a cluster of yours.
pub(crate) const BINDING: &str = "latchkey-demo-store-users";
/// Time for the API server to take notice of a new webhook, and for the Secret to be made.
const SOON: Duration = Duration::from_secs(20);
/// Time for the pod to be scheduled, started and probed.
const START_WITHIN: Duration = Duration::from_mins(3);

/// Creates the pod and shows the rewritten names and the Secret they mean; returns that Secret's name.
pub(crate) async fn inject(stage: &Stage) -> anyhow::Result<String> {
    progress::chapter("An annotated pod");
    let manifest = repository().join("tests/demo/hello-server.yaml");
    let manifest = manifest
        .to_str()
        .context("the checkout's path must be UTF-8")?;
    let kubectl = stage.cluster().kubectl();
    progress::show("Whoever may use a store says so once, for each namespace or account:");
    let permit = format!(
        "create rolebinding {BINDING} -n default --clusterrole=latchkey-store-user \
         --serviceaccount=default:default"
    );
    progress::command(format!("kubectl {permit}"));
    kubectl.run(permit.split(' ')).await?;
    // A webhook that was registered a moment ago may not be called yet.
    let rehearsal = wait::until("the webhook", SOON, async || {
        let create = ["create", "-f", manifest, "--dry-run=server", "-o", "json"];
        let pod: Pod = serde_json::from_str(&kubectl.run(create).await?)?;
        injected_name(&pod).map(drop)
    });
    step("waiting for the API server to call the webhook", rehearsal).await?;
    progress::show("latchkey.dev/secret.app: secret://cluster:secret-store/app");
    progress::command("kubectl create -f tests/demo/hello-server.yaml");
    progress::show(kubectl.run(["create", "-f", manifest]).await?);

    let pod = Api::<Pod>::namespaced(stage.client(), "default")
        .get(NAME)
        .await?;
    let name = injected_name(&pod)?;
    progress::command(
        "kubectl get pod hello-server -o yaml   # the references, asked for → stored",
    );
    for (place, stored) in references(&pod) {
        progress::show(format!("{place:<40} {ALIAS} → {stored}"));
    }
    let metadata = &pod.metadata;
    for (key, value) in metadata
        .annotations
        .iter()
        .chain(&metadata.labels)
        .flatten()
    {
        if key == "latchkey.dev/status" || key == "latchkey.dev/injected" {
            progress::show(format!("{key}: {value}"));
        }
    }

    let secret = wait::until("the Secret", SOON, async || {
        let found = read_secret(stage.client(), &name).await?;
        let hello = found.get("hello").map(String::as_str);
        ensure!(hello == Some("world"), "the Secret says hello={hello:?}");
        Ok(found)
    });
    let secret = step(format!("waiting for the Secret {name}"), secret).await?;
    progress::command(format!("kubectl get secret {name}   # decoded"));
    show_pairs(&secret);
    Ok(name)
}

/// Waits until the pod runs and asks it for its environment; returns the answer.
pub(crate) async fn visit(stage: &Stage) -> anyhow::Result<String> {
    progress::chapter("The pod runs");
    let pods = Api::<Pod>::namespaced(stage.client(), "default");
    let ready = wait::until("the pod", START_WITHIN, async || {
        let status = pods.get(NAME).await?.status.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let ready = conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True");
        ensure!(ready, "the pod is not ready");
        status.pod_ip.context("the pod has no address")
    });
    let address = step("waiting for the pod to start and pass its probe", ready).await?;
    let url = format!("http://{address}/env/hello");
    progress::command(format!("curl {url}"));
    let answer = reqwest::get(&url).await?.error_for_status()?.text().await?;
    progress::show(&answer);
    ensure!(
        answer.trim() == "hello=world",
        "the pod answered {answer:?}"
    );
    Ok(format!("{url} answers {}", answer.trim()))
}

/// The one name that stands in all three places; fails if a reference was left as it was.
fn injected_name(pod: &Pod) -> anyhow::Result<String> {
    let references = references(pod);
    ensure!(
        references.len() == 3,
        "the pod has other references: {references:?}"
    );
    let name = &references[0].1;
    for (place, stored) in &references {
        ensure!(
            stored != ALIAS,
            "{place} still says {ALIAS}: the webhook was not called"
        );
        ensure!(stored == name, "{place} says {stored}, not {name}");
    }
    Ok(name.clone())
}

/// Where the pod names a Secret, and which.
fn references(pod: &Pod) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let spec = pod.spec.as_ref();
    for container in spec.iter().flat_map(|spec| &spec.containers) {
        for variable in container.env.iter().flatten() {
            let source = variable.value_from.as_ref();
            if let Some(key) = source.and_then(|source| source.secret_key_ref.as_ref()) {
                let place = format!("env {} valueFrom.secretKeyRef.name", variable.name);
                found.push((place, key.name.clone()));
            }
        }
        for source in container.env_from.iter().flatten() {
            if let Some(secret) = &source.secret_ref {
                found.push(("envFrom secretRef.name".to_owned(), secret.name.clone()));
            }
        }
    }
    for volume in spec
        .and_then(|spec| spec.volumes.as_ref())
        .iter()
        .copied()
        .flatten()
    {
        if let Some(name) = volume.secret.as_ref().and_then(|s| s.secret_name.clone()) {
            found.push((format!("volume {} secret.secretName", volume.name), name));
        }
    }
    found
}
