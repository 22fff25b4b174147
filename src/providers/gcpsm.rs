//! Provider `gcpsm`: secrets of Google Cloud Secret Manager.
//!
//! One login per store and one read per version and refresh window; see [`super::logins`] and
//! [`super::window`]. Differences to External Secrets Operator, all deliberate: stores work at the same
//! time, a search in a regional store searches that region, and members of a value that are missing are
//! told as missing.

mod access;
mod document;
mod login;
mod name;
mod settings;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;
use tokio::sync::OnceCell;

use super::desk::Desk;
use super::logins::{Identity, Logins};
use super::window::Window;
use super::{
    Abilities, ClientContext, Error, ErrorKind, FindBy, Options, Provider, SecretsClient,
    Validation, cloud_json, value_error,
};
use crate::api::v1::GcpSmProvider;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::model::value;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

use access::{Access, Request};

const NAME: &str = "gcpsm";

/// Reads of one search that are under way at once.
const PARALLEL: usize = 8;

/// Secrets that one search may list; more is taken for a mistake in the search.
const MAX_LISTED: usize = 25_000;

/// The version that is meant where none is named.
const LATEST: &str = "latest";

/// The policy that takes an older version when the newest is disabled or destroyed.
const OR_FETCH: &str = "LatestOrFetch";

/// The provider, with what all its stores share.
pub(super) struct GcpSm {
    engine: Arc<Engine>,
}

struct Engine {
    desk: Desk,
    logins: Logins<SecretBytes>,
    window: Window<Asked, Fetched>,
    /// Project of the machine, asked for once.
    own_project: OnceCell<String>,
    /// One writer a secret, so that two keys of one push do not undo each other.
    writers: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// What was asked for, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    identity: Identity,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Version { secret: String, version: String },
    Secret(String),
    Listing(String),
}

/// What Secret Manager answered; `None` where there is no such thing.
enum Fetched {
    Value(Option<SecretBytes>),
    Secret(Option<Json>),
    Listing(Vec<document::Entry>),
}

impl GcpSm {
    /// Makes the provider.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let engine = Engine {
            desk: Desk::new(NAME, options)?,
            logins: Logins::new(options.clock.clone()),
            window: Window::new(options.clock.clone()),
            own_project: OnceCell::new(),
            writers: Mutex::default(),
        };
        let engine = Arc::new(engine);
        Ok(Self { engine })
    }
}

impl Engine {
    /// The lock of one secret.
    fn writer(&self, secret: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(writers.entry(secret.to_owned()).or_default())
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "every login but AWS credentials",
    find: &[FindBy::Name, FindBy::Path, FindBy::Tags],
    push: "yes, marked secrets only",
    version: "yes",
    metadata: "labels, annotations",
    tested: "doubles of Google's token services and Secret Manager; Google's Python clients hold these to the protocol",
};

#[async_trait]
impl Provider for GcpSm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        name::check(block).map_err(invalid)?;
        login::check(store, block)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let is_referent = login::is_referent(&context.store, &block);
        let or_fetch = block.secret_version_selection_policy.as_deref() == Some(OR_FETCH);
        Ok(Box::new(GcpClient {
            has_consumer: !is_referent || !context.namespace.is_empty(),
            or_fetch,
            access: Access {
                engine: Arc::clone(&self.engine),
                identity: Identity::new(&context, is_referent),
                context,
                block,
            },
        }))
    }

    fn sweep(&self) {
        self.engine.window.sweep();
    }
}

struct GcpClient {
    has_consumer: bool,
    or_fetch: bool,
    access: Access,
}

