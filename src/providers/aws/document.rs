//! Values that are JSON: their parts, and what a write changes in them. Pure.

use std::collections::BTreeMap;

use super::{Error, NAME, invalid};
use crate::model::push::{Push, Pushed, Target, object};
use crate::model::value;
use crate::providers::value_error;
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// The part of a value that a property names: a member of that very name, else a gjson path. An empty
/// property is the whole.
pub(super) fn part(
    key: &str,
    whole: &SecretBytes,
    property: &str,
) -> Result<Option<SecretBytes>, Error> {
    if property.is_empty() {
        return Ok(Some(whole.duplicate()));
    }
    let failed = |error: value::Error| value_error(NAME, key, &error);
    if property.contains('.') {
        let literal = property.replace('.', "\\.");
        let found = value::property(whole, &literal).map_err(failed)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    value::property(whole, property).map_err(failed)
}

/// What a push makes of the present value; `None` where it stands there already.
pub(super) fn pushed(
    push: &Push<'_>,
    present: Option<&SecretBytes>,
) -> Result<Option<SecretBytes>, Error> {
    let Target { key, property } = push.target;
    let pushed = push.pushed().map_err(|error| invalid(error.to_string()))?;
    let content = match pushed {
        Pushed::One(value) => value.duplicate(),
        Pushed::Whole(values) => object(values).to_bytes(),
    };
    if property.is_empty() {
        return Ok((present != Some(&content)).then_some(content));
    }
    let present = present.filter(|value| !value.is_empty());
    let mut members = present.map_or_else(|| Ok(BTreeMap::new()), |value| members(key, value))?;
    let place = place(&mut members, property);
    let place = place.ok_or_else(|| {
        invalid(format!(
            "key {key:?}: property {property:?} leads through a value that is no object"
        ))
    })?;
    let wanted = Json::Text(content);
    if *place == wanted {
        return Ok(None);
    }
    *place = wanted;
    Ok(Some(Json::Object(members).to_bytes()))
}

/// What is left of a value without a property.
pub(super) enum Left {
    /// The property was not there.
    Same,
    /// Nothing is left.
    Nothing,
    /// The rest.
    Rest(SecretBytes),
}

/// Takes a property out of a value.
pub(super) fn without(key: &str, present: &SecretBytes, property: &str) -> Result<Left, Error> {
    let mut members = members(key, present)?;
    if !remove(&mut members, property) {
        return Ok(Left::Same);
    }
    Ok(if members.is_empty() {
        Left::Nothing
    } else {
        Left::Rest(Json::Object(members).to_bytes())
    })
}

/// Tags as one JSON object of strings.
pub(super) fn tags<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> SecretBytes {
    let tags = tags.into_iter();
    let tags = tags.map(|(key, value)| (key.to_owned(), Json::Text(value.into())));
    Json::Object(tags.collect()).to_bytes()
}

fn members(key: &str, value: &SecretBytes) -> Result<BTreeMap<String, Json>, Error> {
    let json = Json::parse(value.expose());
    let json = json.map_err(|error| value_error(NAME, key, &error.into()))?;
    match json {
        Json::Object(members) => Ok(members),
        other => Err(value_error(
            NAME,
            key,
            &value::Error::ReadMembers(other.kind()),
        )),
    }
}

/// Where a property is written: the member of that very name, else through objects, made where they are
/// missing.
fn place<'a>(members: &'a mut BTreeMap<String, Json>, property: &str) -> Option<&'a mut Json> {
    let (first, rest) = step(members, property);
    let Some(rest) = rest else {
        return Some(members.entry(first).or_insert(Json::Null));
    };
    let empty = || Json::Object(BTreeMap::new());
    match members.entry(first).or_insert_with(empty) {
        Json::Object(inner) => place(inner, &rest),
        _ => None,
    }
}

fn remove(members: &mut BTreeMap<String, Json>, property: &str) -> bool {
    let (first, rest) = step(members, property);
    let Some(rest) = rest else {
        return members.remove(&first).is_some();
    };
    let Some(Json::Object(inner)) = members.get_mut(&first) else {
        return false;
    };
    let is_removed = remove(inner, &rest);
    if inner.is_empty() {
        members.remove(&first);
    }
    is_removed
}

/// The first name of a path and what follows; a dot after a backslash belongs to the name.
fn step(members: &BTreeMap<String, Json>, property: &str) -> (String, Option<String>) {
    if members.contains_key(property) {
        return (property.to_owned(), None);
    }
    let mut name = String::new();
    let mut letters = property.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => name.extend(letters.next()),
            '.' => return (name, Some(letters.collect())),
            _ => name.push(letter),
        }
    }
    (name, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::push::Source;

    fn push(property: &str, present: Option<&str>) -> Result<Option<String>, Error> {
        let source = Source {
            data: [("k".to_owned(), "new".into())].into_iter().collect(),
            ..Source::default()
        };
        let target = Target {
            key: "app".to_owned(),
            property: property.to_owned(),
        };
        let push = Push {
            source: &source,
            secret_key: "k",
            target: &target,
            metadata: None,
        };
        let present = present.map(SecretBytes::from);
        let made = pushed(&push, present.as_ref())?;
        Ok(made.map(|value| value.expose_str().unwrap().to_owned()))
    }

    #[test]
    fn a_property_is_written_where_it_is_read() {
        let table = [
            ("", None, Some("new")),
            ("", Some("new"), None),
            ("a", None, Some(r#"{"a":"new"}"#)),
            ("a", Some(r#"{"a":"new"}"#), None),
            ("a", Some(r#"{"b":1}"#), Some(r#"{"a":"new","b":1}"#)),
            (
                "a.b",
                Some(r#"{"a":{"c":1}}"#),
                Some(r#"{"a":{"b":"new","c":1}}"#),
            ),
            ("a.b", Some(r#"{"a.b":1}"#), Some(r#"{"a.b":"new"}"#)),
            ("a\\.b", None, Some(r#"{"a.b":"new"}"#)),
        ];
        for (property, present, expected) in table {
            let made = push(property, present).unwrap();
            assert_eq!(made.as_deref(), expected, "{property} {present:?}");
        }
        for present in ["word", "[1]", r#"{"a":"hunter2"}"#] {
            let error = push("a.b", Some(present)).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_property_is_removed_and_the_rest_stays() {
        let left = |present: &str, property| match without("app", &present.into(), property) {
            Ok(Left::Same) => "same".to_owned(),
            Ok(Left::Nothing) => "nothing".to_owned(),
            Ok(Left::Rest(rest)) => rest.expose_str().unwrap().to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(left(r#"{"a":1,"b":2}"#, "a"), r#"{"b":2}"#);
        assert_eq!(left(r#"{"a":{"b":2}}"#, "a.b"), "nothing");
        assert_eq!(left(r#"{"a":1}"#, "c"), "same");
        assert!(left("word", "c").contains("app"));
    }

    #[test]
    fn a_member_of_the_very_name_goes_before_a_path() {
        let whole = SecretBytes::from(r#"{"a.b":"literal","a":{"b":"path","c":1}}"#);
        let read = |property| part("app", &whole, property).unwrap();
        assert_eq!(read("a.b").unwrap().expose_str(), Some("literal"));
        assert_eq!(read("a.c").unwrap().expose_str(), Some("1"));
        assert_eq!(read("a.d"), None);
    }
}
