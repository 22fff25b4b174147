//! Updates of pods with an agent.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::agent::added_first;
use super::{Operation, Plan, read_only};
use crate::api::well_known::ALIAS_PREFIX;
use crate::model::pod_injection::{Pod, is_injected_name};

/// Plans an update of a pod with an agent: what a manifest still says of its volumes becomes what the live
/// pod says. `whole` is the live pod with all its fields.
pub(in super::super) fn restore<'p>(old: &Pod<'_>, whole: &Value, pod: &'p Pod<'_>) -> Plan<'p> {
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
