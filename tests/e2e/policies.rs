//! The API server's own policies, with no webhook at all.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::support::control_plane::{ControlPlane, Options};
use crate::support::kubectl::Kubectl;
use crate::support::wait;

const SOON: Duration = Duration::from_mins(1);
const POLICIES: &str = include_str!("../../manifests/webhooks/policies.yaml");
const VALIDATING: &str = include_str!("../../manifests/webhooks/validating.yaml");
/// The form of a name that latchkey makes.
const INJECTED: &str = "inj-db-s7zrki42lcsypt4pwmpr";

/// A pod whose spec has `field` besides a container with `container`.
fn pod(metadata: &Value, container: &Value, field: &Value) -> String {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "p-"},
        "spec": {"containers": [{"name": "a", "image": "none"}]},
    });
    merge(&mut pod["metadata"], metadata);
    merge(&mut pod["spec"]["containers"][0], container);
    merge(&mut pod["spec"], field);
    pod.to_string()
}

fn merge(into: &mut Value, from: &Value) {
    let fields = from.as_object().expect("the fields must be an object");
    for (key, value) in fields {
        into[key] = value.clone();
    }
}

async fn create(kubectl: &Kubectl, pod: &str) -> anyhow::Result<String> {
    let create = ["create", "-f", "-", "-o", "name"];
    kubectl.run_with_input(create, pod).await
}

async fn refused(kubectl: &Kubectl, pod: &str) -> anyhow::Result<()> {
    let outcome = create(kubectl, pod).await;
    let refusal = outcome.err().map(|error| format!("{error:#}"));
    ensure!(
        refusal
            .as_ref()
            .is_some_and(|text| text.contains("ValidatingAdmissionPolicy")),
        "{pod} was not refused by a policy: {refusal:?}"
    );
    Ok(())
}

/// Every place in a pod where the name of a Secret can stand.
fn places(name: &str) -> Vec<(Value, Value)> {
    let secret = json!({"name": name, "key": "k"});
    let env = json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": secret}}]});
    let from = json!({"envFrom": [{"secretRef": {"name": name}}]});
    let init = |part: &Value| {
        let mut container = json!({"name": "i", "image": "none"});
        merge(&mut container, part);
        json!({"initContainers": [container]})
    };
    let mut places = vec![
        (env.clone(), json!({})),
        (from.clone(), json!({})),
        (json!({}), init(&env)),
        (json!({}), init(&from)),
        (json!({}), json!({"imagePullSecrets": [{"name": name}]})),
    ];
    let reference = json!({"name": name});
    for volume in [
        json!({"secret": {"secretName": name}}),
        json!({"projected": {"sources": [{"secret": {"name": name}}]}}),
        json!({"csi": {"driver": "d", "nodePublishSecretRef": reference}}),
        json!({"azureFile": {"secretName": name, "shareName": "s"}}),
        json!({"cephfs": {"monitors": ["m"], "secretRef": reference}}),
        json!({"cinder": {"volumeID": "v", "secretRef": reference}}),
        json!({"flexVolume": {"driver": "d/e", "secretRef": reference}}),
        json!({"iscsi": {"targetPortal": "1.2.3.4:3260", "iqn": "iqn.2001-04.com.example:x", "lun": 0,
                         "secretRef": reference}}),
        json!({"rbd": {"monitors": ["m"], "image": "i", "secretRef": reference}}),
        json!({"scaleIO": {"gateway": "g", "system": "s", "volumeName": "v", "secretRef": reference}}),
        json!({"storageos": {"volumeName": "v", "secretRef": reference}}),
    ] {
        let mut entry = json!({"name": "v"});
        merge(&mut entry, &volume);
        places.push((json!({}), json!({"volumes": [entry]})));
    }
    places
}

