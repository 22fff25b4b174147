//! Push, delete and exists of both services.

use aws_sdk_ssm::types::{ParameterType, ResourceTypeForTagging};
use latchkey::model::push::{Push, Source, Target};
use latchkey::model::remote::RemoteRef;
use latchkey::providers::{Error, ErrorKind, SecretsClient};
use serde_json::{Value, json};

use crate::provider_double::{key, text, texts};
use crate::secrets::{bench, store_of};
use crate::server::{Server, shared};

async fn client(server: &Server, service: &str, more: &Value) -> Box<dyn SecretsClient> {
    let bench = bench(&format!("http://{}", server.address), &server.admin);
    bench.client(&store_of(service, more), 0).await
}

fn target(key: &str, property: &str) -> Target {
    Target {
        key: key.to_owned(),
        property: property.to_owned(),
    }
}

async fn push(
    client: &dyn SecretsClient,
    secret_key: &str,
    target: &Target,
    spec: &Value,
) -> Result<(), Error> {
    let data = [("user", "me"), ("json", r#"{"x":1}"#)];
    let data = data.into_iter();
    let source = Source {
        data: data
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect(),
        ..Source::default()
    };
    let metadata = json!({"spec": spec});
    let push = Push {
        source: &source,
        secret_key,
        target,
        metadata: Some(&metadata),
    };
    client.push(&push).await
}

async fn whole(client: &dyn SecretsClient, name: &str) -> String {
    let value = client.get(&key(name)).await;
    let value = value.expect("what was pushed must be there");
    text(&value).to_owned()
}

#[tokio::test]
async fn what_is_pushed_is_there_whole_and_by_property_and_removed_again() {
    let server = shared().await;
    for (service, name) in [
        ("SecretsManager", "push/app"),
        ("ParameterStore", "/push/app"),
    ] {
        let client = client(server, service, &json!({})).await;
        let client = client.as_ref();
        let none = json!({});
        let at = |property: &str| target(name, property);
        assert!(!client.exists(&at("")).await.unwrap());
        push(client, "user", &at("a"), &none).await.unwrap();
        push(client, "json", &at("b.c"), &none).await.unwrap();
        let both = r#"{"a":"me","b":{"c":"{\"x\":1}"}}"#;
        assert_eq!(whole(client, name).await, both, "{service}");
        assert!(client.exists(&at("b.c")).await.unwrap());
        assert!(!client.exists(&at("d")).await.unwrap());
        client.delete(&at("a")).await.unwrap();
        assert_eq!(whole(client, name).await, r#"{"b":{"c":"{\"x\":1}"}}"#);
        client.delete(&at("b.c")).await.unwrap();
        assert!(!client.exists(&at("")).await.unwrap());
        client.delete(&at("b.c")).await.unwrap();
        let error = client.get(&key(name)).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
    }
}

#[tokio::test]
async fn a_whole_source_is_pushed_as_text() {
    let server = shared().await;
    for (service, name) in [
        ("SecretsManager", "push/whole"),
        ("ParameterStore", "/push/whole"),
    ] {
        let client = client(server, service, &json!({})).await;
        push(client.as_ref(), "", &target(name, ""), &json!({}))
            .await
            .unwrap();
        let value = whole(client.as_ref(), name).await;
        assert_eq!(value, r#"{"json":"{\"x\":1}","user":"me"}"#);
    }
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_neither_written_nor_removed() {
    let server = shared().await;
    server.put("push/theirs", "theirs").await;
    let call = server
        .parameters()
        .put_parameter()
        .name("/push/theirs")
        .value("theirs");
    call.r#type(ParameterType::String).send().await.unwrap();
    for (service, name) in [
        ("SecretsManager", "push/theirs"),
        ("ParameterStore", "/push/theirs"),
    ] {
        let client = client(server, service, &json!({})).await;
        let client = client.as_ref();
        let error = push(client, "user", &target(name, ""), &json!({})).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("managed-by"), "{error}");
        client.delete(&target(name, "")).await.unwrap();
        assert_eq!(whole(client, name).await, "theirs");
    }
}

#[tokio::test]
async fn secrets_manager_keeps_what_the_object_says_of_the_secret() {
    let server = shared().await;
    let client = client(server, "SecretsManager", &json!({})).await;
    let client = client.as_ref();
    let at = target("push/said", "");
    let first = json!({"secretPushFormat": "string", "description": "one", "tags": {"team": "a"}});
    push(client, "user", &at, &first).await.unwrap();
    push(client, "user", &at, &first).await.unwrap();
    let describe = async || {
        let call = server.secrets().describe_secret().secret_id("push/said");
        call.send().await.unwrap()
    };
    let state = describe().await;
    assert_eq!(state.description(), Some("one"));
    let stages = state
        .version_ids_to_stages()
        .map(std::collections::HashMap::len);
    assert_eq!(stages, Some(1), "what stands there is not written again");
    let call = server.secrets().get_secret_value().secret_id("push/said");
    assert_eq!(call.send().await.unwrap().secret_string(), Some("me"));
    let second = json!({"secretPushFormat": "string", "description": "two", "tags": {"env": "b"}});
    push(client, "user", &at, &second).await.unwrap();
    assert_eq!(describe().await.description(), Some("two"));
    let metadata = RemoteRef {
        metadata: true,
        ..key("push/said")
    };
    let tags = client.get_map(&metadata).await.unwrap();
    let expected = [
        ("env", "b"),
        ("managed-by", "external-secrets"),
        ("team", "a"),
    ];
    assert_eq!(texts(&tags), expected);
    let error = push(client, "user", &at, &json!({"secretPushFormt": "string"})).await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_deletion_is_as_the_store_says() {
    let server = shared().await;
    for (name, deletion, is_kept) in [
        ("push/kept", json!({"recoveryWindowInDays": 7}), true),
        (
            "push/forced",
            json!({"forceDeleteWithoutRecovery": true}),
            false,
        ),
    ] {
        let more = json!({"secretsManager": deletion});
        let client = client(server, "SecretsManager", &more).await;
        let client = client.as_ref();
        push(client, "user", &target(name, ""), &json!({}))
            .await
            .unwrap();
        client.delete(&target(name, "")).await.unwrap();
        client.delete(&target(name, "")).await.unwrap();
        let state = server
            .secrets()
            .describe_secret()
            .secret_id(name)
            .send()
            .await;
        assert_eq!(
            state.is_ok_and(|state| state.deleted_date().is_some()),
            is_kept
        );
        if is_kept {
            let error = push(client, "user", &target(name, ""), &json!({})).await;
            let error = error.unwrap_err();
            assert!(
                error.to_string().contains("scheduled for deletion"),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn parameter_store_keeps_what_the_object_says_of_the_parameter() {
    let server = shared().await;
    let client = client(server, "ParameterStore", &json!({})).await;
    let client = client.as_ref();
    let at = target("/push/said", "");
    let spec = |type_: &str, tag: &str| {
        json!({"secretType": type_, "tags": {"team": tag}, "description": "d",
            "tier": {"type": "Advanced"}, "encodeAsDecoded": true})
    };
    push(client, "user", &at, &spec("SecureString", "a"))
        .await
        .unwrap();
    push(client, "user", &at, &spec("SecureString", "b"))
        .await
        .unwrap();
    let read = async || {
        let call = server.parameters().get_parameter().name("/push/said");
        let answer = call.with_decryption(true).send().await.unwrap();
        answer.parameter.unwrap()
    };
    let parameter = read().await;
    assert_eq!(parameter.version(), 1, "tags alone make no version");
    assert_eq!(parameter.r#type(), Some(&ParameterType::SecureString));
    let call = server.parameters().list_tags_for_resource();
    let call = call.resource_type(ResourceTypeForTagging::Parameter);
    let tags = call.resource_id("/push/said").send().await.unwrap();
    let mut tags: Vec<_> = tags
        .tag_list()
        .iter()
        .map(|tag| (tag.key(), tag.value()))
        .collect();
    tags.sort_unstable();
    assert_eq!(tags, [("managed-by", "external-secrets"), ("team", "b")]);
    push(client, "user", &at, &spec("String", "b"))
        .await
        .unwrap();
    assert_eq!(read().await.r#type(), Some(&ParameterType::String));
    let error = push(client, "user", &at, &json!({"secretType": "Text"})).await;
    assert!(error.unwrap_err().to_string().contains("secretType"));
}
