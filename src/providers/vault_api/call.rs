//! One call of the protocol for a generator, with the session that stores have.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Method;

use super::access::{Access, Request};
use super::{ClientContext, Engine, Error, ErrorKind, Identity};
use crate::api::meta::StoreKind;
use crate::api::v1::{SecretStoreProvider, VaultProvider};
use crate::cluster::secrets::SecretReader;
use crate::model::secret_store::{Store, StoreId};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// A call of Vault's protocol.
#[derive(Debug)]
pub struct Call {
    /// Method; empty is GET.
    pub method: String,
    /// Path below `/v1/`.
    pub path: String,
    /// Names and values of the query.
    pub query: Vec<(String, String)>,
    /// Body in JSON.
    pub body: Option<SecretBytes>,
}

impl Engine {
    /// Makes a call once, for what it makes must not be made twice; an empty answer is null.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is nothing at the path, else the class of the failure.
    pub(in crate::providers) async fn call(
        self: &Arc<Self>,
        namespace: &str,
        secrets: Arc<dyn SecretReader>,
        block: &VaultProvider,
        call: Call,
    ) -> Result<Json, Error> {
        let refused = |text: String| Error::new(ErrorKind::Invalid, self.name, text);
        let method = match call.method.trim() {
            "" => Method::GET,
            named => Method::from_bytes(named.to_ascii_uppercase().as_bytes())
                .map_err(|_| refused(format!("method: {named:?} is no HTTP method")))?,
        };
        let text = serde_json::to_vec(block).map_err(|error| refused(error.to_string()))?;
        let print = digest(&SHA256, &text);
        let store = Store {
            id: StoreId {
                kind: StoreKind::SecretStore,
                namespace: namespace.to_owned(),
                name: String::new(),
            },
            uid: data_encoding::HEXLOWER.encode(print.as_ref()),
            generation: 0,
            provider: SecretStoreProvider::default(),
            rate: None,
        };
        self.check(&store, block)?;
        let context = ClientContext {
            store: Arc::new(store),
            namespace: namespace.to_owned(),
            secrets,
            not_before: (self.clock)(),
        };
        let access = Access {
            engine: Arc::clone(self),
            identity: Identity::new(&context, false),
            context,
            block: block.clone(),
        };
        let request = Request {
            action: format!("call {method} {:?}", call.path),
            method,
            query: call.query,
            body: call.body,
            is_repeatable: false,
            ..Request::read(&call.path)
        };
        let answer = access.send(&request).await?;
        answer.ok_or_else(|| {
            let message = format!("there is nothing at {:?}", call.path);
            Error::new(ErrorKind::NotFound, self.name, message)
        })
    }
}
