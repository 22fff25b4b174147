//! Provider `infisical` against a double of Infisical.

use std::sync::Arc;

use latchkey::model::push::Target;
use latchkey::model::remote::Find;
use latchkey::providers::{ErrorKind, Validation};
use serde_json::{Value, json};

use crate::fakes::{Fake, infisical};
use crate::provider_contract;
use crate::provider_double::{Bench, Credentials, key, property, push, store, text};
use crate::provider_faults::Subject;

pub(crate) fn subject() -> Subject {
    Subject {
        name: "infisical",
        router: infisical::router,
        block,
        credentials,
        reference: || key("word"),
        is_login: |path| path.ends_with("/login"),
        has_sessions: true,
        missing: ErrorKind::Invalid,
    }
}

fn block(uri: &str) -> Value {
    let selector = |name: &str| json!({"name": name, "key": "v"});
    let login = json!({"clientId": selector("id"), "clientSecret": selector("secret")});
    json!({"infisical": {"hostAPI": uri,
        "secretsScope": {"projectSlug": "app", "environmentSlug": "dev"},
        "auth": {"universalAuthCredentials": login}}})
}

fn credentials() -> Arc<Credentials> {
    let credentials = Credentials::with("team/id", "v", infisical::CLIENT[0]);
    credentials.set("team/secret", "v", infisical::CLIENT[1]);
    credentials.set("team/jwt", "v", "hunter2-jwt\n");
    credentials.set("team/identity", "v", "id-1");
    credentials
}

async fn start() -> (Fake, Bench) {
    let fake = Fake::start(infisical::router()).await;
    let bench = Bench::new(&fake.uri, credentials());
    (fake, bench)
}

#[tokio::test]
async fn infisical_keeps_the_contract_with_one_login_and_one_list() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    provider_contract::holds(client.as_ref()).await;
    assert_eq!((fake.calls("POST", "/"), fake.calls("GET", "/")), (1, 1));
}

#[tokio::test]
async fn other_methods_log_in_or_are_refused_with_a_sentence() {
    let (fake, bench) = start().await;
    let selector = |name: &str| json!({"name": name, "key": "v"});
    let mut jwt = block(&fake.uri);
    let login = json!({"identityId": selector("identity"), "jwt": selector("jwt")});
    jwt["infisical"]["auth"] = json!({"jwtAuthCredentials": login});
    let client = bench.client(&store(jwt.clone()), 0).await;
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
    for (field, login) in [
        (
            "awsAuthCredentials",
            json!({"identityId": selector("identity")}),
        ),
        (
            "kubernetesAuthCredentials",
            json!({"identityId": selector("identity")}),
        ),
    ] {
        jwt["infisical"]["auth"] = json!({field: login});
        let error = bench.try_client(&store(jwt.clone()), 0).await;
        let error = error.map(|_| ()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[tokio::test]
async fn folders_are_searched_and_what_cannot_be_listed_is_read_one_by_one() {
    let (fake, bench) = start().await;
    let mut block = block(&fake.uri);
    let client = bench.client(&store(block.clone()), 0).await;
    let get = async |name: &str| client.get(&key(name)).await;
    assert_eq!(text(&get("db/URL").await.unwrap()), "db://x");
    assert_eq!(text(&get("/db/URL").await.unwrap()), "db://x");
    assert_eq!(text(&get("closed/A").await.unwrap()), "one by one");
    assert_eq!(
        get("nowhere/A").await.unwrap_err().kind,
        ErrorKind::NotFound
    );
    block["infisical"]["secretsScope"]["recursive"] = json!(true);
    let client = bench.client(&store(block.clone()), 0).await;
    let find = Find {
        path: Some("/db".to_owned()),
        ..Find::default()
    };
    let found = client.find(&find).await.unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["URL"]);
    block["infisical"]["secretsScope"]["secretsPath"] = json!("/closed");
    let client = bench.client(&store(block.clone()), 0).await;
    assert_eq!(client.validate().await.unwrap(), Validation::Unknown);
    assert_eq!(
        client.find(&find).await.unwrap_err().kind,
        ErrorKind::Denied
    );
    block["infisical"]["secretsScope"] = json!({"projectSlug": "app", "environmentSlug": "nope"});
    let client = bench.client(&store(block), 0).await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Invalid,
        "a missing environment is no missing secret"
    );
}

#[tokio::test]
async fn secrets_are_made_changed_and_deleted() {
    let (fake, bench) = start().await;
    let client = bench.client(&store(block(&fake.uri)), 0).await;
    let target = |name: &str, property: &str| Target {
        key: name.to_owned(),
        property: property.to_owned(),
    };
    let whole = target("db/NEW", "");
    push(client.as_ref(), &whole, "hunter2-1").await.unwrap();
    push(client.as_ref(), &whole, "hunter2-1").await.unwrap();
    push(client.as_ref(), &whole, "hunter2-2").await.unwrap();
    assert_eq!(
        text(&client.get(&key("db/NEW")).await.unwrap()),
        "hunter2-2"
    );
    let writes = fake.calls("POST", "/api/v3/") + fake.calls("PATCH", "/");
    assert_eq!(writes, 2, "what stands is not written");
    let member = target("app", "user");
    push(client.as_ref(), &member, "you").await.unwrap();
    assert_eq!(
        text(&client.get(&property("app", "user")).await.unwrap()),
        "you"
    );
    client.delete(&member).await.unwrap();
    assert!(!client.exists(&member).await.unwrap());
    assert!(client.exists(&target("app", "port")).await.unwrap());
    client.delete(&whole).await.unwrap();
    client.delete(&whole).await.unwrap();
    assert!(!client.exists(&whole).await.unwrap());
}
