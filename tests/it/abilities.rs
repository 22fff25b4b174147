//! What the README says of providers is what they do.
//!
//! Most are asked at an address where nobody answers: what a provider cannot do it refuses before it asks
//! anybody, and what it can do fails in another way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use latchkey::api::v1::SecretStoreProvider;
use latchkey::model::push::Target;
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::providers::{
    Abilities, AwsEndpoints, Capabilities, Error, ErrorKind, FindBy, Options, Registry,
    SecretsClient, unserved,
};
use regex::Regex;
use serde_json::{Value, json};

use crate::provider_double::{Bench, Credentials, key, push, store};
use crate::provider_faults::subjects;
use crate::{provider_azurekv, provider_gcpsm};

/// An address of this machine where nobody answers.
const NOBODY: &str = "http://127.0.0.1:1";

/// What is passed over in silence though it means nothing to the provider, as ESO does it.
const PASSED_OVER: [(&str, &str); 4] = [
    ("azurekv", "path"),
    ("kubernetes", "path"),
    ("kubernetes", "version"),
    ("onepassword", "path"),
];

fn registry() -> Registry {
    Registry::new(&Options::default()).expect("the defaults are right")
}

fn is_unsupported<T>(answer: Result<T, Error>) -> bool {
    answer.is_err_and(|error| error.kind == ErrorKind::Unsupported)
}

fn search(by: FindBy) -> (&'static str, Find) {
    let nothing = Find::default;
    match by {
        FindBy::Name => {
            let name = Some(Regex::new("^wor").expect("it is an expression"));
            ("name", Find { name, ..nothing() })
        }
        FindBy::Path => {
            let path = Some("apps".to_owned());
            ("path", Find { path, ..nothing() })
        }
        FindBy::Tags => {
            let tags = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
            ("tags", Find { tags, ..nothing() })
        }
    }
}

async fn keeps_its_word(name: &str, abilities: &Abilities, client: &dyn SecretsClient) {
    let is_passed_over = |what: &str| PASSED_OVER.contains(&(name, what));
    let reads = !abilities.read.is_empty();
    assert_eq!(
        is_unsupported(client.get(&key("word")).await),
        !reads,
        "{name} reads"
    );
    for by in FindBy::ALL {
        let (what, find) = search(by);
        let claims = abilities.find.contains(&by);
        let is_refused = is_unsupported(client.find(&find).await);
        if claims || !is_passed_over(what) {
            assert_eq!(is_refused, !claims, "{name} finds by {what}");
        }
    }
    let metadata = RemoteRef {
        metadata: true,
        ..key("word")
    };
    let claims = !abilities.metadata.is_empty();
    let is_refused = is_unsupported(client.get(&metadata).await);
    assert_eq!(is_refused, !claims, "{name} reads metadata");
    let target = Target {
        key: "WORD".to_owned(),
        property: "p".to_owned(),
    };
    let pushes = !abilities.push.is_empty();
    let pushed = push(client, &target, "v").await;
    assert_eq!(is_unsupported(pushed), !pushes, "{name} pushes");
    let deleted = client.delete(&target).await;
    assert_eq!(is_unsupported(deleted), !pushes, "{name} deletes");
    if reads && !is_passed_over("version") {
        let old = RemoteRef {
            version: "7".to_owned(),
            ..key("word")
        };
        let told = client
            .get(&old)
            .await
            .expect_err("there is no such version");
        let has_none = told.to_string().contains("there are no versions");
        assert_eq!(has_none, abilities.version.is_empty(), "{name}: {told}");
    }
}

