//! Where secrets are kept: one trait, one module and one cargo feature a backend.
//!
//! A [`Provider`] is made once for the process and holds what is shared: connections, open sessions,
//! budgets. A [`SecretsClient`] is made from it for one refresh of one object and is cheap.

mod abilities;
#[cfg(feature = "provider-akeyless")]
mod akeyless;
#[cfg(feature = "provider-aws")]
pub(crate) mod aws;
#[cfg(feature = "provider-azurekv")]
pub(crate) mod azurekv;
#[cfg(feature = "provider-barbican")]
mod barbican;
#[cfg(any(feature = "provider-azurekv", feature = "provider-gcpsm"))]
#[allow(
    dead_code,
    reason = "how much of it is used depends on the providers that are built in"
)]
mod cloud_json;
#[cfg(any(feature = "provider-crd", feature = "provider-kubernetes"))]
mod cluster_access;
#[cfg(feature = "provider-conjur")]
mod conjur;
#[cfg(feature = "provider-crd")]
mod crd;
#[cfg(any(
    feature = "remote",
    feature = "provider-crd",
    feature = "provider-kubernetes"
))]
#[allow(
    dead_code,
    reason = "how much of it is used depends on the providers that are built in"
)]
mod credential;
#[cfg(any(feature = "provider-azurekv", feature = "provider-gcpsm"))]
#[allow(
    dead_code,
    reason = "how much of it is used depends on the providers that are built in"
)]
pub(crate) mod desk;
#[cfg(feature = "provider-doppler")]
mod doppler;
#[cfg(feature = "provider-azurekv")]
pub(crate) mod entra;
mod error;
#[cfg(feature = "provider-fake")]
mod fake;
#[cfg(feature = "provider-gcpsm")]
mod gcpsm;
#[cfg(feature = "provider-github")]
mod github;
#[cfg(feature = "provider-gitlab")]
mod gitlab;
#[cfg(feature = "provider-gcpsm")]
pub(crate) mod google;
#[cfg(feature = "provider-gcpsm")]
pub(crate) mod google_auth;
#[cfg(feature = "provider-infisical")]
mod infisical;
#[cfg(any(feature = "provider-azurekv", feature = "provider-gcpsm"))]
#[allow(
    dead_code,
    reason = "how much of it is used depends on the providers that are built in"
)]
mod jwt;
#[cfg(feature = "provider-kubernetes")]
mod kubernetes;
#[cfg(feature = "remote")]
#[allow(
    dead_code,
    reason = "how much of it is used depends on the providers that are built in"
)]
mod logins;
mod metered;
#[cfg(feature = "provider-onepassword")]
mod onepassword;
#[cfg(feature = "provider-openbao")]
mod open_bao;
#[cfg(feature = "remote")]
#[allow(
    dead_code,
    reason = "how much of it is used depends on the providers that are built in"
)]
mod part;
#[cfg(feature = "provider-pulumi")]
mod pulumi;
mod registry;
#[cfg(feature = "remote")]
#[allow(
    dead_code,
    reason = "how much of it is used depends on the providers that are built in"
)]
mod rest;
#[cfg(feature = "remote")]
#[allow(
    dead_code,
    reason = "how much of it is used depends on the providers that are built in"
)]
mod service;
#[allow(
    dead_code,
    reason = "how much of it is used depends on the providers that are built in"
)]
mod slots;
#[cfg(feature = "provider-vault")]
mod vault;
#[cfg(any(feature = "provider-openbao", feature = "provider-vault"))]
mod vault_api;
#[cfg(feature = "provider-webhook")]
pub(crate) mod webhook;
#[cfg(feature = "remote")]
mod window;

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::api::meta::{SecretKeySelector, StoreKind};
use crate::cluster::secrets::SecretReader;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::model::value;
use crate::secret::{SecretBytes, SecretMap};

pub use abilities::{Abilities, FindBy, unserved};
pub use error::{Error, ErrorKind};
pub use registry::{AwsEndpoints, Clock, ESC_URL, Options, Registry, Variables};
#[cfg(feature = "provider-vault")]
pub use vault_api::Call as VaultCall;

/// What a provider can do, as stores report it in `status.capabilities`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capabilities {
    /// Secrets can be read.
    ReadOnly,
    /// Secrets can be written.
    WriteOnly,
    /// Both.
    ReadWrite,
}

impl Capabilities {
    /// As written in the store's status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "ReadOnly",
            Self::WriteOnly => "WriteOnly",
            Self::ReadWrite => "ReadWrite",
        }
    }
}

/// What a validation could find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// The store was asked and works.
    Ready,
    /// The store cannot be asked, for example because its credentials are the consumer's.
    Unknown,
}

/// All that a provider may use to make a client.
#[derive(Clone)]
pub struct ClientContext {
    /// The store.
    pub store: Arc<Store>,
    /// Namespace of the object that uses the store; empty when a cluster-scoped store is validated.
    pub namespace: String,
    /// Reads credentials.
    pub secrets: Arc<dyn SecretReader>,
    /// Values fetched from the remote before this moment are too old for this refresh. What was
    /// fetched since, for whichever object, may be shared.
    pub not_before: SystemTime,
}

