//! Which namespaces get an object and which lose it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What is known before anything is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Name the objects shall have.
    pub name: String,
    /// Namespaces that are selected and not about to go.
    pub selected: BTreeSet<String>,
    /// Namespaces that exist and are not about to go.
    pub alive: BTreeSet<String>,
    /// Name the objects were last given.
    pub placed_name: Option<String>,
    /// Namespaces that were given an object, or should have been.
    pub placed: BTreeSet<String>,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Objects to remove where they are ours: namespace and name.
    pub remove: Vec<(String, String)>,
    /// Namespaces to give the object.
    pub place: Vec<String>,
}

/// Decides.
pub(crate) fn plan(observed: &Observed) -> Plan {
    let last = observed
        .placed_name
        .as_ref()
        .filter(|name| !name.is_empty());
    let renamed = last.is_some_and(|last| *last != observed.name);
    let left = observed
        .placed
        .iter()
        .filter(|namespace| observed.alive.contains(*namespace));
    let remove = left
        .filter(|namespace| renamed || !observed.selected.contains(*namespace))
        .map(|namespace| (namespace.clone(), last.unwrap_or(&observed.name).clone()));
    Plan {
        remove: remove.collect(),
        place: observed.selected.iter().cloned().collect(),
    }
}

/// How a pass ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Name of the objects.
    pub name: String,
    /// Namespaces that have the object, sorted.
    pub provisioned: Vec<String>,
    /// Namespaces that could not be served, and why.
    pub failed: BTreeMap<String, String>,
}

impl Outcome {
    /// Status of the condition Ready.
    pub(crate) fn status(&self) -> &'static str {
        if self.failed.is_empty() {
            "True"
        } else {
            "False"
        }
    }

    /// Message of the condition Ready.
    pub(crate) fn message(&self) -> &'static str {
        if self.failed.is_empty() {
            ""
        } else {
            "one or more namespaces failed"
        }
    }

    /// The failures, as the status has them.
    pub(crate) fn failed_json(&self) -> Value {
        let each = self.failed.iter();
        each.map(|(namespace, reason)| json!({"namespace": namespace, "reason": reason}))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn observed() -> Observed {
        Observed {
            name: "app".to_owned(),
            selected: set(&["b", "c"]),
            alive: set(&["a", "b", "c"]),
            placed_name: Some("app".to_owned()),
            placed: set(&["a", "b", "gone"]),
        }
    }

    #[test]
    fn a_namespace_that_left_the_selection_loses_the_object_and_one_that_is_gone_is_left_alone() {
        let plan = plan(&observed());
        assert_eq!(plan.remove, [("a".to_owned(), "app".to_owned())]);
        assert_eq!(plan.place, ["b", "c"]);
    }

    #[test]
    fn a_rename_removes_the_objects_of_the_old_name() {
        let plan = plan(&Observed {
            name: "new".to_owned(),
            ..observed()
        });
        let removed: Vec<&str> = plan
            .remove
            .iter()
            .map(|(namespace, _)| namespace.as_str())
            .collect();
        assert_eq!(removed, ["a", "b"]);
        assert!(plan.remove.iter().all(|(_, name)| name == "app"));
    }

    #[test]
    fn a_failed_namespace_is_told() {
        let mut outcome = Outcome::default();
        assert_eq!(outcome.status(), "True");
        outcome.failed.insert("a".to_owned(), "why".to_owned());
        assert_eq!(
            (outcome.status(), outcome.failed_json()),
            ("False", json!([{"namespace": "a", "reason": "why"}]))
        );
    }
}
