//! Whether an object that another one names is there. Of Secrets and ConfigMaps metadata alone is read.

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};

use crate::cluster::generator_object;
use crate::cluster::request::bounded;

/// What may be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
    /// A generator of this kind.
    Generator(String),
}

impl Kind {
    /// As people write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::Generator(kind) => kind,
        }
    }
}

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, or of a cluster-wide generator that of whoever asks.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Tells whether objects are there.
#[async_trait]
pub trait Existence: Send + Sync {
    /// Whether the object is there; `None` where nobody could say.
    async fn exists(&self, named: &Named) -> Option<bool>;
}

/// Asks the API server of one cluster, each time.
#[derive(Clone)]
pub struct KubeExistence {
    client: Client,
}

impl KubeExistence {
    /// Asks with the permissions of `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Existence for KubeExistence {
    async fn exists(&self, named: &Named) -> Option<bool> {
        let Named {
            kind,
            namespace,
            name,
        } = named;
        let client = self.client.clone();
        let found = match kind {
            Kind::Secret => {
                let api: Api<Secret> = Api::namespaced(client, namespace);
                bounded(api.get_metadata_opt(name))
                    .await
                    .map(|found| found.is_some())
            }
            Kind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(client, namespace);
                bounded(api.get_metadata_opt(name))
                    .await
                    .map(|found| found.is_some())
            }
            Kind::Generator(kind) => {
                let api = generator_object::api(&client, namespace, kind);
                bounded(api.get_metadata_opt(name))
                    .await
                    .map(|found| found.is_some())
            }
        };
        found.ok()
    }
}
