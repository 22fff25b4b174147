//! Parameter Store: values, versions, labels, tags, searches, and what they cost.

use aws_sdk_ssm::types::{ParameterType, Tag};
use futures::future::join_all;
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::providers::{ErrorKind, SecretsClient};
use regex::Regex;
use serde_json::{Value, json};

use crate::provider_contract;
use crate::provider_double::{key, property, text, texts};
use crate::proxy::Proxy;
use crate::secrets::{bench, store_of};
use crate::server::{Key, Server, shared};

async fn put(server: &Server, name: &str, value: &str, type_: ParameterType) {
    let call = server.parameters().put_parameter().name(name).value(value);
    let made = call.r#type(type_).overwrite(true).send().await;
    made.expect("the administrator must be able to make a parameter");
}

async fn client(server: &Server, login: &Key, more: &Value) -> Box<dyn SecretsClient> {
    let bench = bench(&format!("http://{}", server.address), login);
    bench.client(&store_of("ParameterStore", more), 0).await
}

#[tokio::test]
async fn the_contract_holds() {
    let server = shared().await;
    put(server, "word", "hunter2-word", ParameterType::SecureString).await;
    let app = r#"{"user":"hunter2-user","port":5432}"#;
    put(server, "app", app, ParameterType::String).await;
    // A search by path sees names without a slash too, and a list finds them where it may not.
    for login in [&server.reader, &server.narrow] {
        let client = client(server, login, &json!({})).await;
        provider_contract::holds_with_metadata(client.as_ref()).await;
    }
}

#[tokio::test]
async fn versions_and_labels_are_read_decrypted() {
    let server = shared().await;
    for value in ["one", "two", "three"] {
        put(server, "/ps/history", value, ParameterType::SecureString).await;
    }
    let call = server.parameters().label_parameter_version();
    let call = call
        .name("/ps/history")
        .parameter_version(2)
        .labels("stable");
    call.send().await.unwrap();
    let client = client(server, &server.reader, &json!({})).await;
    let version = |version: &str| RemoteRef {
        version: version.to_owned(),
        ..key("/ps/history")
    };
    for (asked, expected) in [("", "three"), ("1", "one"), ("stable", "two")] {
        let value = client.get(&version(asked)).await.unwrap();
        assert_eq!(text(&value), expected, "{asked}");
    }
    for asked in ["9", "nolabel"] {
        let error = client.get(&version(asked)).await.unwrap_err();
        assert!(error.is_not_found(), "{asked}: {error}");
    }
}

#[tokio::test]
async fn prefixes_and_tags_are_read() {
    let server = shared().await;
    let tag = Tag::builder().key("team").value("a").build().unwrap();
    let call = server
        .parameters()
        .put_parameter()
        .name("/ps/tagged")
        .value("x");
    let call = call.r#type(ParameterType::String).tags(tag);
    call.send().await.unwrap();
    let client = client(server, &server.reader, &json!({"prefix": "/ps/"})).await;
    assert_eq!(text(&client.get(&key("tagged")).await.unwrap()), "x");
    let metadata = |name: &str| RemoteRef {
        metadata: true,
        ..key(name)
    };
    let tags = client.get_map(&metadata("tagged")).await.unwrap();
    assert_eq!(texts(&tags), [("team", "a")]);
    let error = client.get(&metadata("none")).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test]
async fn parameters_are_found_by_path_name_and_tag() {
    let server = shared().await;
    for (name, tag) in [
        ("/psfind/a/db", "x"),
        ("/psfind/a/web", "y"),
        ("/psfind/b/db", "x"),
    ] {
        let tag = Tag::builder().key("psfind").value(tag).build().unwrap();
        let call = server.parameters().put_parameter().name(name).value(name);
        let call = call.r#type(ParameterType::String).tags(tag);
        call.send().await.unwrap();
    }
    let client = client(server, &server.reader, &json!({"prefix": "/psfind/"})).await;
    let found = async |path: Option<&str>, name: Option<&str>, tag: Option<&str>| {
        let find = Find {
            path: path.map(str::to_owned),
            name: name.map(|name| Regex::new(name).unwrap()),
            tags: tag
                .map(|tag| ("psfind".to_owned(), tag.to_owned()))
                .into_iter()
                .collect(),
        };
        let found = client.find(&find).await.unwrap();
        found.keys().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = ["/psfind/a/db", "/psfind/a/web", "/psfind/b/db"];
    assert_eq!(found(None, None, None).await, all);
    assert_eq!(found(Some("/psfind/a"), None, None).await, all[..2]);
    assert_eq!(found(None, Some("/db$"), None).await, [all[0], all[2]]);
    assert_eq!(found(None, None, Some("x")).await, [all[0], all[2]]);
    assert_eq!(found(Some("/psfind/a"), None, Some("x")).await, [all[0]]);
}

#[tokio::test]
async fn a_wrong_key_is_denied() {
    let server = shared().await;
    let wrong = Key {
        secret: "hunter2-wrong".to_owned(),
        ..server.reader.clone()
    };
    let client = client(server, &wrong, &json!({})).await;
    let error = client.get(&key("/ps/tagged")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn a_thousand_reads_of_fifty_parameters_cost_few_calls() {
    let server = shared().await;
    for number in 0..50 {
        let value = json!({"a": number, "b": "x"}).to_string();
        let name = format!("/pscount/{number}");
        put(server, &name, &value, ParameterType::SecureString).await;
    }
    let proxy = Proxy::start(&server.address).await;
    let bench = bench(&proxy.url(), &server.reader);
    let store = store_of("ParameterStore", &json!({}));
    let gets = (0..1000).map(|number| {
        let (bench, store) = (&bench, &store);
        async move {
            let client = bench.client(store, 0).await;
            let part = if number % 2 == 0 { "a" } else { "b" };
            let name = format!("/pscount/{}", number % 50);
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
        proxy.count("GetParameter").await,
        proxy.count("GetParameters").await,
    );
    assert!(one <= 5 && many <= 8, "{one} reads, {many} shared");
}
