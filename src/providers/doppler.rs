//! Provider `doppler`: one config of Doppler.
//!
//! A config is read whole, once for all who ask within their refresh window. Differences to External
//! Secrets Operator, all deliberate: missing secrets are told as missing, `exists` works, a property is
//! read of a value that is JSON and pushed into it, and no answer is repeated in an error.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Url};

use super::logins::{Fingerprint, Granted, Identity, Login};
use super::rest::{Api, Failure, Request, authorization, below, trimmed};
use super::service::{Service, Session, has_credentials, is_referent};
use super::{
    Abilities, ClientContext, Clock, Error, FindBy, Options, Provider, SecretsClient, Validation,
    part,
};
use crate::api::meta::{SecretKeySelector, StoreKind};
use crate::api::v1::{DopplerOidcConfig, DopplerProvider};
use crate::http;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

const NAME: &str = "doppler";

const API: Api = Api {
    name: NAME,
    denied: "; check the token, and that it may use project and config",
    missing: "; check project and config of the store",
};

/// Key of a token's Secret where none is named, as in ESO.
const TOKEN_KEY: &str = "dopplerToken";

/// Name of the one value that a search gives where the store names a format, as in ESO.
const FILE: &str = "DOPPLER_SECRETS_FILE";

/// Validity of ServiceAccount tokens in seconds (ESO's CRD).
const TOKEN_SECONDS: i64 = 600;

/// How a download is to look: its format, and how names are changed.
type Form = (String, Option<String>);

/// The provider, with what all its stores share.
pub(super) struct Doppler {
    shared: Arc<Shared>,
}

struct Shared {
    service: Service<Session, Form, SecretMap>,
    clock: Clock,
    url: Url,
}

/// How a store logs in.
enum Auth<'a> {
    Token(&'a SecretKeySelector),
    Exchange(&'a DopplerOidcConfig),
}

impl Doppler {
    /// Makes the provider.
    ///
    /// # Errors
    /// When Doppler's address cannot be read.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let shared = Shared {
            service: Service::new(options),
            clock: Arc::clone(&options.clock),
            url: API.url("--doppler-url", &options.doppler_url)?,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "a config, once a window; token or OIDC",
    find: &[FindBy::Name, FindBy::Path],
    push: "yes, by property",
    version: "",
    metadata: "",
    tested: "a double; Doppler's Python client holds that to the protocol",
};

#[async_trait]
impl Provider for Doppler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        auth(block(store)?).map(|_| ())
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let namespace = match auth(&block)? {
            Auth::Token(selector) => &selector.namespace,
            Auth::Exchange(exchange) => &exchange.service_account_ref.namespace,
        };
        let is_referent = is_referent(&context.store, [namespace]);
        Ok(Box::new(DopplerClient {
            shared: Arc::clone(&self.shared),
            identity: Identity::new(&context, is_referent),
            is_referent,
            context,
            block,
        }))
    }

    fn sweep(&self) {
        self.shared.service.window.sweep();
    }
}

struct DopplerClient {
    shared: Arc<Shared>,
    context: ClientContext,
    block: DopplerProvider,
    identity: Identity,
    is_referent: bool,
}

impl DopplerClient {
    fn url(&self, tail: &[&str]) -> Url {
        let path = ["v3", "configs", "config", "secrets"].into_iter();
        below(&self.shared.url, path.chain(tail.iter().copied()))
    }

    /// The members that name project and config, where the store does.
    fn scope(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [
            ("project", self.block.project.as_deref()),
            ("config", self.block.config.as_deref()),
        ];
        let named = named.into_iter();
        named.filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
    }

    async fn download(
        &self,
        format: &str,
        transformer: Option<&str>,
    ) -> Result<SecretBytes, Error> {
        let mut url = self.url(&["download"]);
        url.query_pairs_mut()
            .append_pair("format", format)
            .extend_pairs(self.scope())
            .extend_pairs(transformer.map(|name| ("name_transformer", name)));
        let url = &url;
        let call = |session: Arc<Session>| async move {
            let request = Request::get("read the config", url.clone());
            let request = request.with(AUTHORIZATION, Some(session.token.clone()));
            API.send(&session.http, &request).await
        };
        let service = &self.shared.service;
        let answer = service.call(&self.identity, self, call).await;
        answer.map(|answer| answer.body).map_err(Error::from)
    }

