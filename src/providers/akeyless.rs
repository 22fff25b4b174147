//! Provider `akeyless`: static secrets of Akeyless, by its gateway or its public API.
//!
//! A secret is read once a refresh window, and what a search found in batches. Differences to External
//! Secrets Operator, all deliberate: one login serves all objects, a missing secret is told as missing,
//! a version that is no number is refused, and items of other types are told from missing ones.

mod access;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::{Method, Url};

use super::logins::Identity;
use super::rest::{Api, Failure, Request, below};
use super::service::{Service, has_credentials, is_referent};
use super::{
    Abilities, ClientContext, Error, FindBy, Options, Provider, SecretsClient, Validation,
    credential, part,
};
use crate::api::v1::AkeylessProvider;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

use access::Session;

const NAME: &str = "akeyless";

const API: Api = Api {
    name: NAME,
    denied: "; check the access id and what it logs in with, and the role's rights to the path",
    missing: "; check akeylessGWApiURL of the store",
};

/// Tag of secrets that an operator made; only those are deleted (ESO 2.9.0).
const MARK: &str = "k8s-external-secrets";

/// Type of the items that are served.
const STATIC: &str = "STATIC_SECRET";

/// Secrets that are read at once.
const BATCH: usize = 50;

/// Most pages that are read of one list.
const MAX_PAGES: usize = 1000;

/// The provider, with what all its stores share.
pub(super) struct Akeyless {
    service: Arc<Service<Session, What, Fetched>>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// Secrets by name, of a version where one is named.
    Values(Vec<String>, Option<u64>),
    /// The items in a folder.
    Items(String),
}

/// What the server answered.
enum Fetched {
    /// `None` where there is no such secret.
    Values(Option<SecretMap>),
    Items(Vec<Item>),
}

/// A static secret without its value.
struct Item {
    name: String,
    tags: Vec<String>,
}

impl Akeyless {
    /// Makes the provider.
    pub(super) fn new(options: &Options) -> Self {
        let service = Arc::new(Service::new(options));
        Self { service }
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "static secrets; access key, ServiceAccount",
    find: &[FindBy::Name, FindBy::Path, FindBy::Tags],
    push: "yes, what an operator made",
    version: "yes",
    metadata: "",
    tested: "a double; Akeyless's Python client holds that to the protocol",
};

#[async_trait]
impl Provider for Akeyless {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        API.url("akeylessGWApiURL", &block.akeyless_gw_api_url)?;
        access::check(block)?;
        credential::check_ca(NAME, "caProvider", block.ca_provider.as_ref(), store)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let is_referent = is_referent(&context.store, access::namespaces(&block));
        Ok(Box::new(AkeylessClient {
            service: Arc::clone(&self.service),
            identity: Identity::new(&context, is_referent),
            is_referent,
            url: API.url("akeylessGWApiURL", &block.akeyless_gw_api_url)?,
            context,
            block,
        }))
    }

    fn sweep(&self) {
        self.service.window.sweep();
    }
}

struct AkeylessClient {
    service: Arc<Service<Session, What, Fetched>>,
    context: ClientContext,
    block: AkeylessProvider,
    identity: Identity,
    is_referent: bool,
    url: Url,
}

