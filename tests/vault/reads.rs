//! Values, metadata, versions, searches, and what they cost the server.

use std::sync::Arc;

use futures::future::join_all;
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::model::secret_store::Store;
use latchkey::providers::{ErrorKind, Validation};
use regex::Regex;
use serde_json::{Value, json};

use crate::provider_double::{Bench, Credentials, key, property, store, text, texts};
use crate::server::{ROOT, Server};

/// Credentials and a store that reads as root.
fn world(server: &Server, path: &str, version: &str) -> (Bench, Arc<Store>) {
    let credentials = Credentials::with("team/login", "v", ROOT);
    let bench = Bench::new("http://127.0.0.1:1", credentials);
    let block = json!({"server": server.url, "path": path, "version": version,
        "auth": {"tokenSecretRef": {"name": "login", "key": "v"}}});
    let store = store(json!({server.product.provider(): block}));
    (bench, store)
}

fn at_version(version: &str, reference: RemoteRef) -> RemoteRef {
    RemoteRef {
        version: version.to_owned(),
        ..reference
    }
}

on_both_servers!(
    both_engine_versions_are_read,
    versions_and_metadata_are_read_and_a_deleted_version_is_missing,
    secrets_are_found_in_folders_by_name_and_by_tag,
    a_wrong_mount_or_engine_version_is_no_missing_secret,
    the_server_logs_one_login_and_fifty_reads_for_a_thousand_gets,
);

async fn both_engine_versions_are_read(server: &Server) {
    let data = json!({"user": "me", "port": 5432, "deep": {"a": ["x", "y"]}});
    server.put("reads/app", data.clone()).await;
    server.post("kv1/reads/app", data).await;
    for (path, version) in [("secret", "v2"), ("kv1", "v1")] {
        let (bench, store) = world(server, path, version);
        let client = bench.client(&store, 0).await;
        assert_eq!(client.validate().await.unwrap(), Validation::Ready);
        let whole = client.get(&key("reads/app")).await.unwrap();
        let expected = r#"{"deep":{"a":["x","y"]},"port":5432,"user":"me"}"#;
        assert_eq!(text(&whole), expected);
        let deep = client
            .get(&property("reads/app", "deep.a.1"))
            .await
            .unwrap();
        assert_eq!(text(&deep), "y");
        let members = client.get_map(&key("reads/app")).await.unwrap();
        let expected = [
            ("deep", r#"{"a":["x","y"]}"#),
            ("port", "5432"),
            ("user", "me"),
        ];
        assert_eq!(texts(&members), expected);
        for missing in [key("reads/none"), property("reads/app", "none")] {
            let error = client.get(&missing).await.unwrap_err();
            assert!(error.is_not_found(), "{error}");
        }
    }
}

async fn versions_and_metadata_are_read_and_a_deleted_version_is_missing(server: &Server) {
    let metadata = json!({"custom_metadata": {"team": "a"}});
    server.post("secret/metadata/history", metadata).await;
    for value in ["one", "two", "three"] {
        server.put("history", json!({"value": value})).await;
    }
    server
        .post("secret/delete/history", json!({"versions": [2]}))
        .await;
    let (bench, store) = world(server, "secret", "v2");
    let client = bench.client(&store, 0).await;
    let reference = property("history", "value");
    let first = client
        .get(&at_version("1", reference.clone()))
        .await
        .unwrap();
    assert_eq!(text(&first), "one");
    assert_eq!(text(&client.get(&reference).await.unwrap()), "three");
    let deleted = client.get(&at_version("2", reference)).await.unwrap_err();
    assert!(deleted.is_not_found(), "{deleted}");
    let metadata = RemoteRef {
        metadata: true,
        ..key("history")
    };
    let members = client.get_map(&metadata).await.unwrap();
    assert_eq!(text(members.get("team").unwrap()), "a");
    assert_eq!(text(members.get("current_version").unwrap()), "3");
    let (bench, store) = world(server, "kv1", "v1");
    let client = bench.client(&store, 0).await;
    let error = client.get(&metadata).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
}

async fn secrets_are_found_in_folders_by_name_and_by_tag(server: &Server) {
    for (name, tag) in [
        ("a/db", "x"),
        ("a/b/db", "y"),
        ("a/b/web", "x"),
        ("a/gone", "x"),
    ] {
        let metadata = json!({"custom_metadata": {"tag": tag}});
        server
            .post(&format!("secret/metadata/find/{name}"), metadata)
            .await;
        server
            .put(&format!("find/{name}"), json!({"n": name}))
            .await;
        server
            .post(&format!("kv1/find/{name}"), json!({"n": name}))
            .await;
    }
    server
        .post("secret/delete/find/a/gone", json!({"versions": [1]}))
        .await;
    let find = |name: Option<&str>, tag: Option<&str>| Find {
        path: Some("find".to_owned()),
        name: name.map(|name| Regex::new(name).unwrap()),
        tags: tag
            .map(|tag| ("tag".to_owned(), tag.to_owned()))
            .into_iter()
            .collect(),
    };
    let (bench, store) = world(server, "secret", "v2");
    let client = bench.client(&store, 0).await;
    let found = client.find(&find(Some("/db$"), None)).await.unwrap();
    let expected = [
        ("find/a/b/db", r#"{"n":"a/b/db"}"#),
        ("find/a/db", r#"{"n":"a/db"}"#),
    ];
    assert_eq!(texts(&found), expected);
    let found = client.find(&find(None, Some("x"))).await.unwrap();
    let names: Vec<_> = found.keys().collect();
    assert_eq!(
        names,
        ["find/a/b/web", "find/a/db"],
        "the deleted one is left out"
    );
    let nowhere = Find {
        path: Some("nowhere".to_owned()),
        ..Find::default()
    };
    assert!(client.find(&nowhere).await.unwrap().is_empty());
    let (bench, store) = world(server, "kv1", "v1");
    let client = bench.client(&store, 0).await;
    assert_eq!(client.find(&find(None, None)).await.unwrap().len(), 4);
}

async fn a_wrong_mount_or_engine_version_is_no_missing_secret(server: &Server) {
    server.put("reads/there", json!({"a": "b"})).await;
    for (path, version) in [("nowhere", "v2"), ("nowhere", "v1"), ("secret", "v1")] {
        let (bench, store) = world(server, path, version);
        let client = bench.client(&store, 0).await;
        let error = client.get(&key("reads/there")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{path} {version}: {error}");
    }
}

async fn the_server_logs_one_login_and_fifty_reads_for_a_thousand_gets(server: &Server) {
    for number in 0..50 {
        let data: Value = json!({"a": number, "b": "x"});
        server.put(&format!("count/{number}"), data).await;
    }
    let (role, secret) = server.role("approle", "count").await;
    let bench = Bench::new(
        "http://127.0.0.1:1",
        Credentials::with("team/login", "v", &secret),
    );
    let auth = json!({"appRole": {"path": "approle", "roleId": role,
        "secretRef": {"name": "login", "key": "v"}}});
    let block = json!({"server": server.url, "path": "secret", "auth": auth});
    let store = store(json!({server.product.provider(): block}));
    let gets = (0..1000).map(|number| {
        let (bench, store) = (&bench, &store);
        async move {
            let client = bench.client(store, 0).await;
            let part = if number % 2 == 0 { "a" } else { "b" };
            client
                .get(&property(&format!("count/{}", number % 50), part))
                .await
        }
    });
    assert!(join_all(gets).await.iter().all(Result::is_ok));
    assert_eq!(server.logged_reads("secret/data/count/"), 50);
    assert_eq!(server.logged_logins(&role), 1);
}
