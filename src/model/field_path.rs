//! Paths into an object: `spec.containers[0].env`.

use serde_json::{Map, Value};

/// Largest index: an array grows to it.
const LARGEST_INDEX: usize = 10_000;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

/// Where in an object something goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<Step>);

impl FieldPath {
    /// Reads a path: members with dots between them, each with indices behind it.
    ///
    /// # Errors
    /// A sentence that quotes the path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a path such as \"spec.items[0].value\"");
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (member, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            if member.is_empty() {
                return Err(wrong());
            }
            steps.push(Step::Member(member.to_owned()));
            let mut rest = indices;
            while !rest.is_empty() {
                let (index, behind) = rest
                    .strip_prefix('[')
                    .and_then(|rest| rest.split_once(']'))
                    .ok_or_else(wrong)?;
                let index: usize = index.parse().map_err(|_| wrong())?;
                if index > LARGEST_INDEX {
                    return Err(format!("{text:?}: no index may be above {LARGEST_INDEX}"));
                }
                steps.push(Step::Item(index));
                rest = behind;
            }
        }
        Ok(Self(steps))
    }

    /// Whether it leads to a member of the object itself.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.0.len() == 1
    }

    /// The member of the object that it begins with.
    #[must_use]
    pub fn root(&self) -> &str {
        match self.0.first() {
            Some(Step::Member(member)) => member,
            _ => "",
        }
    }

    /// The place in `object`, which grows where it is missing; gaps of arrays are null.
    ///
    /// # Errors
    /// When something on the way is neither missing nor of the form that the path has.
    pub fn place<'a>(&self, object: &'a mut Value) -> Result<&'a mut Value, String> {
        let mut place = object;
        for step in &self.0 {
            place = match step {
                Step::Member(member) => {
                    if place.is_null() {
                        *place = Value::Object(Map::new());
                    }
                    let map = place.as_object_mut();
                    let map = map.ok_or_else(|| format!("what holds {member:?} is not a map"))?;
                    map.entry(member.clone()).or_insert(Value::Null)
                }
                Step::Item(index) => {
                    if place.is_null() {
                        *place = Value::Array(Vec::new());
                    }
                    let items = place.as_array_mut();
                    let items =
                        items.ok_or_else(|| format!("what holds [{index}] is not a list"))?;
                    while items.len() <= *index {
                        items.push(Value::Null);
                    }
                    &mut items[*index]
                }
            };
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_and_lists_grow_on_the_way() {
        let mut object = json!({"spec": {"kept": 1}});
        let path = FieldPath::parse("spec.list[2].Value").unwrap();
        *path.place(&mut object).unwrap() = json!("x");
        assert_eq!(
            object,
            json!({"spec": {"kept": 1, "list": [null, null, {"Value": "x"}]}})
        );
        let through = FieldPath::parse("spec.kept.deeper").unwrap();
        assert!(through.place(&mut object).is_err());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "a..b", "a[", "a[x]", "[0]", "a[0]b", "a[10001]"] {
            assert!(FieldPath::parse(text).is_err(), "{text}");
        }
        assert!(FieldPath::parse("spec").unwrap().is_single());
        assert_eq!(FieldPath::parse("a.b[0][1]").unwrap().root(), "a");
    }
}
