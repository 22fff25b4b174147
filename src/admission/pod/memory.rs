//! A pod whose values stand in its memory and in no Secret.
//!
//! Volumes made of aliases become empty ones in memory, which an agent in the pod fills. What it is told
//! stands in its arguments, so that nobody can change it later.

mod agent;
mod restore;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::api::well_known::{ALIAS_PREFIX, POD_INLINE_ANNOTATION, POD_MODE_ANNOTATION};
use crate::model::complaint::Complaint;
use crate::model::external_secret::ExternalSecret;
use crate::model::pod_injection::memory::{Delivery, SecretVolume, check_path, refresh_seconds};
use crate::model::pod_injection::{Injection, Place, Pod, Source, Use, VolumePart};

use super::inline::references;
use super::patch::Operation;
use super::plan::{Plan, Surroundings};
use agent::{one_user, users};

pub(super) use agent::AgentParts;
pub(super) use restore::restore;

/// Largest volume: two times the largest Secret, for the moment of a change, and room to spare.
const SIZE_LIMIT: &str = "4Mi";

/// Plans a new pod, which may have been through here before.
///
/// # Errors
/// Every use of an alias that cannot be served from memory.
pub(super) fn create<'p>(
    pod: &'p Pod<'_>,
    injection: &Injection,
    surroundings: &Surroundings<'_>,
    parts: AgentParts<'_>,
) -> Result<Plan<'p>, Vec<Complaint>> {
    let present = pod.agent();
    let mut plan = Plan {
        is_in_memory: true,
        ..Plan::default()
    };
    let mut complaints = inline_complaints(pod, injection)?;
    let refreshes = name_all(&mut plan, pod, injection, surroundings, &mut complaints);
    let told = present.iter().flat_map(|agent| &agent.deliveries);
    let is_known = |delivery: &&Delivery| plan.names.values().any(|name| *name == delivery.name);
    let mut deliveries: Vec<Delivery> = told.filter(is_known).cloned().collect();
    let mut operations = Vec::new();
    for volume in &pod.secret_volumes() {
        if !uses_alias(volume, &plan.names) {
            continue;
        }
        match delivered(volume, &plan.names, &refreshes, pod.has_group()) {
            Ok(found) => deliveries.extend(found),
            Err(complaint) => complaints.push(complaint),
        }
        let path = format!("/spec/volumes/{}", volume.index);
        operations.push(Operation::Remove {
            path: format!("{path}/{}", volume.member),
        });
        operations.push(Operation::Add {
            path: format!("{path}/emptyDir"),
            value: json!({ "medium": "Memory", "sizeLimit": SIZE_LIMIT }),
        });
    }
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let kept: BTreeSet<&str> = deliveries.iter().map(|d| d.volume.as_str()).collect();
    if !kept.is_empty() {
        plan.warnings.extend(unreadable(pod, &deliveries, &kept));
        operations.extend(read_only(pod, &kept));
        operations.extend(agent::place(pod, present.as_ref(), &deliveries, parts));
    }
    plan.memory = operations;
    Ok(plan)
}

fn complain(message: String) -> Complaint {
    Complaint::error(POD_MODE_ANNOTATION, message)
}

fn inline_complaints(
    pod: &Pod<'_>,
    injection: &Injection,
) -> Result<Vec<Complaint>, Vec<Complaint>> {
    if !injection.settings.inline {
        return Ok(Vec::new());
    }
    let (_, places) = references(pod)?.groups();
    let places = places.values().map(|place| {
        complain(format!(
            "{place} has a secret:// reference in a variable, which would have to be kept in a Secret; in memory \
             only files are served: declare an alias and mount it as a volume, or remove \
             {POD_INLINE_ANNOTATION}"
        ))
    });
    Ok(places.collect())
}

