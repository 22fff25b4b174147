//! Provider `azurekv` against doubles of Entra ID and Key Vault that check every token.

use std::sync::Arc;

use futures::future::join_all;
use latchkey::api::meta::StoreKind;
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::model::secret_store::Store;
use latchkey::providers::{ErrorKind, Validation};
use regex::Regex;
use serde_json::{Value, json};

use crate::cloud_bench::{CLUSTER, CloudBench, VAULT, azure_store, push, set, target};
use crate::clouds::entra::{Application, TENANT};
use crate::clouds::held;
use crate::provider_contract;
use crate::provider_double::{key, property, store, store_of, text, texts};

const LOGIN: &str = "/aaaaaaaa-0000-4000-8000-000000000001/oauth2/v2.0/token";

/// A store that logs in with a client secret, and an application that has it.
pub(crate) async fn with_secret() -> (CloudBench, Arc<Store>) {
    let bench = CloudBench::new().await;
    let store = azure_store(&bench);
    (bench, store)
}

fn put(bench: &CloudBench, name: &str, value: &str, tags: &Value) -> String {
    held(&bench.world.vault).put(name, value, tags)
}

/// What the contract wants to find.
fn fill(bench: &CloudBench) {
    put(bench, "word", "hunter2-word", &json!({"team": "a"}));
    let app = r#"{"user":"hunter2-user","port":5432}"#;
    put(
        bench,
        "app",
        app,
        &json!({"team": "a", "more": r#"{"x":"1"}"#}),
    );
}

#[tokio::test]
async fn the_contract_holds() {
    let (bench, store) = with_secret().await;
    fill(&bench);
    let client = bench.client(&store, 0).await;
    provider_contract::holds_with_metadata(client.as_ref()).await;
}

#[tokio::test]
async fn a_thousand_gets_on_fifty_secrets_cost_one_login_and_fifty_reads() {
    let (bench, store) = with_secret().await;
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
    assert_eq!(bench.world.calls("/secrets/").len(), 50);
    assert_eq!(bench.world.calls(LOGIN).len(), 1);
}

#[tokio::test]
async fn versions_properties_and_tags_are_read() {
    let (bench, store) = with_secret().await;
    let first = put(
        &bench,
        "app",
        r#"{"a":{"b":"1"},"c.d":"dotted"}"#,
        &json!({}),
    );
    fill(&bench);
    let client = bench.client(&store, 0).await;
    let old = |property: &str| RemoteRef {
        version: first.clone(),
        property: property.to_owned(),
        ..key("app")
    };
    assert_eq!(text(&client.get(&old("a.b")).await.unwrap()), "1");
    assert_eq!(text(&client.get(&old("c.d")).await.unwrap()), "dotted");
    let metadata = |property: &str| RemoteRef {
        metadata: true,
        property: property.to_owned(),
        ..key("secret/app")
    };
    assert_eq!(text(&client.get(&metadata("team")).await.unwrap()), "a");
    assert_eq!(text(&client.get(&metadata("more.x")).await.unwrap()), "1");
    let created = client.get(&metadata("attribute.created")).await.unwrap();
    assert_eq!(text(&created), "1970-01-12T13:46:40Z");
    assert!(
        client
            .get(&metadata("nope"))
            .await
            .unwrap_err()
            .is_not_found()
    );
    let tags = client.get_map(&metadata("")).await.unwrap();
    let tags: Vec<_> = texts(&tags)
        .into_iter()
        .filter(|(tag, _)| !tag.contains("attribute"))
        .collect();
    assert_eq!(tags, [("app_more_x", "1"), ("app_team", "a")]);
    assert_eq!(
        bench.world.calls("/secrets/").len(),
        2,
        "one read a version"
    );
    let error = client
        .get(&RemoteRef {
            version: "../x".to_owned(),
            ..key("app")
        })
        .await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_search_goes_through_all_pages_by_name_and_tags() {
    let (bench, store) = with_secret().await;
    for number in 0..60 {
        let tags = json!({"even": (number % 2 == 0).to_string()});
        put(&bench, &format!("s{number:02}"), "v", &tags);
    }
    let client = bench.client(&store, 0).await;
    let find = Find {
        name: Some(Regex::new("^s5").unwrap()),
        tags: [("even".to_owned(), "true".to_owned())].into(),
        ..Find::default()
    };
    let found = client.find(&find).await.unwrap();
    let names: Vec<_> = found.keys().collect();
    assert_eq!(names, ["s50", "s52", "s54", "s56", "s58"]);
    assert_eq!(
        bench.world.calls("/secrets").len(),
        3 + 5,
        "three pages, five reads"
    );
}

#[tokio::test]
async fn what_is_pushed_is_marked_read_back_and_removed() {
    let (bench, store) = with_secret().await;
    let client = bench.client(&store, 0).await;
    let client = client.as_ref();
    let data = [("a", "hunter2"), ("b", "2")];
    let metadata = json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata",
        "spec": {"expirationDate": "2030-01-01T00:00:00Z", "contentType": "text/plain", "tags": {"team": "a"}}});
    let at = target("db");
    assert!(!client.exists(&at).await.unwrap());
    for _ in 0..2 {
        push(client, &data, "a", &at, Some(&metadata))
            .await
            .unwrap();
    }
    let written = held(&bench.world.vault).newest("secrets", "db");
    assert_eq!(written["value"], "hunter2");
    assert_eq!(written["contentType"], "text/plain");
    assert_eq!(
        written["tags"],
        json!({"managed-by": "external-secrets", "team": "a"})
    );
    assert_eq!(written["attributes"]["exp"], 1_893_456_000);
    assert_eq!(
        held(&bench.world.vault).versions("secrets", "db"),
        1,
        "written once"
    );
    push(client, &data, "", &at, None).await.unwrap();
    assert_eq!(
        text(&client.get(&key("db")).await.unwrap()),
        r#"{"a":"hunter2","b":"2"}"#
    );
    let tags = &held(&bench.world.vault).newest("secrets", "db")["tags"];
    assert_eq!(tags["team"], "a", "tags of others stay");
    assert!(client.exists(&at).await.unwrap());
    client.delete(&at).await.unwrap();
    client.delete(&at).await.unwrap();
    assert!(!client.exists(&at).await.unwrap());
    assert!(client.get(&key("db")).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_object_of_somebody_else_is_neither_written_nor_removed() {
    let (bench, store) = with_secret().await;
    put(&bench, "theirs", "old", &json!({"managed-by": "hand"}));
    let client = bench.client(&store, 0).await;
    let at = target("theirs");
    let error = push(client.as_ref(), &[("a", "1")], "a", &at, None)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    client.delete(&at).await.unwrap();
    assert_eq!(
        held(&bench.world.vault).newest("secrets", "theirs")["value"],
        "old"
    );
}

fn certificate() -> (String, String, Vec<u8>) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key must be made");
    let made = rcgen::CertificateParams::new(vec!["app".to_owned()]);
    let made = made.and_then(|made| made.self_signed(&key));
    let made = made.expect("a certificate must be made");
    (made.pem(), key.serialize_pem(), made.der().to_vec())
}

#[tokio::test]
async fn certificates_and_keys_are_imported_and_read() {
    let (bench, store) = with_secret().await;
    let client = bench.client(&store, 0).await;
    let client = client.as_ref();
    let (pem, private, der) = certificate();
    let data = [("tls.crt", pem.as_str()), ("tls.key", private.as_str())];
    for _ in 0..2 {
        push(client, &data, "", &target("cert/web"), None)
            .await
            .unwrap();
        push(client, &data, "tls.key", &target("key/sign"), None)
            .await
            .unwrap();
    }
    assert_eq!(held(&bench.world.vault).versions("certificates", "web"), 1);
    assert_eq!(held(&bench.world.vault).versions("keys", "sign"), 1);
    assert_eq!(client.get(&key("cert/web")).await.unwrap().expose(), der);
    let read = client.get(&property("cert/web", "pem")).await.unwrap();
    assert_eq!(text(&read).replace('\r', ""), pem.replace('\r', ""));
    let read = client.get(&key("key/sign")).await.unwrap();
    let read: Value = serde_json::from_slice(read.expose()).unwrap();
    assert_eq!(read["kty"], "RSA");
    assert!(read["n"].is_string() && read.get("d").is_none());
    let curve = rcgen::KeyPair::generate().unwrap().serialize_pem();
    push(client, &[("k", &curve)], "k", &target("key/curve"), None)
        .await
        .unwrap();
    let written = &held(&bench.world.vault).newest("keys", "curve")["key"];
    assert_eq!(
        (&written["kty"], &written["crv"]),
        (&json!("EC"), &json!("P-256"))
    );
    for (wrong, at) in [
        ("tls.crt", "cert/web"),
        ("tls.crt", "key/sign"),
        ("tls.key", "cert/web"),
    ] {
        let error = push(client, &data, wrong, &target(at), None)
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(!error.to_string().contains("MII"), "{error}");
    }
    client.delete(&target("cert/web")).await.unwrap();
    assert!(
        client
            .get(&key("cert/web"))
            .await
            .unwrap_err()
            .is_not_found()
    );
}

#[tokio::test]
async fn a_client_certificate_logs_in_and_another_one_does_not() {
    let bench = CloudBench::new().await;
    fill(&bench);
    let (pem, private, der) = certificate();
    let application = Application {
        certificates: vec![der],
        ..Application::default()
    };
    held(&bench.world.entra)
        .applications
        .insert("app-2".to_owned(), application);
    let store = store(
        json!({"azurekv": {"vaultUrl": VAULT, "tenantId": TENANT, "authSecretRef": {
            "clientId": {"name": "sp", "key": "id"},
            "clientCertificate": {"name": "sp", "key": "cert"},
        }}}),
    );
    let both = format!("{private}{pem}");
    set(
        &bench.cluster.secrets,
        "team/sp",
        &[("id", "app-2"), ("cert", &both)],
    );
    let client = bench.client(&store, 0).await;
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
    let (pem, private, _) = certificate();
    let both = format!("{private}{pem}");
    set(
        &bench.cluster.secrets,
        "team/sp",
        &[("id", "app-2"), ("cert", &both)],
    );
    let client = bench.client(&store, 100).await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
}

#[tokio::test]
async fn the_identity_of_the_machine_logs_in() {
    let bench = CloudBench::new().await;
    fill(&bench);
    held(&bench.world.entra).identities = vec!["id-1".to_owned(), "id-2".to_owned()];
    let machine = format!("http://{}", bench.machine.address);
    bench.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST", &machine);
    let block = |identity: &str| {
        store(
            json!({"azurekv": {"vaultUrl": VAULT, "authType": "ManagedIdentity", "identityId": identity}}),
        )
    };
    let client = bench.client(&block("id-2"), 0).await;
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
    held(&bench.world.entra).identity_header = "header-1".to_owned();
    bench.variable("IDENTITY_ENDPOINT", &format!("{machine}/msi/token"));
    bench.variable("IDENTITY_HEADER", "header-1");
    let client = bench.client(&block("id-1"), 4000).await;
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
    assert_eq!(bench.world.calls("/msi/token").len(), 1);
    let client = bench.client(&block("nobody"), 8000).await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
}

fn trust(bench: &CloudBench, subject: &str) {
    let application = Application {
        trusted: Some((
            bench.cluster.issuer.public(),
            CLUSTER.to_owned(),
            subject.to_owned(),
        )),
        ..Application::default()
    };
    held(&bench.world.entra)
        .applications
        .insert("app-3".to_owned(), application);
}

#[tokio::test]
async fn a_service_account_logs_in_as_its_annotations_say() {
    let bench = CloudBench::new().await;
    fill(&bench);
    trust(&bench, "system:serviceaccount:apps:web");
    let block = json!({"azurekv": {"vaultUrl": VAULT, "authType": "WorkloadIdentity", "serviceAccountRef": {"name": "web"}}});
    let store = store_of(StoreKind::ClusterSecretStore, "", block);
    let unknown = bench.client_in(&store, "", 0).await.unwrap();
    assert_eq!(unknown.validate().await.unwrap(), Validation::Unknown);
    let client = bench.client_in(&store, "apps", 0).await.unwrap();
    let error = client.get(&key("word")).await.unwrap_err();
    assert!(error.to_string().contains("apps/web"), "{error}");
    set(
        &bench.cluster.annotations,
        "apps/web",
        &[
            ("azure.workload.identity/client-id", "app-3"),
            ("azure.workload.identity/tenant-id", TENANT),
        ],
    );
    set(
        &bench.cluster.annotations,
        "rest/web",
        &[
            ("azure.workload.identity/client-id", "app-3"),
            ("azure.workload.identity/tenant-id", TENANT),
        ],
    );
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
    let other = bench.client_in(&store, "rest", 0).await.unwrap();
    let error = other.get(&key("word")).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Denied,
        "another namespace's account: {error}"
    );
}

#[tokio::test]
async fn the_own_workload_identity_is_read_from_the_environment() {
    let bench = CloudBench::new().await;
    fill(&bench);
    trust(&bench, "system:serviceaccount:latchkey:latchkey");
    let store = store(json!({"azurekv": {"vaultUrl": VAULT, "authType": "WorkloadIdentity"}}));
    let client = bench.client(&store, 0).await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert!(error.to_string().contains("AZURE_TENANT_ID"), "{error}");
    let claims = json!({"iss": CLUSTER, "sub": "system:serviceaccount:latchkey:latchkey",
        "aud": "api://AzureADTokenExchange", "exp": 2_000_000});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bench.cluster.issuer.sign(&claims)).unwrap();
    bench.variable("AZURE_TENANT_ID", TENANT);
    bench.variable("AZURE_CLIENT_ID", "app-3");
    bench.variable("AZURE_FEDERATED_TOKEN_FILE", file.path().to_str().unwrap());
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
}
