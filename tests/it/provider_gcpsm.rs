//! Provider `gcpsm` against doubles of Google's token services and Secret Manager that check every token.

use std::sync::Arc;

use futures::future::join_all;
use latchkey::api::meta::StoreKind;
use latchkey::model::push::Target;
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::model::secret_store::Store;
use latchkey::providers::{ErrorKind, Validation};
use regex::Regex;
use serde_json::{Value, json};

use crate::cloud_bench::{CLUSTER, CloudBench, push, set, target};
use crate::clouds::held;
use crate::clouds::tokens::Issuer;
use crate::provider_contract;
use crate::provider_double::{key, property, store, store_of, text, texts};

pub(crate) const EMAIL: &str = "app@main.iam.gserviceaccount.com";
const POOL: &str =
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x";

/// A store that logs in with the key of a service account, which may do everything.
pub(crate) async fn with_key() -> (CloudBench, Arc<Store>) {
    let bench = CloudBench::new().await;
    let store = prepared(&bench, &json!({}));
    (bench, store)
}

/// The same on a bench that stands, with more fields of the store.
pub(crate) fn prepared(bench: &CloudBench, more: &Value) -> Arc<Store> {
    let issuer = Issuer::shared();
    held(&bench.world.accounts)
        .keys
        .insert(EMAIL.to_owned(), issuer.public());
    held(&bench.world.secret_manager)
        .admins
        .push(EMAIL.to_owned());
    set(
        &bench.cluster.secrets,
        "team/gcp",
        &[("key", &key_of(&issuer))],
    );
    let mut block = json!({"projectID": "main", "auth": {"secretRef": {
        "secretAccessKeySecretRef": {"name": "gcp", "key": "key"}}}});
    for (name, value) in more.as_object().expect("must be an object") {
        block[name] = value.clone();
    }
    store(json!({"gcpsm": block}))
}

/// A key of the service account that `issuer` signs with.
pub(crate) fn key_of(issuer: &Issuer) -> String {
    json!({"type": "service_account", "project_id": "main", "private_key_id": "k1",
        "private_key": issuer.pem(), "client_email": EMAIL,
        "token_uri": "https://oauth2.googleapis.com/token"})
    .to_string()
}

pub(crate) fn put(bench: &CloudBench, name: &str, value: &str, labels: &Value) {
    let name = format!("projects/main/secrets/{name}");
    held(&bench.world.secret_manager).put(&name, value, labels);
}

fn fill(bench: &CloudBench) {
    put(bench, "word", "hunter2-word", &json!({"team": "a"}));
    put(
        bench,
        "app",
        r#"{"user":"hunter2-user","port":5432}"#,
        &json!({"team": "b"}),
    );
}

#[tokio::test]
async fn the_contract_holds() {
    let (bench, store) = with_key().await;
    fill(&bench);
    let client = bench.client(&store, 0).await;
    provider_contract::holds_with_metadata(client.as_ref()).await;
}

#[tokio::test]
async fn a_thousand_gets_on_fifty_secrets_cost_one_login_and_fifty_reads() {
    let (bench, store) = with_key().await;
    for number in 0..50 {
        put(
            &bench,
            &format!("s{number}"),
            r#"{"user":"me"}"#,
            &json!({}),
        );
    }
    let gets = (0..1000).map(|number| {
        let (bench, store) = (&bench, &store);
        async move {
            let client = bench.client(store, 0).await;
            client
                .get(&property(&format!("s{}", number % 50), "user"))
                .await
        }
    });
    for got in join_all(gets).await {
        assert_eq!(text(&got.unwrap()), "me");
    }
    assert_eq!(bench.world.calls("/v1/projects").len(), 50);
    assert_eq!(bench.world.calls("/token").len(), 1);
}

