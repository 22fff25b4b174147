//! How values of an environment become the bytes of a Secret: text as it is, numbers as the server
//! spells them, null as nothing, lists and objects as plain JSON.
//!
//! ESO passes on the API's wrapping of nested values, with positions in the document that change at any
//! edit; plain JSON is what its users write down by hand.

use zeroize::Zeroizing;

use crate::esc::client::{Content, PropertyPath, Step, Value};
use crate::model::value::push_json_string;
use crate::secret::{SecretBytes, SecretMap};

/// The bytes of one value.
pub(super) fn bytes(value: &Value) -> SecretBytes {
    match &value.content {
        Content::Null => SecretBytes::from(""),
        Content::Bool(value) => SecretBytes::from(if *value { "true" } else { "false" }),
        Content::Number(text) => SecretBytes::from(text.as_str()),
        Content::Text(text) => text.duplicate(),
        Content::List(_) | Content::Object(_) => {
            let mut text = Zeroizing::new(Vec::new());
            push_json(&mut text, value);
            SecretBytes::new(text.as_slice())
        }
    }
}

/// The members of an object.
pub(super) fn members(value: &Value) -> Result<SecretMap, String> {
    match &value.content {
        Content::Object(members) => {
            if let Some((key, _)) = members.iter().find(|(_, member)| member.unknown) {
                return Err(format!("its member {key:?} is unknown to the server"));
            }
            Ok(members
                .iter()
                .map(|(key, member)| (key.clone(), bytes(member)))
                .collect())
        }
        _ => Err(format!(
            "it is {} and has no members; extract needs an object",
            value.kind()
        )),
    }
}

fn push_json(json: &mut Vec<u8>, value: &Value) {
    match &value.content {
        Content::Null => json.extend_from_slice(b"null"),
        Content::Bool(value) => json.extend_from_slice(if *value { b"true" } else { b"false" }),
        Content::Number(text) => json.extend_from_slice(text.as_bytes()),
        Content::Text(text) => push_json_string(json, &String::from_utf8_lossy(text.expose())),
        Content::List(items) => {
            json.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    json.push(b',');
                }
                push_json(json, item);
            }
            json.push(b']');
        }
        Content::Object(members) => {
            json.push(b'{');
            for (position, (key, member)) in members.iter().enumerate() {
                if position > 0 {
                    json.push(b',');
                }
                push_json_string(json, key);
                json.push(b':');
                push_json(json, member);
            }
            json.push(b'}');
        }
    }
}

/// The path to an existing key that `path` may have meant: the same but for letter case and the
/// difference of `-`, `_` and `.` in its first step that leads nowhere.
pub(super) fn nearest(root: &Value, path: &PropertyPath) -> Option<String> {
    let mut value = root;
    for step in path.steps() {
        let (Content::Object(members), Step::Key(wanted)) = (&value.content, step) else {
            return None;
        };
        match members.get(wanted) {
            Some(member) => value = member,
            None => {
                return members
                    .keys()
                    .find(|key| folded(key) == folded(wanted))
                    .map(|key| format!("{key:?}"));
            }
        }
    }
    None
}

fn folded(key: &str) -> String {
    key.to_lowercase().replace(['_', '.'], "-")
}
