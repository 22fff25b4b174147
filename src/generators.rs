//! What makes values instead of fetching them: one trait, one module a kind.
//!
//! A generator makes new values each time it is asked; whoever asks decides when, and keeps what was
//! made. It reads credentials in the namespace of whoever asks only, also when it is cluster-wide.

#[cfg(feature = "provider-azurekv")]
mod acr_access_token;
#[cfg(feature = "provider-aws")]
mod aws;
mod beyondtrust;
mod call;
#[cfg(any(feature = "provider-azurekv", feature = "provider-gcpsm"))]
mod cloud;
mod cloudsmith;
#[cfg(feature = "provider-aws")]
mod ecr_authorization_token;
mod fake;
#[cfg(feature = "provider-gcpsm")]
mod gcr_access_token;
mod github;
mod gitlab;
mod grafana;
mod mfa;
mod password;
mod quay;
mod ssh_key;
#[cfg(feature = "provider-aws")]
mod sts_session_token;
mod uuid;
#[cfg(feature = "provider-vault")]
mod vault;
#[cfg(feature = "provider-webhook")]
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::generators as api;
use crate::api::meta::SecretKeySelector;
use crate::cluster::secrets::SecretReader;
use crate::model::controller_class::ControllerClass;
use crate::providers::{self, ErrorKind, Registry};
use crate::secret::{SecretBytes, SecretMap};

/// Kind of a generator that every namespace may use.
pub const CLUSTER_GENERATOR: &str = "ClusterGenerator";

/// All that a generator may use.
#[derive(Clone)]
pub struct Context {
    /// Namespace of the object that asks; credentials are read there.
    pub namespace: String,
    /// Reads credentials.
    pub secrets: Arc<dyn SecretReader>,
    /// Connections, and sessions with the servers of stores.
    pub registry: Arc<Registry>,
    /// The present.
    pub now: Timestamp,
    /// Generators that name another class are left alone.
    pub controller_class: ControllerClass,
}

/// Why there are no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What failed and what to do; holds no secret.
    pub message: String,
    /// Whether only a change of an object can help.
    pub lasting: bool,
    /// Whether the generator may be right, but is of a kind that is not served.
    pub is_unserved: bool,
    /// How long a server asked to wait, if it did.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// A failure that only a change of an object can heal.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            lasting: true,
            is_unserved: false,
            retry_after: None,
        }
    }

    fn unserved(kind: &str) -> Self {
        Self {
            is_unserved: true,
            ..Self::invalid(format!(
                "generators of kind {kind} are not served by this build of latchkey"
            ))
        }
    }

    /// A failure that time may heal.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            lasting: false,
            is_unserved: false,
            retry_after: None,
        }
    }
}

impl From<providers::Error> for Error {
    fn from(error: providers::Error) -> Self {
        let lasting = matches!(error.kind, ErrorKind::Invalid | ErrorKind::Unsupported);
        Self {
            message: error.to_string(),
            lasting,
            is_unserved: error.kind == ErrorKind::Unsupported,
            retry_after: error.retry_after,
        }
    }
}

/// One kind of generator, with its spec.
#[async_trait]
pub trait Generator: Send + Sync {
    /// New values by key.
    ///
    /// # Errors
    /// When the spec cannot work or what it needs cannot be had.
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error>;

    /// Class of the controller that serves the generator; empty is any.
    fn class(&self) -> Option<&str> {
        None
    }

    /// The generator as one whose values must be taken back, if it is one.
    fn stateful(&self) -> Option<&dyn Stateful> {
        None
    }
}

/// A generator that makes something elsewhere, which stays until it is taken back.
#[async_trait]
pub trait Stateful: Send + Sync {
    /// New values, and what must be known to take them back.
    ///
    /// # Errors
    /// As [`Generator::generate`]; nothing was made then as far as is known.
    async fn make(&self, context: &Context) -> Result<Made, Error>;

    /// Takes back what was made. What is gone already is success.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached, or `state` is not what [`Self::make`] gave.
    async fn take_back(&self, context: &Context, state: &Value) -> Result<(), Error>;
}

/// What a generator made.
pub struct Made {
    /// Values by key.
    pub values: SecretMap,
    /// What must be known to take them back; null where nothing is. Holds no secret.
    pub state: Value,
}

