//! Generators, and the kinds that spread and push.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::json;

use crate::support::wait;
use crate::world::{Place, SOON, world};

const MADE: &str = "
apiVersion: generators.external-secrets.io/v1alpha1
kind: Password
metadata: {name: strong, namespace: NS}
spec: {length: 40, digits: 5, symbols: 5}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: made, namespace: NS}
spec:
  refreshInterval: 1h
  dataFrom: [{sourceRef: {generatorRef: {kind: Password, name: strong}}}]
";

fn alpha(place: &Place, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("external-secrets.io", "v1alpha1", kind);
    Api::namespaced_with(
        place.client.clone(),
        &place.namespace,
        &ApiResource::from_gvk(&kind),
    )
}

async fn password(place: &Place) -> anyhow::Result<String> {
    let secret = place.secret("made").await?.context("no Secret yet")?;
    let value = secret
        .data
        .unwrap_or_default()
        .remove("password")
        .context("no password yet")?;
    Ok(String::from_utf8(value.0)?)
}

#[tokio::test]
async fn a_made_value_stays_through_an_edit_of_metadata_and_goes_when_forced() -> anyhow::Result<()>
{
    let world = world().await?;
    world
        .run("made", async |place| {
            place.apply(MADE).await?;
            place
                .ready("ExternalSecret", "made", "True", "secret synced")
                .await?;
            let first = password(place).await?;
            ensure!(first.chars().count() == 40);
            let annotate = async |name: &str| {
                let patch = Patch::Merge(json!({"metadata": {"annotations": {name: "1"}}}));
                let objects = place.objects("ExternalSecret");
                objects.patch("made", &PatchParams::default(), &patch).await
            };
            annotate("example.com/note").await?;
            wait::until("the annotation on the Secret", SOON, async || {
                let secret = place.secret("made").await?.context("no Secret")?;
                let annotations = secret.metadata.annotations.unwrap_or_default();
                ensure!(annotations.contains_key("example.com/note"));
                Ok(())
            })
            .await?;
            ensure!(
                password(place).await? == first,
                "a note changed the password"
            );
            annotate("external-secrets.io/force-sync").await?;
            wait::until("a new password", SOON, async || {
                ensure!(password(place).await? != first);
                Ok(())
            })
            .await
        })
        .await
}

const SPREAD: &str = "
apiVersion: external-secrets.io/v1
kind: ClusterExternalSecret
metadata: {name: NS}
spec:
  namespaceSelectors: [{matchLabels: {kubernetes.io/metadata.name: NS}}]
  externalSecretName: spread
  externalSecretMetadata: {labels: {from: above}}
  externalSecretSpec:
    refreshInterval: 1h
    dataFrom: [{sourceRef: {generatorRef: {kind: UUID, name: id}}}]
---
apiVersion: generators.external-secrets.io/v1alpha1
kind: UUID
metadata: {name: id, namespace: NS}
spec: {}
";

#[tokio::test]
async fn a_cluster_external_secret_follows_its_selection_and_holds_no_namespace()
-> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("spread", async |place| {
            place.apply(SPREAD).await?;
            place
                .ready("ExternalSecret", "spread", "True", "secret synced")
                .await?;
            let made = place.objects("ExternalSecret").get("spread").await?;
            ensure!(made.metadata.labels.unwrap_or_default()["from"] == "above");
            let owners = made.metadata.owner_references.unwrap_or_default();
            ensure!(
                owners
                    .iter()
                    .any(|owner| owner.kind == "ClusterExternalSecret")
            );
            place
                .objects("ExternalSecret")
                .delete("spread", &DeleteParams::default())
                .await?;
            place
                .ready("ExternalSecret", "spread", "True", "secret synced")
                .await?;
            let clusters = place.objects("ClusterExternalSecret");
            let patch = Patch::Merge(
                json!({"spec": {"namespaceSelectors": [{"matchLabels": {"no": "such"}}]}}),
            );
            clusters
                .patch(&place.namespace, &PatchParams::default(), &patch)
                .await?;
            wait::until("the object to go", SOON, async || {
                ensure!(
                    place
                        .objects("ExternalSecret")
                        .get_opt("spread")
                        .await?
                        .is_none()
                );
                let object = clusters.get(&place.namespace).await?;
                ensure!(object.metadata.finalizers.unwrap_or_default().is_empty());
                Ok(())
            })
            .await?;
            clusters
                .delete(&place.namespace, &DeleteParams::default())
                .await?;
            Ok(())
        })
        .await
}

