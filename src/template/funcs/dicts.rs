//! sprig's functions on dictionaries. Where Go visits a map in random order, these go by the keys.

use super::Function;
use super::cast::to_text;
use super::merging::merge;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{DICT, List, Map, Text, Type, Value};

const S: Type = Type::String;
const A: Type = Type::Any;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("dict", &[], dict).and_more(A),
    Function::new("get", &[DICT, S], |args| {
        let found = args[0].as_map().and_then(|map| map.get(args[1].bytes()));
        Ok(found.unwrap_or_else(|| "".into()))
    }),
    Function::new("set", &[DICT, S, A], set),
    Function::new("unset", &[DICT, S], |args| {
        if let Some(map) = args[0].as_map() {
            drop(map.remove(args[1].bytes()));
        }
        Ok(args[0].clone())
    }),
    Function::new("hasKey", &[DICT, S], |args| {
        let map = args[0].as_map();
        Ok(map.is_some_and(|map| map.contains(args[1].bytes())).into())
    }),
    Function::new("pluck", &[S], |args| {
        let maps = args[1..].iter().filter_map(Value::as_map);
        let found = maps.filter_map(|map| map.get(args[0].bytes()));
        Ok(List::new(found.collect()).into())
    })
    .and_more(DICT),
    Function::new("keys", &[], keys).and_more(DICT),
    Function::new("values", &[DICT], |args| {
        let entries = entries(&args[0])?.into_iter();
        Ok(List::new(entries.map(|(_, value)| value).collect()).into())
    }),
    Function::new("pick", &[DICT], |args| {
        chosen(&args[0], |key| named(&args[1..], key))
    })
    .and_more(S),
    Function::new("omit", &[DICT], |args| {
        chosen(&args[0], |key| !named(&args[1..], key))
    })
    .and_more(S),
    Function::new("merge", &[DICT], |args| merge_all(args, false)).and_more(DICT),
    Function::new("mustMerge", &[DICT], |args| merge_all(args, false)).and_more(DICT),
    Function::new("mergeOverwrite", &[DICT], |args| merge_all(args, true)).and_more(DICT),
    Function::new("mustMergeOverwrite", &[DICT], |args| merge_all(args, true)).and_more(DICT),
    Function::new("deepCopy", &[A], deep_copy),
    Function::new("mustDeepCopy", &[A], deep_copy),
    Function::new("dig", &[], dig).and_more(A),
];

fn dict(args: &[Value]) -> Outcome {
    budget::spend(args.len())?;
    let map = Map::new();
    for pair in args.chunks(2) {
        let value = pair.get(1).cloned().unwrap_or_else(|| "".into());
        map.insert(to_text(&pair[0])?, value)?;
    }
    Ok(map.into())
}

fn set(args: &[Value]) -> Outcome {
    let Some(map) = args[0].as_map() else {
        return Err("assignment to entry in nil map".to_owned());
    };
    map.insert(Text::from(args[1].bytes()), args[2].clone())?;
    Ok(args[0].clone())
}

fn entries(value: &Value) -> Outcome<Vec<(Text, Value)>> {
    let map = value.as_map();
    budget::spend(map.map_or(0, Map::len))?;
    Ok(map.map(Map::entries).unwrap_or_default())
}

fn keys(args: &[Value]) -> Outcome {
    let mut keys = Vec::new();
    for value in args {
        keys.extend(entries(value)?.into_iter().map(|(key, _)| key));
    }
    Ok(List::strings(keys).into())
}

fn named(names: &[Value], key: &Text) -> bool {
    names.iter().any(|name| name.bytes() == key.as_bytes())
}

fn chosen(value: &Value, choose: impl Fn(&Text) -> bool) -> Outcome {
    let entries = entries(value)?.into_iter();
    Ok(Map::from_fresh(entries.filter(|(key, _)| choose(key))).into())
}

/// Merges into the first dictionary, which is changed for all that hold it.
fn merge_all(args: &[Value], overwrite: bool) -> Outcome {
    let into = args[0].as_map().cloned().unwrap_or_default();
    for from in args[1..].iter().filter_map(Value::as_map) {
        merge(&into, from, overwrite)?;
    }
    Ok(into.into())
}

fn deep_copy(args: &[Value]) -> Outcome {
    if args[0].is_nil() {
        return Err("reflect: call of reflect.Value.Type on zero Value".to_owned());
    }
    copied(&args[0])
}

fn copied(value: &Value) -> Outcome {
    let _level = budget::descend()?;
    budget::spend(1)?;
    match value {
        Value::List(list) if !list.is_nil() => {
            let items: Outcome<Vec<Value>> = list.items().iter().map(copied).collect();
            Ok(List::of(list.element(), items?).into())
        }
        Value::Map(map) => {
            let copy = Map::of(map.element());
            for (key, value) in map.entries() {
                copy.insert(key, copied(&value)?)?;
            }
            Ok(copy.into())
        }
        Value::Object(object) => Ok(object.deep_copy().unwrap_or_else(|| value.clone())),
        other => Ok(other.clone()),
    }
}

/// What Go's type assertion says when `value` is none of `wanted`.
fn no_conversion(value: &Value, wanted: Type) -> String {
    let is = match value {
        Value::Nil | Value::NoValue => "nil".to_owned(),
        other => other.type_of().to_string(),
    };
    format!("interface conversion: interface {{}} is {is}, not {wanted}")
}

fn dig(args: &[Value]) -> Outcome {
    let [keys @ .., default, dict] = args else {
        return Err("dig needs at least three arguments".to_owned());
    };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".to_owned());
    }
    let as_dict = |value: &Value| match value.as_map() {
        Some(map) if map.element() == A => Ok(map.clone()),
        _ => Err(no_conversion(value, DICT)),
    };
    let mut map = as_dict(dict)?;
    if let Some(key) = keys.iter().find(|key| !matches!(key, Value::String(_))) {
        return Err(no_conversion(key, S));
    }
    let [path @ .., last] = keys else {
        return Ok(default.clone());
    };
    for key in path {
        match map.get(key.bytes()) {
            Some(step) => map = as_dict(&step)?,
            None => return Ok(default.clone()),
        }
    }
    Ok(map.get(last.bytes()).unwrap_or_else(|| default.clone()))
}
