//! latchkey's providers against the doubles of the clouds, with a clock that the test sets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use latchkey::cluster::secrets::{Error, SecretReader};
use latchkey::http;
use latchkey::model::push::{Push, Source, Target};
use latchkey::model::secret_store::Store;
use latchkey::providers::{self, ClientContext, Options, Registry, SecretsClient};
use latchkey::secret::{SecretBytes, SecretMap};
use serde_json::{Value, json};

use crate::clouds::entra::{Application, TENANT};
use crate::clouds::serve::Server;
use crate::clouds::tokens::Issuer;
use crate::clouds::{World, held};
use crate::provider_double::{Time, store};

/// The Key Vault of the doubles.
pub(crate) const VAULT: &str = "https://main.vault.azure.net";

/// Issuer of the cluster's ServiceAccount tokens.
pub(crate) const CLUSTER: &str = "https://cluster.test";

type Objects = Mutex<BTreeMap<String, BTreeMap<String, String>>>;

/// A cluster's Secrets, ConfigMaps and annotations of ServiceAccounts, each by `namespace/name`.
pub(crate) struct Cluster {
    pub(crate) secrets: Objects,
    pub(crate) maps: Objects,
    pub(crate) annotations: Objects,
    pub(crate) issuer: Issuer,
    now: Time,
}

fn read(objects: &Objects, namespace: &str, name: &str) -> Option<BTreeMap<String, String>> {
    held(objects).get(&format!("{namespace}/{name}")).cloned()
}

/// Sets the entries of an object.
pub(crate) fn set(objects: &Objects, object: &str, entries: &[(&str, &str)]) {
    let entries = entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    held(objects).insert(object.to_owned(), entries.collect());
}

#[async_trait]
impl SecretReader for Cluster {
    async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<SecretMap>, Error> {
        let data = read(&self.secrets, namespace, name);
        let entry = |(key, value): (String, String)| (key, SecretBytes::from(value));
        Ok(data.map(|data| data.into_iter().map(entry).collect()))
    }

    async fn read_config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        Ok(read(&self.maps, namespace, name))
    }

    async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[String],
        seconds: i64,
    ) -> Result<SecretBytes, Error> {
        let now = self.now.now().duration_since(UNIX_EPOCH);
        let now = now.expect("the clock must be after 1970").as_secs();
        let subject = format!("system:serviceaccount:{namespace}:{name}");
        let until = now + seconds.unsigned_abs();
        let claims =
            json!({"iss": CLUSTER, "sub": subject, "aud": audiences, "nbf": now, "exp": until});
        Ok(self.issuer.sign(&claims).into())
    }

    async fn service_account_annotations(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        Ok(read(&self.annotations, namespace, name))
    }
}

/// The doubles, and a registry whose HTTP ends at them.
pub(crate) struct CloudBench {
    pub(crate) world: Arc<World>,
    pub(crate) time: Time,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) variables: Arc<Mutex<BTreeMap<String, String>>>,
    pub(crate) registry: Arc<Registry>,
    /// Serves the machine's metadata, without TLS.
    pub(crate) machine: Server,
    /// Serves all else until this bench ends.
    _server: Server,
}

impl CloudBench {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A bench whose HTTP behaves as changed by `change`.
    pub(crate) async fn with(change: impl Fn(&mut http::Options)) -> Self {
        let time = Time::default();
        let clock = time.clone();
        let seconds = move || {
            let now = clock.now().duration_since(UNIX_EPOCH);
            now.map_or(0, |now| now.as_secs())
        };
        let world = World::new(Arc::new(seconds));
        let server = Server::secure(Arc::clone(&world)).await;
        let machine = Server::plain(Arc::clone(&world)).await;
        let variables = Arc::new(Mutex::new(BTreeMap::new()));
        let mut http = http::Options {
            addresses: server.addresses(),
            ca_bundle: Some(server.ca.clone().into_bytes()),
            retry_delay: Duration::from_millis(1),
            is_direct: true,
            ..http::Options::default()
        };
        change(&mut http);
        let (clock, environment) = (time.clone(), Arc::clone(&variables));
        let options = Options {
            http,
            clock: Arc::new(move || clock.now()),
            variables: Arc::new(move |name| held(&environment).get(name).cloned()),
            ..Options::default()
        };
        let registry = Registry::new(&options).expect("the registry must be made");
        let cluster = Cluster {
            secrets: Objects::default(),
            maps: Objects::default(),
            annotations: Objects::default(),
            issuer: Issuer::stranger(),
            now: time.clone(),
        };
        Self {
            world,
            cluster: Arc::new(cluster),
            time,
            variables,
            registry: Arc::new(registry),
            machine,
            _server: server,
        }
    }

    pub(crate) fn variable(&self, name: &str, value: &str) {
        held(&self.variables).insert(name.to_owned(), value.to_owned());
    }

    /// A client for an object in `namespace`, at this second.
    pub(crate) async fn client_in(
        &self,
        store: &Arc<Store>,
        namespace: &str,
        second: u64,
    ) -> Result<Box<dyn SecretsClient>, providers::Error> {
        self.time.set(second);
        let context = ClientContext {
            store: Arc::clone(store),
            namespace: namespace.to_owned(),
            secrets: Arc::clone(&self.cluster) as Arc<dyn SecretReader>,
            not_before: Time::at(second),
        };
        self.registry.provider(store)?.client(context).await
    }

    /// A client for an object in the store's namespace.
    pub(crate) async fn client(&self, store: &Arc<Store>, second: u64) -> Box<dyn SecretsClient> {
        let client = self.client_in(store, &store.id.namespace, second).await;
        client.expect("the store must be legal")
    }
}

/// A store of a Key Vault that logs in with a client secret, and an application that has it.
pub(crate) fn azure_store(bench: &CloudBench) -> Arc<Store> {
    set(
        &bench.cluster.secrets,
        "team/sp",
        &[("id", "app-1\n"), ("secret", "hunter2-login")],
    );
    let application = Application {
        secret: Some("hunter2-login".to_owned()),
        ..Application::default()
    };
    held(&bench.world.entra)
        .applications
        .insert("app-1".to_owned(), application);
    store(
        json!({"azurekv": {"vaultUrl": VAULT, "tenantId": TENANT, "authSecretRef": {
            "clientId": {"name": "sp", "key": "id"},
            "clientSecret": {"name": "sp", "key": "secret"},
        }}}),
    )
}

/// Pushes the value of `secret_key` (empty is all) of `data` to `key`.
pub(crate) async fn push(
    client: &dyn SecretsClient,
    data: &[(&str, &str)],
    secret_key: &str,
    target: &Target,
    metadata: Option<&Value>,
) -> Result<(), providers::Error> {
    let entries = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value)));
    let source = Source {
        data: entries.collect(),
        ..Source::default()
    };
    let push = Push {
        source: &source,
        secret_key,
        target,
        metadata,
    };
    client.push(&push).await
}

/// The whole remote secret `key`.
pub(crate) fn target(key: &str) -> Target {
    Target {
        key: key.to_owned(),
        property: String::new(),
    }
}
