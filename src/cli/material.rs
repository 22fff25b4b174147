//! What `render`, `diff` and `explain` look at: objects of files, and of the cluster where files have none.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::Api;
use kube::{Client, Config, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::meta::StoreKind;
use crate::api::v1::{ClusterSecretStore, ExternalSecret, SecretStore};
use crate::cluster::authorize::WholeNamespace;
use crate::cluster::request::bounded;
use crate::cluster::secrets::{Error, KubeSecretReader, SecretReader};
use crate::controllers::caches::{CachedStore, cluster_store, namespaced_store};
use crate::controllers::{self, Options};
use crate::model::controller_class::ControllerClass;
use crate::model::external_secret::stores_named;
use crate::model::failover::Candidates;
use crate::model::secret_store::StoreId;
use crate::providers::{self, Registry};
use crate::secret::{SecretBytes, SecretMap};
use crate::telemetry::metrics::Metrics;

/// What the files hold.
#[derive(Default)]
pub(super) struct Files {
    /// ExternalSecrets, in order.
    pub(super) external_secrets: Vec<ExternalSecret>,
    stores: HashMap<StoreId, CachedStore>,
    secrets: BTreeMap<(String, String), SecretMap>,
    config_maps: BTreeMap<(String, String), BTreeMap<String, String>>,
}

impl Files {
    /// Reads YAML files with one or more documents, `-` being standard input. Objects without a namespace
    /// are taken to be in `namespace`; kinds that are not looked at are passed over.
    pub(super) fn read(paths: &[PathBuf], namespace: &str) -> anyhow::Result<Self> {
        let mut files = Self::default();
        for path in paths {
            let text = text(path)?;
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
                .with_context(|| format!("failed to read {} as YAML", path.display()))?;
            for document in documents {
                files
                    .take(document, namespace)
                    .with_context(|| format!("in {}", path.display()))?;
            }
        }
        Ok(files)
    }

    fn take(&mut self, mut document: Value, namespace: &str) -> anyhow::Result<()> {
        let kind = document["kind"].as_str().unwrap_or_default().to_owned();
        if let (true, Some(items)) = (kind.ends_with("List"), document["items"].as_array_mut()) {
            for item in std::mem::take(items) {
                self.take(item, namespace)?;
            }
            return Ok(());
        }
        let is_ours = document["apiVersion"]
            .as_str()
            .is_some_and(|version| version.starts_with("external-secrets.io/"));
        let is_core = document["apiVersion"] == "v1";
        let place = |metadata: &kube::api::ObjectMeta| {
            let named = metadata.namespace.clone();
            named.unwrap_or_else(|| namespace.to_owned())
        };
        match kind.as_str() {
            "ExternalSecret" if is_ours => {
                let mut object: ExternalSecret = object(&kind, document)?;
                object.metadata.namespace = Some(place(&object.metadata));
                self.external_secrets.push(object);
            }
            "SecretStore" if is_ours => {
                let mut store: SecretStore = object(&kind, document)?;
                store.metadata.namespace = Some(place(&store.metadata));
                let store = namespaced_store(&store);
                self.stores.insert(store.store.id.clone(), store);
            }
            "ClusterSecretStore" if is_ours => {
                let store = cluster_store(&object(&kind, document)?);
                self.stores.insert(store.store.id.clone(), store);
            }
            "Secret" if is_core => {
                let key = key(&document, namespace);
                let data = secret(&document).with_context(|| format!("Secret {}", key.1))?;
                self.secrets.insert(key, data);
            }
            "ConfigMap" if is_core => {
                let data: Option<BTreeMap<String, String>> =
                    serde_json::from_value(document["data"].take())
                        .context("the data of a ConfigMap cannot be read")?;
                let key = key(&document, namespace);
                self.config_maps.insert(key, data.unwrap_or_default());
            }
            _ => {}
        }
        Ok(())
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    let read = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    read.with_context(|| format!("failed to read {}", path.display()))
}

fn object<T: DeserializeOwned>(kind: &str, document: Value) -> anyhow::Result<T> {
    let name = document["metadata"]["name"].as_str().unwrap_or_default();
    let named = format!("{kind} {name:?} cannot be read");
    serde_json::from_value(document).context(named)
}

fn key(document: &Value, namespace: &str) -> (String, String) {
    let of = |field: &str| document["metadata"][field].as_str().map(str::to_owned);
    (
        of("namespace").unwrap_or_else(|| namespace.to_owned()),
        of("name").unwrap_or_default(),
    )
}

fn secret(document: &Value) -> anyhow::Result<SecretMap> {
    let mut data = SecretMap::new();
    for (key, value) in document["data"].as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let bytes = STANDARD.decode(text);
        let bytes = bytes.map_err(|_| anyhow::anyhow!("data.{key} must be base64"))?;
        data.insert(key.clone(), SecretBytes::new(bytes));
    }
    for (key, value) in document["stringData"].as_object().into_iter().flatten() {
        data.insert(
            key.clone(),
            SecretBytes::from(value.as_str().unwrap_or_default()),
        );
    }
    Ok(data)
}

/// Credentials and templates of files, and of the cluster where files have none.
struct Reader {
    files: Arc<Files>,
    cluster: Option<KubeSecretReader>,
}

impl Reader {
    fn cluster(&self) -> Result<&KubeSecretReader, Error> {
        self.cluster.as_ref().ok_or_else(|| Error {
            message: "ServiceAccounts cannot be asked without a cluster".to_owned(),
            denied: false,
        })
    }
}

#[async_trait]
impl SecretReader for Reader {
    async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<SecretMap>, Error> {
        let key = (namespace.to_owned(), name.to_owned());
        match (self.files.secrets.get(&key), &self.cluster) {
            (Some(data), _) => Ok(Some(data.duplicate())),
            (None, Some(cluster)) => cluster.read_secret(namespace, name).await,
            (None, None) => Ok(None),
        }
    }

    async fn read_config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        let key = (namespace.to_owned(), name.to_owned());
        match (self.files.config_maps.get(&key), &self.cluster) {
            (Some(data), _) => Ok(Some(data.clone())),
            (None, Some(cluster)) => cluster.read_config_map(namespace, name).await,
            (None, None) => Ok(None),
        }
    }

    async fn service_account_annotations(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        let cluster = self.cluster()?;
        cluster.service_account_annotations(namespace, name).await
    }

    async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[String],
        seconds: i64,
    ) -> Result<SecretBytes, Error> {
        let cluster = self.cluster()?;
        cluster
            .service_account_token(namespace, name, audiences, seconds)
            .await
    }
}

