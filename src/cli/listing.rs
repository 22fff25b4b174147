//! Listing objects page by page.

use std::fmt::Debug;

use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;

use crate::cluster::request::{Error, bounded};

/// Objects asked for at once.
pub(super) const PAGE: u32 = 500;

/// Every object that `page` selects.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub(super) async fn all<K>(api: &Api<K>, mut page: ListParams) -> Result<Vec<K>, Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    page = page.limit(PAGE);
    let mut found = Vec::new();
    loop {
        let list = bounded(api.list(&page)).await?;
        found.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}
