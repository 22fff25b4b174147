//! From a store to what is sent to log in. Reads credentials and calls no server.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

use super::{Access, cloud};
use crate::api::meta::{SecretKeySelector, ServiceAccountSelector, StoreKind};
use crate::api::v1::{VaultAuth, VaultProvider};
use crate::model::secret_store::Store;
use crate::providers::{Error, ErrorKind};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Validity of requested ServiceAccount tokens in seconds, unless the store says otherwise (ESO).
const TOKEN_SECONDS: i64 = 600;

/// Audience of a requested token of method `jwt`, unless the store names one (ESO).
const AUDIENCE: &str = "vault";

/// How to become somebody.
pub(super) enum Login {
    /// Without a token: an agent before the server adds one.
    Open,
    /// With a token that somebody else gave out.
    Token(SecretBytes),
    /// By a call.
    Call {
        /// Path below `auth/`.
        path: String,
        body: BTreeMap<String, Json>,
        /// What is added; made only when the call is.
        proof: Option<Proof>,
    },
}

/// What somebody else vouches with.
pub(super) enum Proof {
    /// A ServiceAccount token, added as `jwt`.
    Account(AccountToken),
    /// A call that AWS answers with the name of who signed it; with a fingerprint of the credentials.
    #[cfg(feature = "provider-aws")]
    Aws(Vec<u8>),
    /// A token that names a Google service account, added as `jwt`; with a fingerprint of who asks.
    #[cfg(feature = "provider-gcpsm")]
    Google(Vec<u8>),
}

impl Proof {
    fn fingerprint(&self) -> &[u8] {
        match self {
            Self::Account(_) => &[],
            #[cfg(feature = "provider-aws")]
            Self::Aws(print) => print,
            #[cfg(feature = "provider-gcpsm")]
            Self::Google(print) => print,
        }
    }
}

/// A ServiceAccount token to ask for.
pub(super) struct AccountToken {
    pub(super) field: &'static str,
    pub(super) account: ServiceAccountSelector,
    pub(super) audiences: Vec<String>,
    pub(super) seconds: i64,
}

impl Login {
    /// Tells credentials apart without keeping them.
    pub(super) fn fingerprint(&self) -> Vec<u8> {
        match self {
            Self::Open => Vec::new(),
            Self::Token(token) => digest(&SHA256, token.expose()).as_ref().to_vec(),
            Self::Call { path, body, proof } => {
                let proof = proof.as_ref().map(Proof::fingerprint);
                let members = body
                    .iter()
                    .map(|(key, json)| (key.clone(), json.duplicate()));
                let body = Json::Object(members.collect()).to_bytes();
                let text = SecretBytes::new(
                    [
                        path.as_bytes(),
                        b"\n",
                        body.expose(),
                        proof.unwrap_or_default(),
                    ]
                    .concat(),
                );
                digest(&SHA256, text.expose()).as_ref().to_vec()
            }
        }
    }
}

