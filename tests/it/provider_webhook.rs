//! Provider and generator `webhook` against an HTTP API of somebody's own.

use std::sync::Arc;

use latchkey::generators;
use latchkey::model::controller_class::ControllerClass;
use latchkey::model::push::{Push, Source, Target};
use latchkey::model::remote::Find;
use latchkey::providers::{ErrorKind, Options, Registry, Validation};
use serde_json::{Value, json};

use crate::fakes::{Fake, Fault, webhook};
use crate::provider_contract::{self, SECRET};
use crate::provider_double::{Bench, Credentials, key, property, store, text, texts};
use crate::provider_faults::Subject;

pub(crate) fn subject() -> Subject {
    Subject {
        name: "webhook",
        router: webhook::router,
        block: |uri| json!({"webhook": block(uri)}),
        credentials,
        reference: || key("word"),
        is_login: |_| false,
        has_sessions: false,
        missing: ErrorKind::NotFound,
    }
}

fn block(uri: &str) -> Value {
    json!({
        "url": format!("{uri}/doc/{{{{ .remoteRef.key }}}}"),
        "headers": {"X-Token": "{{ .auth.token | trim }}"},
        "result": {"jsonPath": "{{ with .remoteRef.property }}$.{{ . }}{{ end }}"},
        "secrets": [{"name": "auth", "secretRef": {"name": "login"}}],
    })
}

fn credentials() -> Arc<Credentials> {
    Credentials::with("team/login", "token", webhook::TOKEN)
}

async fn start() -> (Fake, Bench) {
    let fake = Fake::start(webhook::router()).await;
    let bench = Bench::new(&fake.uri, credentials());
    (fake, bench)
}

