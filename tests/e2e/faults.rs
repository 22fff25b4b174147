//! What goes wrong is told in the condition, and the Secret stays as it was.

use anyhow::ensure;

use crate::world::{ORGANIZATION, Place, TOKEN, condition, world};

const VALUES: &str = "values: {app: {hello: world}}\n";
const HELLO: [(&str, &str); 1] = [("hello", "world")];

/// A token, a store and an object whose Secret is in place.
async fn synced(place: &Place) -> anyhow::Result<String> {
    world().await?.environment(&place.namespace, VALUES).await?;
    place.apply(&store(TOKEN, "")).await?;
    place.apply(&object("app")).await?;
    place
        .ready("ExternalSecret", "app", "True", "secret synced")
        .await?;
    let secret = place.holds("app", &HELLO).await?;
    Ok(secret.metadata.resource_version.unwrap_or_default())
}

fn store(token: &str, changes: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: token, namespace: NS}}
stringData: {{token: {token}}}
---
apiVersion: external-secrets.io/v1beta1
kind: SecretStore
metadata: {{name: esc, namespace: NS}}
spec:
  refreshInterval: 2
  provider:
    pulumi:
      organization: {ORGANIZATION}
      project: NS
      environment: dev
      accessToken: {{secretRef: {{name: token, key: token}}}}
{changes}"
    )
}

fn object(key: &str) -> String {
    format!(
        "
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {{name: app, namespace: NS}}
spec:
  refreshInterval: 2s
  secretStoreRef: {{name: esc}}
  dataFrom: [{{extract: {{key: {key}}}}}]
"
    )
}

async fn unchanged(place: &Place, version: &str) -> anyhow::Result<()> {
    let secret = place.holds("app", &HELLO).await?;
    let present = secret.metadata.resource_version.unwrap_or_default();
    ensure!(
        present == version,
        "the Secret was written: {version} became {present}"
    );
    Ok(())
}

#[tokio::test]
async fn an_unreachable_store_is_told_and_the_secret_stays() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("unreachable", async |place| {
            let version = synced(place).await?;
            // The discard port of this host: nobody listens there.
            place
                .apply(&store(TOKEN, "      apiUrl: http://127.0.0.1:9\n"))
                .await?;
            place
                .ready("SecretStore", "esc", "False", "unable to validate store")
                .await?;
            place
                .ready("ExternalSecret", "app", "False", "http://127.0.0.1:9")
                .await?;
            unchanged(place, &version).await?;

            place.apply(&store(TOKEN, "")).await?;
            place
                .kubectl
                .run([
                    "patch",
                    "secretstore",
                    "esc",
                    "-n",
                    &place.namespace,
                    "--type=json",
                    "-p",
                    r#"[{"op":"remove","path":"/spec/provider/pulumi/apiUrl"}]"#,
                ])
                .await
                .ok();
            place
                .ready("ExternalSecret", "app", "True", "secret synced")
                .await?;
            unchanged(place, &version).await
        })
        .await
}

#[tokio::test]
async fn a_wrong_token_is_told_and_the_secret_stays() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("token", async |place| {
            let version = synced(place).await?;
            place.apply(&store("pul-wrong", "")).await?;
            place
                .ready(
                    "SecretStore",
                    "esc",
                    "False",
                    "the access token is missing, wrong or expired",
                )
                .await?;
            let object = place
                .ready(
                    "ExternalSecret",
                    "app",
                    "False",
                    "could not get secret data from provider",
                )
                .await?;
            ensure!(
                !condition(&object)
                    .unwrap()
                    .to_string()
                    .contains("pul-wrong"),
                "the token is in the condition"
            );
            unchanged(place, &version).await
        })
        .await
}

#[tokio::test]
async fn a_missing_key_is_told_by_name_and_the_secret_stays() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("missing", async |place| {
            let version = synced(place).await?;
            place.apply(&object("nothing.here")).await?;
            place
                .ready("ExternalSecret", "app", "False", "spec.dataFrom[0].extract (key: nothing.here): pulumi: nothing.here does not exist")
                .await?;
            unchanged(place, &version).await
        })
        .await
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_not_taken_over() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("foreign", async |place| {
            place
                .apply("apiVersion: v1\nkind: Secret\nmetadata: {name: app, namespace: NS}\nstringData: {hello: world}\n")
                .await?;
            let before = place.holds("app", &HELLO).await?;
            world.environment(&place.namespace, "values: {app: {hello: other}}\n").await?;
            place.apply(&store(TOKEN, "")).await?;
            place.apply(&object("app")).await?;
            place.ready("ExternalSecret", "app", "False", "failed to take ownership of target secret").await?;
            unchanged(place, &before.metadata.resource_version.unwrap_or_default()).await?;

            let consent = ["annotate", "es", "app", "latchkey.dev/adopt=true", "-n", &place.namespace];
            place.kubectl.run(consent).await?;
            place.holds("app", &[("hello", "other")]).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_secret_of_another_external_secret_is_not_taken_over() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("rival", async |place| {
            let version = synced(place).await?;
            place
                .apply(
                    &object("app")
                        .replace("name: app,", "name: rival,")
                        .replace("spec:\n", "spec:\n  target: {name: app}\n"),
                )
                .await?;
            place
                .ready(
                    "ExternalSecret",
                    "rival",
                    "False",
                    "target is owned by another ExternalSecret",
                )
                .await?;
            unchanged(place, &version).await
        })
        .await
}

#[tokio::test]
async fn an_unknown_field_of_v1beta1_is_refused_by_name_and_the_secret_stays() -> anyhow::Result<()>
{
    let world = world().await?;
    world
        .run("unknown", async |place| {
            let version = synced(place).await?;
            let wrong = object("app").replace("spec:\n", "spec:\n  refreshIntervall: 1s\n");
            let refusal = place
                .apply(&wrong)
                .await
                .expect_err("strict validation must refuse it");
            ensure!(
                format!("{refusal:#}").contains("spec.refreshIntervall"),
                "{refusal:#}"
            );
            place
                .ready("ExternalSecret", "app", "True", "secret synced")
                .await?;
            unchanged(place, &version).await
        })
        .await
}

#[tokio::test]
async fn a_provider_of_v1beta1_that_is_not_served_is_named_and_the_secret_stays()
-> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("unserved", async |place| {
            let version = synced(place).await?;
            place.kubectl.run(["delete", "secretstore", "esc", "-n", &place.namespace]).await?;
            place
                .apply(
                    "
apiVersion: external-secrets.io/v1beta1
kind: SecretStore
metadata: {name: esc, namespace: NS}
spec:
  provider:
    alibaba: {regionID: eu-west-1, auth: {secretRef: {accessKeyIDSecretRef: {name: a, key: b}, accessKeySecretSecretRef: {name: a, key: c}}}}
",
                )
                .await?;
            place.ready("SecretStore", "esc", "False", "spec.provider.alibaba is not served").await?;
            place.ready("ExternalSecret", "app", "False", "alibaba").await?;
            unchanged(place, &version).await
        })
        .await
}

