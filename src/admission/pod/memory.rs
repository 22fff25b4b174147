//! A pod whose values stand in its memory and in no Secret.
//!
//! Volumes made of aliases become empty ones in memory, which an agent in the pod fills. What it is told
//! stands in its arguments, so that nobody can change it later.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::api::well_known::{ALIAS_PREFIX, POD_INLINE_ANNOTATION, POD_MODE_ANNOTATION};
use crate::model::complaint::Complaint;
use crate::model::external_secret::ExternalSecret;
use crate::model::pod_injection::memory::{
    AGENT_COMMAND, AGENT_NAME, AUDIENCE, Agent, Delivery, SecretVolume, TOKEN_FILE, TOKEN_FOLDER,
    TOKEN_VOLUME, TRUST_VARIABLE, VOLUMES_ROOT, check_path, refresh_seconds,
};
use crate::model::pod_injection::{
    Injection, Place, Pod, Source, Use, VolumePart, is_injected_name,
};

use super::inline::references;
use super::patch::Operation;
use super::plan::{Plan, Surroundings};

/// Largest volume: two times the largest Secret, for the moment of a change, and room to spare.
const SIZE_LIMIT: &str = "4Mi";
/// Life of the agent's token: the shortest that Kubernetes gives.
const TOKEN_SECONDS: u32 = 600;
/// The agent's user where the pod would have it run as root.
const AGENT_USER: i64 = 65532;
/// A day: an agent that waits for a store is not restarted, for it would wait longer and longer.
const STARTUP_TRIES: u32 = 86_400;
/// The binary in the agent's image.
const PROGRAM: &str = "/latchkey";

/// What agents are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct AgentParts<'w> {
    /// Image with this binary.
    pub(super) image: &'w str,
    /// Address of this server, without a path.
    pub(super) server: &'w str,
    /// The CAs of this server in PEM.
    pub(super) trust: &'w str,
}

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
    let agent = pod.agent();
    let mut plan = Plan {
        is_in_memory: true,
        ..Plan::default()
    };
    let mut complaints = inline_complaints(pod, injection)?;
    let refreshes = name_all(&mut plan, pod, injection, surroundings, &mut complaints);
    let told = agent.iter().flat_map(|agent| &agent.deliveries);
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
        operations.extend(place_agent(pod, agent.as_ref(), &deliveries, parts));
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
            Source::Spec(spec) => keys
                .names(namespace, pod.account(), alias, spec)
                .collect(),
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
        complaints.extend(places.iter().filter_map(|used| place_complaint(alias, used)));
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

/// The users that the containers with these volumes say they run as.
fn users(pod: &Pod<'_>, kept: &BTreeSet<&str>) -> BTreeSet<Option<i64>> {
    let mounts = pod.volume_mounts().into_iter();
    mounts
        .filter(|mount| kept.contains(mount.volume))
        .map(|mount| mount.user)
        .collect()
}

