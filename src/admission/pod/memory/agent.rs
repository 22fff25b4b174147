//! The agent's container.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Operation;
use crate::model::pod_injection::Pod;
use crate::model::pod_injection::memory::{
    AGENT_COMMAND, AGENT_NAME, AUDIENCE, Agent, Delivery, TOKEN_FILE, TOKEN_FOLDER, TOKEN_VOLUME,
    TRUST_VARIABLE, VOLUMES_ROOT,
};

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
pub(in super::super) struct AgentParts<'w> {
    /// Image with this binary.
    pub(in super::super) image: &'w str,
    /// Address of this server, without a path.
    pub(in super::super) server: &'w str,
    /// The CAs of this server in PEM.
    pub(in super::super) trust: &'w str,
}

/// The users that the containers with these volumes say they run as.
pub(super) fn users(pod: &Pod<'_>, kept: &BTreeSet<&str>) -> BTreeSet<Option<i64>> {
    let mounts = pod.volume_mounts().into_iter();
    mounts
        .filter(|mount| kept.contains(mount.volume))
        .map(|mount| mount.user)
        .collect()
}

/// The one user, other than root, of all of them.
pub(super) fn one_user(users: &BTreeSet<Option<i64>>) -> Option<i64> {
    match users.iter().collect::<Vec<_>>()[..] {
        [Some(user)] if *user != 0 => Some(*user),
        _ => None,
    }
}

/// Puts the agent first, so that other init containers see its files too, or tells it anew.
pub(super) fn place(
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
    let name = free(AGENT_NAME, pod.container_names());
    let token_volume = free(TOKEN_VOLUME, pod.volume_names().map(|(_, name)| name));
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

pub(super) fn added_first(pod: &Pod<'_>, agent: Value) -> Operation {
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
fn free<'t>(stem: &str, taken: impl Iterator<Item = &'t str>) -> String {
    let taken: BTreeSet<&str> = taken.collect();
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