#[tokio::test]
async fn webhook_keeps_the_contract() {
    let (fake, bench) = start().await;
    let client = bench
        .client(&store(json!({"webhook": block(&fake.uri)})), 0)
        .await;
    provider_contract::holds_without_find(client.as_ref()).await;
    let error = client.find(&Find::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert_eq!(fake.calls("HEAD", "/"), 1);
    assert_eq!(
        fake.seen("HEAD", "/")[0].header("x-token"),
        "",
        "no credentials"
    );
}

#[tokio::test]
async fn properties_of_one_document_cost_one_call_and_keep_their_digits() {
    let (fake, bench) = start().await;
    let store = store(json!({"webhook": block(&fake.uri)}));
    for name in ["a", "b", "big"] {
        let client = bench.client(&store, 0).await;
        let value = client.get(&property("large", name)).await.unwrap();
        if name == "big" {
            assert_eq!(text(&value), "12345678901234567890");
        }
    }
    assert_eq!(fake.calls("GET", "/doc/large"), 1);
    bench.time.set(100);
    let client = bench.client(&store, 100).await;
    client.get(&property("large", "a")).await.unwrap();
    assert_eq!(fake.calls("GET", "/doc/large"), 2);
}

#[tokio::test]
async fn what_is_rendered_is_escaped_in_the_url_alone() {
    let (fake, bench) = start().await;
    let mut block = block(&fake.uri);
    block["url"] = json!(format!(
        "{}/doc/x?k={{{{ .remoteRef.key }}}}&n={{{{ .remoteRef.namespace }}}}",
        fake.uri
    ));
    block["method"] = json!("post");
    block["body"] = json!(r#"{"key": {{ .remoteRef.key | toJson }}}"#);
    block["headers"]["X-Key"] = json!("{{ .remoteRef.key }}");
    let client = bench.client(&store(json!({"webhook": block})), 0).await;
    client.get(&key("a b&c/é")).await.ok();
    let seen = fake.seen("POST", "/doc/x").remove(0);
    assert_eq!(seen.uri.query(), Some("k=a+b%26c%2F%C3%A9&n=team"));
    assert_eq!(seen.json(), json!({"key": "a b&c/é"}));
}

#[tokio::test]
async fn values_are_pushed_looked_for_and_deleted() {
    let (fake, bench) = start().await;
    let client = bench
        .client(&store(json!({"webhook": block(&fake.uri)})), 0)
        .await;
    let source = Source {
        data: [("k".to_owned(), "hunter2-new".into())]
            .into_iter()
            .collect(),
        ..Source::default()
    };
    let target = Target {
        key: "new-one".to_owned(),
        ..Target::default()
    };
    let push = Push {
        source: &source,
        secret_key: "k",
        target: &target,
        metadata: None,
    };
    assert!(!client.exists(&target).await.unwrap());
    client.push(&push).await.unwrap();
    assert!(client.exists(&target).await.unwrap());
    let value = client.get(&key("new-one")).await.unwrap();
    assert_eq!(text(&value), "hunter2-new");
    client.delete(&target).await.unwrap();
    client.delete(&target).await.unwrap();
    assert!(!client.exists(&target).await.unwrap());
}

#[tokio::test]
async fn a_body_template_sees_the_pushed_value_and_its_names() {
    let (fake, bench) = start().await;
    let mut block = block(&fake.uri);
    block["method"] = json!("PUT");
    block["body"] = json!(
        r#"{{ .remoteRef.remoteKey }}/{{ .remoteRef.secretKey }}={{ index .remoteRef "a-b" }}"#
    );
    let client = bench.client(&store(json!({"webhook": block})), 0).await;
    let source = Source {
        data: [("k".to_owned(), "v".into())].into_iter().collect(),
        ..Source::default()
    };
    let target = Target {
        key: "a-b".to_owned(),
        ..Target::default()
    };
    let push = Push {
        source: &source,
        secret_key: "k",
        target: &target,
        metadata: None,
    };
    client.push(&push).await.unwrap_err();
    assert_eq!(&fake.seen("PUT", "/doc/a-b")[0].body[..], b"a-b/k=v");
}

#[tokio::test]
async fn a_store_that_cannot_work_is_told_what_to_change() {
    let bench = Bench::new("http://127.0.0.1:1", credentials());
    let ntlm = json!({"ntlm": {"usernameSecret": {}, "passwordSecret": {}}});
    for (block, named) in [
        (json!({"url": ""}), "url"),
        (json!({"url": "http://h/{{ .x"}), "url"),
        (json!({"url": "http://h", "timeout": "soon"}), "timeout"),
        (json!({"url": "http://h", "timeout": "0s"}), "timeout"),
        (json!({"url": "http://h", "method": "a b"}), "method"),
        (json!({"url": "http://h", "auth": ntlm}), "NTLM"),
        (json!({"url": "http://h", "body": "{{ nope }}"}), "body"),
        (
            json!({"url": "http://h", "caProvider": {"type": "Secret", "name": "ca", "namespace": "n"}}),
            "caProvider",
        ),
    ] {
        let store = store(json!({"webhook": block}));
        let provider = bench.registry.provider(&store).unwrap();
        let error = provider.check(&store).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn the_metadata_service_is_not_reached() {
    let bench = Bench::new("http://127.0.0.1:1", credentials());
    let store = store(json!({"webhook": {"url": "http://169.254.169.254/{{ .remoteRef.key }}"}}));
    let client = bench.client(&store, 0).await;
    for error in [
        client.get(&key("latest")).await.map(|_| ()).unwrap_err(),
        client.validate().await.map(|_| ()).unwrap_err(),
    ] {
        assert!(error.to_string().contains("link-local"), "{error}");
    }
}

#[tokio::test]
async fn a_secret_without_the_label_is_not_sent_anywhere() {
    let (fake, bench) = start().await;
    bench.credentials.set("team/plain", "token", webhook::TOKEN);
    let mut block = block(&fake.uri);
    block["secrets"][0]["secretRef"]["name"] = json!("plain");
    let client = bench.client(&store(json!({"webhook": block})), 0).await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("external-secrets.io/type: webhook"),
        "{error}"
    );
    assert_eq!(fake.calls("GET", "/"), 0);
}

#[tokio::test]
async fn a_host_that_a_template_names_cannot_be_validated_and_304_is_an_error() {
    let (fake, bench) = start().await;
    let named = store(json!({"webhook": {"url": "http://{{ .remoteRef.key }}/x"}}));
    let client = bench.client(&named, 0).await;
    assert_eq!(client.validate().await.unwrap(), Validation::Unknown);
    fake.fail(Some(Fault::new(304, |_| false)));
    let client = bench
        .client(&store(json!({"webhook": block(&fake.uri)})), 0)
        .await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert!(error.to_string().contains("304"), "{error}");
}

#[tokio::test]
async fn the_generator_gives_the_members_of_the_answer() {
    let fake = Fake::start(webhook::router()).await;
    let made = async |spec: Value| {
        let context = generators::Context {
            namespace: "team".to_owned(),
            secrets: credentials(),
            registry: Arc::new(Registry::new(&Options::default()).unwrap()),
            now: jiff::Timestamp::UNIX_EPOCH,
            controller_class: ControllerClass::default(),
        };
        let made = generators::generate("Webhook", spec, &context).await;
        made.map(|made| made.values)
    };
    let mut spec = block(&fake.uri);
    spec["url"] = json!(format!("{}/doc/large", fake.uri));
    spec["result"] = json!({});
    let values = made(spec.clone()).await.unwrap();
    let expected = [("a", "x"), ("b", "2"), ("big", "12345678901234567890")];
    assert_eq!(texts(&values), expected);
    spec["result"] = json!({"jsonPath": "$.nope"});
    let error = made(spec.clone()).await.unwrap_err();
    assert!(error.lasting && error.message.contains("$.nope"), "{error}");
    spec["url"] = json!(format!("{}/doc/none", fake.uri));
    let error = made(spec).await.unwrap_err();
    assert!(
        error.message.contains("404") && !error.message.contains(SECRET),
        "{error}"
    );
}
