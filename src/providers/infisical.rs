//! Provider `infisical`: one environment of a project of Infisical.
//!
//! A folder is read whole, once a refresh window; an identity that may not list reads secret by secret.
//! Differences to External Secrets Operator, all deliberate: one login serves all objects until it
//! ends, properties that are no strings are served, validation lets an identity be that may not list.

mod access;
mod folder;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Url};

use super::logins::Identity;
use super::rest::{Api, Failure, Request, below};
use super::service::{Service, Session, has_credentials, is_referent};
use super::{
    Abilities, ClientContext, Error, FindBy, Options, Provider, SecretsClient, Validation,
    credential, part,
};
use crate::api::v1::InfisicalProvider;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

use folder::{Folder, Place};

const NAME: &str = "infisical";

const API: Api = Api {
    name: NAME,
    denied: "; check the machine identity and its role in the project",
    missing: "; check hostAPI, projectSlug, environmentSlug and secretsPath",
};

/// The provider, with what all its stores share.
pub(super) struct Infisical {
    service: Arc<Service<Session, What, Fetched>>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// A folder, and those below it.
    Folder(String, bool),
    Secret(Place),
    Project,
}

/// What the server answered.
enum Fetched {
    Folder(Folder),
    /// The identity may not list.
    Closed(Error),
    Secret(Option<SecretBytes>),
    Project(String),
}

impl Infisical {
    /// Makes the provider.
    pub(super) fn new(options: &Options) -> Self {
        let service = Arc::new(Service::new(options));
        Self { service }
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "folders, imports; universal, JWT, LDAP, token",
    find: &[FindBy::Name, FindBy::Path],
    push: "yes, by property",
    version: "",
    metadata: "",
    tested: "a double; Infisical's Python client holds that to the protocol",
};

#[async_trait]
impl Provider for Infisical {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        access::url(block)?;
        let scope = &block.secrets_scope;
        if scope.project_slug.is_empty() || scope.environment_slug.is_empty() {
            let message = "secretsScope: projectSlug and environmentSlug must be set";
            return Err(API.invalid(message));
        }
        access::method(block)?;
        credential::check_ca(NAME, "caProvider", block.ca_provider.as_ref(), store)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let method = access::method(&block)?;
        let selectors = method.fields.iter().map(|(_, _, one)| &one.namespace);
        let is_referent = is_referent(&context.store, selectors);
        Ok(Box::new(InfisicalClient {
            service: Arc::clone(&self.service),
            identity: Identity::new(&context, is_referent),
            is_referent,
            url: access::url(&block)?,
            context,
            block,
        }))
    }

    fn sweep(&self) {
        self.service.window.sweep();
    }
}

struct InfisicalClient {
    service: Arc<Service<Session, What, Fetched>>,
    context: ClientContext,
    block: InfisicalProvider,
    identity: Identity,
    is_referent: bool,
    url: Url,
}

impl InfisicalClient {
    fn root(&self) -> &str {
        let path = self.block.secrets_scope.secrets_path.as_deref();
        path.filter(|path| !path.is_empty()).unwrap_or("/")
    }

    async fn call(&self, request: impl Fn() -> Request + Sync) -> Result<Json, Failure> {
        let request = &request;
        let call = |session: Arc<Session>| async move {
            let request = request().with(AUTHORIZATION, Some(session.token.clone()));
            API.json(&session.http, &request).await
        };
        self.service.call(&self.identity, self, call).await
    }

    /// The address of secrets, of one where a name is given.
    fn secrets(&self, name: Option<&str>) -> Url {
        let path = ["v3", "secrets", "raw"].into_iter();
        below(&self.url, path.chain(name))
    }

    fn query(&self, mut url: Url, folder: &str) -> Url {
        let scope = &self.block.secrets_scope;
        let expand = scope.expand_secret_references.unwrap_or(true);
        url.query_pairs_mut()
            .append_pair("workspaceSlug", &scope.project_slug)
            .append_pair("environment", &scope.environment_slug)
            .append_pair("secretPath", folder)
            .append_pair("include_imports", "true")
            .append_pair("expandSecretReferences", &expand.to_string());
        url
    }

    async fn list(&self, path: &str, is_recursive: bool) -> Result<Fetched, Error> {
        let mut url = self.query(self.secrets(None), path);
        url.query_pairs_mut()
            .append_pair("recursive", &is_recursive.to_string());
        let action = format!("list folder {path:?}");
        match self
            .call(|| Request::get(action.as_str(), url.clone()))
            .await
        {
            Ok(answer) => Ok(Fetched::Folder(Folder::parse(answer, path))),
            Err(failure) if failure.is(403) => Ok(Fetched::Closed(failure.error)),
            // Other names that do not exist must not pass for a missing secret.
            Err(failure) if failure.is(404) && failure.said.contains("Folder") => {
                Ok(Fetched::Folder(Folder::default()))
            }
            Err(failure) => Err(failure.error),
        }
    }

    async fn fetch(&self, what: &What) -> Result<Fetched, Error> {
        match what {
            What::Folder(path, is_recursive) => self.list(path, *is_recursive).await,
            What::Secret(place) => {
                let url = self.query(self.secrets(Some(&place.name)), &place.folder);
                let action = format!("read {:?} in {:?}", place.name, place.folder);
                match self
                    .call(|| Request::get(action.as_str(), url.clone()))
                    .await
                {
                    Ok(answer) => Ok(Fetched::Secret(folder::value(answer))),
                    Err(failure) if failure.is(404) => Ok(Fetched::Secret(None)),
                    Err(failure) => Err(failure.error),
                }
            }
            What::Project => {
                let slug = &self.block.secrets_scope.project_slug;
                let url = below(&self.url, ["v2", "workspace", slug]);
                let action = format!("look up project {slug:?}");
                let answer = self
                    .call(|| Request::get(action.as_str(), url.clone()))
                    .await;
                let answer = answer.map_err(Error::from)?;
                let id = answer.member_str("id").map(str::to_owned);
                id.map(Fetched::Project)
                    .ok_or_else(|| API.unexpected(&action, "the answer has no id"))
            }
        }
    }

