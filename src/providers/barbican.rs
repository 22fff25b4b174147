//! Provider `barbican`: secrets of OpenStack's key manager, found through Keystone's catalogue.
//!
//! Differences to External Secrets Operator, all deliberate: one login serves until its token ends, a
//! missing secret is told as missing, members that are strings lose their quotes, validation logs in.

mod access;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use super::logins::Identity;
use super::rest::{Api, Failure, Request, below};
use super::service::{Service, has_credentials, is_referent};
use super::{
    Abilities, ClientContext, Clock, Error, FindBy, Options, Provider, SecretsClient, Validation,
    part,
};
use crate::api::v1::BarbicanProvider;
use crate::http;
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

const NAME: &str = "barbican";

const API: Api = Api {
    name: NAME,
    denied: "; check user, password, domainName and tenantName, and the user's role there",
    missing: "; check authURL and region of the store",
};

/// Header that carries Keystone's token.
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Secrets of one page of a list.
const PAGE: usize = 100;

/// Most pages that are read of one list.
const MAX_PAGES: usize = 100;

/// Calls of one search that are under way at once.
const PARALLEL: usize = 8;

/// The provider, with what all its stores share.
pub(super) struct Barbican {
    shared: Arc<Shared>,
}

struct Shared {
    service: Service<Session, What, Fetched>,
    clock: Clock,
}

/// What calls are made with.
struct Session {
    http: http::Client,
    token: HeaderValue,
    /// Address of the key manager.
    url: Url,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Payload(String),
    Names,
}

/// What the server answered.
enum Fetched {
    Payload(Option<SecretBytes>),
    /// Name and id.
    Names(Vec<(String, String)>),
}

impl Barbican {
    /// Makes the provider.
    pub(super) fn new(options: &Options) -> Self {
        let service = Service::new(options);
        let clock = Arc::clone(&options.clock);
        let shared = Arc::new(Shared { service, clock });
        Self { shared }
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "by id; Keystone password",
    find: &[FindBy::Name],
    push: "",
    version: "",
    metadata: "",
    tested: "a double; OpenStack's Python client holds that to the protocol",
};

#[async_trait]
impl Provider for Barbican {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        url(block)?;
        let user = &block.auth.username;
        let has_value = user.value.as_deref().is_some_and(|name| !name.is_empty());
        if has_value == user.secret_ref.is_some() {
            let message = "auth.username: exactly one of value and secretRef must be set";
            return Err(API.invalid(message));
        }
        Ok(())
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let user = block.auth.username.secret_ref.as_ref();
        let password = &block.auth.password.secret_ref;
        let selectors = user.into_iter().chain([password]);
        let is_referent = is_referent(&context.store, selectors.map(|one| &one.namespace));
        Ok(Box::new(BarbicanClient {
            shared: Arc::clone(&self.shared),
            identity: Identity::new(&context, is_referent),
            is_referent,
            url: url(&block)?,
            context,
            block,
        }))
    }

    fn sweep(&self) {
        self.shared.service.window.sweep();
    }
}

struct BarbicanClient {
    shared: Arc<Shared>,
    context: ClientContext,
    block: BarbicanProvider,
    identity: Identity,
    is_referent: bool,
    /// Address of Keystone.
    url: Url,
}

impl BarbicanClient {
    async fn read(
        &self,
        action: &str,
        address: impl Fn(&Url) -> Url + Sync,
    ) -> Result<SecretBytes, Failure> {
        let address = &address;
        let call = |session: Arc<Session>| async move {
            let request = Request::get(action, address(&session.url));
            let request = request.with(TOKEN, Some(session.token.clone()));
            API.send(&session.http, &request).await
        };
        let service = &self.shared.service;
        let answer = service.call(&self.identity, self, call).await;
        answer.map(|answer| answer.body)
    }

    async fn fetch(&self, what: &What) -> Result<Fetched, Error> {
        match what {
            What::Payload(id) => {
                let address = |root: &Url| below(root, ["v1", "secrets", id, "payload"]);
                match self.read(&format!("read secret {id:?}"), address).await {
                    Ok(body) => Ok(Fetched::Payload(Some(body))),
                    // Another service at the address must not pass for a missing secret.
                    Err(failure) if failure.is(404) && failure.said.contains("ecret") => {
                        Ok(Fetched::Payload(None))
                    }
                    Err(failure) => Err(failure.error),
                }
            }
            What::Names => self.names().await.map(Fetched::Names),
        }
    }

