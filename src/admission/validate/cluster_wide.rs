//! ClusterExternalSecrets and ClusterPushSecrets: what they would put into each namespace.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Findings, Object, Place, external_secret, push_secret};
use crate::admission::Webhook;
use crate::api::meta::StoreKind;
use crate::api::v1::ClusterExternalSecretSpec;
use crate::api::v1alpha1::ClusterPushSecretSpec;
use crate::model::complaint::Complaint;
use crate::model::duration;
use crate::model::secret_store::{StoreId, unreadable};

/// Looks at a ClusterExternalSecret.
pub(super) fn external_secrets(
    webhook: &Webhook,
    place: &Place<'_>,
    object: &Object,
) -> Result<Findings, Findings> {
    let spec: ClusterExternalSecretSpec = object.spec()?;
    let mut found = external_secret::look(webhook, place, &spec.external_secret_spec);
    let single = spec.namespace_selector.iter();
    let single = single.map(|one| ("spec.namespaceSelector".to_owned(), one));
    let several = numbered(&spec.namespace_selectors);
    within(&mut found, "spec.externalSecretSpec");
    found.complaints.extend(
        single
            .chain(several)
            .flat_map(|(field, one)| unreadable(&field, one)),
    );
    found
        .complaints
        .extend(interval(spec.refresh_time.as_deref()));
    let named = crate::model::external_secret::stores_named("", &spec.external_secret_spec);
    found.warnings = cluster_troubles(webhook, &named);
    Ok(found)
}

/// Looks at a ClusterPushSecret.
pub(super) fn push_secrets(webhook: &Webhook, object: &Object) -> Result<Findings, Findings> {
    let spec: ClusterPushSecretSpec = object.spec()?;
    let mut found = Findings::of(push_secret::complaints(&spec.push_secret_spec));
    within(&mut found, "spec.pushSecretSpec");
    let selectors = numbered(&spec.namespace_selectors);
    found
        .complaints
        .extend(selectors.flat_map(|(field, one)| unreadable(&field, one)));
    found
        .complaints
        .extend(interval(spec.refresh_time.as_deref()));
    let named = push_secret::stores("", &spec.push_secret_spec);
    found.warnings = cluster_troubles(webhook, &named);
    Ok(found)
}

fn numbered(selectors: &[LabelSelector]) -> impl Iterator<Item = (String, &LabelSelector)> {
    let numbered = selectors.iter().enumerate();
    numbered.map(|(i, one)| (format!("spec.namespaceSelectors[{i}]"), one))
}

/// Complaints about the inner spec name where it stands; what it names is in namespaces that are not
/// known yet.
fn within(found: &mut Findings, outer: &str) {
    for complaint in &mut found.complaints {
        let inner = complaint.field.strip_prefix("spec").unwrap_or_default();
        complaint.field = format!("{outer}{inner}");
    }
    found.named.clear();
}

fn interval(text: Option<&str>) -> Option<Complaint> {
    let text = text.filter(|text| !text.is_empty())?;
    let message = duration::parse(text).err()?;
    Some(Complaint::error("spec.refreshTime", message))
}

/// What is wrong with the stores of the cluster; those of namespaces may be there or not.
fn cluster_troubles(webhook: &Webhook, stores: &[StoreId]) -> Vec<String> {
    let stores = stores
        .iter()
        .filter(|id| id.kind == StoreKind::ClusterSecretStore);
    stores
        .filter_map(|id| super::store_trouble(webhook, "", id))
        .collect()
}
