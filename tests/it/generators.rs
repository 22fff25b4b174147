//! Generators that ask a server, against doubles of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use latchkey::generators::{Context, Error, Made, generate, take_back};
use latchkey::model::controller_class::ControllerClass;
use latchkey::providers::{Options, Registry};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::provider_double::{Credentials, text};

fn context(credentials: Arc<Credentials>) -> Context {
    Context {
        namespace: "team".to_owned(),
        secrets: credentials,
        registry: Arc::new(Registry::new(&Options::default()).unwrap()),
        now: Timestamp::from_second(1_700_000_000).unwrap(),
        controller_class: ControllerClass::default(),
    }
}

fn token() -> Context {
    context(Credentials::with("team/login", "token", "hunter2"))
}

async fn answer(
    server: &MockServer,
    verb: &str,
    at: &str,
    credential: (&str, &str),
    status: u16,
    body: Value,
) {
    Mock::given(method(verb))
        .and(path(at))
        .and(header(credential.0, credential.1))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}

fn texts(made: &Made) -> BTreeMap<&str, &str> {
    let values = made.values.iter();
    values.map(|(key, value)| (key, text(value))).collect()
}

fn refused(made: Result<Made, Error>) -> Error {
    let error = made.err().unwrap();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    error
}

/// A token that says when it ends.
fn jwt(second: i64) -> String {
    let claims = URL_SAFE_NO_PAD.encode(json!({"exp": second}).to_string());
    format!("e30.{claims}.c2ln")
}

fn rsa_key() -> (String, Vec<u8>) {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    assert!(PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).is_ok());
    (pem, pair.public_key().as_ref().to_vec())
}

#[tokio::test]
async fn github_gives_an_installation_token_for_a_signed_one() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/app/installations/42/access_tokens"))
        .and(body_json(
            json!({"permissions": {"contents": "read"}, "repositories": ["one"]}),
        ))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"token": "ghs_x"})))
        .mount(&server)
        .await;
    let (pem, public) = rsa_key();
    let context = context(Credentials::with("team/login", "token", &pem));
    let spec = json!({
        "appID": "7", "installID": "42", "url": server.uri(),
        "permissions": {"contents": "read"}, "repositories": ["one"],
        "auth": {"privateKey": {"secretRef": {"name": "login", "key": "token"}}},
    });
    let made = generate("GithubAccessToken", spec, &context).await.unwrap();
    assert_eq!(texts(&made), [("token", "ghs_x")].into());
    assert!(made.state.is_null());

    let asked = server.received_requests().await.unwrap().remove(0);
    let login = asked.headers["authorization"].to_str().unwrap();
    let (signed, signature) = login
        .strip_prefix("Bearer ")
        .and_then(|token| token.rsplit_once('.'))
        .unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(signed.as_bytes(), &signature)
        .unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(signed.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        claims,
        json!({"iss": "7", "iat": 1_699_999_940, "exp": 1_700_000_300})
    );
}

#[tokio::test]
async fn quay_and_cloudsmith_take_the_token_of_the_service_account() {
    let server = MockServer::start().await;
    let of_account = "team/robot/quay/600";
    let basic = format!("Basic {}", STANDARD.encode(format!("org+bot:{of_account}")));
    let at = "/oauth2/federation/robot/token";
    let answered = json!({"token": jwt(1_700_003_600)});
    answer(
        &server,
        "GET",
        at,
        ("authorization", &basic),
        200,
        answered.clone(),
    )
    .await;
    let spec = json!({
        "robotAccount": "org+bot", "url": server.uri(),
        "serviceAccountRef": {"name": "robot", "audiences": ["quay"]},
    });
    let made = generate("QuayAccessToken", spec, &token()).await.unwrap();
    let values = texts(&made);
    let auth = format!("org+bot:{}", jwt(1_700_003_600));
    assert_eq!(values["auth"], STANDARD.encode(auth));
    assert_eq!(values["expiry"], "1700003600");
    assert_eq!(values["registry"], server.uri());

    Mock::given(method("POST"))
        .and(path("/openid/acme/"))
        .and(body_json(
            json!({"oidc_token": of_account, "service_slug": "ci"}),
        ))
        .respond_with(ResponseTemplate::new(201).set_body_json(answered))
        .mount(&server)
        .await;
    let spec = json!({
        "apiUrl": server.uri(), "orgSlug": "acme", "serviceSlug": "ci",
        "serviceAccountRef": {"name": "robot", "audiences": ["quay"]},
    });
    let made = generate("CloudsmithAccessToken", spec, &token()).await;
    let made = made.unwrap();
    let auth = format!("token:{}", jwt(1_700_003_600));
    assert_eq!(texts(&made)["auth"], STANDARD.encode(auth));
}