/// The configured method, the first in ESO's order.
enum Method<'a> {
    Open,
    Token(&'a SecretKeySelector),
    AppRole(&'a crate::api::v1::VaultAppRoleAuth),
    Kubernetes(&'a crate::api::v1::VaultKubernetesAuth),
    /// LDAP or userpass: mount, user, password and its field.
    Password(
        &'a str,
        &'a str,
        Option<&'a SecretKeySelector>,
        &'static str,
    ),
    Jwt(&'a crate::api::v1::VaultJwtAuth),
    Cert(&'a crate::api::v1::VaultCertAuth),
    Iam(&'a crate::api::v1::VaultIamAuth),
    Gcp(&'a crate::api::v1::VaultGcpAuth),
}

fn method(auth: Option<&VaultAuth>) -> Method<'_> {
    let Some(auth) = auth else {
        return Method::Open;
    };
    if let Some(selector) = &auth.token_secret_ref {
        Method::Token(selector)
    } else if let Some(role) = &auth.app_role {
        Method::AppRole(role)
    } else if let Some(kubernetes) = &auth.kubernetes {
        Method::Kubernetes(kubernetes)
    } else if let Some(ldap) = &auth.ldap {
        let password = ldap.secret_ref.as_ref();
        Method::Password(&ldap.path, &ldap.username, password, "auth.ldap.secretRef")
    } else if let Some(user) = &auth.user_pass {
        let password = user.secret_ref.as_ref();
        let field = "auth.userPass.secretRef";
        Method::Password(&user.path, &user.username, password, field)
    } else if let Some(jwt) = &auth.jwt {
        Method::Jwt(jwt)
    } else if let Some(cert) = &auth.cert {
        Method::Cert(cert)
    } else if let Some(iam) = &auth.iam {
        Method::Iam(iam)
    } else if let Some(gcp) = &auth.gcp {
        Method::Gcp(gcp)
    } else {
        Method::Open
    }
}

/// What is wrong with the method of a store of this kind, if anything.
pub(super) fn check(
    provider: &'static str,
    kind: StoreKind,
    block: &VaultProvider,
) -> Result<(), Error> {
    let invalid = |text: &str| Err(Error::new(ErrorKind::Invalid, provider, text));
    match method(block.auth.as_ref()) {
        Method::AppRole(role) if role.role_id.is_none() && role.role_ref.is_none() => {
            invalid("auth.appRole: roleId or roleRef must be set")
        }
        Method::Kubernetes(kubernetes)
            if kubernetes.secret_ref.is_none() && kubernetes.service_account_ref.is_none() =>
        {
            invalid(
                "auth.kubernetes: serviceAccountRef or secretRef must be set; latchkey's own token is not shown to servers that a store names",
            )
        }
        Method::Password(_, _, None, field) => Err(Error::new(
            ErrorKind::Invalid,
            provider,
            format!("{field} must be set"),
        )),
        Method::Jwt(jwt)
            if jwt.secret_ref.is_none() && jwt.kubernetes_service_account_token.is_none() =>
        {
            invalid("auth.jwt: secretRef or kubernetesServiceAccountToken must be set")
        }
        Method::Cert(cert) if cert.client_cert.is_none() || cert.secret_ref.is_none() => {
            invalid("auth.cert: clientCert and secretRef must be set")
        }
        Method::Iam(iam) => cloud::check_iam(provider, kind, iam),
        Method::Gcp(gcp) => cloud::check_gcp(provider, kind, gcp),
        _ => Ok(()),
    }
}

/// Whether credentials are in the namespace of the object that uses the store.
pub(super) fn is_referent(store: &Store, block: &VaultProvider) -> bool {
    let mut selectors = Vec::new();
    let mut accounts = Vec::new();
    match method(block.auth.as_ref()) {
        Method::Open => {}
        Method::Token(selector) => selectors.push(Some(selector)),
        Method::AppRole(role) => selectors.extend([role.role_ref.as_ref(), Some(&role.secret_ref)]),
        Method::Kubernetes(kubernetes) => match &kubernetes.service_account_ref {
            Some(account) => accounts.push(account),
            None => selectors.push(kubernetes.secret_ref.as_ref()),
        },
        Method::Password(_, _, password, _) => selectors.push(password),
        Method::Jwt(jwt) => match &jwt.secret_ref {
            Some(selector) => selectors.push(Some(selector)),
            None => accounts.extend(account_of(jwt)),
        },
        Method::Cert(cert) => {
            selectors.extend([cert.client_cert.as_ref(), cert.secret_ref.as_ref()]);
        }
        Method::Iam(iam) => {
            let account = iam.jwt.as_ref();
            accounts.extend(account.and_then(|jwt| jwt.service_account_ref.as_ref()));
            let keys = iam.secret_ref.as_ref().filter(|_| account.is_none());
            selectors.extend(keys.into_iter().flat_map(|keys| {
                [
                    keys.access_key_id_secret_ref.as_ref(),
                    keys.secret_access_key_secret_ref.as_ref(),
                    keys.session_token_secret_ref.as_ref(),
                ]
            }));
        }
        Method::Gcp(gcp) => {
            let key = gcp.secret_ref.as_ref();
            let key = key.and_then(|key| key.secret_access_key_secret_ref.as_ref());
            let cluster = gcp.workload_identity.as_ref();
            let account = cluster.map(|cluster| &cluster.service_account_ref);
            let account = account.or(gcp.service_account_ref.as_ref());
            accounts.extend(account.filter(|_| key.is_none()));
            selectors.push(key);
        }
    }
    if let Some(tls) = &block.tls {
        selectors.extend([tls.cert_secret_ref.as_ref(), tls.key_secret_ref.as_ref()]);
    }
    let of_selectors = selectors.into_iter().flatten().map(|one| &one.namespace);
    let of_accounts = accounts.into_iter().map(|account| &account.namespace);
    let mut namespaces = of_selectors.chain(of_accounts);
    store.id.kind == StoreKind::ClusterSecretStore
        && namespaces.any(|name| name.as_deref().unwrap_or_default().is_empty())
}

fn account_of(jwt: &crate::api::v1::VaultJwtAuth) -> Option<&ServiceAccountSelector> {
    let token = jwt.kubernetes_service_account_token.as_ref();
    token.map(|token| &token.service_account_ref)
}

/// Client certificate and key of the TLS connection, with their fields.
pub(super) fn identity(
    block: &VaultProvider,
) -> Option<[(&'static str, Option<&SecretKeySelector>); 2]> {
    if let Method::Cert(cert) = method(block.auth.as_ref()) {
        return Some([
            ("auth.cert.clientCert", cert.client_cert.as_ref()),
            ("auth.cert.secretRef", cert.secret_ref.as_ref()),
        ]);
    }
    let tls = block.tls.as_ref()?;
    if tls.cert_secret_ref.is_none() && tls.key_secret_ref.is_none() {
        return None;
    }
    Some([
        ("tls.certSecretRef", tls.cert_secret_ref.as_ref()),
        ("tls.keySecretRef", tls.key_secret_ref.as_ref()),
    ])
}

/// Reads what the store's method needs.
pub(super) async fn prepare(access: &Access) -> Result<Login, Error> {
    Ok(match method(access.block.auth.as_ref()) {
        Method::Open => Login::Open,
        Method::Token(selector) => {
            Login::Token(read(access, "auth.tokenSecretRef", selector).await?)
        }
        Method::AppRole(role) => {
            let id = match (&role.role_ref, &role.role_id) {
                (_, Some(id)) if !id.trim().is_empty() => id.trim().into(),
                (Some(selector), _) => read(access, "auth.appRole.roleRef", selector).await?,
                _ => return Err(access.invalid("auth.appRole: roleId or roleRef must be set")),
            };
            let secret = read(access, "auth.appRole.secretRef", &role.secret_ref).await?;
            let path = format!("{}/login", role.path);
            call(path, [("role_id", id), ("secret_id", secret)])
        }
        Method::Kubernetes(kubernetes) => of_kubernetes(access, kubernetes).await?,
        Method::Password(path, user, selector, field) => {
            let missing = || access.invalid(&format!("{field} must be set"));
            let selector = selector.ok_or_else(missing)?;
            let password = access.context.credential(access.name(), field, selector);
            call(
                format!("{path}/login/{user}"),
                [("password", password.await?)],
            )
        }
        Method::Jwt(jwt) => of_jwt(access, jwt).await?,
        Method::Cert(cert) => {
            let path = cert.path.as_deref().filter(|path| !path.is_empty());
            let role = cert.vault_role.as_deref().filter(|role| !role.is_empty());
            let role = role.map(|role| ("name", SecretBytes::from(role)));
            call(format!("{}/login", path.unwrap_or("cert")), role)
        }
        Method::Iam(iam) => cloud::iam_login(access, iam).await?,
        Method::Gcp(gcp) => cloud::gcp_login(access, gcp).await?,
    })
}

async fn read(
    access: &Access,
    field: &'static str,
    selector: &SecretKeySelector,
) -> Result<SecretBytes, Error> {
    let value = access.context.credential(access.name(), field, selector);
    trimmed(access.name(), field, &value.await?)
}

async fn of_kubernetes(
    access: &Access,
    kubernetes: &crate::api::v1::VaultKubernetesAuth,
) -> Result<Login, Error> {
    let path = format!("{}/login", kubernetes.mount_path);
    let role = ("role", SecretBytes::from(kubernetes.role.as_str()));
    if let Some(account) = &kubernetes.service_account_ref {
        let token = AccountToken {
            field: "auth.kubernetes.serviceAccountRef",
            account: account.clone(),
            audiences: account.audiences.clone(),
            seconds: TOKEN_SECONDS,
        };
        return Ok(with_proof(call(path, [role]), Proof::Account(token)));
    }
    let selector = kubernetes.secret_ref.clone();
    let mut selector = selector.ok_or_else(|| access.invalid("auth.kubernetes has no token"))?;
    selector.key.get_or_insert_with(|| "token".to_owned());
    let jwt = read(access, "auth.kubernetes.secretRef", &selector).await?;
    Ok(call(path, [role, ("jwt", jwt)]))
}

async fn of_jwt(access: &Access, jwt: &crate::api::v1::VaultJwtAuth) -> Result<Login, Error> {
    let path = format!("{}/login", jwt.path);
    let role = jwt.role.as_deref();
    let role = role.map(|role| ("role", SecretBytes::from(role)));
    if let Some(selector) = &jwt.secret_ref {
        let token = read(access, "auth.jwt.secretRef", selector).await?;
        return Ok(call(path, role.into_iter().chain([("jwt", token)])));
    }
    let token = jwt.kubernetes_service_account_token.as_ref();
    let token = token.ok_or_else(|| access.invalid("auth.jwt has no token"))?;
    let proof = Proof::Account(account_token(token));
    Ok(with_proof(call(path, role), proof))
}

fn account_token(token: &crate::api::v1::VaultServiceAccountToken) -> AccountToken {
    let own = &token.service_account_ref.audiences;
    let mut audiences: Vec<String> = own.iter().chain(&token.audiences).cloned().collect();
    if token.audiences.is_empty() {
        audiences.push(AUDIENCE.to_owned());
    }
    AccountToken {
        field: "auth.jwt.kubernetesServiceAccountToken",
        account: token.service_account_ref.clone(),
        audiences,
        seconds: token.expiration_seconds.unwrap_or(TOKEN_SECONDS),
    }
}

pub(super) fn call(
    path: String,
    body: impl IntoIterator<Item = (&'static str, SecretBytes)>,
) -> Login {
    let body = body.into_iter();
    Login::Call {
        path,
        body: body
            .map(|(name, value)| (name.to_owned(), Json::Text(value)))
            .collect(),
        proof: None,
    }
}

/// The login with what is added to it when it is made.
pub(super) fn with_proof(login: Login, proof: Proof) -> Login {
    match login {
        Login::Call { path, body, .. } => Login::Call {
            path,
            body,
            proof: Some(proof),
        },
        other => other,
    }
}

/// Tokens and ids are often stored with a line end, which would never be part of them.
fn trimmed(provider: &'static str, field: &str, value: &SecretBytes) -> Result<SecretBytes, Error> {
    let text = value.expose_str().map(str::trim).unwrap_or_default();
    if text.is_empty() {
        let message = format!("{field}: the value is empty or not text");
        return Err(Error::new(ErrorKind::Invalid, provider, message));
    }
    Ok(text.into())
}
