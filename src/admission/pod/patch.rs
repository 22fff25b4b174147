//! A plan as JSON Patch (RFC 6902).
//!
//! Operations are made from positions in the object as it came. Nothing that was parsed is written
//! back, so what latchkey does not know stays as it is.

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::well_known::{INJECTED_LABEL, POD_STATUS_ANNOTATION};
use crate::model::pod_injection::Pod;

use super::plan::Plan;

#[derive(Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Operation {
    Add { path: String, value: Value },
    Replace { path: String, value: Value },
}

/// The operations as JSON, or `None` if the pod is as it should be.
pub(super) fn operations(pod: &Pod<'_>, plan: &Plan<'_>) -> Option<Vec<u8>> {
    let mut operations: Vec<Operation> = plan
        .rewrites
        .iter()
        .map(|(place, name)| Operation::Replace {
            path: place.pointer(),
            value: name.as_str().into(),
        })
        .collect();
    if !plan.names.is_empty() {
        let metadata = &pod.metadata;
        let label = metadata.label(INJECTED_LABEL);
        let has_labels = metadata.labels.is_some();
        operations.extend(set("labels", has_labels, label, INJECTED_LABEL, "true"));
        let status = serde_json::to_string(&plan.names).expect("a map of text must be JSON");
        operations.extend(set(
            "annotations",
            metadata.annotations.is_some(),
            metadata.annotation(POD_STATUS_ANNOTATION),
            POD_STATUS_ANNOTATION,
            &status,
        ));
    }
    if operations.is_empty() {
        return None;
    }
    Some(serde_json::to_vec(&operations).expect("operations must be JSON"))
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
