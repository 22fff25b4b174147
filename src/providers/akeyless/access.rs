//! Logging in with an access key or as a ServiceAccount.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;

use super::{API, AkeylessClient, NAME};
use crate::api::meta::SecretKeySelector;
use crate::api::v1::{AkeylessAuthSecretRefSecretRef, AkeylessProvider};
use crate::http;
use crate::providers::logins::{Fingerprint, Granted, Login};
use crate::providers::rest::{Request, below, trimmed};
use crate::providers::{Error, ErrorKind};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// How long a token is used; the server accepts it for longer, and says when it no longer does.
const TOKEN_LIFE: Duration = Duration::from_mins(30);

/// Validity of ServiceAccount tokens in seconds.
const TOKEN_SECONDS: i64 = 600;

/// What calls are made with.
pub(super) struct Session {
    pub(super) http: http::Client,
    pub(super) token: SecretBytes,
}

/// What is read from the cluster for a login: members of the request, and what to trust.
pub(super) type Credentials = (Vec<(&'static str, SecretBytes)>, Option<Vec<u8>>);

/// The selectors of a login with an access id.
type Keys<'a> = [(&'static str, &'a SecretKeySelector); 3];

fn keys(named: &AkeylessAuthSecretRefSecretRef) -> Result<Keys<'_>, Error> {
    let all = [
        ("authSecretRef.secretRef.accessID", &named.access_id),
        ("authSecretRef.secretRef.accessType", &named.access_type),
        (
            "authSecretRef.secretRef.accessTypeParam",
            &named.access_type_param,
        ),
    ];
    let [id, kind, param] = all.map(|(field, selector)| {
        let selector = selector.as_ref();
        let selector = selector.ok_or_else(|| API.invalid(format!("{field} is missing")));
        selector.map(|selector| (field, selector))
    });
    Ok([id?, kind?, param?])
}

pub(super) fn check(block: &AkeylessProvider) -> Result<(), Error> {
    let auth = &block.auth_secret_ref;
    match (&auth.kubernetes_auth, &auth.secret_ref) {
        (Some(one), _) if one.service_account_ref.is_none() && one.secret_ref.is_none() => {
            Err(API.invalid(
                "authSecretRef.kubernetesAuth: serviceAccountRef or secretRef must be set; latchkey's own token is not shown to servers that a store names",
            ))
        }
        (Some(_), _) => Ok(()),
        (None, Some(named)) => keys(named).map(|_| ()),
        (None, None) => {
            Err(API.invalid("authSecretRef: kubernetesAuth or secretRef must be set"))
        }
    }
}

/// The namespaces of all credentials.
pub(super) fn namespaces(block: &AkeylessProvider) -> Vec<&Option<String>> {
    let auth = &block.auth_secret_ref;
    if let Some(one) = &auth.kubernetes_auth {
        let account = one.service_account_ref.as_ref().map(|one| &one.namespace);
        let secret = one.secret_ref.as_ref().map(|one| &one.namespace);
        return account.or(secret).into_iter().collect();
    }
    let named = auth.secret_ref.as_ref().map(keys);
    let named = named.and_then(Result::ok);
    let named = named.into_iter().flatten();
    named.map(|(_, selector)| &selector.namespace).collect()
}

impl AkeylessClient {
    async fn selected(
        &self,
        field: &str,
        selector: &SecretKeySelector,
    ) -> Result<SecretBytes, Error> {
        let value = self.context.credential(NAME, field, selector).await?;
        trimmed(&API, field, &value)
    }

    /// Members of a login with an access id; the kinds that need a cloud's identity are not served.
    async fn by_id(
        &self,
        named: &AkeylessAuthSecretRefSecretRef,
    ) -> Result<Vec<(&'static str, SecretBytes)>, Error> {
        let [id, kind, param] = keys(named)?;
        let id = self.selected(id.0, id.1).await?;
        let field = kind.0;
        let kind = self.selected(field, kind.1).await?;
        match kind.expose_str() {
            Some("api_key" | "access_key") => {
                let key = self.selected(param.0, param.1).await?;
                let kind = "access_key".into();
                Ok(vec![
                    ("access-id", id),
                    ("access-type", kind),
                    ("access-key", key),
                ])
            }
            other => Err(API.unsupported(format!(
                "{field}: {:?} is not served by this build; use api_key, or kubernetesAuth",
                other.unwrap_or_default()
            ))),
        }
    }
}

#[async_trait]
impl Login for AkeylessClient {
    type Credentials = Credentials;
    type Session = Session;

    async fn credentials(&self) -> Result<(Fingerprint, Credentials), Error> {
        let auth = &self.block.auth_secret_ref;
        let mut is_fresh = false;
        let members = if let Some(one) = &auth.kubernetes_auth {
            let prefix = "authSecretRef.kubernetesAuth";
            let token = match (&one.service_account_ref, &one.secret_ref) {
                (Some(account), _) => {
                    is_fresh = true;
                    let field = format!("{prefix}.serviceAccountRef");
                    let audiences = &account.audiences;
                    let context = &self.context;
                    let token =
                        context.account_token(NAME, &field, account, audiences, TOKEN_SECONDS);
                    token.await?
                }
                (None, Some(selector)) => {
                    let mut selector = selector.clone();
                    selector.key.get_or_insert_with(|| "token".to_owned());
                    self.selected(&format!("{prefix}.secretRef"), &selector)
                        .await?
                }
                (None, None) => return Err(API.invalid(format!("{prefix} has no token"))),
            };
            vec![
                ("access-id", one.access_id.as_str().into()),
                ("access-type", "k8s".into()),
                ("k8s-auth-config-name", one.k8s_conf_name.as_str().into()),
                (
                    "gateway-url",
                    self.url.as_str().trim_end_matches('/').into(),
                ),
                (
                    "k8s-service-account-token",
                    STANDARD.encode(token.expose()).into(),
                ),
            ]
        } else {
            let named = auth.secret_ref.as_ref();
            let named = named.ok_or_else(|| API.invalid("authSecretRef.secretRef is missing"))?;
            self.by_id(named).await?
        };
        let block = &self.block;
        let (bundle, named) = (block.ca_bundle.as_deref(), block.ca_provider.as_ref());
        let ca = self.context.ca(NAME, "", bundle, named).await?;
        // A token of an account is another each time; the account stays the same.
        let known = members
            .iter()
            .filter(|(name, _)| !is_fresh || *name != "k8s-service-account-token");
        let known = known.map(|(_, value)| value.expose()).chain(ca.as_deref());
        Ok((Fingerprint::of(known), (members, ca)))
    }

    async fn log_in(&self, (members, ca): Credentials) -> Result<Granted<Session>, Error> {
        let action = "log in";
        let http = API.client(&self.service.http, ca)?;
        let url = below(&self.url, ["auth"]);
        let request = Request::send(action, Method::POST, url, &Json::texts(members));
        let answer = API.json(&http, &request).await.map_err(|mut failure| {
            if failure.is(400) {
                failure.error.kind = ErrorKind::Denied;
            }
            failure.error
        })?;
        let token = answer.member_str("token");
        let token = token.ok_or_else(|| API.unexpected(action, "the answer has no token"))?;
        Ok(Granted {
            session: Session {
                http,
                token: token.into(),
            },
            life: Some(TOKEN_LIFE),
            is_proven: true,
        })
    }
}
