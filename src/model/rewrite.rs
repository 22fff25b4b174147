//! Changes of fetched keys.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::api::v1::{MergeConflictPolicy, MergePriorityPolicy, MergeStrategy, RewriteMerge};
use crate::secret::SecretMap;
use crate::secret::json::Json;

/// One change of keys, applied to every key of an entry.
#[derive(Clone, Debug)]
pub enum Rewrite {
    /// Replaces what the expression finds; `$1` and `${name}` stand for groups.
    Regexp {
        /// RE2 expression.
        source: Regex,
        /// Replacement.
        target: String,
    },
    /// Merges the values, which must be JSON objects.
    Merge(RewriteMerge),
    /// Renders a template over each key.
    Transform(String),
}

/// Renders a template, the first argument, over the key that is the second.
pub type Transform<'a> = &'a dyn Fn(&str, &str) -> Result<String, String>;

/// Applies `rewrites` in order.
///
/// # Errors
/// When two keys become the same one, where ESO lets one of them win at random, values cannot be
/// merged or `transform` fails.
pub fn apply(
    mut map: SecretMap,
    rewrites: &[Rewrite],
    transform: Transform<'_>,
) -> Result<SecretMap, String> {
    for (position, rewrite) in rewrites.iter().enumerate() {
        let rewritten = match rewrite {
            Rewrite::Regexp { source, target } => rename(map, |key| {
                Ok(source.replace_all(key, target.as_str()).into_owned())
            }),
            Rewrite::Merge(merge) => merged(map, merge),
            Rewrite::Transform(template) => rename(map, |key| transform(template, key)),
        };
        map =
            rewritten.map_err(|error| format!("failed rewrite operation[{position}]: {error}"))?;
    }
    Ok(map)
}

/// The name that a key of no map gets; merging does nothing to it.
///
/// # Errors
/// When `transform` fails.
pub fn rename_key(
    key: &str,
    rewrites: &[Rewrite],
    transform: Transform<'_>,
) -> Result<String, String> {
    let mut name = key.to_owned();
    for (position, rewrite) in rewrites.iter().enumerate() {
        name = match rewrite {
            Rewrite::Regexp { source, target } => {
                source.replace_all(&name, target.as_str()).into_owned()
            }
            Rewrite::Transform(template) => transform(template, &name)
                .map_err(|error| format!("failed rewrite operation[{position}]: {error}"))?,
            Rewrite::Merge(_) => name,
        };
    }
    Ok(name)
}

fn rename(
    map: SecretMap,
    name: impl Fn(&str) -> Result<String, String>,
) -> Result<SecretMap, String> {
    let mut rewritten = SecretMap::new();
    for (key, value) in map {
        let new = name(&key)?;
        if rewritten.get(&new).is_some() {
            return Err(format!("two keys become {new:?}"));
        }
        rewritten.insert(new, value);
    }
    Ok(rewritten)
}

