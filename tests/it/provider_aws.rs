//! Provider `aws` against a double of the services: what failures mean, who logs in, what is sent.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use latchkey::api::meta::StoreKind;
use latchkey::model::secret_store::Store;
use latchkey::providers::{AwsEndpoints, Error, ErrorKind, Validation};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wiremock::matchers::{body_string_contains, header, header_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::provider_contract::SECRET;
use crate::provider_double::{Bench, Credentials, key, store, store_of, text};

const READ: &str = "secretsmanager.GetSecretValue";
const ROLE: &str = "arn:aws:iam::123456789012:role/app";

struct Aws {
    server: MockServer,
    bench: Bench,
    store: Arc<Store>,
}

fn at(url: &str) -> AwsEndpoints {
    AwsEndpoints {
        secrets_manager: Some(url.to_owned()),
        ssm: Some(url.to_owned()),
        sts: Some(url.to_owned()),
        ..AwsEndpoints::default()
    }
}

fn credentials() -> Arc<Credentials> {
    let credentials = Credentials::with("team/login", "id", "AKID");
    credentials.add("team/login", "key", "hunter2-key\n");
    credentials
}

fn block(more: &Value) -> Value {
    let selector = |key: &str| json!({"name": "login", "key": key});
    let mut block = json!({"service": "SecretsManager", "region": "eu-west-1", "auth": {"secretRef":
        {"accessKeyIDSecretRef": selector("id"), "secretAccessKeySecretRef": selector("key")}}});
    for (name, value) in more.as_object().expect("must be an object") {
        block[name] = value.clone();
    }
    json!({"aws": block})
}

fn value(text: &str) -> ResponseTemplate {
    let body = json!({"Name": "app", "SecretString": text});
    ResponseTemplate::new(200).set_body_json(body)
}

fn refusal(status: u16, code: &str, words: &str) -> ResponseTemplate {
    let body = json!({"__type": code, "Message": words});
    ResponseTemplate::new(status).set_body_json(body)
}

/// An answer of STS; sessions end an hour after the begin of the test's time.
fn granted(action: &str, token: &str) -> ResponseTemplate {
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <Credentials><AccessKeyId>ASIA{token}</AccessKeyId>\
         <SecretAccessKey>hunter2-role</SecretAccessKey><SessionToken>{token}</SessionToken>\
         <Expiration>1970-01-12T14:46:40Z</Expiration></Credentials>\
         </{action}Result></{action}Response>"
    );
    ResponseTemplate::new(200).set_body_raw(body, "text/xml")
}

impl Aws {
    async fn with(more: &Value) -> Self {
        let server = MockServer::start().await;
        let bench = Bench::with_aws(at(&server.uri()), credentials());
        Self {
            server,
            bench,
            store: store(block(more)),
        }
    }

    async fn serve(&self, target: &str, answer: ResponseTemplate) {
        let mock = Mock::given(header("x-amz-target", target)).respond_with(answer);
        mock.mount(&self.server).await;
    }

    async fn grant(&self, action: &str, token: &str, times: u64) {
        Mock::given(body_string_contains(format!("Action={action}&")))
            .respond_with(granted(action, token))
            .up_to_n_times(times)
            .mount(&self.server)
            .await;
    }

    async fn requests(&self, wanted: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.unwrap_or_default();
        let is_it = |request: &Request| {
            let target = request.headers.get("x-amz-target");
            target.is_some_and(|target| target == wanted)
                || String::from_utf8_lossy(&request.body).contains(&format!("Action={wanted}&"))
        };
        all.into_iter().filter(is_it).collect()
    }

    async fn get(&self, second: u64, name: &str) -> Result<String, Error> {
        self.bench.time.set(second);
        let client = self.bench.client(&self.store, second).await;
        let value = client.get(&key(name)).await;
        value.map(|value| text(&value).to_owned())
    }
}

/// Answers that say what is wrong, with what they mean.
fn refusals() -> Vec<(ResponseTemplate, ErrorKind)> {
    let marked = "You can't perform this operation because it was marked for deletion.";
    let leak = "Value 'hunter2' at 'secretId' failed to satisfy constraint";
    let xml = "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>";
    let forbidden = ResponseTemplate::new(403).set_body_raw(xml, "text/xml");
    let coded = [
        ("AccessDeniedException", "User x may not", ErrorKind::Denied),
        ("UnrecognizedClientException", "hunter2", ErrorKind::Denied),
        ("DecryptionFailure", "no key", ErrorKind::Denied),
        ("ResourceNotFoundException", "gone", ErrorKind::NotFound),
        ("InvalidRequestException", marked, ErrorKind::NotFound),
        ("InvalidRequestException", "rotating", ErrorKind::Invalid),
        ("ValidationException", leak, ErrorKind::Invalid),
    ];
    let coded = coded.map(|(code, words, kind)| (refusal(400, code, words), kind));
    let forbidden = (forbidden, ErrorKind::Denied);
    coded.into_iter().chain([forbidden]).collect()
}

