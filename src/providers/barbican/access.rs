//! Logging in to Keystone with a password.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Method, Url};

use super::{API, BarbicanClient, NAME, Session};
use crate::providers::Error;
use crate::providers::logins::{Fingerprint, Granted, Login};
use crate::providers::rest::{Request, below, trimmed};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Header of the answer that carries the token.
const SUBJECT: &str = "x-subject-token";

/// How long a token of unknown end is used.
const SHORT_LIFE: Duration = Duration::from_mins(5);

/// User and password.
type Credentials = (SecretBytes, SecretBytes);

#[async_trait]
impl Login for BarbicanClient {
    type Credentials = Credentials;
    type Session = Session;

    async fn credentials(&self) -> Result<(Fingerprint, Credentials), Error> {
        let auth = &self.block.auth;
        let user = match (&auth.username.secret_ref, &auth.username.value) {
            (Some(selector), _) => {
                let field = "auth.username.secretRef";
                let user = self.context.credential(NAME, field, selector).await?;
                trimmed(&API, field, &user)?
            }
            (None, name) => SecretBytes::from(name.as_deref().unwrap_or_default()),
        };
        let field = "auth.password.secretRef";
        let selector = &auth.password.secret_ref;
        let password = self.context.credential(NAME, field, selector).await?;
        let password = trimmed(&API, field, &password)?;
        let fingerprint = Fingerprint::of([user.expose(), password.expose()]);
        Ok((fingerprint, (user, password)))
    }

    async fn log_in(&self, (user, password): Credentials) -> Result<Granted<Session>, Error> {
        let action = "log in to Keystone";
        let http = API.client(&self.shared.service.http, None)?;
        let body = self.question(user, password);
        let url = below(&self.url, ["auth", "tokens"]);
        let request = Request::send(action, Method::POST, url, &body);
        let answer = API.send(&http, &request).await?;
        let token = answer.headers.get(SUBJECT).cloned();
        let token = token.ok_or_else(|| API.unexpected(action, "the answer has no token"));
        let mut token = token?;
        token.set_sensitive(true);
        let json = Json::parse(answer.body.expose()).ok();
        let given = json.and_then(|mut json| json.take("token"));
        let given = given.ok_or_else(|| API.unexpected(action, "the answer is not Keystone's"))?;
        let until = given.member_str("expires_at");
        let until = until.and_then(|text| text.parse::<Timestamp>().ok());
        let now = (self.shared.clock)();
        let life = until.map(SystemTime::from);
        let life = life.map(|until| until.duration_since(now).unwrap_or_default());
        let url = self.endpoint(&given)?;
        Ok(Granted {
            session: Session { http, token, url },
            life: Some(life.unwrap_or(SHORT_LIFE)),
            is_proven: true,
        })
    }
}

impl BarbicanClient {
    /// Keystone's form of a login that is scoped to the tenant where the store names one.
    fn question(&self, user: SecretBytes, password: SecretBytes) -> Json {
        let named = |name: &Option<String>| {
            let name = name.as_deref().filter(|name| !name.is_empty());
            name.map(SecretBytes::from)
        };
        let domain = named(&self.block.domain_name).unwrap_or_else(|| "Default".into());
        let domain = || Json::texts([("name", domain.duplicate())]);
        let with_domain = |mut json: Json| {
            if let Json::Object(members) = &mut json {
                members.insert("domain".to_owned(), domain());
            }
            json
        };
        let user = with_domain(Json::texts([("name", user), ("password", password)]));
        let methods = Json::List(vec![Json::Text("password".into())]);
        let identity = [("methods", methods), ("password", object([("user", user)]))];
        let mut auth = vec![("identity", object(identity))];
        if let Some(tenant) = named(&self.block.tenant_name) {
            let project = with_domain(Json::texts([("name", tenant)]));
            auth.push(("scope", object([("project", project)])));
        }
        object([("auth", object(auth))])
    }

    /// The public address of the key manager, in the store's region where it names one.
    fn endpoint(&self, token: &Json) -> Result<Url, Error> {
        let region = self.block.region.as_deref().filter(|name| !name.is_empty());
        let services = list(token, "catalog").iter();
        let managers = services.filter(|one| one.member_str("type") == Some("key-manager"));
        let mut endpoints = managers.flat_map(|one| list(one, "endpoints"));
        let found = endpoints.find(|one| {
            let own = one
                .member_str("region")
                .or_else(|| one.member_str("region_id"));
            one.member_str("interface") == Some("public")
                && region.is_none_or(|region| own == Some(region))
        });
        let found = found.and_then(|one| one.member_str("url"));
        let found = found.ok_or_else(|| {
            API.invalid(
                "Keystone's catalogue has no key manager there; check region and tenantName",
            )
        })?;
        let mut url = API.url("the key manager's address", found)?;
        let path = url.path().trim_end_matches('/').trim_end_matches("/v1");
        let path = path.to_owned();
        url.set_path(&path);
        Ok(url)
    }
}

fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    match json.member(name) {
        Some(Json::List(items)) => items,
        _ => &[],
    }
}

fn object(members: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
    let members = members.into_iter();
    let members: BTreeMap<_, _> = members
        .map(|(name, json)| (name.to_owned(), json))
        .collect();
    Json::Object(members)
}
