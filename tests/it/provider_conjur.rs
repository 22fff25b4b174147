//! Provider `conjur` against a double of Conjur.

use std::sync::Arc;

use latchkey::model::remote::{Find, RemoteRef};
use latchkey::providers::ErrorKind;
use serde_json::{Value, json};

use crate::fakes::{Fake, conjur};
use crate::provider_contract;
use crate::provider_double::{Bench, Credentials, key, store, text, texts};
use crate::provider_faults::Subject;

pub(crate) fn subject() -> Subject {
    Subject {
        name: "conjur",
        router: conjur::router,
        block,
        credentials,
        reference: || key("word"),
        is_login: |path| path.ends_with("/authenticate"),
        has_sessions: true,
        missing: ErrorKind::Invalid,
    }
}

fn block(uri: &str) -> Value {
    let selector = |name: &str| json!({"name": name, "key": "v"});
    json!({"conjur": {"url": uri, "auth": {"apikey": {"account": "acme",
        "userRef": selector("user"), "apiKeyRef": selector("key")}}}})
}

fn credentials() -> Arc<Credentials> {
    let credentials = Credentials::with("team/user", "v", conjur::LOGIN[0]);
    credentials.set("team/key", "v", &format!("{}\n", conjur::LOGIN[1]));
    credentials
}

async fn start() -> (Fake, Bench) {
    let fake = Fake::start(conjur::router()).await;
    let bench = Bench::new(&fake.uri, credentials());
    (fake, bench)
}

#[tokio::test]
async fn conjur_keeps_the_contract_by_key_and_by_jwt() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    provider_contract::holds(client.as_ref()).await;
    assert_eq!(fake.calls("POST", "/authn/"), 1);
    let account = json!({"name": "app", "audiences": ["conjur"]});
    let jwt = json!({"account": "acme", "serviceID": "k8s", "serviceAccountRef": account});
    let jwt = json!({"conjur": {"url": fake.uri, "auth": {"jwt": jwt}}});
    let bench = Bench::new(&fake.uri, credentials());
    let client = bench.client(&store(jwt), 0).await;
    provider_contract::holds(client.as_ref()).await;
    assert_eq!(fake.calls("POST", "/authn-jwt/"), 1);
}

#[tokio::test]
async fn a_login_serves_for_its_eight_minutes() {
    let (fake, bench) = start().await;
    let store = store(block(&fake.uri));
    for seconds in (0..3600).step_by(60) {
        bench.time.set(seconds);
        let client = bench.client(&store, seconds).await;
        client.get(&key("word")).await.unwrap();
    }
    assert_eq!(fake.calls("POST", "/authn/"), 8, "each 480 s");
}

#[tokio::test]
async fn a_search_reads_in_batches_and_leaves_out_what_has_no_value() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    let by = |name: &str| Find {
        name: Some(regex::Regex::new(name).unwrap()),
        ..Find::default()
    };
    let found = client.find(&by("^(word|app)$")).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(fake.calls("GET", "/secrets"), 1);
    let tagged = Find {
        tags: [("team".to_owned(), "a".to_owned())].into(),
        ..Find::default()
    };
    let found = client.find(&tagged).await.unwrap();
    assert_eq!(texts(&found), [("apps/db/password", "deep")]);
    let old = RemoteRef {
        version: "1".to_owned(),
        ..key("word")
    };
    assert_eq!(text(&client.get(&old).await.unwrap()), "first");
    let wrong = RemoteRef {
        version: "new".to_owned(),
        ..key("word")
    };
    assert_eq!(
        client.get(&wrong).await.unwrap_err().kind,
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_not_sent_again_at_once() {
    let (fake, bench) = start().await;
    bench.credentials.set("team/key", "v", "hunter2-wrong");
    let store = store(block(&fake.uri));
    for _ in 0..5 {
        let error = bench.client(&store, 0).await.validate().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert_eq!(fake.calls("POST", "/"), 1);
}