/// Stores of the providers that no subject of faults stands for, by where nobody answers.
fn others() -> Vec<Value> {
    let token = json!({"tokenSecretRef": {"name": "login", "key": "id"}});
    let vault = json!({"server": NOBODY, "path": "kv", "auth": token});
    let selector = |key: &str| json!({"name": "login", "key": key});
    vec![
        json!({"fake": {"data": [{"key": "word", "value": "v"}]}}),
        json!({"vault": vault.clone()}),
        json!({"openBao": vault}),
        json!({"aws": {"service": "SecretsManager", "region": "eu-west-1", "auth": {"secretRef":
            {"accessKeyIDSecretRef": selector("id"), "secretAccessKeySecretRef": selector("key")}}}}),
        json!({"kubernetes": {"server": {"url": NOBODY},
            "auth": {"token": {"bearerToken": selector("id")}}}}),
        json!({"crd": {"server": {"url": NOBODY},
            "auth": {"token": {"bearerToken": selector("id")}},
            "resource": {"group": "example.io", "version": "v1", "kind": "Widget"}}}),
        json!({"pulumi": {"organization": "acme", "project": "app", "environment": "dev",
            "accessToken": {"secretRef": selector("id")}}}),
        json!({"github": {"url": NOBODY, "appID": 1, "installationID": 2, "organization": "acme",
            "auth": {"privateKey": selector("id")}}}),
    ]
}

fn nowhere(credentials: Arc<Credentials>) -> Bench {
    let at = || Some(NOBODY.to_owned());
    let aws = AwsEndpoints {
        secrets_manager: at(),
        ssm: at(),
        sts: at(),
        ..AwsEndpoints::default()
    };
    Bench::with(NOBODY, credentials, std::time::Duration::from_secs(5), aws)
}

#[tokio::test]
async fn every_provider_does_what_the_readme_says_and_refuses_the_rest() {
    let registry = registry();
    let claims: BTreeMap<&str, &Abilities> = registry.abilities().collect();
    let mut held = BTreeSet::new();
    for subject in subjects() {
        let bench = nowhere((subject.credentials)());
        let client = bench.client(&store((subject.block)(NOBODY)), 0).await;
        keeps_its_word(subject.name, claims[subject.name], client.as_ref()).await;
        held.insert(subject.name);
    }
    let credentials = Credentials::with("team/login", "id", "hunter2");
    credentials.add("team/login", "key", "hunter2-key");
    let bench = nowhere(credentials);
    for block in others() {
        let store = store(block);
        let name = bench
            .registry
            .provider(&store)
            .expect("it is served")
            .name();
        let client = bench.client(&store, 0).await;
        keeps_its_word(name, claims[name], client.as_ref()).await;
        held.insert(name);
    }
    let (bench, store) = provider_azurekv::with_secret().await;
    let client = bench.client(&store, 0).await;
    keeps_its_word("azurekv", claims["azurekv"], client.as_ref()).await;
    let (bench, store) = provider_gcpsm::with_key().await;
    let client = bench.client(&store, 0).await;
    keeps_its_word("gcpsm", claims["gcpsm"], client.as_ref()).await;
    held.extend(["azurekv", "gcpsm"]);
    assert_eq!(held, claims.keys().copied().collect(), "nobody is left out");
}

#[test]
fn what_a_store_reports_follows_from_what_its_provider_can_do() {
    let registry = registry();
    for (name, abilities) in registry.abilities() {
        let expected = match (abilities.read.is_empty(), abilities.push.is_empty()) {
            (false, false) => Capabilities::ReadWrite,
            (false, true) => Capabilities::ReadOnly,
            (true, false) => Capabilities::WriteOnly,
            (true, true) => panic!("{name} does nothing"),
        };
        assert_eq!(abilities.capabilities(), expected, "{name}");
        assert!(!abilities.tested.is_empty(), "{name} is tested");
    }
}

#[test]
fn every_provider_of_eso_is_served_or_said_not_to_be() {
    let schema = schemars::schema_for!(SecretStoreProvider).to_value();
    let blocks = schema["properties"].as_object().expect("it has members");
    let blocks: BTreeSet<&str> = blocks.keys().map(String::as_str).collect();
    let registry = registry();
    let served: BTreeSet<&str> = registry.abilities().map(|(name, _)| name).collect();
    let unserved: BTreeSet<&str> = unserved().collect();
    assert!(served.is_disjoint(&unserved));
    assert_eq!(&served | &unserved, blocks);
}
