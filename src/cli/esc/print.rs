//! Printing of values. The one place of the program that puts secrets on standard output, for the
//! person who asked for them.

use std::io::Write as _;

use zeroize::Zeroizing;

use crate::esc::client::{Content, Value};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Prints bytes as they are.
pub(super) fn raw(bytes: &SecretBytes) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(bytes.expose())?)
}

/// Prints bytes and ends the line.
pub(super) fn line(bytes: &SecretBytes) -> anyhow::Result<()> {
    raw(bytes)?;
    Ok(std::io::stdout().write_all(b"\n")?)
}

/// Prints JSON, indented by two spaces.
pub(super) fn json(json: &Json) -> anyhow::Result<()> {
    let mut text = Zeroizing::new(Vec::new());
    push(&mut text, json, 1);
    line(&SecretBytes::new(text.as_slice()))
}

fn push(text: &mut Vec<u8>, json: &Json, depth: usize) {
    let indent = |text: &mut Vec<u8>, depth: usize| {
        text.push(b'\n');
        text.resize(text.len() + 2 * depth, b' ');
    };
    match json {
        Json::List(items) if !items.is_empty() => {
            text.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push(b',');
                }
                indent(text, depth);
                push(text, item, depth + 1);
            }
            indent(text, depth - 1);
            text.push(b']');
        }
        Json::Object(members) if !members.is_empty() => {
            text.push(b'{');
            for (i, (key, member)) in members.iter().enumerate() {
                if i > 0 {
                    text.push(b',');
                }
                indent(text, depth);
                text.extend_from_slice(
                    Json::Text(SecretBytes::from(key.as_str()))
                        .to_bytes()
                        .expose(),
                );
                text.extend_from_slice(b": ");
                push(text, member, depth + 1);
            }
            indent(text, depth - 1);
            text.push(b'}');
        }
        other => text.extend_from_slice(other.to_bytes().expose()),
    }
}

/// The plain value with `[secret]` and `[unknown]` in the places of what must not or cannot be shown.
pub(super) fn redacted(value: &Value) -> Json {
    if value.secret {
        return Json::Text(SecretBytes::from("[secret]"));
    }
    if value.unknown {
        return Json::Text(SecretBytes::from("[unknown]"));
    }
    match &value.content {
        Content::Scalar(scalar) => scalar.duplicate(),
        Content::List(items) => Json::List(items.iter().map(redacted).collect()),
        Content::Object(members) => Json::Object(
            members
                .iter()
                .map(|(key, member)| (key.clone(), redacted(member)))
                .collect(),
        ),
    }
}

/// Prints environment variables; lists and objects are none (pulumi-esc.md §2.9).
pub(super) fn variables(variables: Option<&Json>, shell: bool) -> anyhow::Result<()> {
    let Some(Json::Object(members)) = variables else {
        return Ok(());
    };
    for (name, value) in members
        .iter()
        .filter(|(_, value)| !matches!(value, Json::List(_) | Json::Object(_)))
    {
        let content = value.to_content();
        let mut text = Zeroizing::new(Vec::new());
        if shell {
            text.extend_from_slice(format!("export {name}='").as_bytes());
            for byte in content.expose() {
                match byte {
                    b'\'' => text.extend_from_slice(b"'\\''"),
                    byte => text.push(*byte),
                }
            }
            text.push(b'\'');
        } else {
            text.extend_from_slice(format!("{name}=").as_bytes());
            text.extend_from_slice(Json::Text(content).to_bytes().expose());
        }
        line(&SecretBytes::new(text.as_slice()))?;
    }
    Ok(())
}
