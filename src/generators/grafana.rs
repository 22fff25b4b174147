//! Tokens of Grafana service accounts. Each stays until it is taken back.

use async_trait::async_trait;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use super::call::{Answer, Call, address, call, header, member, number, text};
use super::quay::basic;
use super::{Context, Error, Generator, Made, Stateful, credential};
use crate::api::generators::{GrafanaSpec, LocalSecretKeySelector};
use crate::api::meta::SecretKeySelector;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

#[async_trait]
impl Generator for GrafanaSpec {
    async fn generate(&self, _: &Context) -> Result<SecretMap, Error> {
        Err(super::needs_state())
    }

    fn stateful(&self) -> Option<&dyn Stateful> {
        Some(self)
    }
}

#[async_trait]
impl Stateful for GrafanaSpec {
    async fn make(&self, context: &Context) -> Result<Made, Error> {
        let credential = self.credential(context).await?;
        let (account, login) = self.account(context, &credential).await?;
        let id = account.to_string();
        let name = format!("{}-{}", self.service_account.name, uuid::Uuid::new_v4());
        let mut body = json!({"name": name});
        if let Some(seconds) = self.service_account.seconds_to_live {
            body["secondsToLive"] = seconds.into();
        }
        let request = asked(
            "make a token of the service account",
            Method::POST,
            self.url([&id, "tokens"])?,
            &credential,
            Some(body),
        );
        let answer = call(context, request).await?.done()?;
        let token = number(&answer, "id")?;
        let key = SecretBytes::from(text(&answer, "key")?);
        let values = [("login", SecretBytes::from(login.as_str())), ("token", key)];
        Ok(Made {
            values: values
                .map(|(key, value)| (key.to_owned(), value))
                .into_iter()
                .collect(),
            // As ESO spells it, so that either takes back what the other made.
            state: json!({"serviceAccount": {"id": account, "login": login, "tokenID": token}}),
        })
    }

    /// Takes the token back. The account stays: newer tokens may be of it, and a person may have made it.
    async fn take_back(&self, context: &Context, state: &Value) -> Result<(), Error> {
        let state = &state["serviceAccount"];
        let number = |name: &str| state[name].as_i64().map(|number| number.to_string());
        let (Some(account), Some(token)) = (number("id"), number("tokenID")) else {
            return Err(Error::invalid(
                "spec.state.serviceAccount: id and tokenID must be numbers",
            ));
        };
        let credential = self.credential(context).await?;
        let request = asked(
            "delete a token of the service account",
            Method::DELETE,
            self.url([account.as_str(), "tokens", &token])?,
            &credential,
            None,
        );
        call(context, request).await?.gone()
    }
}

impl GrafanaSpec {
    /// Number and login of the service account, made where there is none of that name.
    async fn account(
        &self,
        context: &Context,
        credential: &HeaderValue,
    ) -> Result<(i64, String), Error> {
        let wanted = &self.service_account;
        let request = asked(
            "make the service account",
            Method::POST,
            self.url([])?,
            credential,
            Some(json!({"name": wanted.name, "role": wanted.role})),
        );
        let refused = match call(context, request).await? {
            Answer::Done(made) => return described(&made),
            Answer::Refused(StatusCode::BAD_REQUEST | StatusCode::CONFLICT, error) => error,
            Answer::Refused(_, error) => return Err(error),
        };
        let mut url = self.url(["search"])?;
        url.query_pairs_mut().append_pair("query", &wanted.name);
        let request = asked(
            "look for the service account",
            Method::GET,
            url,
            credential,
            None,
        );
        let found = call(context, request).await?.done()?;
        let Json::List(accounts) = member(&found, "serviceAccounts")? else {
            return Err(refused);
        };
        let named = |one: &&Json| text(one, "name").is_ok_and(|name| name == wanted.name);
        accounts.iter().find(named).map_or(Err(refused), described)
    }

    fn url<'a>(&self, more: impl IntoIterator<Item = &'a str>) -> Result<Url, Error> {
        let path = ["api", "serviceaccounts"].into_iter().chain(more);
        address("spec.url", Some(&self.url), "", path)
    }

    async fn credential(&self, context: &Context) -> Result<HeaderValue, Error> {
        match (&self.auth.token, &self.auth.basic) {
            (Some(token), _) => {
                let token = local(context, "spec.auth.token", token).await?;
                header("Bearer ", &token)
            }
            (None, Some(login)) => {
                let field = "spec.auth.basic.password";
                let password = local(context, field, &login.password).await?;
                header("Basic ", &basic(&login.username, password.expose()))
            }
            (None, None) => Err(Error::invalid("spec.auth: token or basic must be set")),
        }
    }
}

fn asked<'a>(
    action: &'a str,
    method: Method,
    url: Url,
    credential: &HeaderValue,
    body: Option<Value>,
) -> Call<'a> {
    Call {
        action,
        method,
        url,
        credential: Some(("authorization", credential.clone())),
        body,
    }
}

fn described(account: &Json) -> Result<(i64, String), Error> {
    Ok((number(account, "id")?, text(account, "login")?.to_owned()))
}

async fn local(
    context: &Context,
    field: &str,
    selector: &LocalSecretKeySelector,
) -> Result<SecretBytes, Error> {
    let selector = SecretKeySelector {
        name: selector.name.clone(),
        key: selector.key.clone(),
        namespace: None,
    };
    credential(context, field, &selector).await
}