    async fn names(&self) -> Result<Vec<(String, String)>, Error> {
        let action = "list secrets";
        let mut names = Vec::new();
        for page in 0..MAX_PAGES {
            let address = |root: &Url| {
                let mut url = below(root, ["v1", "secrets"]);
                url.query_pairs_mut()
                    .append_pair("limit", &PAGE.to_string())
                    .append_pair("offset", &(page * PAGE).to_string());
                url
            };
            let body = self.read(action, address).await.map_err(Error::from)?;
            let json = Json::parse(body.expose()).ok();
            let items = json.and_then(|mut json| json.take("secrets"));
            let items = items.ok_or_else(|| API.unexpected(action, "the answer has no secrets"))?;
            let items = items.into_items();
            let is_last = items.len() < PAGE;
            names.extend(items.iter().filter_map(|secret| {
                let id = secret.member_str("secret_ref")?.rsplit('/').next()?;
                Some((secret.member_str("name")?.to_owned(), id.to_owned()))
            }));
            if is_last {
                break;
            }
        }
        Ok(names)
    }

    async fn fetched(&self, what: What) -> Result<Arc<Fetched>, Error> {
        let fetch = self.fetch(&what);
        let (context, identity) = (&self.context, &self.identity);
        let service = &self.shared.service;
        service
            .fetched(context, identity, what.clone(), fetch)
            .await
    }

    async fn payload(&self, id: &str) -> Result<Option<SecretBytes>, Error> {
        match self.fetched(What::Payload(id.to_owned())).await?.as_ref() {
            Fetched::Payload(value) => Ok(value.as_ref().map(SecretBytes::duplicate)),
            Fetched::Names(_) => Ok(None),
        }
    }

    async fn named(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        part::check(&API, reference, &ABILITIES)?;
        // The address by which Barbican itself names a secret ends with its id.
        let id = reference.key.trim_end_matches('/').rsplit('/').next();
        let value = self.payload(id.unwrap_or_default()).await?;
        value.ok_or_else(|| part::missing(&API, reference))
    }
}

#[async_trait]
impl SecretsClient for BarbicanClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        part::one(&API, reference, &self.named(reference).await?)
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        part::all(&API, reference, &self.named(reference).await?)
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        let has_path = find.path.as_deref().is_some_and(|path| !path.is_empty());
        if has_path || !find.tags.is_empty() {
            return Err(API.unsupported("find: secrets have no path and no tags; find by name"));
        }
        let fetched = self.fetched(What::Names).await?;
        let Fetched::Names(names) = fetched.as_ref() else {
            return Ok(SecretMap::new());
        };
        let wanted = names.iter().filter(|(name, _)| {
            let regex = find.name.as_ref();
            regex.is_none_or(|regex| regex.is_match(name))
        });
        let wanted: Vec<_> = wanted.cloned().collect();
        let reads = wanted.into_iter().map(|(name, id)| async move {
            let value = self.payload(&id).await?;
            Ok::<_, Error>(value.map(|value| (name, value)))
        });
        let read: Vec<_> = stream::iter(reads).buffered(PARALLEL).collect().await;
        read.into_iter().filter_map(Result::transpose).collect()
    }

    async fn validate(&self) -> Result<Validation, Error> {
        if !has_credentials(&self.context, self.is_referent) {
            return Ok(Validation::Unknown);
        }
        let logins = &self.shared.service.logins;
        logins.session(&self.identity, self).await?;
        Ok(Validation::Ready)
    }
}

fn block(store: &Store) -> Result<&BarbicanProvider, Error> {
    let block = store.provider.barbican.as_deref();
    block.ok_or_else(|| API.invalid("spec.provider.barbican is missing"))
}

/// The address of Keystone's version 3.
fn url(block: &BarbicanProvider) -> Result<Url, Error> {
    let named = block.auth_url.as_deref().unwrap_or_default();
    if named.trim().is_empty() {
        return Err(API.invalid("authURL must not be empty"));
    }
    let url = API.url("authURL", named)?;
    if url.path().trim_end_matches('/').ends_with("/v3") {
        return Ok(url);
    }
    Ok(below(&url, ["v3"]))
}
