//! Provider `gitlab`: CI variables of a project and of groups.
//!
//! The variables of a project or group are read whole, page by page, once a refresh window. Differences
//! to External Secrets Operator, all deliberate: missing variables are told as missing, an empty value is
//! a value, every page of groups is read.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use super::logins::{Fingerprint, Granted, Identity, Login};
use super::rest::{Api, Request, below, trimmed};
use super::service::{Service, Session, has_credentials, is_referent};
use super::{
    Abilities, ClientContext, Error, FindBy, Options, Provider, SecretsClient, Validation,
    credential, part,
};
use crate::api::v1::GitlabProvider;
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

const NAME: &str = "gitlab";

const API: Api = Api {
    name: NAME,
    denied: "; check that the access token has the scope read_api and the role Maintainer",
    missing: "; check url, projectID and groupIDs, and that the access token may see them",
};

/// Where GitLab is unless the store says otherwise, as in ESO.
const URL: &str = "https://gitlab.com/";

/// Header that carries the access token.
const TOKEN: HeaderName = HeaderName::from_static("private-token");

/// Header that names the next page.
const NEXT: &str = "x-next-page";

/// Most pages that are read of one list, against a server that never ends.
const MAX_PAGES: usize = 1000;

/// Scope that is every environment.
const ANY: &str = "*";

/// The only tag that a search can go by.
const SCOPE: &str = "environment_scope";

/// The provider, with what all its stores share.
pub(super) struct Gitlab {
    service: Arc<Service<Session, What, Fetched>>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// The variables of `projects` or `groups`, by id.
    Variables(&'static str, String),
    /// The groups of a project, the outermost first.
    Groups(String),
}

/// What the server answered.
enum Fetched {
    Variables(Vec<Variable>),
    Groups(Vec<String>),
}

struct Variable {
    key: String,
    scope: String,
    /// `None` where GitLab shows it to nobody.
    value: Option<SecretBytes>,
}

impl Gitlab {
    /// Makes the provider.
    pub(super) fn new(options: &Options) -> Self {
        let service = Arc::new(Service::new(options));
        Self { service }
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "variables of a project, groups; found by environment scope, too",
    find: &[FindBy::Name],
    push: "",
    version: "",
    metadata: "",
    tested: "a double; the Python client python-gitlab holds that to the protocol",
};

#[async_trait]
impl Provider for Gitlab {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        url(block)?;
        credential::check_ca(NAME, "caProvider", block.ca_provider.as_ref(), store)?;
        if block.auth.secret_ref.access_token.is_none() {
            return Err(API.invalid("auth.SecretRef.accessToken is missing"));
        }
        let has_groups = !block.group_ids.is_empty();
        if project(block).is_none() && !has_groups {
            return Err(API.invalid("projectID or groupIDs must be set"));
        }
        if block.inherit_from_groups == Some(true) && has_groups {
            return Err(API.invalid("inheritFromGroups and groupIDs exclude each other"));
        }
        Ok(())
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let token = block.auth.secret_ref.access_token.as_ref();
        let is_referent = is_referent(&context.store, token.map(|token| &token.namespace));
        Ok(Box::new(GitlabClient {
            service: Arc::clone(&self.service),
            identity: Identity::new(&context, is_referent),
            is_referent,
            url: url(&block)?,
            context,
            block,
        }))
    }

