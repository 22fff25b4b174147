//! The generators of AWS.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use latchkey::generators::{Context, Error, generate};
use latchkey::model::controller_class::ControllerClass;
use latchkey::providers::{Options, Registry};
use serde_json::{Value, json};

use crate::provider_double::{Credentials, text};
use crate::secrets::at;
use crate::server::{ACCOUNT, Key, REGION, shared};

async fn made(
    address: &str,
    login: &Key,
    kind: &str,
    more: &Value,
) -> Result<BTreeMap<String, String>, Error> {
    let credentials = Credentials::with("team/login", "id", &login.id);
    credentials.add("team/login", "key", &login.secret);
    let options = Options {
        aws: at(&format!("http://{address}")),
        ..Options::default()
    };
    let context = Context {
        namespace: "team".to_owned(),
        secrets: credentials,
        now: Timestamp::UNIX_EPOCH,
        controller_class: ControllerClass::default(),
        registry: Arc::new(Registry::new(&options).expect("there must be TLS")),
    };
    let selector = |key: &str| json!({"name": "login", "key": key});
    let mut spec = json!({"region": REGION, "auth": {"secretRef": {
        "accessKeyIDSecretRef": selector("id"), "secretAccessKeySecretRef": selector("key")}}});
    for (name, value) in more.as_object().expect("must be an object") {
        spec[name] = value.clone();
    }
    let made = generate(kind, spec, &context).await?;
    let values = made.values.iter();
    Ok(values
        .map(|(key, value)| (key.to_owned(), text(value).to_owned()))
        .collect())
}

#[tokio::test]
async fn a_login_for_ecr_is_made() {
    let server = shared().await;
    let kind = "ECRAuthorizationToken";
    let values = made(&server.address, &server.admin, kind, &json!({}))
        .await
        .unwrap();
    let keys: Vec<_> = values.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["expires_at", "password", "proxy_endpoint", "username"]
    );
    assert_eq!(values["username"], "AWS");
    assert!(values["proxy_endpoint"].contains(REGION), "{values:?}");
    assert!(values["expires_at"].parse::<u64>().is_ok());
    let denied = made(&server.address, &server.reader, kind, &json!({})).await;
    let denied = denied.unwrap_err();
    assert!(!denied.lasting, "{denied}");
    let wrong = made(&server.address, &server.admin, kind, &json!({"scope": "x"})).await;
    assert!(wrong.unwrap_err().lasting);
}

#[tokio::test]
async fn credentials_of_a_role_and_of_a_session_are_made() {
    let server = shared().await;
    let kind = "STSSessionToken";
    let role = json!({"role": format!("arn:aws:iam::{ACCOUNT}:role/far"),
        "requestParameters": {"sessionDuration": 900}});
    for (login, more) in [(&server.chained, role), (&server.admin, json!({}))] {
        let values = made(&server.address, login, kind, &more).await.unwrap();
        let keys: Vec<_> = values.keys().map(String::as_str).collect();
        let expected = [
            "access_key_id",
            "expiration",
            "secret_access_key",
            "session_token",
        ];
        assert_eq!(keys, expected);
        assert_ne!(values["access_key_id"], login.id);
        assert!(values["expiration"].parse::<u64>().unwrap() > 1_700_000_000);
    }
    let other = Key {
        secret: "hunter2-wrong".to_owned(),
        ..server.admin.clone()
    };
    let wrong = made(&server.address, &other, kind, &json!({}))
        .await
        .unwrap_err();
    assert!(!wrong.to_string().contains("hunter2"), "{wrong}");
}
