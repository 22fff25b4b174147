//! Provider `kubernetes` against a double of the API server.

use latchkey::api::meta::StoreKind;
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::providers::{ErrorKind, Validation};
use regex::Regex;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::provider_double::{Bench, Credentials, key, property, store, store_of, text, texts};

struct Cluster {
    server: MockServer,
    bench: Bench,
}

impl Cluster {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let bench = Bench::new(
            "http://127.0.0.1:1",
            Credentials::with("team/token", "t", "abc\n"),
        );
        Self { server, bench }
    }

    fn provider(&self) -> Value {
        json!({"kubernetes": {
            "remoteNamespace": "far",
            "server": {"url": self.server.uri()},
            "auth": {"token": {"bearerToken": {"name": "token", "key": "t"}}},
        }})
    }

    async fn answer(&self, verb: &str, at: &str, status: u16, body: Value) {
        Mock::given(method(verb))
            .and(path(at))
            .and(header("authorization", "Bearer abc"))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(&self.server)
            .await;
    }
}

fn secret() -> Value {
    // user: me, doc: {"a":{"b":"x"},"s":"t"}
    json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "db", "namespace": "far", "labels": {"app.kubernetes.io/name": "db"}},
        "data": {"user": "bWU=", "doc": "eyJhIjp7ImIiOiJ4In0sInMiOiJ0In0="}})
}

fn refusal(code: u16, reason: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code,
        "reason": reason, "message": format!("it is {reason}")})
}

const SECRET: &str = "/api/v1/namespaces/far/secrets/db";
const RULES: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

#[tokio::test]
async fn secrets_are_read_whole_by_key_and_by_path() {
    let cluster = Cluster::start().await;
    cluster.answer("GET", SECRET, 200, secret()).await;
    let client = cluster.bench.client(&store(cluster.provider()), 0).await;
    let get = async |reference: RemoteRef| text(&client.get(&reference).await.unwrap()).to_owned();
    let whole = r#"{"doc":"{\"a\":{\"b\":\"x\"},\"s\":\"t\"}","user":"me"}"#;
    assert_eq!(get(key("db")).await, whole);
    assert_eq!(get(property("db", "user")).await, "me");
    assert_eq!(get(property("db", "doc.a.b")).await, "x");
    let label = RemoteRef {
        metadata: true,
        ..property("db", "labels.app.kubernetes.io/name")
    };
    assert_eq!(get(label).await, "db");
    let members = client.get_map(&key("db")).await.unwrap();
    assert_eq!(members.keys().collect::<Vec<_>>(), ["doc", "user"]);
    let members = client.get_map(&property("db", "doc")).await.unwrap();
    assert_eq!(texts(&members), [("a", r#"{"b":"x"}"#), ("s", r#""t""#)]);
}

#[tokio::test]
async fn what_is_missing_is_told_from_what_is_refused() {
    let cluster = Cluster::start().await;
    cluster.answer("GET", SECRET, 200, secret()).await;
    let at = |name: &str| format!("/api/v1/namespaces/far/secrets/{name}");
    cluster
        .answer("GET", &at("gone"), 404, refusal(404, "NotFound"))
        .await;
    cluster
        .answer("GET", &at("kept"), 403, refusal(403, "Forbidden"))
        .await;
    let client = cluster.bench.client(&store(cluster.provider()), 0).await;
    let kind = async |reference: RemoteRef| client.get(&reference).await.unwrap_err().kind;
    assert_eq!(kind(key("gone")).await, ErrorKind::NotFound);
    assert_eq!(kind(property("db", "nope")).await, ErrorKind::NotFound);
    assert_eq!(kind(property("db", "doc.nope")).await, ErrorKind::NotFound);
    assert_eq!(kind(property("db", "user.x")).await, ErrorKind::Invalid);
    assert_eq!(kind(key("kept")).await, ErrorKind::Denied);
    assert_eq!(kind(key("../configmaps/x")).await, ErrorKind::Invalid);
    assert_eq!(kind(key("")).await, ErrorKind::Invalid);
}

#[tokio::test]
async fn find_goes_by_labels_or_by_name() {
    let cluster = Cluster::start().await;
    let list =
        json!({"apiVersion": "v1", "kind": "SecretList", "metadata": {}, "items": [secret()]});
    Mock::given(path("/api/v1/namespaces/far/secrets"))
        .and(query_param("labelSelector", "team=a"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list.clone()))
        .with_priority(1)
        .mount(&cluster.server)
        .await;
    cluster
        .answer("GET", "/api/v1/namespaces/far/secrets", 200, list)
        .await;
    let client = cluster.bench.client(&store(cluster.provider()), 0).await;
    let by_name = |name: &str| Find {
        name: Some(Regex::new(name).unwrap()),
        ..Find::default()
    };
    let by_label = Find {
        tags: [("team".to_owned(), "a".to_owned())].into(),
        ..Find::default()
    };
    assert_eq!(client.find(&by_label).await.unwrap().len(), 1);
    assert_eq!(client.find(&by_name("^d")).await.unwrap().len(), 1);
    assert_eq!(client.find(&by_name("^x")).await.unwrap().len(), 0);
    let error = client.find(&Find::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn validation_asks_for_the_credentials_own_permissions() {
    let rules = |verb: &str| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {},
            "status": {"incomplete": false, "nonResourceRules": [], "resourceRules": [
                {"verbs": [verb], "apiGroups": [""], "resources": ["secrets"]}]}})
    };
    let access = |allowed: bool| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {}, "status": {"allowed": allowed}})
    };
    let validate = async |verb: &str, allowed: bool| {
        let cluster = Cluster::start().await;
        cluster.answer("POST", RULES, 201, rules(verb)).await;
        cluster.answer("POST", ACCESS, 201, access(allowed)).await;
        let client = cluster.bench.client(&store(cluster.provider()), 0).await;
        client.validate().await
    };
    assert_eq!(validate("get", false).await.unwrap(), Validation::Ready);
    assert_eq!(validate("list", true).await.unwrap(), Validation::Ready);
    assert_eq!(
        validate("list", false).await.unwrap_err().kind,
        ErrorKind::Denied
    );
}