const PUSH: &str = "
apiVersion: v1
kind: Secret
metadata: {name: source, namespace: NS}
stringData: {user: u, pass: p}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: nowhere, namespace: NS}
spec:
  provider: {fake: {data: [{key: a, value: b}]}}
---
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {name: push, namespace: NS}
spec:
  deletionPolicy: Delete
  secretStoreRefs: [{name: nowhere}]
  selector: {secret: {name: source}}
  data: [{match: {secretKey: user, remoteRef: {remoteKey: x}}}]
";

#[tokio::test]
async fn a_push_to_a_store_that_only_reads_is_told_and_does_not_hold_its_object()
-> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("push", async |place| {
            place.apply(PUSH).await?;
            let pushes = alpha(place, "PushSecret");
            wait::until("the condition", SOON, async || {
                let object = pushes.get("push").await?;
                let condition = crate::world::condition(&object).context("no condition yet")?;
                let message = condition["message"].as_str().unwrap_or_default();
                ensure!(condition["status"] == "False" && condition["reason"] == "Errored");
                ensure!(
                    message.contains("could not write remote ref x"),
                    "{message}"
                );
                Ok(())
            })
            .await?;
            let failing = async || {
                let of = [("namespace", place.namespace.as_str()), ("status", "False")];
                let metrics = world.latchkey.metrics().await?;
                anyhow::Ok(metrics.sum("pushsecret_status_condition", &of) > 0.0)
            };
            wait::until("the series", SOON, async || {
                ensure!(failing().await?, "no series tells of the failure");
                Ok(())
            })
            .await?;
            pushes.delete("push", &DeleteParams::default()).await?;
            wait::until("the object and its series to go", SOON, async || {
                ensure!(pushes.get_opt("push").await?.is_none());
                ensure!(!failing().await?, "the series stays");
                Ok(())
            })
            .await
        })
        .await
}

const PUSH_TO_CLUSTER: &str = "
apiVersion: v1
kind: Secret
metadata: {name: source, namespace: NS}
stringData: {user: u, pass: p}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: here, namespace: NS}
spec:
  provider:
    kubernetes: {remoteNamespace: NS, authRef: {name: access, key: kubeconfig}}
---
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {name: push, namespace: NS}
spec:
  deletionPolicy: Delete
  secretStoreRefs: [{name: here}]
  selector: {secret: {name: source}}
  data:
  - {match: {secretKey: user, remoteRef: {remoteKey: one, property: name}}}
  - {match: {remoteRef: {remoteKey: all}}, metadata: {spec: {labels: {from: push}}}}
";

