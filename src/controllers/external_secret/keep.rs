//! Values that were made, not fetched, stay when the rest of a Secret is brought in line.

use std::collections::BTreeSet;

use kube::api::ObjectMeta;

use super::apply::{Ended, refresh, write};
use super::fetch::Fetched;
use super::observe::Snapshot;
use super::plan::{Content, Dress, Failure};
use crate::api::v1::CreationPolicy;
use crate::api::well_known::DATA_HASH_ANNOTATION;
use crate::cluster::request::Error;
use crate::controllers::Context;
use crate::model::hash;
use crate::secret::SecretMap;

/// Brings the Secret in line with the values it has; where it lost them, new ones are made.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub(super) async fn keep(
    context: &Context,
    snapshot: &Snapshot,
    metadata: &ObjectMeta,
) -> Result<Ended, Error> {
    let Ok(spec) = &snapshot.parsed else {
        return Ok(Ended::Failed(Failure::lasting(
            "the ExternalSecret cannot be served",
            "",
        )));
    };
    let stored = context
        .objects
        .read(&spec.namespace, &spec.target.name)
        .await?;
    let memory = context.memories.recall(&snapshot.key);
    let manager = hash::field_manager(&spec.name);
    let ours = stored
        .as_ref()
        .map(|stored| stored.managed_by(&manager).data);
    let kept = stored.map(|stored| stored.content).filter(|content| {
        let present = hash::data(&content.data);
        let told = content.annotations.get(DATA_HASH_ANNOTATION);
        let known = memory.verified.as_ref().map(|verified| &verified.data_hash);
        !content.data.is_empty() && [told, known].iter().flatten().all(|hash| **hash == present)
    });
    let Some(kept) = kept else {
        return Ok(refresh(context, snapshot, metadata, context.now()).await);
    };
    let mut data = kept.data;
    if let Some(ours) = ours {
        leave_foreign(&mut data, spec.target.creation, &ours);
    }
    // What a template made of the metadata when the values were made stays with them.
    let dress = spec.target.template.as_ref().map(|template| Dress {
        type_: kept.type_,
        labels: kept.labels,
        annotations: kept.annotations,
        finalizers: template.finalizers.clone(),
    });
    let content = Content {
        dress,
        ..Content::plain(data)
    };
    let fetched = Fetched {
        skipped: memory.skipped,
        ..Fetched::default()
    };
    Ok(write(context, snapshot, spec, metadata, &fetched, content).await)
}

/// Takes away the values that somebody else keeps in a Secret that is shared.
fn leave_foreign(data: &mut SecretMap, creation: CreationPolicy, ours: &BTreeSet<String>) {
    if !matches!(
        creation,
        CreationPolicy::Merge | CreationPolicy::CreateOrMerge
    ) {
        return;
    }
    let foreign: Vec<String> = data
        .keys()
        .filter(|key| !ours.contains(*key))
        .map(str::to_owned)
        .collect();
    for key in &foreign {
        data.remove(key);
    }
}
