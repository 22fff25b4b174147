//! What makes values instead of fetching them: one trait, one module a kind.
//!
//! A generator makes new values each time it is asked; whoever asks decides when, and keeps what was
//! made. It reads credentials in the namespace of whoever asks only, also when it is cluster-wide.

mod fake;
mod mfa;
mod password;
mod ssh_key;
mod uuid;
#[cfg(feature = "provider-webhook")]
mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::generators as api;
use crate::api::meta::SecretKeySelector;
use crate::cluster::secrets::SecretReader;
use crate::http;
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
    /// The present.
    pub now: Timestamp,
    /// Generators of another class are left alone.
    pub controller_class: String,
    /// How HTTP to servers behaves that a spec names.
    pub http: http::Options,
}

/// Why there are no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What failed and what to do; holds no secret.
    pub message: String,
    /// Whether only a change of an object can help.
    pub lasting: bool,
}

impl Error {
    /// A failure that only a change of an object can heal.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            lasting: true,
        }
    }

    /// A failure that time may heal.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            lasting: false,
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
}

/// The generator that a `kind` and its `spec` describe; a cluster-wide one is opened.
///
/// # Errors
/// When the spec cannot be read, or the kind is not served.
pub fn parse(kind: &str, spec: Value) -> Result<Box<dyn Generator>, Error> {
    Ok(match kind {
        "Fake" => Box::new(read::<api::FakeSpec>(kind, spec)?),
        "MFA" => Box::new(read::<api::MfaSpec>(kind, spec)?),
        "Password" => Box::new(read::<api::PasswordSpec>(kind, spec)?),
        "SSHKey" => Box::new(read::<api::SshKeySpec>(kind, spec)?),
        "UUID" => Box::new(read::<api::UuidSpec>(kind, spec)?),
        #[cfg(feature = "provider-webhook")]
        "Webhook" => Box::new(read::<api::WebhookSpec>(kind, spec)?),
        CLUSTER_GENERATOR => return open(spec),
        _ => {
            return Err(Error::invalid(format!(
                "generators of kind {kind} are not served by this build of latchkey"
            )));
        }
    })
}

/// Makes new values.
///
/// # Errors
/// As [`parse`] and [`Generator::generate`]; also when the generator is of another class.
pub async fn generate(kind: &str, spec: Value, context: &Context) -> Result<SecretMap, Error> {
    let generator = parse(kind, spec)?;
    let class = generator.class().filter(|class| !class.is_empty());
    if let Some(class) = class.filter(|class| *class != context.controller_class) {
        return Err(Error::invalid(format!(
            "the generator is served by controller class {class:?}"
        )));
    }
    generator.generate(context).await
}

#[derive(Deserialize)]
struct ClusterGenerator {
    kind: String,
    generator: serde_json::Map<String, Value>,
}

fn open(spec: Value) -> Result<Box<dyn Generator>, Error> {
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
    parse(&spec.kind, inner)
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
