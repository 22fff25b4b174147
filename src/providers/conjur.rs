//! Provider `conjur`: variables of CyberArk Conjur.
//!
//! A variable is read once a refresh window; a search reads what it found in batches. Differences to
//! External Secrets Operator, all deliberate: one login serves until shortly before its eight minutes are
//! over, a missing variable is told as missing, versions work, validation logs in.

mod access;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::header::AUTHORIZATION;

use super::logins::Identity;
use super::rest::{Api, Failure, Request, below};
use super::service::{Service, Session, has_credentials, is_referent};
use super::{
    Abilities, ClientContext, Error, FindBy, Options, Provider, SecretsClient, Validation,
    credential, part,
};
use crate::api::v1::ConjurProvider;
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

use access::Method;

const NAME: &str = "conjur";

const API: Api = Api {
    name: NAME,
    denied: "; check the login, and that the host may read and execute the variable",
    missing: "; check url, account and serviceID of the store",
};

/// Variables of one page of a list.
const PAGE: usize = 1000;

/// Most pages that are read of one list.
const MAX_PAGES: usize = 100;

/// Variables that are read at once: their names make the length of an address.
const BATCH: usize = 50;

/// The provider, with what all its stores share.
pub(super) struct Conjur {
    service: Arc<Service<Session, What, Fetched>>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// A variable, and its version.
    Value(String, String),
    Variables,
    Batch(Vec<String>),
}

/// What the server answered.
enum Fetched {
    Value(Option<SecretBytes>),
    Variables(Vec<Variable>),
    Batch(SecretMap),
}

struct Variable {
    id: String,
    annotations: BTreeMap<String, String>,
}

impl Conjur {
    /// Makes the provider.
    pub(super) fn new(options: &Options) -> Self {
        let service = Arc::new(Service::new(options));
        Self { service }
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "API key, JWT, certificate",
    find: &[FindBy::Name, FindBy::Tags],
    push: "",
    version: "yes",
    metadata: "",
    tested: "a double; CyberArk's Python client and its published specification hold that to the protocol",
};

#[async_trait]
impl Provider for Conjur {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        API.url("url", &block.url)?;
        Method::of(block)?.check()?;
        credential::check_ca(NAME, "caProvider", block.ca_provider.as_ref(), store)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let method = Method::of(&block)?;
        let is_referent = is_referent(&context.store, method.namespaces());
        Ok(Box::new(ConjurClient {
            service: Arc::clone(&self.service),
            identity: Identity::new(&context, is_referent),
            is_referent,
            url: API.url("url", &block.url)?,
            account: method.account().to_owned(),
            context,
            block,
        }))
    }

    fn sweep(&self) {
        self.service.window.sweep();
    }
}

struct ConjurClient {
    service: Arc<Service<Session, What, Fetched>>,
    context: ClientContext,
    block: ConjurProvider,
    identity: Identity,
    is_referent: bool,
    url: Url,
    account: String,
}

impl ConjurClient {
    async fn read(&self, action: &str, url: Url) -> Result<SecretBytes, Failure> {
        let url = &url;
        let call = |session: Arc<Session>| async move {
            let request = Request::get(action, url.clone());
            let request = request.with(AUTHORIZATION, Some(session.token.clone()));
            API.send(&session.http, &request).await
        };
        let answer = self.service.call(&self.identity, self, call).await;
        answer.map(|answer| answer.body)
    }