/// The one user, other than root, of all of them.
fn one_user(users: &BTreeSet<Option<i64>>) -> Option<i64> {
    match users.iter().collect::<Vec<_>>()[..] {
        [Some(user)] if *user != 0 => Some(*user),
        _ => None,
    }
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

/// Puts the agent first, so that other init containers see its files too, or tells it anew.
fn place_agent(
    pod: &Pod<'_>,
    present: Option<&Agent<'_>>,
    deliveries: &[Delivery],
    parts: AgentParts<'_>,
) -> Vec<Operation> {
    if let Some(agent) = present {
        if agent.deliveries == deliveries {
            return Vec::new();
        }
        return vec![Operation::Replace {
            path: format!("/spec/initContainers/{}", agent.index),
            value: container(pod, agent.name, agent.token_volume, deliveries, parts),
        }];
    }
    let name = free(AGENT_NAME, pod.container_names().collect());
    let token_volume = free(TOKEN_VOLUME, pod.volume_names().map(|(_, n)| n).collect());
    let token = json!({
        "name": token_volume,
        "projected": {"sources": [{"serviceAccountToken": {
            "audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": TOKEN_FILE}}]},
    });
    let agent = container(pod, &name, &token_volume, deliveries, parts);
    vec![
        Operation::Add {
            path: "/spec/volumes/-".to_owned(),
            value: token,
        },
        added_first(pod, agent),
    ]
}

fn added_first(pod: &Pod<'_>, agent: Value) -> Operation {
    if pod.has_init_containers() {
        Operation::Add {
            path: "/spec/initContainers/0".to_owned(),
            value: agent,
        }
    } else {
        Operation::Add {
            path: "/spec/initContainers".to_owned(),
            value: json!([agent]),
        }
    }
}

/// `stem`, with a number behind it where that is taken.
fn free(stem: &str, taken: BTreeSet<&str>) -> String {
    let numbered = (2..).map(|number| format!("{stem}-{number}"));
    let mut names = std::iter::once(stem.to_owned()).chain(numbered);
    names
        .find(|name| !taken.contains(name.as_str()))
        .expect("there are more names than containers")
}

fn container(
    pod: &Pod<'_>,
    name: &str,
    token_volume: &str,
    deliveries: &[Delivery],
    parts: AgentParts<'_>,
) -> Value {
    let kept: BTreeSet<&str> = deliveries.iter().map(|d| d.volume.as_str()).collect();
    let mut args: Vec<String> = AGENT_COMMAND.map(str::to_owned).to_vec();
    args.push(format!("--server={}", parts.server));
    args.extend(deliveries.iter().map(Delivery::argument));
    let mut mounts: Vec<Value> = kept
        .iter()
        .map(|volume| json!({"name": volume, "mountPath": format!("{VOLUMES_ROOT}/{volume}")}))
        .collect();
    mounts.push(json!({"name": token_volume, "mountPath": TOKEN_FOLDER, "readOnly": true}));
    let mut security = json!({
        "runAsNonRoot": true,
        "readOnlyRootFilesystem": true,
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    if let Some(user) = user(pod, &kept) {
        security["runAsUser"] = user.into();
    }
    json!({
        "name": name,
        "image": parts.image,
        "command": [PROGRAM],
        "args": args,
        "env": [{"name": TRUST_VARIABLE, "value": parts.trust}],
        "restartPolicy": "Always",
        "startupProbe": {
            "exec": {"command": [PROGRAM, "agent", "ready"]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": STARTUP_TRIES,
        },
        "resources": {
            "requests": {"cpu": "5m", "memory": "16Mi"},
            "limits": {"memory": "128Mi"},
        },
        "volumeMounts": mounts,
        "securityContext": security,
    })
}

/// The agent's user, where it must be said: files are to belong to whoever reads them. The image's own
/// user is not root.
fn user(pod: &Pod<'_>, kept: &BTreeSet<&str>) -> Option<i64> {
    match (one_user(&users(pod, kept)), pod.user()) {
        (Some(user), of_pod) => (of_pod != Some(user)).then_some(user),
        (None, Some(0)) => Some(AGENT_USER),
        (None, _) => None,
    }
}

/// Plans an update of a pod with an agent: what a manifest still says of its volumes becomes what the live
/// pod says. `whole` is the live pod with all its fields.
pub(super) fn restore<'p>(old: &Pod<'_>, whole: &Value, pod: &'p Pod<'_>) -> Plan<'p> {
    let mut plan = Plan {
        is_in_memory: true,
        ..Plan::default()
    };
    let Some(agent) = old.agent() else {
        return plan;
    };
    for (key, _) in old.metadata.annotations() {
        let Some(alias) = key.strip_prefix(ALIAS_PREFIX) else {
            continue;
        };
        let mut told = agent.deliveries.iter().map(|delivery| &delivery.name);
        if let Some(name) = told.find(|name| is_injected_name(name, alias)) {
            plan.names.insert(alias.to_owned(), name.clone());
        }
    }
    let volumes = agent.deliveries.iter().map(|d| d.volume.as_str());
    let kept: BTreeSet<&str> = volumes.collect();
    plan.memory = restored_volumes(old, whole, pod, &kept, agent.token_volume);
    plan.memory.extend(read_only(pod, &kept));
    if pod.agent().is_none() {
        let live = whole["spec"]["initContainers"][agent.index].clone();
        plan.memory.push(added_first(pod, live));
    }
    plan
}

fn restored_volumes(
    old: &Pod<'_>,
    whole: &Value,
    pod: &Pod<'_>,
    kept: &BTreeSet<&str>,
    token_volume: &str,
) -> Vec<Operation> {
    let of_secrets: BTreeSet<usize> = pod.secret_volumes().iter().map(|v| v.index).collect();
    let mut has_list = pod.has_volumes();
    let mut operations = Vec::new();
    let ours = |name: &str| kept.contains(name) || name == token_volume;
    for (index, name) in old.volume_names().filter(|(_, name)| ours(name)) {
        let live = &whole["spec"]["volumes"][index];
        match pod.volume_names().find(|(_, present)| *present == name) {
            Some((present, _)) if of_secrets.contains(&present) => {
                operations.push(Operation::Replace {
                    path: format!("/spec/volumes/{present}"),
                    value: live.clone(),
                });
            }
            Some(_) => {}
            None if has_list => operations.push(Operation::Add {
                path: "/spec/volumes/-".to_owned(),
                value: live.clone(),
            }),
            None => {
                has_list = true;
                operations.push(Operation::Add {
                    path: "/spec/volumes".to_owned(),
                    value: json!([live]),
                });
            }
        }
    }
    operations
}
