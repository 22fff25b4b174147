//! Stores in the place of one that is down, against providers that count their calls.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use kube::{Client, Config};
use latchkey::api::meta::StoreKind;
use latchkey::api::v1::ExternalSecretSpec;
use latchkey::cluster::authorize::WholeNamespace;
use latchkey::controllers::pod_injection::{Unmade, values};
use latchkey::controllers::{Context, Options};
use latchkey::model::controller_class::ControllerClass;
use latchkey::model::failover::{Candidates, Fallback};
use latchkey::model::remote::{Find, RemoteRef};
use latchkey::model::secret_store::{Store, StoreId};
use latchkey::providers::{
    Abilities, ClientContext, Error, ErrorKind, Provider, Registry, SecretsClient, Validation,
};
use latchkey::secret::{SecretBytes, SecretMap};
use latchkey::telemetry::metrics::Metrics;
use rstest::rstest;
use serde_json::json;

use crate::provider_double::{Credentials, store_of};

thread_local! {
    static SECONDS: Cell<i64> = const { Cell::new(1_000) };
}

/// The test's own present: each test has its thread.
fn now() -> Timestamp {
    Timestamp::from_second(SECONDS.get()).expect("the test's time is one")
}

type Answer = Result<&'static str, ErrorKind>;

/// Stores by name, what they answer by key, and the calls that they got.
#[derive(Clone, Default)]
struct Double(Arc<Mutex<Tables>>);

#[derive(Default)]
struct Tables {
    answers: BTreeMap<(String, String), Answer>,
    calls: Vec<String>,
}

impl Double {
    fn answer(&self, store: &str, key: &str, answer: Answer) {
        let mut tables = self.0.lock().expect("no test panics with it");
        let place = (store.to_owned(), key.to_owned());
        tables.answers.insert(place, answer);
    }

    /// The calls since the last look.
    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no test panics with it").calls)
    }

    fn ask(&self, store: &str, key: &str) -> Result<SecretBytes, Error> {
        let mut tables = self.0.lock().expect("no test panics with it");
        tables.calls.push(format!("{store} {key}"));
        let answer = tables.answers.get(&(store.to_owned(), key.to_owned()));
        let answer = answer.copied().unwrap_or(Err(ErrorKind::NotFound));
        answer.map(SecretBytes::from).map_err(|kind| {
            let message = format!("{store} says {} of {key}", kind.as_str());
            Error::new(kind, "fake", message)
        })
    }
}

#[async_trait]
impl Provider for Double {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn abilities(&self) -> &'static Abilities {
        &Abilities {
            read: "all",
            find: &[],
            push: "",
            version: "",
            metadata: "",
            tested: "nothing: it is a double",
        }
    }

    fn check(&self, _: &Store) -> Result<(), Error> {
        Ok(())
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        let store = context.store.id.name.clone();
        Ok(Box::new(DoubleClient(self.clone(), store)))
    }
}

struct DoubleClient(Double, String);

#[async_trait]
impl SecretsClient for DoubleClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        self.0.ask(&self.1, &reference.key)
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let value = self.0.ask(&self.1, &reference.key)?;
        Ok([(reference.key.clone(), value)].into_iter().collect())
    }

    async fn find(&self, _: &Find) -> Result<SecretMap, Error> {
        Err(Error::new(ErrorKind::Unsupported, "fake", "no find"))
    }

    async fn validate(&self) -> Result<Validation, Error> {
        Ok(Validation::Ready)
    }
}

fn store(name: &str) -> Arc<Store> {
    let store = store_of(
        StoreKind::SecretStore,
        "team",
        json!({"fake": {"data": []}}),
    );
    let id = StoreId {
        name: name.to_owned(),
        ..store.id.clone()
    };
    Arc::new(Store {
        id,
        ..Store::clone(&store)
    })
}

struct World {
    double: Double,
    context: Context,
    stores: HashMap<StoreId, Candidates>,
}

