//! Performs what was planned: the fetch, one write of the Secret, one of the status.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;
use kube::api::ObjectMeta;

use super::failover::{also, detour_event, told};
use super::fetch::{Fetched, Wanted, fetch};
use super::manifest;
use super::memory::Verified;
use super::observe::Snapshot;
use super::plan::{Content, Dress, Existing, Failure, Object, Write, plan_write};
use super::render::content;
use super::restrain::{Stop, restrained};
use super::status::{self, Outcome};
use crate::api;
use crate::api::v1::CreationPolicy;
use crate::api::well_known::PARTIAL_SYNC_ANNOTATION;
use crate::cluster::events::Occurrence;
use crate::cluster::request::Error;
use crate::cluster::secret_object::{Stored, Version};
use crate::controllers::Context;
use crate::controllers::generated;
use crate::model::external_secret::ExternalSecret;
use crate::model::hash;
use crate::secret::SecretMap;

/// Wait before a pass that lost a race is made again.
pub(super) const RACE_WAIT: Duration = Duration::from_millis(200);

/// How a pass ended.
pub(super) enum Ended {
    /// With this to say in the status, and in Events.
    Told(Outcome, Vec<Occurrence>),
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
    let annotations = metadata.annotations.as_ref();
    let partial = annotations
        .and_then(|all| all.get(PARTIAL_SYNC_ANNOTATION))
        .is_some_and(|value| value == "true");
    let wanted = Wanted {
        not_before,
        partial,
        owner: Some(owner(snapshot)),
    };
    let mut fetched = match fetch(context, spec, snapshot.sources.stores(), wanted).await {
        Ok(fetched) => fetched,
        Err(failure) => return Ended::Failed(failure),
    };
    let data = std::mem::take(&mut fetched.data);
    let records = std::mem::take(&mut fetched.made);
    let ended = bring(context, snapshot, spec, metadata, &fetched, data).await;
    match (ended, &fetched.failed) {
        (Ended::Told(outcome, mut occurrences), failed) => {
            generated::settle(context, &spec.namespace, &records).await;
            occurrences.extend(detour_event(context, &snapshot.key, &fetched.detours));
            let remark = told(&fetched.detours);
            match failed {
                None => Ended::Told(remarked(outcome, remark), occurrences),
                Some(failure) => Ended::Failed(also(failure.clone(), remark)),
            }
        }
        (ended, _) => {
            generated::discard(context, &spec.namespace, &records).await;
            ended
        }
    }
}

fn remarked(mut outcome: Outcome, said: Option<String>) -> Outcome {
    if let Outcome::Synced { remark, .. } = &mut outcome {
        *remark = said;
    }
    outcome
}

