//! Secrets Manager: values, versions, tags, searches, and what they cost.

use std::sync::Arc;

use aws_sdk_secretsmanager::types::Tag;
use aws_smithy_types::Blob;
use futures::future::join_all;
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::model::secret_store::Store;
use latchkey::providers::{AwsEndpoints, ErrorKind, SecretsClient};
use regex::Regex;
use serde_json::json;

use crate::provider_contract;
use crate::provider_double::{Bench, Credentials, key, property, store, text, texts};
use crate::proxy::Proxy;
use crate::server::{ACCOUNT, Key, REGION, Server, shared};

/// Endpoints at one address.
pub(crate) fn at(url: &str) -> AwsEndpoints {
    AwsEndpoints {
        secrets_manager: Some(url.to_owned()),
        ssm: Some(url.to_owned()),
        sts: Some(url.to_owned()),
        ecr: Some(url.to_owned()),
        ecr_public: Some(url.to_owned()),
    }
}

/// A bench that reaches AWS at `url`, and whose Secret `login` has this key.
pub(crate) fn bench(url: &str, key: &Key) -> Bench {
    let credentials = Credentials::with("team/login", "id", &key.id);
    credentials.add("team/login", "key", &format!("{}\n", key.secret));
    Bench::with_aws(at(url), credentials)
}

/// A store of `service` that logs in with the key of Secret `login`.
pub(crate) fn store_of(service: &str, more: &serde_json::Value) -> Arc<Store> {
    let selector = |key: &str| json!({"name": "login", "key": key});
    let mut block = json!({"service": service, "region": REGION, "auth": {"secretRef": {
        "accessKeyIDSecretRef": selector("id"), "secretAccessKeySecretRef": selector("key")}}});
    for (name, value) in more.as_object().expect("must be an object") {
        block[name] = value.clone();
    }
    store(json!({"aws": block}))
}

async fn client(server: &Server, key: &Key, more: &serde_json::Value) -> Box<dyn SecretsClient> {
    let bench = bench(&format!("http://{}", server.address), key);
    bench.client(&store_of("SecretsManager", more), 0).await
}

fn at_version(version: &str, name: &str) -> RemoteRef {
    RemoteRef {
        version: version.to_owned(),
        ..key(name)
    }
}

#[tokio::test]
async fn the_contract_holds() {
    let server = shared().await;
    server.put("word", "hunter2-word").await;
    let app = r#"{"user":"hunter2-user","port":5432}"#;
    server.put("app", app).await;
    let client = client(server, &server.reader, &json!({})).await;
    provider_contract::holds_with_metadata(client.as_ref()).await;
}

#[tokio::test]
async fn versions_are_read_by_stage_and_by_id() {
    let server = shared().await;
    server.put("sm/history", "one").await;
    let call = server.secrets().put_secret_value().secret_id("sm/history");
    let second = call.secret_string("two").send().await.unwrap();
    let call = server.secrets().put_secret_value().secret_id("sm/history");
    let call = call.secret_string("three").version_stages("AWSPENDING");
    call.send().await.unwrap();
    let client = client(server, &server.reader, &json!({})).await;
    let id = format!("uuid/{}", second.version_id().unwrap());
    for (version, expected) in [
        ("", "two"),
        ("AWSCURRENT", "two"),
        ("AWSPREVIOUS", "one"),
        ("AWSPENDING", "three"),
        (id.as_str(), "two"),
    ] {
        let value = client.get(&at_version(version, "sm/history")).await;
        assert_eq!(text(&value.unwrap()), expected, "{version}");
    }
    for version in ["NOSTAGE", "uuid/00000000-0000-4000-8000-000000000000"] {
        let error = client.get(&at_version(version, "sm/history")).await;
        let error = error.unwrap_err();
        assert!(error.is_not_found(), "{version}: {error}");
        assert!(error.to_string().contains(version), "{error}");
    }
}

#[tokio::test]
async fn bytes_dotted_members_arns_and_prefixes_are_read() {
    let server = shared().await;
    let call = server.secrets().create_secret().name("sm/bytes");
    let call = call.secret_binary(Blob::new([0, 159, 146, 150]));
    let made = call.send().await.unwrap();
    let json = r#"{"a.b":"literal","a":{"b":"path","c":[1,2]},"n":1.50}"#;
    server.put("sm/json", json).await;
    let client = client(server, &server.reader, &json!({"prefix": "sm/"})).await;
    let bytes = client.get(&key("bytes")).await.unwrap();
    assert_eq!(bytes.expose(), [0, 159, 146, 150]);
    for (path, expected) in [("a.b", "literal"), ("a.c.1", "2"), ("n", "1.50")] {
        let value = client.get(&property("json", path)).await.unwrap();
        assert_eq!(text(&value), expected);
    }
    let bench = bench(&format!("http://{}", server.address), &server.reader);
    let plain = bench
        .client(&store_of("SecretsManager", &json!({})), 0)
        .await;
    let arn = made.arn().unwrap();
    assert!(arn.contains(ACCOUNT));
    assert_eq!(plain.get(&key(arn)).await.unwrap().len(), 4);
}