    async fn fetched(&self, what: What) -> Result<Arc<Fetched>, Error> {
        let fetch = self.fetch(&what);
        let (context, identity) = (&self.context, &self.identity);
        self.service
            .fetched(context, identity, what.clone(), fetch)
            .await
    }

    async fn value(&self, place: &Place) -> Result<Option<SecretBytes>, Error> {
        let folder = What::Folder(place.folder.clone(), false);
        match self.fetched(folder).await?.as_ref() {
            Fetched::Folder(folder) => {
                return Ok(folder.value(&place.name).map(SecretBytes::duplicate));
            }
            Fetched::Closed(_) => {}
            Fetched::Secret(_) | Fetched::Project(_) => return Ok(None),
        }
        match self.fetched(What::Secret(place.clone())).await?.as_ref() {
            Fetched::Secret(value) => Ok(value.as_ref().map(SecretBytes::duplicate)),
            _ => Ok(None),
        }
    }

    async fn named(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        part::check(&API, reference, &ABILITIES)?;
        let value = self.value(&self.place(&reference.key)?).await?;
        value.ok_or_else(|| part::missing(&API, reference))
    }

    fn place(&self, key: &str) -> Result<Place, Error> {
        Place::parse(self.root(), key)
            .ok_or_else(|| API.invalid(format!("key {key:?} must end with a name")))
    }

    /// Sends a write about a secret, and forgets what was read before.
    async fn change(
        &self,
        action: &str,
        method: Method,
        place: &Place,
        value: Option<SecretBytes>,
    ) -> Result<(), Error> {
        let fetched = self.fetched(What::Project).await?;
        let Fetched::Project(project) = fetched.as_ref() else {
            return Err(API.unexpected(action, "the project has no id"));
        };
        let scope = &self.block.secrets_scope;
        let mut members = vec![
            ("workspaceId", project.as_str().into()),
            ("environment", scope.environment_slug.as_str().into()),
            ("secretPath", place.folder.as_str().into()),
            ("type", SecretBytes::from("shared")),
        ];
        members.extend(value.map(|value| ("secretValue", value)));
        let body = Json::texts(members);
        let url = self.secrets(Some(&place.name));
        let sent = self.call(|| Request::send(action, method.clone(), url.clone(), &body));
        sent.await.map_err(Error::from)?;
        let folder = What::Folder(place.folder.clone(), false);
        self.service.forget(&self.identity, folder).await;
        let secret = What::Secret(place.clone());
        self.service.forget(&self.identity, secret).await;
        Ok(())
    }
}

#[async_trait]
impl SecretsClient for InfisicalClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        part::one(&API, reference, &self.named(reference).await?)
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        part::all(&API, reference, &self.named(reference).await?)
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        if !find.tags.is_empty() {
            return Err(API.unsupported("find by tags is not served; find by name or path"));
        }
        let is_recursive = self.block.secrets_scope.recursive == Some(true);
        let what = What::Folder(self.root().to_owned(), is_recursive);
        match self.fetched(what).await?.as_ref() {
            Fetched::Folder(folder) => Ok(folder.found(find)),
            Fetched::Closed(error) => Err(error.clone()),
            Fetched::Secret(_) | Fetched::Project(_) => Ok(SecretMap::new()),
        }
    }

    async fn validate(&self) -> Result<Validation, Error> {
        if !has_credentials(&self.context, self.is_referent) {
            return Ok(Validation::Unknown);
        }
        let what = What::Folder(self.root().to_owned(), false);
        Ok(match self.fetched(what).await?.as_ref() {
            Fetched::Closed(_) => Validation::Unknown,
            _ => Validation::Ready,
        })
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        let place = self.place(&push.target.key)?;
        let present = self.value(&place).await?;
        let wanted = part::pushed(&API, push, present.as_ref())?;
        if wanted.expose_str().is_none() {
            let message = format!("{:?}: the value is not text; encode it", push.target.key);
            return Err(API.invalid(message));
        }
        if present.as_ref() == Some(&wanted) {
            return Ok(());
        }
        let method = match present {
            Some(_) => Method::PATCH,
            None => Method::POST,
        };
        let action = format!("write {:?}", push.target.key);
        self.change(&action, method, &place, Some(wanted)).await
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        let place = self.place(&target.key)?;
        let Some(present) = self.value(&place).await? else {
            return Ok(());
        };
        let action = format!("delete {:?}", target.key);
        if !target.property.is_empty() {
            if !part::has_member(&present, &target.property) {
                return Ok(());
            }
            let left = part::without(&API, &target.key, &target.property, &present)?;
            if left.is_some() {
                return self.change(&action, Method::PATCH, &place, left).await;
            }
        }
        self.change(&action, Method::DELETE, &place, None).await
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        let value = self.value(&self.place(&target.key)?).await?;
        let property = &target.property;
        Ok(value.is_some_and(|value| property.is_empty() || part::has_member(&value, property)))
    }
}

fn block(store: &Store) -> Result<&InfisicalProvider, Error> {
    let block = store.provider.infisical.as_deref();
    block.ok_or_else(|| API.invalid("spec.provider.infisical is missing"))
}
