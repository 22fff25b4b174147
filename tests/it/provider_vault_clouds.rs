//! Logins to Vault for which Google vouches: a double of Vault checks the signed tokens.

use std::sync::Arc;

use latchkey::api::meta::StoreKind;
use latchkey::providers::{Error, ErrorKind};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::cloud_bench::{CLUSTER, CloudBench, set};
use crate::clouds::tokens::{self, Issuer};
use crate::clouds::{World, held};
use crate::provider_double::{property, store_of, text};
use crate::provider_gcpsm::{EMAIL, key_of};

const MACHINE: &str = "node@own-project.iam.gserviceaccount.com";

struct Bench {
    clouds: CloudBench,
    vault: MockServer,
}

impl Bench {
    /// A Vault whose role `app` is for the service account `email`.
    async fn start(email: &'static str) -> Self {
        let clouds = CloudBench::new().await;
        let vault = MockServer::start().await;
        let world = Arc::clone(&clouds.world);
        Mock::given(method("POST"))
            .and(path("/v1/auth/gcp/login"))
            .respond_with(move |request: &Request| login(&world, email, request))
            .mount(&vault)
            .await;
        Mock::given(method("GET"))
            .and(path("/v1/secret/data/app"))
            .and(header("x-vault-token", "hvs.app"))
            .respond_with(
                ResponseTemplate::new(200).set_body_json(json!({"data": {"data": {"a": "b"}}})),
            )
            .mount(&vault)
            .await;
        Self { clouds, vault }
    }

    async fn get(&self, kind: StoreKind, gcp: Value) -> Result<String, Error> {
        let namespace = if kind == StoreKind::SecretStore {
            "team"
        } else {
            ""
        };
        let mut gcp = gcp;
        gcp["role"] = json!("app");
        let block = json!({"server": self.vault.uri(), "path": "secret", "auth": {"gcp": gcp}});
        let store = store_of(kind, namespace, json!({"vault": block}));
        let client = self.clouds.client_in(&store, "team", 0).await?;
        let value = client.get(&property("app", "a")).await?;
        Ok(text(&value).to_owned())
    }
}

/// As Vault's method `gcp`: who signed, for which role, and for how long.
fn login(world: &World, email: &str, request: &Request) -> ResponseTemplate {
    let refused = |why: &str| ResponseTemplate::new(400).set_body_json(json!({"errors": [why]}));
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let now = (world.now)();
    let key = Issuer::shared().public();
    let checked = tokens::verified(body["jwt"].as_str().unwrap_or_default(), &key, now);
    let Ok((_, claims)) = checked else {
        return refused("the token is not signed by Google or the account");
    };
    let audience = claims["aud"].as_str().unwrap_or_default();
    if body["role"] != "app" || !audience.ends_with("vault/app") {
        return refused("the token is for another role");
    }
    if claims["exp"].as_u64().unwrap_or(u64::MAX) - now > 900 {
        return refused("role requires that service account JWTs expire within 900 seconds");
    }
    if claims["sub"] != email && claims["email"] != email {
        return refused("the role is not for this account");
    }
    ResponseTemplate::new(200).set_body_json(
        json!({"auth": {"client_token": "hvs.app", "lease_duration": 3600, "renewable": false}}),
    )
}

#[tokio::test]
async fn the_key_of_a_service_account_signs_without_a_call_to_google() {
    let bench = Bench::start(EMAIL).await;
    let key = key_of(&Issuer::shared());
    set(&bench.clouds.cluster.secrets, "team/gcp", &[("key", &key)]);
    let gcp = json!({"secretRef": {"secretAccessKeySecretRef": {"name": "gcp", "key": "key"}}});
    let got = bench.get(StoreKind::SecretStore, gcp.clone()).await;
    assert_eq!(got.unwrap(), "b");
    assert!(bench.clouds.world.calls("/").is_empty());
    let stranger = Bench::start(EMAIL).await;
    let key = key_of(&Issuer::stranger());
    set(
        &stranger.clouds.cluster.secrets,
        "team/gcp",
        &[("key", &key)],
    );
    let error = stranger.get(StoreKind::SecretStore, gcp).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
}

#[tokio::test]
async fn google_signs_for_the_service_account_that_a_cluster_s_account_becomes() {
    let bench = Bench::start(EMAIL).await;
    let provider =
        "https://container.googleapis.com/v1/projects/main/locations/europe-west1/clusters/own";
    let audience = format!("identitynamespace:main.svc.id.goog:{provider}");
    let pool = (CLUSTER.to_owned(), bench.clouds.cluster.issuer.public());
    held(&bench.clouds.world.accounts)
        .pools
        .insert(audience, pool);
    let subject = "system:serviceaccount:team:web".to_owned();
    held(&bench.clouds.world.accounts)
        .impersonators
        .insert(subject, EMAIL.to_owned());
    let gcp = json!({"projectID": "main", "workloadIdentity": {"clusterLocation": "europe-west1",
        "clusterName": "own", "serviceAccountRef": {"name": "web"}}});
    set(&bench.clouds.cluster.annotations, "team/web", &[]);
    let error = bench
        .get(StoreKind::SecretStore, gcp.clone())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        error.to_string().contains("iam.gke.io/gcp-service-account"),
        "{error}"
    );
    let annotation = [("iam.gke.io/gcp-service-account", EMAIL)];
    set(&bench.clouds.cluster.annotations, "team/web", &annotation);
    let got = bench.get(StoreKind::SecretStore, gcp).await;
    assert_eq!(got.unwrap(), "b");
}

#[tokio::test]
async fn the_machine_is_proven_to_servers_of_cluster_scoped_stores_alone() {
    let bench = Bench::start(MACHINE).await;
    let machine = bench.clouds.machine.address.to_string();
    bench.clouds.variable("GCE_METADATA_HOST", &machine);
    held(&bench.clouds.world.accounts).machine = Some(MACHINE.to_owned());
    let got = bench.get(StoreKind::ClusterSecretStore, json!({})).await;
    assert_eq!(got.unwrap(), "b");
    let calls = bench.clouds.world.calls("/computeMetadata").len();
    let error = bench
        .get(StoreKind::SecretStore, json!({}))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        error
            .to_string()
            .contains("auth.gcp: workloadIdentity or secretRef"),
        "{error}"
    );
    assert_eq!(bench.clouds.world.calls("/computeMetadata").len(), calls);
}
