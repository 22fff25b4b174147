//! What an injected pod says.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::DynamicObject;

use super::Options;
use super::demand::Waiting;
use super::restart::taken_at_start;
use crate::api::well_known::{POD_ON_CHANGE_ANNOTATION, RESTARTED_FOR_ANNOTATION};
use crate::cluster::secret_object::Owner;
use crate::controllers::repair::plan::{Surroundings, judge};
use crate::model::pod_injection::{self, Materialisation, Pod};

/// A live pod.
pub(super) struct Read {
    /// The pod.
    pub(super) waiting: Waiting,
    /// What it waits for.
    pub(super) wants: Vec<Materialisation>,
    /// Why it does not get what it asks for, if so.
    pub(super) trouble: Option<String>,
}

/// Reads a pod; `None` when it has ended. The text it is read from holds the pod's plain environment and
/// is dropped at once.
pub(super) fn read(pod: &DynamicObject, options: &Options) -> Option<Read> {
    let phase = pod.data["status"]["phase"].as_str();
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return None;
    }
    let created = pod.creation_timestamp();
    let mut waiting = Waiting {
        uid: pod.uid().unwrap_or_default(),
        owner: owner(pod),
        created: created.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        ready: is_ready(pod),
        restarted_for: pod.annotations().get(RESTARTED_FOR_ANNOTATION).cloned(),
        restarts_on: BTreeSet::new(),
    };
    let namespace = pod.namespace().unwrap_or_default();
    let text = zeroize::Zeroizing::new(serde_json::to_string(pod).unwrap_or_default());
    let Ok(read) = serde_json::from_str::<Pod<'_>>(&text) else {
        let name = pod.name_any();
        tracing::warn!(namespace, name, "Failed to read an injected pod");
        return Some(Read {
            waiting,
            wants: Vec::new(),
            trouble: None,
        });
    };
    let wants = pod_injection::recorded(&namespace, &read, &options.keys);
    let around = Surroundings {
        namespace: &namespace,
        own_namespace: &options.own_namespace,
        keys: Some(&options.keys),
    };
    let trouble = judge(&read, &pod.data["spec"], &around);
    if read.metadata.annotation(POD_ON_CHANGE_ANNOTATION) == Some("restart") {
        let taken = taken_at_start(&read, &pod.data);
        let ours = |name: &&str| wants.iter().any(|want| want.secret_name == **name);
        waiting.restarts_on = taken.into_iter().filter(ours).map(str::to_owned).collect();
    }
    Some(Read {
        waiting,
        wants,
        trouble,
    })
}

fn is_ready(pod: &DynamicObject) -> bool {
    let conditions = pod.data["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Whoever keeps the pod alive, or the pod itself: when the last owner goes, so does the Secret, even if
/// latchkey is not there any more.
fn owner(pod: &DynamicObject) -> Owner {
    let controller = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true));
    match controller {
        Some(owner) => Owner {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            controller: false,
            block_owner_deletion: false,
        },
        None => Owner {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            controller: false,
            block_owner_deletion: false,
        },
    }
}
