//! How sprig's `merge` puts one dictionary into another, as the mergo library does it.

use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{Kind, Map, Type, Value};

/// Puts the entries of `from` into `into`, dictionaries within dictionaries likewise. What is there and
/// not empty stays, unless `overwrite`.
pub(super) fn merge(into: &Map, from: &Map, overwrite: bool) -> Outcome<()> {
    let _level = budget::descend()?;
    for (key, new) in from.entries() {
        budget::spend(1)?;
        let old = into.get(key.as_bytes());
        if new.is_nil() {
            if overwrite {
                put(into, &key, new, from)?;
            }
            continue;
        }
        if let (Value::List(_), Type::String) = (&new, into.element()) {
            return Err(match old {
                Some(_) => "reflect: call of reflect.Value.IsNil on string Value".to_owned(),
                None => unassignable(new.type_of()),
            });
        }
        if let (Some(Value::Map(old)), Value::Map(new)) = (&old, &new) {
            if !old.is_same(new) {
                merge(old, new, overwrite)?;
            }
            // An entry that is still empty is replaced below.
            if !old.is_empty() {
                continue;
            }
        }
        if let (Some(old), Value::Map(_), false) = (&old, &new, overwrite)
            && old.kind() == Kind::Ptr
        {
            return Err("src and dst must be of same type".to_owned());
        }
        if overwrite || old.as_ref().is_none_or(is_empty) {
            put(into, &key, new, from)?;
        }
    }
    Ok(())
}

fn put(into: &Map, key: &crate::template::value::Text, value: Value, from: &Map) -> Outcome<()> {
    if into.element() == Type::String && from.element() != Type::String {
        return Err(unassignable(Type::Any));
    }
    into.insert(key.clone(), value)
}

/// What Go says of an entry that a dictionary of strings cannot have.
fn unassignable(entry: Type) -> String {
    format!("reflect.Value.SetMapIndex: value of type {entry} is not assignable to type string")
}

/// Empty for mergo: a structure never is.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Complex128(..) => false,
        Value::Object(object) => object.underlying().is_some_and(|value| is_empty(&value)),
        other => !other.truth(),
    }
}
