//! Provider `pulumi` against a double of the ESC API.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::join_all;
use latchkey::api::meta::StoreKind;
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::model::secret_store::Store;
use latchkey::providers::{Error, ErrorKind, Validation};
use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::provider_contract::{self, SECRET};
use crate::provider_double::{Bench, Credentials, key, property, store, store_of, text, texts};

const BASE: &str = "/api/esc/environments/acme/app/dev";

struct Esc {
    server: MockServer,
    bench: Bench,
    store: Arc<Store>,
}

fn pulumi() -> Value {
    json!({"pulumi": {"organization": "acme", "project": "app", "environment": "dev",
        "accessToken": {"secretRef": {"name": "token", "key": "t"}}}})
}

fn open_answer(id: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"id": id}))
}

fn values(properties: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"properties": properties}))
}

fn leaf(value: &Value) -> Value {
    json!({"value": value, "trace": {"def": {}, "base": {"value": "overridden"}}})
}

fn contract_values() -> Value {
    json!({
        "word": leaf(&json!("hunter2-word")),
        "app": leaf(&json!({"user": leaf(&json!("hunter2-user")), "port": leaf(&json!(5432))})),
    })
}

impl Esc {
    async fn bare() -> Self {
        let server = MockServer::start().await;
        let credentials = Credentials::with("team/token", "t", "pul-abc\n");
        let bench = Bench::new(&server.uri(), credentials);
        let store = store(pulumi());
        Self {
            server,
            bench,
            store,
        }
    }

    async fn with(properties: &Value) -> Self {
        let esc = Self::bare().await;
        esc.answer("POST", "/open", open_answer("s1")).await;
        esc.answer("GET", "/open/s1", values(properties)).await;
        esc.answer("HEAD", "", ResponseTemplate::new(200)).await;
        esc
    }

    async fn answer(&self, verb: &str, at: &str, answer: ResponseTemplate) {
        Mock::given(method(verb))
            .and(path(format!("{BASE}{at}")))
            .and(header("authorization", "token pul-abc"))
            .respond_with(answer)
            .mount(&self.server)
            .await;
    }

    /// Number of requests with this verb and a path that ends so.
    async fn calls(&self, verb: &str, end: &str) -> usize {
        let requests = self.server.received_requests().await.unwrap_or_default();
        let matches = |request: &&wiremock::Request| {
            request.method.as_str() == verb && request.url.path().ends_with(end)
        };
        requests.iter().filter(matches).count()
    }

    async fn get(&self, not_before: u64, reference: &RemoteRef) -> Result<String, Error> {
        let client = self.bench.client(&self.store, not_before).await;
        client
            .get(reference)
            .await
            .map(|value| text(&value).to_owned())
    }
}

#[tokio::test]
async fn pulumi_keeps_the_contract() {
    let esc = Esc::with(&contract_values()).await;
    provider_contract::holds(esc.bench.client(&esc.store, 0).await.as_ref()).await;
    assert_eq!(esc.calls("POST", "/open").await, 1);
}