    /// Every secret of the config, by its name or its changed name.
    async fn values(&self, transformer: Option<&str>) -> Result<Arc<SecretMap>, Error> {
        let form = ("json".to_owned(), transformer.map(str::to_owned));
        let fetch = async {
            let body = self.download("json", transformer).await?;
            match Json::parse(body.expose()) {
                Ok(Json::Object(members)) => Ok(members
                    .into_iter()
                    .map(|(name, json)| (name, json.to_content()))
                    .collect()),
                _ => Err(API.unexpected("read the config", "the answer is no JSON object")),
            }
        };
        let service = &self.shared.service;
        service
            .fetched(&self.context, &self.identity, form, fetch)
            .await
    }

    async fn file(&self, format: &str) -> Result<Arc<SecretMap>, Error> {
        let form = (format.to_owned(), None);
        let fetch = async {
            let body = self.download(format, None).await?;
            Ok([(FILE.to_owned(), body)].into_iter().collect())
        };
        let service = &self.shared.service;
        service
            .fetched(&self.context, &self.identity, form, fetch)
            .await
    }

    /// Sends changes, and forgets what was read before.
    async fn change(&self, action: &str, name: &str, change: Json) -> Result<(), Error> {
        let mut body = Json::texts(self.scope());
        if let Json::Object(members) = &mut body {
            members.insert(name.to_owned(), change);
        }
        let body = &body;
        let call = |session: Arc<Session>| async move {
            let request = Request::send(action, Method::POST, self.url(&[]), body);
            let request = request.with(AUTHORIZATION, Some(session.token.clone()));
            API.send(&session.http, &request).await
        };
        let service = &self.shared.service;
        service.call(&self.identity, self, call).await?;
        let form = ("json".to_owned(), None);
        service.forget(&self.identity, form).await;
        Ok(())
    }

    async fn set(&self, name: &str, value: SecretBytes) -> Result<(), Error> {
        let secrets = Json::texts([(name, value)]);
        self.change(&format!("write {name:?}"), "secrets", secrets)
            .await
    }
}

#[async_trait]
impl Login for DopplerClient {
    /// The token itself, or that of a ServiceAccount to exchange for one.
    type Credentials = SecretBytes;
    type Session = Session;

    async fn credentials(&self) -> Result<(Fingerprint, SecretBytes), Error> {
        match auth(&self.block)? {
            Auth::Token(selector) => {
                let mut selector = selector.clone();
                selector.key.get_or_insert_with(|| TOKEN_KEY.to_owned());
                let field = "auth.secretRef.dopplerToken";
                let token = self.context.credential(NAME, field, &selector).await?;
                let token = trimmed(&API, field, &token)?;
                Ok((Fingerprint::of([token.expose()]), token))
            }
            Auth::Exchange(exchange) => {
                let fingerprint = Fingerprint::of([exchange.identity.as_bytes()]);
                Ok((fingerprint, self.account_token(exchange).await?))
            }
        }
    }

    async fn log_in(&self, token: SecretBytes) -> Result<Granted<Session>, Error> {
        let http = API.client(&self.shared.service.http, None)?;
        if let Auth::Exchange(exchange) = auth(&self.block)? {
            return self.exchanged(http, exchange, &token).await;
        }
        Ok(Granted {
            session: Session {
                http,
                token: authorization(&API, "Bearer", &token)?,
            },
            life: None,
            is_proven: false,
        })
    }
}

impl DopplerClient {
    /// A token for Doppler and this store alone, as in ESO.
    async fn account_token(&self, exchange: &DopplerOidcConfig) -> Result<SecretBytes, Error> {
        let account = &exchange.service_account_ref;
        let store = &self.context.store.id;
        let own = match store.kind {
            StoreKind::ClusterSecretStore => format!("clusterSecretStore:{}", store.name),
            StoreKind::SecretStore => format!("secretStore:{}:{}", store.namespace, store.name),
        };
        let root = self.shared.url.as_str().trim_end_matches('/').to_owned();
        let mut audiences = vec![root];
        audiences.extend(account.audiences.iter().cloned());
        audiences.push(own);
        let seconds = exchange.expiration_seconds.unwrap_or(TOKEN_SECONDS);
        let field = "auth.oidcConfig.serviceAccountRef";
        let seconds = seconds.max(TOKEN_SECONDS);
        self.context
            .account_token(NAME, field, account, &audiences, seconds)
            .await
    }

    async fn exchanged(
        &self,
        http: http::Client,
        exchange: &DopplerOidcConfig,
        token: &SecretBytes,
    ) -> Result<Granted<Session>, Error> {
        let url = below(&self.shared.url, ["v3", "auth", "oidc"]);
        let identity = SecretBytes::from(exchange.identity.as_str());
        let body = Json::texts([("identity", identity), ("token", token.duplicate())]);
        let action = "log in by OIDC";
        let request = Request::send(action, Method::POST, url, &body);
        let answer = API.json(&http, &request).await.map_err(denied)?;
        let granted = answer.member_str("token");
        let granted = granted.ok_or_else(|| API.unexpected(action, "the answer has no token"))?;
        let until = answer.member_str("expires_at");
        let until = until.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let now = (self.shared.clock)();
        let life = until.map(std::time::SystemTime::from);
        let life = life.map(|until| until.duration_since(now).unwrap_or_default());
        Ok(Granted {
            session: Session {
                http,
                token: authorization(&API, "Bearer", &granted.into())?,
            },
            life,
            is_proven: true,
        })
    }
}

