//! Annotated pods, admitted through the TLS webhook.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use crate::support::wait;
use crate::world::{ORGANIZATION, Place, SOON, TOKEN, World, world};

/// An environment, a store, and the permission to use it.
async fn furnish(world: &World, place: &Place) -> anyhow::Result<()> {
    world
        .environment(
            &place.namespace,
            "values: {app: {hello: world, port: 8080}}\n",
        )
        .await?;
    place
        .apply(&format!(
            "
apiVersion: v1
kind: Secret
metadata: {{name: token, namespace: NS}}
stringData: {{token: {TOKEN}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: esc, namespace: NS}}
spec:
  provider:
    pulumi:
      organization: {ORGANIZATION}
      project: NS
      environment: dev
      accessToken: {{secretRef: {{name: token, key: token}}}}
"
        ))
        .await?;
    place
        .ready("SecretStore", "esc", "True", "store validated")
        .await?;
    Ok(())
}

const PERMISSION: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: store-users, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: latchkey-store-user}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccounts:NS'}]
";

const POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: NS
  annotations:
    latchkey.dev/secret.app: secret://esc/app
    latchkey.dev/refresh: 2s
spec:
  containers:
  - name: web
    image: test.local/none:1
    env:
    - {name: HELLO, valueFrom: {secretKeyRef: {name: app, key: hello}}}
    - {name: PLAIN, valueFrom: {secretKeyRef: {name: plain, key: x}}}
    envFrom:
    - {prefix: APP_, secretRef: {name: app}}
  volumes:
  - {name: app, secret: {secretName: app}}
";

async fn pod(place: &Place, name: &str) -> anyhow::Result<Pod> {
    let api: Api<Pod> = Api::namespaced(place.client.clone(), &place.namespace);
    Ok(api.get(name).await?)
}

/// The names of Secrets in the first container's environment and in the first volume.
fn secret_names(pod: &Pod) -> anyhow::Result<Vec<String>> {
    let spec = serde_json::to_value(&pod.spec)?;
    let pointers = [
        "/containers/0/env/0/valueFrom/secretKeyRef/name",
        "/containers/0/env/1/valueFrom/secretKeyRef/name",
        "/containers/0/envFrom/0/secretRef/name",
        "/volumes/0/secret/secretName",
    ];
    let name = |pointer: &&str| {
        spec.pointer(pointer)
            .and_then(|name| name.as_str())
            .map(str::to_owned)
    };
    pointers
        .iter()
        .map(|pointer| name(pointer).with_context(|| (*pointer).to_owned()))
        .collect()
}

#[tokio::test]
async fn an_alias_becomes_a_secret_that_follows_the_store() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("alias", async |place| {
            furnish(world, place).await?;
            place.apply(PERMISSION).await?;
            admitted(place, POD).await?;
            let stored = pod(place, "web").await?;
            let names = secret_names(&stored)?;
            let made = &names[0];
            ensure!(
                made.starts_with("inj-app-") && made.len() == "inj-app-".len() + 20,
                "{made}"
            );
            assert_eq!(names[1], "plain");
            assert_eq!((&names[2], &names[3]), (made, made));
            let labels = stored.metadata.labels.unwrap_or_default();
            assert_eq!(labels["latchkey.dev/injected"], "true");

            let secret = place
                .holds(made, &[("hello", "world"), ("port", "8080")])
                .await?;
            let owner = &secret
                .metadata
                .owner_references
                .context("it must be owned")?[0];
            assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("Pod", "web"));

            world
                .environment(
                    &place.namespace,
                    "values: {app: {hello: moon, port: 8080}}\n",
                )
                .await?;
            place
                .holds(made, &[("hello", "moon"), ("port", "8080")])
                .await?;
            Ok(())
        })
        .await
}

/// Applies a pod. A fresh RoleBinding takes the API server's authoriser a moment, and a refusal is
/// remembered for some seconds.
async fn admitted(place: &Place, manifest: &str) -> anyhow::Result<()> {
    wait::until("the pod to be admitted", SOON, async || {
        place.apply(manifest).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_pod_whose_account_may_not_use_the_store_is_refused_with_the_remedy() -> anyhow::Result<()>
{
    let world = world().await?;
    world
        .run("refused", async |place| {
            furnish(world, place).await?;
            let refusal = place.apply(POD).await.expect_err("nobody has permitted it");
            let refusal = format!("{refusal:#}");
            for part in ["kind: RoleBinding", "latchkey-store-user", &place.namespace] {
                ensure!(refusal.contains(part), "{part:?} is missing in: {refusal}");
            }
            place.apply(PERMISSION).await?;
            admitted(place, POD).await
        })
        .await
}

#[tokio::test]
async fn an_existing_external_secret_is_named_by_its_target() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("named", async |place| {
            furnish(world, place).await?;
            place
                .apply(
                    "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: settings, namespace: NS}
spec:
  secretStoreRef: {name: esc}
  target: {name: settings-secret}
  dataFrom: [{extract: {key: app}}]
",
                )
                .await?;
            place
                .holds("settings-secret", &[("hello", "world"), ("port", "8080")])
                .await?;
            let manifest = POD.replace("secret://esc/app", "externalsecret/settings");
            place.apply(&manifest).await?;
            let names = secret_names(&pod(place, "web").await?)?;
            assert_eq!(names[0], "settings-secret");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_reference_that_cannot_be_read_is_refused_by_name() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("unreadable", async |place| {
            let refusal = place
                .apply(&POD.replace("secret://esc/app", "secret://"))
                .await;
            let refusal = format!("{:#}", refusal.expect_err("the reference is empty"));
            ensure!(refusal.contains("latchkey.dev/secret.app"), "{refusal}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn an_external_secret_that_can_never_work_is_refused_by_field() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("invalid", async |place| {
            let refusal = place
                .apply(
                    "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: wrong, namespace: NS}
spec:
  secretStoreRef: {name: esc}
  refreshInterval: soon
  dataFrom: [{extract: {key: app}}]
",
                )
                .await;
            let refusal = format!("{:#}", refusal.expect_err("the interval cannot be read"));
            ensure!(refusal.contains("spec.refreshInterval"), "{refusal}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_pod_without_our_annotations_is_untouched() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("plain", async |place| {
            let manifest = POD
                .replace("    latchkey.dev/secret.app: secret://esc/app\n", "")
                .replace("    latchkey.dev/refresh: 2s\n", "    team: x\n");
            place.apply(&manifest).await?;
            let stored = pod(place, "web").await?;
            assert_eq!(secret_names(&stored)?, ["app", "plain", "app", "app"]);
            assert_eq!(stored.metadata.labels, None);
            Ok(())
        })
        .await
}
