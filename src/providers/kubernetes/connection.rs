//! From a store to the address and credentials of a cluster.

use super::{NAME, invalid};
use crate::api::meta::{CaProvider, CaProviderKind, SecretKeySelector, StoreKind};
use crate::api::v1::{KubernetesAuth, KubernetesProvider, KubernetesServer};
use crate::cluster::remote::{Access, Credential};
use crate::cluster::secrets;
use crate::http;
use crate::model::secret_store::Store;
use crate::providers::{ClientContext, Error, ErrorKind};
use crate::secret::SecretBytes;

/// Validity of ServiceAccount tokens, as in ESO.
const TOKEN_SECONDS: i64 = 3600;

pub(super) fn check(store: &Store) -> Result<(), Error> {
    let block = block(store)?;
    match (&block.auth, &block.auth_ref) {
        (Some(auth), None) => check_auth(auth)?,
        (None, Some(_)) => {}
        (Some(_), Some(_)) => return Err(invalid("auth and authRef exclude each other")),
        (None, None) => {
            return Err(invalid(
                "auth or authRef must be set; latchkey's own identity is not used",
            ));
        }
    }
    let provider = block
        .server
        .as_ref()
        .and_then(|server| server.ca_provider.as_ref());
    if let Some(provider) = provider {
        let is_named = provider
            .namespace
            .as_deref()
            .is_some_and(|name| !name.is_empty());
        match store.id.kind {
            StoreKind::ClusterSecretStore if !is_named => {
                return Err(invalid(
                    "server.caProvider.namespace must be set in a ClusterSecretStore",
                ));
            }
            StoreKind::SecretStore if is_named => {
                return Err(invalid(
                    "server.caProvider.namespace must not be set in a SecretStore",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether credentials are in the namespace of the object that uses the store.
pub(super) fn is_referent(store: &Store) -> bool {
    let Ok(block) = block(store) else {
        return false;
    };
    let auth = block.auth.as_ref();
    let of_auth = auth.map(|auth| {
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
    let of_ref = block.auth_ref.as_ref().map(|selector| &selector.namespace);
    let mut namespaces = of_auth.into_iter().flatten().chain(of_ref);
    store.id.kind == StoreKind::ClusterSecretStore
        && namespaces.any(|name| name.as_deref().unwrap_or_default().is_empty())
}

pub(super) fn remote_namespace(store: &Store) -> Result<&str, Error> {
    let named = block(store)?.remote_namespace.as_deref();
    Ok(named.filter(|name| !name.is_empty()).unwrap_or("default"))
}

pub(super) async fn access(context: &ClientContext) -> Result<Access, Error> {
    let block = block(&context.store)?;
    if let Some(selector) = &block.auth_ref {
        let kubeconfig = context.credential(NAME, "authRef", selector).await?;
        return Ok(Access::Kubeconfig(kubeconfig));
    }
    let auth = block.auth.as_ref();
    let auth = auth.ok_or_else(|| invalid("auth or authRef must be set"))?;
    let server = block.server.as_ref();
    let url = server.and_then(|server| server.url.as_deref());
    let url = url.map(str::trim).filter(|url| !url.is_empty());
    let ca = match server {
        Some(server) => ca(context, server).await?,
        None => None,
    };
    Ok(Access::Direct {
        server: url.unwrap_or("kubernetes.default").to_owned(),
        ca,
        credential: credential(context, auth).await?,
    })
}

fn block(store: &Store) -> Result<&KubernetesProvider, Error> {
    let block = store.provider.kubernetes.as_deref();
    block.ok_or_else(|| invalid("spec.provider.kubernetes is missing"))
}

fn check_auth(auth: &KubernetesAuth) -> Result<(), Error> {
    let members = [
        auth.cert.is_some(),
        auth.service_account.is_some(),
        auth.token.is_some(),
    ];
    if members.into_iter().filter(|is_set| *is_set).count() == 1 {
        Ok(())
    } else {
        Err(invalid(
            "auth: exactly one of cert, serviceAccount and token must be set",
        ))
    }
}

async fn credential(context: &ClientContext, auth: &KubernetesAuth) -> Result<Credential, Error> {
    if let Some(token) = &auth.token {
        let field = "auth.token.bearerToken";
        let token = context.credential(NAME, field, &token.bearer_token).await?;
        return Ok(Credential::Token(token));
    }
    if let Some(cert) = &auth.cert {
        let read = |field, selector| context.credential(NAME, field, selector);
        return Ok(Credential::Certificate {
            certificate: read("auth.cert.clientCert", &cert.client_cert).await?,
            key: read("auth.cert.clientKey", &cert.client_key).await?,
        });
    }
    let account = auth.service_account.as_ref();
    let account = account.ok_or_else(|| invalid("auth.serviceAccount is missing"))?;
    let namespace = context.selected_namespace(account.namespace.as_deref());
    let audiences = &account.audiences;
    let token =
        context
            .secrets
            .service_account_token(namespace, &account.name, audiences, TOKEN_SECONDS);
    let token = token.await;
    Ok(Credential::Token(token.map_err(|error| {
        unreadable("auth.serviceAccount", &error)
    })?))
}

async fn ca(context: &ClientContext, server: &KubernetesServer) -> Result<Option<Vec<u8>>, Error> {
    let inline = server.ca_bundle.as_deref().filter(|text| !text.is_empty());
    let (field, bundle) = match (inline, &server.ca_provider) {
        (Some(text), _) => ("server.caBundle", SecretBytes::from(text)),
        (None, Some(provider)) => ("server.caProvider", provided(context, provider).await?),
        (None, None) => return Ok(None),
    };
    let pem = http::ca_pem(bundle.expose());
    pem.map(Some)
        .ok_or_else(|| invalid(format!("{field}: must be PEM or base64 of PEM")))
}

async fn provided(context: &ClientContext, provider: &CaProvider) -> Result<SecretBytes, Error> {
    let field = "server.caProvider";
    let key = provider.key.as_deref().unwrap_or("ca.crt");
    match provider.kind {
        CaProviderKind::Secret => {
            let selector = SecretKeySelector {
                name: Some(provider.name.clone()),
                key: Some(key.to_owned()),
                namespace: provider.namespace.clone(),
            };
            context.credential(NAME, field, &selector).await
        }
        CaProviderKind::ConfigMap => {
            let namespace = context.selected_namespace(provider.namespace.as_deref());
            let name = &provider.name;
            let map = context.secrets.read_config_map(namespace, name).await;
            let map = map.map_err(|error| unreadable(field, &error))?;
            let value = map.and_then(|mut map| map.remove(key));
            value.map(SecretBytes::from).ok_or_else(|| {
                invalid(format!(
                    "{field}: no key {key:?} in ConfigMap {namespace}/{name}"
                ))
            })
        }
    }
}

fn unreadable(field: &str, error: &secrets::Error) -> Error {
    let kind = if error.denied {
        ErrorKind::Denied
    } else {
        ErrorKind::Unavailable
    };
    Error::new(kind, NAME, format!("{field}: {error}"))
}
