//! A plan as JSON Patch (RFC 6902).
//!
//! Operations are made from positions in the object as it came. Nothing that was parsed is written
//! back, so what latchkey does not know stays as it is.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::well_known::{INJECTED_LABEL, POD_INLINE_RECORD_ANNOTATION, POD_STATUS_ANNOTATION};
use crate::model::pod_injection::{INLINE_ALIAS, Pod, record};

use super::inline::{Change, Edit, Source};
use super::plan::Plan;

/// Bytes of an operation, most of the time at least.
const TYPICAL_OPERATION: usize = 160;

#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(super) enum Operation {
    Add { path: String, value: Value },
    Remove { path: String },
    Replace { path: String, value: Value },
}

/// The operations as JSON, or `None` if the pod is as it should be.
pub(super) fn operations(pod: &Pod<'_>, plan: &mut Plan<'_>) -> Option<Vec<u8>> {
    let mut operations: Vec<Operation> = plan
        .rewrites
        .iter()
        .map(|(place, name)| Operation::Replace {
            path: place.pointer(),
            value: name.as_str().into(),
        })
        .collect();
    operations.extend(edits(&plan.edits));
    operations.append(&mut plan.memory);
    if plan.secrets().next().is_some() {
        let metadata = &pod.metadata;
        let label = metadata.label(INJECTED_LABEL);
        let has_labels = metadata.labels.is_some();
        operations.extend(set("labels", has_labels, label, INJECTED_LABEL, "true"));
        let annotate = |key: &str, value: &str| {
            let has_annotations = metadata.annotations.is_some();
            set(
                "annotations",
                has_annotations,
                metadata.annotation(key),
                key,
                value,
            )
        };
        operations.extend(annotate(POD_STATUS_ANNOTATION, &status(plan)));
        if !plan.inline.is_empty() {
            operations.extend(annotate(POD_INLINE_RECORD_ANNOTATION, &inline_record(plan)));
        }
    }
    if operations.is_empty() {
        return None;
    }
    let mut patch = Vec::with_capacity(operations.len() * TYPICAL_OPERATION);
    serde_json::to_writer(&mut patch, &operations).expect("operations must be JSON");
    Some(patch)
}

/// The operations on variables. Positions shift within a container by what was added before.
fn edits(edits: &[Edit<'_>]) -> Vec<Operation> {
    let mut operations = Vec::new();
    let mut container = None;
    let mut shift = 0;
    for edit in edits {
        if container != Some(edit.container) {
            container = Some(edit.container);
            shift = 0;
        }
        let list = format!("{}/env", edit.container.pointer());
        match &edit.change {
            Change::Source(source) => {
                let variable = format!("{list}/{}", edit.index + shift);
                operations.push(Operation::Remove {
                    path: format!("{variable}/value"),
                });
                operations.push(Operation::Add {
                    path: format!("{variable}/valueFrom"),
                    value: value_from(source),
                });
            }
            Change::Text { added, value } => {
                for (name, source) in added {
                    operations.push(Operation::Add {
                        path: format!("{list}/{}", edit.index + shift),
                        value: json!({ "name": name, "valueFrom": value_from(source) }),
                    });
                    shift += 1;
                }
                operations.push(Operation::Replace {
                    path: format!("{list}/{}/value", edit.index + shift),
                    value: value.as_str().into(),
                });
            }
        }
    }
    operations
}

fn value_from(source: &Source) -> Value {
    json!({ "secretKeyRef": { "name": source.secret, "key": source.key } })
}

/// Alias to name, for people and tools.
fn status(plan: &Plan<'_>) -> String {
    let mut status: BTreeMap<&str, Value> = plan
        .names
        .iter()
        .map(|(alias, name)| (alias.as_str(), name.as_str()))
        .map(|(alias, name)| {
            let shown = if plan.is_in_memory { "memory" } else { name };
            (alias, shown.into())
        })
        .collect();
    if !plan.inline.is_empty() {
        let names: Vec<&String> = plan.inline.keys().collect();
        status.insert(INLINE_ALIAS, json!(names));
    }
    serde_json::to_string(&status).expect("a map of text must be JSON")
}

/// What the reconciler makes the Secrets of in-line references from.
fn inline_record(plan: &Plan<'_>) -> String {
    let entries = plan.inline.iter();
    let record: BTreeMap<&String, Vec<String>> = entries
        .map(|(name, (remote, properties))| (name, record(remote, properties)))
        .collect();
    serde_json::to_string(&record).expect("a map of text must be JSON")
}

/// Sets a key of a map of the metadata; a map that is absent is added whole.
fn set(
    map: &str,
    has_map: bool,
    present: Option<&str>,
    key: &str,
    value: &str,
) -> Option<Operation> {
    let path = format!("/metadata/{map}/{}", escaped(key));
    match present {
        Some(present) if present == value => None,
        Some(_) => Some(Operation::Replace {
            path,
            value: value.into(),
        }),
        None if has_map => Some(Operation::Add {
            path,
            value: value.into(),
        }),
        None => Some(Operation::Add {
            path: format!("/metadata/{map}"),
            value: json!({ key: value }),
        }),
    }
}

/// A key as part of a JSON Pointer (RFC 6901).
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
