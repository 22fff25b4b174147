//! What ESO 2.9.0 leaves in a cluster, made by code that shares nothing with latchkey's: its hashes, the
//! Secrets it writes, its status, and how it is installed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use sha3::{Digest as _, Sha3_224};

/// Namespace of the installation.
pub(super) const NAMESPACE: &str = "external-secrets";
const FINALIZER: &str = "externalsecrets.external-secrets.io/externalsecret-cleanup";
const PREFIX: &str = "reconcile.external-secrets.io";

/// Strings by key.
pub(super) type Texts = BTreeMap<String, String>;

/// What the template or the store gives for the Secret of one object.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Values by key.
    pub(super) data: Texts,
    /// Type, where a template names one.
    pub(super) type_: Option<&'static str>,
    /// Labels and annotations of a template; without, the object's own.
    pub(super) dress: Option<(Texts, Texts)>,
}

fn hash(text: &str) -> String {
    let digest = Sha3_224::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a String must succeed");
        hex
    })
}

/// Go's `%+v` of a `map[string]string`.
fn map_text<'a>(entries: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let entries: Vec<String> = entries
        .map(|(key, value)| format!("{key}:{value}"))
        .collect();
    format!("map[{}]", entries.join(" "))
}

/// The annotation `data-hash`: of Go's `%+v` of a `map[string][]byte`.
fn data_hash<'a>(data: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let entries = data.map(|(key, bytes)| {
        let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
        format!("{key}:[{}]", bytes.join(" "))
    });
    let entries: Vec<String> = entries.collect();
    hash(&format!("map[{}]", entries.join(" ")))
}

fn resource_version(object: &DynamicObject) -> String {
    let annotations = map_text(object.annotations().iter());
    let labels = map_text(object.labels().iter());
    let generation = object.metadata.generation.unwrap_or_default();
    let text = format!("{{annotations:{annotations} labels:{labels}}}");
    format!("{generation}-{}", hash(&text))
}

fn manager(name: &str) -> String {
    let plain = format!("externalsecrets.external-secrets.io/{name}");
    if plain.len() > 63 {
        format!("externalsecrets.external-secrets.io/sha3/{}", hash(name))
    } else {
        plain
    }
}

#[test]
fn the_hashes_of_the_stand_in_are_those_of_appendix_b() {
    let of = |entries: &[(&str, &[u8])]| data_hash(entries.iter().copied());
    let empty = "74a974446e359fb3e6baff9bd0058950e6edd0f040888d9989b0a11b";
    assert_eq!(of(&[]), empty);
    let pair: [(&str, &[u8]); 2] = [("password", b"hunter2"), ("username", b"admin")];
    let known = "c95146863c01c0fde76c9a84cbdc3cc51cd4a45848b2f970a09fffb7";
    assert_eq!(of(&pair), known);
    let binary = "b4f665564376052d5c569ba1e9ca2d8480ae8813b9fcd5145c440e36";
    assert_eq!(of(&[("bin", &[0, 255])]), binary);
    let owner = "d8e71f57abcb4cafed19c4c6d8ad457999d8b989707703ff1f6ed89a";
    assert_eq!(hash("kube-system/app-secrets"), owner);
    let long = "externalsecrets.external-secrets.io/sha3/d220a1cf8ee891688379b76052547fb82927e9939900f013c08a82ca";
    assert_eq!(manager(&"x".repeat(40)), long);
    let mut object = DynamicObject::new("a", &resource());
    object.metadata.generation = Some(7);
    let texts = |pairs: &[(&str, &str)]| -> Texts {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    object.metadata.labels = Some(texts(&[("app", "x")]));
    object.metadata.annotations = Some(texts(&[("a", "1"), ("b", "2")]));
    let known = "7-7a9d14fc4c98c8b2363ada4bb72d815002f918edc3da4746679c79ee";
    assert_eq!(resource_version(&object), known);
}

fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(
        "external-secrets.io",
        "v1",
        "ExternalSecret",
    ))
}

