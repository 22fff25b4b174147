//! The KV engines of Vault and of servers that speak its protocol, for the providers of both.
//!
//! One login per store and one read per secret and refresh window, however many objects and keys ask;
//! see [`session`] and [`super::window`]. Differences to External Secrets Operator, all deliberate:
//! a missing property is told as missing, a missing mount is not, writes always carry the version that
//! was read, `find` searches folders at once, and latchkey's own token is never sent to a server that
//! a store names.

mod answer;
mod document;
mod login;
mod path;
mod session;
mod write;

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::window::Window;
use super::{
    ClientContext, Clock, Error, ErrorKind, Options, SecretsClient, Validation, credential,
    value_error,
};
use crate::api::v1::{VaultKvVersion, VaultProvider};
use crate::http;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

use answer::Failure;
use path::Paths;
use session::{Identity, Session, Sessions};

/// Calls of one search that are under way at once.
const PARALLEL: usize = 8;

/// Secrets that one search may name; more is taken for a mistake in the search.
const MAX_FOUND: usize = 10_000;

/// What the stores of one provider share.
pub(super) struct Engine {
    name: &'static str,
    http: http::Options,
    clock: Clock,
    sessions: Sessions,
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

/// One call.
struct Request {
    /// For messages, after "failed to".
    action: String,
    method: Method,
    /// Below `/v1/`.
    path: String,
    query: Option<(&'static str, String)>,
    body: Option<SecretBytes>,
}

impl Request {
    fn read(path: &str) -> Self {
        Self {
            action: format!("read {path:?}"),
            method: Method::GET,
            path: path.to_owned(),
            query: None,
            body: None,
        }
    }

    fn lookup() -> Self {
        Self {
            action: "look up the token".to_owned(),
            ..Self::read("auth/token/lookup-self")
        }
    }

    fn renewal() -> Self {
        Self {
            action: "renew the token".to_owned(),
            method: Method::POST,
            body: Some("{}".into()),
            ..Self::read("auth/token/renew-self")
        }
    }
}

impl Engine {
    /// An engine for the stores of provider `name`.
    pub(super) fn new(name: &'static str, options: &Options) -> Self {
        Self {
            name,
            http: options.http.clone(),
            clock: Arc::clone(&options.clock),
            sessions: Sessions::new(Arc::clone(&options.clock)),
            window: Window::new(Arc::clone(&options.clock)),
        }
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
        login::check(self.name, block)
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
        let store = &context.store;
        let identity = Identity {
            store: store.id.clone(),
            uid: store.uid.clone(),
            generation: store.generation,
            consumer: if is_referent {
                context.namespace.clone()
            } else {
                String::new()
            },
        };
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

/// What one client needs to call the server.
struct Access {
    engine: Arc<Engine>,
    context: ClientContext,
    block: VaultProvider,
    identity: Identity,
}

impl Access {
    fn name(&self) -> &'static str {
        self.engine.name
    }

    fn invalid(&self, text: &str) -> Error {
        Error::new(ErrorKind::Invalid, self.name(), text)
    }

    /// How to connect, with CA and client certificate, and its fingerprint.
    async fn trust(&self) -> Result<(http::Options, Vec<u8>), Error> {
        let (inline, provider) = (self.block.ca_bundle.as_deref(), &self.block.ca_provider);
        let ca = self.context.ca(self.name(), "", inline, provider.as_ref());
        let mut options = self.engine.http.clone();
        options.ca_bundle = ca.await?.or(options.ca_bundle);
        if let Some(parts) = login::identity(&self.block) {
            let mut pem = Vec::new();
            for (field, selector) in parts {
                let selector =
                    selector.ok_or_else(|| self.invalid(&format!("{field} must be set")))?;
                let part = self
                    .context
                    .credential(self.name(), field, selector)
                    .await?;
                pem.push(part);
            }
            let pem: Vec<_> = pem.iter().map(SecretBytes::expose).collect();
            options.identity = Some(Arc::new(SecretBytes::new(pem.join(&b"\n"[..]))));
        }
        let fingerprint = session::trust_fingerprint(&options);
        Ok((options, fingerprint))
    }

    /// Makes one call with a session, logging in anew once if its token is dead.
    async fn send(&self, request: &Request) -> Result<Option<Json>, Failure> {
        let sessions = &self.engine.sessions;
        let session = sessions.session(self).await?;
        match self.exchange(&session, request).await {
            Err(failure) if failure.is_forbidden => {
                match sessions.replacement(self, &session).await? {
                    Some(session) => self.exchange(&session, request).await,
                    None => Err(failure),
                }
            }
            Err(failure) => {
                if failure.is_unreachable {
                    sessions.suspect(self).await;
                }
                Err(failure)
            }
            answered => answered,
        }
    }

    /// Makes one call.
    async fn exchange(
        &self,
        session: &Session,
        request: &Request,
    ) -> Result<Option<Json>, Failure> {
        let url = self.url(request)?;
        let headers = self.headers(session, request)?;
        let build = || {
            let call = session.http.request(request.method.clone(), url.clone());
            let call = call.headers(headers.clone());
            match &request.body {
                Some(body) => call.body(body.expose().to_vec()),
                None => call,
            }
        };
        let sent = if request.method == Method::GET {
            session.http.send_idempotent(build).await
        } else {
            session.http.send(build()).await
        };
        if let Ok(answer) = &sent
            && request.method != Method::GET
            && let Some(index) = answer.headers().get("x-vault-index")
        {
            let mut seen = session.index.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = Some(index.clone());
        }
        answer::read(self.name(), &request.action, sent).await
    }

    fn url(&self, request: &Request) -> Result<Url, Error> {
        let refused = |error: String| self.invalid(&format!("server: {error}"));
        let mut url = server(&self.block.server).map_err(refused)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1");
            segments.extend(request.path.split('/').filter(|part| !part.is_empty()));
        }
        if let Some((name, value)) = &request.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(url)
    }

