//! What the stores of a provider over HTTP share.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use reqwest::header::HeaderValue;

use super::logins::{Identity, Login, Logins};
use super::rest::Failure;
use super::window::Window;
use super::{ClientContext, Error, Options};
use crate::api::meta::StoreKind;
use crate::http;
use crate::model::secret_store::Store;

/// What most calls are made with.
pub(super) struct Session {
    pub(super) http: http::Client,
    /// Value of the header by which the API knows its callers.
    pub(super) token: HeaderValue,
}

/// What the stores of one provider share: logins by store, and what was fetched by store and `K`.
pub(super) struct Service<S, K, V> {
    pub(super) http: http::Options,
    pub(super) logins: Logins<S>,
    pub(super) window: Window<(Identity, K), V>,
}

impl<S, K, V> Service<S, K, V>
where
    S: Send + Sync + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// With nothing known yet.
    pub(super) fn new(options: &Options) -> Self {
        Self {
            http: options.http.clone(),
            logins: Logins::new(Arc::clone(&options.clock)),
            window: Window::new(Arc::clone(&options.clock)),
        }
    }

    /// Makes a call with the store's session, once more with a new one where the old is refused.
    ///
    /// # Errors
    /// That of the login or of the call.
    pub(super) async fn call<L, T, F>(
        &self,
        identity: &Identity,
        login: &L,
        call: impl Fn(Arc<S>) -> F,
    ) -> Result<T, Failure>
    where
        L: Login<Session = S>,
        F: Future<Output = Result<T, Failure>>,
    {
        let session = self.logins.session(identity, login).await?;
        match call(Arc::clone(&session)).await {
            Err(failure) if failure.is(401) => {
                let error = &failure.error;
                if !self.logins.rejected(identity, &session, error).await {
                    return Err(failure);
                }
                let session = self.logins.session(identity, login).await?;
                call(session).await
            }
            answer => answer,
        }
    }

    /// What `fetch` gives, once for all who ask within their refresh window.
    ///
    /// # Errors
    /// That of the fetch.
    pub(super) async fn fetched<F>(
        &self,
        context: &ClientContext,
        identity: &Identity,
        what: K,
        fetch: F,
    ) -> Result<Arc<V>, Error>
    where
        F: Future<Output = Result<V, Error>>,
    {
        let asked = (identity.clone(), what);
        self.window.get(&asked, context.not_before, fetch).await
    }

    /// Forgets what was fetched, after it was written.
    pub(super) async fn forget(&self, identity: &Identity, what: K) {
        self.window.forget(&(identity.clone(), what)).await;
    }
}

/// Whether one of these namespaces of credentials is the consumer's.
pub(super) fn is_referent<'a>(
    store: &Store,
    namespaces: impl IntoIterator<Item = &'a Option<String>>,
) -> bool {
    let mut namespaces = namespaces.into_iter();
    store.id.kind == StoreKind::ClusterSecretStore
        && namespaces.any(|name| name.as_deref().unwrap_or_default().is_empty())
}

/// Whether the credentials can be read: they cannot where they are a consumer's and there is none.
pub(super) fn has_credentials(context: &ClientContext, is_referent: bool) -> bool {
    !is_referent || !context.namespace.is_empty()
}
