//! Provider `github` against a double of GitHub.

use std::time::Duration;

use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey::model::push::Target;
use latchkey::providers::{Capabilities, ErrorKind, Validation};
use serde_json::{Value, json};

use crate::fakes::{Fake, Fault, github};
use crate::provider_double::{Bench, Credentials, key, push, store};

fn block(uri: &str) -> Value {
    json!({"github": {"url": uri, "appID": 1, "installationID": 2, "organization": "acme",
        "auth": {"privateKey": {"name": "app", "key": "pem"}}}})
}

async fn start() -> (Fake, Bench, github::Store) {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key must be made");
    let der = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair);
    let text = STANDARD.encode(der.expect("a key must be written").as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let kept = github::Store::new(pair.public_key().as_ref());
    let fake = Fake::start(kept.router()).await;
    let bench = Bench::new(&fake.uri, Credentials::with("team/app", "pem", &pem));
    (fake, bench, kept)
}

fn target(name: &str) -> Target {
    Target {
        key: name.to_owned(),
        ..Target::default()
    }
}

#[tokio::test]
async fn values_arrive_sealed_and_are_looked_for_and_deleted() {
    let (fake, bench, kept) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    let value = |name: &str| kept.secrets.lock().unwrap().get(name).cloned();
    assert_eq!(client.validate().await.unwrap(), Validation::Ready);
    let new = target("NEW_ONE");
    assert!(!client.exists(&new).await.unwrap());
    push(client.as_ref(), &new, "hunter2-value").await.unwrap();
    let expected = ("hunter2-value".to_owned(), "all".to_owned());
    assert_eq!(value("NEW_ONE"), Some(expected));
    assert!(client.exists(&new).await.unwrap());
    let sent = fake.seen("PUT", "/").remove(0);
    assert!(!String::from_utf8_lossy(&sent.body).contains("hunter2"));
    client.delete(&new).await.unwrap();
    client.delete(&new).await.unwrap();
    assert_eq!(value("NEW_ONE"), None);
    assert_eq!(fake.calls("POST", "/"), 1, "one login");
    let mut block = block(&fake.uri);
    block["github"]["repository"] = json!("app");
    let client = bench.client(&store(block), 0).await;
    push(client.as_ref(), &target("OF_REPO"), "x")
        .await
        .unwrap();
    assert_eq!(value("OF_REPO"), Some(("x".to_owned(), String::new())));
}

#[tokio::test]
async fn the_visibility_that_stands_is_kept_unless_the_store_names_one() {
    let (fake, bench, kept) = start().await;
    let old = ("x".to_owned(), "private".to_owned());
    kept.secrets.lock().unwrap().insert("A".to_owned(), old);
    let seen = || kept.secrets.lock().unwrap()["A"].1.clone();
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    push(client.as_ref(), &target("A"), "y").await.unwrap();
    assert_eq!(seen(), "private");
    let mut block = block(&fake.uri);
    block["github"]["orgSecretVisibility"] = json!("all");
    let client = bench.client(&store(block), 0).await;
    push(client.as_ref(), &target("A"), "z").await.unwrap();
    assert_eq!(seen(), "all");
}

#[tokio::test]
async fn nothing_can_be_read_and_failures_have_their_kind() {
    let (fake, bench, _) = start().await;
    let store = store(block(&fake.uri));
    let provider = bench.registry.provider(&store).unwrap();
    assert_eq!(provider.abilities().capabilities(), Capabilities::WriteOnly);
    let client = bench.client(&store, 0).await;
    let error = client.get(&key("A")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    for name in ["a-b", "1A", ""] {
        let error = client.exists(&target(name)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{name}");
    }
    for (status, kind) in [
        (403, ErrorKind::Denied),
        (404, ErrorKind::Invalid),
        (429, ErrorKind::Throttled),
        (500, ErrorKind::Unavailable),
    ] {
        let mut fault = Fault::new(status, |path| path.ends_with("access_tokens"));
        fault.retry_after = (status == 429).then_some(17);
        fake.fail(Some(fault));
        let error = client.exists(&target("A")).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        let wait = (status == 429).then_some(Duration::from_secs(17));
        assert_eq!(error.retry_after, wait, "{error}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_named_and_not_shown() {
    let (fake, bench, _) = start().await;
    bench.credentials.set("team/app", "pem", "hunter2-no-key");
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    let error = client.exists(&target("A")).await.unwrap_err();
    assert!(error.to_string().contains("auth.privateKey"), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert_eq!(fake.calls("POST", "/"), 0);
}