impl GcpClient {
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
            What::Version { secret, version } => Fetched::Value(self.value(secret, version).await?),
            What::Secret(secret) => {
                let request = Request::secret(&self.access.secret(secret).await?);
                Fetched::Secret(self.access.find(&request).await?)
            }
            What::Listing(filter) => Fetched::Listing(self.listing(filter).await?),
        })
    }

    /// The bytes of a version; with the policy for it, those of the newest that is enabled.
    async fn value(&self, secret: &str, version: &str) -> Result<Option<SecretBytes>, Error> {
        let full = self.access.secret(secret).await?;
        match self.access.send(&Request::access(&full, version)).await {
            Ok(answer) => document::payload(&answer).map(Some).ok_or_else(|| {
                let message = format!("failed to read {secret:?}: the answer holds no payload");
                Error::new(ErrorKind::Unavailable, NAME, message)
            }),
            Err(refusal) if refusal.error.kind == ErrorKind::NotFound => Ok(None),
            Err(refusal)
                if refusal.code == "FAILED_PRECONDITION" && version == LATEST && self.or_fetch =>
            {
                let newest = self.access.send(&Request::enabled_versions(&full)).await?;
                let Some(newest) = document::newest(&newest) else {
                    return Ok(None);
                };
                let answer = self.access.find(&Request::access(&full, &newest)).await?;
                Ok(answer.as_ref().and_then(document::payload))
            }
            Err(refusal) => Err(refusal.error),
        }
    }

    /// Names of all secrets that Secret Manager's filter lets through.
    async fn listing(&self, filter: &str) -> Result<Vec<document::Entry>, Error> {
        let parent = self.access.parent().await?;
        let mut entries = Vec::new();
        let mut page = String::new();
        loop {
            let answer = self
                .access
                .send(&Request::list(&parent, filter, &page))
                .await?;
            entries.extend(document::entries(&answer));
            if entries.len() > MAX_LISTED {
                let message = format!("find: the project holds more than {MAX_LISTED} secrets");
                return Err(invalid(message + "; name a part of them in path"));
            }
            match cloud_json::member_text(&answer, "nextPageToken")
                .filter(|token| !token.is_empty())
            {
                Some(token) => token.clone_into(&mut page),
                None => return Ok(entries),
            }
        }
    }

    async fn version(&self, reference: &RemoteRef) -> Result<Arc<Fetched>, Error> {
        let version = match reference.version.as_str() {
            "" => LATEST,
            version => version,
        };
        name::version(version).map_err(invalid)?;
        let what = What::Version {
            secret: name::secret(&reference.key).map_err(invalid)?.to_owned(),
            version: version.to_owned(),
        };
        self.fetched(what).await
    }

    /// Labels and annotations, or a part of them.
    async fn metadata(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let secret = name::secret(&reference.key).map_err(invalid)?;
        let fetched = self.fetched(What::Secret(secret.to_owned())).await?;
        let Fetched::Secret(Some(secret)) = fetched.as_ref() else {
            return Err(missing(reference));
        };
        document::metadata(secret, &reference.property).ok_or_else(|| missing(reference))
    }

    async fn found(&self, name: String) -> Result<Option<(String, SecretBytes)>, Error> {
        let what = What::Version {
            secret: name.clone(),
            version: LATEST.to_owned(),
        };
        match self.fetched(what).await {
            Ok(fetched) => match fetched.as_ref() {
                Fetched::Value(Some(value)) => Ok(Some((name, value.duplicate()))),
                _ => Ok(None),
            },
            // Its newest version is disabled or destroyed: it has no value to find.
            Err(error) if error.message.contains("FAILED_PRECONDITION") => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl SecretsClient for GcpClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        if reference.metadata {
            return self.metadata(reference).await;
        }
        let fetched = self.version(reference).await?;
        let Fetched::Value(Some(value)) = fetched.as_ref() else {
            return Err(missing(reference));
        };
        let part = document::part(value, &reference.property);
        part.map_err(|error| value_error(NAME, &reference.key, &error))?
            .ok_or_else(|| missing(reference))
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let value = self.get(reference).await?;
        value::members(&value).map_err(|error| value_error(NAME, &reference.key, &error))
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        let path = find.path.as_deref().unwrap_or_default();
        let filter = document::filter(path, &find.tags).map_err(invalid)?;
        let listing = self.fetched(What::Listing(filter)).await?;
        let Fetched::Listing(entries) = listing.as_ref() else {
            return Ok(SecretMap::new());
        };
        let wanted = entries.iter().filter(|entry| entry.matches(find));
        let names: Vec<String> = wanted.map(|entry| entry.name.clone()).collect();
        let reads = names.into_iter().map(|name| self.found(name));
        let read: Vec<Result<_, Error>> = stream::iter(reads).buffered(PARALLEL).collect().await;
        read.into_iter().filter_map(Result::transpose).collect()
    }

    /// Logs in; an identity may be allowed less than any call that could be tried.
    async fn validate(&self) -> Result<Validation, Error> {
        if !self.has_consumer {
            return Ok(Validation::Unknown);
        }
        self.access.session().await?;
        self.access.parent().await?;
        Ok(Validation::Ready)
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        self.write(push).await
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        self.remove(target).await
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        let secret = name::secret(&target.key).map_err(invalid)?;
        let Some(value) = self.value(secret, LATEST).await? else {
            return Ok(false);
        };
        let part = document::part(&value, &target.property);
        Ok(part.ok().flatten().is_some())
    }
}

fn block(store: &Store) -> Result<&GcpSmProvider, Error> {
    let block = store.provider.gcpsm.as_deref();
    block.ok_or_else(|| invalid("spec.provider.gcpsm is missing"))
}

fn missing(reference: &RemoteRef) -> Error {
    let part = |what: &str, name: &str| match name {
        "" => String::new(),
        _ => format!(" {what} {name:?}"),
    };
    let message = format!(
        "no secret {:?}{}{}",
        reference.key,
        part("of version", &reference.version),
        part("with property", &reference.property)
    );
    Error::new(ErrorKind::NotFound, NAME, message)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, NAME, message)
}
