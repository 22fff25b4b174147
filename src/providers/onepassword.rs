//! Provider `onepassword`: vaults of 1Password behind a Connect server.
//!
//! A refresh window costs one list of vaults, one list of items a vault and one read an item, however
//! many keys and objects ask. Differences to External Secrets Operator, all deliberate: items are looked
//! for by id and by tag in every vault, and what is missing is told as missing.

mod item;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Url};

use super::logins::{Fingerprint, Granted, Identity, Login};
use super::rest::{Api, Request, authorization, below, trimmed};
use super::service::{Service, Session, has_credentials, is_referent};
use super::{
    Abilities, ClientContext, Error, FindBy, Options, Provider, SecretsClient, Validation, part,
};
use crate::api::v1::OnePasswordProvider;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

use item::{Entry, Item, Wanted};

const NAME: &str = "onepassword";

const API: Api = Api {
    name: NAME,
    denied: "; check the Connect token, and that it may use the vaults of the store",
    missing: "; check connectHost of the store",
};

/// Calls of one search that are under way at once.
const PARALLEL: usize = 8;

/// The provider, with what all its stores share.
pub(super) struct OnePassword {
    service: Arc<Service<Session, What, Fetched>>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Vaults,
    Entries(String),
    Item(String, String),
    File(String, String, String),
}

/// What the server answered.
enum Fetched {
    Vaults(Vec<Vault>),
    Entries(Vec<Entry>),
    Item(Item),
    File(SecretBytes),
}

/// A vault that the token may use.
#[derive(Clone)]
struct Vault {
    id: String,
    name: String,
}

impl OnePassword {
    /// Makes the provider.
    pub(super) fn new(options: &Options) -> Self {
        let service = Arc::new(Service::new(options));
        Self { service }
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "Connect: items by title or id, fields, files",
    find: &[FindBy::Name, FindBy::Tags],
    push: "yes, by field",
    version: "",
    metadata: "",
    tested: "a double; 1Password's Python client and its published specification hold that to the protocol",
};

#[async_trait]
impl Provider for OnePassword {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        API.url("connectHost", &block.connect_host)?;
        if block.vaults.is_empty() {
            return Err(API.invalid("vaults: at least one vault must be named"));
        }
        let mut places: Vec<_> = block.vaults.values().collect();
        places.sort_unstable();
        if places.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(API.invalid("vaults: two vaults have the same place in the order"));
        }
        Ok(())
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let selector = &block.auth.secret_ref.connect_token_secret_ref;
        let is_referent = is_referent(&context.store, [&selector.namespace]);
        Ok(Box::new(ConnectClient {
            service: Arc::clone(&self.service),
            identity: Identity::new(&context, is_referent),
            is_referent,
            url: API.url("connectHost", &block.connect_host)?,
            context,
            block,
        }))
    }

    fn sweep(&self) {
        self.service.window.sweep();
    }
}

struct ConnectClient {
    service: Arc<Service<Session, What, Fetched>>,
    context: ClientContext,
    block: OnePasswordProvider,
    identity: Identity,
    is_referent: bool,
    url: Url,
}