#[tokio::test]
async fn a_kubeconfig_may_not_reach_into_this_process() {
    let user = |user: &str| {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
             clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}], \
             users: [{{name: u, user: {user}}}]}}"
        )
    };
    let connect = async |kubeconfig: String| {
        let credentials = Credentials::with("team/config", "c", &kubeconfig);
        let bench = Bench::new("http://127.0.0.1:1", credentials);
        let provider = json!({"kubernetes": {"authRef": {"name": "config", "key": "c"}}});
        bench.try_client(&store(provider), 0).await.map(drop)
    };
    connect(user("{token: hunter2}")).await.unwrap();
    for (refused, says) in [
        (
            user("{exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh}}"),
            "program",
        ),
        (user("{tokenFile: /etc/passwd}"), "files"),
        (user("{client-key: /etc/passwd}"), "files"),
        ("hunter2: [".to_owned(), "not valid YAML"),
    ] {
        let error = connect(refused).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_store_needs_credentials_of_its_own() {
    let cluster = Cluster::start().await;
    let check = |provider: Value| {
        let store = store(provider);
        cluster
            .bench
            .registry
            .provider(&store)
            .unwrap()
            .check(&store)
    };
    assert!(check(cluster.provider()).is_ok());
    assert_eq!(
        check(json!({"kubernetes": {}})).unwrap_err().kind,
        ErrorKind::Invalid
    );
    let mut both = cluster.provider();
    both["kubernetes"]["authRef"] = json!({"name": "a", "key": "b"});
    assert_eq!(check(both).unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_cluster_store_with_its_consumers_credentials_cannot_be_validated() {
    let cluster = Cluster::start().await;
    let store = store_of(StoreKind::ClusterSecretStore, "", cluster.provider());
    let client = cluster.bench.client(&store, 0).await;
    assert_eq!(client.validate().await.unwrap(), Validation::Unknown);
}
