//! Reviews as messages: what is answered to whom.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latchkey::admission::Path;
use latchkey::cluster::authorize::{Authorizer, StoreAccess, Verdict};
use serde_json::{Value, json};

use crate::admission_world::{annotated, review, world, world_where};

const DB: (&str, &str) = ("secret.db", "secret://vault/apps/db");
const LIMIT: Duration = Duration::from_secs(4);

#[tokio::test]
async fn case_34_a_body_that_is_no_review_is_answered_400() {
    let world = world();
    for body in [
        "",
        "{",
        "[]",
        "null",
        r#"{"apiVersion":"admission.k8s.io/v1"}"#,
        r#"{"apiVersion":"admission.k8s.io/v1","request":null}"#,
        r#"{"apiVersion":"admission.k8s.io/v1","request":{"uid":""}}"#,
        r#"{"apiVersion":"admission.k8s.io/v2","request":{"uid":"a"}}"#,
    ] {
        for path in [Path::Mutate, Path::Validate] {
            let reply = world.webhook.reply(path, body.as_bytes(), LIMIT).await;
            assert_eq!(reply.status, 400, "{body}");
            let status: Value = serde_json::from_slice(&reply.body).expect("a Status is JSON");
            assert_eq!(status["kind"], "Status");
        }
    }
    let outcome = world.create(&Value::Null).await;
    assert!(
        outcome.is_allowed(),
        "an object that is null is nobody's business"
    );
}

#[tokio::test]
async fn case_35_the_answer_has_the_version_and_the_uid_of_the_question() {
    let denied = annotated(&[("secret.db", "nonsense")]);
    for version in ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"] {
        for pod in [&annotated(&[DB]), &denied, &json!({"metadata": 3})] {
            let mut review = review("CREATE", pod, &Value::Null);
            review["apiVersion"] = version.into();
            let outcome = world().send(Path::Mutate, &review).await;
            assert_eq!(outcome.http, 200);
            assert_eq!(outcome.body["apiVersion"], version);
            assert_eq!(outcome.body["response"]["uid"], "0f3d8b0e");
        }
    }
}

#[tokio::test]
async fn case_36_without_a_patch_there_is_no_type_of_one() {
    let outcome = world().create(&annotated(&[])).await;
    let response = outcome.body["response"].as_object().expect("it is a map");
    assert!(!response.contains_key("patch") && !response.contains_key("patchType"));
}

#[tokio::test]
async fn case_37_a_panic_is_answered_with_the_uid_and_stays_in_its_request() {
    let world = world_where(|access| {
        assert_ne!(access.account, "unlucky", "planted");
        Verdict::Allowed
    });
    let mut unlucky = annotated(&[DB]);
    unlucky["spec"]["serviceAccountName"] = "unlucky".into();
    let outcome = world.create(&unlucky).await;
    assert!(!outcome.is_allowed());
    assert_eq!(outcome.body["response"]["uid"], "0f3d8b0e");
    assert_eq!(outcome.body["response"]["status"]["code"], 500);
    world.settle(&annotated(&[DB])).await;
}

struct Never;

#[async_trait]
impl Authorizer for Never {
    async fn may_use(&self, _: &StoreAccess) -> Verdict {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn case_38_the_answer_comes_before_the_limit() {
    let mut world = world();
    world.webhook.authorizer = Arc::new(Never);
    let body = review("CREATE", &annotated(&[DB]), &Value::Null).to_string();
    let reply = world
        .webhook
        .reply(Path::Mutate, body.as_bytes(), Duration::from_millis(50))
        .await;
    let answer: Value = serde_json::from_slice(&reply.body).expect("the answer is JSON");
    assert_eq!(answer["response"]["allowed"], true);
    let warnings = answer["response"]["warnings"].to_string();
    assert!(
        warnings.contains("no answer in time") || warnings.contains("the pod"),
        "{warnings}"
    );
}

#[tokio::test]
async fn a_denial_never_quotes_a_value_of_the_pod() {
    let mut pod = annotated(&[DB]);
    pod["spec"]["containers"][0]["env"] = json!([{"name": "P", "value": {"wrong": "hunter2"}}]);
    let outcome = world().create(&pod).await;
    assert!(!outcome.is_allowed());
    assert!(
        !outcome.body.to_string().contains("hunter2"),
        "{}",
        outcome.body
    );
}
