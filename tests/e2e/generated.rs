//! Generators whose values must be taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::wait;
use crate::world::{Place, SOON, world};

const TOKENS: &str = "/api/v4/projects/7/deploy_tokens";

/// A GitLab that gives out tokens 1, 2, … and revokes them.
async fn gitlab() -> MockServer {
    let server = MockServer::start().await;
    let count = Arc::new(AtomicUsize::new(0));
    Mock::given(method("POST"))
        .and(path(TOKENS))
        .respond_with(move |_: &Request| {
            let id = count.fetch_add(1, Ordering::SeqCst) + 1;
            let body = json!({"id": id, "username": format!("u{id}"), "token": format!("t{id}")});
            ResponseTemplate::new(201).set_body_json(body)
        })
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    server
}

/// The numbers of the tokens that were revoked.
async fn revoked(server: &MockServer) -> anyhow::Result<Vec<String>> {
    let requests = server.received_requests().await.context("not recorded")?;
    let deleted = requests
        .iter()
        .filter(|request| request.method.as_str() == "DELETE");
    Ok(deleted
        .filter_map(|request| request.url.path().rsplit('/').next().map(str::to_owned))
        .collect())
}

fn states(place: &Place) -> Api<DynamicObject> {
    let group = "generators.external-secrets.io";
    let kind = GroupVersionKind::gvk(group, "v1alpha1", "GeneratorState");
    let resource = ApiResource::from_gvk(&kind);
    Api::namespaced_with(place.client.clone(), &place.namespace, &resource)
}

#[tokio::test]
async fn a_replaced_value_is_taken_back_after_its_time_and_the_last_with_its_object()
-> anyhow::Result<()> {
    let world = world().await?;
    let server = gitlab().await;
    world
        .run("generated", async |place| {
            place.apply(&manifest(&server.uri())).await?;
            place
                .holds("token", &[("token", "t1"), ("username", "u1")])
                .await?;
            let objects = place.objects("ExternalSecret");
            let params = PatchParams::default();
            let force =
                json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}});
            objects
                .patch("token", &params, &Patch::Merge(force))
                .await?;
            place
                .holds("token", &[("token", "t2"), ("username", "u2")])
                .await?;

            let states = states(place);
            let old = wait::until("a deadline for the first token", SOON, async || {
                let all = states.list(&kube::api::ListParams::default()).await?;
                ensure!(all.items.len() == 2, "{} records", all.items.len());
                let has_end = |state: &&DynamicObject| {
                    state.data["spec"]["garbageCollectionDeadline"].is_string()
                };
                let old = all.items.iter().find(has_end).context("no deadline yet")?;
                ensure!(old.data["spec"]["state"]["id"] == 1);
                old.metadata.name.clone().context("a name")
            })
            .await?;
            ensure!(revoked(&server).await?.is_empty(), "the old token lives on");
            let past = json!({"spec": {"garbageCollectionDeadline": "2020-01-01T00:00:00Z"}});
            states.patch(&old, &params, &Patch::Merge(past)).await?;
            wait::until("the first token to be revoked", SOON, async || {
                ensure!(revoked(&server).await? == ["1"]);
                Ok(())
            })
            .await?;

            objects.delete("token", &DeleteParams::default()).await?;
            wait::until("the second token to be revoked", SOON, async || {
                ensure!(revoked(&server).await? == ["1", "2"]);
                let left = states.list(&kube::api::ListParams::default()).await?;
                ensure!(left.items.is_empty(), "records are left");
                Ok(())
            })
            .await
        })
        .await
}

fn manifest(url: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: gitlab, namespace: NS}}
stringData: {{token: glpat}}
---
apiVersion: generators.external-secrets.io/v1alpha1
kind: GitlabDeployToken
metadata: {{name: deploy, namespace: NS}}
spec:
  url: {url}
  projectID: '7'
  name: ci
  scopes: [read_registry]
  auth: {{token: {{secretRef: {{name: gitlab, key: token}}}}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: token, namespace: NS}}
spec:
  refreshInterval: 1h
  dataFrom: [{{sourceRef: {{generatorRef: {{kind: GitlabDeployToken, name: deploy}}}}}}]
"
    )
}
