//! Whether a Secret still is what was written.

use kube::api::ObjectMeta;

use super::apply::{existing, object, remember, version_of};
use super::observe::Snapshot;
use super::plan::{Content, Write, plan_write};
use crate::api::well_known::{DATA_HASH_ANNOTATION, MANAGED_LABEL};
use crate::cluster::request::Error;
use crate::controllers::Context;
use crate::model::hash;

/// Reads the Secret and sees whether it still is what was written; then remembers it as right.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub(super) async fn verify(
    context: &Context,
    snapshot: &Snapshot,
    metadata: &ObjectMeta,
) -> Result<bool, Error> {
    let Ok(spec) = &snapshot.parsed else {
        return Ok(true);
    };
    let Some(stored) = context
        .objects
        .read(&spec.namespace, &spec.target.name)
        .await?
    else {
        return Ok(false);
    };
    let needs_no_write = || {
        let content = Content::plain(stored.content.data.duplicate());
        let existing = existing(&stored, &hash::field_manager(&spec.name));
        let planned = plan_write(
            &object(snapshot, spec, metadata),
            content,
            Some(&existing),
            context.consent,
        );
        matches!(planned, Ok(Write::Nothing(..)))
    };
    let present = hash::data(&stored.content.data);
    let labels = &stored.content.labels;
    let marked = labels
        .get(MANAGED_LABEL)
        .is_some_and(|value| value == "true")
        && stored.content.annotations.get(DATA_HASH_ANNOTATION) == Some(&present);
    // What a template makes of the metadata is not known without the values.
    let intact = marked && (spec.target.template.is_some() || needs_no_write());
    if intact {
        remember(context, snapshot, version_of(&stored), present, None);
    }
    Ok(intact)
}