impl ConnectClient {
    fn path<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        below(&self.url, ["v1", "vaults"].into_iter().chain(segments))
    }

    async fn body(&self, action: &str, url: Url) -> Result<SecretBytes, Error> {
        let url = &url;
        let call = |session: Arc<Session>| async move {
            let request = Request::get(action, url.clone());
            let request = request.with(AUTHORIZATION, Some(session.token.clone()));
            API.send(&session.http, &request).await
        };
        let answer = self.service.call(&self.identity, self, call).await;
        answer.map(|answer| answer.body).map_err(Error::from)
    }

    async fn read(&self, action: &str, url: Url) -> Result<Json, Error> {
        let body = self.body(action, url).await?;
        let json = Json::parse(body.expose());
        json.map_err(|_| API.unexpected(action, "the answer is not JSON"))
    }

    async fn call(
        &self,
        action: &str,
        method: Method,
        url: Url,
        body: Option<&Json>,
    ) -> Result<(), Error> {
        let url = &url;
        let method = &method;
        let call = |session: Arc<Session>| async move {
            let method = method.clone();
            let request = match body {
                Some(body) => Request::send(action, method, url.clone(), body),
                None => Request {
                    method,
                    is_read: false,
                    ..Request::get(action, url.clone())
                },
            };
            let request = request.with(AUTHORIZATION, Some(session.token.clone()));
            API.send(&session.http, &request).await
        };
        let sent = self.service.call(&self.identity, self, call).await;
        sent.map(|_| ()).map_err(Error::from)
    }

    async fn fetch(&self, what: &What) -> Result<Fetched, Error> {
        Ok(match what {
            What::Vaults => {
                let answer = self.read("list vaults", self.path([])).await?;
                let vaults = answer.into_items().into_iter().filter_map(|vault| {
                    Some(Vault {
                        id: vault.member_str("id")?.to_owned(),
                        name: vault.member_str("name").unwrap_or_default().to_owned(),
                    })
                });
                Fetched::Vaults(vaults.collect())
            }
            What::Entries(vault) => {
                let url = self.path([vault, "items"]);
                let answer = self.read("list the items of a vault", url).await?;
                let entries = answer.into_items();
                Fetched::Entries(entries.iter().filter_map(Entry::parse).collect())
            }
            What::Item(vault, item) => {
                let url = self.path([vault, "items", item]);
                Fetched::Item(Item::new(self.read("read an item", url).await?))
            }
            What::File(vault, item, file) => {
                let url = self.path([vault, "items", item, "files", file, "content"]);
                Fetched::File(self.body("read a file", url).await?)
            }
        })
    }

    async fn fetched(&self, what: What) -> Result<Arc<Fetched>, Error> {
        let fetch = self.fetch(&what);
        let (context, identity) = (&self.context, &self.identity);
        self.service
            .fetched(context, identity, what.clone(), fetch)
            .await
    }

    /// Ids of the store's vaults in its order.
    async fn vaults(&self) -> Result<Vec<String>, Error> {
        let fetched = self.fetched(What::Vaults).await?;
        let Fetched::Vaults(known) = fetched.as_ref() else {
            return Ok(Vec::new());
        };
        let mut named: Vec<_> = self.block.vaults.iter().collect();
        named.sort_unstable_by_key(|(_, place)| **place);
        let ids = named.into_iter().map(|(name, _)| {
            let mut same = known.iter().filter(|vault| vault.name == *name);
            let by_id = known.iter().find(|vault| vault.id == *name);
            match (same.next(), same.next(), by_id) {
                (Some(vault), None, _) | (None, _, Some(vault)) => Ok(vault.id.clone()),
                (Some(_), Some(_), _) => {
                    let message = format!("vaults: more than one is called {name:?}; name its id");
                    Err(API.invalid(message))
                }
                (None, _, None) => {
                    let message = format!(
                        "vaults: the token may use no vault {name:?}; check its name and the token's access"
                    );
                    Err(API.invalid(message))
                }
            }
        });
        ids.collect()
    }

    async fn entries(&self, vault: &str) -> Result<Arc<Fetched>, Error> {
        self.fetched(What::Entries(vault.to_owned())).await
    }

    /// Vault and id of the item that a key names, by id or title, in the first vault that has one.
    async fn located(&self, key: &str) -> Result<Option<(String, String)>, Error> {
        for vault in self.vaults().await? {
            let fetched = self.entries(&vault).await?;
            let Fetched::Entries(entries) = fetched.as_ref() else {
                continue;
            };
            if let Some(entry) = entries.iter().find(|entry| entry.id == key) {
                return Ok(Some((vault, entry.id.clone())));
            }
            let mut same = entries.iter().filter(|entry| entry.title == key);
            match (same.next(), same.next()) {
                (Some(entry), None) => return Ok(Some((vault, entry.id.clone()))),
                (Some(_), Some(_)) => {
                    let message =
                        format!("key {key:?}: more than one item has this title; name its id");
                    return Err(API.invalid(message));
                }
                (None, _) => {}
            }
        }
        Ok(None)
    }

    async fn item(&self, vault: &str, id: &str) -> Result<Arc<Fetched>, Error> {
        self.fetched(What::Item(vault.to_owned(), id.to_owned()))
            .await
    }

    async fn file(&self, vault: &str, item: &str, file: &str) -> Result<SecretBytes, Error> {
        let what = What::File(vault.to_owned(), item.to_owned(), file.to_owned());
        match self.fetched(what).await?.as_ref() {
            Fetched::File(content) => Ok(content.duplicate()),
            _ => Err(API.unexpected("read a file", "the answer is no file")),
        }
    }

    /// The fields or files of an item that `wanted` names, in the item's order.
    async fn parts(
        &self,
        vault: &str,
        id: &str,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<(String, SecretBytes)>, Error> {
        let fetched = self.item(vault, id).await?;
        let Fetched::Item(item) = fetched.as_ref() else {
            return Ok(Vec::new());
        };
        if !wanted.is_file(item) {
            return Ok(item.fields(wanted));
        }
        let mut parts = Vec::new();
        for (name, file) in item.files(wanted) {
            parts.push((name, self.file(vault, id, &file).await?));
        }
        Ok(parts)
    }

    /// The parts that a reference names; at least one.
    async fn named(
        &self,
        reference: &RemoteRef,
        default: &str,
    ) -> Result<Vec<(String, SecretBytes)>, Error> {
        part::check(&API, reference, &ABILITIES)?;
        let located = self.located(&reference.key).await?;
        let (vault, id) = located.ok_or_else(|| part::missing(&API, reference))?;
        let wanted = Wanted::parse(&reference.property, default);
        let parts = self.parts(&vault, &id, &wanted).await?;
        if parts.is_empty() {
            return Err(part::missing(&API, reference));
        }
        let mut names: Vec<_> = parts.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let (key, label) = (&reference.key, pair[0]);
            let message = format!("key {key:?}: more than one field or file is called {label:?}");
            return Err(API.invalid(message));
        }
        Ok(parts)
    }
}

