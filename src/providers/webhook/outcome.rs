//! What is taken of an answer. Pure.
//!
//! The path is evaluated over numbers that may lose digits; what it finds is then taken from the exact
//! text, by its place in the tree.

use jsonpath_rust::JsonPath as _;
use serde_json::Value;

use super::API;
use crate::model::remote::RemoteRef;
use crate::model::value;
use crate::providers::{Error, ErrorKind, part};
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

/// One value: text as it is, a number with all its digits, of a list its first item (ESO 2.9.0).
pub(super) fn one(
    body: &SecretBytes,
    path: &str,
    reference: &RemoteRef,
) -> Result<SecretBytes, Error> {
    if path.is_empty() {
        return Ok(body.duplicate());
    }
    let json = parsed(body, reference)?;
    let mut found = at(&json, body, path, reference)?;
    while let Json::List(items) = found {
        found = items.first().ok_or_else(|| nothing(path, reference))?;
    }
    Ok(value::bytes(found))
}

/// The members of an object, or of a text that holds one.
pub(super) fn all(
    body: &SecretBytes,
    path: &str,
    reference: &RemoteRef,
) -> Result<SecretMap, Error> {
    let json = parsed(body, reference)?;
    let found = match path {
        "" => &json,
        path => at(&json, body, path, reference)?,
    };
    let inner = match found {
        Json::Text(text) => Some(parsed(text, reference)?),
        _ => None,
    };
    match inner.as_ref().unwrap_or(found) {
        Json::Object(members) => {
            let members = members.iter();
            Ok(members
                .map(|(key, json)| (key.clone(), value::bytes(json)))
                .collect())
        }
        other => {
            let kind = other.kind();
            let key = &reference.key;
            Err(API.invalid(format!("key {key:?}: the answer is {kind}, not an object")))
        }
    }
}

fn parsed(text: &SecretBytes, reference: &RemoteRef) -> Result<Json, Error> {
    let key = &reference.key;
    let json = Json::parse(text.expose());
    json.map_err(|error| API.invalid(format!("key {key:?}: the answer is {error}")))
}

fn at<'a>(
    json: &'a Json,
    body: &SecretBytes,
    path: &str,
    reference: &RemoteRef,
) -> Result<&'a Json, Error> {
    let tree: Value = serde_json::from_slice(body.expose())
        .map_err(|error| API.invalid(format!("line {} is not JSON", error.line())))?;
    let found = tree.query(path).map_err(|_| {
        let message = "result.jsonPath cannot be read; it must be a JSONPath as in RFC 9535";
        API.invalid(message)
    })?;
    let found = found.first().copied();
    let found = found.and_then(|found| counterpart(&tree, json, found));
    found.ok_or_else(|| nothing(path, reference))
}

/// The part of `json` that stands where `wanted` does in `tree`.
fn counterpart<'a>(tree: &Value, json: &'a Json, wanted: &Value) -> Option<&'a Json> {
    if std::ptr::eq(tree, wanted) {
        return Some(json);
    }
    match (tree, json) {
        (Value::Array(trees), Json::List(items)) => {
            let mut pairs = trees.iter().zip(items);
            pairs.find_map(|(tree, item)| counterpart(tree, item, wanted))
        }
        (Value::Object(trees), Json::Object(members)) => trees
            .iter()
            .find_map(|(key, tree)| counterpart(tree, members.get(key)?, wanted)),
        _ => None,
    }
}

/// Nothing for a property is a missing property; nothing for any is a mistake in the store, which must
/// not pass for a deleted secret.
fn nothing(path: &str, reference: &RemoteRef) -> Error {
    if !reference.property.is_empty() {
        return part::missing(&API, reference);
    }
    let key = &reference.key;
    let message = format!("key {key:?}: result.jsonPath {path:?} finds nothing in the answer");
    Error::new(ErrorKind::Invalid, API.name, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"n": 12345678901234567890.10, "b": true, "z": null, "s": "x",
        "l": [[7, 8]], "e": [], "o": {"k": 12345678901234567890}, "t": "{\"a\": 1}",
        "rows": [{"id": 1, "v": "one"}, {"id": 2, "v": "two"}]}"#;

    fn found(path: &str) -> Result<String, Error> {
        let value = one(&BODY.into(), path, &RemoteRef::default());
        value.map(|value| value.expose_str().unwrap().to_owned())
    }

    #[test]
    fn values_are_taken_with_all_their_digits() {
        let table = [
            ("$.n", "12345678901234567890.1"),
            ("$.b", "true"),
            ("$.z", ""),
            ("$['s']", "x"),
            ("$.l", "7"),
            ("$.o", r#"{"k":12345678901234567890}"#),
            ("$.rows[?(@.id == 2)].v", "two"),
            ("$.rows[?(@.id > 0)].v", "one"),
            ("$..v", "one"),
        ];
        for (path, expected) in table {
            assert_eq!(found(path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn a_path_that_finds_nothing_is_the_stores_mistake_unless_a_property_was_asked_for() {
        for path in ["$.nope", "$.e", "$.rows[?(@.id == 3)]", "$["] {
            assert_eq!(found(path).unwrap_err().kind, ErrorKind::Invalid, "{path}");
        }
        let reference = RemoteRef {
            property: "nope".to_owned(),
            ..RemoteRef::default()
        };
        let error = one(&BODY.into(), "$.nope", &reference).unwrap_err();
        assert!(error.is_not_found());
    }

    #[test]
    fn members_are_those_of_an_object_or_of_a_text_that_holds_one() {
        let members = |path| all(&BODY.into(), path, &RemoteRef::default());
        assert_eq!(members("$.t").unwrap().get("a").unwrap().expose(), b"1");
        assert_eq!(members("$.o").unwrap().len(), 1);
        assert!(members("$.b").is_err());
        assert!(members("$.s").is_err());
    }
}