/// ExternalSecrets of one namespace.
pub(super) fn objects(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource())
}

/// One pass of ESO over an object: finalizer, Secret, status (its §2.1 and §2.10). Whatever is as it
/// should be is not written. Answers whether the Secret was.
pub(super) async fn reconcile(
    client: &Client,
    namespace: &str,
    name: &str,
    wanted: &Wanted,
    synced_at: &str,
) -> anyhow::Result<bool> {
    let api = objects(client, namespace);
    let mut object = api
        .get(name)
        .await
        .with_context(|| format!("{namespace}/{name}"))?;
    if !object
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER)
    {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": [FINALIZER]}}));
        object = api.patch(name, &PatchParams::default(), &patch).await?;
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let target = object.data["spec"]["target"]["name"]
        .as_str()
        .unwrap_or(name)
        .to_owned();
    let present = secrets.get_opt(&target).await?;
    let next = mutated(&object, &target, wanted, present.clone())?;
    let params = PostParams {
        field_manager: Some(manager(name)),
        ..PostParams::default()
    };
    let written = match present {
        None => {
            secrets.create(&params, &next).await?;
            true
        }
        Some(present) if present == next => false,
        Some(_) => {
            let mut next = next;
            next.metadata.managed_fields = None;
            secrets.replace(&target, &params, &next).await?;
            true
        }
    };
    let version = resource_version(&object);
    if object.data["status"]["syncedResourceVersion"] != version.as_str() {
        let status = json!({
            "binding": {"name": target},
            "refreshTime": synced_at,
            "syncedResourceVersion": version,
            "conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced",
                            "message": "secret synced", "lastTransitionTime": synced_at}],
        });
        let patch = Patch::Merge(json!({"status": status}));
        let params = PatchParams {
            field_manager: Some("external-secrets".to_owned()),
            ..PatchParams::default()
        };
        api.patch_status(name, &params, &patch).await?;
    }
    Ok(written)
}

/// What ESO says of a store that works; the fake provider can be written to, by its word.
pub(super) fn valid_store(since: &str) -> Value {
    json!({"status": {
        "capabilities": "ReadWrite",
        "conditions": [{"type": "Ready", "status": "True", "reason": "Valid", "message": "store validated",
                        "lastTransitionTime": since}],
    }})
}

/// The Secret after ESO's mutation of what stands there.
fn mutated(
    object: &DynamicObject,
    target: &str,
    wanted: &Wanted,
    present: Option<Secret>,
) -> anyhow::Result<Secret> {
    let policy = object.data["spec"]["target"]["creationPolicy"].as_str();
    let policy = policy.unwrap_or("Owner");
    let merges = matches!(policy, "Merge" | "CreateOrMerge");
    let name = object.name_any();
    let namespace = object.namespace().context("a namespace")?;
    let mut secret = present.unwrap_or_default();
    secret.metadata.name = Some(target.to_owned());
    secret.metadata.namespace = Some(namespace.clone());
    let immutable = object.data["spec"]["target"]["immutable"] == true;
    let frozen = secret.immutable == Some(true);
    if immutable {
        secret.immutable = Some(true);
    }
    let mut labels = secret.metadata.labels.take().unwrap_or_default();
    let mut annotations = secret.metadata.annotations.take().unwrap_or_default();
    if !frozen {
        let (more_labels, more_annotations) = match &wanted.dress {
            Some((labels, annotations)) => (labels.clone(), annotations.clone()),
            None => (object.labels().clone(), object.annotations().clone()),
        };
        labels.extend(more_labels);
        annotations.extend(more_annotations);
        let mut data = secret.data.take().filter(|_| merges).unwrap_or_default();
        for (key, value) in &wanted.data {
            data.insert(
                key.clone(),
                k8s_openapi::ByteString(value.clone().into_bytes()),
            );
        }
        secret.data = Some(data);
        if let Some(type_) = wanted.type_ {
            secret.type_ = Some(type_.to_owned());
        }
    }
    if policy == "Owner" {
        let owner = json!([{
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": name,
            "uid": object.uid(), "controller": true, "blockOwnerDeletion": true,
        }]);
        secret.metadata.owner_references = Some(serde_json::from_value(owner)?);
        labels.insert(
            format!("{PREFIX}/created-by"),
            hash(&format!("{namespace}/{name}")),
        );
    }
    labels.insert(format!("{PREFIX}/managed"), "true".to_owned());
    let data = secret.data.iter().flatten();
    let data = data.map(|(key, value)| (key.as_str(), value.0.as_slice()));
    annotations.insert(format!("{PREFIX}/data-hash"), data_hash(data));
    secret.metadata.labels = Some(labels);
    secret.metadata.annotations = Some(annotations);
    Ok(secret)
}

