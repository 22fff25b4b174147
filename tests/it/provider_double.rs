//! What the provider tests share: stores, credentials that stand in memory, a clock that is set.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use latchkey::api::meta::StoreKind;
use latchkey::api::v1::SecretStoreProvider;
use latchkey::cluster::secrets::{Error, SecretReader};
use latchkey::http;
use latchkey::model::push::{Push, Source, Target};
use latchkey::model::remote::RemoteRef;
use latchkey::model::secret_store::{Store, StoreId};
use latchkey::providers::{AwsEndpoints, ClientContext, Options, Registry, SecretsClient};
use latchkey::secret::{SecretBytes, SecretMap};

/// Seconds since an arbitrary begin, set by the test.
#[derive(Clone, Default)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    pub(crate) fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    pub(crate) fn now(&self) -> SystemTime {
        Self::at(self.0.load(Ordering::SeqCst))
    }
}

/// Secrets as `namespace/name` to key and value; counts reads.
#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) secrets: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    pub(crate) reads: AtomicUsize,
    pub(crate) tokens: AtomicUsize,
    /// Annotations of ServiceAccounts as `namespace/name`.
    pub(crate) annotations: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Credentials {
    pub(crate) fn with(secret: &str, key: &str, value: &str) -> Arc<Self> {
        let credentials = Self::default();
        credentials.set(secret, key, value);
        Arc::new(credentials)
    }

    pub(crate) fn set(&self, secret: &str, key: &str, value: &str) {
        let data = [(key.to_owned(), value.to_owned())].into();
        self.secrets.lock().unwrap().insert(secret.to_owned(), data);
    }

    /// Sets one more key of a Secret.
    pub(crate) fn add(&self, secret: &str, key: &str, value: &str) {
        let mut secrets = self.secrets.lock().unwrap();
        let data = secrets.entry(secret.to_owned()).or_default();
        data.insert(key.to_owned(), value.to_owned());
    }
}

#[async_trait]
impl SecretReader for Credentials {
    async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<SecretMap>, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let secrets = self.secrets.lock().unwrap();
        let data = secrets.get(&format!("{namespace}/{name}"));
        Ok(data.map(|data| {
            let entries = data.iter();
            entries
                .map(|(key, value)| (key.clone(), value.as_str().into()))
                .collect()
        }))
    }

    /// Every Secret has the label but one of the name `plain`.
    async fn read_marked_secret(
        &self,
        namespace: &str,
        name: &str,
        marks: &[(&str, &str)],
    ) -> Result<Option<SecretMap>, Error> {
        if name == "plain" {
            let (label, value) = marks[0];
            return Err(Error {
                message: format!("it lacks the label {label}: {value}"),
                denied: false,
            });
        }
        self.read_secret(namespace, name).await
    }

    async fn read_config_map(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        Ok(None)
    }

    async fn service_account_annotations(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        let annotations = self.annotations.lock().unwrap();
        Ok(annotations.get(&format!("{namespace}/{name}")).cloned())
    }

    async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[String],
        seconds: i64,
    ) -> Result<SecretBytes, Error> {
        self.tokens.fetch_add(1, Ordering::SeqCst);
        Ok(format!("{namespace}/{name}/{}/{seconds}", audiences.join(",")).into())
    }
}

/// A registry with a set clock and quick retries.
pub(crate) struct Bench {
    pub(crate) registry: Registry,
    pub(crate) time: Time,
    pub(crate) credentials: Arc<Credentials>,
}

impl Bench {
    pub(crate) fn new(esc_url: &str, credentials: Arc<Credentials>) -> Self {
        Self::with(
            esc_url,
            credentials,
            Duration::from_secs(5),
            AwsEndpoints::default(),
        )
    }

    /// A registry whose stores of AWS are elsewhere.
    pub(crate) fn with_aws(aws: AwsEndpoints, credentials: Arc<Credentials>) -> Self {
        Self::with(
            "http://127.0.0.1:1",
            credentials,
            Duration::from_secs(5),
            aws,
        )
    }

