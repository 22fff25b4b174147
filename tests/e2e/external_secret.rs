//! ExternalSecrets that work.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::world::{ORGANIZATION, Place, TOKEN, World, world};

/// The blog's manifests, in their v1beta1 form.
const ARTICLE: &str = r"
apiVersion: v1
kind: Secret
metadata: {name: pulumi-access-token, namespace: NS}
stringData: {PULUMI_ACCESS_TOKEN: TOKEN}
---
apiVersion: external-secrets.io/v1beta1
kind: ClusterSecretStore
metadata: {name: NS}
spec:
  provider:
    pulumi:
      organization: ORG
      project: NS
      environment: dev
      accessToken: {secretRef: {name: pulumi-access-token, key: PULUMI_ACCESS_TOKEN, namespace: NS}}
---
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: esc-secret-store, namespace: NS}
spec:
  dataFrom: [{extract: {conversionStrategy: Default, key: app}}]
  refreshInterval: 5s
  secretStoreRef: {kind: ClusterSecretStore, name: NS}
";

const STORE: &str = r#"
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: NS}
spec:
  provider:
    fake:
      data:
      - {key: db, value: '{"user":"u","password":"p"}'}
      - {key: token, value: t0}
      - {key: encoded, value: aGVsbG8=}
"#;

#[tokio::test]
async fn the_articles_manifests_make_a_secret_that_follows_the_store() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("article", async |place| {
            let first = "values: {app: {hello: world, hello-secret: {fn::secret: world}}}\n";
            world.environment(&place.namespace, first).await?;
            place
                .apply(
                    &ARTICLE
                        .replace("TOKEN\n", TOKEN)
                        .replace("TOKEN}", &format!("{TOKEN}}}"))
                        .replace("ORG", ORGANIZATION),
                )
                .await?;
            place
                .ready(
                    "ExternalSecret",
                    "esc-secret-store",
                    "True",
                    "secret synced",
                )
                .await?;
            place
                .holds(
                    "esc-secret-store",
                    &[("hello", "world"), ("hello-secret", "world")],
                )
                .await?;

            let second = "values: {app: {hello: moon, hello-secret: {fn::secret: world}}}\n";
            world.environment(&place.namespace, second).await?;
            place
                .holds(
                    "esc-secret-store",
                    &[("hello", "moon"), ("hello-secret", "world")],
                )
                .await?;
            place
                .kubectl
                .run(["delete", "clustersecretstore", &place.namespace])
                .await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn data_find_and_decoding_make_one_secret() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("shapes", async |place| {
            place.apply(STORE).await?;
            place
                .apply(
                    r"
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: app, namespace: NS, labels: {team: x}}
spec:
  secretStoreRef: {name: fake}
  refreshInterval: 1h
  target: {name: app-secret}
  dataFrom:
  - find: {name: {regexp: ^tok}}
    rewrite: [{regexp: {source: '^(.*)$', target: 'found-$1'}}]
  - extract: {key: db}
    rewrite: [{transform: {template: 'DB_{{ .value | upper }}'}}]
  data:
  - {secretKey: user, remoteRef: {key: db, property: user}}
  - {secretKey: greeting, remoteRef: {key: encoded, decodingStrategy: Base64}}
",
                )
                .await?;
            let values = [
                ("DB_PASSWORD", "p"),
                ("DB_USER", "u"),
                ("found-token", "t0"),
                ("greeting", "hello"),
                ("user", "u"),
            ];
            let secret = place.holds("app-secret", &values).await?;
            let labels = secret.metadata.labels.unwrap_or_default();
            assert_eq!(labels["team"], "x");
            assert_eq!(labels["reconcile.external-secrets.io/managed"], "true");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_changed_spec_or_store_is_followed_at_once() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("changes", async |place| {
            place.apply(STORE).await?;
            let object = |key: &str| {
                format!(
                    "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: app, namespace: NS}}
spec:
  secretStoreRef: {{name: fake}}
  refreshInterval: 1h
  data: [{{secretKey: k, remoteRef: {{key: {key}}}}}]
"
                )
            };
            place.apply(&object("token")).await?;
            place.holds("app", &[("k", "t0")]).await?;
            place.apply(&object("encoded")).await?;
            place.holds("app", &[("k", "aGVsbG8=")]).await?;

            place.apply(&STORE.replace("aGVsbG8=", "changed")).await?;
            let force = [
                "annotate",
                "es",
                "app",
                "external-secrets.io/force-sync=1",
                "-n",
                &place.namespace,
            ];
            place.kubectl.run(force).await?;
            place.holds("app", &[("k", "changed")]).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_secret_that_is_deleted_or_edited_is_repaired_at_once() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("drift", async |place| {
            place.apply(STORE).await?;
            place
                .apply(
                    r"
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: app, namespace: NS}
spec:
  secretStoreRef: {name: fake}
  refreshInterval: 1h
  dataFrom: [{extract: {key: db}}]
",
                )
                .await?;
            let values = [("password", "p"), ("user", "u")];
            place.holds("app", &values).await?;
            let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);

            let edit = json!({"stringData": {"user": "mallory", "planted": "x"}});
            secrets
                .patch("app", &PatchParams::default(), &Patch::Merge(edit))
                .await?;
            place.holds("app", &values).await?;

            secrets.delete("app", &DeleteParams::default()).await?;
            place.holds("app", &values).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn an_owned_secret_goes_with_its_object_and_an_orphan_stays() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("owned", async |place| {
            place.apply(STORE).await?;
            for (name, policy) in [("owned", "Owner"), ("orphan", "Orphan")] {
                place
                    .apply(&format!(
                        "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {name}, namespace: NS}}
spec:
  secretStoreRef: {{name: fake}}
  target: {{creationPolicy: {policy}}}
  data: [{{secretKey: k, remoteRef: {{key: token}}}}]
"
                    ))
                    .await?;
                place.holds(name, &[("k", "t0")]).await?;
            }
            let delete = ["delete", "es", "owned", "orphan", "-n", &place.namespace];
            place.kubectl.run(delete).await?;
            crate::support::wait::until(
                "the owned Secret to go",
                std::time::Duration::from_mins(1),
                async || {
                    anyhow::ensure!(place.secret("owned").await?.is_none(), "it is there");
                    Ok(())
                },
            )
            .await?;
            assert!(place.secret("orphan").await?.is_some());
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_renamed_target_leaves_no_secret_behind() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("renamed", async |place| {
            place.apply(STORE).await?;
            let object = |target: &str| {
                format!(
                    "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: app, namespace: NS}}
spec:
  secretStoreRef: {{name: fake}}
  target: {{name: {target}}}
  data: [{{secretKey: k, remoteRef: {{key: token}}}}]
"
                )
            };
            place.apply(&object("before")).await?;
            place.holds("before", &[("k", "t0")]).await?;
            place.apply(&object("after")).await?;
            place.holds("after", &[("k", "t0")]).await?;
            let gone = std::time::Duration::from_secs(10);
            crate::support::wait::until("the old Secret to go", gone, async || {
                anyhow::ensure!(place.secret("before").await?.is_none(), "it is there");
                Ok(())
            })
            .await
        })
        .await
}

#[tokio::test]
async fn a_closed_window_holds_refreshes_back_and_force_sync_does_not_wait() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("windows", async |place| {
            place.apply(STORE).await?;
            place
                .apply(
                    "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: app, namespace: NS}
spec:
  secretStoreRef: {name: fake}
  refreshInterval: 2s
  syncWindows: {kind: allow, windows: [{schedule: '0 0 29 2 *', duration: 1m}]}
  data: [{secretKey: k, remoteRef: {key: token}}]
",
                )
                .await?;
            place.holds("app", &[("k", "t0")]).await?;
            place.apply(&STORE.replace("t0", "t1")).await?;
            let text = "secret synced; the refresh that is due waits for spec.syncWindows until ";
            place.ready("ExternalSecret", "app", "True", text).await?;
            place.holds("app", &[("k", "t0")]).await?;
            let note = "external-secrets.io/force-sync=1";
            let force = ["annotate", "es", "app", note, "-n", &place.namespace];
            place.kubectl.run(force).await?;
            place.holds("app", &[("k", "t1")]).await?;
            Ok(())
        })
        .await
}

/// An object that keeps a ConfigMap.
fn config_map(name: &str, target: &str) -> String {
    format!(
        "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {name}, namespace: NS}}
spec:
  secretStoreRef: {{name: fake}}
  refreshInterval: 1s
  target: {{manifest: {{apiVersion: v1, kind: ConfigMap}}{target}}}
  dataFrom: [{{extract: {{key: db}}}}]
"
    )
}

/// Waits until `app` was refreshed twice.
async fn two_refreshes(world: &World, place: &Place) -> anyhow::Result<()> {
    let of = [("name", "app"), ("namespace", place.namespace.as_str())];
    let refreshes = async || {
        let metrics = world.latchkey.metrics().await?;
        anyhow::Ok(metrics.sum("externalsecret_sync_calls_total", &of))
    };
    let before = refreshes().await?;
    crate::support::wait::until("two refreshes", crate::world::SOON, async || {
        anyhow::ensure!(refreshes().await? >= before + 2.0, "not yet");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_config_map_is_kept_without_a_write_too_many_and_none_of_somebody_else_is_taken()
-> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("manifest", async |place| {
            let maps: Api<ConfigMap> = Api::namespaced(place.client.clone(), &place.namespace);
            place
                .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: foreign, namespace: NS}, data: {a: b}}")
                .await?;
            place.apply(STORE).await?;
            place.apply(&config_map("foreign", "")).await?;
            let text = "failed to take ownership of target secret";
            place
                .ready("ExternalSecret", "foreign", "False", text)
                .await?;
            let foreign = maps.get("foreign").await?.data.unwrap_or_default();
            assert_eq!(foreign["a"], "b");

            let template = ", template: {data: {url: '{{ .user }}:{{ .password }}'}}";
            place.apply(&config_map("app", template)).await?;
            place
                .ready("ExternalSecret", "app", "True", "resource synced")
                .await?;
            let first = maps.get("app").await?;
            assert_eq!(first.data.clone().unwrap_or_default()["url"], "u:p");
            two_refreshes(world, place).await?;
            let second = maps.get("app").await?;
            assert_eq!(
                second.metadata.resource_version,
                first.metadata.resource_version
            );
            let changed = STORE.replace("\"u\"", "\"w\"");
            place.apply(&changed).await?;
            let soon = crate::world::SOON;
            crate::support::wait::until("the changed value", soon, async || {
                let data = maps.get("app").await?.data.unwrap_or_default();
                anyhow::ensure!(data["url"] == "w:p", "{data:?}");
                Ok(())
            })
            .await?;
            let delete = ["delete", "es", "app", "-n", &place.namespace];
            place.kubectl.run(delete).await?;
            crate::support::wait::until("the owned ConfigMap to go", soon, async || {
                anyhow::ensure!(maps.get_opt("app").await?.is_none(), "it is there");
                Ok(())
            })
            .await
        })
        .await
}
