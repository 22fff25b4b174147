//! Secrets and objects of another cluster, read with credentials that a store names.
//!
//! Credentials come from users, so nothing in them may reach into this process: a kubeconfig must
//! hold its certificates and tokens itself and may not name files or programs.

mod objects;
mod rights;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authorization::v1::ResourceRule;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster,
    NamedContext,
};
use kube::{Api, Client, Config};

use crate::budget;
use crate::cluster::request;
use crate::cluster::secrets::contents;
use crate::secret::{SecretBytes, SecretMap};

pub use objects::{Kind, Object, Objects, Resource, connect_objects};
pub use write::Change;

/// Longest time to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Longest time without a byte of an answer.
const READ_LIMIT: Duration = Duration::from_secs(15);

/// Most Secrets of one page of a list.
const PAGE: u32 = 100;

const SECRETS: rights::Of<'_> = rights::Of {
    group: "",
    plural: "secrets",
};

/// How to reach and log in to a cluster.
pub enum Access {
    /// By address and credential.
    Direct {
        /// Address of the API server; without scheme it is https.
        server: String,
        /// CA certificates in PEM to trust instead of the system's.
        ca: Option<Vec<u8>>,
        /// Who to be.
        credential: Credential,
    },
    /// As a kubeconfig says, in its current context.
    Kubeconfig(SecretBytes),
}

/// Who to be in a cluster.
pub enum Credential {
    /// A bearer token.
    Token(SecretBytes),
    /// A client certificate and its key, in PEM.
    Certificate {
        /// The certificate.
        certificate: SecretBytes,
        /// The key.
        key: SecretBytes,
    },
}

/// A Secret of a cluster.
#[derive(Debug, Default)]
pub struct RemoteSecret {
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Data.
    pub data: SecretMap,
}

/// A failed use of a cluster; holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The credentials or the address cannot work.
    #[error("failed to read the cluster's address and credentials: {0}")]
    ReadAccess(String),
    /// The API server refused the credentials or a permission.
    #[error("failed to {action}: the API server refused: {message}")]
    Authorize {
        /// What was tried.
        action: String,
        /// The API server's words.
        message: String,
    },
    /// The answer is not what an API server gives.
    #[error("failed to {action}: the answer is {message}")]
    ReadAnswer {
        /// What was tried.
        action: String,
        /// What is wrong with the answer, without any of it.
        message: String,
    },
    /// There is more than may be read at once.
    #[error("failed to {action}: there are more than {most}")]
    ReadList {
        /// What was tried.
        action: String,
        /// Most objects.
        most: usize,
    },
    /// The API server cannot be reached or failed.
    #[error("failed to {action}: {source}")]
    Request {
        /// What was tried.
        action: String,
        /// Why.
        source: request::Error,
    },
}

/// Reads and writes Secrets of one cluster.
#[async_trait]
pub trait RemoteCluster: Send + Sync {
    /// One Secret, or `None` where there is none.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<RemoteSecret>, Error>;

    /// The Secrets whose labels match all of `labels`.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    async fn list(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<Vec<RemoteSecret>, Error>;

    /// Whether the credentials may read Secrets of a namespace.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses to tell.
    async fn may_read(&self, namespace: &str) -> Result<bool, Error>;

    /// Makes a Secret where `exists` is false, else changes it.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    async fn write(
        &self,
        namespace: &str,
        name: &str,
        exists: bool,
        change: &Change,
    ) -> Result<(), Error>;

    /// Deletes a Secret; none there is success.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    async fn delete(&self, namespace: &str, name: &str) -> Result<(), Error>;
}

/// Makes a client of the cluster that `access` names; sends nothing yet.
///
/// # Errors
/// [`Error::ReadAccess`] when address or credentials cannot work.
pub async fn connect(access: Access) -> Result<Box<dyn RemoteCluster>, Error> {
    let client = client(access).await?;
    Ok(Box::new(Remote { client }))
}

async fn client(access: Access) -> Result<Client, Error> {
    let kubeconfig = match access {
        Access::Direct {
            server,
            ca,
            credential,
        } => direct(server, ca.as_deref(), &credential)?,
        Access::Kubeconfig(text) => parse(&text)?,
    };
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| Error::ReadAccess(error.to_string()))?;
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(READ_LIMIT);
    config.write_timeout = Some(READ_LIMIT);
    // Who asks too often is told so and waits as long as he is told.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| Error::ReadAccess(error.to_string()))
}

