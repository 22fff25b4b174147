//! Generator `VaultDynamicSecret` against a server that makes something new at each call.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use latchkey::generators::{Context, Error, generate};
use latchkey::model::controller_class::ControllerClass;
use latchkey::providers::{Options, Registry};
use serde_json::{Value, json};

use crate::provider_double::{Credentials, text};
use crate::server::{ROOT, shared};

async fn context() -> (Context, String) {
    let server = shared().await;
    let context = Context {
        namespace: "team".to_owned(),
        secrets: Credentials::with("team/login", "v", ROOT),
        registry: Arc::new(Registry::new(&Options::default()).expect("a registry must be made")),
        now: Timestamp::UNIX_EPOCH,
        controller_class: ControllerClass::default(),
    };
    (context, server.url.clone())
}

async fn made(more: Value) -> Result<BTreeMap<String, String>, Error> {
    let (context, url) = context().await;
    let login = json!({"tokenSecretRef": {"name": "login", "key": "v"}});
    let mut spec = json!({"provider": {"server": url, "auth": login}});
    for (name, value) in more.as_object().expect("must be an object") {
        spec[name] = value.clone();
    }
    let made = generate("VaultDynamicSecret", spec, &context).await?;
    assert!(made.state.is_null(), "leases end by themselves");
    let values = made.values.iter();
    Ok(values
        .map(|(key, value)| (key.to_owned(), text(value).to_owned()))
        .collect())
}

#[tokio::test]
async fn each_call_makes_new_values_from_the_part_that_is_asked_for() {
    let random =
        json!({"path": "sys/tools/random/16", "method": "POST", "parameters": {"format": "hex"}});
    let first = made(random.clone()).await.unwrap();
    let second = made(random).await.unwrap();
    assert_eq!(first["random_bytes"].len(), 32);
    assert_ne!(first, second);

    let token = |part: &str| {
        json!({"path": "auth/token/create", "method": "POST", "resultType": part,
            "parameters": {"ttl": "1m", "policies": ["default"]}})
    };
    let auth = made(token("Auth")).await.unwrap();
    assert!(auth["client_token"].starts_with("hvs."));
    assert_eq!(auth["lease_duration"], "60");
    let raw = made(token("Raw")).await.unwrap();
    assert!(raw["auth"].contains("client_token"));
    let read = json!({"path": "sys/host-info", "getParameters": {"a": ["b"]}});
    assert!(made(read).await.unwrap().contains_key("timestamp"));
}

#[tokio::test]
async fn what_cannot_be_made_is_told_with_its_path() {
    let absent = made(json!({"path": "nowhere/x"})).await.unwrap_err();
    assert!(absent.message.contains("nowhere/x"), "{absent}");
    let empty = json!({"path": "sys/tools/random/4", "method": "POST", "resultType": "Auth"});
    let told = made(empty.clone()).await.unwrap_err();
    assert!(told.message.contains("allowEmptyResponse"), "{told}");
    let mut allowed = empty;
    allowed["allowEmptyResponse"] = true.into();
    assert!(made(allowed).await.unwrap().is_empty());
    let wrong = made(json!({"path": "x", "method": "N O"}))
        .await
        .unwrap_err();
    assert!(wrong.lasting, "{wrong}");
}