#[tokio::test]
async fn each_fault_has_its_kind_and_its_wait() {
    let throttling = || refusal(400, "ThrottlingException", "Rate exceeded");
    let html = |status| ResponseTemplate::new(status).set_body_raw("<html>", "text/html");
    let cut = ResponseTemplate::new(200);
    let cut = cut.set_body_raw("{\"SecretString\": \"hunt", "application/json");
    let told = throttling().insert_header("retry-after", "17");
    let faults = [
        (throttling(), ErrorKind::Throttled, Some(10)),
        (told, ErrorKind::Throttled, Some(17)),
        (ResponseTemplate::new(429), ErrorKind::Throttled, Some(10)),
        (
            refusal(500, "InternalServiceError", ""),
            ErrorKind::Unavailable,
            None,
        ),
        (html(503), ErrorKind::Unavailable, None),
        (html(404), ErrorKind::Invalid, None),
        (cut, ErrorKind::Unavailable, None),
    ];
    let refusals = refusals().into_iter();
    let table = refusals.map(|(answer, kind)| (answer, kind, None));
    for (answer, kind, wait) in table.chain(faults) {
        let shown = format!("{answer:?}");
        let aws = Aws::with(&json!({})).await;
        aws.serve(READ, answer).await;
        let error = aws.get(0, "app").await.unwrap_err();
        let got = (error.kind, error.retry_after);
        assert_eq!(
            got,
            (kind, wait.map(Duration::from_secs)),
            "{shown} {error}"
        );
        assert!(error.to_string().contains("app"), "{error}");
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    }
}

/// Reads `app` from a server that answers each connection with these bytes, after TLS if it is told.
async fn read_from(reply: &'static [u8], tls: Option<tokio_rustls::TlsAcceptor>) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port must be free");
    let address = listener.local_addr().expect("the port must be known");
    let scheme = if tls.is_some() { "https" } else { "http" };
    let serve = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("must accept");
            if let Some(tls) = &tls {
                tls.accept(stream).await.map(drop).ok();
                continue;
            }
            let mut request = [0; 16];
            stream.read_exact(&mut request).await.ok();
            stream.write_all(reply).await.ok();
        }
    });
    let bench = Bench::with_aws(at(&format!("{scheme}://{address}")), credentials());
    let client = bench.client(&store(block(&json!({}))), 0).await;
    let error = client.get(&key("app")).await;
    serve.abort();
    error.map(drop).expect_err("there is no answer")
}

#[tokio::test]
async fn no_answer_is_unavailable_whether_slow_cut_short_or_none() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 500\r\n\r\n{\"S";
    for reply in [b"".as_slice(), cut] {
        let error = read_from(reply, None).await;
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    }
    let aws = Aws::with(&json!({})).await;
    let slow = value("x").set_delay(Duration::from_mins(1));
    aws.serve(READ, slow).await;
    let endpoints = at(&aws.server.uri());
    let hurried = Bench::with(
        "http://127.0.0.1:1",
        credentials(),
        Duration::from_millis(200),
        endpoints,
    );
    let client = hurried.client(&aws.store, 0).await;
    let error = client.get(&key("app")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("in time"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_nobody_known_is_unavailable_and_says_why() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let pair = (
        made.cert.der().clone(),
        rustls_pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()),
    );
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.0], pair.1)
        .unwrap();
    let error = read_from(b"", Some(Arc::new(config).into())).await;
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_session_that_ends_between_two_reads_is_replaced_once_for_all() {
    let aws = Aws::with(&json!({"role": ROLE})).await;
    aws.grant("AssumeRole", "one", 1).await;
    aws.grant("AssumeRole", "two", 9).await;
    for (token, answer) in [
        ("one", refusal(400, "ExpiredTokenException", "expired")),
        ("two", value("hunter2")),
    ] {
        let mock = Mock::given(header("x-amz-security-token", token)).respond_with(answer);
        mock.mount(&aws.server).await;
    }
    aws.bench.time.set(100);
    let client = aws.bench.client(&aws.store, 100).await;
    client.validate().await.unwrap();
    let names: Vec<_> = (0..20).map(|number| format!("app/{number}")).collect();
    let gets = join_all(names.iter().map(|name| aws.get(200, name))).await;
    assert!(gets.iter().all(Result::is_ok), "{gets:?}");
    assert_eq!(aws.requests("AssumeRole").await.len(), 2);
}

#[tokio::test]
async fn refused_keys_are_sent_four_times_in_fifteen_minutes_until_they_change() {
    let aws = Aws::with(&json!({})).await;
    Mock::given(header_regex("authorization", "Credential=AKID/"))
        .respond_with(refusal(400, "UnrecognizedClientException", "no"))
        .mount(&aws.server)
        .await;
    Mock::given(header_regex("authorization", "Credential=FRESH/"))
        .respond_with(value("right"))
        .mount(&aws.server)
        .await;
    for second in 0..900 {
        let error = aws.get(second, "app").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    }
    assert_eq!(aws.requests(READ).await.len(), 4);
    aws.bench.credentials.add("team/login", "id", "FRESH");
    assert_eq!(aws.get(930, "app").await.unwrap(), "right");
}

