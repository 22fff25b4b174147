//! One text for all specs that mean the same.

use jiff::SignedDuration;

use crate::api::meta::{SecretStoreRef, StoreKind};
use crate::api::v1::{
    ConversionStrategy, CreationPolicy, DecodingStrategy, DeletionPolicy,
    ExternalSecretDataRemoteRef, ExternalSecretFind, ExternalSecretSpec, ExternalSecretTarget,
    MetadataPolicy, NullBytePolicy, RefreshPolicy, TemplateEngineVersion, TemplateMergePolicy,
};
use crate::model::duration;

/// Interval of a spec that names none.
const DEFAULT_INTERVAL: SignedDuration = SignedDuration::from_hours(1);

/// The spec as JSON with sorted keys, without fields that hold their default.
///
/// The text can be read back and is then equal to itself. Lists keep their order, for it has a meaning.
#[must_use]
pub fn canonical(spec: &ExternalSecretSpec) -> String {
    let mut spec = spec.clone();
    reduce(&mut spec);
    // Sorted, because the types of a spec declare their fields in the order of their names. A test holds
    // them to it: every review of a pod comes through here, and sorting costs more than writing.
    serde_json::to_string(&spec).expect("a spec must be JSON")
}

/// A duration as a spec holds it: one number and one unit.
pub(super) fn interval(interval: &SignedDuration) -> String {
    let nanoseconds = interval.as_nanos();
    if nanoseconds <= 0 {
        "0s".to_owned()
    } else if nanoseconds % 1_000_000_000 == 0 {
        format!("{}s", interval.as_secs())
    } else {
        format!("{nanoseconds}ns")
    }
}

/// Removes what says nothing.
pub(super) fn reduce(spec: &mut ExternalSecretSpec) {
    spec.refresh_interval =
        spec.refresh_interval
            .take()
            .and_then(|text| match duration::parse(&text) {
                Ok(DEFAULT_INTERVAL) => None,
                Ok(parsed) => Some(interval(&parsed)),
                Err(_) => Some(text).filter(|text| !text.is_empty()),
            });
    drop_default(&mut spec.refresh_policy, RefreshPolicy::Periodic);
    if let Some(store) = &mut spec.secret_store_ref {
        reduce_store(store);
    }
    for entry in &mut spec.data {
        reduce_reference(&mut entry.remote_ref);
        if let Some(store) = entry.source_ref.as_mut().and_then(|s| s.store_ref.as_mut()) {
            reduce_store(store);
        }
    }
    for entry in &mut spec.data_from {
        if let Some(extract) = &mut entry.extract {
            reduce_reference(extract);
        }
        if let Some(find) = &mut entry.find {
            reduce_find(find);
        }
        if let Some(store) = entry.source_ref.as_mut().and_then(|s| s.store_ref.as_mut()) {
            reduce_store(store);
        }
    }
    if let Some(target) = &mut spec.target {
        reduce_target(target);
        if *target == ExternalSecretTarget::default() {
            spec.target = None;
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the callers read better without borrowing a constant"
)]
fn drop_default<T: PartialEq>(field: &mut Option<T>, default: T) {
    if field.as_ref() == Some(&default) {
        *field = None;
    }
}

fn drop_empty(field: &mut Option<String>) {
    drop_default(field, String::new());
}

fn reduce_store(store: &mut SecretStoreRef) {
    drop_default(&mut store.kind, StoreKind::SecretStore);
}

fn reduce_reference(reference: &mut ExternalSecretDataRemoteRef) {
    drop_default(
        &mut reference.conversion_strategy,
        ConversionStrategy::Default,
    );
    drop_default(&mut reference.decoding_strategy, DecodingStrategy::None);
    drop_default(&mut reference.metadata_policy, MetadataPolicy::None);
    drop_default(&mut reference.null_byte_policy, NullBytePolicy::Ignore);
    drop_empty(&mut reference.property);
    drop_empty(&mut reference.version);
}

fn reduce_find(find: &mut ExternalSecretFind) {
    drop_default(&mut find.conversion_strategy, ConversionStrategy::Default);
    drop_default(&mut find.decoding_strategy, DecodingStrategy::None);
    drop_default(&mut find.null_byte_policy, NullBytePolicy::Ignore);
}

fn reduce_target(target: &mut ExternalSecretTarget) {
    drop_default(&mut target.creation_policy, CreationPolicy::Owner);
    drop_default(&mut target.deletion_policy, DeletionPolicy::Retain);
    drop_default(&mut target.immutable, false);
    drop_empty(&mut target.name);
    if let Some(template) = &mut target.template {
        drop_default(&mut template.engine_version, TemplateEngineVersion::V2);
        drop_default(&mut template.merge_policy, TemplateMergePolicy::Replace);
        drop_empty(&mut template.type_);
    }
}
