//! Credentials that several providers read in the same way.

use std::collections::BTreeMap;

use super::{ClientContext, Error, ErrorKind};
use crate::api::meta::{
    CaProvider, CaProviderKind, SecretKeySelector, ServiceAccountSelector, StoreKind,
};
use crate::cluster::secrets;
use crate::http;
use crate::model::secret_store::Store;
use crate::secret::SecretBytes;

/// Checks the namespace rule of a `caProvider`: set in a cluster-scoped store, unset in another.
///
/// # Errors
/// [`ErrorKind::Invalid`] naming the field.
pub(super) fn check_ca(
    provider: &'static str,
    field: &str,
    ca: Option<&CaProvider>,
    store: &Store,
) -> Result<(), Error> {
    let Some(ca) = ca else {
        return Ok(());
    };
    let is_named = ca.namespace.as_deref().is_some_and(|name| !name.is_empty());
    let wrong = match store.id.kind {
        StoreKind::ClusterSecretStore if !is_named => "must be set in a ClusterSecretStore",
        StoreKind::SecretStore if is_named => "must not be set in a SecretStore",
        _ => return Ok(()),
    };
    let message = format!("{field}.namespace {wrong}");
    Err(Error::new(ErrorKind::Invalid, provider, message))
}

impl ClientContext {
    /// The CA certificates of a server in PEM: those in the store, else those that it names.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when they are missing or no PEM, else why they cannot be read.
    pub(super) async fn ca(
        &self,
        provider: &'static str,
        prefix: &str,
        inline: Option<&str>,
        ca: Option<&CaProvider>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let inline = inline.filter(|text| !text.is_empty());
        let (field, bundle) = match (inline, ca) {
            (Some(text), _) => (format!("{prefix}caBundle"), SecretBytes::from(text)),
            (None, Some(ca)) => {
                let field = format!("{prefix}caProvider");
                let bundle = self.provided_ca(provider, &field, ca).await?;
                (field, bundle)
            }
            (None, None) => return Ok(None),
        };
        let invalid = || format!("{field}: must be PEM or base64 of PEM");
        let pem = http::ca_pem(bundle.expose());
        pem.map(Some)
            .ok_or_else(|| Error::new(ErrorKind::Invalid, provider, invalid()))
    }

    async fn provided_ca(
        &self,
        provider: &'static str,
        field: &str,
        ca: &CaProvider,
    ) -> Result<SecretBytes, Error> {
        let key = ca.key.as_deref().unwrap_or("ca.crt");
        match ca.kind {
            CaProviderKind::Secret => {
                let selector = SecretKeySelector {
                    name: Some(ca.name.clone()),
                    key: Some(key.to_owned()),
                    namespace: ca.namespace.clone(),
                };
                self.credential(provider, field, &selector).await
            }
            CaProviderKind::ConfigMap => {
                let namespace = self.selected_namespace(ca.namespace.as_deref());
                let name = &ca.name;
                let map = self.secrets.read_config_map(namespace, name).await;
                let map = map.map_err(|error| unreadable(provider, field, &error))?;
                let value = map.and_then(|mut map| map.remove(key));
                value.map(SecretBytes::from).ok_or_else(|| {
                    let message =
                        format!("{field}: no key {key:?} in ConfigMap {namespace}/{name}");
                    Error::new(ErrorKind::Invalid, provider, message)
                })
            }
        }
    }

    /// A new token of a ServiceAccount, valid for `seconds`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a cluster-scoped store names no namespace and has no consumer, else
    /// why there is no token.
    pub(super) async fn account_token(
        &self,
        provider: &'static str,
        field: &str,
        account: &ServiceAccountSelector,
        audiences: &[String],
        seconds: i64,
    ) -> Result<SecretBytes, Error> {
        let namespace = self.selected_namespace(account.namespace.as_deref());
        if namespace.is_empty() {
            let message = format!("{field}: a ClusterSecretStore must name the namespace");
            return Err(Error::new(ErrorKind::Invalid, provider, message));
        }
        let token =
            self.secrets
                .service_account_token(namespace, &account.name, audiences, seconds);
        token
            .await
            .map_err(|error| unreadable(provider, field, &error))
    }

    /// The annotations of a ServiceAccount.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there is no such account, or a cluster-scoped store names no namespace
    /// and has no consumer, else why they cannot be read.
    pub(super) async fn account_annotations(
        &self,
        provider: &'static str,
        field: &str,
        account: &ServiceAccountSelector,
    ) -> Result<BTreeMap<String, String>, Error> {
        let namespace = self.selected_namespace(account.namespace.as_deref());
        if namespace.is_empty() {
            let message = format!("{field}: a ClusterSecretStore must name the namespace");
            return Err(Error::new(ErrorKind::Invalid, provider, message));
        }
        let annotations = self
            .secrets
            .service_account_annotations(namespace, &account.name);
        let annotations = annotations.await;
        let annotations = annotations.map_err(|error| unreadable(provider, field, &error))?;
        annotations.ok_or_else(|| {
            let name = &account.name;
            let message = format!("{field}: there is no ServiceAccount {namespace}/{name}");
            Error::new(ErrorKind::Invalid, provider, message)
        })
    }
}

fn unreadable(provider: &'static str, field: &str, error: &secrets::Error) -> Error {
    let kind = if error.denied {
        ErrorKind::Denied
    } else {
        ErrorKind::Unavailable
    };
    Error::new(kind, provider, format!("{field}: {error}"))
}
