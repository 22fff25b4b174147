//! `external-secrets.io/v1alpha1`: what is written to stores.

mod cluster_push_secret;
mod push_secret;

pub use cluster_push_secret::*;
pub use push_secret::*;