/// A login that is refused with any of these means wrong credentials.
fn denied(mut failure: Failure) -> Error {
    if failure.is(400) || failure.is(404) {
        failure.error.kind = super::ErrorKind::Denied;
    }
    failure.error
}

#[async_trait]
impl SecretsClient for DopplerClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        part::check(&API, reference, &ABILITIES)?;
        let values = self.values(None).await?;
        let value = values.get(&reference.key);
        let value = value.ok_or_else(|| part::missing(&API, reference))?;
        part::one(&API, reference, value)
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        part::check(&API, reference, &ABILITIES)?;
        let values = self.values(None).await?;
        let value = values.get(&reference.key);
        let value = value.ok_or_else(|| part::missing(&API, reference))?;
        part::all(&API, reference, value)
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        if !find.tags.is_empty() {
            return Err(API.unsupported("find: secrets of a config have no tags; find by name"));
        }
        let values = match spelled(self.block.format.as_ref())? {
            Some(format) => self.file(&format).await?,
            None => {
                let transformer = spelled(self.block.name_transformer.as_ref())?;
                self.values(transformer.as_deref()).await?
            }
        };
        let is_whole = self.block.format.is_some();
        let begin = find.path.as_deref().unwrap_or_default();
        let matches = |name: &str| {
            let regex = find.name.as_ref();
            is_whole || name.starts_with(begin) && regex.is_none_or(|regex| regex.is_match(name))
        };
        let found = values.iter().filter(|(name, _)| matches(name));
        Ok(found
            .map(|(name, value)| (name.to_owned(), value.duplicate()))
            .collect())
    }

    async fn validate(&self) -> Result<Validation, Error> {
        if !has_credentials(&self.context, self.is_referent) {
            return Ok(Validation::Unknown);
        }
        self.values(None).await?;
        Ok(Validation::Ready)
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        let name = &push.target.key;
        let values = self.values(None).await?;
        let present = values.get(name);
        let wanted = part::pushed(&API, push, present)?;
        if present == Some(&wanted) {
            return Ok(());
        }
        self.set(name, wanted).await
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        let name = &target.key;
        let values = self.values(None).await?;
        let Some(present) = values.get(name) else {
            return Ok(());
        };
        if !target.property.is_empty() {
            if !part::has_member(present, &target.property) {
                return Ok(());
            }
            if let Some(left) = part::without(&API, name, &target.property, present)? {
                return self.set(name, left).await;
            }
        }
        let mut change = Json::texts([("name", name.as_str()), ("originalName", name)]);
        if let Json::Object(members) = &mut change {
            members.insert("shouldDelete".to_owned(), Json::Bool(true));
        }
        let changes = Json::List(vec![change]);
        self.change(&format!("delete {name:?}"), "change_requests", changes)
            .await
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        let values = self.values(None).await?;
        let value = values.get(&target.key);
        let property = &target.property;
        Ok(value.is_some_and(|value| property.is_empty() || part::has_member(value, property)))
    }
}

fn block(store: &Store) -> Result<&DopplerProvider, Error> {
    let block = store.provider.doppler.as_deref();
    block.ok_or_else(|| API.invalid("spec.provider.doppler is missing"))
}

fn auth(block: &DopplerProvider) -> Result<Auth<'_>, Error> {
    match (&block.auth.secret_ref, &block.auth.oidc_config) {
        (Some(secret), None) => Ok(Auth::Token(&secret.doppler_token)),
        (None, Some(exchange)) if exchange.identity.is_empty() => {
            Err(API.invalid("auth.oidcConfig.identity must not be empty"))
        }
        (None, Some(exchange)) => Ok(Auth::Exchange(exchange)),
        _ => Err(API.invalid("auth: exactly one of secretRef and oidcConfig must be set")),
    }
}

/// A choice as the API spells it, which is as the store does.
fn spelled(choice: Option<&impl serde::Serialize>) -> Result<Option<String>, Error> {
    let spelled = choice.map(serde_json::to_value).transpose();
    let spelled = spelled.map_err(|error| API.invalid(error.to_string()))?;
    Ok(spelled.and_then(|value| value.as_str().map(str::to_owned)))
}
