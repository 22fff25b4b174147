//! What a push changes in a Secret. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{document, invalid};
use crate::cluster::remote::{Change, RemoteSecret};
use crate::model::push::{Push, Pushed};
use crate::providers::Error;
use crate::secret::SecretMap;

/// What the object may say of the remote Secret.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Settings {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// The change that a push needs, or `None` where all of it stands there already.
pub(super) fn change(
    push: &Push<'_>,
    present: Option<&RemoteSecret>,
) -> Result<Option<Change>, Error> {
    let property = &push.target.property;
    let pushed = push.pushed().map_err(|error| invalid(error.to_string()))?;
    let mut set = SecretMap::new();
    let mut unset = Vec::new();
    match pushed {
        Pushed::One(_) if property.is_empty() => {
            return Err(invalid(format!(
                "requires property in remoteRef to push secret value to key {:?}",
                push.target.key
            )));
        }
        Pushed::One(value) => {
            set.insert(property.clone(), value.duplicate());
        }
        Pushed::Whole(values) if property.is_empty() => {
            set = values.duplicate();
            let old = present.into_iter().flat_map(|present| present.data.keys());
            unset.extend(
                old.filter(|key| values.get(key).is_none())
                    .map(str::to_owned),
            );
        }
        Pushed::Whole(values) => {
            set.insert(property.clone(), document(values.duplicate()));
        }
    }
    let settings = settings(push.metadata)?;
    let stands = present.is_some_and(|present| {
        let same = |(key, value): (&str, &crate::secret::SecretBytes)| {
            present
                .data
                .get(key)
                .is_some_and(|old| old.expose() == value.expose())
        };
        unset.is_empty()
            && set.iter().all(same)
            && settings
                .labels
                .iter()
                .all(|(key, value)| present.labels.get(key) == Some(value))
            && settings
                .annotations
                .iter()
                .all(|(key, value)| present.annotations.get(key) == Some(value))
    });
    Ok((!stands).then(|| Change {
        set,
        unset,
        labels: settings.labels,
        annotations: settings.annotations,
        type_: push.source.type_.clone(),
    }))
}

fn settings(metadata: Option<&serde_json::Value>) -> Result<Settings, Error> {
    let Some(spec) = metadata.and_then(|metadata| metadata.get("spec")) else {
        return Ok(Settings::default());
    };
    Settings::deserialize(spec).map_err(|error| {
        invalid(format!(
            "metadata.spec: {error}; only labels and annotations are served"
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::push::{Source, Target};

    fn source() -> Source {
        let data = [("a", "1"), ("b", "2")];
        let data = data.map(|(key, value)| (key.to_owned(), value.into()));
        Source {
            data: data.into_iter().collect(),
            ..Source::default()
        }
    }

    fn present(data: &[(&str, &str)]) -> RemoteSecret {
        let data = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).into()));
        RemoteSecret {
            data: data.collect(),
            ..RemoteSecret::default()
        }
    }

    /// Keys that are set, and keys that are removed.
    type Keys = (Vec<String>, Vec<String>);

    fn changed(
        secret_key: &str,
        property: &str,
        present: &RemoteSecret,
        metadata: Option<&serde_json::Value>,
    ) -> Result<Option<Keys>, Error> {
        let source = source();
        let target = Target {
            key: "remote".to_owned(),
            property: property.to_owned(),
        };
        let push = Push {
            source: &source,
            secret_key,
            target: &target,
            metadata,
        };
        let change = change(&push, Some(present))?;
        Ok(change.map(|change| (change.set.keys().map(str::to_owned).collect(), change.unset)))
    }

    #[test]
    fn one_value_leaves_the_others_alone_and_a_whole_source_replaces_them() {
        let there = present(&[("x", "old")]);
        assert_eq!(
            changed("a", "x", &there, None).unwrap(),
            Some((vec!["x".to_owned()], vec![]))
        );
        let (set, unset) = changed("", "", &there, None).unwrap().unwrap();
        assert_eq!(
            (set, unset),
            (vec!["a".to_owned(), "b".to_owned()], vec!["x".to_owned()])
        );
        assert!(changed("a", "", &there, None).is_err());
        assert!(changed("c", "x", &there, None).is_err());
    }

    #[test]
    fn what_stands_there_already_is_not_written() {
        let there = present(&[("a", "1"), ("b", "2")]);
        assert_eq!(changed("", "", &there, None).unwrap(), None);
        assert_eq!(changed("b", "b", &there, None).unwrap(), None);
        let labels = json!({"spec": {"labels": {"team": "x"}}});
        assert!(changed("b", "b", &there, Some(&labels)).unwrap().is_some());
        let unknown = json!({"spec": {"remoteNamespace": "x"}});
        assert!(changed("b", "b", &there, Some(&unknown)).is_err());
    }
}
