//! SecretStores and ClusterSecretStores.

use std::collections::BTreeSet;

use super::{Findings, Object, Place, store_trouble};
use crate::admission::Webhook;
use crate::api::meta::StoreKind;
use crate::api::v1::SecretStoreSpec;
use crate::api::well_known::{
    FALLBACK_STORES_ANNOTATION, KEY_SCOPE_ANNOTATION, MAX_REQUESTS_ANNOTATION,
};
use crate::cluster::existence::Kind;
use crate::model::complaint::Complaint;
use crate::model::failover;
use crate::model::request_rate;
use crate::model::secret_store::{Store, StoreId, check, named_secrets};
use crate::model::store_use::KeyScope;
use crate::providers::ErrorKind;

/// Looks at a store; `None` where it is left to another controller.
pub(super) fn find(
    webhook: &Webhook,
    resource: &str,
    place: &Place<'_>,
    object: &Object,
) -> Option<Findings> {
    let spec: SecretStoreSpec = match object.spec() {
        Ok(spec) => spec,
        Err(unreadable) => return Some(unreadable),
    };
    let class = spec.controller.as_deref();
    if !webhook.controller_class.serves(class) {
        return None;
    }
    let kind = if resource == "clustersecretstores" {
        StoreKind::ClusterSecretStore
    } else {
        StoreKind::SecretStore
    };
    let id = StoreId::new(kind, place.namespace, place.name);
    let mut found = Findings::of(check(&id, &spec));
    if let Some(scope) = object.annotation(KEY_SCOPE_ANNOTATION) {
        found.complaints.extend(KeyScope::parse(scope).err());
    }
    if let Some(text) = object.annotation(FALLBACK_STORES_ANNOTATION) {
        match failover::fallbacks(&id, text) {
            Err(complaint) => found.complaints.push(complaint),
            Ok(fallbacks) => found.warnings.extend(absent(webhook, &fallbacks)),
        }
    }
    if let Some(text) = object.annotation(MAX_REQUESTS_ANNOTATION) {
        found.complaints.extend(request_rate::rate(&id, text).err());
    }
    let mut seen = BTreeSet::new();
    for named in named_secrets(&id, &spec) {
        if seen.insert((named.namespace.clone(), named.name.clone())) {
            found.name(named.field, Kind::Secret, &named.namespace, &named.name);
        }
    }
    found.complaints.extend(configuration(webhook, id, spec));
    Some(found)
}

/// A warning for each store that could not serve in the place of this one as things are.
fn absent(webhook: &Webhook, fallbacks: &[StoreId]) -> Vec<String> {
    let field = format!("metadata.annotations[{FALLBACK_STORES_ANNOTATION}]");
    let troubles = fallbacks.iter();
    let troubles = troubles.filter_map(|id| store_trouble(webhook, "", id));
    troubles
        .map(|trouble| format!("{field}: {trouble}"))
        .collect()
}

/// What the provider says of its block; what this build does not serve, another may.
fn configuration(webhook: &Webhook, id: StoreId, spec: SecretStoreSpec) -> Option<Complaint> {
    let store = Store {
        id,
        uid: String::new(),
        generation: 0,
        provider: spec.provider,
        rate: None,
    };
    let checked = webhook.registry.provider(&store);
    let error = checked.and_then(|provider| provider.check(&store)).err()?;
    let configured = store.provider.configured();
    let message = error.message;
    let (field, message) = match configured.as_slice() {
        [name] => {
            let field = format!("spec.provider.{name}");
            let rest = message.strip_prefix(&field).map(str::trim_start);
            let rest = rest.map(|rest| rest.trim_start_matches(':').trim_start().to_owned());
            (field, rest.unwrap_or(message))
        }
        _ => {
            let rest = message.strip_prefix("spec.provider: ").map(str::to_owned);
            ("spec.provider".to_owned(), rest.unwrap_or(message))
        }
    };
    Some(match error.kind {
        ErrorKind::Unsupported => Complaint::unserved(field, message),
        _ => Complaint::error(field, message),
    })
}