#[tokio::test]
async fn values_lose_wrapping_and_keep_digits() {
    let esc = Esc::with(&json!({
        "text": leaf(&json!("a<b")),
        "big": leaf(&json!(12_345_678_901_234_567_890_u64)),
        "no": leaf(&json!(false)),
        "null": {"trace": {}},
        "later": {"unknown": true, "trace": {}},
        "tls.crt": leaf(&json!("pem")),
        "nested": leaf(&json!({
            "list": leaf(&json!([leaf(&json!(1)), leaf(&json!("<"))])),
            "deep": leaf(&json!({"x": leaf(&json!({"y": leaf(&json!(true))}))})),
            "none": {"trace": {}},
            "number": leaf(&json!(2.5)),
        })),
    }))
    .await;
    let get = async |path: &str| esc.get(0, &key(path)).await;
    assert_eq!(get("text").await.unwrap(), "a<b");
    assert_eq!(get("big").await.unwrap(), "12345678901234567890");
    assert_eq!(get("no").await.unwrap(), "false");
    assert_eq!(get(r#"["tls.crt"]"#).await.unwrap(), "pem");
    assert_eq!(get("nested.list[1]").await.unwrap(), "<");
    assert_eq!(get("nested.list").await.unwrap(), r#"[1,"\u003c"]"#);
    assert_eq!(get("nested.deep").await.unwrap(), r#"{"x":{"y":true}}"#);
    assert_eq!(
        esc.get(0, &property("nested", "deep.x.y")).await.unwrap(),
        "true"
    );
    assert_eq!(get("null").await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(get("later").await.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(get("").await.unwrap_err().kind, ErrorKind::Invalid);
    let client = esc.bench.client(&esc.store, 0).await;
    let members = client.get_map(&key("nested")).await.unwrap();
    assert_eq!(
        texts(&members),
        [
            ("deep", r#"{"x":{"y":true}}"#),
            ("list", r#"[1,"\u003c"]"#),
            ("none", ""),
            ("number", "2.5"),
        ]
    );
    let error = client.get_map(&key("nested.list")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        error.to_string().contains("a list, not an object"),
        "{error}"
    );
}

#[tokio::test]
async fn find_flattens_what_is_under_the_path() {
    let esc = Esc::with(&contract_values()).await;
    let client = esc.bench.client(&esc.store, 0).await;
    let all = client.find(&Find::default()).await.unwrap();
    assert_eq!(
        all.keys().collect::<Vec<_>>(),
        ["app.port", "app.user", "word"]
    );
    let under = |path: &str| Find {
        path: Some(path.to_owned()),
        ..Find::default()
    };
    let found = client.find(&under("app")).await.unwrap();
    assert_eq!(texts(&found), [("port", "5432"), ("user", "hunter2-user")]);
    assert!(
        client
            .find(&under("nope"))
            .await
            .unwrap_err()
            .is_not_found()
    );
    let tagged = Find {
        tags: [("a".to_owned(), "b".to_owned())].into(),
        ..Find::default()
    };
    let error = client.find(&tagged).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_missing_key_comes_with_the_nearest_one() {
    let esc = Esc::with(&contract_values()).await;
    let error = esc.get(0, &key("app.usre")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "pulumi: app.usre does not exist in environment acme/app/dev; did you mean app.user?"
    );
    let error = esc.get(0, &key("app.password")).await.unwrap_err();
    assert!(!error.to_string().contains("did you mean"), "{error}");
}

#[tokio::test]
async fn a_hundred_callers_share_one_open_and_one_read() {
    let esc = Esc::with(&contract_values()).await;
    let word = key("word");
    let callers = (0..100).map(|_| esc.get(0, &word));
    for value in join_all(callers).await {
        assert_eq!(value.unwrap(), "hunter2-word");
    }
    assert_eq!(esc.calls("POST", "/open").await, 1);
    assert_eq!(esc.calls("GET", "/open/s1").await, 1);
    assert_eq!(esc.bench.credentials.reads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_window_shares_its_session_and_holds_values_for_half_a_minute() {
    let esc = Esc::with(&contract_values()).await;
    let counts = async || {
        (
            esc.calls("POST", "/open").await,
            esc.calls("GET", "/open/s1").await,
        )
    };
    esc.bench.time.set(100);
    esc.get(100, &key("word")).await.unwrap();
    esc.bench.time.set(129);
    esc.get(90, &key("app.user")).await.unwrap();
    assert_eq!(counts().await, (1, 1));
    esc.bench.time.set(131);
    esc.get(100, &key("word")).await.unwrap();
    assert_eq!(counts().await, (1, 2));
    esc.get(101, &key("word")).await.unwrap();
    assert_eq!(counts().await, (2, 3));
    esc.bench.time.set(131 + 3001);
    esc.get(0, &key("word")).await.unwrap();
    assert_eq!(counts().await, (3, 4));
}

#[tokio::test]
async fn another_generation_or_version_has_a_session_of_its_own() {
    let mut esc = Esc::with(&contract_values()).await;
    esc.answer("POST", "/versions/stable/open", open_answer("s1"))
        .await;
    esc.get(0, &key("word")).await.unwrap();
    let at_version = RemoteRef {
        version: "stable".to_owned(),
        ..key("word")
    };
    esc.get(0, &at_version).await.unwrap();
    assert_eq!(esc.calls("POST", "/versions/stable/open").await, 1);
    let changed = Store {
        generation: 2,
        ..(*esc.store).clone()
    };
    esc.store = Arc::new(changed);
    esc.get(0, &key("word")).await.unwrap();
    assert_eq!(esc.calls("POST", "dev/open").await, 2);
}

#[tokio::test]
async fn an_expired_session_is_opened_once_more() {
    let esc = Esc::bare().await;
    let opens = Mock::given(method("POST")).and(path(format!("{BASE}/open")));
    opens
        .respond_with(open_answer("s1"))
        .up_to_n_times(1)
        .mount(&esc.server)
        .await;
    esc.answer("POST", "/open", open_answer("s2")).await;
    let first = Mock::given(method("GET")).and(path(format!("{BASE}/open/s1")));
    first
        .respond_with(values(&contract_values()))
        .up_to_n_times(1)
        .mount(&esc.server)
        .await;
    esc.answer("GET", "/open/s1", ResponseTemplate::new(404))
        .await;
    esc.answer("GET", "/open/s2", values(&contract_values()))
        .await;
    esc.get(0, &key("word")).await.unwrap();
    esc.bench.time.set(60);
    esc.get(0, &key("word")).await.unwrap();
    assert_eq!(esc.calls("POST", "/open").await, 2);
    assert_eq!(esc.calls("GET", "/open/s2").await, 1);
}

#[tokio::test]
async fn a_failure_answers_for_five_seconds_and_no_longer() {
    let esc = Esc::bare().await;
    let refused = json!({"code": 401, "message": "invalid token"});
    esc.answer(
        "POST",
        "/open",
        ResponseTemplate::new(401).set_body_json(refused),
    )
    .await;
    let word = key("word");
    for outcome in join_all((0..50).map(|_| esc.get(0, &word))).await {
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Denied);
    }
    esc.bench.time.set(4);
    esc.get(4, &word).await.unwrap_err();
    assert_eq!(esc.calls("POST", "/open").await, 1);
    esc.bench.time.set(5);
    esc.get(5, &word).await.unwrap_err();
    assert_eq!(esc.calls("POST", "/open").await, 2);
}

#[tokio::test]
async fn each_failure_has_its_class_and_says_what_to_do() {
    let diagnostics = json!({"code": 400, "message": "Bad Request", "diagnostics": [
        {"summary": "unknown property \"x\"",
         "range": {"environment": "app/dev", "begin": {"line": 3, "column": 13}}}]});
    let cases = [
        (
            400,
            diagnostics,
            ErrorKind::Invalid,
            "line 3 column 13: unknown property",
        ),
        (
            401,
            json!({}),
            ErrorKind::Denied,
            "the access token is missing, wrong or expired",
        ),
        (
            403,
            json!({"message": "approval"}),
            ErrorKind::Denied,
            "approval",
        ),
        (404, json!({}), ErrorKind::Invalid, "acme/app/dev"),
        (429, json!({}), ErrorKind::Throttled, "429"),
        (503, json!({}), ErrorKind::Unavailable, "503"),
        (307, json!({}), ErrorKind::Unavailable, "307"),
    ];
    for (status, body, kind, says) in cases {
        let esc = Esc::bare().await;
        let answer = ResponseTemplate::new(status)
            .set_body_json(body)
            .insert_header("Retry-After", "42");
        esc.answer("POST", "/open", answer).await;
        let error = esc.get(0, &key("word")).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.retry_after.map(|wait| wait.as_secs()), Some(42));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_shows_no_value() {
    let esc = Esc::bare().await;
    esc.answer("POST", "/open", open_answer("session-id")).await;
    for body in [
        json!({"properties": {"word": {"value": "hunter2", "secret": "hunter2"}}}),
        json!({"properties": {"word": "hunter2"}}),
        json!("hunter2"),
    ] {
        esc.bench
            .time
            .set(esc.calls("GET", "").await as u64 * 10 + 10);
        let read =
            Mock::given(method("GET")).respond_with(ResponseTemplate::new(200).set_body_json(body));
        let _guard = read.mount_as_scoped(&esc.server).await;
        let error = esc.get(0, &key("word")).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert_eq!(error.kind, ErrorKind::Unavailable, "{shown}");
        assert!(
            !shown.contains(SECRET) && !shown.contains("session-id"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable() {
    let credentials = Credentials::with("team/token", "t", "pul-abc");
    let bench = Bench::new("http://127.0.0.1:1", credentials);
    let client = bench.client(&store(pulumi()), 0).await;
    let error = client.get(&key("word")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn a_missing_credential_costs_no_call_and_is_not_remembered() {
    let esc = Esc::with(&contract_values()).await;
    esc.bench.credentials.secrets.lock().unwrap().clear();
    let error = esc.get(0, &key("word")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("\"token\""), "{error}");
    esc.bench.credentials.set("team/token", "t", "pul-abc");
    esc.get(0, &key("word")).await.unwrap();
}

#[tokio::test]
async fn validation_asks_the_server_without_opening() {
    let esc = Esc::with(&contract_values()).await;
    let client = esc.bench.client(&esc.store, 0).await;
    assert_eq!(client.validate().await.unwrap(), Validation::Ready);
    assert_eq!(
        (esc.calls("HEAD", "dev").await, esc.calls("POST", "").await),
        (1, 0)
    );
    esc.get(0, &key("word")).await.unwrap();
    client.validate().await.unwrap();
    assert_eq!(esc.calls("HEAD", "dev").await, 1);

    for (status, kind) in [(401, ErrorKind::Denied), (404, ErrorKind::Invalid)] {
        let esc = Esc::bare().await;
        esc.answer("HEAD", "", ResponseTemplate::new(status)).await;
        let client = esc.bench.client(&esc.store, 0).await;
        assert_eq!(client.validate().await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn a_service_account_token_is_exchanged_and_kept_until_a_minute_before_its_end() {
    let mut esc = Esc::with(&contract_values()).await;
    let uri = esc.server.uri();
    Mock::given(method("POST"))
        .and(path("/api/oauth/token"))
        .and(body_partial_json(json!({
            "audience": "urn:pulumi:org:acme",
            "subject_token": format!("team/robot/{uri}/900"),
            "expiration": 900,
        })))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"access_token": "pul-abc", "expires_in": 900})),
        )
        .mount(&esc.server)
        .await;
    esc.store = store(
        json!({"pulumi": {"organization": "acme", "project": "app", "environment": "dev",
        "auth": {"oidcConfig": {"organization": "acme", "expirationSeconds": 900,
            "serviceAccountRef": {"name": "robot"}}}}}),
    );
    for (now, exchanges) in [(0, 1), (839, 1), (840, 2)] {
        esc.bench.time.set(now);
        esc.get(now, &key("word")).await.unwrap();
        assert_eq!(esc.calls("POST", "/api/oauth/token").await, exchanges);
    }
    assert_eq!(esc.bench.credentials.tokens.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_cannot_work_is_refused_without_a_call() {
    let bench = Bench::new("http://127.0.0.1:1", Credentials::with("a/b", "c", "d"));
    let check = |kind: StoreKind, change: &dyn Fn(&mut Value)| {
        let mut provider = pulumi();
        change(&mut provider["pulumi"]);
        let store = store_of(kind, "", provider);
        bench.registry.provider(&store).unwrap().check(&store)
    };
    let own = StoreKind::SecretStore;
    assert!(check(own, &|_| ()).is_ok());
    let refused = |kind: StoreKind, change: &dyn Fn(&mut Value), names: &str| {
        let error = check(kind, change).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.to_string().contains(names), "{error}");
    };
    refused(
        StoreKind::ClusterSecretStore,
        &|_| (),
        "cluster store requires namespace",
    );
    refused(own, &|p| p["organization"] = json!(""), "organization");
    refused(own, &|p| p["environment"] = json!("a/b"), "environment");
    refused(own, &|p| p["accessToken"] = json!({}), "secretRef");
    refused(
        own,
        &|p| p["accessToken"] = Value::Null,
        "exactly one of auth",
    );
    refused(own, &|p| p["auth"] = json!({}), "exactly one of auth");
    refused(own, &|p| p["apiUrl"] = json!("ftp://x"), "apiUrl");
}

#[tokio::test]
async fn the_stores_own_address_wins_over_the_default() {
    let mut esc = Esc::with(&contract_values()).await;
    let mut provider = pulumi();
    provider["pulumi"]["apiUrl"] = json!(format!("{}/api/esc/", esc.server.uri()));
    esc.store = store(provider);
    esc.bench = Bench::new("http://127.0.0.1:1", Arc::clone(&esc.bench.credentials));
    esc.get(0, &key("word")).await.unwrap();
    assert_eq!(esc.calls("POST", &format!("{BASE}/open")).await, 1);
}
