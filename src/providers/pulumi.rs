//! Provider `pulumi`: one environment of Pulumi ESC, or of a server that speaks its protocol.
//!
//! An environment is opened once for all keys of all objects of its store that may share what was
//! fetched; see [`sessions`]. Differences to External Secrets Operator, all deliberate: nested
//! values are plain JSON without positions, numbers keep their digits, null is an empty member, a
//! missing key is told apart from a failed call, `property`, `version` and `find` work, a wrong token or
//! environment shows in the store's condition, and a push changes one value; see [`write`].

mod access;
mod failure;
mod lookup;
mod sessions;
mod write;

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Abilities, ClientContext, Error, ErrorKind, FindBy, Options, Provider, SecretsClient,
    Validation,
};
use crate::api::meta::{SecretKeySelector, ServiceAccountSelector, StoreKind};
use crate::api::v1::PulumiProvider;
use crate::esc::client::{Address, Environment, EnvironmentName};
use crate::http;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::{SecretBytes, SecretMap};

use access::{Access, Tokens};
use sessions::{Place, Sessions};

const NAME: &str = "pulumi";

/// Shortest and default validity of tokens in seconds (ESO's CRD).
const MIN_TOKEN_SECONDS: i64 = 600;

/// The provider, with what all its stores share.
pub(super) struct Pulumi {
    http: http::Client,
    esc_url: String,
    sessions: Arc<Sessions>,
    tokens: Arc<Tokens>,
}

/// How a store logs in.
enum Auth<'a> {
    Token(&'a SecretKeySelector),
    Exchange {
        organization: &'a str,
        account: &'a ServiceAccountSelector,
        seconds: i64,
    },
}

impl Pulumi {
    /// Makes the provider.
    ///
    /// # Errors
    /// When TLS cannot be set up or the default address cannot be read.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let http = http::Client::new(&options.http)
            .map_err(|error| Error::new(ErrorKind::Invalid, NAME, error.to_string()))?;
        Address::parse(&options.esc_url).map_err(|error| invalid(error.to_string()))?;
        Ok(Self {
            http,
            esc_url: options.esc_url.clone(),
            sessions: Arc::new(Sessions::new(Arc::clone(&options.clock))),
            tokens: Arc::new(Tokens::new(Arc::clone(&options.clock))),
        })
    }

    fn address(&self, block: &PulumiProvider) -> Result<Address, Error> {
        let named = block.api_url.as_deref().map(str::trim);
        let url = named.filter(|url| !url.is_empty());
        Address::parse(url.unwrap_or(&self.esc_url))
            .map_err(|error| invalid(format!("apiUrl: {error}")))
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "values of an environment",
    find: &[FindBy::Name, FindBy::Path],
    push: "one value in place, encrypted",
    version: "revisions and tags",
    metadata: "",
    tested: "the embedded store; Pulumi's Python client holds that to the protocol",
};

#[async_trait]
impl Provider for Pulumi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        environment_name(block)?;
        self.address(block)?;
        let is_cluster_store = store.id.kind == StoreKind::ClusterSecretStore;
        let namespace = match auth(block)? {
            Auth::Token(selector) => {
                for (field, value) in [("name", &selector.name), ("key", &selector.key)] {
                    if value.as_deref().unwrap_or_default().is_empty() {
                        return Err(invalid(format!("accessToken.secretRef.{field} is missing")));
                    }
                }
                &selector.namespace
            }
            Auth::Exchange { account, .. } => &account.namespace,
        };
        if is_cluster_store && namespace.as_deref().unwrap_or_default().is_empty() {
            return Err(invalid(
                "cluster store requires namespace: set namespace in secretRef or serviceAccountRef",
            ));
        }
        Ok(())
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?;
        let address = self.address(block)?;
        let environment = environment_name(block)?;
        Ok(Box::new(PulumiClient {
            environment,
            address: address.clone(),
            sessions: Arc::clone(&self.sessions),
            access: Access {
                context,
                address,
                http: self.http.clone(),
                tokens: Arc::clone(&self.tokens),
            },
        }))
    }

    fn sweep(&self) {
        self.sessions.sweep();
    }
}