    /// A registry that waits for an answer no longer than `timeout`.
    pub(crate) fn with_timeout(credentials: Arc<Credentials>, timeout: Duration) -> Self {
        Self::with(
            "http://127.0.0.1:1",
            credentials,
            timeout,
            AwsEndpoints::default(),
        )
    }

    /// As [`Self::new`], and waits for an answer no longer than `timeout`.
    pub(crate) fn hurried(url: &str, credentials: Arc<Credentials>, timeout: Duration) -> Self {
        Self::with(url, credentials, timeout, AwsEndpoints::default())
    }

    pub(crate) fn with(
        esc_url: &str,
        credentials: Arc<Credentials>,
        timeout: Duration,
        aws: AwsEndpoints,
    ) -> Self {
        let time = Time::default();
        let clock = time.clone();
        let registry = Registry::new(&Options {
            esc_url: esc_url.to_owned(),
            doppler_url: esc_url.to_owned(),
            allow_link_local: false,
            http: http::Options {
                retry_delay: Duration::from_millis(1),
                timeout,
                ..http::Options::default()
            },
            clock: Arc::new(move || clock.now()),
            aws,
            ..Options::default()
        });
        Self {
            registry: registry.unwrap(),
            time,
            credentials,
        }
    }

    /// Requests that wait for the budget of their store.
    pub(crate) fn waiting(&self) -> u32 {
        let metrics = self.registry.options().metrics.encode();
        let mut lines = metrics.lines();
        let found = lines.find(|line| line.starts_with("latchkey_store_requests_waiting{"));
        let count = found.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        count.unwrap_or_default()
    }

    pub(crate) async fn client(
        &self,
        store: &Arc<Store>,
        not_before: u64,
    ) -> Box<dyn SecretsClient> {
        self.try_client(store, not_before).await.unwrap()
    }

    pub(crate) async fn try_client(
        &self,
        store: &Arc<Store>,
        not_before: u64,
    ) -> Result<Box<dyn SecretsClient>, latchkey::providers::Error> {
        let context = ClientContext {
            store: Arc::clone(store),
            namespace: store.id.namespace.clone(),
            secrets: Arc::clone(&self.credentials) as Arc<dyn SecretReader>,
            not_before: Time::at(not_before),
        };
        self.registry.provider(store)?.client(context).await
    }
}

/// A SecretStore `team/main` with this provider block.
pub(crate) fn store(provider: serde_json::Value) -> Arc<Store> {
    store_of(StoreKind::SecretStore, "team", provider)
}

pub(crate) fn store_of(
    kind: StoreKind,
    namespace: &str,
    provider: serde_json::Value,
) -> Arc<Store> {
    let provider: SecretStoreProvider = serde_json::from_value(provider).unwrap();
    Arc::new(Store {
        id: StoreId {
            kind,
            namespace: namespace.to_owned(),
            name: "main".to_owned(),
        },
        uid: "uid".to_owned(),
        generation: 1,
        rate: None,
        provider,
    })
}

pub(crate) fn key(key: &str) -> RemoteRef {
    RemoteRef {
        key: key.to_owned(),
        ..RemoteRef::default()
    }
}

pub(crate) fn property(name: &str, property: &str) -> RemoteRef {
    RemoteRef {
        property: property.to_owned(),
        ..key(name)
    }
}

/// Pushes one value.
pub(crate) async fn push(
    client: &dyn SecretsClient,
    target: &Target,
    value: &str,
) -> Result<(), latchkey::providers::Error> {
    let source = Source {
        data: [("k".to_owned(), value.into())].into_iter().collect(),
        ..Source::default()
    };
    let push = Push {
        source: &source,
        secret_key: "k",
        target,
        metadata: None,
    };
    client.push(&push).await
}

pub(crate) fn text(value: &SecretBytes) -> &str {
    value.expose_str().unwrap()
}

pub(crate) fn texts(map: &SecretMap) -> Vec<(&str, &str)> {
    map.iter().map(|(key, value)| (key, text(value))).collect()
}