#[tokio::test]
async fn policies_hold_without_the_webhook() -> anyhow::Result<()> {
    let plane = ControlPlane::start(Options::default()).await?;
    let kubectl = plane.kubectl();
    kubectl.apply(POLICIES).await?;
    let none = json!({});
    let canary = pod(
        &none,
        &none,
        &json!({"imagePullSecrets": [{"name": INJECTED}]}),
    );
    wait::until("the policies to be in force", SOON, async || {
        refused(&kubectl, &canary).await
    })
    .await?;

    create(&kubectl, &pod(&none, &none, &none)).await?;
    let label = json!({"labels": {"latchkey.dev/injected": "true"}});
    for (container, field) in places(INJECTED) {
        refused(&kubectl, &pod(&none, &container, &field)).await?;
        create(&kubectl, &pod(&label, &container, &field)).await?;
    }
    for (container, field) in places("inj-mine") {
        create(&kubectl, &pod(&none, &container, &field)).await?;
    }
    inline(&kubectl).await?;
    updates(&kubectl).await
}

async fn inline(kubectl: &Kubectl) -> anyhow::Result<()> {
    let on = json!({"annotations": {"latchkey.dev/inline": "true"}});
    let off = json!({"annotations": {"latchkey.dev/inline": "false"}});
    let none = json!({});
    for text in ["secret://s/k#p", "a ${secret://s/k#p} b"] {
        let container = json!({"env": [{"name": "B", "value": "x"}, {"name": "A", "value": text}]});
        refused(kubectl, &pod(&on, &container, &none)).await?;
        create(kubectl, &pod(&off, &container, &none)).await?;
        create(kubectl, &pod(&none, &container, &none)).await?;
    }
    let fine = json!({"env": [{"name": "A", "value": "see secret://s"}, {"name": "B"}]});
    create(kubectl, &pod(&on, &fine, &none)).await?;
    create(kubectl, &pod(&on, &none, &none)).await?;
    Ok(())
}

/// A pod that passed keeps its label, loses its finalizers, and can be debugged without our names.
async fn updates(kubectl: &Kubectl) -> anyhow::Result<()> {
    let none = json!({});
    let metadata = json!({
        "labels": {"latchkey.dev/injected": "true"},
        "finalizers": ["example.com/f"],
    });
    let pull = json!({"imagePullSecrets": [{"name": INJECTED}]});
    let name = create(kubectl, &pod(&metadata, &none, &pull)).await?;
    let name = name.trim();
    let unlabel = ["label", name, "latchkey.dev/injected-"];
    let refusal = kubectl.run(unlabel).await;
    ensure!(refusal.is_err(), "the label was taken off");
    kubectl.run(["label", name, "team=x"]).await?;
    kubectl.run(["delete", name, "--wait=false"]).await?;
    let finish = [
        "patch",
        name,
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ];
    kubectl.run(finish).await?;

    let plain = create(kubectl, &pod(&none, &none, &none)).await?;
    let debug = |secret: &str| {
        json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "none", "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}}]}]}})
        .to_string()
    };
    let attach = async |secret: &str| {
        let (name, patch) = (plain.trim(), debug(secret));
        let args = [
            "patch",
            name,
            "--subresource=ephemeralcontainers",
            "-p",
            &patch,
        ];
        kubectl.run(args).await
    };
    ensure!(
        attach(INJECTED).await.is_err(),
        "a debugger got an injected Secret"
    );
    attach("mine").await?;
    Ok(())
}

#[tokio::test]
async fn a_webhook_that_is_gone_keeps_no_store_from_being_applied() -> anyhow::Result<()> {
    let plane = ControlPlane::start(Options::default()).await?;
    plane.install_crds().await?;
    let kubectl = plane.kubectl();
    let store = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: s, namespace: default}
spec: {provider: {fake: {data: []}}}
";
    let try_out = || kubectl.run_with_input(["apply", "--dry-run=server", "-f", "-"], store);
    // That the API server calls at all shows only where a failure counts.
    let strict = VALIDATING.replace("failurePolicy: Ignore", "failurePolicy: Fail");
    kubectl.apply(&strict).await?;
    wait::until("the webhook to be called", SOON, async || {
        let refusal = try_out().await.err().map(|error| format!("{error:#}"));
        let is_called = refusal.is_some_and(|text| text.contains("secretstores.latchkey.dev"));
        ensure!(is_called, "not called yet");
        Ok(())
    })
    .await?;
    kubectl.apply(VALIDATING).await?;
    wait::until("the store to pass", SOON, async || try_out().await).await?;
    Ok(())
}
