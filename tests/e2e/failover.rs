//! A store that is down, and the one that its annotation names in its place.

use anyhow::ensure;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;

use crate::support::wait;
use crate::world::{SOON, world};

/// Nobody answers at port 1, so that `main` never becomes Ready.
const OBJECTS: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: main, namespace: NS, annotations: {latchkey.dev/fallback-stores: 'gone, copy'}}
spec: {provider: {webhook: {url: 'http://127.0.0.1:1/{{ .remoteRef.key }}', result: {jsonPath: $}}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: copy, namespace: NS}
spec: {provider: {fake: {data: [{key: app, value: '{\"hello\": \"world\"}'}]}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: app, namespace: NS}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: main}
  dataFrom: [{extract: {key: app}}]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_down_is_served_by_its_fallback_and_the_object_says_so()
-> anyhow::Result<()> {
    let world = world().await?;
    let run = world.run("failover", async |place| {
        place.apply(OBJECTS).await?;
        place.ready("SecretStore", "copy", "True", "").await?;
        place.ready("SecretStore", "main", "False", "").await?;
        place.holds("app", &[("hello", "world")]).await?;
        let told = "SecretStore \"main\" is down, SecretStore \"copy\" served in its place";
        place.ready("ExternalSecret", "app", "True", told).await?;
        place
            .ready(
                "ExternalSecret",
                "app",
                "True",
                "SecretStore \"gone\" is not there",
            )
            .await?;
        let events: Api<Event> = Api::namespaced(place.client.clone(), &place.namespace);
        wait::until("an Event of the fallback".to_owned(), SOON, async || {
            let found = events.list(&ListParams::default()).await?;
            let of_fallback = found.items.iter().filter(|event| {
                event.reason.as_deref() == Some("FallbackServed")
                    && event.involved_object.name.as_deref() == Some("app")
            });
            ensure!(of_fallback.count() == 1, "it is told once");
            Ok(())
        })
        .await
    });
    run.await
}