#[tokio::test]
async fn a_template_that_fails_is_told_by_key_and_the_secret_stays() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("template", async |place| {
            let version = synced(place).await?;
            place
                .apply(&object("app").replace(
                    "spec:\n",
                    "spec:\n  target: {template: {data: {a: '{{ .nothing }}'}}}\n",
                ))
                .await?;
            place
                .ready(
                    "ExternalSecret",
                    "app",
                    "False",
                    "could not apply template: unable to execute template at key a: ",
                )
                .await?;
            unchanged(place, &version).await
        })
        .await
}

/// A fake store with a value for each of these keys.
fn fakes(keys: &[String]) -> String {
    let data: Vec<_> = keys
        .iter()
        .map(|key| format!("{{key: {key}, value: v}}"))
        .collect();
    format!(
        "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: fake, namespace: NS}}
spec: {{provider: {{fake: {{data: [{}]}}}}}}
",
        data.join(", ")
    )
}

#[tokio::test]
async fn values_that_vanish_all_at_once_stay_until_somebody_allows_it() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("brake", async |place| {
            let keys: Vec<String> = (0..12).map(|i| format!("key{i}")).collect();
            place.apply(&fakes(&keys)).await?;
            for key in &keys {
                let object = format!(
                    "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {key}, namespace: NS}}
spec:
  secretStoreRef: {{name: fake}}
  refreshInterval: 10s
  target: {{deletionPolicy: Delete}}
  data: [{{secretKey: k, remoteRef: {{key: {key}}}}}]
"
                );
                place.apply(&object).await?;
            }
            for key in &keys {
                place.holds(key, &[("k", "v")]).await?;
            }
            place.apply(&fakes(&["other".to_owned()])).await?;
            for key in &keys {
                let text =
                    "the values are gone from the store and stay in the Secret: more objects than";
                place.ready("ExternalSecret", key, "False", text).await?;
                place.holds(key, &[("k", "v")]).await?;
            }
            let allow = [
                "annotate",
                "es",
                &keys[0],
                "latchkey.dev/allow-deletion=true",
                "-n",
                &place.namespace,
            ];
            place.kubectl.run(allow).await?;
            let text = "secret deleted due to DeletionPolicy=Delete";
            place
                .ready("ExternalSecret", &keys[0], "True", text)
                .await?;
            ensure!(place.secret(&keys[0]).await?.is_none(), "it is there");
            place.holds(&keys[1], &[("k", "v")]).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_declared_partial_sync_writes_what_it_has_and_keeps_the_rest() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("partial", async |place| {
            let both = ["a".to_owned(), "b".to_owned()];
            place.apply(&fakes(&both)).await?;
            place
                .apply(
                    "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: app, namespace: NS, annotations: {latchkey.dev/partial-sync: 'true'}}
spec:
  secretStoreRef: {name: fake}
  refreshInterval: 2s
  data:
  - {secretKey: a, remoteRef: {key: a}}
  - {secretKey: b, remoteRef: {key: b}}
",
                )
                .await?;
            place.holds("app", &[("a", "v"), ("b", "v")]).await?;
            let one = fakes(&both[..1]).replace("value: v", "value: w");
            place.apply(&one).await?;
            place.holds("app", &[("a", "w"), ("b", "v")]).await?;
            let text =
                "some keys could not be read and keep their last value: spec.data[1] (key: b)";
            let object = place.ready("ExternalSecret", "app", "False", text).await?;
            let condition = condition(&object).unwrap();
            ensure!(
                condition["reason"] == "SecretPartiallySynced",
                "{condition}"
            );
            let message = condition["message"].as_str().unwrap_or_default();
            ensure!(message.contains("; stale since 20"), "{message}");
            place.apply(&fakes(&both)).await?;
            place
                .ready("ExternalSecret", "app", "True", "secret synced")
                .await?;
            place.holds("app", &[("a", "v"), ("b", "v")]).await?;
            Ok(())
        })
        .await
}
