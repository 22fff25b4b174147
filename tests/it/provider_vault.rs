//! Provider `vault` against a double of the server: what it costs, what failures mean, what is sent.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use latchkey::api::meta::StoreKind;
use latchkey::model::push::{Push, Source, Target};
use latchkey::model::remote::RemoteRef;
use latchkey::model::secret_store::Store;
use latchkey::providers::{Error, ErrorKind, Validation};
use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, header, method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::provider_contract::SECRET;
use crate::provider_double::{Bench, Credentials, key, property, store, store_of, text, texts};

const TOKEN: &str = "/v1/auth/token/lookup-self";
const LOGIN: &str = "/v1/auth/approle/login";

struct Vault {
    server: MockServer,
    bench: Bench,
    store: Arc<Store>,
}

fn answer(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

fn values(data: &Value) -> ResponseTemplate {
    answer(
        200,
        json!({"data": {"data": data, "metadata": {"version": 1}}}),
    )
}

fn errors(status: u16, text: &str) -> ResponseTemplate {
    answer(status, json!({"errors": [text]}))
}

fn granted(token: &str, seconds: u64) -> ResponseTemplate {
    let auth = json!({"client_token": token, "lease_duration": seconds, "renewable": true});
    answer(200, json!({"auth": auth}))
}

impl Vault {
    /// A server without answers, and a store that logs in to it as `auth` says.
    async fn bare(auth: Value) -> Self {
        let server = MockServer::start().await;
        let credentials = Credentials::with("team/login", "v", "hunter2-login\n");
        let bench = Bench::new("http://127.0.0.1:1", credentials);
        let block = json!({"server": server.uri(), "path": "kv", "namespace": "ns1", "auth": auth});
        let store = store(json!({"vault": block}));
        Self {
            server,
            bench,
            store,
        }
    }

    async fn with_token() -> Self {
        let vault = Self::bare(json!({"tokenSecretRef": {"name": "login", "key": "v"}})).await;
        vault
            .serve("GET", TOKEN, answer(200, json!({"data": {}})))
            .await;
        vault
    }

    async fn with_role() -> Self {
        let secret = json!({"name": "login", "key": "v"});
        let role = json!({"path": "approle", "roleId": " r1 ", "secretRef": secret});
        Self::bare(json!({"appRole": role})).await
    }

    async fn serve(&self, verb: &str, at: &str, answer: ResponseTemplate) {
        self.serve_times(verb, at, answer, u64::MAX).await;
    }

    async fn serve_times(&self, verb: &str, at: &str, answer: ResponseTemplate, times: u64) {
        Mock::given(method(verb))
            .and(path(at))
            .and(header("x-vault-request", "true"))
            .and(header("x-vault-namespace", "ns1"))
            .respond_with(answer)
            .up_to_n_times(times)
            .mount(&self.server)
            .await;
    }

    async fn requests(&self, verb: &str, begin: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.unwrap_or_default();
        let matches = |request: &Request| {
            request.method.as_str() == verb && request.url.path().starts_with(begin)
        };
        all.into_iter().filter(matches).collect()
    }

    async fn calls(&self, verb: &str, begin: &str) -> usize {
        self.requests(verb, begin).await.len()
    }

    async fn get(&self, not_before: u64, reference: &RemoteRef) -> Result<String, Error> {
        let client = self.bench.client(&self.store, not_before).await;
        let value = client.get(reference).await;
        value.map(|value| text(&value).to_owned())
    }
}

#[tokio::test]
async fn a_thousand_gets_on_fifty_secrets_cost_one_login_and_fifty_reads() {
    let vault = Vault::with_role().await;
    vault.serve("POST", LOGIN, granted("t1", 3600)).await;
    Mock::given(method("GET"))
        .and(path_regex("^/v1/kv/data/app/[0-9]+$"))
        .and(header("x-vault-token", "t1"))
        .respond_with(values(&json!({"user": "me", "port": 5432})))
        .mount(&vault.server)
        .await;
    let references: Vec<_> = (0..1000)
        .map(|number| property(&format!("app/{}", number % 50), "user"))
        .collect();
    let gets = references.iter().map(|reference| vault.get(0, reference));
    for got in join_all(gets).await {
        assert_eq!(got.unwrap(), "me");
    }
    assert_eq!(vault.calls("POST", LOGIN).await, 1);
    assert_eq!(vault.calls("GET", "/v1/kv/data/").await, 50);
    let login = vault.requests("POST", LOGIN).await.remove(0);
    let sent: Value = login.body_json().unwrap();
    assert_eq!(sent, json!({"role_id": "r1", "secret_id": "hunter2-login"}));
}

#[tokio::test]
async fn what_is_asked_for_is_found_whole_by_member_and_by_path() {
    let vault = Vault::with_token().await;
    let data = json!({"user": "me", "port": 5432, "deep": {"a": ["x", "y"]}, "html": "<&>"});
    vault.serve("GET", "/v1/kv/data/app", values(&data)).await;
    let get = async |reference: RemoteRef| vault.get(0, &reference).await.unwrap();
    assert_eq!(get(property("app", "deep.a.1")).await, "y");
    assert_eq!(get(property("app", "port")).await, "5432");
    let whole = r#"{"deep":{"a":["x","y"]},"html":"\u003c\u0026\u003e","port":5432,"user":"me"}"#;
    assert_eq!(get(key("app")).await, whole);
    let client = vault.bench.client(&vault.store, 0).await;
    let members = client.get_map(&property("app", "deep")).await.unwrap();
    assert_eq!(texts(&members), [("a", r#"["x","y"]"#)]);
    assert_eq!(client.validate().await.unwrap(), Validation::Ready);
    let sent = vault.requests("GET", "/v1/kv/data/").await;
    assert_eq!(sent.len(), 1, "one window, one read");
    assert_eq!(sent[0].headers["x-vault-token"], "hunter2-login");
}

#[tokio::test]
async fn each_fault_has_its_kind_and_its_wait() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let throttled = errors(429, "slow down").insert_header("retry-after", "17");
    let warned = json!({"warnings": ["Invalid path for a versioned K/V secrets engine."]});
    let deleted = json!({"data": {"data": null, "metadata": {"deletion_time": "x"}}});
    let table = [
        (errors(403, "permission denied"), ErrorKind::Denied, None),
        (
            answer(404, json!({"errors": []})),
            ErrorKind::NotFound,
            None,
        ),
        (answer(404, deleted), ErrorKind::NotFound, None),
        (
            errors(404, "no handler for route"),
            ErrorKind::Invalid,
            None,
        ),
        (answer(404, warned), ErrorKind::Invalid, None),
        (
            ResponseTemplate::new(404).set_body_string("<html>"),
            ErrorKind::Invalid,
            None,
        ),
        (throttled, ErrorKind::Throttled, seconds(17)),
        (errors(500, "internal error"), ErrorKind::Unavailable, None),
        (errors(503, "Vault is sealed"), ErrorKind::Unavailable, None),
        (errors(400, "bad version"), ErrorKind::Invalid, None),
        (
            ResponseTemplate::new(307).insert_header("location", "http://127.0.0.1:1/"),
            ErrorKind::Unavailable,
            None,
        ),
        (
            ResponseTemplate::new(200).set_body_string("{\"data\": {"),
            ErrorKind::Unavailable,
            None,
        ),
    ];
    for (answer, kind, wait) in table {
        let shown = format!("{answer:?}");
        let vault = Vault::with_token().await;
        vault.serve("GET", "/v1/kv/data/app", answer).await;
        let error = vault.get(0, &key("app")).await.unwrap_err();
        assert_eq!(
            (error.kind, error.retry_after),
            (kind, wait),
            "{shown} {error}"
        );
        assert!(error.to_string().contains("app"), "{error}");
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    }
}

#[tokio::test]
async fn no_answer_is_unavailable_whether_slow_cut_short_or_none() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let replies: [&[u8]; 2] = [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"data\"",
    ];
    for reply in replies {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 16];
                stream.read_exact(&mut request).await.ok();
                stream.write_all(reply).await.ok();
            }
        });
        let vault = Vault::bare(json!({"tokenSecretRef": {"name": "login", "key": "v"}})).await;
        let block = json!({"server": format!("http://{address}"), "path": "kv",
            "auth": {"tokenSecretRef": {"name": "login", "key": "v"}}});
        let client = vault.bench.client(&store(json!({"vault": block})), 0).await;
        let error = client.get(&key("app")).await.unwrap_err();
        serve.abort();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    }
    let vault = Vault::with_token().await;
    let slow = values(&json!({})).set_delay(Duration::from_mins(1));
    vault.serve("GET", "/v1/kv/data/app", slow).await;
    let hurried = Bench::with_timeout(
        Arc::clone(&vault.bench.credentials),
        Duration::from_millis(100),
    );
    let client = hurried.client(&vault.store, 0).await;
    let error = client.get(&key("app")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("in time"), "{error}");
}