#[async_trait]
impl Login for ConnectClient {
    type Credentials = SecretBytes;
    type Session = Session;

    async fn credentials(&self) -> Result<(Fingerprint, SecretBytes), Error> {
        let selector = &self.block.auth.secret_ref.connect_token_secret_ref;
        let field = "auth.secretRef.connectTokenSecretRef";
        let token = self.context.credential(NAME, field, selector).await?;
        let token = trimmed(&API, field, &token)?;
        Ok((Fingerprint::of([token.expose()]), token))
    }

    async fn log_in(&self, token: SecretBytes) -> Result<Granted<Session>, Error> {
        Ok(Granted {
            session: Session {
                http: API.client(&self.service.http, None)?,
                token: authorization(&API, "Bearer", &token)?,
            },
            life: None,
            is_proven: false,
        })
    }
}

#[async_trait]
impl SecretsClient for ConnectClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let mut parts = self.named(reference, item::DEFAULT_FIELD).await?;
        let (_, value) = parts.swap_remove(0);
        Ok(value)
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let parts = self.named(reference, "").await?;
        Ok(parts.into_iter().collect())
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        let mut items = Vec::new();
        for vault in self.vaults().await? {
            let fetched = self.entries(&vault).await?;
            if let Fetched::Entries(entries) = fetched.as_ref() {
                let matching = entries.iter().filter(|entry| entry.matches(find));
                items.extend(matching.map(|entry| (vault.clone(), entry.id.clone())));
            }
        }
        let wanted = Wanted::parse("", "");
        let wanted = &wanted;
        let reads = items
            .into_iter()
            .map(|(vault, id)| async move { self.parts(&vault, &id, wanted).await });
        let read: Vec<_> = stream::iter(reads).buffered(PARALLEL).collect().await;
        let mut found = SecretMap::new();
        for parts in read {
            for (name, value) in parts? {
                let is_wanted = find.name.as_ref().is_none_or(|regex| regex.is_match(&name));
                if is_wanted && found.get(&name).is_none() {
                    found.insert(name, value);
                }
            }
        }
        Ok(found)
    }

    async fn validate(&self) -> Result<Validation, Error> {
        if !has_credentials(&self.context, self.is_referent) {
            return Ok(Validation::Unknown);
        }
        self.vaults().await?;
        Ok(Validation::Ready)
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        self.write(push).await
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        self.remove(target).await
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        let Some((vault, id)) = self.located(&target.key).await? else {
            return Ok(false);
        };
        let wanted = Wanted::parse(&target.property, item::DEFAULT_FIELD);
        Ok(!self.parts(&vault, &id, &wanted).await?.is_empty())
    }
}

fn block(store: &Store) -> Result<&OnePasswordProvider, Error> {
    let block = store.provider.onepassword.as_deref();
    block.ok_or_else(|| API.invalid("spec.provider.onepassword is missing"))
}