#[tokio::test]
async fn a_pushed_secret_follows_its_push_secret_and_goes_with_it() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("pushed", async |place| {
            let access = std::fs::read_to_string(world.plane.kubeconfig())?;
            let mut access: serde_json::Value = serde_json::from_str(&access)?;
            let cluster = &mut access["clusters"][0]["cluster"];
            let ca = cluster["certificate-authority"].take();
            let ca = std::fs::read(ca.as_str().context("the kubeconfig names its CA")?)?;
            *cluster = json!({"server": cluster["server"], "certificate-authority-data": STANDARD.encode(ca)});
            let access = json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "access", "namespace": place.namespace},
                "stringData": {"kubeconfig": access.to_string()}
            });
            // As it is: base64 may hold what stands for the namespace.
            place.kubectl.apply(&access.to_string()).await?;
            place.apply(PUSH_TO_CLUSTER).await?;
            place.holds("one", &[("name", "u")]).await?;
            let all = place.holds("all", &[("pass", "p"), ("user", "u")]).await?;
            ensure!(all.metadata.labels.unwrap_or_default()["from"] == "push");
            let source = json!({"apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "source", "namespace": place.namespace}, "stringData": {"user": "v"}});
            place.apply(&source.to_string()).await?;
            place.holds("one", &[("name", "v")]).await?;
            let pushes = alpha(place, "PushSecret");
            let made = Patch::Merge(json!({"spec": {"template": {"data": {"user": "{{ .user | upper }}"}}}}));
            pushes.patch("push", &PatchParams::default(), &made).await?;
            place.holds("one", &[("name", "V")]).await?;
            let fewer = Patch::Merge(json!({"spec": {"data": [
                {"match": {"secretKey": "pass", "remoteRef": {"remoteKey": "one", "property": "name"}}}]}}));
            pushes.patch("push", &PatchParams::default(), &fewer).await?;
            place.holds("one", &[("name", "p")]).await?;
            wait::until("what is not asked for to go", SOON, async || {
                ensure!(place.secret("all").await?.is_none());
                Ok(())
            })
            .await?;
            let note = Patch::Merge(json!({"metadata": {"annotations": {"note": "1"}}}));
            place.kubectl.run(&["delete", "secret", "source", "-n", &place.namespace]).await?;
            pushes.patch("push", &PatchParams::default(), &note).await?;
            wait::until("what was pushed to go with its source", SOON, async || {
                ensure!(place.secret("one").await?.is_none());
                Ok(())
            })
            .await?;
            // What was patched in stays: applying names no template.
            place.apply(PUSH_TO_CLUSTER).await?;
            place.holds("one", &[("name", "U")]).await?;
            a_store_goes_after_what_needs_it(place).await
        })
        .await
}

/// Deletes the store `here`, and with PushSecret `push` what holds it.
async fn a_store_goes_after_what_needs_it(place: &Place) -> anyhow::Result<()> {
    let (stores, pushes) = (place.objects("SecretStore"), alpha(place, "PushSecret"));
    delete_with_finalizer_of_eso(place, "here").await?;
    wait::until("the store to say what it waits for", SOON, async || {
        let events = ["get", "events", "-n", &place.namespace];
        let events = place.kubectl.run(&events).await?;
        let told = events.contains("StillInUse") && events.contains("/push has taken back");
        ensure!(told, "{events}");
        Ok(())
    })
    .await?;
    let store = stores.get_opt("here").await?;
    ensure!(store.is_some(), "the PushSecret needs it");
    pushes.delete("push", &DeleteParams::default()).await?;
    wait::until(
        "what was pushed to go with its object, then the store",
        SOON,
        async || {
            ensure!(place.secret("one").await?.is_none());
            ensure!(pushes.get_opt("push").await?.is_none());
            ensure!(stores.get_opt("here").await?.is_none());
            Ok(())
        },
    )
    .await
}

/// Gives a store the finalizer that ESO leaves on it, and deletes it.
async fn delete_with_finalizer_of_eso(place: &Place, name: &str) -> anyhow::Result<()> {
    let stores = place.objects("SecretStore");
    let finalizer = "secretstore.externalsecrets.io/finalizer";
    let held = Patch::Merge(json!({"metadata": {"finalizers": [finalizer]}}));
    stores.patch(name, &PatchParams::default(), &held).await?;
    stores.delete(name, &DeleteParams::default()).await?;
    Ok(())
}

#[tokio::test]
async fn a_store_that_eso_left_a_finalizer_on_goes() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("let-go", async |place| {
            place.apply(PUSH).await?;
            delete_with_finalizer_of_eso(place, "nowhere").await?;
            wait::until("the store to go", SOON, async || {
                let store = place.objects("SecretStore").get_opt("nowhere").await?;
                ensure!(store.is_none(), "it is held");
                Ok(())
            })
            .await
        })
        .await
}