    fn sweep(&self) {
        self.service.window.sweep();
    }
}

struct GitlabClient {
    service: Arc<Service<Session, What, Fetched>>,
    context: ClientContext,
    block: GitlabProvider,
    identity: Identity,
    is_referent: bool,
    url: Url,
}

impl GitlabClient {
    /// Every item of a list.
    async fn pages(&self, action: &str, path: [&str; 3]) -> Result<Vec<Json>, Error> {
        let mut items = Vec::new();
        let mut page = "1".to_owned();
        for _ in 0..MAX_PAGES {
            let mut url = below(&self.url, ["api", "v4"].into_iter().chain(path));
            url.query_pairs_mut()
                .append_pair("per_page", "100")
                .append_pair("page", &page);
            let url = &url;
            let call = |session: Arc<Session>| async move {
                let request = Request::get(action, url.clone());
                let request = request.with(TOKEN, Some(session.token.clone()));
                API.send(&session.http, &request).await
            };
            let answer = self.service.call(&self.identity, self, call).await;
            let answer = answer.map_err(Error::from)?;
            match Json::parse(answer.body.expose()) {
                Ok(Json::List(more)) => items.extend(more),
                _ => return Err(API.unexpected(action, "the answer is no list in JSON")),
            }
            let next = answer.headers.get(NEXT).map(HeaderValue::to_str);
            match next {
                Some(Ok(next)) if !next.is_empty() && next != page => next.clone_into(&mut page),
                _ => break,
            }
        }
        Ok(items)
    }

