//! Push, delete and exists.

use latchkey::model::push::{Push, Source, Target};
use latchkey::model::remote::RemoteRef;
use latchkey::providers::{Error, ErrorKind, SecretsClient};
use serde_json::json;

use crate::provider_double::{Bench, Credentials, key, store, text};
use crate::server::{Product, ROOT, Server};

async fn client(server: &Server, path: &str, version: &str) -> Box<dyn SecretsClient> {
    let bench = Bench::new(
        "http://127.0.0.1:1",
        Credentials::with("team/login", "v", ROOT),
    );
    let mut block = json!({"server": server.url, "path": path, "version": version,
        "auth": {"tokenSecretRef": {"name": "login", "key": "v"}}});
    // Stores of OpenBao have no such field.
    if server.product == Product::Vault {
        block["checkAndSet"] = json!({"required": true});
    }
    let store = store(json!({server.product.provider(): block}));
    bench.client(&store, 0).await
}

fn target(key: &str, property: &str) -> Target {
    Target {
        key: key.to_owned(),
        property: property.to_owned(),
    }
}

async fn push(client: &dyn SecretsClient, secret_key: &str, target: &Target) -> Result<(), Error> {
    let data = [("user", "me"), ("json", r#"{"x":1}"#)];
    let data = data.into_iter();
    let source = Source {
        data: data
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect(),
        ..Source::default()
    };
    let push = Push {
        source: &source,
        secret_key,
        target,
        metadata: None,
    };
    client.push(&push).await
}

async fn whole(client: &dyn SecretsClient, name: &str) -> String {
    let value = client.get(&key(name)).await;
    let value = value.expect("what was pushed must be there");
    text(&value).to_owned()
}

on_both_servers!(
    versions_are_written_only_when_something_changes,
    what_was_pushed_is_removed_by_property_and_whole,
    a_secret_of_somebody_else_is_neither_written_nor_removed,
);

async fn versions_are_written_only_when_something_changes(server: &Server) {
    let client = client(server, "secret", "v2").await;
    let client = client.as_ref();
    let at = |property: &str| target("writes/app", property);
    assert!(!client.exists(&at("")).await.unwrap());
    push(client, "user", &at("a")).await.unwrap();
    push(client, "json", &at("b")).await.unwrap();
    push(client, "json", &at("b")).await.unwrap();
    assert_eq!(
        whole(client, "writes/app").await,
        r#"{"a":"me","b":"{\"x\":1}"}"#
    );
    assert!(client.exists(&at("a")).await.unwrap());
    assert!(!client.exists(&at("c")).await.unwrap());
    let metadata = RemoteRef {
        metadata: true,
        ..key("writes/app")
    };
    let members = client.get_map(&metadata).await.unwrap();
    assert_eq!(text(members.get("current_version").unwrap()), "2");
    assert_eq!(text(members.get("managed-by").unwrap()), "external-secrets");
    push(client, "json", &at("")).await.unwrap();
    assert_eq!(whole(client, "writes/app").await, r#"{"x":1}"#);
    let error = push(client, "user", &at("")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    let error = push(client, "none", &at("a")).await.unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}

async fn what_was_pushed_is_removed_by_property_and_whole(server: &Server) {
    for (path, version) in [("secret", "v2"), ("kv1", "v1")] {
        let client = client(server, path, version).await;
        let client = client.as_ref();
        let at = |property: &str| target("writes/old", property);
        push(client, "user", &at("a")).await.unwrap();
        push(client, "user", &at("b")).await.unwrap();
        client.delete(&at("a")).await.unwrap();
        assert!(!client.exists(&at("a")).await.unwrap());
        assert!(client.exists(&at("b")).await.unwrap());
        client.delete(&at("b")).await.unwrap();
        assert!(!client.exists(&at("")).await.unwrap());
        client.delete(&at("b")).await.unwrap();
        let error = client.get(&key("writes/old")).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        push(client, "", &at("")).await.unwrap();
        client.delete(&at("")).await.unwrap();
        assert!(!client.exists(&at("")).await.unwrap());
    }
}

async fn a_secret_of_somebody_else_is_neither_written_nor_removed(server: &Server) {
    server.put("writes/theirs", json!({"a": "theirs"})).await;
    server
        .post("kv1/writes/theirs", json!({"a": "theirs"}))
        .await;
    for (path, version) in [("secret", "v2"), ("kv1", "v1")] {
        let client = client(server, path, version).await;
        let client = client.as_ref();
        let at = target("writes/theirs", "a");
        let error = push(client, "user", &at).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        client.delete(&at).await.unwrap();
        assert_eq!(whole(client, "writes/theirs").await, r#"{"a":"theirs"}"#);
    }
}
