//! What every provider must do, whatever its backend.

use latchkey::model::remote::{Find, RemoteRef};
use latchkey::providers::{Error, ErrorKind, SecretsClient, Validation};
use regex::Regex;

use crate::provider_double::{key, property, text, texts};

/// Part of every value that the backends under test hold.
pub(crate) const SECRET: &str = "hunter2";

/// Runs the suite. The backend must hold the text `hunter2-word` as `word` and an object `app` with
/// `user: hunter2-user` and `port: 5432`, and nothing else whose name begins with `wor`.
pub(crate) async fn holds(client: &dyn SecretsClient) {
    holds_without_find(client).await;
    values_are_found(client).await;
}

/// The suite for a backend that has no list of its secrets.
pub(crate) async fn holds_without_find(client: &dyn SecretsClient) {
    assert_eq!(client.validate().await.unwrap(), Validation::Ready);
    values_are_read(client).await;
    failures_are_told_apart(client, ErrorKind::Invalid).await;
    metadata_is_refused(client).await;
    texts_have_no_members(client).await;
}

/// The suite for a backend whose secrets have tags or labels.
pub(crate) async fn holds_with_metadata(client: &dyn SecretsClient) {
    values_are_found(client).await;
    assert_eq!(client.validate().await.unwrap(), Validation::Ready);
    values_are_read(client).await;
    failures_are_told_apart(client, ErrorKind::Invalid).await;
    texts_have_no_members(client).await;
}

/// The suite for a backend whose secrets are sets of members: `word` is one with a member that a
/// reference without property means.
pub(crate) async fn holds_for_members(client: &dyn SecretsClient) {
    assert_eq!(client.validate().await.unwrap(), Validation::Ready);
    values_are_read(client).await;
    values_are_found(client).await;
    failures_are_told_apart(client, ErrorKind::NotFound).await;
    metadata_is_refused(client).await;
}

async fn values_are_read(client: &dyn SecretsClient) {
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
    let user = client.get(&property("app", "user")).await.unwrap();
    assert_eq!(text(&user), "hunter2-user");
    let port = client.get(&property("app", "port")).await.unwrap();
    assert_eq!(text(&port), "5432");
    let members = client.get_map(&key("app")).await.unwrap();
    assert_eq!(
        texts(&members),
        [("port", "5432"), ("user", "hunter2-user")]
    );
}

async fn values_are_found(client: &dyn SecretsClient) {
    let find = |name: &str| Find {
        name: Some(Regex::new(name).unwrap()),
        ..Find::default()
    };
    let found = client.find(&find("^wor")).await.unwrap();
    assert_eq!(texts(&found), [("word", "hunter2-word")]);
    assert!(client.find(&find("^nothing$")).await.unwrap().is_empty());
}

async fn texts_have_no_members(client: &dyn SecretsClient) {
    let error = client.get_map(&key("word")).await.unwrap_err();
    is_told(&error, ErrorKind::Invalid, "word");
}

async fn metadata_is_refused(client: &dyn SecretsClient) {
    let metadata = RemoteRef {
        metadata: true,
        ..key("word")
    };
    let error = client.get(&metadata).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("metadataPolicy"), "{error}");
}

async fn failures_are_told_apart(client: &dyn SecretsClient, of_a_text: ErrorKind) {
    let failures = [
        (
            client.get(&key("worm")).await.unwrap_err(),
            ErrorKind::NotFound,
            "worm",
        ),
        (
            client.get_map(&key("apps")).await.unwrap_err(),
            ErrorKind::NotFound,
            "apps",
        ),
        (
            client.get(&property("app", "nope")).await.unwrap_err(),
            ErrorKind::NotFound,
            "nope",
        ),
        (
            client.get(&property("word", "x")).await.unwrap_err(),
            of_a_text,
            "word",
        ),
    ];
    for (error, kind, named) in failures {
        is_told(&error, kind, named);
    }
}

fn is_told(error: &Error, kind: ErrorKind, named: &str) {
    let shown = format!("{error} {error:?}");
    assert_eq!(error.kind, kind, "{shown}");
    assert!(shown.contains(named), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
}
