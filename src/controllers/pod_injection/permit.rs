//! May the pods have what they ask for? The webhook asked this too, but it admits where nobody could
//! answer, and permissions and stores change.

use super::demand::{Key, Needed};
use super::pass::{Failure, Work};
use crate::cluster::authorize::{StoreAccess, Verdict};
use crate::controllers::external_secret::Sources;
use crate::model::external_secret::stores_named;
use crate::model::secret_store::StoreId;
use crate::model::store_use::{self, Reader, Refusal};

/// Decides for every store that is named, and passes those over in whose place a store would serve that the
/// pods may not use. Answers why nobody could say, if so.
///
/// # Errors
/// When the pods may not read a store that is named.
pub(super) async fn permit(
    work: &Work,
    key: &Key,
    needed: &Needed,
    sources: &mut Sources,
) -> Result<Option<String>, Failure> {
    let named = stores_named(&key.0, &needed.what.spec);
    for id in &named {
        if let Some(why) = out_of_scope(work, key, needed, id, id) {
            return Err(Failure::Revoked(why));
        }
    }
    let mut unknown = None;
    for id in &named {
        match authorise(work, key, needed, id).await {
            Ok(()) => {}
            Err(Refusal::Never(why)) => return Err(Failure::Revoked(why)),
            Err(Refusal::Unknown(why)) => unknown = Some(why),
        }
    }
    for (named, fallback) in sources.fallbacks() {
        let said = match out_of_scope(work, key, needed, &named, &fallback) {
            Some(why) => Err(Refusal::Never(why)),
            None => authorise(work, key, needed, &fallback).await,
        };
        if let Err(Refusal::Never(why) | Refusal::Unknown(why)) = said {
            sources.bar(&named, &fallback, format!("fallback {fallback}: {why}"));
        }
    }
    Ok(unknown)
}

/// Whether the service account may use a store.
async fn authorise(
    work: &Work,
    key: &Key,
    needed: &Needed,
    store: &StoreId,
) -> Result<(), Refusal> {
    let access = StoreAccess {
        namespace: key.0.clone(),
        account: needed.what.account.clone(),
        kind: store.kind,
        store: store.name.clone(),
    };
    let question = format!("service account {:?} may use {store}", access.account);
    match work.context.authorizer.may_use(&access).await {
        Verdict::Allowed => Ok(()),
        Verdict::Denied(why) => {
            let why = if why.is_empty() {
                why
            } else {
                format!(" ({why})")
            };
            Err(Refusal::Never(format!(
                "it is not permitted that {question}{why}; grant the verb \"use\" on the store"
            )))
        }
        Verdict::Unknown(why) => Err(Refusal::Unknown(format!(
            "could not find out whether {question}: {why}"
        ))),
    }
}

/// Why `store` does not let the pods read what they ask `named` for, if so.
fn out_of_scope(
    work: &Work,
    key: &Key,
    needed: &Needed,
    named: &StoreId,
    store: &StoreId,
) -> Option<String> {
    let labels = work.caches.namespace_labels(&key.0);
    let reader = Reader {
        namespace: &key.0,
        labels: Some(&labels),
        account: &needed.what.account,
    };
    let class = &work.context.options.controller_class;
    let facts = work.caches.store(store)?.ok()?.facts();
    let reads = store_use::reads(&key.0, named, &needed.what.spec);
    let (Refusal::Never(why) | Refusal::Unknown(why)) =
        store_use::check(&facts, class, &reader, &reads).err()?;
    Some(format!("{store}: {why}"))
}

#[cfg(test)]
mod tests;
