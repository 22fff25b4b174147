//! `external-secrets.io/v1`, the stored version.

mod external_secret;
mod secret_store;

pub use external_secret::*;
pub use secret_store::*;
