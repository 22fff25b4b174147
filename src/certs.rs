//! The webhook's certificates: one CA for all replicas, a leaf of its own for each.
//!
//! The CA and its key stand in a Secret of latchkey's namespace; whoever creates it first decides, so no
//! leader is needed. Each replica signs its leaf in memory. Clients learn the CA from the webhook
//! configurations, which [`Rotator::run`] keeps current. [`Files`] serves certificates of others instead.

mod bundle;
mod files;
mod pki;
mod plan;
mod rotator;
mod store;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::cluster::request::Error as RequestError;

pub use bundle::{Ownership, Registration};
pub use files::Files;
pub use rotator::{Options, Rotator};
pub use store::{ROTATE_ANNOTATION, SECRET_NAME, request_rotation};

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
    /// A file cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The certificate that is served now; swapped without dropping a connection.
#[derive(Debug)]
pub struct Served(ArcSwap<CertifiedKey>);

impl Served {
    fn new(key: Arc<CertifiedKey>) -> Self {
        Self(ArcSwap::from(key))
    }

    fn swap(&self, key: Arc<CertifiedKey>) {
        self.0.store(key);
    }

    #[cfg(test)]
    fn current(&self) -> Arc<CertifiedKey> {
        self.0.load_full()
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

#[cfg(test)]
mod tests;
