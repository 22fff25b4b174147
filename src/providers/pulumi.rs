//! Pulumi ESC: one store is one environment.
//!
//! An environment is opened once a refresh window, whoever asks; all keys of all objects are read from
//! that one session, which is a snapshot. See [`session`].

mod auth;
mod error;
mod render;
mod session;

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Capabilities, ClientContext, Error, ErrorKind, Options, Provider, SecretsClient, Validation,
};
use crate::api::meta::StoreKind;
use crate::api::v1::PulumiProvider;
use crate::esc::client::{EnvironmentName, PropertyPath, Value};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::model::value;
use crate::secret::{SecretBytes, SecretMap};

use session::{Sessions, Wanted};

const NAME: &str = "pulumi";

/// The provider `pulumi`.
pub(super) struct Pulumi {
    http: reqwest::Client,
    default_url: String,
    sessions: Arc<Sessions>,
    tokens: Arc<auth::Exchanged>,
}

impl Pulumi {
    /// Prepares connections; `options.esc_url` serves stores that name no address.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let http = crate::http::client(None).map_err(|error| invalid(error.to_string()))?;
        Ok(Self {
            http,
            default_url: options.esc_url.clone(),
            sessions: Arc::new(Sessions::new(std::time::SystemTime::now)),
            tokens: Arc::default(),
        })
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, NAME, message)
}

fn block(store: &Store) -> Result<&PulumiProvider, Error> {
    store
        .provider
        .pulumi
        .as_ref()
        .ok_or_else(|| invalid("spec.provider.pulumi is missing"))
}

#[async_trait]
impl Provider for Pulumi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadOnly
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        let required = [
            ("organization", &block.organization),
            ("environment", &block.environment),
            ("project", &block.project),
        ];
        if let Some((field, _)) = required.iter().find(|(_, value)| value.is_empty()) {
            return Err(invalid(format!("spec.provider.pulumi.{field} must be set")));
        }
        auth::check(block, store.id.kind == StoreKind::ClusterSecretStore)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?;
        let environment = EnvironmentName {
            organization: block.organization.clone(),
            project: block.project.clone(),
            name: block.environment.clone(),
        };
        let url = block.api_url.clone().filter(|url| !url.trim().is_empty());
        let connection = auth::Connection {
            http: self.http.clone(),
            url: url.unwrap_or_else(|| self.default_url.clone()),
            tokens: Arc::clone(&self.tokens),
            context,
        };
        Ok(Box::new(PulumiClient {
            sessions: Arc::clone(&self.sessions),
            connection,
            environment,
        }))
    }

    fn sweep(&self) {
        self.sessions.sweep();
    }
}

struct PulumiClient {
    sessions: Arc<Sessions>,
    connection: auth::Connection,
    environment: EnvironmentName,
}

impl PulumiClient {
    async fn snapshot(&self, version: &str) -> Result<Arc<Value>, Error> {
        let wanted = Wanted {
            environment: &self.environment,
            version,
            connection: &self.connection,
        };
        self.sessions.snapshot(&wanted).await
    }

    /// The value a reference names, without its `property`.
    async fn value<T>(
        &self,
        reference: &RemoteRef,
        read: impl FnOnce(&Value) -> Result<T, String> + Send,
    ) -> Result<T, Error> {
        if reference.metadata {
            return Err(Error::new(
                ErrorKind::Unsupported,
                NAME,
                "metadataPolicy Fetch is not supported",
            ));
        }
        let path = PropertyPath::parse(&reference.key).map_err(invalid)?;
        let snapshot = self.snapshot(&reference.version).await?;
        let value = snapshot
            .at(&path)
            .ok_or_else(|| self.missing(&snapshot, &path))?;
        if value.unknown {
            return Err(invalid(format!(
                "{path} in environment {} is unknown to the server",
                self.environment
            )));
        }
        read(value).map_err(|what| {
            invalid(format!(
                "{path} in environment {}: {what}",
                self.environment
            ))
        })
    }

    fn missing(&self, snapshot: &Value, path: &PropertyPath) -> Error {
        let near = render::nearest(snapshot, path).map(|near| format!("; did you mean {near}?"));
        let message = format!(
            "{path} does not exist in environment {}{}",
            self.environment,
            near.unwrap_or_default()
        );
        Error::new(ErrorKind::NotFound, NAME, message)
    }
}

#[async_trait]
impl SecretsClient for PulumiClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let bytes = self
            .value(reference, |value| Ok(render::bytes(value)))
            .await?;
        if reference.property.is_empty() {
            return Ok(bytes);
        }
        value::property(&bytes, &reference.property).ok_or_else(|| {
            let message = format!(
                "{} in environment {} has no property {:?}",
                reference.key, self.environment, reference.property
            );
            Error::new(ErrorKind::NotFound, NAME, message)
        })
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        if !reference.property.is_empty() {
            let part = self.get(reference).await?;
            return value::members(&part).map_err(|error| {
                invalid(format!(
                    "{} property {:?}: {error}",
                    reference.key, reference.property
                ))
            });
        }
        self.value(reference, render::members).await
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        if !find.tags.is_empty() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                NAME,
                "find.tags is not supported; use find.name or find.path",
            ));
        }
        let snapshot = self.snapshot("").await?;
        let path =
            PropertyPath::parse(find.path.as_deref().unwrap_or_default()).map_err(invalid)?;
        let below = snapshot
            .at(&path)
            .ok_or_else(|| self.missing(&snapshot, &path))?;
        let members =
            render::members(below).map_err(|what| invalid(format!("find.path {path}: {what}")))?;
        let matches = |name: &str| {
            find.name
                .as_ref()
                .is_none_or(|expression| expression.is_match(name))
        };
        Ok(members
            .into_iter()
            .filter(|(name, _)| matches(name))
            .collect())
    }

    async fn validate(&self) -> Result<Validation, Error> {
        self.snapshot("").await.map(|_| Validation::Ready)
    }
}
