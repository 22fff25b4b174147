//! Provider `crd` against a double of the API server.

use latchkey::api::meta::StoreKind;
use latchkey::model::push::Target;
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::providers::{Error, ErrorKind, SecretsClient, Validation};
use regex::Regex;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::provider_double::{Bench, Credentials, key, property, store, store_of, text, texts};

struct Cluster {
    server: MockServer,
    bench: Bench,
}

type Change = fn(&mut Value);

const WIDGETS: &str = "/apis/example.io/v1/namespaces/team/widgets";
const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const RULES: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";

impl Cluster {
    /// Serves the kinds Widget, which has namespaces, and Galaxy, which has none.
    async fn start() -> Self {
        let server = MockServer::start().await;
        let credentials = Credentials::with("team/token", "t", "abc\n");
        let cluster = Self {
            server,
            bench: Bench::new("http://127.0.0.1:1", credentials),
        };
        let resource = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "kind": kind, "namespaced": namespaced, "singularName": "", "verbs": ["get"]});
        let kinds = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "example.io/v1",
            "resources": [resource("widgets/status", "Widget", true), resource("widgets", "Widget", true),
                resource("galaxies", "Galaxy", false)]});
        cluster
            .answer("GET", "/apis/example.io/v1", 200, kinds)
            .await;
        cluster
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "the callers make the rules in place"
    )]
    fn provider(&self, kind: &str, rules: Value) -> Value {
        json!({"crd": {
            "server": {"url": self.server.uri()},
            "auth": {"token": {"bearerToken": {"name": "token", "key": "t", "namespace": "team"}}},
            "resource": {"group": "example.io", "version": "v1", "kind": kind},
            "whitelist": {"rules": rules},
        }})
    }

    async fn client(&self, rules: Value) -> Box<dyn SecretsClient> {
        let store = store(self.provider("Widget", rules));
        self.bench.client(&store, 0).await
    }

    async fn of_cluster(&self, kind: &str, rules: Value) -> Box<dyn SecretsClient> {
        let provider = self.provider(kind, rules);
        let store = store_of(StoreKind::ClusterSecretStore, "", provider);
        self.bench.client(&store, 0).await
    }

    async fn answer(&self, verb: &str, at: &str, status: u16, body: Value) {
        Mock::given(method(verb))
            .and(path(at))
            .and(header("authorization", "Bearer abc"))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(&self.server)
            .await;
    }

    async fn asked(&self, below: &str) -> usize {
        let requests = self.server.received_requests().await;
        let requests = requests.expect("requests must be recorded");
        let below = requests
            .iter()
            .filter(|one| one.url.path().starts_with(below));
        below.count()
    }
}

fn widget(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "example.io/v1", "kind": "Widget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"user": "me", "pass": "<p>", "port": 1.50, "list": [{"key": "a", "v": "x"}]}})
}

fn refusal(code: u16, reason: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code,
        "reason": reason, "message": format!("it is {reason}"),
        "details": {"retryAfterSeconds": if code == 429 { 17 } else { 0 }}})
}

