//! `generators.external-secrets.io/v1alpha1`: what makes values instead of fetching them.

mod acr_access_token;
mod beyondtrust_dynamic_secret;
mod cloudsmith_access_token;
mod cluster_generator;
mod ecr_authorization_token;
mod fake;
mod gcr_access_token;
mod generator_state;
mod github_access_token;
mod gitlab_deploy_token;
mod grafana;
mod mfa;
mod password;
mod quay_access_token;
mod ssh_key;
mod sts_session_token;
mod uuid;
mod vault_dynamic_secret;
mod webhook;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use acr_access_token::*;
pub use beyondtrust_dynamic_secret::*;
pub use cloudsmith_access_token::*;
pub use cluster_generator::*;
pub use ecr_authorization_token::*;
pub use fake::*;
pub use gcr_access_token::*;
pub use generator_state::*;
pub use github_access_token::*;
pub use gitlab_deploy_token::*;
pub use grafana::*;
pub use mfa::*;
pub use password::*;
pub use quay_access_token::*;
pub use ssh_key::*;
pub use sts_session_token::*;
pub use uuid::*;
pub use vault_dynamic_secret::*;
pub use webhook::*;

/// What became of a generator; nothing is told yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeneratorStatus {}
