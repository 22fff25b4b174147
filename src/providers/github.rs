//! Provider `github`: secrets of GitHub Actions, which can be written and not read.
//!
//! A value is sealed for the key of the organisation, repository or environment before it is sent.
//! Difference to External Secrets Operator, deliberate: a secret that is not there is told as such, so
//! that the update policy `IfNotExists` works.

mod app;

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Method, Url};

use super::logins::Identity;
use super::rest::{Api, Failure, Request, below};
use super::service::{Service, Session, is_referent};
use super::{Abilities, ClientContext, Clock, Error, Options, Provider, SecretsClient, Validation};
use crate::api::meta::StoreKind;
use crate::api::v1::{GithubProvider, GithubSecretVisibility};
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

const NAME: &str = "github";

const API: Api = Api {
    name: NAME,
    denied: "; check the private key, and that the app may write secrets and is installed there",
    missing: "; check url, organization, repository, environment and installationID",
};

/// The address of GitHub itself, whose API is elsewhere.
const HOME: &str = "https://github.com";
const API_HOME: &str = "https://api.github.com/";

/// The provider, with what all its stores share.
pub(super) struct Github {
    shared: Arc<Shared>,
}

struct Shared {
    service: Service<Session, (), Json>,
    clock: Clock,
}

impl Github {
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
    read: "",
    find: &[],
    push: "Actions secrets, sealed",
    version: "",
    metadata: "",
    tested: "a double; the Python client PyGithub holds that to the protocol",
};

#[async_trait]
impl Provider for Github {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        url(block)?;
        if block.organization.is_empty() {
            return Err(API.invalid("organization must not be empty"));
        }
        let named = |name: &Option<String>| name.as_deref().is_some_and(|name| !name.is_empty());
        if named(&block.environment) && !named(&block.repository) {
            return Err(API.invalid("environment needs repository"));
        }
        Ok(())
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let is_referent = is_referent(&context.store, [&block.auth.private_key.namespace]);
        Ok(Box::new(GithubClient {
            shared: Arc::clone(&self.shared),
            identity: Identity::new(&context, is_referent),
            url: url(&block)?,
            context,
            block,
        }))
    }

    fn sweep(&self) {
        self.shared.service.window.sweep();
    }
}

struct GithubClient {
    shared: Arc<Shared>,
    context: ClientContext,
    block: GithubProvider,
    identity: Identity,
    url: Url,
}

impl GithubClient {
    /// The address of secrets, or of what `tail` names among them.
    fn secrets(&self, tail: Option<&str>) -> Url {
        let block = &self.block;
        let filled = |name: &'_ Option<String>| name.clone().filter(|name| !name.is_empty());
        let (repository, environment) = (filled(&block.repository), filled(&block.environment));
        let organization = block.organization.as_str();
        let path = match (repository.as_deref(), environment.as_deref()) {
            (Some(repository), Some(environment)) => {
                vec![
                    "repos",
                    organization,
                    repository,
                    "environments",
                    environment,
                ]
            }
            (Some(repository), None) => vec!["repos", organization, repository, "actions"],
            (None, _) => vec!["orgs", organization, "actions"],
        };
        below(&self.url, path.into_iter().chain(["secrets"]).chain(tail))
    }

    async fn call(&self, request: impl Fn() -> Request + Sync) -> Result<Json, Failure> {
        let request = &request;
        let call = |session: Arc<Session>| async move {
            let request = request()
                .with(AUTHORIZATION, Some(session.token.clone()))
                .with(ACCEPT, Some(app::media_type()));
            API.json(&session.http, &request).await
        };
        let service = &self.shared.service;
        service.call(&self.identity, self, call).await
    }

    /// The key that values are sealed for.
    async fn key(&self) -> Result<Arc<Json>, Error> {
        let url = self.secrets(Some("public-key"));
        let fetch = async {
            let read = self.call(|| Request::get("read the public key", url.clone()));
            read.await.map_err(Error::from)
        };
        let service = &self.shared.service;
        service
            .fetched(&self.context, &self.identity, (), fetch)
            .await
    }

    /// What GitHub shows of a secret, which is not its value.
    async fn present(&self, target: &Target) -> Result<Option<Json>, Error> {
        let name = secret_name(target)?;
        let url = self.secrets(Some(name));
        let action = format!("look for secret {name:?}");
        match self
            .call(|| Request::get(action.as_str(), url.clone()))
            .await
        {
            Ok(json) => Ok(Some(json)),
            Err(failure) if failure.is(404) => {
                // A 404 stands for a lack of permission too: the list tells which it is.
                self.listed().await?;
                Ok(None)
            }
            Err(failure) => Err(failure.error),
        }
    }

    async fn listed(&self) -> Result<(), Error> {
        let mut url = self.secrets(None);
        url.query_pairs_mut().append_pair("per_page", "1");
        let listed = self
            .call(|| Request::get("list secrets", url.clone()))
            .await;
        listed.map(|_| ()).map_err(Error::from)
    }

