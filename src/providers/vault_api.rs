//! The KV engines of Vault and of servers that speak its protocol, for the providers of both.
//!
//! One login per store and one read per secret and refresh window, however many objects and keys ask;
//! see [`session`] and [`super::window`]. Differences to External Secrets Operator, all deliberate:
//! a missing property is told as missing, a missing mount is not, writes always carry the version that
//! was read, `find` searches folders at once, and latchkey's own token is never sent to a server that
//! a store names.

mod access;
mod answer;
#[cfg(feature = "provider-vault")]
mod call;
mod cloud;
mod document;
mod login;
mod path;
mod session;
mod write;

use std::sync::Arc;

use super::logins::Identity;
use super::window::Window;
use super::{
    ClientContext, Clock, Error, ErrorKind, Options, SecretsClient, Validation, credential,
    value_error,
};
use crate::api::v1::{VaultKvVersion, VaultProvider};
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};
use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;

use access::{Access, Request, headers, server};
use path::Paths;
use session::Sessions;

#[cfg(feature = "provider-vault")]
pub use call::Call;

/// Calls of one search that are under way at once.
const PARALLEL: usize = 8;

/// Secrets that one search may name; more is taken for a mistake in the search.
const MAX_FOUND: usize = 10_000;

/// What the stores of one provider share.
pub(super) struct Engine {
    name: &'static str,
    options: Options,
    clock: Clock,
    sessions: Sessions,
    window: Window<Asked, Fetched>,
    /// Made at the first login by Google: its clients read certificates.
    #[cfg(feature = "provider-gcpsm")]
    desk: std::sync::OnceLock<super::desk::Desk>,
}

/// What was asked for, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    identity: Identity,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Values { path: String, version: String },
    Metadata(String),
    Names(String),
    Token,
}

/// What the server answered; `None` where there is no such secret.
enum Fetched {
    Object(Option<Json>),
    Names(Vec<String>),
    Nothing,
}

impl Engine {
    /// An engine for the stores of provider `name`.
    pub(super) fn new(name: &'static str, options: &Options) -> Self {
        Self {
            name,
            options: options.clone(),
            clock: Arc::clone(&options.clock),
            sessions: Sessions::new(Arc::clone(&options.clock)),
            window: Window::new(Arc::clone(&options.clock)),
            #[cfg(feature = "provider-gcpsm")]
            desk: std::sync::OnceLock::new(),
        }
    }

    /// Where Google is asked for tokens.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    #[cfg(feature = "provider-gcpsm")]
    fn desk(&self) -> Result<&super::desk::Desk, Error> {
        if let Some(desk) = self.desk.get() {
            return Ok(desk);
        }
        let desk = super::desk::Desk::new(self.name, &self.options)?;
        Ok(self.desk.get_or_init(|| desk))
    }

    /// Checks a store without I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] or [`ErrorKind::Unsupported`], naming the field.
    pub(super) fn check(&self, store: &Store, block: &VaultProvider) -> Result<(), Error> {
        let invalid = |text: String| Error::new(ErrorKind::Invalid, self.name, text);
        server(&block.server).map_err(|error| invalid(format!("server: {error}")))?;
        paths(block).map_err(|error| invalid(format!("path: {error}")))?;
        headers(block).map_err(|name| invalid(format!("headers: {name:?} is no header")))?;
        credential::check_ca(self.name, "caProvider", block.ca_provider.as_ref(), store)?;
        login::check(self.name, store.id.kind, block)
    }

    /// A client for one refresh.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(super) fn client(
        self: &Arc<Self>,
        context: ClientContext,
        block: VaultProvider,
    ) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store, &block)?;
        let is_referent = login::is_referent(&context.store, &block);
        let identity = Identity::new(&context, is_referent);
        let paths = paths(&block);
        Ok(Box::new(VaultClient {
            paths: paths
                .map_err(|error| Error::new(ErrorKind::Invalid, self.name, error.to_string()))?,
            has_consumer: !is_referent || !context.namespace.is_empty(),
            access: Access {
                engine: Arc::clone(self),
                context,
                block,
                identity,
            },
        }))
    }

    /// Drops from memory what was held long enough.
    pub(super) fn sweep(&self) {
        self.window.sweep();
    }
}

struct VaultClient {
    paths: Paths,
    has_consumer: bool,
    access: Access,
}

