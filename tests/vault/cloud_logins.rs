//! Logins for which AWS vouches: Vault makes the signed call, and moto checks its signature.

use std::sync::Arc;

use latchkey::providers::{AwsEndpoints, Error, ErrorKind};
use serde_json::{Value, json};
use wiremock::matchers::body_string_contains;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::moto;
use crate::provider_double::{Bench, Credentials, property, store, text};
use crate::server::{Server, shared};

/// What signatures are tied to.
const SERVER_ID: &str = "vault.example.com";

/// A method at `mount` that asks moto, with a role for this identity.
async fn method(server: &Server, mount: &str, identity: &str) {
    let moto = moto::shared().await;
    server
        .post(&format!("sys/auth/{mount}"), json!({"type": "aws"}))
        .await;
    let config = json!({"sts_endpoint": format!("http://{}", moto.address),
        "iam_server_id_header_value": SERVER_ID});
    server
        .post(&format!("auth/{mount}/config/client"), config)
        .await;
    let arn = format!("arn:aws:iam::{}:{identity}", moto::ACCOUNT);
    let role = json!({"auth_type": "iam", "bound_iam_principal_arn": arn,
        "resolve_aws_unique_ids": false, "token_policies": "reader"});
    server.post(&format!("auth/{mount}/role/app"), role).await;
    server.put("logins/aws", json!({"a": "aws"})).await;
}

/// An access key in Secret `aws`.
fn key_of(key: &moto::Key) -> Arc<Credentials> {
    let credentials = Credentials::with("team/aws", "id", &key.id);
    credentials.add("team/aws", "key", &key.secret);
    credentials
}

fn iam(mount: &str, more: &Value) -> Value {
    let part = |key: &str| json!({"name": "aws", "key": key});
    let mut iam = json!({"path": mount, "vaultRole": "app", "vaultAwsIamServerID": SERVER_ID,
        "secretRef": {"accessKeyIDSecretRef": part("id"), "secretAccessKeySecretRef": part("key")}});
    for (name, value) in more.as_object().expect("must be an object") {
        iam[name] = value.clone();
    }
    iam
}

async fn get(credentials: Arc<Credentials>, iam: Value) -> Result<String, Error> {
    let moto = moto::shared().await;
    get_by(format!("http://{}", moto.address), credentials, iam).await
}

/// As [`get`], with another server that hands out the credentials of roles.
async fn get_by(sts: String, credentials: Arc<Credentials>, iam: Value) -> Result<String, Error> {
    let endpoints = AwsEndpoints {
        sts: Some(sts),
        ..AwsEndpoints::default()
    };
    let bench = Bench::with_aws(endpoints, credentials);
    let server = &shared().await.url;
    let block = json!({"server": server, "path": "secret", "auth": {"iam": iam}});
    let client = bench.client(&store(json!({"vault": block})), 0).await;
    let value = client.get(&property("logins/aws", "a")).await;
    value.map(|value| text(&value).to_owned())
}

#[tokio::test]
async fn a_user_of_aws_logs_in_by_a_signature_that_only_the_right_key_makes() {
    let (server, moto) = (shared().await, moto::shared().await);
    method(server, "aws-user", "user/reader").await;
    let block = iam("aws-user", &json!({}));
    let right = get(key_of(&moto.reader), block.clone()).await;
    assert_eq!(right.unwrap(), "aws");
    let mut wrong = moto.reader.clone();
    wrong.secret = moto.narrow.secret.clone();
    let error = get(key_of(&wrong), block.clone()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    let error = get(key_of(&moto.narrow), block).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "another user: {error}");
    let untied = iam("aws-user", &json!({"vaultAwsIamServerID": "elsewhere"}));
    let error = get(key_of(&moto.reader), untied).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "another server: {error}");
}

#[tokio::test]
async fn a_role_that_is_assumed_with_an_external_id_logs_in() {
    let (server, moto) = (shared().await, moto::shared().await);
    method(server, "aws-role", "role/guarded").await;
    let arn = format!("arn:aws:iam::{}:role/guarded", moto::ACCOUNT);
    let more = json!({"role": arn, "externalID": moto::EXTERNAL_ID, "region": moto::REGION});
    let got = get(key_of(&moto.chained), iam("aws-role", &more)).await;
    assert_eq!(got.unwrap(), "aws");
}

/// Hands out moto's credentials of role `far` for a token of a ServiceAccount: moto itself, told to check
/// signatures, fails at the one call that has none.
async fn token_service() -> MockServer {
    let of_role = moto::shared().await.assume("far").await;
    let answer = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}\
         </SecretAccessKey><SessionToken>{}</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>\
         </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        of_role.access_key_id, of_role.secret_access_key, of_role.session_token
    );
    let server = MockServer::start().await;
    Mock::given(body_string_contains("Action=AssumeRoleWithWebIdentity"))
        .and(body_string_contains("role%2Ffar"))
        .and(body_string_contains("WebIdentityToken="))
        .respond_with(ResponseTemplate::new(200).set_body_raw(answer, "text/xml"))
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn a_service_account_logs_in_with_the_role_of_its_annotation() {
    let server = shared().await;
    method(server, "aws-account", "role/far").await;
    let credentials = Credentials::default();
    let arn = format!("arn:aws:iam::{}:role/far", moto::ACCOUNT);
    let annotation = [("eks.amazonaws.com/role-arn".to_owned(), arn)].into();
    {
        let annotations = credentials.annotations.lock();
        let mut annotations = annotations.expect("nobody may have panicked");
        annotations.insert("team/web".to_owned(), annotation);
    }
    let more = json!({"secretRef": null, "jwt": {"serviceAccountRef": {"name": "web"}}});
    let sts = token_service().await;
    let got = get_by(sts.uri(), Arc::new(credentials), iam("aws-account", &more)).await;
    assert_eq!(got.unwrap(), "aws");
}

#[tokio::test]
async fn a_refused_role_is_told_by_its_field() {
    let (server, moto) = (shared().await, moto::shared().await);
    method(server, "aws-refused", "role/guarded").await;
    let arn = format!("arn:aws:iam::{}:role/guarded", moto::ACCOUNT);
    let block = iam("aws-refused", &json!({"role": arn}));
    let error = get(key_of(&moto.narrow), block).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(
        error.to_string().starts_with("vault: auth.iam: "),
        "{error}"
    );
}