impl World {
    /// Store `main` with these in its place, and store `other` that nothing stands in for.
    fn new(fallbacks: &[&str]) -> Self {
        let double = Double::default();
        let mut registry = Registry::default();
        registry.register(Arc::new(double.clone()));
        let config = Config::new("http://127.0.0.1:1".parse().expect("it is an address"));
        let client = Client::try_from(config).expect("plain HTTP needs nothing");
        let options = Options {
            controller_class: ControllerClass::default(),
            store_interval: Duration::ZERO,
            concurrency: 1,
            lanes: (1, 1),
            deletion_limit: 0,
            generic_targets: false,
            adopt_unowned: false,
            generator_grace: Duration::ZERO,
            namespace: None,
        };
        let context = Context::new(
            client,
            Arc::new(registry),
            Credentials::with("team/none", "k", "v"),
            Metrics::new(),
            Arc::new(WholeNamespace),
            options,
            now,
        );
        let fallbacks = fallbacks.iter().map(|name| match name.strip_prefix('!') {
            None => Fallback::Usable(store(name)),
            Some(name) => Fallback::Barred {
                store: store(name).id.clone(),
                why: format!("fallback {name} is not yours"),
            },
        });
        let main = Candidates {
            store: store("main"),
            fallbacks: fallbacks.collect(),
        };
        let other = store("other");
        Self {
            double,
            context,
            stores: [
                (main.store.id.clone(), main),
                (other.id.clone(), Candidates::from(other)),
            ]
            .into(),
        }
    }

    /// Reads the keys of store `main`, and `x` of store `other`.
    async fn read(&self, keys: &[&str]) -> Result<BTreeMap<String, String>, Unmade> {
        let of_main = keys
            .iter()
            .map(|key| json!({"secretKey": key, "remoteRef": {"key": key}}));
        let mut data: Vec<_> = of_main.collect();
        data.push(json!({"secretKey": "x", "remoteRef": {"key": "x"},
            "sourceRef": {"storeRef": {"name": "other"}}}));
        let spec = json!({"secretStoreRef": {"name": "main"}, "data": data});
        let spec: ExternalSecretSpec = serde_json::from_value(spec).expect("it is a spec");
        let found = values(&self.context, "team", "app", &spec, &self.stores).await?;
        let texts = found.iter().map(|(key, value)| {
            let text = value.expose_str().expect("the values are text");
            (key.to_owned(), text.to_owned())
        });
        Ok(texts.filter(|(key, _)| key != "x").collect())
    }

    fn counted(&self, outcome: &str) -> bool {
        let series = format!(
            r#"latchkey_fallback_refreshes_total{{outcome="{outcome}",provider="fake"}} 1"#
        );
        self.context.metrics.encode().contains(&series)
    }
}

const DOWN: Answer = Err(ErrorKind::Unavailable);

fn world(fallbacks: &[&str]) -> World {
    let world = World::new(fallbacks);
    world.double.answer("other", "x", Ok("x"));
    for key in ["a", "b"] {
        world.double.answer("main", key, Ok("of main"));
        world.double.answer("copy", key, Ok("of copy"));
        world.double.answer("third", key, Ok("of third"));
    }
    world
}