impl ClientContext {
    /// Reads one key of a credential Secret.
    ///
    /// The selector's namespace counts only in a cluster-scoped store; a selector of a cluster-scoped
    /// store without namespace means the consumer's. Surrounding white space stays.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the selector is incomplete or the Secret or key is missing,
    /// [`ErrorKind::Denied`] or [`ErrorKind::Unavailable`] when it cannot be read.
    pub async fn credential(
        &self,
        provider: &'static str,
        field: &str,
        selector: &SecretKeySelector,
    ) -> Result<SecretBytes, Error> {
        let invalid = |text: String| Error::new(ErrorKind::Invalid, provider, text);
        let name = selector.name.as_deref().filter(|name| !name.is_empty());
        let name =
            name.ok_or_else(|| invalid(format!("{field}: the name of the Secret is missing")))?;
        let key = selector.key.as_deref().filter(|key| !key.is_empty());
        let key =
            key.ok_or_else(|| invalid(format!("{field}: the key in Secret {name:?} is missing")))?;
        let namespace = self.selected_namespace(selector.namespace.as_deref());
        if namespace.is_empty() {
            return Err(invalid(format!(
                "{field}: a ClusterSecretStore must name the namespace of Secret {name:?}"
            )));
        }
        let data = self.secrets.read_secret(namespace, name).await.map_err(|error| {
            let kind = if error.denied { ErrorKind::Denied } else { ErrorKind::Unavailable };
            Error::new(kind, provider, format!("{field}: cannot get Kubernetes secret {name:?} from namespace {namespace:?}: {error}"))
        })?;
        let mut data = data.ok_or_else(|| {
            invalid(format!("{field}: cannot get Kubernetes secret {name:?} from namespace {namespace:?}: not found"))
        })?;
        data.remove(key).ok_or_else(|| {
            invalid(format!(
                "{field}: cannot find secret data for key: {key:?} in Secret {namespace}/{name}"
            ))
        })
    }

    /// The namespace a selector of this store means.
    #[must_use]
    pub fn selected_namespace<'a>(&'a self, named: Option<&'a str>) -> &'a str {
        match (self.store.id.kind, named.filter(|name| !name.is_empty())) {
            (StoreKind::ClusterSecretStore, Some(named)) => named,
            (StoreKind::ClusterSecretStore, None) => &self.namespace,
            (StoreKind::SecretStore, _) => &self.store.id.namespace,
        }
    }
}

/// One kind of backend.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The provider's key in `spec.provider`.
    fn name(&self) -> &'static str;

    /// What the provider can do, told by what the README says of it.
    fn abilities(&self) -> &'static Abilities;

    /// Checks the store's configuration without any I/O; admission and the controller both ask.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] naming the field.
    fn check(&self, store: &Store) -> Result<(), Error>;

    /// Makes a client for one refresh.
    ///
    /// # Errors
    /// When credentials cannot be read or the configuration cannot work.
    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error>;

    /// Drops from memory what was kept long enough; called every few seconds.
    fn sweep(&self) {}
}

/// Reads, and where the backend allows writes, remote secrets for one refresh of one object.
#[async_trait]
pub trait SecretsClient: Send + Sync {
    /// The value of one remote secret.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it does not exist, else the class of the failure.
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error>;

    /// The members of one remote secret.
    ///
    /// # Errors
    /// As [`Self::get`]; [`ErrorKind::Invalid`] when the value has no members.
    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error>;

    /// Every remote secret that matches, by name. Keys are the remote's, not yet made legal.
    ///
    /// # Errors
    /// The class of the failure; an empty result is none.
    async fn find(&self, find: &Find) -> Result<SecretMap, Error>;

    /// Finds out whether the store works, as cheaply as the backend allows.
    ///
    /// # Errors
    /// Why it does not.
    async fn validate(&self) -> Result<Validation, Error>;

    /// Writes a value or all of a source to its target, making the remote secret where it is missing.
    /// What is there already in the wanted form is left alone. Parts of the remote secret that the
    /// target does not name stay.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] unless the provider writes, [`ErrorKind::Denied`] also when the
    /// remote secret belongs to somebody else, [`ErrorKind::Invalid`] when the source lacks the key or
    /// the target has a form that cannot be written to.
    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        Err(unsupported(&format!("push to {:?}", push.target.key)))
    }

    /// Removes what was pushed to the target: the property, or the whole remote secret when none is
    /// named or none is left. Nothing there is success, and so is a remote secret of somebody else,
    /// which stays.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] unless the provider writes, else the class of the failure.
    async fn delete(&self, target: &Target) -> Result<(), Error> {
        Err(unsupported(&format!("delete {:?}", target.key)))
    }

    /// Whether the target holds a value, whoever wrote it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] unless the provider can tell, else the class of the failure.
    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        Err(unsupported(&format!("look for {:?}", target.key)))
    }
}

fn unsupported(action: &str) -> Error {
    let message = format!("failed to {action}: this provider only reads");
    Error::new(ErrorKind::Unsupported, "store", message)
}

/// A value that is not structured as `key` is asked for.
#[cfg(any(
    feature = "provider-crd",
    feature = "provider-fake",
    feature = "provider-kubernetes",
    feature = "provider-pulumi",
    feature = "remote"
))]
fn value_error(provider: &'static str, key: &str, error: &value::Error) -> Error {
    Error::new(
        ErrorKind::Invalid,
        provider,
        format!("key {key:?}: {error}"),
    )
}
