//! Strings, lists and maps: shared, byte-exact, and wiped when the last owner lets go.

use std::borrow::Borrow;
use std::cell::{OnceCell, Ref, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use zeroize::Zeroize as _;

use super::{Type, Value};
use crate::template::budget;
use crate::template::error::Outcome;

/// What an element of a container costs in units of work: it takes about twice as many bytes.
const ELEMENT_COST: usize = 16;

/// A Go string: any bytes, cheap to copy, wiped when the last copy is dropped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Rc<Wiped>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Wiped(Vec<u8>);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Text {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }

    /// The bytes as text, each that is not UTF-8 replaced.
    #[must_use]
    pub fn to_str(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0.0)
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Rc::new(Wiped(bytes)))
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0.0
    }
}

/// A Go slice. Its elements never change, so copies may share them; but strings can be sorted in their place.
#[derive(Clone)]
pub struct List {
    element: Type,
    /// `None` is Go's nil slice: empty, but `null` in JSON.
    items: Option<Rc<Items>>,
}

/// The owner of elements; taking them apart on the heap keeps dropping a deep value off the stack.
struct Items {
    made: Vec<Value>,
    /// The same in order, once they were sorted.
    sorted: OnceCell<Vec<Value>>,
}

impl List {
    /// `[]interface {}` of `items`.
    #[must_use]
    pub fn new(items: Vec<Value>) -> Self {
        Self::of(Type::Any, items)
    }

    /// `[]string` of `items`.
    #[must_use]
    pub fn strings<T: Into<Text>>(items: impl IntoIterator<Item = T>) -> Self {
        let items = items.into_iter().map(|item| Value::String(item.into()));
        Self::of(Type::String, items.collect())
    }

    /// A slice whose element type is `element`, which every item must have.
    #[must_use]
    pub fn of(element: Type, items: Vec<Value>) -> Self {
        budget::charge(items.len().saturating_mul(ELEMENT_COST));
        let items = Items {
            made: items,
            sorted: OnceCell::new(),
        };
        Self {
            element,
            items: Some(Rc::new(items)),
        }
    }

    /// The nil slice of that element type.
    #[must_use]
    pub fn nil(element: Type) -> Self {
        Self {
            element,
            items: None,
        }
    }

    /// The elements, in order.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        self.items.as_ref().map_or(&[], |items| {
            items.sorted.get().unwrap_or(&items.made).as_slice()
        })
    }

    /// Sorts a slice of strings, for all who share it.
    pub fn sort_strings(&self) {
        let Some(items) = &self.items else {
            return;
        };
        items.sorted.get_or_init(|| {
            budget::charge(items.made.len().saturating_mul(ELEMENT_COST));
            let mut sorted = items.made.clone();
            sorted.sort_by(|one, other| one.bytes().cmp(other.bytes()));
            sorted
        });
    }

    /// The type of the elements.
    #[must_use]
    pub fn element(&self) -> Type {
        self.element
    }

    /// Whether this is Go's nil slice.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.items.is_none()
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items().len()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items().is_empty()
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        dismantle(std::mem::take(&mut self.made));
    }
}

/// A Go map with string keys, iterated in key order. Copies are the same map: what one writes, all see.
#[derive(Clone)]
pub struct Map {
    element: Type,
    entries: Rc<Entries>,
}

struct Entries(RefCell<BTreeMap<Text, Value>>);

