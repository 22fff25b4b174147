//! Reviews over HTTPS: content types, sizes, deadlines, shedding, panics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use latchkey::admission::{Bound, Options, Tls, Webhook};
use latchkey::cluster::authorize::{Authorizer, StoreAccess, Verdict};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::admission_world::{World, annotated, review, world};
use crate::support::pki::Pki;
use crate::support::wait;

const DB: (&str, &str) = ("secret.db", "secret://vault/apps/db");
const SOON: Duration = Duration::from_secs(30);

/// A webhook that listens on loopback, and a client that trusts it.
struct Served {
    address: SocketAddr,
    client: Client,
    trust: rustls::RootCertStore,
    world: World,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(max_in_flight: usize, change: impl FnOnce(&mut Webhook)) -> Served {
    let mut world = world();
    change(&mut world.webhook);
    let options = Options {
        address: "127.0.0.1:0".to_owned(),
        drain_delay: Duration::ZERO,
        drain_timeout: Duration::ZERO,
        max_in_flight,
        tls: Tls::default(),
    };
    let bound = Bound::new(options).await.expect("loopback has a free port");
    let address = bound.address();
    let pki = Pki::generate(&[]).expect("a certificate can be made");
    let certificate = CertificateDer::from_pem_slice(pki.server.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(pki.server_key.as_bytes()).expect("it is PEM");
    let key = aws_lc_rs::sign::any_supported_type(&key).expect("it is a key");
    let key = CertifiedKey::new(vec![certificate.expect("it is PEM")], key);
    let webhook = world.webhook.clone();
    let task = tokio::spawn(async move {
        let resolver = Arc::new(SingleCertAndKey::from(key));
        let serving = bound.serve(webhook, resolver, std::future::pending());
        serving.await.expect("the options are right");
    });
    let root = reqwest::Certificate::from_pem(pki.ca.as_bytes()).expect("it is PEM");
    let client = Client::builder().tls_certs_only([root]).no_proxy();
    let mut trust = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(pki.ca.as_bytes()).expect("it is PEM");
    trust.add(ca).expect("it is a certificate");
    Served {
        address,
        client: client.build().expect("a client can be made"),
        trust,
        world,
        task,
    }
}

impl Served {
    fn post(&self, path_and_query: &str) -> RequestBuilder {
        let url = format!("https://{}{path_and_query}", self.address);
        self.client.post(url)
    }

    async fn pod(&self, query: &str, account: &str) -> Response {
        let mut pod = annotated(&[DB]);
        pod["spec"]["serviceAccountName"] = account.into();
        let body = review("CREATE", &pod, &Value::Null);
        let request = self.post(&format!("/mutate{query}")).json(&body);
        request.send().await.expect("there is an answer")
    }

    /// The answer to a request of whose body the first byte alone is sent.
    async fn beginning(&self, path_and_query: &str) -> String {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the versions are known")
            .with_root_certificates(self.trust.clone())
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = tokio::net::TcpStream::connect(self.address).await;
        let name = "localhost".try_into().expect("it is a name");
        let connecting = connector.connect(name, stream.expect("it listens"));
        let mut stream = connecting.await.expect("it is trusted");
        let head = format!(
            "POST {path_and_query} HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
        );
        stream
            .write_all(head.as_bytes())
            .await
            .expect("it takes it");
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(SOON, stream.read(&mut answer)).await;
        let length = read.expect("an answer comes").expect("it can be read");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    fn metric(&self, line: &str) -> bool {
        let text = self.world.webhook.metrics.encode();
        text.lines().any(|found| found == line)
    }
}

async fn status(response: Response, code: StatusCode) -> String {
    assert_eq!(response.status(), code);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    let status: Value = response.json().await.expect("a Status is JSON");
    assert_eq!(
        (&status["kind"], &status["code"]),
        (&json!("Status"), &json!(code.as_u16()))
    );
    status["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn case_34_what_is_no_review_is_answered_over_http() {
    let served = serve(8, |_| {}).await;
    let body = review("CREATE", &annotated(&[DB]), &Value::Null).to_string();
    for path in ["/mutate", "/validate"] {
        let as_json = || served.post(path).header(CONTENT_TYPE, "application/json");
        let send = async |request: RequestBuilder| request.send().await.expect("an answer");
        for wrong in ["text/plain", "application/yaml", "application/jsonp", ""] {
            let request = served.post(path).header(CONTENT_TYPE, wrong);
            let response = send(request.body(body.clone())).await;
            let message = status(response, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
            assert!(message.contains("application/json"), "{message}");
        }
        let response = send(served.post(path).body(body.clone())).await;
        status(response, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
        status(send(as_json().body("")).await, StatusCode::BAD_REQUEST).await;
        status(send(as_json().body("{")).await, StatusCode::BAD_REQUEST).await;

        let mut padded = body.clone();
        padded.push_str(&" ".repeat((8 << 20) - body.len()));
        let largest = send(as_json().body(padded.clone())).await;
        assert_eq!(largest.status(), StatusCode::OK);
        let larger = send(as_json().body(padded + " ")).await;
        status(larger, StatusCode::PAYLOAD_TOO_LARGE).await;

        let url = format!("https://{}{path}", served.address);
        let read = served.client.get(url).send().await.expect("an answer");
        assert_eq!(read.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn case_39_a_charset_in_the_content_type_is_accepted() {
    let served = serve(8, |_| {}).await;
    let body = review("CREATE", &annotated(&[DB]), &Value::Null).to_string();
    for essence in [
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON ; q=1",
    ] {
        let request = served.post("/mutate").header(CONTENT_TYPE, essence);
        let response = request.body(body.clone()).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{essence}");
        let answer: Value = response.json().await.expect("it is JSON");
        assert_eq!(answer["response"]["uid"], "0f3d8b0e");
        assert_eq!(answer["response"]["patchType"], "JSONPatch");
    }
}

/// Lets a question wait until it may be answered, and panics at an unlucky account.
struct Gate {
    open: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

#[async_trait]
impl Authorizer for Gate {
    async fn may_use(&self, access: &StoreAccess) -> Verdict {
        assert_ne!(access.account, "unlucky", "planted");
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let permit = self.open.acquire().await.expect("it is never closed");
        permit.forget();
        Verdict::Allowed
    }
}

/// A webhook whose questions wait, what lets them through, and how many have come.
async fn gated(max_in_flight: usize) -> (Arc<Served>, Arc<Semaphore>, Arc<AtomicUsize>) {
    let (open, waiting) = (Arc::new(Semaphore::new(0)), Arc::<AtomicUsize>::default());
    let gate = Gate {
        open: Arc::clone(&open),
        waiting: Arc::clone(&waiting),
    };
    let served = serve(max_in_flight, |webhook| webhook.authorizer = Arc::new(gate)).await;
    (Arc::new(served), open, waiting)
}

async fn until_waiting(waiting: &AtomicUsize, count: usize) {
    let reached = wait::until("the reviews to be under way", SOON, async || {
        anyhow::ensure!(waiting.load(Ordering::SeqCst) == count);
        Ok(())
    });
    reached.await.expect("they come");
}

#[tokio::test]
async fn more_reviews_than_the_bound_are_turned_away_at_once() {
    let (served, open, waiting) = gated(2).await;
    let held: Vec<_> = (0..2)
        .map(|_| {
            let served = Arc::clone(&served);
            tokio::spawn(async move { served.pod("?timeout=30s", "web").await.status() })
        })
        .collect();
    until_waiting(&waiting, 2).await;

    let started = Instant::now();
    let response = served.pod("?timeout=30s", "web").await;
    assert_eq!(response.headers()[RETRY_AFTER], "1");
    let message = status(response, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(message.contains("--webhook-max-in-flight"), "{message}");
    // The bound counts both kinds of review, and answers before there is a body.
    let answer = served.beginning("/validate?timeout=30s").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(10), "nobody waited");
    for path in ["/mutate", "/validate"] {
        let line = format!(r#"latchkey_webhook_shed_total{{webhook="{path}"}} 1"#);
        assert!(served.metric(&line), "{line}");
    }

    open.add_permits(3);
    for review in held {
        assert_eq!(review.await.expect("it ends"), StatusCode::OK);
    }
    assert_eq!(served.pod("", "web").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn case_38_the_timeout_of_the_request_is_honoured_over_http() {
    let (served, _open, _waiting) = gated(8).await;
    let started = Instant::now();
    let response = served.pod("?timeout=1s", "web").await;
    let answer: Value = response.json().await.expect("it is JSON");
    assert_eq!(answer["response"]["allowed"], true);
    let warnings = answer["response"]["warnings"].to_string();
    assert!(warnings.contains("no answer in time"), "{warnings}");
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(700) && took < Duration::from_secs(10),
        "{took:?}"
    );
}

#[tokio::test]
async fn who_sends_slowly_holds_no_place_for_longer_than_the_timeout() {
    let served = serve(1, |_| {}).await;
    let answer = served.beginning("/mutate?timeout=1s").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(served.pod("", "web").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn case_37_a_panic_ends_its_own_request_alone() {
    let (served, open, waiting) = gated(8).await;
    // Both come on one connection: the client speaks HTTP/2.
    let other = {
        let served = Arc::clone(&served);
        tokio::spawn(async move { served.pod("?timeout=30s", "web").await })
    };
    until_waiting(&waiting, 1).await;
    let unlucky: Value = served.pod("", "unlucky").await.json().await.expect("JSON");
    assert_eq!(unlucky["response"]["uid"], "0f3d8b0e");
    assert_eq!(unlucky["response"]["status"]["code"], 500);
    open.add_permits(1);
    let other = other.await.expect("it ends");
    assert_eq!(other.status(), StatusCode::OK);
    let other: Value = other.json().await.expect("it is JSON");
    assert_eq!(other["response"]["patchType"], "JSONPatch");
    assert!(served.metric(r#"latchkey_panics_total{where="webhook"} 1"#));
}