/// Files and perhaps a cluster, with what controllers need to look at them.
pub(super) struct Material {
    /// As a controller has it.
    pub(super) context: controllers::Context,
    /// The files.
    pub(super) files: Arc<Files>,
    /// The cluster, if it is asked.
    pub(super) cluster: Option<Client>,
}

impl Material {
    /// Joins files with a cluster.
    pub(super) fn new(
        files: Files,
        cluster: Option<Client>,
        esc_url: &str,
        adopt_unowned: bool,
    ) -> anyhow::Result<Self> {
        let files = Arc::new(files);
        let reader = Reader {
            files: Arc::clone(&files),
            cluster: cluster.clone().map(KubeSecretReader::new),
        };
        let registry = Registry::new(&providers::Options {
            esc_url: esc_url.to_owned(),
            ..providers::Options::default()
        })?;
        let client = match &cluster {
            Some(client) => client.clone(),
            // Nothing is sent to it: what would be is refused beforehand.
            None => Client::try_from(Config::new("http://127.0.0.1:1".parse()?))?,
        };
        let context = controllers::Context::new(
            client,
            Arc::new(registry),
            Arc::new(reader),
            Metrics::new(),
            Arc::new(WholeNamespace),
            options(adopt_unowned),
            jiff::Timestamp::now,
        );
        Ok(Self {
            context,
            files,
            cluster,
        })
    }