    fn write_only(&self) -> Error {
        let name = &self.block.organization;
        let message = format!("GitHub shows no value of a secret of {name:?}; use a PushSecret");
        API.unsupported(message)
    }
}

#[async_trait]
impl SecretsClient for GithubClient {
    async fn get(&self, _: &RemoteRef) -> Result<SecretBytes, Error> {
        Err(self.write_only())
    }

    async fn get_map(&self, _: &RemoteRef) -> Result<SecretMap, Error> {
        Err(self.write_only())
    }

    async fn find(&self, _: &Find) -> Result<SecretMap, Error> {
        Err(self.write_only())
    }

    async fn validate(&self) -> Result<Validation, Error> {
        // As in ESO: the key is the consumer's in a cluster-scoped store that names no namespace.
        if self.context.store.id.kind == StoreKind::ClusterSecretStore
            && self.context.namespace.is_empty()
        {
            return Ok(Validation::Unknown);
        }
        self.listed().await?;
        Ok(Validation::Ready)
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        let name = secret_name(push.target)?;
        let content = push.content();
        let content = content.map_err(|error| API.invalid(error.to_string()))?;
        let key = self.key().await?;
        let sealed = sealed(&key, &content)?;
        let id = key.member("key_id").map(Json::to_content);
        let id = id.ok_or_else(|| API.unexpected("read the public key", "it has no id"))?;
        let mut members = vec![("encrypted_value", sealed), ("key_id", id)];
        if self
            .block
            .repository
            .as_deref()
            .unwrap_or_default()
            .is_empty()
        {
            let present = self.present(push.target).await?;
            let kept = present
                .as_ref()
                .and_then(|json| json.member_str("visibility"));
            let wanted = match self.block.org_secret_visibility {
                Some(GithubSecretVisibility::All) => "all",
                Some(GithubSecretVisibility::Private) => "private",
                None => kept.unwrap_or("all"),
            };
            // Selected repositories are kept only where nothing else is wanted.
            if kept != Some("selected") || self.block.org_secret_visibility.is_some() {
                members.push(("visibility", wanted.into()));
            } else {
                members.push(("visibility", "selected".into()));
            }
        }
        let body = Json::texts(members);
        let url = self.secrets(Some(name));
        let action = format!("write secret {name:?}");
        let sent = self.call(|| Request::send(action.as_str(), Method::PUT, url.clone(), &body));
        sent.await.map(|_| ()).map_err(Error::from)
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        if self.present(target).await?.is_none() {
            return Ok(());
        }
        let name = secret_name(target)?;
        let url = self.secrets(Some(name));
        let action = format!("delete secret {name:?}");
        let request = || Request {
            method: Method::DELETE,
            is_read: false,
            ..Request::get(action.as_str(), url.clone())
        };
        match self.call(request).await {
            Err(failure) if !failure.is(404) => Err(failure.error),
            _ => Ok(()),
        }
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        Ok(self.present(target).await?.is_some())
    }
}

fn block(store: &Store) -> Result<&GithubProvider, Error> {
    let block = store.provider.github.as_deref();
    block.ok_or_else(|| API.invalid("spec.provider.github is missing"))
}

/// The address of the API of the server that a store names.
fn url(block: &GithubProvider) -> Result<Url, Error> {
    let named = block.url.as_deref().map(str::trim);
    let named = named.filter(|url| !url.is_empty()).unwrap_or(HOME);
    if named.trim_end_matches('/') == HOME {
        return API.url("url", API_HOME);
    }
    let url = API.url("url", named)?;
    if url.path().trim_end_matches('/').ends_with("/api/v3") {
        return Ok(url);
    }
    Ok(below(&url, ["api", "v3"]))
}

/// The name of a secret, by GitHub's rule for it.
fn secret_name(target: &Target) -> Result<&str, Error> {
    let name = target.key.as_str();
    let is_legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    if !is_legal {
        let message =
            format!("{name:?}: a name has letters, digits and _, and begins with no digit");
        return Err(API.invalid(message));
    }
    if !target.property.is_empty() {
        let message = format!("{name:?}: a secret cannot be read, so no property can be set in it");
        return Err(API.invalid(message));
    }
    Ok(name)
}

/// The value as only GitHub can read it, in base64.
fn sealed(key: &Json, content: &SecretBytes) -> Result<SecretBytes, Error> {
    let broken = || API.unexpected("read the public key", "it is no X25519 key");
    let bytes = key
        .member_str("key")
        .and_then(|key| STANDARD.decode(key).ok());
    let bytes: [u8; 32] = bytes
        .and_then(|key| key.try_into().ok())
        .ok_or_else(broken)?;
    let sealed = PublicKey::from(bytes).seal(&mut OsRng, content.expose());
    let sealed = sealed.map_err(|_| broken())?;
    Ok(STANDARD.encode(sealed).into())
}

/// A header of a text that is known to be legal.
fn fixed(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}
