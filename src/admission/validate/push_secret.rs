//! PushSecrets.

use super::{Findings, Object, Place, store_trouble};
use crate::admission::Webhook;
use crate::api::v1alpha1::PushSecretSpec;
use crate::cluster::existence::Kind;
use crate::model::complaint::Complaint;
use crate::model::push_secret;
use crate::model::secret_store::StoreId;

/// Looks at a PushSecret.
pub(super) fn find(
    webhook: &Webhook,
    place: &Place<'_>,
    object: &Object,
) -> Result<Findings, Findings> {
    let spec: PushSecretSpec = object.spec()?;
    let mut found = Findings::of(complaints(&spec));
    let stores = stores(place.namespace, &spec);
    let troubles = stores
        .iter()
        .filter_map(|id| store_trouble(webhook, place.namespace, id));
    found.warnings.extend(troubles);
    let secret = spec.selector.secret.as_ref();
    if let Some(name) = secret.and_then(|secret| secret.name.as_deref()) {
        let field = "spec.selector.secret.name";
        found.name(field, Kind::Secret, place.namespace, name);
    }
    if let Some(generator) = &spec.selector.generator_ref {
        let kind = Kind::Generator(generator.kind.clone());
        let field = "spec.selector.generatorRef";
        found.name(field, kind, place.namespace, &generator.name);
    }
    Ok(found)
}

/// What is wrong with a spec.
pub(super) fn complaints(spec: &PushSecretSpec) -> Vec<Complaint> {
    push_secret::check(spec).err().unwrap_or_default()
}

/// The stores that are named, not selected.
pub(super) fn stores(namespace: &str, spec: &PushSecretSpec) -> Vec<StoreId> {
    let references = spec.secret_store_refs.iter();
    references
        .filter_map(|reference| {
            let name = reference.name.as_deref()?;
            let kind = reference.kind.unwrap_or_default();
            Some(StoreId::new(kind, namespace, name))
        })
        .collect()
}