    async fn fetch(&self, what: &What) -> Result<Fetched, Error> {
        Ok(match what {
            What::Variables(kind, id) => {
                let action = format!("read the variables of {kind} {id}");
                let items = self.pages(&action, [kind, id, "variables"]).await?;
                Fetched::Variables(items.into_iter().filter_map(variable).collect())
            }
            What::Groups(project) => {
                let action = format!("list the groups of project {project}");
                let items = self.pages(&action, ["projects", project, "groups"]).await?;
                let mut groups: Vec<_> = items
                    .iter()
                    .filter_map(|group| {
                        let path = group.member_str("full_path").unwrap_or_default();
                        Some((path.len(), group.member("id")?.as_u64()?.to_string()))
                    })
                    .collect();
                groups.sort();
                Fetched::Groups(groups.into_iter().map(|(_, id)| id).collect())
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

    /// What holds variables, that which goes before the others last.
    async fn sources(&self) -> Result<Vec<What>, Error> {
        let groups = |ids: &[String]| -> Vec<What> {
            let ids = ids.iter().cloned();
            ids.map(|id| What::Variables("groups", id)).collect()
        };
        let project = project(&self.block);
        let mut sources = match project {
            Some(project) if self.block.inherit_from_groups == Some(true) => {
                let fetched = self.fetched(What::Groups(project.to_owned())).await?;
                match fetched.as_ref() {
                    Fetched::Groups(ids) => groups(ids),
                    Fetched::Variables(_) => Vec::new(),
                }
            }
            _ => groups(&self.block.group_ids),
        };
        sources.extend(project.map(|id| What::Variables("projects", id.to_owned())));
        Ok(sources)
    }

    async fn value(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        part::check(&API, reference, &ABILITIES)?;
        let key = reference.key.replace('-', "_");
        let environment = environment(&self.block);
        for source in self.sources().await?.into_iter().rev() {
            let fetched = self.fetched(source).await?;
            let Fetched::Variables(variables) = fetched.as_ref() else {
                continue;
            };
            let of = |scope: &str| {
                let mut variables = variables.iter();
                variables.find(|variable| variable.key == key && variable.scope == scope)
            };
            if let Some(variable) = of(environment).or_else(|| of(ANY)) {
                return variable.shown();
            }
        }
        Err(part::missing(&API, reference))
    }
}

impl Variable {
    fn shown(&self) -> Result<SecretBytes, Error> {
        let value = self.value.as_ref().map(SecretBytes::duplicate);
        value.ok_or_else(|| {
            let message = format!(
                "variable {:?} is hidden: GitLab shows its value to jobs only; make it masked instead",
                self.key
            );
            API.invalid(message)
        })
    }
}

#[async_trait]
impl Login for GitlabClient {
    type Credentials = (SecretBytes, Option<Vec<u8>>);
    type Session = Session;

    async fn credentials(&self) -> Result<(Fingerprint, Self::Credentials), Error> {
        let field = "auth.SecretRef.accessToken";
        let selector = self.block.auth.secret_ref.access_token.as_ref();
        let selector = selector.ok_or_else(|| API.invalid(format!("{field} is missing")))?;
        let token = self.context.credential(NAME, field, selector).await?;
        let token = trimmed(&API, field, &token)?;
        let (bundle, named) = (
            self.block.ca_bundle.as_deref(),
            self.block.ca_provider.as_ref(),
        );
        let ca = self.context.ca(NAME, "", bundle, named).await?;
        let parts = std::iter::once(token.expose()).chain(ca.as_deref());
        Ok((Fingerprint::of(parts), (token, ca)))
    }

    async fn log_in(&self, (token, ca): Self::Credentials) -> Result<Granted<Session>, Error> {
        let header = HeaderValue::from_bytes(token.expose());
        let mut header =
            header.map_err(|_| API.invalid("the access token cannot stand in a header"))?;
        header.set_sensitive(true);
        Ok(Granted {
            session: Session {
                http: API.client(&self.service.http, ca)?,
                token: header,
            },
            life: None,
            is_proven: false,
        })
    }
}

#[async_trait]
impl SecretsClient for GitlabClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let value = self.value(reference).await?;
        part::one(&API, reference, &value)
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let value = self.value(reference).await?;
        part::all(&API, reference, &value)
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        if find.path.as_deref().is_some_and(|path| !path.is_empty()) {
            return Err(API.unsupported("find: variables have no path; find by name"));
        }
        let named = find.tags.get(SCOPE).map(String::as_str);
        if find.tags.keys().any(|tag| tag != SCOPE) {
            let message = format!("find.tags: only {SCOPE} is known to GitLab");
            return Err(API.unsupported(message));
        }
        let own = environment(&self.block);
        if named.is_some() && own != ANY {
            let message =
                format!("find.tags.{SCOPE} and environment of the store exclude each other");
            return Err(API.invalid(message));
        }
        let scope = named.unwrap_or(own);
        let mut found = SecretMap::new();
        for source in self.sources().await? {
            let fetched = self.fetched(source).await?;
            let Fetched::Variables(variables) = fetched.as_ref() else {
                continue;
            };
            for wanted in [ANY, scope] {
                let matching = variables.iter().filter(|variable| {
                    let regex = find.name.as_ref();
                    variable.scope == wanted && regex.is_none_or(|it| it.is_match(&variable.key))
                });
                for variable in matching {
                    found.insert(variable.key.clone(), variable.shown()?);
                }
            }
        }
        Ok(found)
    }

    async fn validate(&self) -> Result<Validation, Error> {
        if !has_credentials(&self.context, self.is_referent) {
            return Ok(Validation::Unknown);
        }
        for source in self.sources().await? {
            self.fetched(source).await?;
        }
        Ok(Validation::Ready)
    }
}

fn block(store: &Store) -> Result<&GitlabProvider, Error> {
    let block = store.provider.gitlab.as_deref();
    block.ok_or_else(|| API.invalid("spec.provider.gitlab is missing"))
}

fn url(block: &GitlabProvider) -> Result<Url, Error> {
    let named = block.url.as_deref().map(str::trim);
    let named = named.filter(|url| !url.is_empty());
    API.url("url", named.unwrap_or(URL))
}

fn project(block: &GitlabProvider) -> Option<&str> {
    block.project_id.as_deref().filter(|id| !id.is_empty())
}

fn environment(block: &GitlabProvider) -> &str {
    let named = block.environment.as_deref();
    named.filter(|name| !name.is_empty()).unwrap_or(ANY)
}

fn variable(mut json: Json) -> Option<Variable> {
    let value = json.take("value").map(|value| value.to_content());
    let scope = json.member_str("environment_scope").unwrap_or(ANY);
    Some(Variable {
        key: json.member_str("key")?.to_owned(),
        scope: scope.to_owned(),
        value,
    })
}