#[tokio::test]
async fn objects_are_read_whole_by_path_and_by_member() {
    let cluster = Cluster::start().await;
    let at = format!("{WIDGETS}/db");
    cluster.answer("GET", &at, 200, widget("team", "db")).await;
    let client = cluster.client(json!([])).await;
    let get = async |reference: RemoteRef| text(&client.get(&reference).await.unwrap()).to_owned();
    let whole = concat!(
        r#"{"apiVersion":"example.io/v1","kind":"Widget","metadata":{"name":"db","namespace":"team"},"#,
        r#""spec":{"list":[{"key":"a","v":"x"}],"pass":"\u003cp\u003e","port":1.5,"user":"me"}}"#
    );
    assert_eq!(get(key("db")).await, whole);
    assert_eq!(get(property("db", "spec.pass")).await, "<p>");
    assert_eq!(get(property("db", "spec.port")).await, "1.5");
    assert_eq!(get(property("db", r#"spec.list.#(key=="a").v"#)).await, "x");
    let members = client.get_map(&property("db", "spec")).await.unwrap();
    let list = r#"[{"key":"a","v":"x"}]"#;
    assert_eq!(
        texts(&members),
        [
            ("list", list),
            ("pass", "<p>"),
            ("port", "1.5"),
            ("user", "me")
        ]
    );
    let members = client.get_map(&key("db")).await.unwrap();
    let names: Vec<_> = members.keys().collect();
    assert_eq!(names, ["apiVersion", "kind", "metadata", "spec"]);
    assert_eq!(cluster.asked("/apis/example.io/v1/namespaces").await, 6);
    let discoveries = cluster.asked("/apis/example.io/v1").await - 6;
    assert_eq!(discoveries, 1, "one client asks once what the kind is");
}

#[tokio::test]
async fn what_is_missing_is_told_from_what_is_refused() {
    let cluster = Cluster::start().await;
    let at = |name: &str| format!("{WIDGETS}/{name}");
    cluster
        .answer("GET", &at("db"), 200, widget("team", "db"))
        .await;
    let failures = [
        ("gone", 404, "NotFound"),
        ("kept", 403, "Forbidden"),
        ("stale", 401, "Unauthorized"),
        ("busy", 429, "TooManyRequests"),
        ("down", 500, "InternalError"),
    ];
    for (name, code, reason) in failures {
        cluster
            .answer("GET", &at(name), code, refusal(code, reason))
            .await;
    }
    let client = cluster.client(json!([])).await;
    let error = async |reference: RemoteRef| client.get(&reference).await.unwrap_err();
    let table = [
        (key("gone"), ErrorKind::NotFound),
        (property("db", "spec.nope"), ErrorKind::NotFound),
        (key("kept"), ErrorKind::Denied),
        (key("stale"), ErrorKind::Denied),
        (key("down"), ErrorKind::Unavailable),
        (key(""), ErrorKind::Invalid),
        (key("../secrets/x"), ErrorKind::Invalid),
        (key(".."), ErrorKind::Invalid),
        (key("db?x=y"), ErrorKind::Invalid),
        (key("db%2f"), ErrorKind::Invalid),
        (
            RemoteRef {
                version: "1".to_owned(),
                ..key("db")
            },
            ErrorKind::Invalid,
        ),
        (
            RemoteRef {
                metadata: true,
                ..key("db")
            },
            ErrorKind::Unsupported,
        ),
    ];
    for (reference, kind) in table {
        let error = error(reference.clone()).await;
        assert_eq!(error.kind, kind, "{reference:?}: {error}");
    }
    let busy = error(key("busy")).await;
    assert_eq!(busy.kind, ErrorKind::Throttled);
    assert_eq!(busy.retry_after.map(|wait| wait.as_secs()), Some(17));
}

#[tokio::test]
async fn an_answer_that_is_no_object_is_told_without_its_content() {
    let cluster = Cluster::start().await;
    Mock::given(path(format!("{WIDGETS}/cut")))
        .respond_with(ResponseTemplate::new(200).set_body_string("{\"spec\": hunter2"))
        .mount(&cluster.server)
        .await;
    let at = format!("{WIDGETS}/db");
    cluster.answer("GET", &at, 200, widget("team", "db")).await;
    let client = cluster.client(json!([])).await;
    let cut = client.get(&key("cut")).await.unwrap_err();
    assert_eq!(cut.kind, ErrorKind::Unavailable);
    assert!(!format!("{cut} {cut:?}").contains("hunter2"));
    let members = client.get_map(&property("db", "spec.user")).await;
    assert_eq!(members.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_kind_that_is_not_served_is_no_missing_value() {
    let cluster = Cluster::start().await;
    let get = async |kind: &str| {
        let store = store(cluster.provider(kind, json!([])));
        let client = cluster.bench.client(&store, 0).await;
        client.get(&key("db")).await.unwrap_err()
    };
    let error = get("Gadget").await;
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("Gadget"), "{error}");
}

#[tokio::test]
async fn rules_hold_for_every_call_before_the_cluster_is_asked() {
    let cluster = Cluster::start().await;
    let objects = json!({"kind": "WidgetList", "apiVersion": "example.io/v1", "metadata": {},
        "items": [widget("team", "app-1"), widget("team", "other")]});
    cluster.answer("GET", WIDGETS, 200, objects).await;
    let at = format!("{WIDGETS}/team-1");
    cluster
        .answer("GET", &at, 200, widget("team", "team-1"))
        .await;
    let rules = json!([{"name": "^app-"}, {"name": "^team-", "properties": ["^spec\\.user$"]}]);
    let client = cluster.client(rules).await;
    let user = client.get(&property("team-1", "spec.user")).await.unwrap();
    assert_eq!(text(&user), "me");
    let before = cluster.asked(WIDGETS).await;
    let target = |property: &str| Target {
        key: "team-1".to_owned(),
        property: property.to_owned(),
    };
    let refused: [Error; 4] = [
        client.get(&key("team-1")).await.unwrap_err(),
        client
            .get(&property("team-1", "spec.pass"))
            .await
            .unwrap_err(),
        client
            .get_map(&property("other", "spec"))
            .await
            .unwrap_err(),
        client.exists(&target("spec.pass")).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind, ErrorKind::Denied);
        assert!(error.to_string().contains("whitelist.rules"), "{error}");
    }
    assert_eq!(cluster.asked(WIDGETS).await, before);
    assert!(client.exists(&target("spec.user")).await.unwrap());
    let found = client.find(&Find::default()).await.unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["app-1"]);
}

#[tokio::test]
async fn a_cluster_store_names_namespaces_and_lists_page_by_page() {
    let cluster = Cluster::start().await;
    let (far, list) = (
        "/apis/example.io/v1/namespaces/far/widgets/db",
        "/apis/example.io/v1/widgets",
    );
    cluster.answer("GET", far, 200, widget("far", "db")).await;
    let page = |next: &str, name: &str| {
        json!({"kind": "WidgetList", "apiVersion": "example.io/v1",
        "metadata": {"continue": next}, "items": [widget("far", name), widget("near", name)]})
    };
    Mock::given(path(list))
        .and(query_param_is_missing("continue"))
        .respond_with(ResponseTemplate::new(200).set_body_json(page("more", "a")))
        .mount(&cluster.server)
        .await;
    Mock::given(path(list))
        .and(query_param("continue", "more"))
        .respond_with(ResponseTemplate::new(200).set_body_json(page("", "b")))
        .mount(&cluster.server)
        .await;
    let client = cluster
        .of_cluster("widget", json!([{"namespace": "^far$"}]))
        .await;
    let user = client.get(&property("far/db", "spec.user")).await.unwrap();
    assert_eq!(text(&user), "me");
    let kind = async |name: &str| client.get(&key(name)).await.unwrap_err().kind;
    assert_eq!(kind("near/db").await, ErrorKind::Denied);
    assert_eq!(kind("db").await, ErrorKind::Invalid);
    assert_eq!(kind("far/db/x").await, ErrorKind::Invalid);
    assert_eq!(kind("/db").await, ErrorKind::Invalid);
    let find = |name: &str| Find {
        name: Some(Regex::new(name).unwrap()),
        ..Find::default()
    };
    let found = client.find(&find("^[ab]$")).await.unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["far/a", "far/b"]);
    assert!(client.find(&find("^far")).await.unwrap().is_empty());
    let tags = Find {
        tags: [("a".to_owned(), "b".to_owned())].into(),
        ..Find::default()
    };
    assert_eq!(
        client.find(&tags).await.unwrap_err().kind,
        ErrorKind::Unsupported
    );
    let own = cluster.client(json!([])).await;
    let error = own.get(&key("far/db")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
}

#[tokio::test]
async fn a_kind_without_namespaces_is_named_alone() {
    let cluster = Cluster::start().await;
    let galaxy = json!({"apiVersion": "example.io/v1", "kind": "Galaxy", "metadata": {"name": "milky"},
        "spec": {"user": "me"}});
    let list = json!({"kind": "GalaxyList", "apiVersion": "example.io/v1", "metadata": {},
        "items": [{"metadata": {"name": "milky"}}]});
    cluster
        .answer("GET", "/apis/example.io/v1/galaxies/milky", 200, galaxy)
        .await;
    cluster
        .answer("GET", "/apis/example.io/v1/galaxies", 200, list)
        .await;
    let client = cluster.of_cluster("Galaxy", json!([])).await;
    let user = client.get(&property("milky", "spec.user")).await.unwrap();
    assert_eq!(text(&user), "me");
    let error = client.get(&key("far/milky")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    let found = client.find(&Find::default()).await.unwrap();
    let whole = r#"{"apiVersion":"example.io/v1","kind":"Galaxy","metadata":{"name":"milky"}}"#;
    assert_eq!(texts(&found), [("milky", whole)]);
}

#[tokio::test]
async fn validation_asks_for_the_credentials_own_permissions() {
    let access = |allowed: bool| {
        json!({"apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview", "spec": {}, "status": {"allowed": allowed}})
    };
    let rules = |resource: &str| {
        json!({"apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview", "spec": {}, "status": {"incomplete": false,
        "nonResourceRules": [], "resourceRules": [{"verbs": ["get"], "apiGroups": ["example.io"],
        "resources": [resource], "resourceNames": ["db"]}]}})
    };
    let validate = async |allowed: bool, resource: &str, is_cluster: bool| {
        let cluster = Cluster::start().await;
        cluster.answer("POST", ACCESS, 201, access(allowed)).await;
        cluster.answer("POST", RULES, 201, rules(resource)).await;
        let client = if is_cluster {
            cluster.of_cluster("Widget", json!([])).await
        } else {
            cluster.client(json!([])).await
        };
        client.validate().await
    };
    assert_eq!(
        validate(true, "none", false).await.unwrap(),
        Validation::Ready
    );
    assert_eq!(
        validate(false, "widgets", false).await.unwrap(),
        Validation::Ready
    );
    let denied = validate(false, "secrets", false).await.unwrap_err();
    assert_eq!(denied.kind, ErrorKind::Denied);
    assert!(denied.to_string().contains("widgets"), "{denied}");
    assert_eq!(
        validate(true, "none", true).await.unwrap(),
        Validation::Ready
    );
    assert_eq!(
        validate(false, "none", true).await.unwrap(),
        Validation::Unknown
    );
}

#[tokio::test]
async fn a_store_reads_no_secrets_and_needs_credentials_kind_and_rules_that_work() {
    let cluster = Cluster::start().await;
    let check = |change: &dyn Fn(&mut Value)| {
        let mut provider = cluster.provider("Widget", json!([]));
        change(&mut provider["crd"]);
        let store = store_of(StoreKind::ClusterSecretStore, "", provider);
        cluster
            .bench
            .registry
            .provider(&store)
            .unwrap()
            .check(&store)
    };
    assert!(check(&|_| {}).is_ok());
    let refused: [(Change, &str); 8] = [
        (
            |crd| crd["resource"] = json!({"group": "", "version": "v1", "kind": "secret"}),
            "kubernetes",
        ),
        (
            |crd| crd["resource"]["group"] = json!("../api"),
            "resource.group",
        ),
        (
            |crd| crd["resource"]["version"] = json!("v1/namespaces"),
            "resource.version",
        ),
        (|crd| crd["resource"]["kind"] = json!(""), "resource.kind"),
        (
            |crd| crd["whitelist"] = json!({"rules": [{}]}),
            "whitelist.rules[0]",
        ),
        (
            |crd| crd["whitelist"] = json!({"rules": [{"name": "("}]}),
            "whitelist.rules[0].name",
        ),
        (|crd| crd["auth"] = json!(null), "auth or authRef"),
        (
            |crd| crd["server"]["caProvider"] = json!({"type": "ConfigMap", "name": "ca"}),
            "caProvider.namespace",
        ),
    ];
    for (change, says) in refused {
        let error = check(&change).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.to_string().contains(says), "{error}");
    }
    let group = |crd: &mut Value| crd["resource"]["kind"] = json!("Secret");
    assert!(
        check(&group).is_ok(),
        "a kind of another group may have this name"
    );
}

#[tokio::test]
async fn a_cluster_store_with_its_consumers_credentials_cannot_be_validated() {
    let cluster = Cluster::start().await;
    let mut provider = cluster.provider("Widget", json!([]));
    provider["crd"]["auth"] = json!({"serviceAccount": {"name": "reader"}});
    let store = store_of(StoreKind::ClusterSecretStore, "", provider);
    let client = cluster.bench.client(&store, 0).await;
    assert_eq!(client.validate().await.unwrap(), Validation::Unknown);
}