/// Gives every alias that is used its name, and answers how often each is fetched.
fn name_all(
    plan: &mut Plan<'_>,
    pod: &Pod<'_>,
    injection: &Injection,
    surroundings: &Surroundings<'_>,
    complaints: &mut Vec<Complaint>,
) -> BTreeMap<String, u64> {
    let Surroundings {
        namespace, keys, ..
    } = *surroundings;
    let uses = pod.uses();
    let agent = pod.agent();
    let mut refreshes = BTreeMap::new();
    for (alias, source) in &injection.aliases {
        let places: Vec<&Use<'_>> = uses.iter().filter(|used| used.secret == alias).collect();
        let names: Vec<String> = match source {
            Source::Spec(spec) => keys.names(namespace, pod.account(), alias, spec).collect(),
            Source::ExternalSecret(_) => Vec::new(),
        };
        let mut told = agent.iter().flat_map(|agent| &agent.deliveries);
        let standing = told.find(|delivery| names.contains(&delivery.name));
        let key = format!("{ALIAS_PREFIX}{alias}");
        if places.is_empty() && standing.is_none() {
            plan.warnings
                .push(format!("{key}: nothing in the pod uses the alias"));
            plan.unused.push(key);
            continue;
        }
        let Source::Spec(spec) = source else {
            complaints.push(Complaint::error(
                key,
                format!(
                    "an ExternalSecret keeps its values in a Secret, which {POD_MODE_ANNOTATION} \"memory\" is to \
                     avoid; write secret://… or the spec itself, or remove {POD_MODE_ANNOTATION}"
                ),
            ));
            continue;
        };
        complaints.extend(
            places
                .iter()
                .filter_map(|used| place_complaint(alias, used)),
        );
        let asker = places.first().map_or_else(
            || format!("alias {alias}"),
            |used| format!("alias {alias} ({})", used.place),
        );
        let name = standing.map_or_else(|| names[0].clone(), |delivery| delivery.name.clone());
        plan.demand(namespace, spec, &name, &asker, false);
        if let Ok(parsed) = ExternalSecret::parse(namespace, alias, spec) {
            refreshes.insert(alias.clone(), refresh_seconds(parsed.refresh));
        }
        plan.names.insert(alias.clone(), name);
    }
    refreshes
}

fn place_complaint(alias: &str, used: &Use<'_>) -> Option<Complaint> {
    let why = match used.place {
        Place::Volume {
            part: VolumePart::Secret | VolumePart::Projected(_),
            ..
        } => return None,
        Place::Volume { .. } | Place::PullSecret { .. } => "the kubelet reads it from a Secret",
        Place::Variable { .. } | Place::Variables { .. } => {
            "a variable would have to be kept in a Secret"
        }
    };
    Some(complain(format!(
        "{} uses alias {alias}, and {why}; in memory only files are served: mount the alias as a volume and read \
         the file, or remove the annotation",
        used.place
    )))
}

fn uses_alias(volume: &SecretVolume<'_>, names: &BTreeMap<String, String>) -> bool {
    let mut sources = volume.sources.iter();
    sources.any(|source| names.contains_key(source.secret))
}

/// What the agent is told of a volume.
fn delivered(
    volume: &SecretVolume<'_>,
    names: &BTreeMap<String, String>,
    refreshes: &BTreeMap<String, u64>,
    has_group: bool,
) -> Result<Vec<Delivery>, Complaint> {
    // As the kubelet does where the pod has a group for its files.
    let readable = |mode: u32| if has_group { mode | 0o440 } else { mode };
    let mut deliveries = Vec::new();
    for source in &volume.sources {
        let (false, Some(name)) = (volume.is_mixed, names.get(source.secret)) else {
            return Err(complain(format!(
                "volume {} joins an alias with what is no alias; in memory a volume holds aliases only: give \
                 the alias a volume of its own, or remove the annotation",
                volume.name
            )));
        };
        let mut items = source.items.clone();
        for item in &mut items {
            check_path(&item.path)
                .map_err(|problem| complain(format!("volume {}: {problem}", volume.name)))?;
            item.mode = item.mode.map(readable);
        }
        deliveries.push(Delivery {
            name: name.clone(),
            volume: volume.name.to_owned(),
            mode: readable(volume.mode),
            items,
            optional: source.optional,
            refresh: refreshes.get(source.secret).copied().unwrap_or_default(),
        });
    }
    Ok(deliveries)
}

/// Containers cannot write to a volume made of a Secret, nor to one that takes its place.
fn read_only(pod: &Pod<'_>, kept: &BTreeSet<&str>) -> Vec<Operation> {
    let mounts = pod.volume_mounts().into_iter();
    mounts
        .filter(|mount| kept.contains(mount.volume) && !mount.is_read_only)
        .map(|mount| Operation::Add {
            path: format!("{}/readOnly", mount.pointer),
            value: true.into(),
        })
        .collect()
}

/// Volumes with files that a container may not be able to read.
fn unreadable(pod: &Pod<'_>, deliveries: &[Delivery], kept: &BTreeSet<&str>) -> Vec<String> {
    if pod.has_group() || one_user(&users(pod, kept)).is_some() {
        return Vec::new();
    }
    let is_private = |mode: u32| mode & 0o004 == 0;
    let private = deliveries.iter().filter(|delivery| {
        let mut modes = delivery.items.iter().map(|item| item.mode);
        is_private(delivery.mode) || modes.any(|mode| mode.is_some_and(is_private))
    });
    let volumes: BTreeSet<&str> = private.map(|delivery| delivery.volume.as_str()).collect();
    let told = volumes.iter().map(|volume| {
        format!(
            "volume {volume}: its mode lets only the agent read; set the pod's fsGroup, or runAsUser"
        )
    });
    told.collect()
}
