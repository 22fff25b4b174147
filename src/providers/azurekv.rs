//! Provider `azurekv`: secrets, certificates and keys of Azure Key Vault.
//!
//! One login per store and one read per object and refresh window; see [`super::logins`] and
//! [`super::window`]. Tokens are asked for the audience of the store's cloud and sent to hosts of that
//! audience alone: what a server answers never changes where they go. As in External Secrets Operator,
//! a push ignores `property`, and a certificate is read in DER; `property: pem` gives it in PEM.

mod access;
mod cloud;
mod document;
mod login;
mod material;
mod name;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;

use super::desk::{Desk, Token};
use super::logins::{Identity, Logins};
use super::window::Window;
use super::{
    Abilities, ClientContext, Error, ErrorKind, FindBy, Options, Provider, SecretsClient,
    Validation, cloud_json, value_error,
};
use crate::api::v1::AzureKeyVaultProvider;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::model::value;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

use access::{Access, Request};
use name::{Kind, Name};

const NAME: &str = "azurekv";

/// Reads of one search that are under way at once.
const PARALLEL: usize = 8;

/// Secrets that a vault may list; more is taken for a mistake.
const MAX_LISTED: usize = 25_000;

/// The provider, with what all its stores share.
pub(super) struct AzureKv {
    engine: Arc<Engine>,
}

struct Engine {
    desk: Desk,
    logins: Logins<SecretBytes>,
    window: Window<Asked, Fetched>,
}

/// What was asked for, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    identity: Identity,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Object { name: Name, version: String },
    Listing,
}

/// What the vault answered; `None` where there is no such object.
enum Fetched {
    Object(Option<Json>),
    Listing(Vec<document::Entry>),
}

impl AzureKv {
    /// Makes the provider.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let engine = Engine {
            desk: Desk::new(NAME, options)?,
            logins: Logins::new(options.clock.clone()),
            window: Window::new(options.clock.clone()),
        };
        let engine = Arc::new(engine);
        Ok(Self { engine })
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "secrets, certificates, keys",
    find: &[FindBy::Name, FindBy::Tags],
    push: "yes, marked objects only",
    version: "yes",
    metadata: "tags",
    tested: "Key Vault's protocol by the fake servers of Microsoft's SDK for Go; doubles of Entra ID and Key Vault that check tokens, which Azure's Python clients accept",
};

#[async_trait]
impl Provider for AzureKv {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        let cloud = cloud::cloud(block)?;
        cloud.vault(&block.vault_url)?;
        login::check(store, block)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let cloud = cloud::cloud(&block)?;
        let is_referent = login::is_referent(&context.store, &block);
        Ok(Box::new(AzureClient {
            has_consumer: !is_referent || !context.namespace.is_empty(),
            access: Access {
                engine: Arc::clone(&self.engine),
                identity: Identity::new(&context, is_referent),
                vault: cloud.vault(&block.vault_url)?,
                cloud,
                context,
                block,
            },
        }))
    }

    fn sweep(&self) {
        self.engine.window.sweep();
    }
}

struct AzureClient {
    has_consumer: bool,
    access: Access,
}

impl AzureClient {
    async fn fetched(&self, what: What) -> Result<Arc<Fetched>, Error> {
        let asked = Asked {
            identity: self.access.identity.clone(),
            what,
        };
        let not_before = self.access.context.not_before;
        let window = &self.access.engine.window;
        window
            .get(&asked, not_before, self.fetch(&asked.what))
            .await
    }

    async fn fetch(&self, what: &What) -> Result<Fetched, Error> {
        Ok(match what {
            What::Object { name, version } => {
                let request = Request::read(name, version);
                Fetched::Object(self.access.find(&request).await?)
            }
            What::Listing => Fetched::Listing(self.listing().await?),
        })
    }

    /// Names and tags of all secrets that are enabled.
    async fn listing(&self) -> Result<Vec<document::Entry>, Error> {
        let mut entries = Vec::new();
        let mut request = Request::list();
        loop {
            let page = self.access.send(&request).await?;
            entries.extend(document::entries(&page));
            if entries.len() > MAX_LISTED {
                let message = format!("find: the vault holds more than {MAX_LISTED} secrets");
                return Err(invalid(message));
            }
            match cloud_json::member_text(&page, "nextLink").filter(|link| !link.is_empty()) {
                Some(link) => request = self.access.next(link)?,
                None => return Ok(entries),
            }
        }
    }