#[tokio::test]
async fn a_dynamic_secret_of_beyondtrust_is_made_in_its_folder() {
    const SITE: &str = "5f0c3c1e-9d0b-4a3e-8f53-0a4c1f4c7a10";
    let server = MockServer::start().await;
    let answers = [
        (
            "aws",
            201,
            json!({"secret": {
                "accessKeyId": "AKIA", "secretAccessKey": "s", "sessionToken": "",
                "leaseId": "l", "expiration": "2026-01-01T00:00:00Z", "more": 1,
            }}),
        ),
        (
            "azure",
            200,
            json!({"secret": {"clientId": "c", "ttl": 60}}),
        ),
        ("gone", 404, json!({"error": "no such secret"})),
    ];
    for (name, status, body) in answers {
        Mock::given(method("POST"))
            .and(path(format!(
                "/site/{SITE}/secrets/dynamic/{name}/generate"
            )))
            .and(query_param("folder", "team/prod"))
            .and(header("authorization", "Bearer hunter2"))
            .and(header("bt-secrets-api-version", "2026-04-28"))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(&server)
            .await;
    }
    let made = |name: &'static str| {
        let spec = json!({"provider": {
            "auth": {"apikey": {"token": {"name": "login", "key": "token"}}},
            "server": {"apiUrl": format!("{}/site", server.uri()), "siteId": SITE},
            "folderPath": format!("team/prod/{name}"),
        }});
        async move {
            let kind = "BeyondtrustWorkloadCredentialsDynamicSecret";
            generate(kind, spec, &token()).await
        }
    };
    let aws = made("aws").await.unwrap();
    let expected = [
        ("accessKeyId", "AKIA"),
        ("secretAccessKey", "s"),
        ("leaseId", "l"),
        ("expiration", "2026-01-01T00:00:00Z"),
    ];
    assert_eq!(texts(&aws), expected.into());
    let azure = made("azure").await.unwrap();
    assert_eq!(texts(&azure), [("clientId", "c"), ("ttl", "60")].into());
    let error = refused(made("gone").await);
    assert!(
        error.message.ends_with("HTTP 404: no such secret"),
        "{error}"
    );
}

#[tokio::test]
async fn a_deploy_token_of_gitlab_is_made_and_revoked() {
    let server = MockServer::start().await;
    let login = ("private-token", "hunter2");
    let at = "/api/v4/projects/group%2Fapp/deploy_tokens";
    let answered = json!({"id": 5, "username": "gitlab+deploy-token-5", "token": "gldt"});
    answer(&server, "POST", at, login, 201, answered).await;
    answer(
        &server,
        "DELETE",
        &format!("{at}/5"),
        login,
        204,
        Value::Null,
    )
    .await;
    let spec = json!({
        "url": server.uri(), "projectID": "group/app", "name": "ci", "scopes": ["read_registry"],
        "auth": {"token": {"secretRef": {"name": "login", "key": "token"}}},
    });
    let made = generate("GitlabDeployToken", spec.clone(), &token()).await;
    let made = made.unwrap();
    assert_eq!(texts(&made)["token"], "gldt");
    take_back("GitlabDeployToken", spec.clone(), &made.state, &token())
        .await
        .unwrap();
    let gone = json!({"id": 6});
    take_back("GitlabDeployToken", spec.clone(), &gone, &token())
        .await
        .expect("what is gone is taken back");
    let unknown = take_back("GitlabDeployToken", spec, &json!({}), &token()).await;
    assert!(unknown.unwrap_err().lasting);
}

#[tokio::test]
async fn a_token_of_grafana_is_of_the_account_that_is_there() {
    let server = MockServer::start().await;
    let login = ("authorization", "Bearer hunter2");
    let at = "/api/serviceaccounts";
    let taken = json!({"message": "service account already exists"});
    answer(&server, "POST", at, login, 400, taken).await;
    Mock::given(method("GET"))
        .and(path("/api/serviceaccounts/search"))
        .and(query_param("query", "ci"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"serviceAccounts": [
            {"id": 1, "name": "ci-old", "login": "sa-1"}, {"id": 2, "name": "ci", "login": "sa-2"}]})))
        .mount(&server)
        .await;
    let tokens = "/api/serviceaccounts/2/tokens";
    let answered = json!({"id": 9, "key": "glsa"});
    answer(&server, "POST", tokens, login, 200, answered).await;
    answer(
        &server,
        "DELETE",
        &format!("{tokens}/9"),
        login,
        200,
        json!({}),
    )
    .await;
    let spec = json!({
        "url": server.uri(), "serviceAccount": {"name": "ci", "role": "Viewer"},
        "auth": {"token": {"name": "login", "key": "token"}},
    });
    let made = generate("Grafana", spec.clone(), &token()).await.unwrap();
    assert_eq!(texts(&made), [("login", "sa-2"), ("token", "glsa")].into());
    assert_eq!(
        made.state,
        json!({"serviceAccount": {"id": 2, "login": "sa-2", "tokenID": 9}})
    );
    take_back("Grafana", spec, &made.state, &token())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_refusal_names_what_was_asked_and_shows_no_credential() {
    let server = MockServer::start().await;
    let body = json!({"message": "Bad credentials"});
    let busy = ResponseTemplate::new(429)
        .insert_header("retry-after", "7")
        .set_body_json(json!({}));
    Mock::given(method("POST"))
        .and(path("/api/v4/groups/1/deploy_tokens"))
        .respond_with(ResponseTemplate::new(401).set_body_json(body))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/api/v4/groups/2/deploy_tokens"))
        .respond_with(busy)
        .mount(&server)
        .await;
    let spec = |group: &str| {
        json!({
            "url": server.uri(), "groupID": group, "name": "ci", "scopes": ["read_registry"],
            "auth": {"token": {"secretRef": {"name": "login", "key": "token"}}},
        })
    };
    let denied = refused(generate("GitlabDeployToken", spec("1"), &token()).await);
    assert!(denied.message.contains("Bad credentials"), "{denied}");
    assert!(denied.message.contains("deploy token"), "{denied}");
    let throttled = refused(generate("GitlabDeployToken", spec("2"), &token()).await);
    assert_eq!(throttled.retry_after.map(|wait| wait.as_secs()), Some(7));

    let mut elsewhere = spec("1");
    elsewhere["url"] = "ftp://x".into();
    let wrong = refused(generate("GitlabDeployToken", elsewhere, &token()).await);
    assert!(
        wrong.lasting && wrong.message.contains("spec.url"),
        "{wrong}"
    );
}