#[tokio::test]
async fn a_token_that_expires_between_two_reads_is_replaced_once_for_all() {
    let vault = Vault::with_role().await;
    vault
        .serve_times("POST", LOGIN, granted("t1", 3600), 1)
        .await;
    vault.serve("POST", LOGIN, granted("t2", 3600)).await;
    for (token, answer) in [
        ("t1", errors(403, "permission denied")),
        ("t2", values(&json!({"a": "b"}))),
    ] {
        Mock::given(header("x-vault-token", token))
            .respond_with(answer)
            .mount(&vault.server)
            .await;
    }
    vault.bench.time.set(100);
    vault.get(0, &key("first")).await.ok();
    vault.bench.time.set(200);
    let names: Vec<_> = (0..20)
        .map(|number| key(&format!("app/{number}")))
        .collect();
    let gets = join_all(names.iter().map(|name| vault.get(200, name))).await;
    assert!(gets.iter().all(Result::is_ok), "{gets:?}");
    let logins = vault.calls("POST", LOGIN).await;
    assert!(logins <= 3, "{logins} logins");
}

#[tokio::test]
async fn a_lack_of_permission_costs_no_login() {
    let vault = Vault::with_role().await;
    vault.serve("POST", LOGIN, granted("t1", 3600)).await;
    vault
        .serve("GET", TOKEN, answer(200, json!({"data": {}})))
        .await;
    vault
        .serve("GET", "/v1/kv/data/app", errors(403, "permission denied"))
        .await;
    for window in 0..10 {
        vault.bench.time.set(window * 60);
        let error = vault.get(window * 60, &key("app")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied);
    }
    assert_eq!(vault.calls("POST", LOGIN).await, 1);
}