    /// A store: that of the files, else that of the cluster.
    pub(super) async fn store(&self, id: &StoreId) -> anyhow::Result<Option<CachedStore>> {
        if let Some(store) = self.files.stores.get(id) {
            return Ok(Some(store.clone()));
        }
        let Some(client) = self.cluster.clone() else {
            return Ok(None);
        };
        let found = match id.kind {
            StoreKind::SecretStore => {
                let api: Api<SecretStore> = Api::namespaced(client, &id.namespace);
                let found = bounded(api.get_opt(&id.name)).await;
                found.map(|store| store.as_ref().map(namespaced_store))
            }
            StoreKind::ClusterSecretStore => {
                let api: Api<ClusterSecretStore> = Api::all(client);
                let found = bounded(api.get_opt(&id.name)).await;
                found.map(|store| store.as_ref().map(cluster_store))
            }
        };
        found.with_context(|| format!("failed to read {id}"))
    }

    /// The stores that an object names and that are there.
    pub(super) async fn stores_of(
        &self,
        object: &ExternalSecret,
    ) -> anyhow::Result<HashMap<StoreId, Candidates>> {
        let namespace = object.namespace().unwrap_or_default();
        let mut stores = HashMap::new();
        for id in stores_named(&namespace, &object.spec) {
            if let Some(found) = self.store(&id).await? {
                stores.insert(id, found.store.into());
            }
        }
        Ok(stores)
    }
}

/// Splits `KIND/NAME`; the kind is taken in any case, in the plural and by its short name.
pub(super) fn kind_and_name(text: &str) -> anyhow::Result<(&'static str, &str)> {
    let (kind, name) = text.split_once('/').unwrap_or(("", text));
    let kind = match kind.to_lowercase().as_str() {
        "externalsecret" | "externalsecrets" | "es" => "ExternalSecret",
        "secretstore" | "secretstores" | "ss" => "SecretStore",
        "clustersecretstore" | "clustersecretstores" | "css" => "ClusterSecretStore",
        _ => bail!(
            "{text:?} must be externalsecret/NAME, secretstore/NAME or clustersecretstore/NAME"
        ),
    };
    Ok((kind, name))
}

fn options(adopt_unowned: bool) -> Options {
    Options {
        controller_class: ControllerClass::default(),
        store_interval: Duration::ZERO,
        concurrency: 1,
        lanes: (1, 1),
        deletion_limit: 0,
        generic_targets: true,
        adopt_unowned,
        namespace: None,
        generator_grace: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_objects_of_several_kinds_and_lists_of_them() {
        let documents: Vec<Value> = serde_saphyr::from_multiple(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: login}\n  \
             data: {token: aHVudGVyMg==}\n  stringData: {user: ann}\n---\napiVersion: v1\nkind: ConfigMap\n\
             metadata: {name: texts, namespace: other}\ndata: {a: b}\n---\nkind: Deployment\n",
        )
        .unwrap();
        let mut files = Files::default();
        for document in documents {
            files.take(document, "team").unwrap();
        }
        let login = &files.secrets[&("team".to_owned(), "login".to_owned())];
        assert_eq!(login.get("token").unwrap().expose(), b"hunter2");
        assert_eq!(login.get("user").unwrap().expose(), b"ann");
        let texts = &files.config_maps[&("other".to_owned(), "texts".to_owned())];
        assert_eq!(texts["a"], "b");
    }

    #[test]
    fn kinds_have_their_short_names() {
        assert_eq!(kind_and_name("es/db").unwrap(), ("ExternalSecret", "db"));
        let named = kind_and_name("ClusterSecretStore/v").unwrap();
        assert_eq!(named, ("ClusterSecretStore", "v"));
        assert!(kind_and_name("db").is_err());
    }
}