fn direct(server: String, ca: Option<&[u8]>, credential: &Credential) -> Result<Kubeconfig, Error> {
    let server = if server.contains("://") {
        server
    } else {
        format!("https://{server}")
    };
    let cluster = Cluster {
        server: Some(server),
        certificate_authority_data: ca.map(|pem| STANDARD.encode(pem)),
        ..Cluster::default()
    };
    let user = match credential {
        Credential::Token(token) => {
            let token = token.expose_str().map(str::trim).unwrap_or_default();
            if token.is_empty() {
                let why = "the bearer token is empty or not text".to_owned();
                return Err(Error::ReadAccess(why));
            }
            AuthInfo {
                token: Some(token.into()),
                ..AuthInfo::default()
            }
        }
        Credential::Certificate { certificate, key } => AuthInfo {
            client_certificate_data: Some(STANDARD.encode(certificate.expose())),
            client_key_data: Some(STANDARD.encode(key.expose()).into()),
            ..AuthInfo::default()
        },
    };
    let name = "remote".to_owned();
    Ok(Kubeconfig {
        clusters: vec![NamedCluster {
            name: name.clone(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: name.clone(),
            auth_info: Some(user),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: name.clone(),
            context: Some(Context {
                cluster: name.clone(),
                user: Some(name.clone()),
                ..Context::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some(name),
        ..Kubeconfig::default()
    })
}

/// The parser's error may repeat the text, which is secret; it is dropped.
fn parse(text: &SecretBytes) -> Result<Kubeconfig, Error> {
    let refused = |why: &str| Error::ReadAccess(format!("the kubeconfig {why}"));
    let text = text.expose_str().ok_or_else(|| refused("is not text"))?;
    let kubeconfig = Kubeconfig::from_yaml(text).map_err(|_| refused("is not valid YAML"))?;
    for user in kubeconfig
        .auth_infos
        .iter()
        .filter_map(|user| user.auth_info.as_ref())
    {
        if user.exec.is_some() || user.auth_provider.is_some() {
            return Err(refused(
                "names a program to log in with; give it a token or certificate",
            ));
        }
        let files = [&user.token_file, &user.client_certificate, &user.client_key];
        if files.iter().any(|file| file.is_some()) {
            return Err(refused("names files; put their content in its place"));
        }
    }
    let mut clusters = kubeconfig.clusters.iter();
    if clusters.any(|named| {
        named
            .cluster
            .as_ref()
            .is_some_and(|cluster| cluster.certificate_authority.is_some())
    }) {
        return Err(refused(
            "names a CA file; put its content in certificate-authority-data",
        ));
    }
    Ok(kubeconfig)
}

struct Remote {
    client: Client,
}

impl Remote {
    fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

#[async_trait]
impl RemoteCluster for Remote {
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<RemoteSecret>, Error> {
        let api = self.secrets(namespace);
        let secret = sent(api.get_opt(name)).await;
        let secret =
            secret.map_err(|error| failed(&format!("read Secret {namespace}/{name}"), error))?;
        Ok(secret.map(RemoteSecret::from))
    }

    async fn list(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<Vec<RemoteSecret>, Error> {
        let api = self.secrets(namespace);
        let selector: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let mut parameters = ListParams::default()
            .labels(&selector.join(","))
            .limit(PAGE);
        let mut secrets = Vec::new();
        loop {
            let page = sent(api.list(&parameters)).await;
            let page =
                page.map_err(|error| failed(&format!("list Secrets of {namespace}"), error))?;
            secrets.extend(page.items.into_iter().map(RemoteSecret::from));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(secrets),
            }
        }
    }

    async fn may_read(&self, namespace: &str) -> Result<bool, Error> {
        let of_all = |rule: &ResourceRule| rule.resource_names.iter().flatten().next().is_none();
        let rules = rights::rules_to_get(&self.client, SECRETS, namespace).await?;
        if rules.iter().any(of_all) {
            return Ok(true);
        }
        rights::may_get(&self.client, SECRETS, Some(namespace)).await
    }

    async fn write(
        &self,
        namespace: &str,
        name: &str,
        exists: bool,
        change: &Change,
    ) -> Result<(), Error> {
        let api = self.secrets(namespace);
        write::write(&api, (namespace, name), exists, change).await
    }

    async fn delete(&self, namespace: &str, name: &str) -> Result<(), Error> {
        write::delete(&self.secrets(namespace), namespace, name).await
    }
}

impl From<Secret> for RemoteSecret {
    fn from(secret: Secret) -> Self {
        Self {
            name: secret.metadata.name.unwrap_or_default(),
            labels: secret.metadata.labels.unwrap_or_default(),
            annotations: secret.metadata.annotations.unwrap_or_default(),
            data: contents(secret.data),
        }
    }
}

/// Sends a request when the budget within which it is called has a turn for it.
async fn sent<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, request::Error> {
    budget::turn().await;
    request::bounded(request).await
}

fn failed(action: &str, error: request::Error) -> Error {
    let action = action.to_owned();
    match error {
        request::Error::Api(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
            Error::Authorize {
                action,
                message: status.message.clone(),
            }
        }
        source => Error::Request { action, source },
    }
}
