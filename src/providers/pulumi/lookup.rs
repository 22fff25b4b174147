//! From an opened environment to the bytes a Secret gets. Pure.

use regex::Regex;

use super::{NAME, invalid};
use crate::esc::client::{Accessor, Environment, EnvironmentName, PropertyPath, Value};
use crate::model::value;
use crate::providers::{Error, ErrorKind, value_error};
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

pub(super) fn path(key: &str) -> Result<PropertyPath, Error> {
    PropertyPath::parse(key).map_err(|error| invalid(error.to_string()))
}

/// The value at `path`; a missing one comes with the name that was perhaps meant.
pub(super) fn value<'a>(
    name: &EnvironmentName,
    environment: &'a Environment,
    path: &PropertyPath,
) -> Result<&'a Value, Error> {
    let root = environment.root();
    let value = root.lookup(path).ok_or_else(|| {
        let meant = suggestion(root, path);
        let hint = meant.map(|meant| format!("; did you mean {meant}?"));
        let hint = hint.unwrap_or_default();
        let message = format!("{path} does not exist in environment {name}{hint}");
        Error::new(ErrorKind::NotFound, NAME, message)
    })?;
    if value.has_unknown() {
        let message = format!("environment {name}: the value at {path} is unknown after opening");
        return Err(invalid(message));
    }
    Ok(value)
}

/// The whole value, or the part that the gjson path `property` names.
pub(super) fn single(
    name: &EnvironmentName,
    path: &PropertyPath,
    value: &Value,
    property: &str,
) -> Result<SecretBytes, Error> {
    let json = value.to_json();
    if json == Json::Null {
        let message = format!("environment {name}: the value at {path} is null");
        return Err(Error::new(ErrorKind::NotFound, NAME, message));
    }
    if property.is_empty() {
        return Ok(json.to_content());
    }
    let found = value::property(&json.to_content(), property);
    found
        .map_err(|error| value_error(NAME, &path.to_string(), &error))?
        .ok_or_else(|| no_property(name, path, property))
}

/// The members of an object; null becomes empty, what is nested plain JSON.
pub(super) fn members(
    name: &EnvironmentName,
    path: &PropertyPath,
    value: &Value,
    property: &str,
) -> Result<SecretMap, Error> {
    let mut json = value.to_json();
    if !property.is_empty() {
        let broken = |error| value_error(NAME, &path.to_string(), &error);
        let part = value::property_json(&json.to_content(), property).map_err(broken)?;
        let part = part.ok_or_else(|| no_property(name, path, property))?;
        json = Json::parse(part.expose()).map_err(|error| broken(error.into()))?;
    }
    let Json::Object(members) = json else {
        let kind = json.kind();
        return Err(invalid(format!(
            "environment {name}: the value at {path} is {kind}, not an object; \
             extract needs an object, use data for a single value"
        )));
    };
    let members = members.into_iter();
    Ok(members
        .map(|(key, json)| (key, json.to_content()))
        .collect())
}

/// Every value that is no object, by its names below `path` joined with dots.
pub(super) fn leaves(
    name: &EnvironmentName,
    path: &PropertyPath,
    value: &Value,
    wanted: Option<&Regex>,
) -> Result<SecretMap, Error> {
    if value.members().is_none() {
        let kind = value.kind();
        return Err(invalid(format!(
            "environment {name}: the value at {path} is {kind}, not an object"
        )));
    }
    let mut found = SecretMap::new();
    collect("", value, wanted, &mut found).map_err(|key| {
        invalid(format!(
            "environment {name}: two values have the name {key:?}"
        ))
    })?;
    Ok(found)
}

fn collect(
    prefix: &str,
    value: &Value,
    wanted: Option<&Regex>,
    found: &mut SecretMap,
) -> Result<(), String> {
    let Some(members) = value.members() else {
        if wanted.is_none_or(|name| name.is_match(prefix)) {
            let content = value.to_json().to_content();
            if found.insert(prefix, content).is_some() {
                return Err(prefix.to_owned());
            }
        }
        return Ok(());
    };
    for (key, member) in members {
        let key = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        collect(&key, member, wanted, found)?;
    }
    Ok(())
}

fn no_property(name: &EnvironmentName, path: &PropertyPath, property: &str) -> Error {
    let message = format!("environment {name}: the value at {path} has no property {property:?}");
    Error::new(ErrorKind::NotFound, NAME, message)
}

/// The path with its first wrong name replaced by the nearest one that exists, if one is near.
fn suggestion(root: &Value, path: &PropertyPath) -> Option<PropertyPath> {
    let mut known = PropertyPath::default();
    let mut value = root;
    for step in &path.0 {
        let next = PropertyPath(vec![step.clone()]);
        if let Some(member) = value.lookup(&next) {
            known.0.push(step.clone());
            value = member;
            continue;
        }
        let Accessor::Key(wrong) = step else {
            return None;
        };
        let near = value
            .members()?
            .keys()
            .map(|key| (distance(wrong, key), key));
        let (distance, nearest) = near.min()?;
        let limit = (wrong.chars().count() / 2).clamp(1, 3);
        return (distance <= limit).then(|| known.join(nearest));
    }
    None
}

/// Number of insertions, deletions and replacements between two names, letter case aside.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.to_lowercase(), right.to_lowercase());
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
}
