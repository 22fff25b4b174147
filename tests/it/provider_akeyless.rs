//! Provider `akeyless` against a double of its API.

use std::sync::Arc;

use latchkey::model::push::Target;
use latchkey::model::remote::Find;
use latchkey::providers::ErrorKind;
use serde_json::{Value, json};

use crate::fakes::{Fake, akeyless};
use crate::provider_contract;
use crate::provider_double::{Bench, Credentials, key, property, push, store, text, texts};
use crate::provider_faults::Subject;

pub(crate) fn subject() -> Subject {
    Subject {
        name: "akeyless",
        router: akeyless::router,
        block,
        credentials,
        reference: || key("word"),
        is_login: |path| path.ends_with("/auth"),
        has_sessions: true,
        missing: ErrorKind::Invalid,
    }
}

fn block(uri: &str) -> Value {
    let selector = |name: &str| json!({"name": name, "key": "v"});
    let keys = json!({"accessID": selector("id"), "accessType": selector("type"),
        "accessTypeParam": selector("param")});
    json!({"akeyless": {"akeylessGWApiURL": uri, "authSecretRef": {"secretRef": keys}}})
}

fn credentials() -> Arc<Credentials> {
    let credentials = Credentials::with("team/id", "v", akeyless::LOGIN[0]);
    credentials.set("team/type", "v", "api_key\n");
    credentials.set("team/param", "v", akeyless::LOGIN[1]);
    credentials
}

async fn start() -> (Fake, Bench) {
    let fake = Fake::start(akeyless::router()).await;
    let bench = Bench::new(&fake.uri, credentials());
    (fake, bench)
}

#[tokio::test]
async fn akeyless_keeps_the_contract_by_key_and_by_service_account() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    provider_contract::holds(client.as_ref()).await;
    assert_eq!(fake.calls("POST", "/auth"), 1);
    let account = json!({"name": "app", "audiences": ["akeyless"]});
    let auth = json!({"kubernetesAuth":
        {"accessID": "p-2", "k8sConfName": "conf", "serviceAccountRef": account}});
    let block = json!({"akeyless": {"akeylessGWApiURL": fake.uri, "authSecretRef": auth}});
    let bench = Bench::new(&fake.uri, credentials());
    let client = bench.client(&store(block), 0).await;
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
}

#[tokio::test]
async fn searches_go_by_folder_and_tag_and_read_in_one_call() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    let in_folder = Find {
        path: Some("/team".to_owned()),
        ..Find::default()
    };
    assert_eq!(
        texts(&client.find(&in_folder).await.unwrap()),
        [("/team/db", "db://x")]
    );
    let tagged = Find {
        tags: [("any".to_owned(), "of-word".to_owned())].into(),
        ..Find::default()
    };
    assert_eq!(
        client
            .find(&tagged)
            .await
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["word"]
    );
    assert_eq!(client.find(&Find::default()).await.unwrap().len(), 3);
    assert_eq!(fake.calls("POST", "/get-secret-value"), 3);
}

#[tokio::test]
async fn what_an_operator_made_is_deleted_and_nothing_else() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    let target = |name: &str, property: &str| Target {
        key: name.to_owned(),
        property: property.to_owned(),
    };
    let new = target("/team/new", "");
    push(client.as_ref(), &new, "hunter2-1").await.unwrap();
    push(client.as_ref(), &new, "hunter2-2").await.unwrap();
    push(client.as_ref(), &new, "hunter2-2").await.unwrap();
    assert_eq!(fake.calls("POST", "/update-secret-val"), 1);
    assert!(client.exists(&new).await.unwrap());
    client.delete(&new).await.unwrap();
    client.delete(&new).await.unwrap();
    assert!(!client.exists(&new).await.unwrap());
    client.delete(&target("word", "")).await.unwrap();
    assert!(client.exists(&target("word", "")).await.unwrap());
    push(client.as_ref(), &target("app", "more"), "x")
        .await
        .unwrap();
    assert_eq!(
        text(&client.get(&property("app", "port")).await.unwrap()),
        "5432"
    );
}

#[tokio::test]
async fn a_kind_of_access_that_needs_a_cloud_is_refused_with_a_sentence() {
    let (fake, bench) = start().await;
    bench.credentials.set("team/type", "v", "aws_iam");
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.to_string().contains("aws_iam"), "{error}");
}
