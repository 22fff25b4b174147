//! Brings a materialised Secret in line: at most one write, and none if nothing changed.

use jiff::Timestamp;

use super::demand::{Key, Needed};
use super::pass::{Failure, Memory, Work};
use super::plan;
use crate::api::well_known::{DATA_HASH_ANNOTATION, MATERIALISED_CHANGED_ANNOTATION};
use crate::cluster::request::Error;
use crate::cluster::secret_object::{Desired, Stored, Version};
use crate::model::hash;
use crate::secret::SecretMap;

/// Field manager of materialised Secrets.
const MANAGER: &str = "latchkey";

/// Writes what was fetched, unless the Secret is that already.
pub(super) async fn write(
    work: &Work,
    key: &Key,
    needed: &Needed,
    data: SecretMap,
    now: Timestamp,
) -> Result<Memory, Failure> {
    if data.is_empty() {
        return Err(Failure::told(
            "the store has none of the keys that are asked for",
        ));
    }
    if let Some(trouble) = plan::size_trouble(&data) {
        return Err(Failure::told(trouble));
    }
    let objects = &work.context.objects;
    if work.target.is_none() {
        let wanted = first(work, needed, data.duplicate(), now);
        match objects.create(&key.0, &key.1, MANAGER, &wanted).await {
            Ok(version) => return Ok(remembered(version, &wanted, now)),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
    }
    match objects.read(&key.0, &key.1).await? {
        None => {
            let wanted = first(work, needed, data, now);
            let version = objects.create(&key.0, &key.1, MANAGER, &wanted).await?;
            Ok(remembered(version, &wanted, now))
        }
        Some(stored) => {
            let digest = hash::data(&data);
            let annotations = &stored.content.annotations;
            let changed = plan::changed(annotations, work.memory.digest.as_deref(), &digest, now);
            let wanted = plan::desired(needed, data, changed);
            let (version, wanted) = settle(work, key, needed, stored, wanted).await?;
            Ok(remembered(version, &wanted, now))
        }
    }
}

/// Reads the Secret and mends all but its values; `None` where those must be fetched.
pub(super) async fn verify(
    work: &Work,
    key: &Key,
    needed: &Needed,
) -> Result<Option<Memory>, Failure> {
    let Some(stored) = work.context.objects.read(&key.0, &key.1).await? else {
        return Ok(None);
    };
    let digest = hash::data(&stored.content.data);
    let annotations = &stored.content.annotations;
    let recorded = annotations.get(DATA_HASH_ANNOTATION) == Some(&digest);
    let known = work
        .memory
        .digest
        .as_ref()
        .is_none_or(|known| *known == digest);
    let believed = plan::is_believed(key, annotations, &work.options.keys);
    if !(recorded && known && believed) || stored.is_terminating() {
        return Ok(None);
    }
    let now = work.context.now();
    let changed = annotations.get(MATERIALISED_CHANGED_ANNOTATION).cloned();
    let wanted = plan::desired(needed, stored.content.data.duplicate(), changed);
    let (version, wanted) = settle(work, key, needed, stored, wanted).await?;
    let at = work.memory.refreshed_at.unwrap_or(now);
    Ok(Some(remembered(version, &wanted, at)))
}

/// A Secret that comes back with other data than it was deleted with has changed.
fn first(work: &Work, needed: &Needed, data: SecretMap, now: Timestamp) -> Desired {
    let digest = hash::data(&data);
    let known = work.memory.digest.as_deref();
    let changed = plan::changed(&std::collections::BTreeMap::new(), known, &digest, now);
    plan::desired(needed, data, changed)
}

/// Replaces the Secret where it is not what is wanted. Its type cannot be changed, so a Secret of another
/// type is made anew.
async fn settle(
    work: &Work,
    key: &Key,
    needed: &Needed,
    stored: Stored,
    mut wanted: Desired,
) -> Result<(Version, Desired), Error> {
    let objects = &work.context.objects;
    let present = Version {
        uid: stored.uid.clone(),
        resource_version: stored.resource_version.clone(),
    };
    wanted.owners = plan::owners(&stored.content.owners, needed);
    let other_type = wanted.type_.is_some() && wanted.type_ != stored.content.type_;
    if other_type || stored.content.immutable {
        objects.delete(&key.0, &key.1, &present).await?;
        let version = objects.create(&key.0, &key.1, MANAGER, &wanted).await?;
        return Ok((version, wanted));
    }
    wanted.type_.clone_from(&stored.content.type_);
    if stored.content == wanted {
        return Ok((present, wanted));
    }
    let version = objects.replace(stored, MANAGER, &wanted).await?;
    Ok((version, wanted))
}

fn remembered(version: Version, written: &Desired, at: Timestamp) -> Memory {
    Memory {
        refreshed_at: Some(at),
        verified: Some(version),
        digest: written.annotations.get(DATA_HASH_ANNOTATION).cloned(),
        owners: written
            .owners
            .iter()
            .map(|owner| owner.uid.clone())
            .collect(),
        ..Memory::default()
    }
}
