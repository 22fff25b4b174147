//! Logging in: credentials are read only when a call must be made.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use super::failure::Failure;
use super::{Auth, NAME, auth, block, invalid};
use crate::api::meta::ServiceAccountSelector;
use crate::esc::client::{Address, Client, exchange_token};
use crate::http;
use crate::model::secret_store::StoreId;
use crate::providers::slots::Slots;
use crate::providers::{ClientContext, Clock, Error, ErrorKind};
use crate::secret::SecretBytes;

/// A token is not used this short before it expires.
const EXPIRY_MARGIN: Duration = Duration::from_mins(1);

/// What one client needs to call the server.
pub(super) struct Access {
    pub(super) context: ClientContext,
    pub(super) address: Address,
    pub(super) http: http::Client,
    pub(super) tokens: Arc<Tokens>,
}

/// Store, its uid and generation.
type Holder = (StoreId, String, i64);

/// Tokens that were exchanged, by store.
pub(super) struct Tokens {
    clock: Clock,
    held: Slots<Holder, Mutex<Option<Held>>>,
}

struct Held {
    token: SecretBytes,
    until: SystemTime,
}

impl Tokens {
    pub(super) fn new(clock: Clock) -> Self {
        let held = Slots::new(10_000, Duration::from_hours(1));
        Self { clock, held }
    }
}

impl Access {
    /// A client with the store's credentials.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        let block = block(&self.context.store).map_err(Failure::Local)?;
        let token = match auth(block).map_err(Failure::Local)? {
            Auth::Token(selector) => {
                let read = self
                    .context
                    .credential(NAME, "accessToken.secretRef", selector);
                read.await.map_err(Failure::Local)?
            }
            Auth::Exchange {
                organization,
                account,
                seconds,
            } => self.exchanged(organization, account, seconds).await?,
        };
        Client::with_address(self.http.clone(), self.address.clone(), &token)
            .map_err(|error| Failure::Local(invalid(error.to_string())))
    }

    /// Forgets a token that the server refused before its time.
    pub(super) async fn forget_token(&self) {
        self.tokens.held.forget(&self.key()).await;
    }

    fn key(&self) -> Holder {
        let store = &self.context.store;
        (store.id.clone(), store.uid.clone(), store.generation)
    }

    async fn exchanged(
        &self,
        organization: &str,
        account: &ServiceAccountSelector,
        seconds: i64,
    ) -> Result<SecretBytes, Failure> {
        let slot = self.tokens.held.of(&self.key()).await;
        let mut held = slot.lock().await;
        let now = (self.tokens.clock)();
        if let Some(held) = held
            .as_ref()
            .filter(|held| now + EXPIRY_MARGIN < held.until)
        {
            return Ok(held.token.duplicate());
        }
        let identity = self.identity(account, seconds).await?;
        let exchanged =
            exchange_token(&self.http, &self.address, organization, &identity, seconds).await;
        let exchanged = exchanged.map_err(|error| Failure::of_exchange(&error))?;
        let token = exchanged.token.duplicate();
        *held = Some(Held {
            token: exchanged.token,
            until: now + Duration::from_secs(exchanged.expires_in),
        });
        Ok(token)
    }

    async fn identity(
        &self,
        account: &ServiceAccountSelector,
        seconds: i64,
    ) -> Result<SecretBytes, Failure> {
        let namespace = self
            .context
            .selected_namespace(account.namespace.as_deref());
        let audiences = if account.audiences.is_empty() {
            vec![self.address.root().to_owned()]
        } else {
            account.audiences.clone()
        };
        let secrets = &self.context.secrets;
        let token = secrets.service_account_token(namespace, &account.name, &audiences, seconds);
        token.await.map_err(|error| {
            let kind = if error.denied {
                ErrorKind::Denied
            } else {
                ErrorKind::Unavailable
            };
            let message = format!("auth.oidcConfig.serviceAccountRef: {error}");
            Failure::Local(Error::new(kind, NAME, message))
        })
    }
}
