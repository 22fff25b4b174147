//! Performs what was planned: the fetch, one write of the Secret, one of the status.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;
use kube::api::ObjectMeta;

use super::fetch::{Fetched, fetch};
use super::memory::Verified;
use super::observe::Snapshot;
use super::plan::{Content, Dress, Existing, Failure, Object, Write, plan_write};
use super::render::content;
use super::status::{self, Outcome};
use crate::api;
use crate::api::v1::CreationPolicy;
use crate::api::well_known::{DATA_HASH_ANNOTATION, MANAGED_LABEL};
use crate::cluster::events::Occurrence;
use crate::cluster::request::Error;
use crate::cluster::secret_object::{Stored, Version};
use crate::controllers::Context;
use crate::controllers::generated;
use crate::model::external_secret::ExternalSecret;
use crate::model::hash;
use crate::secret::SecretMap;

/// Wait before a pass that lost a race is made again.
const RACE_WAIT: Duration = Duration::from_millis(200);

/// How a pass ended.
pub(super) enum Ended {
    /// With this to say in the status.
    Told(Outcome, Option<Occurrence>),
    /// Without a Secret as it should be; whatever stands there was left alone.
    Failed(Failure),
    /// Somebody else wrote at the same time; try again soon.
    Raced(Duration),
}

/// Fetches and brings the Secret in line.
pub(super) async fn refresh(
    context: &Context,
    snapshot: &Snapshot,
    metadata: &ObjectMeta,
    not_before: Timestamp,
) -> Ended {
    let Ok(spec) = &snapshot.parsed else {
        return Ended::Failed(Failure::lasting("the ExternalSecret cannot be served", ""));
    };
    let owner = owner(snapshot);
    let stores = snapshot.sources.stores();
    let mut fetched = match fetch(context, spec, stores, Some(owner), not_before).await {
        Ok(fetched) => fetched,
        Err(failure) => return Ended::Failed(failure),
    };
    let data = std::mem::take(&mut fetched.data);
    let ended = match content(context, spec, data).await {
        Ok(content) => write(context, snapshot, spec, metadata, &fetched, content).await,
        Err(failure) => Ended::Failed(failure),
    };
    let records = &fetched.made;
    match ended {
        Ended::Told(..) => generated::settle(context, &spec.namespace, records).await,
        Ended::Failed(_) | Ended::Raced(_) => {
            generated::discard(context, &spec.namespace, records).await;
        }
    }
    ended
}

/// The object as an owner of records; they go with it.
fn owner(snapshot: &Snapshot) -> OwnerReference {
    OwnerReference {
        api_version: api::v1::ExternalSecret::api_version(&()).into_owned(),
        kind: api::v1::ExternalSecret::kind(&()).into_owned(),
        name: snapshot.key.1.clone(),
        uid: snapshot.uid.clone(),
        controller: None,
        block_owner_deletion: None,
    }
}

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

async fn write(
    context: &Context,
    snapshot: &Snapshot,
    spec: &ExternalSecret,
    metadata: &ObjectMeta,
    fetched: &Fetched,
    content: Content,
) -> Ended {
    let skipped = skipped_event(context, snapshot, fetched);
    if is_unchanged(context, snapshot, &content) {
        return synced(
            snapshot,
            status::SECRET_SYNCED,
            status::SYNCED,
            false,
            skipped,
        );
    }
    if content.is_empty_at_stores && fetched.found_nothing {
        return synced(
            snapshot,
            status::SECRET_SYNCED,
            status::RETAINED,
            false,
            skipped,
        );
    }
    match write_secret(context, snapshot, spec, metadata, content).await {
        Ok(Ok(written)) => {
            let told = written.occurrence.or(skipped);
            synced(
                snapshot,
                written.reason,
                written.message,
                written.changed,
                told,
            )
        }
        Ok(Err(failure)) => Ended::Failed(failure),
        Err(error) if error.is_conflict() => Ended::Raced(RACE_WAIT),
        Err(error) => Ended::Failed(Failure::passing(status::NOT_UPDATED, error.to_string())),
    }
}

/// Whether the very Secret that was last written or compared holds this data still, and the object is
/// the one it was made from. Then nothing has to be read.
fn is_unchanged(context: &Context, snapshot: &Snapshot, content: &Content) -> bool {
    let memory = context.memories.recall(&snapshot.key);
    memory
        .verified
        .zip(snapshot.target())
        .is_some_and(|(verified, target)| {
            verified.version == target.version
                && verified.synced_version == snapshot.version
                && verified.dress == content.dress
                && verified.data_hash == hash::data(&content.data)
        })
}

struct Written {
    reason: &'static str,
    message: &'static str,
    changed: bool,
    occurrence: Option<Occurrence>,
}

