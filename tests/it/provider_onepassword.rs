//! Provider `onepassword` against a double of a Connect server.

use std::sync::Arc;

use futures::future::join_all;
use latchkey::model::push::Target;
use latchkey::model::remote::Find;
use latchkey::providers::ErrorKind;
use regex::Regex;
use serde_json::{Value, json};

use crate::fakes::{Fake, onepassword};
use crate::provider_contract;
use crate::provider_double::{Bench, Credentials, key, property, push, store, text, texts};
use crate::provider_faults::Subject;

pub(crate) fn subject() -> Subject {
    Subject {
        name: "onepassword",
        router: onepassword::router,
        block,
        credentials,
        reference: || key("word"),
        is_login: |_| false,
        has_sessions: false,
        missing: ErrorKind::Invalid,
    }
}

fn block(uri: &str) -> Value {
    let selector = json!({"name": "login", "key": "token"});
    json!({"onepassword": {"connectHost": uri, "vaults": {"more": 2, "main": 1},
        "auth": {"secretRef": {"connectTokenSecretRef": selector}}}})
}

fn credentials() -> Arc<Credentials> {
    Credentials::with("team/login", "token", onepassword::TOKEN)
}

async fn start() -> (Fake, Bench) {
    let fake = Fake::start(onepassword::router()).await;
    let bench = Bench::new(&fake.uri, credentials());
    (fake, bench)
}

#[tokio::test]
async fn onepassword_keeps_the_contract() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    provider_contract::holds_for_members(client.as_ref()).await;
}

#[tokio::test]
async fn a_hundred_gets_of_one_item_cost_one_list_a_level() {
    let (fake, bench) = start().await;
    let store = store(block(&fake.uri));
    let client = bench.client(&store, 0).await;
    let user = property("app", "user");
    for got in join_all((0..100).map(|_| client.get(&user))).await {
        assert_eq!(text(&got.unwrap()), "hunter2-user");
    }
    let paths: Vec<_> = fake
        .seen("GET", "/")
        .iter()
        .map(|one| one.uri.path().len())
        .collect();
    assert_eq!(paths.len(), 3, "vaults, items, item");
}

#[tokio::test]
async fn items_go_by_title_and_id_in_the_order_of_vaults_and_parts_by_kind() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    let get = async |name: &str, part: &str| {
        let value = client.get(&property(name, part)).await;
        value.map(|value| text(&value).to_owned())
    };
    let far = format!("{:a>26}", 'f');
    assert_eq!(get("far", "").await.unwrap(), "far away");
    assert_eq!(get(&far, "field/password").await.unwrap(), "far away");
    assert_eq!(get("doc", "").await.unwrap(), "pem");
    assert_eq!(get("doc", "file/tls.pem").await.unwrap(), "pem");
    assert_eq!(get("twin", "").await.unwrap(), "one");
    assert_eq!(
        get("twin", "same").await.unwrap_err().kind,
        ErrorKind::Invalid
    );
    assert_eq!(
        get("doc", "other").await.unwrap_err().kind,
        ErrorKind::NotFound
    );
    let tagged = Find {
        tags: [("team-a".to_owned(), String::new())].into(),
        ..Find::default()
    };
    let found = client.find(&tagged).await.unwrap();
    assert_eq!(texts(&found), [("password", "far away")]);
    let titled = Find {
        path: Some("app".to_owned()),
        name: Some(Regex::new("po").unwrap()),
        ..Find::default()
    };
    assert_eq!(
        texts(&client.find(&titled).await.unwrap()),
        [("port", "5432")]
    );
}

#[tokio::test]
async fn fields_are_pushed_into_items_and_the_last_takes_its_item_along() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    let target = |property: &str| Target {
        key: "pushed".to_owned(),
        property: property.to_owned(),
    };
    assert!(!client.exists(&target("")).await.unwrap());
    push(client.as_ref(), &target(""), "hunter2-new")
        .await
        .unwrap();
    push(client.as_ref(), &target("user"), "me").await.unwrap();
    push(client.as_ref(), &target("user"), "me").await.unwrap();
    assert_eq!((fake.calls("POST", "/"), fake.calls("PUT", "/")), (1, 1));
    assert_eq!(
        text(&client.get(&key("pushed")).await.unwrap()),
        "hunter2-new"
    );
    assert!(client.exists(&target("user")).await.unwrap());
    client.delete(&target("")).await.unwrap();
    assert!(!client.exists(&target("")).await.unwrap());
    client.delete(&target("user")).await.unwrap();
    client.delete(&target("user")).await.unwrap();
    assert_eq!(fake.calls("DELETE", "/"), 1);
    let gone = client.get(&property("pushed", "user")).await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_vault_that_the_token_may_not_use_is_named() {
    let (fake, bench) = start().await;
    let mut block = block(&fake.uri);
    block["onepassword"]["vaults"] = json!({"main": 1, "hidden": 2});
    let client = bench.client(&store(block), 0).await;
    let error = client.validate().await.unwrap_err();
    assert!(error.to_string().contains("hidden"), "{error}");
    let mut same = self::block(&fake.uri);
    same["onepassword"]["vaults"] = json!({"main": 1, "more": 1});
    assert!(bench.try_client(&store(same), 0).await.is_err());
}