    async fn variables(&self) -> Result<Vec<Variable>, Error> {
        let action = "list variables";
        let mut found = Vec::new();
        for page in 0..MAX_PAGES {
            let mut url = below(&self.url, ["resources", &self.account, "variable"]);
            url.query_pairs_mut()
                .append_pair("limit", &PAGE.to_string())
                .append_pair("offset", &(page * PAGE).to_string());
            let body = self.read(action, url).await?;
            let Ok(Json::List(items)) = Json::parse(body.expose()) else {
                return Err(API.unexpected(action, "the answer is no list in JSON"));
            };
            let is_last = items.len() < PAGE;
            found.extend(items.iter().filter_map(variable));
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    /// The values of several variables; of those without one, none.
    async fn batch(&self, ids: &[String]) -> Result<SecretMap, Error> {
        let prefix = format!("{}:variable:", self.account);
        let names: Vec<_> = ids.iter().map(|id| format!("{prefix}{id}")).collect();
        let mut url = below(&self.url, ["secrets"]);
        url.query_pairs_mut()
            .append_pair("variable_ids", &names.join(","));
        let action = format!("read {} variables", ids.len());
        let is_separable = ids.iter().all(|id| !id.contains(','));
        if is_separable {
            match self.read(&action, url).await {
                Ok(body) => {
                    let Ok(Json::Object(members)) = Json::parse(body.expose()) else {
                        return Err(API.unexpected(&action, "the answer is no JSON object"));
                    };
                    let named = members.into_iter().map(|(name, json)| {
                        let name = name.strip_prefix(&prefix).unwrap_or(&name).to_owned();
                        (name, json.to_content())
                    });
                    return Ok(named.collect());
                }
                // One without a value, or with bytes that no JSON can hold, fails all of them.
                Err(failure) if failure.is(404) || failure.is(406) => {}
                Err(failure) => return Err(failure.error),
            }
        }
        let mut found = SecretMap::new();
        for id in ids {
            if let Some(value) = self.value(id, "").await? {
                found.insert(id.clone(), value);
            }
        }
        Ok(found)
    }

    async fn value(&self, id: &str, version: &str) -> Result<Option<SecretBytes>, Error> {
        let mut url = below(&self.url, ["secrets", &self.account, "variable", id]);
        if !version.is_empty() {
            url.query_pairs_mut().append_pair("version", version);
        }
        match self.read(&format!("read {id:?}"), url).await {
            Ok(body) => Ok(Some(body)),
            // A wrong account or address must not pass for a missing secret.
            Err(failure) if failure.is(404) && failure.said.contains("ariable") => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }

    async fn fetch(&self, what: &What) -> Result<Fetched, Error> {
        Ok(match what {
            What::Value(id, version) => Fetched::Value(self.value(id, version).await?),
            What::Variables => Fetched::Variables(self.variables().await?),
            What::Batch(ids) => Fetched::Batch(self.batch(ids).await?),
        })
    }

    async fn fetched(&self, what: What) -> Result<Arc<Fetched>, Error> {
        let fetch = self.fetch(&what);
        let (context, identity) = (&self.context, &self.identity);
        self.service
            .fetched(context, identity, what.clone(), fetch)
            .await
    }

    async fn named(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        part::check(&API, reference, &ABILITIES)?;
        let RemoteRef { key, version, .. } = reference;
        if !version.is_empty() && version.parse::<u32>().is_err() {
            let message = format!("key {key:?}: version {version:?} is not a number");
            return Err(API.invalid(message));
        }
        let what = What::Value(key.clone(), version.clone());
        match self.fetched(what).await?.as_ref() {
            Fetched::Value(Some(value)) => Ok(value.duplicate()),
            _ => Err(part::missing(&API, reference)),
        }
    }
}

#[async_trait]
impl SecretsClient for ConjurClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        part::one(&API, reference, &self.named(reference).await?)
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        part::all(&API, reference, &self.named(reference).await?)
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        if find.path.as_deref().is_some_and(|path| !path.is_empty()) {
            return Err(API.unsupported("find by path is not possible; find by name or tags"));
        }
        let fetched = self.fetched(What::Variables).await?;
        let Fetched::Variables(variables) = fetched.as_ref() else {
            return Ok(SecretMap::new());
        };
        let wanted = variables.iter().filter(|variable| {
            let has =
                |(name, value): (&String, &String)| variable.annotations.get(name) == Some(value);
            let regex = find.name.as_ref();
            regex.is_none_or(|regex| regex.is_match(&variable.id)) && find.tags.iter().all(has)
        });
        let ids: Vec<_> = wanted.map(|variable| variable.id.clone()).collect();
        let mut found = SecretMap::new();
        for ids in ids.chunks(BATCH) {
            let fetched = self.fetched(What::Batch(ids.to_vec())).await?;
            if let Fetched::Batch(values) = fetched.as_ref() {
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
}

fn block(store: &Store) -> Result<&ConjurProvider, Error> {
    let block = store.provider.conjur.as_deref();
    block.ok_or_else(|| API.invalid("spec.provider.conjur is missing"))
}

/// Of `account:variable:id` the id.
fn variable(json: &Json) -> Option<Variable> {
    let id = json.member_str("id")?.splitn(3, ':').nth(2)?;
    let annotations = match json.member("annotations") {
        Some(Json::List(items)) => items.iter().filter_map(annotation).collect(),
        _ => BTreeMap::new(),
    };
    Some(Variable {
        id: id.to_owned(),
        annotations,
    })
}

fn annotation(json: &Json) -> Option<(String, String)> {
    let name = json.member_str("name")?;
    Some((name.to_owned(), json.member_str("value")?.to_owned()))
}