impl Map {
    /// An empty `map[string]interface {}`.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Type::Any)
    }

    /// An empty map whose values have the type `element`.
    #[must_use]
    pub fn of(element: Type) -> Self {
        Self {
            element,
            entries: Rc::new(Entries(RefCell::new(BTreeMap::new()))),
        }
    }

    /// `map[string]string` of `entries`; the shape of the dot in a Secret's template.
    #[must_use]
    pub fn strings<K: Into<Text>, V: Into<Text>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let map = Self::of(Type::String);
        for (key, value) in entries {
            let value = Value::String(value.into());
            map.entries.0.borrow_mut().insert(key.into(), value);
        }
        map
    }

    /// `map[string]interface {}` of `entries`, none of which can hold the map that is being made.
    #[must_use]
    pub fn from_fresh<K: Into<Text>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let map = Self::new();
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value));
        map.entries.0.borrow_mut().extend(entries);
        map
    }

    /// The type of the values.
    #[must_use]
    pub fn element(&self) -> Type {
        self.element
    }

    /// The value at `key`.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.entries.0.borrow().get(key).cloned()
    }

    /// Whether there is an entry at `key`.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.entries.0.borrow().contains_key(key)
    }

    /// Puts `value` at `key`, for every copy of this map.
    ///
    /// # Errors
    /// When the map would then contain itself, which nothing could print, or the work for finding that
    /// out is not allowed.
    pub fn insert(&self, key: impl Into<Text>, value: Value) -> Outcome<()> {
        budget::spend(ELEMENT_COST)?;
        if reaches(&value, self)? {
            return Err("a map cannot contain itself".to_owned());
        }
        let former = self.entries.0.borrow_mut().insert(key.into(), value);
        drop(former);
        Ok(())
    }

    /// Takes the entry at `key` away, for every copy of this map.
    #[must_use = "the entry that was there"]
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        self.entries.0.borrow_mut().remove(key)
    }

    /// The keys, in byte order.
    #[must_use]
    pub fn keys(&self) -> Vec<Text> {
        self.entries.0.borrow().keys().cloned().collect()
    }

    /// A snapshot of the entries, in byte order of the keys.
    #[must_use]
    pub fn entries(&self) -> Vec<(Text, Value)> {
        let entries = self.entries.0.borrow();
        entries
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }

    /// The entries in place; nothing may write to the map while they are held.
    #[must_use]
    pub fn borrow(&self) -> Ref<'_, BTreeMap<Text, Value>> {
        self.entries.0.borrow()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.0.borrow().len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both are the same map, not merely equal ones.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.entries, &other.entries)
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        dismantle(self.0.take().into_values().collect());
    }
}

/// Drops `values` and what they alone own, without recursion.
fn dismantle(mut values: Vec<Value>) {
    while let Some(value) = values.pop() {
        match value {
            Value::List(List {
                items: Some(items), ..
            }) => {
                if let Some(mut items) = Rc::into_inner(items) {
                    values.append(&mut items.made);
                }
            }
            Value::Map(map) => {
                if let Some(entries) = Rc::into_inner(map.entries) {
                    values.extend(entries.0.take().into_values());
                }
            }
            _ => {}
        }
    }
}

/// Whether following `value` leads to `target`.
fn reaches(value: &Value, target: &Map) -> Outcome<bool> {
    if !is_container(value) {
        return Ok(false);
    }
    let mut seen = HashSet::new();
    let mut ahead = vec![value.clone()];
    while let Some(value) = ahead.pop() {
        match value {
            Value::Map(map) => {
                if map.is_same(target) {
                    return Ok(true);
                }
                if seen.insert(Rc::as_ptr(&map.entries).addr()) {
                    budget::spend(map.len())?;
                    ahead.extend(map.borrow().values().filter(|v| is_container(v)).cloned());
                }
            }
            Value::List(list) => {
                if let Some(items) = &list.items
                    && seen.insert(Rc::as_ptr(items).addr())
                {
                    budget::spend(items.made.len())?;
                    ahead.extend(items.made.iter().filter(|v| is_container(v)).cloned());
                }
            }
            _ => {}
        }
    }
    Ok(false)
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::List(_))
}

#[cfg(test)]
mod tests {
    use super::{List, Map};
    use crate::template::value::Value;

    #[test]
    fn copies_of_a_map_are_the_same_map() {
        let map = Map::new();
        let copy = map.clone();
        copy.insert("a", Value::Int(1)).unwrap();
        assert_eq!(map.len(), 1);
        assert!(copy.remove(b"a").is_some());
        assert!(map.is_empty());
    }

    #[test]
    fn a_map_that_would_contain_itself_is_refused() {
        let outer = Map::new();
        let inner = Map::new();
        let list = Value::from(List::new(vec![inner.clone().into()]));
        outer.insert("list", list).unwrap();
        let refused = inner.insert("outer", outer.clone().into());
        assert_eq!(refused.unwrap_err(), "a map cannot contain itself");
        assert!(outer.insert("self", outer.clone().into()).is_err());
    }

    #[test]
    fn a_deep_value_is_dropped_off_the_stack() {
        let mut value = Value::Int(1);
        for _ in 0..200_000 {
            value = List::new(vec![value]).into();
        }
        drop(value);
        let head = Map::new();
        let mut tail = head.clone();
        for _ in 0..200_000 {
            let next = Map::new();
            tail.insert("next", next.clone().into()).unwrap();
            tail = next;
        }
        drop((head, tail));
    }
}