#[tokio::test]
async fn refused_credentials_are_tried_four_times_in_fifteen_minutes_until_they_change() {
    let vault = Vault::with_role().await;
    let refused = errors(400, "invalid role or secret ID");
    vault.serve_times("POST", LOGIN, refused, 4).await;
    vault.serve("POST", LOGIN, granted("t1", 3600)).await;
    vault
        .serve("GET", "/v1/kv/data/app", values(&json!({"a": "b"})))
        .await;
    for second in 0..900 {
        vault.bench.time.set(second);
        let error = vault.get(second, &key("app")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert!(
            error
                .retry_after
                .is_some_and(|wait| wait <= Duration::from_mins(1))
        );
    }
    assert_eq!(vault.calls("POST", LOGIN).await, 4);
    vault
        .bench
        .credentials
        .set("team/login", "v", "hunter2-right");
    vault.bench.time.set(906);
    assert!(vault.get(906, &key("app")).await.is_ok());
}

#[tokio::test]
async fn a_dead_token_of_the_store_is_not_sent_again_and_again() {
    let vault = Vault::bare(json!({"tokenSecretRef": {"name": "login", "key": "v"}})).await;
    Mock::given(method("GET"))
        .and(header("x-vault-token", "hunter2-login"))
        .respond_with(errors(403, "permission denied"))
        .mount(&vault.server)
        .await;
    Mock::given(method("GET"))
        .and(header("x-vault-token", "fresh"))
        .respond_with(values(&json!({"a": "b"})))
        .mount(&vault.server)
        .await;
    for second in 0..60 {
        vault.bench.time.set(second);
        let error = vault.get(second, &key("app")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    }
    let sent = vault.calls("GET", "/v1/").await;
    assert!(sent <= 8, "{sent} calls");
    vault.bench.credentials.set("team/login", "v", "fresh");
    vault.bench.time.set(70);
    assert!(vault.get(70, &key("app")).await.is_ok());
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let vault = Vault::with_role().await;
    vault.serve("POST", LOGIN, granted("t1", 900)).await;
    vault
        .serve("POST", "/v1/auth/token/renew-self", granted("t1", 900))
        .await;
    vault
        .serve("GET", "/v1/kv/data/app", values(&json!({"a": "b"})))
        .await;
    for second in (0..9000).step_by(300) {
        vault.bench.time.set(second);
        vault.get(second, &key("app")).await.unwrap();
    }
    assert_eq!(vault.calls("POST", LOGIN).await, 1);
    assert_eq!(vault.calls("POST", "/v1/auth/token/renew-self").await, 14);
}

#[tokio::test]
async fn a_service_account_logs_in_by_its_token() {
    let account = json!({"name": "app", "audiences": ["a"]});
    let kubernetes = json!({"mountPath": "k8s", "role": "r", "serviceAccountRef": account});
    let jwt = json!({"path": "jwt", "role": "r", "kubernetesServiceAccountToken":
        {"serviceAccountRef": account, "expirationSeconds": 900}});
    for (auth, at, token) in [
        (
            json!({"kubernetes": kubernetes}),
            "/v1/auth/k8s/login",
            "team/app/a/600",
        ),
        (
            json!({"jwt": jwt}),
            "/v1/auth/jwt/login",
            "team/app/a,vault/900",
        ),
    ] {
        let vault = Vault::bare(auth).await;
        Mock::given(path(at))
            .and(body_partial_json(json!({"role": "r", "jwt": token})))
            .respond_with(granted("t1", 60))
            .mount(&vault.server)
            .await;
        vault
            .serve("GET", "/v1/kv/data/app", values(&json!({"a": "b"})))
            .await;
        assert_eq!(vault.get(0, &property("app", "a")).await.unwrap(), "b");
    }
}

#[tokio::test]
async fn a_write_that_meets_another_is_made_once_more_on_what_is_there() {
    let vault = Vault::with_token().await;
    let marked = |version: u64| {
        let custom = json!({"managed-by": "external-secrets"});
        answer(
            200,
            json!({"data": {"custom_metadata": custom, "current_version": version}}),
        )
    };
    let (data, metadata) = ("/v1/kv/data/app", "/v1/kv/metadata/app");
    vault.serve_times("GET", metadata, marked(1), 1).await;
    vault.serve("GET", metadata, marked(2)).await;
    vault
        .serve_times("GET", data, values(&json!({"a": "1"})), 1)
        .await;
    vault
        .serve("GET", data, values(&json!({"a": "1", "b": "2"})))
        .await;
    let conflict = errors(
        400,
        "check-and-set parameter did not match the current version",
    );
    vault.serve_times("POST", data, conflict, 1).await;
    vault
        .serve("POST", data, answer(200, json!({"data": {"version": 3}})))
        .await;
    let source = Source {
        data: [("k".to_owned(), "3".into())].into_iter().collect(),
        ..Source::default()
    };
    let target = Target {
        key: "app".to_owned(),
        property: "c".to_owned(),
    };
    let push = Push {
        source: &source,
        secret_key: "k",
        target: &target,
        metadata: None,
    };
    let client = vault.bench.client(&vault.store, 0).await;
    client.push(&push).await.unwrap();
    let writes = vault.requests("POST", data).await;
    let sent: Value = writes[1].body_json().unwrap();
    assert_eq!(
        sent,
        json!({"data": {"a": "1", "b": "2", "c": "3"}, "options": {"cas": 2}})
    );
    assert_eq!(writes.len(), 2);
}

#[tokio::test]
async fn reads_after_a_write_carry_the_servers_state() {
    let server = MockServer::start().await;
    let credentials = Credentials::with("team/login", "v", "t");
    let bench = Bench::new("http://127.0.0.1:1", credentials);
    let store = store(
        json!({"vault": {"server": server.uri(), "path": "kv", "version": "v1",
        "readYourWrites": true, "forwardInconsistent": true, "headers": {"X-Team": "a"},
        "auth": {"tokenSecretRef": {"name": "login", "key": "v"}}}}),
    );
    Mock::given(method("GET"))
        .and(header("x-team", "a"))
        .and(header("x-vault-inconsistent", "forward-active-node"))
        .respond_with(answer(404, json!({"errors": []})))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(204).insert_header("x-vault-index", "s1"))
        .mount(&server)
        .await;
    let source = Source {
        data: [("k".to_owned(), "v".into())].into_iter().collect(),
        ..Source::default()
    };
    let target = Target {
        key: "app".to_owned(),
        ..Target::default()
    };
    let push = Push {
        source: &source,
        secret_key: "",
        target: &target,
        metadata: None,
    };
    let client = bench.client(&store, 0).await;
    client.push(&push).await.unwrap();
    assert!(!client.exists(&target).await.unwrap());
    let requests = server.received_requests().await.unwrap();
    let last = requests.last().unwrap();
    assert_eq!(last.headers["x-vault-index"], "s1");
}

#[tokio::test]
async fn credentials_of_the_consumer_make_a_session_of_its_own() {
    let vault = Vault::with_token().await;
    let block = json!({"server": vault.server.uri(), "path": "kv", "namespace": "ns1",
        "auth": {"tokenSecretRef": {"name": "login", "key": "v"}}});
    let store = store_of(StoreKind::ClusterSecretStore, "", json!({"vault": block}));
    let client = vault.bench.client(&store, 0).await;
    assert_eq!(client.validate().await.unwrap(), Validation::Unknown);
    assert_eq!(vault.calls("GET", "/v1/").await, 0);
}

#[tokio::test]
async fn a_store_that_cannot_work_is_told_what_to_change() {
    let vault = Vault::with_token().await;
    let account = json!({"mountPath": "kubernetes", "role": "r"});
    for (block, named) in [
        (json!({"server": "vault:8200"}), "server"),
        (json!({"server": "http://a:b@vault"}), "server"),
        (
            json!({"server": "http://vault", "path": "a/../sys"}),
            "path",
        ),
        (
            json!({"server": "http://vault", "headers": {"a b": "c"}}),
            "headers",
        ),
        (
            json!({"server": "http://vault", "auth": {"kubernetes": account}}),
            "serviceAccountRef",
        ),
        (
            json!({"server": "http://vault", "auth": {"gcp": {"role": "r"}}}),
            "auth.gcp",
        ),
        (
            json!({"server": "http://vault", "auth": {"iam": {"vaultRole": "r"}}}),
            "auth.iam: jwt or secretRef must be set in a SecretStore",
        ),
        (
            json!({"server": "http://vault", "auth": {"iam": {"vaultRole": "r", "jwt": {}}}}),
            "auth.iam.jwt.serviceAccountRef must be set",
        ),
    ] {
        let tried = vault
            .bench
            .try_client(&store(json!({"vault": block})), 0)
            .await;
        let error = tried.map(drop).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn open_bao_is_served_by_the_same_engine() {
    let vault = Vault::with_token().await;
    vault
        .serve("GET", "/v1/kv/data/app", values(&json!({"a": "b"})))
        .await;
    let block = json!({"server": vault.server.uri(), "namespace": "ns1",
        "auth": {"tokenSecretRef": {"name": "login", "key": "v"}}});
    let client = vault
        .bench
        .client(&store(json!({"openBao": block})), 0)
        .await;
    assert_eq!(text(&client.get(&property("app", "a")).await.unwrap()), "b");
    let error = client.get(&property("app", "c")).await.unwrap_err();
    assert!(
        error.is_not_found() && error.to_string().starts_with("openBao: "),
        "{error}"
    );
}
