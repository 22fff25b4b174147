//! The spec of an ExternalSecret as YAML, with no field that nobody reads.

use serde_json::Value;

use crate::api::v1::ExternalSecretSpec;

/// Reads a spec.
///
/// # Errors
/// A sentence with the place of the mistake; the text itself is not quoted, for templates may hold what
/// their author would not print.
pub(super) fn parse(text: &str) -> Result<ExternalSecretSpec, String> {
    let value: Value = serde_saphyr::from_str(text)
        .map_err(|error| format!("not YAML: {}", error.without_snippet()))?;
    if !value.is_object() {
        return Err("must be the spec of an ExternalSecret, a map".to_owned());
    }
    let spec: ExternalSecretSpec = serde_json::from_value(value.clone())
        .map_err(|error| format!("not the spec of an ExternalSecret: {error}"))?;
    let read = serde_json::to_value(&spec)
        .map_err(|error| format!("not the spec of an ExternalSecret: {error}"))?;
    let mut unknown = Vec::new();
    unread(&value, &read, "spec", &mut unknown);
    if unknown.is_empty() {
        Ok(spec)
    } else {
        Err(format!(
            "nobody reads {}; an ExternalSecret has no such field",
            unknown.join(", ")
        ))
    }
}

/// Collects the paths of `written` that reading has dropped. What is empty may be dropped.
fn unread(written: &Value, read: &Value, path: &str, unknown: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                let path = format!("{path}.{key}");
                match read.get(key) {
                    Some(counterpart) => unread(value, counterpart, &path, unknown),
                    None if is_empty(value) => {}
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) => {
            for (i, (value, counterpart)) in written.iter().zip(read).enumerate() {
                unread(value, counterpart, &format!("{path}[{i}]"), unknown);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
