//! Who may log in, and what a refusal means.

use latchkey::providers::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::provider_double::{key, text};
use crate::proxy::Proxy;
use crate::secrets::{bench, store_of};
use crate::server::{ACCOUNT, EXTERNAL_ID, Key, Server, shared};

async fn read(server: &Server, login: &Key, more: &Value, name: &str) -> Result<String, Error> {
    let bench = bench(&format!("http://{}", server.address), login);
    let client = bench.client(&store_of("SecretsManager", more), 0).await;
    let value = client.get(&key(name)).await;
    value.map(|value| text(&value).to_owned())
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

#[tokio::test]
async fn a_wrong_key_is_denied_and_no_part_of_it_is_told() {
    let server = shared().await;
    server.put("login/wrong", "hunter2").await;
    let wrong = Key {
        secret: "hunter2-wrong".to_owned(),
        ..server.reader.clone()
    };
    let unknown = Key {
        id: "AKIAUNKNOWNUNKNOWN00".to_owned(),
        secret: "hunter2-unknown".to_owned(),
    };
    for login in [wrong, unknown] {
        for more in [json!({}), json!({"role": role("far")})] {
            let error = read(server, &login, &more, "login/wrong").await;
            let error = error.unwrap_err();
            let shown = format!("{error} {error:?}");
            assert_eq!(error.kind, ErrorKind::Denied, "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

#[tokio::test]
async fn an_action_that_no_policy_allows_is_denied_without_a_second_login() {
    let server = shared().await;
    let proxy = Proxy::start(&server.address).await;
    let bench = bench(&proxy.url(), &server.chained);
    let store = store_of("SecretsManager", &json!({"role": role("middle")}));
    for window in 0..5 {
        bench.time.set(window * 60);
        let client = bench.client(&store, window * 60).await;
        let error = client.get(&key("login/denied")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    }
    assert_eq!(proxy.count("AssumeRole").await, 1);
}

#[tokio::test]
async fn roles_are_assumed_one_after_the_other() {
    let server = shared().await;
    server.put("login/chain", "reached").await;
    let proxy = Proxy::start(&server.address).await;
    let bench = bench(&proxy.url(), &server.chained);
    let more = json!({"additionalRoles": [role("middle")], "role": role("far")});
    let client = bench.client(&store_of("SecretsManager", &more), 0).await;
    let value = client.get(&key("login/chain")).await.unwrap();
    assert_eq!(text(&value), "reached");
    assert_eq!(proxy.count("AssumeRole").await, 2);
}

// moto keeps the conditions of a role's trust and does not apply them; what is sent can be seen.
#[tokio::test]
async fn a_guarded_role_is_told_its_external_id() {
    let server = shared().await;
    server.put("login/guarded", "opened").await;
    let proxy = Proxy::start(&server.address).await;
    let bench = bench(&proxy.url(), &server.chained);
    let more = json!({"role": role("guarded"), "externalID": EXTERNAL_ID});
    let client = bench.client(&store_of("SecretsManager", &more), 0).await;
    let value = client.get(&key("login/guarded")).await.unwrap();
    assert_eq!(text(&value), "opened");
    let id = format!("ExternalId={EXTERNAL_ID}");
    assert_eq!(proxy.count_with(&id).await, 1);
}