/// Brings the target in line with the values that were fetched.
async fn bring(
    context: &Context,
    snapshot: &Snapshot,
    spec: &ExternalSecret,
    metadata: &ObjectMeta,
    fetched: &Fetched,
    data: SecretMap,
) -> Ended {
    if let Some(manifest) = &spec.target.manifest {
        if let Some(failure) = &fetched.failed {
            return Ended::Failed(failure.clone());
        }
        let object = object(snapshot, spec, metadata);
        if data.is_empty() && fetched.found_nothing {
            let (reason, message) = (status::RESOURCE_SYNCED, status::RETAINED);
            return synced(snapshot, reason, message, false, None);
        }
        return manifest::keep(context, snapshot, &object, manifest, data).await;
    }
    let content = match content(context, spec, data).await {
        Ok(content) => Content {
            keeps: fetched.keeps.clone(),
            ..content
        },
        Err(failure) => return Ended::Failed(failure),
    };
    write(context, snapshot, spec, metadata, fetched, content).await
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

/// Brings the Secret in line with `content`.
pub(super) async fn write(
    context: &Context,
    snapshot: &Snapshot,
    spec: &ExternalSecret,
    metadata: &ObjectMeta,
    fetched: &Fetched,
    content: Content,
) -> Ended {
    let skipped = skipped_event(context, snapshot, fetched);
    if is_unchanged(context, snapshot, &content) {
        context.brake.withdraw(&snapshot.key);
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
        Ok(Err(Stop::Failed(failure))) => Ended::Failed(failure),
        Ok(Err(Stop::Later(wait))) => Ended::Raced(wait),
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
) -> Result<Result<Written, Stop>, Error> {
    let (namespace, name) = (&spec.namespace, &spec.target.name);
    let manager = hash::field_manager(&spec.name);
    let object = object(snapshot, spec, metadata);
    let unknown = snapshot.target().is_none();
    if unknown && spec.target.creation != CreationPolicy::Merge {
        let created = create(context, snapshot, &object, &manager, &content).await?;
        if let Some(ended) = created {
            return Ok(ended);
        }
    }
    let stored = context.objects.read(namespace, name).await?;
    let existing = stored.as_ref().map(|stored| existing(stored, &manager));
    let dress = content.dress.clone();
    let planned = plan_write(
        &object,
        content.duplicate(),
        existing.as_ref(),
        context.consent,
    );
    let planned = planned.map_err(Stop::Failed).and_then(|write| {
        restrained(
            context,
            snapshot,
            &object,
            content,
            existing.as_ref(),
            write,
        )
    });
    drop(existing);
    let (write, held) = match planned {
        Ok(planned) => planned,
        Err(stop) => return Ok(Err(stop)),
    };
    let written = perform(context, snapshot, spec, &manager, stored, write, dress).await?;
    Ok(held.map_or(Ok(written), |failure| Err(Stop::Failed(failure))))
}

/// Creates a Secret that the cache does not know; `None` where there is one all the same.
async fn create(
    context: &Context,
    snapshot: &Snapshot,
    object: &Object<'_>,
    manager: &str,
    content: &Content,
) -> Result<Option<Result<Written, Stop>>, Error> {
    let (namespace, name) = (&object.spec.namespace, &object.spec.target.name);
    let planned = plan_write(object, content.duplicate(), None, context.consent);
    let desired = match planned {
        Ok(Write::Create(desired)) => desired,
        Ok(Write::Nothing(reason, message)) if reason == status::SECRET_SYNCED => {
            return Ok(Some(Ok(nothing(reason, message))));
        }
        Ok(_) => return Ok(None),
        Err(failure) => return Ok(Some(Err(Stop::Failed(failure)))),
    };
    let created = context.objects.create(namespace, name, manager, &desired);
    let version = match created.await {
        Ok(version) => version,
        Err(error) if error.is_conflict() => return Ok(None),
        Err(error) => return Err(error),
    };
    let data_hash = hash::data(&desired.data);
    remember(context, snapshot, version, data_hash, content.dress.clone());
    let told = Occurrence::normal("Created", "secret created");
    Ok(Some(Ok(changed(told))))
}

async fn perform(
    context: &Context,
    snapshot: &Snapshot,
    spec: &ExternalSecret,
    manager: &str,
    stored: Option<Stored>,
    planned: Write,
    dress: Option<Dress>,
) -> Result<Written, Error> {
    let (namespace, name) = (&spec.namespace, &spec.target.name);
    let written = match (planned, stored) {
        (Write::Create(desired), _) => {
            let version = context
                .objects
                .create(namespace, name, manager, &desired)
                .await?;
            remember(context, snapshot, version, hash::data(&desired.data), dress);
            changed(Occurrence::normal("Created", "secret created"))
        }
        (Write::Replace(desired), Some(stored)) => {
            let version = context.objects.replace(stored, manager, &desired).await?;
            remember(context, snapshot, version, hash::data(&desired.data), dress);
            changed(Occurrence::normal("Updated", "secret updated"))
        }
        (Write::Delete(version), _) => {
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
        (Write::Nothing(reason, message), stored) => {
            if let Some(stored) = stored {
                let hash = hash::data(&stored.content.data);
                remember(context, snapshot, version_of(&stored), hash, dress);
            }
            nothing(reason, message)
        }
        (Write::Replace(_), None) => nothing(status::SECRET_SYNCED, status::SYNCED),
    };
    Ok(written)
}

pub(super) fn object<'a>(
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

pub(super) fn existing<'a>(stored: &'a Stored, manager: &str) -> Existing<'a> {
    Existing {
        version: version_of(stored),
        content: &stored.content,
        managed: stored.managed_by(manager),
    }
}

pub(super) fn version_of(stored: &Stored) -> Version {
    Version {
        uid: stored.uid.clone(),
        resource_version: stored.resource_version.clone(),
    }
}

pub(super) fn remember(
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
        remark: None,
    };
    Ended::Told(outcome, occurrence.into_iter().collect())
}