    async fn object(&self, reference: &RemoteRef) -> Result<(Name, Arc<Fetched>), Error> {
        let name = Name::parse(&reference.key).map_err(invalid)?;
        let version = name::version(&reference.version).map_err(invalid)?;
        let what = What::Object {
            name: name.clone(),
            version: version.to_owned(),
        };
        Ok((name, self.fetched(what).await?))
    }
}

#[async_trait]
impl SecretsClient for AzureClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let (name, fetched) = self.object(reference).await?;
        let Fetched::Object(Some(object)) = fetched.as_ref() else {
            return Err(missing(reference));
        };
        let found = if reference.metadata {
            document::tag(object, &reference.property)
        } else {
            document::value(name.kind, object, &reference.property)
        };
        found
            .map_err(|error| value_error(NAME, &reference.key, &error))?
            .ok_or_else(|| missing(reference))
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let (name, fetched) = self.object(reference).await?;
        let Fetched::Object(Some(object)) = fetched.as_ref() else {
            return Err(missing(reference));
        };
        if reference.metadata {
            let tags = document::flat_tags(object, &name.name);
            if reference.property.is_empty() {
                return Ok(tags);
            }
            let wanted = format!("{}_{}", name.name, reference.property);
            let tag = tags.get(&wanted).ok_or_else(|| missing(reference))?;
            return Ok([(wanted, tag.duplicate())].into_iter().collect());
        }
        if name.kind != Kind::Secret {
            let key = &reference.key;
            let message = format!("key {key:?}: only secrets have members; use data");
            return Err(Error::new(ErrorKind::Unsupported, NAME, message));
        }
        let broken = |error: value::Error| value_error(NAME, &reference.key, &error);
        let value = document::value(Kind::Secret, object, &reference.property);
        let value = value.map_err(broken)?.ok_or_else(|| missing(reference))?;
        value::members(&value).map_err(broken)
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        let listing = self.fetched(What::Listing).await?;
        let Fetched::Listing(entries) = listing.as_ref() else {
            return Ok(SecretMap::new());
        };
        let wanted = entries.iter().filter(|entry| entry.matches(find));
        let names: Vec<String> = wanted.map(|entry| entry.name.clone()).collect();
        let reads = names.into_iter().map(|name| async move {
            let what = What::Object {
                name: Name::secret(&name),
                version: String::new(),
            };
            let fetched = self.fetched(what).await?;
            let Fetched::Object(Some(object)) = fetched.as_ref() else {
                return Ok(None);
            };
            let value = document::value(Kind::Secret, object, "");
            let value = value.map_err(|error| value_error(NAME, &name, &error))?;
            Ok(value.map(|value| (name, value)))
        });
        let read: Vec<Result<_, Error>> = stream::iter(reads).buffered(PARALLEL).collect().await;
        read.into_iter().filter_map(Result::transpose).collect()
    }

    /// Logs in; a vault may allow less than any call that could be tried.
    async fn validate(&self) -> Result<Validation, Error> {
        if !self.has_consumer {
            return Ok(Validation::Unknown);
        }
        self.access.session().await?;
        Ok(Validation::Ready)
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        self.write(push).await
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        self.remove(target).await
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        let name = Name::parse(&target.key).map_err(invalid)?;
        Ok(self.access.find(&Request::read(&name, "")).await?.is_some())
    }
}

/// A token for `resource`, for whom the fields of a store say; for services beside Key Vault.
///
/// # Errors
/// As a login of a store with these fields.
pub(crate) async fn token_for(
    context: &ClientContext,
    options: &Options,
    block: &AzureKeyVaultProvider,
    resource: &str,
) -> Result<Token, Error> {
    login::check(&context.store, block)?;
    let desk = Desk::new(NAME, options)?;
    let login = login::AzureLogin {
        desk: &desk,
        authority: &cloud::authority(block)?,
        resource,
        context,
        block,
    };
    login.token().await
}

fn block(store: &Store) -> Result<&AzureKeyVaultProvider, Error> {
    let block = store.provider.azurekv.as_deref();
    block.ok_or_else(|| invalid("spec.provider.azurekv is missing"))
}

fn missing(reference: &RemoteRef) -> Error {
    let part = |what: &str, name: &str| match name {
        "" => String::new(),
        _ => format!(" {what} {name:?}"),
    };
    let message = format!(
        "no object {:?}{}{} in the vault",
        reference.key,
        part("of version", &reference.version),
        part("with property", &reference.property)
    );
    Error::new(ErrorKind::NotFound, NAME, message)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, NAME, message)
}