/// Keys are visited in alphabetical order, those with priority last; a later one wins.
fn merged(mut map: SecretMap, merge: &RewriteMerge) -> Result<SecretMap, String> {
    let mut order: Vec<String> = map.keys().map(str::to_owned).collect();
    order.retain(|key| !merge.priority.contains(key));
    let strict = merge.priority_policy != Some(MergePriorityPolicy::IgnoreNotFound);
    for key in &merge.priority {
        match map.get(key) {
            Some(_) => order.push(key.clone()),
            None if strict => {
                return Err(format!(
                    "merge failed with key {key:?} not found in input map"
                ));
            }
            None => {}
        }
    }
    let mut members = BTreeMap::new();
    let mut conflicts = BTreeSet::new();
    for key in &order {
        let value = map.get(key).map(|value| Json::parse(value.expose()));
        let Some(Ok(Json::Object(object))) = value else {
            return Err(format!(
                "merge failed: the value of key {key:?} is not a JSON object"
            ));
        };
        for (name, member) in object {
            if members.insert(name.clone(), member).is_some() {
                conflicts.insert(name);
            }
        }
    }
    if !conflicts.is_empty() && merge.conflict_policy != Some(MergeConflictPolicy::Ignore) {
        let conflicts: Vec<String> = conflicts.into_iter().collect();
        return Err(format!(
            "merge failed with conflicts: {}",
            conflicts.join(", ")
        ));
    }
    if merge.strategy == Some(MergeStrategy::JSON) {
        let into = merge.into.clone().filter(|into| !into.is_empty());
        let into =
            into.ok_or_else(|| "merge failed: into must be set with strategy JSON".to_owned())?;
        map.insert(into, Json::Object(members).to_bytes());
        return Ok(map);
    }
    let members = members.into_iter();
    Ok(members
        .map(|(key, member)| (key, member.to_content()))
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::SecretBytes;

    const NO_TEMPLATE: Transform<'_> = &|_, _| Err("there is no template".to_owned());

    #[test]
    fn keys_are_transformed_one_by_one() {
        let map: SecretMap = ["b", "a"]
            .into_iter()
            .map(|key| (key.to_owned(), SecretBytes::from("v")))
            .collect();
        let rewrites = [Rewrite::Transform("x-".to_owned())];
        let prefixed = apply(map, &rewrites, &|template, key| {
            Ok(format!("{template}{key}"))
        });
        let keys: Vec<String> = prefixed.unwrap().keys().map(str::to_owned).collect();
        assert_eq!(keys, ["x-a", "x-b"]);
        let told = apply(
            [("a".to_owned(), SecretBytes::from("v"))]
                .into_iter()
                .collect(),
            &rewrites,
            NO_TEMPLATE,
        );
        assert_eq!(
            told.unwrap_err(),
            "failed rewrite operation[0]: there is no template"
        );
    }

    fn rewrite(source: &str, target: &str, keys: &[&str]) -> Result<Vec<String>, String> {
        let map = keys
            .iter()
            .map(|key| ((*key).to_owned(), SecretBytes::from("v")))
            .collect();
        let rewrite = Rewrite::Regexp {
            source: Regex::new(source).unwrap(),
            target: target.to_owned(),
        };
        apply(map, &[rewrite], NO_TEMPLATE).map(|map| map.keys().map(str::to_owned).collect())
    }

    #[test]
    fn groups_are_replaced() {
        let keys = rewrite(
            "path/(.+)/(?P<last>.+)",
            "${last}-$1",
            &["path/a/b", "other"],
        )
        .unwrap();
        assert_eq!(keys, ["b-a", "other"]);
    }

    fn merge(
        settings: serde_json::Value,
        values: &[(&str, &str)],
    ) -> Result<Vec<(String, String)>, String> {
        let map = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value)));
        let merge: RewriteMerge = serde_json::from_value(settings).unwrap();
        let map = apply(map.collect(), &[Rewrite::Merge(merge)], NO_TEMPLATE)?;
        let text = |value: &SecretBytes| value.expose_str().unwrap().to_owned();
        Ok(map
            .iter()
            .map(|(key, value)| (key.to_owned(), text(value)))
            .collect())
    }

    const OBJECTS: [(&str, &str); 2] = [("a", r#"{"x":1,"y":"one"}"#), ("b", r#"{"x":2}"#)];

    fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
        wanted
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn merged_objects_replace_their_keys_and_the_one_with_priority_wins() {
        let later = merge(json!({"conflictPolicy": "Ignore"}), &OBJECTS).unwrap();
        assert_eq!(later, pairs(&[("x", "2"), ("y", "one")]));
        let first = merge(
            json!({"conflictPolicy": "Ignore", "priority": ["a"]}),
            &OBJECTS,
        )
        .unwrap();
        assert_eq!(first, pairs(&[("x", "1"), ("y", "one")]));
    }

    #[test]
    fn a_merged_object_may_be_added_as_json() {
        let settings = json!({"conflictPolicy": "Ignore", "strategy": "JSON", "into": "all"});
        let merged = merge(settings, &OBJECTS).unwrap();
        assert_eq!(
            merged[1],
            ("all".to_owned(), r#"{"x":2,"y":"one"}"#.to_owned())
        );
        assert_eq!(merged.len(), 3);
    }

    #[test]
    fn what_cannot_be_merged_is_named() {
        for (settings, values, text) in [
            (
                json!({}),
                &OBJECTS[..],
                "operation[0]: merge failed with conflicts: x",
            ),
            (
                json!({"priority": ["c"]}),
                &OBJECTS[..1],
                "key \"c\" not found in input map",
            ),
            (
                json!({"strategy": "JSON"}),
                &OBJECTS[..1],
                "into must be set",
            ),
            (
                json!({}),
                &[("a", "text")][..],
                "key \"a\" is not a JSON object",
            ),
        ] {
            let error = merge(settings, values).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
        assert!(
            merge(
                json!({"priority": ["c"], "priorityPolicy": "IgnoreNotFound"}),
                &OBJECTS[..1]
            )
            .is_ok()
        );
    }

    #[test]
    fn two_keys_that_become_one_are_an_error() {
        assert!(rewrite(".*", "same", &["a", "b"]).is_err());
    }
}
