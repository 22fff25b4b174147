//! `external-secrets.io/v1`, the stored version.

mod cluster_external_secret;
mod external_secret;
mod secret_store;

pub use cluster_external_secret::*;
pub use external_secret::*;
pub use secret_store::*;