fn both(value: &str) -> BTreeMap<String, String> {
    let keys = ["a", "b"].into_iter();
    keys.map(|key| (key.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn a_healthy_store_costs_no_call_to_its_fallback() {
    let world = world(&["copy"]);
    for _ in 0..3 {
        assert_eq!(world.read(&["a", "b"]).await, Ok(both("of main")));
        let calls = world.double.calls();
        assert_eq!(calls.len(), 3, "{calls:?}");
        assert!(calls.iter().all(|call| !call.starts_with("copy")));
    }
    assert!(!world.context.metrics.encode().contains("latchkey_fallback"));
}

#[rstest]
#[case(ErrorKind::Unavailable)]
#[case(ErrorKind::Throttled)]
#[tokio::test]
async fn all_values_of_a_refresh_come_from_the_one_store_that_serves(#[case] kind: ErrorKind) {
    let world = world(&["copy", "third"]);
    world.double.answer("main", "b", Err(kind));
    assert_eq!(world.read(&["a", "b"]).await, Ok(both("of copy")));
    let calls = world.double.calls();
    assert!(
        calls.iter().all(|call| !call.starts_with("third")),
        "{calls:?}"
    );
    assert!(world.counted("served"));
}

#[rstest]
#[case(ErrorKind::NotFound)]
#[case(ErrorKind::Denied)]
#[case(ErrorKind::Invalid)]
#[case(ErrorKind::Unsupported)]
#[tokio::test]
async fn a_store_that_has_spoken_is_not_passed_over(#[case] kind: ErrorKind) {
    let world = world(&["copy"]);
    world.double.answer("main", "a", Err(kind));
    for down in [false, true] {
        if down {
            world.double.answer("main", "b", DOWN);
        }
        let unmade = world.read(&["a", "b"]).await.unwrap_err();
        assert!(unmade.message.contains("main says"), "{}", unmade.message);
        assert_eq!(unmade.is_missing, kind == ErrorKind::NotFound && !down);
        let calls = world.double.calls();
        assert!(
            calls.iter().all(|call| !call.starts_with("copy")),
            "{calls:?}"
        );
    }
}

#[tokio::test]
async fn what_a_fallback_lacks_is_not_taken_for_deleted_and_ends_the_list() {
    let world = world(&["copy", "third"]);
    world.double.answer("main", "a", DOWN);
    world.double.answer("copy", "b", Err(ErrorKind::NotFound));
    let unmade = world.read(&["a", "b"]).await.unwrap_err();
    assert!(!unmade.is_missing);
    for part in [
        "SecretStore \"main\" is down",
        "main says unavailable of a",
        "fallback SecretStore \"copy\": fake: copy says not_found of b",
    ] {
        assert!(
            unmade.message.contains(part),
            "{part:?} in {}",
            unmade.message
        );
    }
    let calls = world.double.calls();
    assert!(
        calls.iter().all(|call| !call.starts_with("third")),
        "{calls:?}"
    );
    assert!(world.counted("refused"));
}

#[tokio::test]
async fn stores_are_asked_in_order_and_one_that_may_not_be_used_is_passed_over() {
    let world = world(&["!copy", "third"]);
    world.double.answer("main", "a", DOWN);
    assert_eq!(world.read(&["a", "b"]).await, Ok(both("of third")));
    let calls = world.double.calls();
    assert!(
        calls.iter().all(|call| !call.starts_with("copy")),
        "{calls:?}"
    );
}

#[tokio::test]
async fn when_all_are_down_each_is_named() {
    let world = world(&["copy", "!third"]);
    world.double.answer("main", "a", DOWN);
    world.double.answer("copy", "a", Err(ErrorKind::Throttled));
    let unmade = world.read(&["a", "b"]).await.unwrap_err();
    for part in [
        "main says unavailable of a",
        "fallback SecretStore \"copy\": fake: copy says throttled of a",
        "fallback third is not yours",
    ] {
        assert!(
            unmade.message.contains(part),
            "{part:?} in {}",
            unmade.message
        );
    }
    assert!(world.counted("exhausted"));
}

#[tokio::test]
async fn a_store_that_is_down_is_asked_again_after_half_a_minute() {
    let world = world(&["copy"]);
    world.double.answer("main", "a", DOWN);
    assert_eq!(world.read(&["a", "b"]).await, Ok(both("of copy")));
    world.double.answer("main", "a", Ok("of main"));
    world.double.calls();
    SECONDS.set(1_029);
    assert_eq!(world.read(&["a", "b"]).await, Ok(both("of copy")));
    let calls = world.double.calls();
    assert!(
        calls.iter().all(|call| !call.starts_with("main")),
        "{calls:?}"
    );
    SECONDS.set(1_030);
    assert_eq!(world.read(&["a", "b"]).await, Ok(both("of main")));
}
