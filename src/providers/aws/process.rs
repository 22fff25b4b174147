//! The identity of the process itself: environment, IRSA, pod identity, instance.

use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use tokio::sync::Mutex;

use super::transport::Transport;
use super::{Clock, Error, ErrorKind, NAME, invalid};
use crate::providers::slots::Slots;

/// How long the identity of the process is taken from memory, at most.
const BASE_LIFE: Duration = Duration::from_mins(5);

/// Credentials of the process are not handed on this short before they expire.
const BASE_MARGIN: Duration = Duration::from_mins(5);

/// The identity by region.
pub(super) struct Bases {
    clock: Clock,
    slots: Slots<String, Mutex<Base>>,
}

#[derive(Default)]
struct Base {
    chain: Option<DefaultCredentialsChain>,
    held: Option<(Credentials, SystemTime)>,
}

impl Bases {
    pub(super) fn new(clock: Clock) -> Self {
        let slots = Slots::new(100, Duration::from_hours(24));
        Self { clock, slots }
    }

    /// Credentials for calls in a region, shared by all stores.
    ///
    /// # Errors
    /// When the process has no identity.
    pub(super) async fn credentials(
        &self,
        transport: &Transport,
        region: &str,
    ) -> Result<Credentials, Error> {
        let slot = self.slots.of(&region.to_owned()).await;
        let mut slot = slot.lock().await;
        let now = (self.clock)();
        if let Some((credentials, until)) = &slot.held
            && now < *until
        {
            return Ok(credentials.clone());
        }
        if slot.chain.is_none() {
            let config = transport.provider_config(region)?;
            let chain = DefaultCredentialsChain::builder().configure(config);
            slot.chain = Some(chain.build().await);
        }
        let chain = slot.chain.as_ref();
        let chain = chain.ok_or_else(|| invalid("the identity of the process is unknown"))?;
        let found = chain.provide_credentials().await;
        let found = found.map_err(|error| unidentified(&error))?;
        let end = found.expiry().map(|end| end - BASE_MARGIN);
        let until = now + BASE_LIFE;
        slot.held = Some((found.clone(), end.map_or(until, |end| end.min(until))));
        Ok(found)
    }

    /// Drops credentials that a service refused.
    pub(super) async fn forget(&self, region: &str) {
        self.slots.of(&region.to_owned()).await.lock().await.held = None;
    }
}

/// The SDK's text may repeat what a metadata service answered, so that it is not shown.
fn unidentified(error: &CredentialsError) -> Error {
    let (kind, text) = match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => (
            ErrorKind::Invalid,
            "latchkey has no AWS identity of its own; set auth, or give its ServiceAccount a role (IRSA or pod identity)",
        ),
        CredentialsError::ProviderTimedOut(_) => (
            ErrorKind::Unavailable,
            "failed to find latchkey's AWS identity in time",
        ),
        _ => (
            ErrorKind::Unavailable,
            "failed to find latchkey's AWS identity; check the role of its ServiceAccount",
        ),
    };
    Error::new(kind, NAME, text)
}
