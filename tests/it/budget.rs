//! No store is called faster than its budget, over any transport.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{Either, join_all, select};
use latchkey::budget::turn;
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::model::request_rate::RequestRate;
use latchkey::model::secret_store::Store;
use latchkey::providers::{
    Abilities, AwsEndpoints, ClientContext, Error, ErrorKind, Provider, Registry, SecretsClient,
    Validation,
};
use latchkey::secret::{SecretBytes, SecretMap};
use serde_json::{Value, json};
use tokio::time::Instant;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::provider_double::{Bench, Credentials, Time, key, store};

/// A store with this budget.
fn limited(provider: Value, rate: f64) -> Arc<Store> {
    let rate = Some(RequestRate::PerSecond(rate));
    Arc::new(Store {
        rate,
        ..Store::clone(&store(provider))
    })
}

/// Notes when each of its requests leaves.
#[derive(Clone, Default)]
struct Double(Arc<Mutex<Vec<Instant>>>);

#[async_trait]
impl Provider for Double {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn abilities(&self) -> &'static Abilities {
        &Abilities {
            read: "all",
            find: &[],
            push: "",
            version: "",
            metadata: "",
            tested: "nothing: it is a double",
        }
    }

    fn check(&self, _: &Store) -> Result<(), Error> {
        Ok(())
    }

    async fn client(&self, _: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl SecretsClient for Double {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        turn().await;
        let mut sent = self.0.lock().expect("no test panics with it");
        sent.push(Instant::now());
        Ok(reference.key.as_str().into())
    }

    async fn get_map(&self, _: &RemoteRef) -> Result<SecretMap, Error> {
        Ok(SecretMap::new())
    }

    async fn find(&self, _: &Find) -> Result<SecretMap, Error> {
        Ok(SecretMap::new())
    }

    async fn validate(&self) -> Result<Validation, Error> {
        Ok(Validation::Ready)
    }
}

/// Reads one key of a store, as one object does.
async fn read(registry: &Registry, store: &Arc<Store>, name: &str) -> Result<SecretBytes, Error> {
    let context = ClientContext {
        store: Arc::clone(store),
        namespace: "team".to_owned(),
        secrets: Credentials::with("team/none", "k", "v"),
        not_before: Time::at(0),
    };
    let client = registry.provider(store)?.client(context).await?;
    client.get(&key(name)).await
}