struct PulumiClient {
    environment: EnvironmentName,
    address: Address,
    sessions: Arc<Sessions>,
    access: Access,
}

impl PulumiClient {
    fn place(&self, version: &str) -> Place {
        let store = &self.access.context.store;
        Place {
            store: store.id.clone(),
            uid: store.uid.clone(),
            generation: store.generation,
            address: self.address.clone(),
            environment: self.environment.clone(),
            version: version.to_owned(),
        }
    }

    async fn values(&self, reference: &RemoteRef) -> Result<Arc<Environment>, Error> {
        if reference.metadata {
            let message = "an environment has no metadata of values; remove metadataPolicy";
            return Err(Error::new(ErrorKind::Unsupported, NAME, message));
        }
        let place = self.place(&reference.version);
        self.sessions.values(place, &self.access).await
    }
}

#[async_trait]
impl SecretsClient for PulumiClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let path = lookup::path(&reference.key)?;
        if path.0.is_empty() {
            return Err(invalid("the key must not be empty; name a value"));
        }
        let values = self.values(reference).await?;
        let value = lookup::value(&self.environment, &values, &path)?;
        lookup::single(&self.environment, &path, value, &reference.property)
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let path = lookup::path(&reference.key)?;
        let values = self.values(reference).await?;
        let value = lookup::value(&self.environment, &values, &path)?;
        lookup::members(&self.environment, &path, value, &reference.property)
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        if !find.tags.is_empty() {
            let message = "values of an environment have no tags; find by name or path";
            return Err(Error::new(ErrorKind::Unsupported, NAME, message));
        }
        let path = lookup::path(find.path.as_deref().unwrap_or_default())?;
        let values = self.values(&RemoteRef::default()).await?;
        let value = lookup::value(&self.environment, &values, &path)?;
        lookup::leaves(&self.environment, &path, value, find.name.as_ref())
    }

    async fn validate(&self) -> Result<Validation, Error> {
        self.sessions
            .validate(self.place(""), &self.access)
            .await
            .map(|()| Validation::Ready)
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        self.write(push).await
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        self.remove(target).await
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        self.holds(target).await
    }
}

fn block(store: &Store) -> Result<&PulumiProvider, Error> {
    let block = store.provider.pulumi.as_deref();
    block.ok_or_else(|| invalid("spec.provider.pulumi is missing"))
}

fn environment_name(block: &PulumiProvider) -> Result<EnvironmentName, Error> {
    let names = [
        ("organization", &block.organization),
        ("environment", &block.environment),
        ("project", &block.project),
    ];
    for (field, name) in names {
        if name.is_empty() {
            return Err(invalid(format!("{field} must not be empty")));
        }
        if name.contains('/') || matches!(name.as_str(), "." | "..") {
            return Err(invalid(format!("{field} must be a name, is {name:?}")));
        }
    }
    let [organization, environment, project] = names.map(|(_, name)| name);
    Ok(EnvironmentName::new(organization, project, environment))
}

fn auth(block: &PulumiProvider) -> Result<Auth<'_>, Error> {
    let (token, exchange) = match (&block.auth, &block.access_token) {
        (Some(auth), None) => (auth.access_token.as_ref(), auth.oidc_config.as_ref()),
        (None, Some(token)) => (Some(token), None),
        _ => return Err(invalid("exactly one of auth and accessToken must be set")),
    };
    match (token, exchange) {
        (Some(token), None) => {
            let selector = token.secret_ref.as_ref();
            let selector = selector.ok_or_else(|| invalid("accessToken.secretRef is missing"));
            selector.map(Auth::Token)
        }
        (None, Some(exchange)) => {
            let seconds = exchange.expiration_seconds.unwrap_or(MIN_TOKEN_SECONDS);
            Ok(Auth::Exchange {
                organization: &exchange.organization,
                account: &exchange.service_account_ref,
                seconds: seconds.max(MIN_TOKEN_SECONDS),
            })
        }
        _ => Err(invalid(
            "exactly one of auth.accessToken and auth.oidcConfig must be set",
        )),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, NAME, message)
}