/// ESO's Deployments, and its webhooks, whose Service nobody stands behind.
pub(super) fn installation() -> String {
    let mut manifest =
        format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}\n");
    for (name, args) in [
        ("external-secrets", "--concurrent=1"),
        ("external-secrets-cert-controller", "certcontroller"),
        ("external-secrets-webhook", "webhook"),
    ] {
        manifest.push_str(&deployment(
            NAMESPACE,
            name,
            "ghcr.io/external-secrets/external-secrets:v2.9.0",
            args,
            1,
        ));
    }
    manifest
}

/// The webhooks of the installation.
pub(super) fn webhooks() -> String {
    let webhook = |name: &str, plural: &str, path: &str| {
        format!(
            "- name: {name}
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 5
  failurePolicy: Fail
  clientConfig: {{service: {{name: external-secrets-webhook, namespace: {NAMESPACE}, path: {path}}}}}
  rules:
  - {{apiGroups: [external-secrets.io], apiVersions: [v1], operations: [CREATE, UPDATE, DELETE], resources: [{plural}]}}
"
        )
    };
    let configuration = |name: &str, webhooks: &str| {
        format!(
            "---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: {name}
  labels: {{external-secrets.io/component: webhook}}
webhooks:
{webhooks}"
        )
    };
    let stores = webhook(
        "validate.secretstore.external-secrets.io",
        "secretstores",
        "/validate-external-secrets-io-v1-secretstore",
    ) + &webhook(
        "validate.clustersecretstore.external-secrets.io",
        "clustersecretstores",
        "/validate-external-secrets-io-v1-clustersecretstore",
    );
    let objects = webhook(
        "validate.externalsecret.external-secrets.io",
        "externalsecrets",
        "/validate-external-secrets-io-v1-externalsecret",
    );
    configuration("secretstore-validate", &stores)
        + &configuration("externalsecret-validate", &objects)
}

/// A Deployment as charts have it.
pub(super) fn deployment(
    namespace: &str,
    name: &str,
    image: &str,
    args: &str,
    replicas: u32,
) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app.kubernetes.io/name: {name}}}}}
  template:
    metadata: {{labels: {{app.kubernetes.io/name: {name}}}}}
    spec: {{containers: [{{name: main, image: '{image}', args: ['{args}']}}]}}
"
    )
}

/// Says of every pod of these namespaces that it is ready, for no kubelet does. Never returns.
pub(super) async fn keep_pods_ready(client: &Client, namespaces: &[&str]) {
    let ready: Value = json!({"status": {"phase": "Running", "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    loop {
        for namespace in namespaces {
            let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
            let found = pods.list(&ListParams::default()).await;
            for pod in found.into_iter().flatten() {
                let phase = pod
                    .status
                    .as_ref()
                    .and_then(|status| status.phase.as_deref());
                if phase != Some("Running") {
                    let patch = Patch::Merge(&ready);
                    // A pod that is gone meanwhile needs nothing.
                    let params = PatchParams::default();
                    pods.patch_status(&pod.name_any(), &params, &patch)
                        .await
                        .ok();
                }
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}
