//! What goes wrong with Secret Manager, and what it is taken for.

use std::time::Duration;

use latchkey::providers::ErrorKind;
use serde_json::json;

use crate::cloud_bench::{CloudBench, set};
use crate::clouds::tokens::Issuer;
use crate::clouds::{Answer, Fault};
use crate::provider_double::{key, store, text};
use crate::provider_gcpsm::{EMAIL, key_of, prepared, put, with_key};

#[tokio::test]
async fn each_failure_has_its_kind_and_time_and_names_no_value() {
    let refused = |status, code| Fault::Answer(Answer::google(status, code, "some words"));
    let busy = Answer::google(429, "RESOURCE_EXHAUSTED", "quota").with("retry-after", "17");
    let cases = [
        (refused(400, "INVALID_ARGUMENT"), ErrorKind::Invalid, None),
        (refused(403, "PERMISSION_DENIED"), ErrorKind::Denied, None),
        (refused(404, "NOT_FOUND"), ErrorKind::NotFound, None),
        (
            Fault::Answer(Answer::text(404, "<html>")),
            ErrorKind::Unavailable,
            None,
        ),
        (Fault::Answer(busy), ErrorKind::Throttled, Some(17)),
        (refused(500, "INTERNAL"), ErrorKind::Unavailable, None),
        (Fault::Silence, ErrorKind::Unavailable, None),
        (Fault::Reset, ErrorKind::Unavailable, None),
        (Fault::Cut, ErrorKind::Unavailable, None),
    ];
    for (fault, kind, seconds) in cases {
        let is_silent = matches!(fault, Fault::Silence);
        let bench = CloudBench::with(|http| {
            if is_silent {
                (http.timeout, http.retries) = (Duration::from_secs(2), 0);
            }
        })
        .await;
        let store = prepared(&bench, &json!({}));
        put(&bench, "word", "hunter2-word", &json!({}));
        bench.client(&store, 0).await.validate().await.unwrap();
        bench.world.fail("/v1/projects", 3, fault.clone());
        let client = bench.client(&store, 0).await;
        let error = client.get(&key("word")).await.unwrap_err();
        assert_eq!(error.kind, kind, "{fault:?}: {error}");
        assert_eq!(
            error.retry_after,
            seconds.map(Duration::from_secs),
            "{error}"
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunt"), "{shown}");
        bench.world.mend();
        let client = bench.client(&store, 60).await;
        assert_eq!(
            text(&client.get(&key("word")).await.unwrap()),
            "hunter2-word"
        );
    }
}

#[tokio::test]
async fn a_forged_key_is_denied_and_not_sent_again() {
    let (bench, store) = with_key().await;
    let forged = key_of(&Issuer::stranger());
    set(&bench.cluster.secrets, "team/gcp", &[("key", &forged)]);
    for second in [0, 1, 2, 3] {
        let client = bench.client(&store, second).await;
        let error = client.get(&key("word")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert!(
            error.to_string().contains("invalid_grant") && error.to_string().contains(EMAIL),
            "{error}"
        );
    }
    assert_eq!(bench.world.calls("/token").len(), 1);
}

#[tokio::test]
async fn a_token_that_ends_early_is_replaced_once() {
    let (bench, store) = with_key().await;
    put(&bench, "word", "hunter2-word", &json!({}));
    bench
        .client(&store, 0)
        .await
        .get(&key("word"))
        .await
        .unwrap();
    let ended = Answer::google(401, "UNAUTHENTICATED", "ended");
    bench.world.fail("/v1/projects", 1, Fault::Answer(ended));
    let client = bench.client(&store, 100).await;
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
    assert_eq!(bench.world.calls("/token").len(), 2);
}

#[tokio::test]
async fn a_wrong_token_is_denied_whatever_is_wrong_with_it() {
    let (own, forged) = (Issuer::shared(), Issuer::stranger());
    let tokens = [
        own.sign(&json!({"aud": "another", "sub": EMAIL, "exp": 1_003_600})),
        own.sign(&json!({"aud": "google", "sub": EMAIL, "exp": 999_999})),
        own.sign(&json!({"aud": "google", "sub": "other@tenant", "exp": 1_003_600})),
        forged.sign(&json!({"aud": "google", "sub": EMAIL, "exp": 1_003_600})),
    ];
    for token in tokens {
        let (bench, store) = with_key().await;
        let granted = json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"});
        bench
            .world
            .fail("/token", 9, Fault::Answer(Answer::ok(&granted)));
        let client = bench.client(&store, 0).await;
        let error = client.get(&key("word")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert!(!error.to_string().contains(&token), "{error}");
        assert_eq!(bench.world.calls("/token").len(), 1);
    }
}

#[tokio::test]
async fn a_store_that_cannot_work_says_which_field() {
    let (bench, _) = with_key().await;
    let federation =
        |inner| json!({"projectID": "p", "auth": {"workloadIdentityFederation": inner}});
    let cases = [
        (json!({"projectID": "p/../q"}), "projectID"),
        (
            json!({"projectID": "p", "location": "a.evil.org/"}),
            "location",
        ),
        (
            json!({"projectID": "p", "secretVersionSelectionPolicy": "Newest"}),
            "secretVersionSelectionPolicy",
        ),
        (
            json!({"auth": {"secretRef": {"secretAccessKeySecretRef": {"name": "a", "key": "b"}}}}),
            "projectID",
        ),
        (federation(json!({})), "serviceAccountRef"),
        (
            federation(json!({"serviceAccountRef": {"name": "a"}})),
            "audience",
        ),
    ];
    for (block, field) in cases {
        let wrong = store(json!({"gcpsm": block}));
        let error = bench.client_in(&wrong, "team", 0).await.err();
        let error = error.expect("must be refused");
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.to_string().contains(field), "{error}");
    }
    let store = prepared(&bench, &json!({}));
    let damaged = r#"{"type":"service_account","private_key":"hunter2"}"#;
    set(&bench.cluster.secrets, "team/gcp", &[("key", damaged)]);
    let client = bench.client(&store, 0).await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
