//! Provider `barbican` against doubles of Keystone and Barbican.

use std::sync::Arc;

use latchkey::providers::ErrorKind;
use serde_json::{Value, json};

use crate::fakes::{Fake, barbican};
use crate::provider_contract;
use crate::provider_double::{Bench, Credentials, key, store, text};
use crate::provider_faults::Subject;

pub(crate) fn subject() -> Subject {
    Subject {
        name: "barbican",
        router: barbican::router,
        block,
        credentials,
        reference: || key("word"),
        is_login: |path| path.ends_with("/auth/tokens"),
        has_sessions: true,
        missing: ErrorKind::Invalid,
    }
}

fn block(uri: &str) -> Value {
    json!({"barbican": {"authURL": uri, "tenantName": "team", "region": "near", "auth": {
        "username": {"value": barbican::LOGIN[0]},
        "password": {"secretRef": {"name": "login", "key": "v"}}}}})
}

fn credentials() -> Arc<Credentials> {
    Credentials::with("team/login", "v", barbican::LOGIN[1])
}

#[tokio::test]
async fn barbican_keeps_the_contract_with_one_login() {
    let fake = Fake::start(barbican::router()).await;
    let bench = Bench::new(&fake.uri, credentials());
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    provider_contract::holds(client.as_ref()).await;
    assert_eq!(fake.calls("POST", "/"), 1);
    let by_address = key("http://elsewhere/v1/secrets/word");
    assert_eq!(
        text(&client.get(&by_address).await.unwrap()),
        "hunter2-word"
    );
}

#[tokio::test]
async fn a_region_without_a_key_manager_and_a_wrong_password_are_told_apart() {
    let fake = Fake::start(barbican::router()).await;
    let bench = Bench::new(&fake.uri, credentials());
    let mut elsewhere = block(&fake.uri);
    elsewhere["barbican"]["region"] = json!("nowhere");
    let error = bench.client(&store(elsewhere), 0).await.validate().await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("region"), "{error}");
    let bench = Bench::new(
        &fake.uri,
        Credentials::with("team/login", "v", "hunter2-wrong"),
    );
    let error = bench
        .client(&store(block(&fake.uri)), 0)
        .await
        .validate()
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
