//! What Secret Manager's answers hold. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::remote::Find;
use crate::model::value;
use crate::providers::cloud_json::{member, member_text, texts};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// One secret of a listing.
pub(super) struct Entry {
    pub(super) name: String,
    labels: BTreeMap<String, String>,
}

impl Entry {
    pub(super) fn matches(&self, find: &Find) -> bool {
        let path = find.path.as_deref().unwrap_or_default();
        self.name.starts_with(path)
            && find
                .name
                .as_ref()
                .is_none_or(|regex| regex.is_match(&self.name))
            && find
                .tags
                .iter()
                .all(|(label, value)| self.labels.get(label) == Some(value))
    }
}

fn items<'a>(answer: &'a Json, name: &str) -> &'a [Json] {
    match member(answer, name) {
        Some(Json::List(items)) => items,
        _ => &[],
    }
}

fn last(json: &Json) -> Option<String> {
    let name = member_text(json, "name")?;
    Some(name.rsplit('/').next()?.to_owned())
}

/// The secrets of one page.
pub(super) fn entries(page: &Json) -> Vec<Entry> {
    let entry = |item: &Json| {
        let labels = texts(member(item, "labels"));
        last(item).map(|name| Entry { name, labels })
    };
    items(page, "secrets").iter().filter_map(entry).collect()
}

/// The filter that lets a search's secrets through; more may pass it.
pub(super) fn filter(path: &str, labels: &BTreeMap<String, String>) -> Result<String, String> {
    let is_plain = |text: &str| {
        let is_part = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
        text.chars().all(is_part)
    };
    let mut terms = Vec::new();
    if !path.is_empty() {
        if !is_plain(path) {
            return Err(format!("find.path: {path:?} is no part of a secret's name"));
        }
        terms.push(format!("name:{path}"));
    }
    for (label, value) in labels {
        if label.is_empty() || !is_plain(label) || !is_plain(value) {
            return Err(format!("find.tags: {label:?} or its value is no label"));
        }
        terms.push(format!("labels.{label}={value}"));
    }
    Ok(terms.join(" AND "))
}

/// The number of the first version of a listing, which is the newest.
pub(super) fn newest(versions: &Json) -> Option<String> {
    items(versions, "versions").first().and_then(last)
}

/// The bytes of a version.
pub(super) fn payload(answer: &Json) -> Option<SecretBytes> {
    let payload = member(answer, "payload")?;
    let data = member_text(payload, "data").unwrap_or_default();
    STANDARD.decode(data).ok().map(SecretBytes::new)
}

/// A member whose name is the whole property first, as ESO does, then the path.
pub(super) fn part(
    text: &SecretBytes,
    property: &str,
) -> Result<Option<SecretBytes>, value::Error> {
    if property.is_empty() {
        return Ok(Some(text.duplicate()));
    }
    if property.contains('.') {
        let found = value::property(text, &property.replace('.', "\\."))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    value::property(text, property)
}

/// `annotations[.NAME]`, `labels[.NAME]`, or both as one object.
pub(super) fn metadata(secret: &Json, property: &str) -> Option<SecretBytes> {
    let kinds = ["annotations", "labels"];
    let all = |kind: &str| -> Json {
        let values = texts(member(secret, kind)).into_iter();
        Json::Object(
            values
                .map(|(name, value)| (name, Json::Text(value.into())))
                .collect(),
        )
    };
    if property.is_empty() {
        let members = kinds.map(|kind| (kind.to_owned(), all(kind)));
        return Some(Json::Object(members.into_iter().collect()).to_bytes());
    }
    let (kind, name) = property.split_once('.').unwrap_or((property, ""));
    if !kinds.contains(&kind) {
        return None;
    }
    if name.is_empty() {
        return Some(all(kind).to_bytes());
    }
    let values = texts(member(secret, kind));
    values.get(name).map(|value| value.as_str().into())
}

/// `document` with `value` at a path of names, where a dot behind a backslash is part of a name;
/// `None` where the way leads through something that is no object.
pub(super) fn with_part(document: Json, path: &str, value: Json) -> Option<Json> {
    let mut names = vec![String::new()];
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        match (letter, names.last_mut()) {
            ('.', _) => names.push(String::new()),
            ('\\', Some(name)) => name.extend(letters.next()),
            (letter, Some(name)) => name.push(letter),
            (_, None) => return None,
        }
    }
    set(document, &names, value)
}

fn set(document: Json, names: &[String], value: Json) -> Option<Json> {
    let Some((name, rest)) = names.split_first() else {
        return Some(value);
    };
    let Json::Object(mut members) = document else {
        return None;
    };
    let old = members.remove(name);
    let old = old.unwrap_or_else(|| Json::Object(BTreeMap::new()));
    let new = set(old, rest, value)?;
    members.insert(name.clone(), new);
    Some(Json::Object(members))
}

/// `document` without the part at `property`, and whether that leaves nothing.
pub(super) fn without_part(document: Json, property: &str) -> (Json, bool) {
    let Json::Object(mut members) = document else {
        return (document, false);
    };
    if members.remove(property).is_none()
        && let Some((name, rest)) = property.split_once('.')
        && let Some(inner) = members.remove(name)
    {
        let (inner, is_empty) = without_part(inner, rest);
        if !is_empty {
            members.insert(name.to_owned(), inner);
        }
    }
    let is_empty = members.is_empty();
    (Json::Object(members), is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_part_is_set_and_removed_where_its_path_leads() {
        let set = |path: &str| {
            let document = json(r#"{"a":{"b":"1"},"c":"2"}"#);
            let new = with_part(document, path, Json::Text("x".into()));
            new.map(|new| new.to_bytes().expose_str().unwrap().to_owned())
        };
        assert_eq!(set("a.b").unwrap(), r#"{"a":{"b":"x"},"c":"2"}"#);
        assert_eq!(
            set("d.e").unwrap(),
            r#"{"a":{"b":"1"},"c":"2","d":{"e":"x"}}"#
        );
        assert_eq!(
            set(r"a\.b").unwrap(),
            r#"{"a":{"b":"1"},"a.b":"x","c":"2"}"#
        );
        assert_eq!(set("c.d"), None, "a text is not overwritten by an object");
        let (left, is_empty) = without_part(json(r#"{"a":{"b":"1"},"c":"2"}"#), "a.b");
        assert_eq!((left, is_empty), (json(r#"{"c":"2"}"#), false));
        assert!(without_part(json(r#"{"a":"1"}"#), "a").1);
    }

    #[test]
    fn a_filter_holds_nothing_but_names() {
        let labels = |label: &str, value: &str| [(label.to_owned(), value.to_owned())].into();
        let made = filter("db", &labels("team", "a")).unwrap();
        assert_eq!(made, "name:db AND labels.team=a");
        assert!(filter("db OR name:x", &BTreeMap::new()).is_err());
        assert!(filter("", &labels("team", "a OR x")).is_err());
    }
}
