//! What a patch may touch.

use serde_json::{Value, json};

const INJECTED: &str = "/metadata/labels/latchkey.dev~1injected";
const ANNOTATIONS: [&str; 2] = [
    "/metadata/annotations/latchkey.dev~1status",
    "/metadata/annotations/latchkey.dev~1inline-references",
];

/// Applies the operations one after the other; each must be one that is permitted where the live object is
/// `old`.
pub(crate) fn apply(object: &mut Value, patch: &Value, old: &Value) -> Result<(), String> {
    let operations = patch.as_array().ok_or("a patch must be a list")?;
    for operation in operations {
        permit(object, operation, old).map_err(|why| format!("{why}: {operation}"))?;
        let one: json_patch::Patch = serde_json::from_value(json!([operation]))
            .map_err(|error| format!("not RFC 6902: {error}: {operation}"))?;
        json_patch::patch(object, &one).map_err(|error| format!("{error}: {operation}"))?;
    }
    Ok(())
}

fn permit(object: &Value, operation: &Value, old: &Value) -> Result<(), String> {
    let text = |member: &str| operation[member].as_str().unwrap_or_default();
    let (op, path) = (text("op"), text("path"));
    let value = &operation["value"];
    if path == INJECTED || ANNOTATIONS.contains(&path) {
        return Ok(());
    }
    if path == "/metadata/labels" {
        let is_ours = *value == json!({"latchkey.dev/injected": "true"});
        let is_free = object["metadata"]["labels"].is_null();
        return (is_ours && is_free)
            .then_some(())
            .ok_or("replaces labels".to_owned());
    }
    let shape: Vec<&str> = path
        .split('/')
        .skip(1)
        .map(|part| {
            if part.parse::<usize>().is_ok() {
                "N"
            } else {
                part
            }
        })
        .collect();
    match shape[..] {
        [
            "spec",
            "containers" | "initContainers" | "ephemeralContainers",
            "N",
            ref rest @ ..,
        ] => permit_in_container((object, old), op, path, rest, value),
        ["spec", "volumes", "N", "secret", "secretName"]
        | [
            "spec",
            "volumes",
            "N",
            "projected",
            "sources",
            "N",
            "secret",
            "name",
        ]
        | [
            "spec",
            "volumes",
            "N",
            "csi",
            "nodePublishSecretRef",
            "name",
        ]
        | ["spec", "imagePullSecrets", "N", "name"] => renamed(object, op, path),
        _ => Err("touches what is not ours".to_owned()),
    }
}

fn permit_in_container(
    (object, old): (&Value, &Value),
    op: &str,
    path: &str,
    rest: &[&str],
    value: &Value,
) -> Result<(), String> {
    match rest {
        ["env", "N", "valueFrom", "secretKeyRef", "name"]
        | ["envFrom", "N", "secretRef", "name"] => renamed(object, op, path),
        ["env", "N"] => {
            let is_added = op == "add"
                && value["name"]
                    .as_str()
                    .is_some_and(|name| name.starts_with("INJ_"));
            is_added
                .then_some(())
                .ok_or("touches a variable".to_owned())
        }
        ["env", "N", "value"] => {
            let held = object.pointer(path).and_then(Value::as_str);
            let has_reference = held.is_some_and(|held| held.contains("secret://"));
            let is_change = op == "remove" || op == "replace";
            (is_change && has_reference)
                .then_some(())
                .ok_or("touches a value without a reference".to_owned())
        }
        ["env", "N", "valueFrom"] => {
            let variable = object.pointer(path.trim_end_matches("/valueFrom"));
            let is_free = variable.is_some_and(|variable| {
                variable["value"].is_null() && variable["valueFrom"].is_null()
            });
            let is_ours = value["secretKeyRef"]["name"].is_string();
            // What the live pod has is put back.
            let is_live = old.to_string().contains(&value.to_string());
            (op == "add" && is_ours && (is_free || is_live))
                .then_some(())
                .ok_or("replaces a source".to_owned())
        }
        _ => Err("touches what is not ours".to_owned()),
    }
}

/// The name of a Secret is there and stays a name.
fn renamed(object: &Value, op: &str, path: &str) -> Result<(), String> {
    let is_name = object.pointer(path).is_some_and(Value::is_string);
    (op == "replace" && is_name)
        .then_some(())
        .ok_or("is not the replacement of a name".to_owned())
}
