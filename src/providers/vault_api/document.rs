//! From the server's answers to the bytes a Secret gets (eso.md §7.3). Pure.

use std::collections::BTreeMap;

use super::answer::{member, take, text};
use crate::model::value;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

/// Members of a secret's metadata that are shown beside the custom ones.
const SHOWN: [&str; 3] = ["created_time", "current_version", "delete_version_after"];

/// The values of a secret; `None` when the version was deleted.
pub(super) fn values(answer: Json, has_versions: bool) -> Option<Json> {
    let data = take(answer, "data")?;
    let data = if has_versions {
        take(data, "data")?
    } else {
        data
    };
    matches!(data, Json::Object(_)).then_some(data)
}

/// The custom metadata and a few of the server's own members.
pub(super) fn metadata(answer: Json) -> Option<Json> {
    let Json::Object(mut members) = take(answer, "data")? else {
        return None;
    };
    let mut shown = match members.remove("custom_metadata") {
        Some(Json::Object(custom)) => custom,
        _ => BTreeMap::new(),
    };
    for name in SHOWN {
        if let Some(value) = members.remove(name) {
            shown.insert(name.to_owned(), value);
        }
    }
    Some(Json::Object(shown))
}

/// The names of a listing; folders end in a slash.
pub(super) fn names(answer: Json) -> Vec<String> {
    match take(answer, "data").and_then(|data| take(data, "keys")) {
        Some(Json::List(items)) => {
            let names = items.iter().filter_map(text);
            names.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// The whole as JSON, the member of that name, or else what the gjson path finds.
pub(super) fn single(values: &Json, property: &str) -> Result<Option<SecretBytes>, value::Error> {
    if property.is_empty() {
        return Ok(Some(values.to_bytes()));
    }
    if let Some(found) = member(values, property) {
        return Ok(Some(value::bytes(found)));
    }
    value::property(&values.to_bytes(), property)
}

/// The members of the whole or of a part of it.
pub(super) fn members(values: &Json, property: &str) -> Result<Option<SecretMap>, value::Error> {
    if property.is_empty() {
        return members_of(values).map(Some);
    }
    if let Some(part) = member(values, property) {
        return match part {
            Json::Text(text) => members_of(&Json::parse(text.expose())?).map(Some),
            _ => members_of(part).map(Some),
        };
    }
    let Some(part) = value::property_json(&values.to_bytes(), property)? else {
        return Ok(None);
    };
    members_of(&Json::parse(part.expose())?).map(Some)
}

fn members_of(json: &Json) -> Result<SecretMap, value::Error> {
    let Json::Object(members) = json else {
        return Err(value::Error::ReadMembers(json.kind()));
    };
    let members = members.iter();
    Ok(members
        .map(|(key, json)| (key.clone(), value::bytes(json)))
        .collect())
}

/// Whether all of `tags` are in the metadata.
pub(super) fn has_tags(metadata: &Json, tags: &BTreeMap<String, String>) -> bool {
    let mut tags = tags.iter();
    tags.all(|(name, value)| member(metadata, name).and_then(text) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_member_wins_over_a_path_and_numbers_keep_their_digits() {
        let values =
            json(r#"{"a.b":"flat","a":{"b":"deep","n":[1,2]},"big":12345678901234567890}"#);
        let single = |property: &str| {
            let found = single(&values, property).unwrap();
            found.map(|bytes| bytes.expose_str().unwrap().to_owned())
        };
        assert_eq!(single("a.b").as_deref(), Some("flat"));
        assert_eq!(single("a.n.1").as_deref(), Some("2"));
        assert_eq!(single("a").as_deref(), Some(r#"{"b":"deep","n":[1,2]}"#));
        assert_eq!(single("big").as_deref(), Some("12345678901234567890"));
        assert_eq!(single("c"), None);
    }

    #[test]
    fn a_deleted_version_has_no_values() {
        let deleted = r#"{"data":{"data":null,"metadata":{"deletion_time":"x"}}}"#;
        assert!(values(json(deleted), true).is_none());
        assert!(values(json(r#"{"data":{"data":{}}}"#), true).is_some());
        assert!(values(json(r#"{"data":{"a":"b"}}"#), false).is_some());
    }

    #[test]
    fn metadata_shows_what_was_set_and_when() {
        let answer = json(
            r#"{"data":{"custom_metadata":{"team":"a"},"current_version":3,"created_time":"t",
                "delete_version_after":"0s","versions":{}}}"#,
        );
        let shown = metadata(answer).unwrap();
        let text = shown.to_bytes();
        assert_eq!(
            text.expose_str(),
            Some(
                r#"{"created_time":"t","current_version":3,"delete_version_after":"0s","team":"a"}"#
            )
        );
        let tags = |value: &str| [("team".to_owned(), value.to_owned())].into();
        assert!(has_tags(&shown, &tags("a")) && !has_tags(&shown, &tags("b")));
    }
}