    fn headers(&self, session: &Session, request: &Request) -> Result<HeaderMap, Error> {
        let refused = |name: String| self.invalid(&format!("headers: {name:?} is no header"));
        let mut all = headers(&self.block).map_err(refused)?;
        all.insert("x-vault-request", HeaderValue::from_static("true"));
        if request.body.is_some() {
            let json = HeaderValue::from_static("application/json");
            all.insert("content-type", json);
        }
        let auth = self.block.auth.as_ref();
        let of_login = auth.and_then(|auth| auth.namespace.as_deref());
        let of_login = of_login.filter(|_| session.token.is_none() && auth.is_some());
        let namespace = of_login.or(self.block.namespace.as_deref());
        if let Some(namespace) = namespace.filter(|name| !name.is_empty()) {
            let value = HeaderValue::from_str(namespace);
            let value = value.map_err(|_| self.invalid("namespace cannot be sent"))?;
            all.insert("x-vault-namespace", value);
        }
        if let Some(token) = &session.token {
            let value = HeaderValue::from_bytes(token.expose());
            let mut value = value.map_err(|_| self.invalid("the token cannot be sent"))?;
            value.set_sensitive(true);
            all.insert("x-vault-token", value);
        }
        if self.block.read_your_writes == Some(true) {
            if let Some(index) = session.seen() {
                all.insert("x-vault-index", index);
            }
            if self.block.forward_inconsistent == Some(true) {
                let forward = HeaderValue::from_static("forward-active-node");
                all.insert("x-vault-inconsistent", forward);
            }
        }
        Ok(all)
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
                    query: (!version.is_empty()).then(|| ("version", version.clone())),
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
                    query: Some(("list", "true".to_owned())),
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

fn server(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("{text:?}: {error}"))?;
    let is_usable = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none();
    if is_usable {
        Ok(url)
    } else {
        Err("must be an http or https address without user and query".to_owned())
    }
}

fn paths(block: &VaultProvider) -> Result<Paths, path::Error> {
    let has_versions = block.version != Some(VaultKvVersion::V1);
    Paths::new(block.path.as_deref(), has_versions)
}

/// The store's own headers; the name of one that cannot be sent otherwise.
fn headers(block: &VaultProvider) -> Result<HeaderMap, String> {
    let parsed = block.headers.iter().map(|(name, value)| {
        let parsed = HeaderName::try_from(name.as_str()).ok();
        let value = HeaderValue::from_str(value).ok();
        parsed.zip(value).ok_or_else(|| name.clone())
    });
    parsed.collect()
}
