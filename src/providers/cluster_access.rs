//! From the `auth`, `authRef` and `server` of a store to the address and credentials of a cluster.

use async_trait::async_trait;

use super::{ClientContext, Error, ErrorKind, SecretsClient, Validation, credential};
use crate::api::meta::{SecretKeySelector, StoreKind};
use crate::api::v1::{KubernetesAuth, KubernetesServer};
use crate::cluster::remote::{self, Access, Credential};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::{SecretBytes, SecretMap};

/// Validity of ServiceAccount tokens, as in ESO.
const TOKEN_SECONDS: i64 = 3600;

/// What a store says of a cluster.
#[derive(Clone, Copy)]
pub(super) struct ClusterAccess<'a> {
    /// The provider's key in `spec.provider`.
    pub(super) provider: &'static str,
    /// How to log in.
    pub(super) auth: Option<&'a KubernetesAuth>,
    /// A kubeconfig instead.
    pub(super) auth_ref: Option<&'a SecretKeySelector>,
    /// Where the API server is.
    pub(super) server: Option<&'a KubernetesServer>,
}

impl ClusterAccess<'_> {
    /// What is wrong with them in a store, if anything.
    pub(super) fn check(&self, store: &Store) -> Result<(), Error> {
        match (self.auth, self.auth_ref) {
            (Some(auth), None) => self.check_auth(auth)?,
            (None, Some(_)) => {}
            (Some(_), Some(_)) => return Err(self.invalid("auth and authRef exclude each other")),
            (None, None) => {
                return Err(self
                    .invalid("auth or authRef must be set; latchkey's own identity is not used"));
            }
        }
        let ca = self.server.and_then(|server| server.ca_provider.as_ref());
        credential::check_ca(self.provider, "server.caProvider", ca, store)
    }

    fn check_auth(&self, auth: &KubernetesAuth) -> Result<(), Error> {
        let members = [
            auth.cert.is_some(),
            auth.service_account.is_some(),
            auth.token.is_some(),
        ];
        if members.into_iter().filter(|is_set| *is_set).count() == 1 {
            Ok(())
        } else {
            Err(self.invalid("auth: exactly one of cert, serviceAccount and token must be set"))
        }
    }

    /// Whether credentials are in the namespace of the object that uses a store of this kind.
    pub(super) fn is_referent(&self, kind: StoreKind) -> bool {
        let of_auth = self.auth.map(|auth| {
            let token = auth.token.as_ref().map(|token| &token.bearer_token);
            let cert = auth.cert.as_ref();
            let cert = cert.map(|cert| [&cert.client_cert, &cert.client_key]);
            let account = auth.service_account.as_ref();
            let selectors = token.into_iter().chain(cert.into_iter().flatten());
            selectors
                .map(|selector| &selector.namespace)
                .chain(account.map(|account| &account.namespace))
                .collect::<Vec<_>>()
        });
        let of_ref = self.auth_ref.map(|selector| &selector.namespace);
        let mut namespaces = of_auth.into_iter().flatten().chain(of_ref);
        kind == StoreKind::ClusterSecretStore
            && namespaces.any(|name| name.as_deref().unwrap_or_default().is_empty())
    }

    /// Reads the credentials.
    ///
    /// # Errors
    /// As [`ClientContext::credential`].
    pub(super) async fn read(&self, context: &ClientContext) -> Result<Access, Error> {
        if let Some(selector) = self.auth_ref {
            let kubeconfig = context
                .credential(self.provider, "authRef", selector)
                .await?;
            return Ok(Access::Kubeconfig(kubeconfig));
        }
        let auth = self.auth;
        let auth = auth.ok_or_else(|| self.invalid("auth or authRef must be set"))?;
        let url = self.server.and_then(|server| server.url.as_deref());
        let url = url.map(str::trim).filter(|url| !url.is_empty());
        let ca = match self.server {
            Some(server) => {
                let (inline, named) = (server.ca_bundle.as_deref(), server.ca_provider.as_ref());
                context.ca(self.provider, "server.", inline, named).await?
            }
            None => None,
        };
        Ok(Access::Direct {
            server: url.unwrap_or("kubernetes.default").to_owned(),
            ca,
            credential: self.credential(context, auth).await?,
        })
    }

    async fn credential(
        &self,
        context: &ClientContext,
        auth: &KubernetesAuth,
    ) -> Result<Credential, Error> {
        if let Some(token) = &auth.token {
            let field = "auth.token.bearerToken";
            let token = context
                .credential(self.provider, field, &token.bearer_token)
                .await?;
            return Ok(Credential::Token(token));
        }
        if let Some(cert) = &auth.cert {
            let read = |field, selector| context.credential(self.provider, field, selector);
            return Ok(Credential::Certificate {
                certificate: read("auth.cert.clientCert", &cert.client_cert).await?,
                key: read("auth.cert.clientKey", &cert.client_key).await?,
            });
        }
        let account = auth.service_account.as_ref();
        let account = account.ok_or_else(|| self.invalid("auth.serviceAccount is missing"))?;
        let token = context.account_token(
            self.provider,
            "auth.serviceAccount",
            account,
            &account.audiences,
            TOKEN_SECONDS,
        );
        Ok(Credential::Token(token.await?))
    }

    fn invalid(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, self.provider, message)
    }
}

/// A failed use of a cluster as the failure of a provider.
pub(super) fn failed(provider: &'static str, error: &remote::Error) -> Error {
    let kind = match error {
        remote::Error::ReadAccess(_) | remote::Error::ReadList { .. } => ErrorKind::Invalid,
        remote::Error::Authorize { .. } => ErrorKind::Denied,
        remote::Error::Request { source, .. } if source.code() == Some(429) => ErrorKind::Throttled,
        remote::Error::Request { .. } | remote::Error::ReadAnswer { .. } => ErrorKind::Unavailable,
    };
    let mut failure = Error::new(kind, provider, error.to_string());
    if let remote::Error::Request { source, .. } = error {
        failure.retry_after = source.retry_after();
    }
    failure
}

/// A cluster-scoped store whose credentials are in its consumers' namespaces, without a consumer.
pub(super) struct Referent(pub(super) &'static str);

impl Referent {
    fn error(&self) -> Error {
        let message = "the store's credentials are in the namespace of the object that uses it";
        Error::new(ErrorKind::Invalid, self.0, message)
    }
}

#[async_trait]
impl SecretsClient for Referent {
    async fn get(&self, _: &RemoteRef) -> Result<SecretBytes, Error> {
        Err(self.error())
    }

    async fn get_map(&self, _: &RemoteRef) -> Result<SecretMap, Error> {
        Err(self.error())
    }

    async fn find(&self, _: &Find) -> Result<SecretMap, Error> {
        Err(self.error())
    }

    async fn validate(&self) -> Result<Validation, Error> {
        Ok(Validation::Unknown)
    }
}
