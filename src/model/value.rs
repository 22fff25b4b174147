//! How JSON becomes the bytes of a Secret (ESO 2.9.0, `esutils.GetByteValue` and its providers).

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::secret::{SecretBytes, SecretMap};

/// The members of a JSON object: a string gives its content, anything else its JSON as it is spelled.
///
/// # Errors
/// When the value is no JSON object; the value is not quoted.
pub fn members(value: &SecretBytes) -> Result<SecretMap, String> {
    let object: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(value.expose())
        .map_err(|_| "the value is not a JSON object".to_owned())?;
    let members = object.into_iter().map(|(key, raw)| {
        let text: Option<String> = serde_json::from_str(raw.get()).ok();
        let value = text.map_or_else(|| SecretBytes::from(raw.get()), SecretBytes::from);
        (key, value)
    });
    Ok(members.collect())
}

/// The part of a JSON text that a gjson path names; text is unquoted, anything else stays as spelled.
#[must_use]
pub fn property(value: &SecretBytes, path: &str) -> Option<SecretBytes> {
    let json = value.expose_str()?;
    let found = gjson::get(json, path);
    found.exists().then(|| SecretBytes::from(found.str()))
}

/// Appends `text` as a JSON string in the way of Go's encoder, which also escapes `<`, `>` and `&`.
pub fn push_json_string(json: &mut Vec<u8>, text: &str) {
    json.push(b'"');
    for character in text.chars() {
        match character {
            '"' => json.extend_from_slice(b"\\\""),
            '\\' => json.extend_from_slice(b"\\\\"),
            '\n' => json.extend_from_slice(b"\\n"),
            '\r' => json.extend_from_slice(b"\\r"),
            '\t' => json.extend_from_slice(b"\\t"),
            '\u{8}' => json.extend_from_slice(b"\\b"),
            '\u{c}' => json.extend_from_slice(b"\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                json.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            other => json.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    json.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_an_object_keep_their_spelling() {
        let map = members(&SecretBytes::from(
            r#"{"a":"x","n":1.50,"o":{"k": [1]},"b":true,"z":null}"#,
        ))
        .unwrap();
        let text = |key: &str| map.get(key).and_then(SecretBytes::expose_str).unwrap();
        assert_eq!(
            (text("a"), text("n"), text("o"), text("b"), text("z")),
            ("x", "1.50", r#"{"k": [1]}"#, "true", "null")
        );
        assert!(members(&SecretBytes::from("[1]")).is_err());
    }

    #[test]
    fn properties_are_gjson_paths() {
        let value = SecretBytes::from(r#"{"db":{"user":"u","ports":[1,2]}}"#);
        let text =
            |path: &str| property(&value, path).map(|found| found.expose_str().unwrap().to_owned());
        assert_eq!(text("db.user").as_deref(), Some("u"));
        assert_eq!(text("db.ports").as_deref(), Some("[1,2]"));
        assert_eq!(text("db.ports.1").as_deref(), Some("2"));
        assert_eq!(text("db.none"), None);
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        let mut json = Vec::new();
        push_json_string(&mut json, "<a>&\"\n\u{1}é");
        assert_eq!(json, "\"\\u003ca\\u003e\\u0026\\\"\\n\\u0001é\"".as_bytes());
    }
}