impl AkeylessClient {
    /// Makes a call: each is a POST whose body has the token.
    async fn call(
        &self,
        action: &str,
        path: &str,
        is_read: bool,
        members: Vec<(&'static str, Json)>,
    ) -> Result<Json, Failure> {
        let members = &members;
        let call = |session: Arc<Session>| async move {
            let members = members.iter();
            let members = members.map(|(name, json)| ((*name).to_owned(), json.duplicate()));
            let token = Json::Text(session.token.duplicate());
            let body = Json::Object(members.chain([("token".to_owned(), token)]).collect());
            let url = below(&self.url, [path]);
            let mut request = Request::send(action, Method::POST, url, &body);
            request.is_read = is_read;
            API.json(&session.http, &request).await
        };
        self.service.call(&self.identity, self, call).await
    }

    async fn values(
        &self,
        names: &[String],
        version: Option<u64>,
    ) -> Result<Option<SecretMap>, Error> {
        let action = match names {
            [name] => format!("read {name:?}"),
            names => format!("read {} secrets", names.len()),
        };
        let listed = names.iter().map(|name| Json::Text(name.as_str().into()));
        let mut members = vec![("names", Json::List(listed.collect()))];
        members.extend(version.map(|number| ("version", Json::Number(number.to_string().into()))));
        if self.block.ignore_cache == Some(true) {
            members.push(("ignore-cache", Json::Text("true".into())));
        }
        match self.call(&action, "get-secret-value", true, members).await {
            Ok(Json::Object(members)) => {
                let members = members.into_iter();
                let found = members.map(|(name, json)| (name, json.to_content()));
                Ok(Some(found.collect()))
            }
            Ok(_) => Err(API.unexpected(&action, "the answer is no JSON object")),
            Err(failure) if is_missing(&failure) => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }

    async fn items(&self, path: &str) -> Result<Vec<Item>, Error> {
        let action = format!("list {path:?}");
        let mut found = Vec::new();
        let mut page = None;
        for _ in 0..MAX_PAGES {
            let types = Json::List(vec![Json::Text("static-secret".into())]);
            let mut members = vec![("path", Json::Text(path.into())), ("type", types)];
            members.extend(page.take().map(|page| ("pagination-token", page)));
            let answer = self.call(&action, "list-items", true, members).await;
            let mut answer = answer.map_err(Error::from)?;
            let items = answer.take("items").map(Json::into_items);
            found.extend(items.unwrap_or_default().iter().filter_map(item));
            page = answer.take("next_page");
            if page
                .as_ref()
                .and_then(Json::as_str)
                .unwrap_or_default()
                .is_empty()
            {
                break;
            }
        }
        Ok(found)
    }

    async fn fetched(&self, what: What) -> Result<Arc<Fetched>, Error> {
        let asked = what.clone();
        let fetch = async {
            match &asked {
                What::Values(names, version) => {
                    self.values(names, *version).await.map(Fetched::Values)
                }
                What::Items(path) => self.items(path).await.map(Fetched::Items),
            }
        };
        let (context, identity) = (&self.context, &self.identity);
        self.service.fetched(context, identity, what, fetch).await
    }

    async fn value(&self, name: &str, version: Option<u64>) -> Result<Option<SecretBytes>, Error> {
        let what = What::Values(vec![name.to_owned()], version);
        let fetched = self.fetched(what).await?;
        let Fetched::Values(Some(values)) = fetched.as_ref() else {
            return Ok(None);
        };
        // The server names it by its full path, which begins with a slash.
        let value = values
            .get(name)
            .or_else(|| values.iter().map(|(_, value)| value).next());
        Ok(value.map(SecretBytes::duplicate))
    }

    async fn named(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        part::check(&API, reference, &ABILITIES)?;
        let RemoteRef { key, version, .. } = reference;
        let version = match version.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                API.invalid(format!("key {key:?}: version {version:?} is not a number"))
            })?),
        };
        let value = self.value(key, version).await?;
        value.ok_or_else(|| part::missing(&API, reference))
    }

    async fn write(&self, name: &str, value: SecretBytes, is_new: bool) -> Result<(), Error> {
        let mut members = vec![
            ("name", Json::Text(name.into())),
            ("value", Json::Text(value)),
        ];
        let path = if is_new {
            members.push(("tags", Json::List(vec![Json::Text(MARK.into())])));
            "create-secret"
        } else {
            "update-secret-val"
        };
        let action = format!("write {name:?}");
        let sent = self.call(&action, path, false, members);
        sent.await.map_err(Error::from)?;
        self.forget(name).await;
        Ok(())
    }

    async fn forget(&self, name: &str) {
        let what = What::Values(vec![name.to_owned()], None);
        self.service.forget(&self.identity, what).await;
    }

    async fn is_ours(&self, name: &str) -> Result<bool, Error> {
        let members = vec![("name", Json::Text(name.into()))];
        let action = format!("look at {name:?}");
        match self.call(&action, "describe-item", true, members).await {
            Ok(json) => Ok(tags(&json).iter().any(|tag| tag == MARK)),
            Err(failure) if is_missing(&failure) => Ok(false),
            Err(failure) => Err(failure.error),
        }
    }
}

