//! SecretStores and ClusterSecretStores.

use std::collections::BTreeSet;

use super::{Findings, Object, Place};
use crate::admission::Webhook;
use crate::api::meta::StoreKind;
use crate::api::v1::SecretStoreSpec;
use crate::cluster::existence::Kind;
use crate::model::complaint::Complaint;
use crate::model::secret_store::{Store, StoreId, check, is_of_class, named_secrets};
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
    if !is_of_class(&spec, &webhook.controller_class) {
        return None;
    }
    let kind = if resource == "clustersecretstores" {
        StoreKind::ClusterSecretStore
    } else {
        StoreKind::SecretStore
    };
    let id = StoreId::new(kind, place.namespace, place.name);
    let mut found = Findings::of(check(&id, &spec));
    if let Some(scope) = object.key_scope() {
        found.complaints.extend(KeyScope::parse(scope).err());
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

/// What the provider says of its block; what this build does not serve, another may.
fn configuration(webhook: &Webhook, id: StoreId, spec: SecretStoreSpec) -> Option<Complaint> {
    let store = Store {
        id,
        uid: String::new(),
        generation: 0,
        provider: spec.provider,
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
