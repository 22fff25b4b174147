//! Provider `fake`, and the registry's choice of a provider.

use latchkey::model::remote::{Find, RemoteRef};
use latchkey::providers::{ErrorKind, Validation};
use serde_json::json;

use crate::provider_contract;
use crate::provider_double::{Bench, Credentials, key, store, text, texts};

fn bench() -> Bench {
    Bench::new("http://127.0.0.1:1", Credentials::with("a/b", "c", "d"))
}

#[tokio::test]
async fn fake_keeps_the_contract() {
    let store = store(json!({"fake": {"data": [
        {"key": "word", "value": "hunter2-word"},
        {"key": "app", "value": r#"{"user": "hunter2-user", "port": 5432}"#},
    ]}}));
    provider_contract::holds(bench().client(&store, 0).await.as_ref()).await;
}

#[tokio::test]
async fn versions_are_apart_from_keys_and_the_newest_is_found() {
    let store = store(json!({"fake": {"data": [
        {"key": "a", "value": "v10", "version": "v10"},
        {"key": "a", "value": "v9", "version": "v9"},
        {"key": "a1", "value": "other"},
    ]}}));
    let client = bench().client(&store, 0).await;
    let at = |version: &str| RemoteRef {
        version: version.to_owned(),
        ..key("a")
    };
    assert_eq!(text(&client.get(&at("v9")).await.unwrap()), "v9");
    assert!(client.get(&at("1")).await.unwrap_err().is_not_found());
    let found = client.find(&Find::default()).await.unwrap();
    assert_eq!(texts(&found), [("a", "v10"), ("a1", "other")]);
}

#[tokio::test]
async fn validation_answers_what_the_store_says() {
    let validate = async |result: i64| {
        let store = store(json!({"fake": {"data": [], "validationResult": result}}));
        bench().client(&store, 0).await.validate().await
    };
    assert_eq!(validate(0).await.unwrap(), Validation::Ready);
    assert_eq!(validate(1).await.unwrap(), Validation::Unknown);
    assert_eq!(validate(2).await.unwrap_err().kind, ErrorKind::Invalid);
}

#[test]
fn exactly_one_served_provider_must_be_configured() {
    let chosen = |provider| {
        bench()
            .registry
            .provider(&store(provider))
            .map(|p| p.name())
    };
    assert_eq!(chosen(json!({"fake": {"data": []}})).unwrap(), "fake");
    assert_eq!(chosen(json!({})).unwrap_err().kind, ErrorKind::Invalid);
    let two = json!({"fake": {"data": []}, "kubernetes": {}});
    let error = chosen(two).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("fake, kubernetes"), "{error}");
}

#[test]
fn a_provider_that_is_not_served_is_named_with_those_that_are() {
    let registry = latchkey::providers::Registry::default();
    let error = registry
        .provider(&store(json!({"fake": {"data": []}})))
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.to_string().contains("spec.provider.fake"), "{error}");
}
