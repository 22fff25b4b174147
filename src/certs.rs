//! The webhook's certificates: one CA for all replicas, a leaf of its own for each.
//!
//! The CA and its key stand in a Secret of latchkey's namespace; whoever creates it first decides, so no
//! leader is needed. Each replica signs its leaf in memory. Clients learn the CA from the webhook
//! configurations, which [`Rotator::run`] keeps current.

mod bundle;
mod pki;
mod plan;
mod store;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use kube::Client;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::cluster::request::Error as RequestError;

pub use bundle::Registration;

use plan::Step;
use store::Authorities;

/// How often the present is compared with what was issued. By the wall clock, so that a machine that
/// slept notices.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// Why certificates cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Secret with the CA, or a webhook configuration, cannot be read or written.
    #[error("failed to {verb}: {source}")]
    Request {
        /// What failed.
        verb: &'static str,
        /// Why.
        source: RequestError,
    },
    /// A certificate cannot be made or read.
    #[error("failed to {verb}: {reason}")]
    Certificate {
        /// What failed.
        verb: &'static str,
        /// Why.
        reason: String,
    },
}

/// The certificate that is served now; swapped without dropping a connection.
#[derive(Debug)]
pub struct Served(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Keeps the certificate, the CA and the webhook configurations current.
pub struct Rotator {
    client: Client,
    namespace: String,
    names: Vec<String>,
    registration: Registration,
    clock: fn() -> Timestamp,
    served: Arc<Served>,
    authorities: Authorities,
    leaf: pki::Leaf,
}

impl Rotator {
    /// Reads or makes the CA, issues a leaf for `names` (DNS names or addresses) and registers the
    /// webhook.
    ///
    /// # Errors
    /// When the CA cannot be read or made, or the webhook cannot be registered.
    pub async fn bind(
        client: Client,
        namespace: &str,
        names: Vec<String>,
        registration: Registration,
        clock: fn() -> Timestamp,
    ) -> Result<Self, Error> {
        let authorities = store::load_or_create(&client, namespace, clock()).await?;
        let leaf = authorities.current.issue(&names, clock())?;
        let served = Arc::new(Served(ArcSwap::from(Arc::clone(&leaf.key))));
        bundle::apply(&client, &registration, &authorities.bundle()).await?;
        Ok(Self {
            client,
            namespace: namespace.to_owned(),
            names,
            registration,
            clock,
            served,
            authorities,
            leaf,
        })
    }

    /// What a TLS server asks at each handshake.
    #[must_use]
    pub fn served(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.served) as _
    }

    /// Keeps everything current for as long as it is polled. A failure is logged and tried again: what
    /// is served stays good for many hours.
    pub async fn run(mut self) {
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            if let Err(error) = self.check().await {
                tracing::warn!(error = %error, "Failed to keep the webhook's certificates current, trying again");
            }
        }
    }

    async fn check(&mut self) -> Result<(), Error> {
        let now = (self.clock)();
        self.authorities = store::load_or_create(&self.client, &self.namespace, now).await?;
        let issued_by_present = self.leaf.issuer == self.authorities.current.fingerprint;
        match plan::next_step(
            now,
            self.authorities.current.life,
            self.leaf.life,
            issued_by_present,
        ) {
            Step::Keep => {}
            Step::RenewLeaf => {
                self.leaf = self.authorities.current.issue(&self.names, now)?;
                self.served.0.store(Arc::clone(&self.leaf.key));
                tracing::info!("Renewed the webhook's certificate");
            }
            Step::ReplaceAuthority => {
                self.authorities =
                    store::replace(&self.client, &self.namespace, &self.authorities, now).await?;
                tracing::info!("Made a new CA for the webhook");
            }
        }
        bundle::apply(&self.client, &self.registration, &self.authorities.bundle()).await
    }
}