#[async_trait]
impl SecretsClient for AkeylessClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        part::one(&API, reference, &self.named(reference).await?)
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        part::all(&API, reference, &self.named(reference).await?)
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        let path = find.path.as_deref().filter(|path| !path.is_empty());
        let fetched = self
            .fetched(What::Items(path.unwrap_or("/").to_owned()))
            .await?;
        let Fetched::Items(items) = fetched.as_ref() else {
            return Ok(SecretMap::new());
        };
        let wanted = items.iter().filter(|item| {
            let regex = find.name.as_ref();
            regex.is_none_or(|regex| regex.is_match(&item.name))
                && find.tags.values().all(|tag| item.tags.contains(tag))
        });
        let names: Vec<_> = wanted.map(|item| item.name.clone()).collect();
        let mut found = SecretMap::new();
        for names in names.chunks(BATCH) {
            let fetched = self.fetched(What::Values(names.to_vec(), None)).await?;
            if let Fetched::Values(Some(values)) = fetched.as_ref() {
                found.extend(values.duplicate());
            }
        }
        Ok(found)
    }

    async fn validate(&self) -> Result<Validation, Error> {
        if !has_credentials(&self.context, self.is_referent) {
            return Ok(Validation::Unknown);
        }
        self.service.logins.session(&self.identity, self).await?;
        Ok(Validation::Ready)
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        let name = &push.target.key;
        let present = self.value(name, None).await?;
        let wanted = part::pushed(&API, push, present.as_ref())?;
        if present.as_ref() == Some(&wanted) {
            return Ok(());
        }
        self.write(name, wanted, present.is_none()).await
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        let name = &target.key;
        let Some(present) = self.value(name, None).await? else {
            return Ok(());
        };
        if !self.is_ours(name).await? {
            return Ok(());
        }
        if !target.property.is_empty() {
            if !part::has_member(&present, &target.property) {
                return Ok(());
            }
            if let Some(left) = part::without(&API, name, &target.property, &present)? {
                return self.write(name, left, false).await;
            }
        }
        let members = vec![("name", Json::Text(name.as_str().into()))];
        let action = format!("delete {name:?}");
        let sent = self.call(&action, "delete-item", false, members);
        sent.await.map_err(Error::from)?;
        self.forget(name).await;
        Ok(())
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        let value = self.value(&target.key, None).await?;
        let property = &target.property;
        Ok(value.is_some_and(|value| property.is_empty() || part::has_member(&value, property)))
    }
}

fn block(store: &Store) -> Result<&AkeylessProvider, Error> {
    let block = store.provider.akeyless.as_deref();
    block.ok_or_else(|| API.invalid("spec.provider.akeyless is missing"))
}

/// Whether the server says that there is no such item, as opposed to no such address.
fn is_missing(failure: &Failure) -> bool {
    let said = failure.said.to_ascii_lowercase();
    let is_told = ["not found", "not exist", "itemnotfound"];
    (failure.is(400) || failure.is(404)) && is_told.iter().any(|words| said.contains(words))
}

fn tags(json: &Json) -> Vec<String> {
    match json.member("item_tags") {
        Some(Json::List(tags)) => {
            let tags = tags.iter().filter_map(Json::as_str);
            tags.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn item(json: &Json) -> Option<Item> {
    let kind = json.member_str("item_type").unwrap_or(STATIC);
    let name = json.member_str("item_name").filter(|_| kind == STATIC)?;
    Some(Item {
        name: name.to_owned(),
        tags: tags(json),
    })
}
