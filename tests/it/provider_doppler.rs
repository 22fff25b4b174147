//! Provider `doppler` against a double of Doppler.

use std::sync::Arc;

use futures::future::join_all;
use latchkey::model::push::Target;
use latchkey::model::remote::Find;
use latchkey::providers::ErrorKind;
use regex::Regex;
use serde_json::{Value, json};

use crate::fakes::{Fake, doppler};
use crate::provider_contract;
use crate::provider_double::{Bench, Credentials, key, property, push, store, text, texts};
use crate::provider_faults::Subject;

pub(crate) fn subject() -> Subject {
    Subject {
        name: "doppler",
        router: doppler::router,
        block: |_| block(),
        credentials,
        reference: || key("word"),
        is_login: |_| false,
        has_sessions: false,
        missing: ErrorKind::Invalid,
    }
}

/// The same with tokens that are exchanged.
pub(crate) fn exchanging() -> Subject {
    Subject {
        block: |_| exchange(),
        is_login: |path| path.ends_with("/oidc"),
        has_sessions: true,
        ..subject()
    }
}

fn block() -> Value {
    json!({"doppler": {"project": "app", "config": "dev",
        "auth": {"secretRef": {"dopplerToken": {"name": "login"}}}}})
}

fn exchange() -> Value {
    json!({"doppler": {"project": "app", "config": "dev", "auth": {"oidcConfig":
        {"identity": "id-1", "serviceAccountRef": {"name": "app"}}}}})
}

fn credentials() -> Arc<Credentials> {
    Credentials::with(
        "team/login",
        "dopplerToken",
        &format!("{}\n", doppler::TOKEN),
    )
}

async fn start() -> (Fake, Bench) {
    let fake = Fake::start(doppler::router()).await;
    let bench = Bench::new(&fake.uri, credentials());
    (fake, bench)
}

#[tokio::test]
async fn doppler_keeps_the_contract_with_one_call() {
    for block in [block(), exchange()] {
        let (fake, bench) = start().await;
        let client = bench.client(&store(block), 0).await;
        provider_contract::holds(client.as_ref()).await;
        assert_eq!(fake.calls("GET", "/"), 1);
        assert!(fake.calls("POST", "/v3/auth/oidc") <= 1);
    }
}

#[tokio::test]
async fn a_thousand_gets_cost_one_call_a_window() {
    let (fake, bench) = start().await;
    let store = store(block());
    let client = bench.client(&store, 0).await;
    let user = property("app", "user");
    for got in join_all((0..1000).map(|_| client.get(&user))).await {
        assert_eq!(text(&got.unwrap()), "hunter2-user");
    }
    assert_eq!(fake.calls("GET", "/v3/configs/config/secrets/download"), 1);
    let sent = fake.seen("GET", "/").remove(0);
    assert_eq!(sent.uri.query(), Some("format=json&project=app&config=dev"));
}

#[tokio::test]
async fn names_are_changed_in_searches_alone_and_a_format_gives_one_file() {
    let (_fake, bench) = start().await;
    let mut block = block();
    block["doppler"]["nameTransformer"] = json!("lower-kebab");
    let client = bench.client(&store(block.clone()), 0).await;
    let find = Find {
        name: Some(Regex::new("url").unwrap()),
        path: Some("db-".to_owned()),
        ..Find::default()
    };
    let found = client.find(&find).await.unwrap();
    assert_eq!(texts(&found), [("db-url", "db://x")]);
    assert_eq!(text(&client.get(&key("DB_URL")).await.unwrap()), "db://x");
    block["doppler"]["format"] = json!("env");
    let client = bench.client(&store(block), 0).await;
    let found = client.find(&find).await.unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["DOPPLER_SECRETS_FILE"]);
}

#[tokio::test]
async fn secrets_are_pushed_by_property_and_deleted() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block()), 0).await;
    let target = |name: &str, property: &str| Target {
        key: name.to_owned(),
        property: property.to_owned(),
    };
    let whole = target("NEW", "");
    assert!(!client.exists(&whole).await.unwrap());
    push(client.as_ref(), &whole, "hunter2-new").await.unwrap();
    push(client.as_ref(), &whole, "hunter2-new").await.unwrap();
    assert_eq!(fake.calls("POST", "/"), 1, "what stands is not written");
    assert_eq!(text(&client.get(&key("NEW")).await.unwrap()), "hunter2-new");
    let member = target("app", "extra");
    push(client.as_ref(), &member, "more").await.unwrap();
    assert!(client.exists(&member).await.unwrap());
    let kept = client.get(&property("app", "port")).await.unwrap();
    assert_eq!(text(&kept), "5432");
    client.delete(&member).await.unwrap();
    client.delete(&whole).await.unwrap();
    client.delete(&whole).await.unwrap();
    assert!(!client.exists(&whole).await.unwrap());
    assert!(client.get(&property("app", "user")).await.is_ok());
    let error = push(client.as_ref(), &target("word", "x"), "y").await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::Invalid);
}