impl VaultClient {
    fn invalid(&self, text: &impl ToString) -> Error {
        self.access.invalid(&text.to_string())
    }

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
        let has_versions = self.paths.has_versions();
        Ok(match what {
            What::Values { path, version } => {
                let request = Request {
                    query: match version.as_str() {
                        "" => Vec::new(),
                        version => vec![("version".to_owned(), version.to_owned())],
                    },
                    ..Request::read(path)
                };
                let answer = self.access.send(&request).await?;
                Fetched::Object(answer.and_then(|json| document::values(json, has_versions)))
            }
            What::Metadata(path) => {
                let answer = self.access.send(&Request::read(path)).await?;
                Fetched::Object(answer.and_then(document::metadata))
            }
            What::Names(path) => {
                let request = Request {
                    action: format!("list {path:?}"),
                    query: vec![("list".to_owned(), "true".to_owned())],
                    ..Request::read(path)
                };
                let answer = self.access.send(&request).await?;
                Fetched::Names(answer.map(document::names).unwrap_or_default())
            }
            What::Token => {
                self.access.send(&Request::lookup()).await?;
                Fetched::Nothing
            }
        })
    }

    /// What a reference names, before its property.
    fn what(&self, reference: &RemoteRef) -> Result<What, Error> {
        let RemoteRef { key, version, .. } = reference;
        let has_versions = self.paths.has_versions();
        if reference.metadata {
            if !has_versions {
                let message = "cannot perform metadata fetch operations with kv version v1; remove metadataPolicy";
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    self.access.name(),
                    message,
                ));
            }
            let path = self.paths.metadata(key);
            return path
                .map(What::Metadata)
                .map_err(|error| self.invalid(&error));
        }
        if !version.is_empty() {
            if !has_versions {
                let message =
                    format!("key {key:?}: kv version v1 keeps no versions; remove version");
                return Err(self.invalid(&message));
            }
            if version.parse::<u64>().is_err() {
                let message = format!("key {key:?}: version {version:?} is not a number");
                return Err(self.invalid(&message));
            }
        }
        Ok(What::Values {
            path: self.paths.data(key).map_err(|error| self.invalid(&error))?,
            version: version.clone(),
        })
    }

    fn missing(&self, reference: &RemoteRef) -> Error {
        let RemoteRef {
            key,
            property,
            version,
            ..
        } = reference;
        let part = |what: &str, name: &str| match name {
            "" => String::new(),
            _ => format!(" {what} {name:?}"),
        };
        let message = format!(
            "no secret {key:?}{}{}",
            part("of version", version),
            part("with property", property)
        );
        Error::new(ErrorKind::NotFound, self.access.name(), message)
    }

    /// The full names below a folder, one level of folders at a time.
    async fn names(&self, paths: &Paths, folder: &str) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while !folders.is_empty() {
            let lists = folders.into_iter().map(|folder| async move {
                let names = self.fetched(What::Names(paths.names(&folder))).await?;
                Ok::<_, Error>((folder, names))
            });
            let lists: Vec<_> = stream::iter(lists).buffered(PARALLEL).collect().await;
            let mut next = Vec::new();
            for listed in lists {
                let (folder, names) = listed?;
                let Fetched::Names(names) = names.as_ref() else {
                    continue;
                };
                for name in names {
                    let full = match folder.as_str() {
                        "" => name.clone(),
                        folder => format!("{folder}/{name}"),
                    };
                    match full.strip_suffix('/') {
                        Some(folder) => next.push(folder.to_owned()),
                        None => found.push(full),
                    }
                }
            }
            if found.len() + next.len() > MAX_FOUND {
                let message = format!("find: more than {MAX_FOUND} secrets below {folder:?}");
                return Err(self.invalid(&(message + "; name a folder in path")));
            }
            folders = next;
        }
        Ok(found)
    }

    /// One secret that a search named; `None` if its tags differ or its newest version was deleted.
    async fn found(
        &self,
        paths: &Paths,
        name: &str,
        find: &Find,
    ) -> Result<Option<SecretBytes>, Error> {
        if !find.tags.is_empty() {
            let path = paths.metadata(name).map_err(|error| self.invalid(&error))?;
            match self.fetched(What::Metadata(path)).await?.as_ref() {
                Fetched::Object(Some(metadata)) if document::has_tags(metadata, &find.tags) => {}
                _ => return Ok(None),
            }
        }
        let path = paths.data(name).map_err(|error| self.invalid(&error))?;
        let version = String::new();
        let values = self.fetched(What::Values { path, version }).await?;
        Ok(match values.as_ref() {
            Fetched::Object(Some(values)) => Some(values.to_bytes()),
            _ => None,
        })
    }
}

#[async_trait]
impl SecretsClient for VaultClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let fetched = self.fetched(self.what(reference)?).await?;
        let Fetched::Object(Some(values)) = fetched.as_ref() else {
            return Err(self.missing(reference));
        };
        let found = document::single(values, &reference.property);
        found
            .map_err(|error| value_error(self.access.name(), &reference.key, &error))?
            .ok_or_else(|| self.missing(reference))
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let fetched = self.fetched(self.what(reference)?).await?;
        let Fetched::Object(Some(values)) = fetched.as_ref() else {
            return Err(self.missing(reference));
        };
        let found = document::members(values, &reference.property);
        found
            .map_err(|error| value_error(self.access.name(), &reference.key, &error))?
            .ok_or_else(|| self.missing(reference))
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        if !find.tags.is_empty() && !self.paths.has_versions() {
            let message = "find by tags needs kv version v2";
            return Err(Error::new(
                ErrorKind::Unsupported,
                self.access.name(),
                message,
            ));
        }
        let (paths, folder) = self
            .paths
            .search(find.path.as_deref())
            .map_err(|error| self.invalid(&error))?;
        let names = self.names(&paths, &folder).await?.into_iter();
        let wanted =
            names.filter(|name| find.name.as_ref().is_none_or(|regex| regex.is_match(name)));
        let paths = &paths;
        let reads = wanted.map(|name| async move {
            let value = self.found(paths, &name, find).await?;
            Ok::<_, Error>(value.map(|value| (name, value)))
        });
        let read: Vec<_> = stream::iter(reads).buffered(PARALLEL).collect().await;
        read.into_iter().filter_map(Result::transpose).collect()
    }

    async fn validate(&self) -> Result<Validation, Error> {
        if !self.has_consumer {
            return Ok(Validation::Unknown);
        }
        self.fetched(What::Token).await?;
        Ok(Validation::Ready)
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

fn paths(block: &VaultProvider) -> Result<Paths, path::Error> {
    let has_versions = block.version != Some(VaultKvVersion::V1);
    Paths::new(block.path.as_deref(), has_versions)
}