#[tokio::test(start_paused = true)]
async fn forty_objects_of_one_store_make_five_calls_a_second() {
    let double = Double::default();
    let mut registry = Registry::default();
    registry.register(Arc::new(double.clone()));
    let store = limited(json!({"fake": {"data": []}}), 5.0);
    let started = Instant::now();
    let names: Vec<String> = (0..40).map(|i| i.to_string()).collect();
    let answers = join_all(names.iter().map(|name| read(&registry, &store, name))).await;
    assert!(answers.iter().all(Result::is_ok), "a wait is no failure");
    let sent = double.0.lock().expect("no test panics with it");
    let by = |moment: Duration| sent.iter().filter(|at| **at - started <= moment).count();
    assert_eq!(by(Duration::ZERO), 5);
    for second in 0..8_u32 {
        let most = 5 + 5 * usize::try_from(second).expect("it is small");
        assert!(by(Duration::from_secs(second.into())) <= most, "{second}");
    }
    assert_eq!(by(Duration::from_secs(8)), 40);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_would_take_too_long_is_throttled_and_no_failure_of_the_store() {
    let mut registry = Registry::default();
    registry.register(Arc::new(Double::default()));
    let store = limited(json!({"fake": {"data": []}}), 0.01);
    let reads = (0..8).map(|_| read(&registry, &store, "k"));
    let answers = join_all(reads).await;
    let refused: Vec<&Error> = answers
        .iter()
        .filter_map(|one| one.as_ref().err())
        .collect();
    assert!((1..8).contains(&refused.len()), "{refused:?}");
    for error in refused {
        assert_eq!(error.kind, ErrorKind::Throttled);
        assert!(error.is_own_restraint() && error.retry_after.is_some());
    }
}

#[tokio::test]
async fn a_store_without_a_limit_waits_for_nothing() {
    let double = Double::default();
    let mut registry = Registry::default();
    registry.register(Arc::new(double.clone()));
    let store = store(json!({"fake": {"data": []}}));
    let store = Arc::new(Store {
        rate: Some(RequestRate::Unlimited),
        ..Store::clone(&store)
    });
    let answers = join_all((0..500).map(|_| read(&registry, &store, "k"))).await;
    assert!(answers.iter().all(Result::is_ok));
}

/// With a budget of one request, a second read of the store sends nothing: it waits.
async fn holds(bench: &Bench, server: &MockServer, provider: Value) {
    let store = limited(provider, 0.01);
    let of = async |name: &str| bench.client(&store, 0).await.get(&key(name)).await;
    of("one").await.expect("the first request has a turn");
    let sent = async || server.received_requests().await.unwrap_or_default().len();
    assert_eq!(sent().await, 1);
    waits(bench, of("two")).await;
    assert_eq!(sent().await, 1);
}

/// The call comes to wait, and leaves the line when it is given up.
async fn waits(bench: &Bench, call: impl Future<Output = Result<SecretBytes, Error>>) {
    let in_line = std::pin::pin!(async {
        while bench.waiting() == 0 {
            tokio::task::yield_now().await;
        }
    });
    match select(Box::pin(call), in_line).await {
        Either::Left((answer, _)) => panic!("it must wait: {answer:?}"),
        Either::Right(((), waiting)) => drop(waiting),
    }
    assert_eq!(bench.waiting(), 0, "who gives up leaves the line");
}

async fn server(body: Value) -> MockServer {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(body);
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

#[tokio::test]
async fn plain_http_takes_turns() {
    let server = server(json!("v")).await;
    let bench = Bench::new(&server.uri(), Credentials::with("team/none", "k", "v"));
    let url = format!("{}/{{{{ .remoteRef.key }}}}", server.uri());
    let block = json!({"webhook": {"url": url, "result": {"jsonPath": "$"}}});
    holds(&bench, &server, block).await;
}

#[tokio::test]
async fn calls_of_another_cluster_take_turns() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"},
        "data": {"k": "dg=="}});
    let server = server(secret).await;
    let bench = Bench::new(&server.uri(), Credentials::with("team/token", "t", "abc"));
    let block = json!({"kubernetes": {
        "server": {"url": server.uri()},
        "auth": {"token": {"bearerToken": {"name": "token", "key": "t"}}},
    }});
    holds(&bench, &server, block).await;
}

#[tokio::test]
async fn calls_for_objects_of_another_cluster_take_turns() {
    let widgets = json!({"kind": "APIResourceList", "groupVersion": "example.io/v1", "resources": [
        {"name": "widgets", "singularName": "widget", "namespaced": true, "kind": "Widget",
            "verbs": ["get"]}]});
    let server = server(widgets).await;
    let bench = Bench::new(&server.uri(), Credentials::with("team/token", "t", "abc"));
    let block = json!({"crd": {
        "server": {"url": server.uri()},
        "auth": {"token": {"bearerToken": {"name": "token", "key": "t"}}},
        "resource": {"group": "example.io", "version": "v1", "kind": "Widget"},
    }});
    let store = limited(block, 0.01);
    let client = bench.client(&store, 0).await;
    waits(&bench, client.get(&key("one"))).await;
    let sent = server.received_requests().await.unwrap_or_default();
    assert_eq!(sent.len(), 1, "the kind is looked up, and the object waits");
}

#[tokio::test]
async fn calls_of_aws_take_turns() {
    let server = server(json!({"Name": "one", "SecretString": "v"})).await;
    let at = AwsEndpoints {
        secrets_manager: Some(server.uri()),
        ..AwsEndpoints::default()
    };
    let credentials = Credentials::with("team/login", "id", "AKID");
    credentials.add("team/login", "key", "hunter2-key");
    let bench = Bench::with_aws(at, credentials);
    let selector = |key: &str| json!({"name": "login", "key": key});
    let block = json!({"aws": {"service": "SecretsManager", "region": "eu-west-1", "auth": {
        "secretRef": {"accessKeyIDSecretRef": selector("id"),
            "secretAccessKeySecretRef": selector("key")}}}});
    holds(&bench, &server, block).await;
}
