//! One field of one object that the hand-over changes, and how to change it back. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The object that holds the field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    /// For example `apps/v1`.
    pub(super) api_version: String,
    /// For example `Deployment`.
    pub(super) kind: String,
    /// Absent for an object of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    /// Name.
    pub(super) name: String,
}

impl Place {
    /// Kind and name as people write them.
    pub(super) fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        }
    }
}

/// A field's value before and after; `None` where the field is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    /// The object.
    pub(super) place: Place,
    /// JSON pointer of the field.
    pub(super) field: String,
    /// What was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Value>,
    /// What is put there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Value>,
    /// Why, for people.
    pub(super) why: String,
}

/// Which way a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To latchkey.
    Forth,
    /// Back to ESO.
    Back,
}

/// What stands in the field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// What is to be there.
    Done,
    /// What was expected before.
    Open,
    /// Something that somebody else has put there.
    Foreign(Option<Value>),
}

impl Change {
    /// What is to be in the field.
    pub(super) fn wanted(&self, direction: Direction) -> Option<&Value> {
        match direction {
            Direction::Forth => self.after.as_ref(),
            Direction::Back => self.before.as_ref(),
        }
    }

    /// How far the change is made in `object`.
    pub(super) fn standing(&self, object: &Value, direction: Direction) -> Standing {
        let present = object.pointer(&self.field);
        let expected = match direction {
            Direction::Forth => self.before.as_ref(),
            Direction::Back => self.after.as_ref(),
        };
        if present == self.wanted(direction) {
            Standing::Done
        } else if present == expected {
            Standing::Open
        } else {
            Standing::Foreign(present.cloned())
        }
    }

    /// The JSON patch that makes the change in `object` and in no other state of it.
    pub(super) fn patch(&self, object: &Value, direction: Direction) -> json_patch::Patch {
        let mut steps = Vec::new();
        match object.pointer(&self.field) {
            Some(present) => {
                steps.push(json!({"op": "test", "path": self.field, "value": present}));
            }
            None => {
                let version = object.pointer("/metadata/resourceVersion");
                steps.push(
                    json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}),
                );
            }
        }
        match self.wanted(direction) {
            Some(value) => {
                for parent in missing_parents(object, &self.field) {
                    steps.push(json!({"op": "add", "path": parent, "value": {}}));
                }
                steps.push(json!({"op": "add", "path": self.field, "value": value}));
            }
            None => steps.push(json!({"op": "remove", "path": self.field})),
        }
        serde_json::from_value(Value::Array(steps)).expect("the steps must be a JSON patch")
    }
}

/// The objects above a field that are not there, the outermost first.
fn missing_parents<'a>(object: &Value, field: &'a str) -> Vec<&'a str> {
    let ends = field.match_indices('/').map(|(at, _)| at).skip(1);
    ends.map(|end| &field[..end])
        .filter(|parent| object.pointer(parent).is_none())
        .collect()
}

/// A name as a part of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What stays to be undone when further changes follow earlier ones: of a field that was changed before,
/// the value from before the first change is kept.
pub(super) fn joined(earlier: Vec<Change>, further: Vec<Change>) -> Vec<Change> {
    let mut all = earlier;
    for change in further {
        let known = all
            .iter_mut()
            .find(|known| known.place == change.place && known.field == change.field);
        match known {
            Some(known) => known.after = change.after,
            None => all.push(change),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: Option<Value>, after: Option<Value>) -> Change {
        Change {
            place: Place {
                api_version: "apiextensions.k8s.io/v1".to_owned(),
                kind: "CustomResourceDefinition".to_owned(),
                namespace: None,
                name: "a".to_owned(),
            },
            field: format!(
                "/metadata/annotations/{}",
                escaped("helm.sh/resource-policy")
            ),
            before,
            after,
            why: String::new(),
        }
    }

    fn made(change: &Change, object: &Value, direction: Direction) -> Value {
        let mut changed = object.clone();
        json_patch::patch(&mut changed, &change.patch(object, direction)).unwrap();
        changed
    }

    #[test]
    fn a_change_is_made_and_taken_back() {
        let change = change(None, Some(json!("keep")));
        let object = json!({"metadata": {"resourceVersion": "7", "annotations": {"a": "b"}}});
        assert_eq!(change.standing(&object, Direction::Forth), Standing::Open);
        let changed = made(&change, &object, Direction::Forth);
        assert_eq!(
            changed["metadata"]["annotations"]["helm.sh/resource-policy"],
            "keep"
        );
        assert_eq!(change.standing(&changed, Direction::Forth), Standing::Done);
        assert_eq!(change.standing(&changed, Direction::Back), Standing::Open);
        assert_eq!(made(&change, &changed, Direction::Back), object);
    }

    #[test]
    fn parents_that_are_missing_are_made() {
        let change = change(None, Some(json!("keep")));
        let object = json!({"metadata": {"resourceVersion": "7"}});
        let changed = made(&change, &object, Direction::Forth);
        assert_eq!(
            changed["metadata"]["annotations"],
            json!({"helm.sh/resource-policy": "keep"})
        );
    }

    #[test]
    fn what_somebody_else_has_put_there_is_seen() {
        let change = change(Some(json!("x")), Some(json!("keep")));
        let object = json!({"metadata": {"annotations": {"helm.sh/resource-policy": "other"}}});
        let other = Standing::Foreign(Some(json!("other")));
        assert_eq!(change.standing(&object, Direction::Forth), other);
        assert_eq!(change.standing(&object, Direction::Back), other);
    }

    #[test]
    fn a_patch_holds_for_the_state_it_was_made_for_alone() {
        let change = change(Some(json!("x")), None);
        let object = json!({"metadata": {"annotations": {"helm.sh/resource-policy": "x"}}});
        let patch = change.patch(&object, Direction::Forth);
        let mut other = json!({"metadata": {"annotations": {"helm.sh/resource-policy": "y"}}});
        assert!(json_patch::patch(&mut other, &patch).is_err());
    }

    #[test]
    fn the_first_value_from_before_is_kept() {
        let first = change(Some(json!(1)), Some(json!(0)));
        let again = change(Some(json!(3)), Some(json!(0)));
        let all = joined(vec![first.clone()], vec![again]);
        assert_eq!(all, [first]);
    }
}
