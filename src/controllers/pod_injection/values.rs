//! The values that a pod keeps in its own memory: made as for a Secret, and written nowhere.

use std::collections::HashMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::plan::size_trouble;
use crate::api::v1::ExternalSecretSpec;
use crate::controllers::Context;
use crate::controllers::external_secret::{Wanted, content, fetch};
use crate::model::complaint;
use crate::model::external_secret::ExternalSecret;
use crate::model::failover::Candidates;
use crate::model::secret_store::StoreId;
use crate::secret::SecretMap;

/// How old values may be: so many pods that start together ask a store once.
const SHARED_FOR: SignedDuration = SignedDuration::from_secs(10);

/// Why there are no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmade {
    /// What is wrong; holds no value.
    pub message: String,
    /// Whether the store was asked and has no such values.
    pub is_missing: bool,
    /// How long the store asks to wait.
    pub retry_after: Option<Duration>,
}

/// The values that `spec` stands for in a namespace; `name` is for messages. Whether the asker may have
/// them must have been decided.
///
/// # Errors
/// When a store does not give them, or a template cannot be rendered.
#[expect(
    clippy::implicit_hasher,
    reason = "a map of ours, made where it is passed on"
)]
pub async fn values(
    context: &Context,
    namespace: &str,
    name: &str,
    spec: &ExternalSecretSpec,
    stores: &HashMap<StoreId, Candidates>,
) -> Result<SecretMap, Unmade> {
    let because = |message: String| Unmade {
        message,
        is_missing: false,
        retry_after: None,
    };
    let spec = ExternalSecret::parse(namespace, name, spec)
        .map_err(|complaints| because(complaint::join(&complaints)))?;
    let wanted = Wanted {
        not_before: context.now() - SHARED_FOR,
        partial: false,
        owner: None,
    };
    let fetched = fetch(context, &spec, stores, wanted).await;
    let fetched = fetched.map_err(|failure| Unmade {
        message: failure.message(),
        is_missing: failure.is_missing,
        retry_after: failure.retry_after,
    })?;
    let made = content(context, &spec, fetched.data).await;
    let made = made.map_err(|failure| because(failure.message()))?;
    match size_trouble(&made.data) {
        Some(trouble) => Err(because(trouble)),
        None => Ok(made.data),
    }
}