#[tokio::test]
async fn tags_are_read_as_metadata() {
    let server = shared().await;
    let tag = Tag::builder().key("team").value("a").build();
    let call = server.secrets().create_secret().name("sm/tagged");
    call.secret_string("x").tags(tag).send().await.unwrap();
    let client = client(server, &server.reader, &json!({})).await;
    let metadata = |name: &str| RemoteRef {
        metadata: true,
        ..key(name)
    };
    let tags = client.get(&metadata("sm/tagged")).await.unwrap();
    assert_eq!(text(&tags), r#"{"team":"a"}"#);
    let tags = client.get_map(&metadata("sm/tagged")).await.unwrap();
    assert_eq!(texts(&tags), [("team", "a")]);
    let error = client.get(&metadata("sm/none")).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test]
async fn secrets_are_found_by_path_name_and_tags_that_belong_together() {
    let server = shared().await;
    for (name, tags) in [
        ("smfind/a/db", [("team", "x"), ("env", "y")]),
        ("smfind/a/web", [("team", "y"), ("env", "x")]),
        ("smfind/b/db", [("team", "x"), ("env", "x")]),
    ] {
        let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
        let call = server
            .secrets()
            .create_secret()
            .name(name)
            .secret_string(name);
        call.set_tags(Some(tags.into())).send().await.unwrap();
    }
    server
        .secrets()
        .create_secret()
        .name("smfind/a/empty")
        .send()
        .await
        .unwrap();
    let client = client(server, &server.reader, &json!({"prefix": "smfind/"})).await;
    let found = async |path: Option<&str>, name: Option<&str>, tags: &[(&str, &str)]| {
        let tags = tags.iter();
        let find = Find {
            path: path.map(str::to_owned),
            name: name.map(|name| Regex::new(name).unwrap()),
            tags: tags
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let found = client.find(&find).await.unwrap();
        found.keys().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = ["smfind/a/db", "smfind/a/web", "smfind/b/db"];
    assert_eq!(
        found(None, None, &[]).await,
        all,
        "the empty one is left out"
    );
    assert_eq!(found(Some("smfind/a/"), None, &[]).await, all[..2]);
    assert_eq!(found(None, Some("/db$"), &[]).await, [all[0], all[2]]);
    let tags = [("team", "x"), ("env", "y")];
    assert_eq!(found(None, None, &tags).await, [all[0]]);
    assert!(found(Some("nowhere/"), None, &[]).await.is_empty());
}

#[tokio::test]
async fn a_secret_scheduled_for_deletion_is_missing_and_says_so() {
    let server = shared().await;
    server.put("sm/gone", "hunter2").await;
    let call = server.secrets().delete_secret().secret_id("sm/gone");
    call.send().await.unwrap();
    let client = client(server, &server.reader, &json!({})).await;
    let error = client.get(&key("sm/gone")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(
        error.to_string().contains("scheduled for deletion"),
        "{error}"
    );
}

#[tokio::test]
async fn a_thousand_reads_of_fifty_secrets_cost_one_login_and_few_calls() {
    let server = shared().await;
    for number in 0..50 {
        let value = json!({"a": number, "b": "x"}).to_string();
        server.put(&format!("smcount/{number}"), &value).await;
    }
    let role = format!("arn:aws:iam::{ACCOUNT}:role/far");
    for (key, singles, batches) in [(&server.chained, 3, 5), (&server.narrow, 50, 5)] {
        let proxy = Proxy::start(&server.address).await;
        let bench = bench(&proxy.url(), key);
        let is_chained = key.id == server.chained.id;
        let more = if is_chained {
            json!({"role": role})
        } else {
            json!({})
        };
        let store = store_of("SecretsManager", &more);
        let gets = (0..1000).map(|number| {
            let (bench, store) = (&bench, &store);
            async move {
                let client = bench.client(store, 0).await;
                let part = if number % 2 == 0 { "a" } else { "b" };
                let name = format!("smcount/{}", number % 50);
                client.get(&property(&name, part)).await
            }
        });
        let got = join_all(gets).await;
        assert!(
            got.iter().all(Result::is_ok),
            "{:?}",
            got.iter().find(|one| one.is_err())
        );
        let (one, many) = (
            proxy.count("GetSecretValue").await,
            proxy.count("BatchGetSecretValue").await,
        );
        assert!(
            one <= singles && many <= batches,
            "{one} reads, {many} shared"
        );
        let logins = proxy.count("AssumeRole").await;
        assert_eq!(logins, usize::from(is_chained));
    }
}