/// The generator that a `kind` and its `spec` describe; a cluster-wide one is opened.
///
/// # Errors
/// When the spec cannot be read, or the kind is not served.
pub fn parse(kind: &str, spec: Value) -> Result<Box<dyn Generator>, Error> {
    Ok(match kind {
        #[cfg(feature = "provider-azurekv")]
        "ACRAccessToken" => Box::new(read::<api::AcrAccessTokenSpec>(kind, spec)?),
        "BeyondtrustWorkloadCredentialsDynamicSecret" => {
            Box::new(read::<api::BeyondtrustWorkloadCredentialsDynamicSecretSpec>(kind, spec)?)
        }
        "CloudsmithAccessToken" => Box::new(read::<api::CloudsmithAccessTokenSpec>(kind, spec)?),
        #[cfg(feature = "provider-aws")]
        "ECRAuthorizationToken" => Box::new(read::<api::EcrAuthorizationTokenSpec>(kind, spec)?),
        "Fake" => Box::new(read::<api::FakeSpec>(kind, spec)?),
        #[cfg(feature = "provider-gcpsm")]
        "GCRAccessToken" => Box::new(read::<api::GcrAccessTokenSpec>(kind, spec)?),
        "GithubAccessToken" => Box::new(read::<api::GithubAccessTokenSpec>(kind, spec)?),
        "GitlabDeployToken" => Box::new(read::<api::GitlabDeployTokenSpec>(kind, spec)?),
        "Grafana" => Box::new(read::<api::GrafanaSpec>(kind, spec)?),
        "MFA" => Box::new(read::<api::MfaSpec>(kind, spec)?),
        "Password" => Box::new(read::<api::PasswordSpec>(kind, spec)?),
        "QuayAccessToken" => Box::new(read::<api::QuayAccessTokenSpec>(kind, spec)?),
        "SSHKey" => Box::new(read::<api::SshKeySpec>(kind, spec)?),
        #[cfg(feature = "provider-aws")]
        "STSSessionToken" => Box::new(read::<api::StsSessionTokenSpec>(kind, spec)?),
        "UUID" => Box::new(read::<api::UuidSpec>(kind, spec)?),
        #[cfg(feature = "provider-vault")]
        "VaultDynamicSecret" => Box::new(read::<api::VaultDynamicSecretSpec>(kind, spec)?),
        #[cfg(feature = "provider-webhook")]
        "Webhook" => Box::new(read::<api::WebhookSpec>(kind, spec)?),
        CLUSTER_GENERATOR => {
            let (kind, spec) = open(spec)?;
            return parse(&kind, spec);
        }
        _ => return Err(Error::unserved(kind)),
    })
}

/// Kind and spec of the generator that is meant: a cluster-wide one holds another.
///
/// # Errors
/// When a ClusterGenerator does not hold exactly one generator of its kind.
pub fn resolve(kind: &str, spec: Value) -> Result<(String, Value), Error> {
    if kind == CLUSTER_GENERATOR {
        open(spec)
    } else {
        Ok((kind.to_owned(), spec))
    }
}

/// Makes new values.
///
/// # Errors
/// As [`parse`] and [`Generator::generate`]; also when the generator is of another class.
pub async fn generate(kind: &str, spec: Value, context: &Context) -> Result<Made, Error> {
    let generator = parse(kind, spec)?;
    let class = generator.class().filter(|class| !class.is_empty());
    if let Some(class) = class.filter(|class| *class != context.controller_class.name()) {
        return Err(Error::invalid(format!(
            "the generator is served by controller class {class:?}"
        )));
    }
    match generator.stateful() {
        Some(stateful) => stateful.make(context).await,
        None => Ok(Made {
            values: generator.generate(context).await?,
            state: Value::Null,
        }),
    }
}

/// Takes back what a generator made.
///
/// # Errors
/// As [`parse`] and [`Stateful::take_back`].
pub async fn take_back(
    kind: &str,
    spec: Value,
    state: &Value,
    context: &Context,
) -> Result<(), Error> {
    match parse(kind, spec)?.stateful() {
        Some(stateful) => stateful.take_back(context, state).await,
        None => Ok(()),
    }
}

/// For a generator whose values must not be made without a record of them.
fn needs_state() -> Error {
    Error::invalid(
        "what this generator makes must be taken back one day, which is not recorded here",
    )
}

#[derive(Deserialize)]
struct ClusterGenerator {
    kind: String,
    generator: serde_json::Map<String, Value>,
}

fn open(spec: Value) -> Result<(String, Value), Error> {
    let spec: ClusterGenerator = read(CLUSTER_GENERATOR, spec)?;
    if spec.kind == CLUSTER_GENERATOR {
        return Err(Error::invalid(
            "spec.kind: a ClusterGenerator cannot hold another one",
        ));
    }
    let mut members = spec.generator.into_iter();
    let (Some((member, inner)), None) = (members.next(), members.next()) else {
        return Err(Error::invalid(
            "spec.generator: exactly one member must be set",
        ));
    };
    if !member.eq_ignore_ascii_case(&format!("{}Spec", spec.kind)) {
        return Err(Error::invalid(format!(
            "spec.generator.{member}: does not belong to spec.kind {}",
            spec.kind
        )));
    }
    Ok((spec.kind, inner))
}

fn read<T: DeserializeOwned>(kind: &str, spec: Value) -> Result<T, Error> {
    serde_json::from_value(spec)
        .map_err(|error| Error::invalid(format!("the spec of the {kind} cannot be read: {error}")))
}

/// Reads one key of a credential Secret of the namespace that asks.
async fn credential(
    context: &Context,
    field: &str,
    selector: &SecretKeySelector,
) -> Result<SecretBytes, Error> {
    let named = |part: &Option<String>| part.clone().filter(|part| !part.is_empty());
    let (Some(name), Some(key)) = (named(&selector.name), named(&selector.key)) else {
        return Err(Error::invalid(format!("{field}: name and key must be set")));
    };
    let namespace = &context.namespace;
    let data = context.secrets.read_secret(namespace, &name).await;
    let data = data.map_err(|error| Error::unavailable(format!("{field}: {error}")))?;
    let missing = || {
        Error::unavailable(format!(
            "{field}: Secret {namespace}/{name} has no key {key:?}; create it"
        ))
    };
    data.and_then(|mut data| data.remove(&key))
        .ok_or_else(missing)
}

#[cfg(test)]
mod tests;