#[tokio::test]
async fn a_throttled_store_is_left_alone_by_all_who_wait() {
    let aws = Aws::with(&json!({})).await;
    Mock::given(header_regex("x-amz-target", "^secretsmanager"))
        .respond_with(refusal(400, "ThrottlingException", "Rate exceeded"))
        .mount(&aws.server)
        .await;
    let names: Vec<_> = (0..200)
        .map(|number| format!("app/{}", number % 100))
        .collect();
    let gets = join_all(names.iter().map(|name| aws.get(0, name))).await;
    for got in gets {
        assert_eq!(got.unwrap_err().kind, ErrorKind::Throttled);
    }
    let sent = aws.server.received_requests().await.unwrap().len();
    // Each call is tried three times; those who asked later join the second.
    assert!(sent <= 6, "{sent} calls");
}

#[tokio::test]
async fn a_role_is_assumed_with_external_id_and_tags() {
    let more = json!({"role": ROLE, "externalID": "outside", "sessionTagsPolicy": "Custom",
        "customSessionTags": {"cost": "a"}, "sessionTags": [{"key": "listed", "value": "b"}],
        "transitiveTagKeys": ["cost"]});
    let aws = Aws::with(&more).await;
    aws.grant("AssumeRole", "one", 9).await;
    aws.serve(READ, value("x")).await;
    aws.get(0, "app").await.unwrap();
    let sent = aws.requests("AssumeRole").await.remove(0);
    let sent = String::from_utf8_lossy(&sent.body).into_owned();
    for part in [
        "ExternalId=outside",
        "RoleSessionName=external-secrets-provider-aws",
        "Key=cost&Tags.member.1.Value=a",
        "Key=esoNamespace&Tags.member.2.Value=team",
        "Key=esoStoreKind&Tags.member.3.Value=SecretStore",
        "Key=esoStoreName&Tags.member.4.Value=main",
        "Key=listed&Tags.member.5.Value=b",
        "TransitiveTagKeys.member.1=cost",
    ] {
        assert!(sent.contains(part), "{part} in {sent}");
    }
    let read = aws.requests(READ).await.remove(0);
    let signed = read.headers["authorization"].to_str().unwrap();
    assert!(signed.contains("ASIAone/"), "{signed}");
}

#[tokio::test]
async fn a_service_account_logs_in_by_its_token_to_the_role_of_its_annotation() {
    let account = json!({"name": "app", "audiences": ["more"]});
    let more = json!({"auth": {"jwt": {"serviceAccountRef": account}}});
    let aws = Aws::with(&more).await;
    aws.grant("AssumeRoleWithWebIdentity", "one", 9).await;
    aws.serve(READ, value("x")).await;
    let error = aws.get(0, "app").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there is no ServiceAccount team/app"),
        "{error}"
    );
    let annotate = |annotations: &[(&str, &str)]| {
        let annotations = annotations.iter();
        let annotations = annotations.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut all = aws.bench.credentials.annotations.lock().unwrap();
        all.insert("team/app".to_owned(), annotations.collect());
    };
    annotate(&[]);
    let error = aws.get(10, "app").await.unwrap_err();
    assert!(
        error.to_string().contains("eks.amazonaws.com/role-arn"),
        "{error}"
    );
    annotate(&[("eks.amazonaws.com/role-arn", ROLE)]);
    aws.get(20, "app").await.unwrap();
    let sent = aws.requests("AssumeRoleWithWebIdentity").await;
    assert_eq!(sent.len(), 1);
    assert!(!sent[0].headers.contains_key("authorization"));
    let sent = String::from_utf8_lossy(&sent[0].body).into_owned();
    assert!(
        sent.contains("team%2Fapp%2Fsts.amazonaws.com%2Cmore%2F600"),
        "{sent}"
    );
}

#[tokio::test]
async fn credentials_of_the_consumer_are_unknown_without_one() {
    let aws = Aws::with(&json!({})).await;
    let store = store_of(StoreKind::ClusterSecretStore, "", block(&json!({})));
    let client = aws.bench.client(&store, 0).await;
    assert_eq!(client.validate().await.unwrap(), Validation::Unknown);
}

#[tokio::test]
async fn a_store_that_cannot_work_is_told_what_to_change() {
    let aws = Aws::with(&json!({})).await;
    let deletion = |days: i64, force: bool| json!({"secretsManager": {"recoveryWindowInDays": days, "forceDeleteWithoutRecovery": force}});
    for (more, named) in [
        (json!({"region": " "}), "region"),
        (
            json!({"service": "CertificateManager"}),
            "CertificateManager",
        ),
        (json!({"auth": {"secretRef": {}}}), "auth.secretRef"),
        (json!({"auth": {"jwt": {}}}), "serviceAccountRef"),
        (json!({"externalID": "x"}), "externalID"),
        (deletion(3, false), "recoveryWindowInDays"),
        (deletion(7, true), "forceDeleteWithoutRecovery"),
    ] {
        let tried = aws.bench.try_client(&store(block(&more)), 0).await;
        let error = tried.map(drop).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}
