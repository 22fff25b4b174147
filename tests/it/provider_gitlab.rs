//! Provider `gitlab` against a double of GitLab.

use std::sync::Arc;

use latchkey::model::remote::Find;
use latchkey::providers::ErrorKind;
use regex::Regex;
use serde_json::{Value, json};

use crate::fakes::{Fake, gitlab};
use crate::provider_contract;
use crate::provider_double::{Bench, Credentials, key, store, text, texts};
use crate::provider_faults::Subject;

pub(crate) fn subject() -> Subject {
    Subject {
        name: "gitlab",
        router: gitlab::router,
        block,
        credentials,
        reference: || key("word"),
        is_login: |_| false,
        has_sessions: false,
        missing: ErrorKind::Invalid,
    }
}

fn block(uri: &str) -> Value {
    json!({"gitlab": {"url": uri, "projectID": "7",
        "auth": {"SecretRef": {"accessToken": {"name": "login", "key": "token"}}}}})
}

fn credentials() -> Arc<Credentials> {
    Credentials::with("team/login", "token", gitlab::TOKEN)
}

async fn start() -> (Fake, Bench) {
    let fake = Fake::start(gitlab::router()).await;
    let bench = Bench::new(&fake.uri, credentials());
    (fake, bench)
}

#[tokio::test]
async fn gitlab_keeps_the_contract_with_one_list() {
    let (fake, bench) = start().await;
    let mut block = block(&fake.uri);
    block["gitlab"]["projectID"] = json!("acme/app");
    let client = bench.client(&store(block), 0).await;
    // A variable that is hidden fails a search that wants it; this one does not.
    provider_contract::holds(client.as_ref()).await;
    assert_eq!(fake.calls("GET", "/"), 3, "three pages, once");
}

#[tokio::test]
async fn the_project_goes_before_inner_groups_and_a_scope_before_all() {
    let (fake, bench) = start().await;
    let mut block = block(&fake.uri);
    block["gitlab"]["inheritFromGroups"] = json!(true);
    block["gitlab"]["environment"] = json!("prod");
    let client = bench.client(&store(block.clone()), 0).await;
    let get = async |name: &str| text(&client.get(&key(name)).await.unwrap()).to_owned();
    assert_eq!(get("OF-GROUP").await, "inner");
    assert_eq!(get("OTHER-A").await, "prod");
    assert_eq!(get("EMPTY").await, "");
    let find = Find {
        name: Some(Regex::new("^O").unwrap()),
        ..Find::default()
    };
    let found = client.find(&find).await.unwrap();
    assert_eq!(texts(&found), [("OF_GROUP", "inner"), ("OTHER_A", "prod")]);
    block["gitlab"]["environment"] = json!("test");
    let client = bench.client(&store(block), 0).await;
    assert_eq!(text(&client.get(&key("OTHER_A")).await.unwrap()), "all");
}

#[tokio::test]
async fn a_search_by_scope_and_what_it_cannot_do() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    let by = |tag: &str, path: Option<&str>| Find {
        name: Some(Regex::new("^OTHER").unwrap()),
        path: path.map(str::to_owned),
        tags: [(tag.to_owned(), "prod".to_owned())].into(),
    };
    let found = client.find(&by("environment_scope", None)).await.unwrap();
    assert_eq!(texts(&found), [("OTHER_A", "prod")]);
    for refused in [by("team", None), by("environment_scope", Some("x"))] {
        let error = client.find(&refused).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
    }
    let error = client.get(&key("SHY")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("hidden"), "{error}");
    let other = json!({"gitlab": {"url": fake.uri, "projectID": "8",
        "auth": {"SecretRef": {"accessToken": {"name": "login", "key": "token"}}}}});
    let error = bench
        .client(&store(other), 0)
        .await
        .validate()
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("projectID"), "{error}");
}