#[tokio::test]
async fn versions_properties_and_labels_are_read() {
    let (bench, store) = with_key().await;
    put(
        &bench,
        "app",
        r#"{"a":{"b":"1"},"a.b":"dotted"}"#,
        &json!({"team": "a"}),
    );
    put(&bench, "app", "new", &json!({}));
    let client = bench.client(&store, 0).await;
    let first = |property: &str| RemoteRef {
        version: "1".to_owned(),
        property: property.to_owned(),
        ..key("app")
    };
    assert_eq!(text(&client.get(&key("app")).await.unwrap()), "new");
    assert_eq!(text(&client.get(&first("a.b")).await.unwrap()), "dotted");
    let members = client.get_map(&first("")).await.unwrap();
    assert_eq!(texts(&members), [("a", r#"{"b":"1"}"#), ("a.b", "dotted")]);
    let missing = RemoteRef {
        version: "9".to_owned(),
        ..key("app")
    };
    assert!(client.get(&missing).await.unwrap_err().is_not_found());
    let metadata = |property: &str| RemoteRef {
        metadata: true,
        property: property.to_owned(),
        ..key("app")
    };
    assert_eq!(
        text(&client.get(&metadata("labels.team")).await.unwrap()),
        "a"
    );
    let all = client.get(&metadata("")).await.unwrap();
    assert_eq!(text(&all), r#"{"annotations":{},"labels":{"team":"a"}}"#);
    assert!(
        client
            .get(&metadata("labels.x"))
            .await
            .unwrap_err()
            .is_not_found()
    );
    let wrong = RemoteRef {
        version: "../1".to_owned(),
        ..key("app")
    };
    assert_eq!(
        client.get(&wrong).await.unwrap_err().kind,
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn a_disabled_newest_version_fails_or_gives_way_as_the_store_says() {
    let bench = CloudBench::new().await;
    let strict = prepared(&bench, &json!({}));
    let lenient = prepared(
        &bench,
        &json!({"secretVersionSelectionPolicy": "LatestOrFetch"}),
    );
    for value in ["old", "good", "bad"] {
        put(&bench, "app", value, &json!({}));
    }
    held(&bench.world.secret_manager).set_state("projects/main/secrets/app", 3, "DISABLED");
    let client = bench.client(&strict, 0).await;
    let error = client.get(&key("app")).await.unwrap_err();
    assert!(error.to_string().contains("DISABLED"), "{error}");
    let client = bench.client(&lenient, 60).await;
    assert_eq!(text(&client.get(&key("app")).await.unwrap()), "good");
    for version in [1, 2] {
        held(&bench.world.secret_manager).set_state(
            "projects/main/secrets/app",
            version,
            "DESTROYED",
        );
    }
    let client = bench.client(&lenient, 120).await;
    assert!(client.get(&key("app")).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_search_goes_through_all_pages_by_path_name_and_labels() {
    let (bench, store) = with_key().await;
    for number in 0..60 {
        let labels = json!({"even": (number % 2 == 0).to_string()});
        put(&bench, &format!("db-{number:02}"), "v", &labels);
    }
    put(&bench, "x-db-50", "v", &json!({"even": "true"}));
    held(&bench.world.secret_manager).set_state("projects/main/secrets/db-58", 1, "DISABLED");
    let client = bench.client(&store, 0).await;
    let find = Find {
        path: Some("db-".to_owned()),
        name: Some(Regex::new("5[0-9]$").unwrap()),
        tags: [("even".to_owned(), "true".to_owned())].into(),
    };
    let found = client.find(&find).await.unwrap();
    let names: Vec<_> = found.keys().collect();
    assert_eq!(names, ["db-50", "db-52", "db-54", "db-56"]);
}

#[tokio::test]
async fn what_is_pushed_is_marked_read_back_and_removed() {
    let (bench, store) = with_key().await;
    let client = bench.client(&store, 0).await;
    let client = client.as_ref();
    let data = [("a", "hunter2"), ("b", "2")];
    let metadata = json!({"spec": {"labels": {"team": "a"}, "annotations": {"note": "n"},
        "topics": ["projects/main/topics/t"], "replicationLocation": "europe-west1", "mergePolicy": "Merge"}});
    let full = "projects/main/secrets/db";
    assert!(!client.exists(&target("db")).await.unwrap());
    for _ in 0..2 {
        push(client, &data, "a", &target("db"), Some(&metadata))
            .await
            .unwrap();
    }
    let secret = held(&bench.world.secret_manager).secret(full);
    assert_eq!(
        secret["labels"],
        json!({"managed-by": "external-secrets", "team": "a"})
    );
    assert_eq!(secret["annotations"], json!({"note": "n"}));
    assert_eq!(
        secret["topics"],
        json!([{"name": "projects/main/topics/t"}])
    );
    assert_eq!(
        secret["replication"],
        json!({"userManaged": {"replicas": [{"location": "europe-west1"}]}})
    );
    assert_eq!(
        held(&bench.world.secret_manager).versions(full),
        1,
        "written once"
    );
    let replaced = json!({"spec": {"labels": {"team": "b"}}});
    push(client, &data, "a", &target("db"), Some(&replaced))
        .await
        .unwrap();
    let secret = held(&bench.world.secret_manager).secret(full);
    assert_eq!(
        secret["labels"],
        json!({"managed-by": "external-secrets", "team": "b"})
    );
    assert_eq!(secret["annotations"], json!({}));
    assert!(client.exists(&target("db")).await.unwrap());
    client.delete(&target("db")).await.unwrap();
    client.delete(&target("db")).await.unwrap();
    assert!(client.get(&key("db")).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn properties_of_one_secret_are_pushed_at_once_and_removed_one_by_one() {
    let (bench, store) = with_key().await;
    let client = bench.client(&store, 0).await;
    let client = client.as_ref();
    let at = |name: &str| Target {
        key: "db".to_owned(),
        property: name.to_owned(),
    };
    let data = [("a", "1"), ("b", "2")];
    let targets = [at("x.a"), at("x.b"), at("y")];
    let pushes = targets
        .iter()
        .map(|target| push(client, &data, "a", target, None));
    for pushed in join_all(pushes).await {
        pushed.unwrap();
    }
    let whole = client.get(&key("db")).await.unwrap();
    assert_eq!(text(&whole), r#"{"x":{"a":"1","b":"1"},"y":"1"}"#);
    client.delete(&at("x.a")).await.unwrap();
    client.delete(&at("nope")).await.unwrap();
    assert_eq!(
        text(&client.get(&key("db")).await.unwrap()),
        r#"{"x":{"b":"1"},"y":"1"}"#
    );
    assert!(!client.exists(&at("x.a")).await.unwrap());
    client.delete(&at("x.b")).await.unwrap();
    client.delete(&at("y")).await.unwrap();
    assert!(!client.exists(&at("")).await.unwrap());
    let metadata = json!({"spec": {"labels": {"team": "a"}}});
    let error = push(client, &data, "a", &at("z"), Some(&metadata))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_neither_written_nor_removed() {
    let (bench, store) = with_key().await;
    put(&bench, "theirs", "old", &json!({"managed-by": "hand"}));
    let client = bench.client(&store, 0).await;
    let at = target("theirs");
    let error = push(client.as_ref(), &[("a", "1")], "a", &at, None)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    client.delete(&at).await.unwrap();
    assert_eq!(text(&client.get(&key("theirs")).await.unwrap()), "old");
}

#[tokio::test]
async fn a_regional_store_asks_its_region() {
    let bench = CloudBench::new().await;
    let store = prepared(&bench, &json!({"location": "europe-west1"}));
    let client = bench.client(&store, 0).await;
    let client = client.as_ref();
    push(client, &[("a", "v")], "a", &target("db"), None)
        .await
        .unwrap();
    assert_eq!(text(&client.get(&key("db")).await.unwrap()), "v");
    let found = client.find(&Find::default()).await.unwrap();
    assert_eq!(texts(&found), [("db", "v")]);
    let host = "secretmanager.europe-west1.rep.googleapis.com";
    assert!(
        bench
            .world
            .calls("/v1/projects")
            .iter()
            .all(|call| call.host == host)
    );
}

fn become_app(bench: &CloudBench, subject: &str) {
    held(&bench.world.accounts)
        .impersonators
        .insert(subject.to_owned(), EMAIL.to_owned());
    held(&bench.world.secret_manager)
        .admins
        .push(EMAIL.to_owned());
}

fn trust(bench: &CloudBench, audience: &str) {
    let pool = (CLUSTER.to_owned(), bench.cluster.issuer.public());
    held(&bench.world.accounts)
        .pools
        .insert(audience.to_owned(), pool);
}

#[tokio::test]
async fn a_service_account_of_gke_logs_in_and_becomes_the_one_of_its_annotation() {
    let bench = CloudBench::new().await;
    fill(&bench);
    let subject = "system:serviceaccount:apps:web";
    trust(
        &bench,
        "identitynamespace:main.svc.id.goog:https://container.googleapis.com/v1/projects/main/locations/europe-west1/clusters/own-cluster",
    );
    bench.variable("GCE_METADATA_HOST", &bench.machine.address.to_string());
    let block = json!({"gcpsm": {"projectID": "main", "auth": {"workloadIdentity": {"serviceAccountRef": {"name": "web"}}}}});
    let store = store_of(StoreKind::ClusterSecretStore, "", block);
    let unknown = bench.client_in(&store, "", 0).await.unwrap();
    assert_eq!(unknown.validate().await.unwrap(), Validation::Unknown);
    let client = bench.client_in(&store, "apps", 0).await.unwrap();
    let error = client.get(&key("word")).await.unwrap_err();
    assert!(error.to_string().contains("apps/web"), "{error}");
    set(&bench.cluster.annotations, "apps/web", &[]);
    let error = client.get(&key("word")).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Denied,
        "the account itself may not read: {error}"
    );
    become_app(&bench, subject);
    let annotation = [("iam.gke.io/gcp-service-account", EMAIL)];
    set(&bench.cluster.annotations, "apps/web", &annotation);
    set(&bench.cluster.annotations, "rest/web", &annotation);
    let client = bench.client_in(&store, "apps", 100).await.unwrap();
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
    let other = bench.client_in(&store, "rest", 100).await.unwrap();
    let error = other.get(&key("word")).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Denied,
        "another namespace's account: {error}"
    );
}

#[tokio::test]
async fn a_cluster_elsewhere_is_trusted_through_a_pool() {
    let bench = CloudBench::new().await;
    fill(&bench);
    trust(&bench, POOL);
    become_app(&bench, "system:serviceaccount:team:web");
    set(&bench.cluster.annotations, "team/web", &[]);
    let config = json!({"type": "external_account", "audience": POOL,
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken")});
    set(
        &bench.cluster.maps,
        "team/config",
        &[("c", &config.to_string())],
    );
    let account = json!({"name": "web"});
    let federations = [
        json!({"audience": POOL, "gcpServiceAccountEmail": EMAIL, "serviceAccountRef": account}),
        json!({"credConfig": {"name": "config", "key": "c"}, "serviceAccountRef": account}),
    ];
    for (second, federation) in [0, 5000].into_iter().zip(federations) {
        let auth = json!({"workloadIdentityFederation": federation});
        let store = store(json!({"gcpsm": {"projectID": "main", "auth": auth}}));
        let mut store = Arc::unwrap_or_clone(store);
        store.generation = i64::try_from(second).unwrap();
        let client = bench.client(&Arc::new(store), second).await;
        assert_eq!(
            text(&client.get(&key("word")).await.unwrap()),
            "hunter2-word"
        );
    }
    let other = json!({"audience": format!("{POOL}2"), "serviceAccountRef": account});
    let store = store(
        json!({"gcpsm": {"projectID": "main", "auth": {"workloadIdentityFederation": other}}}),
    );
    let mut store = Arc::unwrap_or_clone(store);
    store.generation = 3;
    let client = bench.client(&Arc::new(store), 9000).await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("invalid_target"), "{error}");
}

#[tokio::test]
async fn the_own_identity_is_that_of_the_machine_or_of_the_key_in_the_environment() {
    let bench = CloudBench::new().await;
    bench.variable("GCE_METADATA_HOST", &bench.machine.address.to_string());
    let machine = "node@own-project.iam.gserviceaccount.com";
    held(&bench.world.accounts).machine = Some(machine.to_owned());
    held(&bench.world.secret_manager)
        .admins
        .push(machine.to_owned());
    held(&bench.world.secret_manager).put("projects/own-project/secrets/word", "own", &json!({}));
    let store = store(json!({"gcpsm": {}}));
    for second in [0, 100] {
        let client = bench.client(&store, second).await;
        assert_eq!(text(&client.get(&key("word")).await.unwrap()), "own");
    }
    assert_eq!(bench.world.calls("/computeMetadata/v1/project").len(), 1);
    let issuer = Issuer::shared();
    held(&bench.world.accounts)
        .keys
        .insert(EMAIL.to_owned(), issuer.public());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), key_of(&issuer)).unwrap();
    bench.variable(
        "GOOGLE_APPLICATION_CREDENTIALS",
        file.path().to_str().unwrap(),
    );
    let client = bench.client(&store, 5000).await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert!(
        error.to_string().contains(EMAIL),
        "another identity: {error}"
    );
}