async fn write_secret(
    context: &Context,
    snapshot: &Snapshot,
    spec: &ExternalSecret,
    metadata: &ObjectMeta,
    content: Content,
) -> Result<Result<Written, Failure>, Error> {
    let (namespace, name) = (&spec.namespace, &spec.target.name);
    let manager = hash::field_manager(&spec.name);
    let object = object(snapshot, spec, metadata);
    let unknown = snapshot.target().is_none();
    let optimistic = unknown && spec.target.creation != CreationPolicy::Merge;
    if optimistic {
        match plan_write(&object, content.duplicate(), None, context.consent) {
            Ok(Write::Create(desired)) => match context
                .objects
                .create(namespace, name, &manager, &desired)
                .await
            {
                Ok(version) => {
                    remember(
                        context,
                        snapshot,
                        version,
                        hash::data(&desired.data),
                        content.dress.clone(),
                    );
                    return Ok(Ok(changed(Occurrence::normal("Created", "secret created"))));
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            },
            Ok(Write::Nothing(reason, message)) if reason == status::SECRET_SYNCED => {
                return Ok(Ok(nothing(reason, message)));
            }
            Ok(_) => {}
            Err(failure) => return Ok(Err(failure)),
        }
    }
    let stored = context.objects.read(namespace, name).await?;
    let existing = stored.as_ref().map(|stored| existing(stored, &manager));
    let dress = content.dress.clone();
    let planned = plan_write(&object, content, existing.as_ref(), context.consent);
    drop(existing);
    perform(context, snapshot, spec, &manager, stored, planned, dress).await
}

async fn perform(
    context: &Context,
    snapshot: &Snapshot,
    spec: &ExternalSecret,
    manager: &str,
    stored: Option<Stored>,
    planned: Result<Write, Failure>,
    dress: Option<Dress>,
) -> Result<Result<Written, Failure>, Error> {
    let (namespace, name) = (&spec.namespace, &spec.target.name);
    let written = match (planned, stored) {
        (Err(failure), _) => return Ok(Err(failure)),
        (Ok(Write::Create(desired)), _) => {
            let version = context
                .objects
                .create(namespace, name, manager, &desired)
                .await?;
            remember(context, snapshot, version, hash::data(&desired.data), dress);
            changed(Occurrence::normal("Created", "secret created"))
        }
        (Ok(Write::Replace(desired)), Some(stored)) => {
            let version = context.objects.replace(stored, manager, &desired).await?;
            remember(context, snapshot, version, hash::data(&desired.data), dress);
            changed(Occurrence::normal("Updated", "secret updated"))
        }
        (Ok(Write::Delete(version)), _) => {
            context.objects.delete(namespace, name, &version).await?;
            context
                .memories
                .note(&snapshot.key, |memory| memory.verified = None);
            Written {
                reason: status::SECRET_DELETED,
                message: status::DELETED,
                changed: true,
                occurrence: Some(Occurrence::normal("Deleted", status::DELETED)),
            }
        }
        (Ok(Write::Nothing(reason, message)), stored) => {
            if let Some(stored) = stored {
                let hash = hash::data(&stored.content.data);
                remember(context, snapshot, version_of(&stored), hash, dress);
            }
            nothing(reason, message)
        }
        (Ok(Write::Replace(_)), None) => nothing(status::SECRET_SYNCED, status::SYNCED),
    };
    Ok(Ok(written))
}

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

fn object<'a>(
    snapshot: &'a Snapshot,
    spec: &'a ExternalSecret,
    metadata: &'a ObjectMeta,
) -> Object<'a> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    Object {
        spec,
        uid: &snapshot.uid,
        labels: metadata.labels.as_ref().unwrap_or(&NONE),
        annotations: metadata.annotations.as_ref().unwrap_or(&NONE),
    }
}

fn existing<'a>(stored: &'a Stored, manager: &str) -> Existing<'a> {
    Existing {
        version: version_of(stored),
        content: &stored.content,
        managed: stored.managed_by(manager),
    }
}

fn version_of(stored: &Stored) -> Version {
    Version {
        uid: stored.uid.clone(),
        resource_version: stored.resource_version.clone(),
    }
}

fn remember(
    context: &Context,
    snapshot: &Snapshot,
    version: Version,
    data_hash: String,
    dress: Option<Dress>,
) {
    let verified = Verified {
        version,
        data_hash,
        dress,
        synced_version: snapshot.version.clone(),
    };
    context
        .memories
        .note(&snapshot.key, |memory| memory.verified = Some(verified));
}

/// An Event for entries the provider does not have, when they are not those told last.
fn skipped_event(context: &Context, snapshot: &Snapshot, fetched: &Fetched) -> Option<Occurrence> {
    let mut occurrence = None;
    context.memories.note(&snapshot.key, |memory| {
        if memory.skipped != fetched.skipped {
            memory.skipped.clone_from(&fetched.skipped);
            let note = format!(
                "secret does not exist at provider using {}",
                fetched.skipped.join(", ")
            );
            occurrence = (!fetched.skipped.is_empty())
                .then(|| Occurrence::normal("MissingProviderSecret", note));
        }
    });
    occurrence
}

fn changed(occurrence: Occurrence) -> Written {
    Written {
        reason: status::SECRET_SYNCED,
        message: status::SYNCED,
        changed: true,
        occurrence: Some(occurrence),
    }
}

fn nothing(reason: &'static str, message: &'static str) -> Written {
    Written {
        reason,
        message,
        changed: false,
        occurrence: None,
    }
}

fn synced(
    snapshot: &Snapshot,
    reason: &'static str,
    message: &'static str,
    written: bool,
    occurrence: Option<Occurrence>,
) -> Ended {
    let target = snapshot
        .parsed
        .as_ref()
        .ok()
        .map(|spec| spec.target.name.clone());
    let kept = reason == status::SECRET_SYNCED && message == status::SYNCED;
    let outcome = Outcome::Synced {
        reason,
        message,
        written,
        target: target.filter(|_| kept),
        version: snapshot.version.clone(),
    };
    Ended::Told(outcome, occurrence)
}
