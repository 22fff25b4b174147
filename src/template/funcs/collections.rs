//! Go's own functions on containers: `len`, `index`, `slice`, `call`.

use super::{Body, Function};
use crate::template::error::Outcome;
use crate::template::value::{List, Type, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("len", &[Type::Reflect], len),
    Function::new("index", &[Type::Reflect], index).and_more(Type::Reflect),
    Function::new("slice", &[Type::Reflect], slice).and_more(Type::Reflect),
    Function::of("call", &[Type::Reflect], Body::Call).and_more(Type::Reflect),
];

fn len(args: &[Value]) -> Outcome {
    let length = match &args[0] {
        Value::String(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Nil => return Err("len of nil pointer".to_owned()),
        // Go panics here, and says so.
        Value::NoValue => {
            return Err("reflect: call of reflect.Value.Type on zero Value".to_owned());
        }
        other => {
            let name = other.type_of().to_string();
            return Err(format!("len of type {}", name.trim_start_matches('*')));
        }
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(args: &[Value]) -> Outcome {
    let [item, indexes @ ..] = args else {
        return Err("index of untyped nil".to_owned());
    };
    if item.is_nil() {
        return Err("index of untyped nil".to_owned());
    }
    let mut item = item.clone();
    for index in indexes {
        item = index_once(&item, index)?;
    }
    Ok(item)
}

fn index_once(item: &Value, index: &Value) -> Outcome {
    let out_of_range = || "reflect: slice index out of range".to_owned();
    match item {
        Value::Nil | Value::NoValue => Err("index of nil pointer".to_owned()),
        Value::List(list) => {
            let position = position(index, list.len())?;
            list.items().get(position).cloned().ok_or_else(out_of_range)
        }
        Value::String(text) => {
            let position = position(index, text.len())?;
            let byte = text.as_bytes().get(position).copied();
            let out_of_range = || "reflect: string index out of range".to_owned();
            Ok(Value::Uint8(byte.ok_or_else(out_of_range)?))
        }
        Value::Map(map) => match index {
            Value::String(key) => Ok(map
                .get(key.as_bytes())
                .unwrap_or_else(|| zero(map.element()))),
            Value::Nil | Value::NoValue => Err("value is nil; should be of type string".to_owned()),
            other => Err(format!(
                "value has type {}; should be string",
                other.type_of()
            )),
        },
        other => {
            // Go looks behind the pointer first.
            let of = other.type_of().to_string();
            let of = of.trim_start_matches('*');
            Err(format!("can't index item of type {of}"))
        }
    }
}

/// Go's zero value of a map's element type.
pub(crate) fn zero(element: Type) -> Value {
    match element {
        Type::String => "".into(),
        _ => Value::Nil,
    }
}

/// An index of a container of `length` elements; Go lets one past the end through here.
fn position(index: &Value, length: usize) -> Outcome<usize> {
    if index.is_nil() {
        return Err("cannot index slice/array with nil".to_owned());
    }
    let Some(number) = index.as_integer() else {
        return Err(format!(
            "cannot index slice/array with type {}",
            index.type_of()
        ));
    };
    match usize::try_from(number) {
        Ok(position) if position <= length => Ok(position),
        _ => Err(format!("index out of range: {number}")),
    }
}

fn slice(args: &[Value]) -> Outcome {
    let (item, indexes) = (&args[0], &args[1..]);
    if item.is_nil() {
        return Err("slice of untyped nil".to_owned());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let length = match item {
        Value::String(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".to_owned());
        }
        Value::String(text) => text.len(),
        Value::List(list) => list.len(),
        other => return Err(format!("can't slice item of type {}", other.type_of())),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, length)?;
    }
    let [from, to, capacity] = bounds;
    for (low, high) in [(from, to), (to, capacity)] {
        if low > high {
            return Err(format!("invalid slice index: {low} > {high}"));
        }
    }
    match item {
        Value::List(list) => Ok(List::of(list.element(), list.items()[from..to].to_vec()).into()),
        other => Ok(other.bytes()[from..to].into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{index, len, slice};
    use crate::template::value::{List, Map, Value};

    fn list() -> Value {
        List::new(vec![Value::Int(1), Value::Int(2), Value::Int(3)]).into()
    }

    #[test]
    fn an_index_goes_into_containers() {
        let map = Map::new();
        map.insert("a", list()).unwrap();
        let found = index(&[map.into(), "a".into(), Value::Int(1)]).unwrap();
        assert_eq!(found.int(), 2);
        let byte = index(&["abc".into(), Value::Int(0)]).unwrap();
        assert!(matches!(byte, Value::Uint8(b'a')));
    }

    #[test]
    fn a_missing_key_gives_the_zero_value() {
        let found = index(&[Map::new().into(), "a".into()]).unwrap();
        assert!(matches!(found, Value::Nil));
        let strings = Map::strings([("a", "b")]);
        let found = index(&[strings.into(), "x".into()]).unwrap();
        assert!(matches!(found, Value::String(_)));
    }

    #[test]
    fn indexes_that_do_not_fit_are_refused() {
        for (args, expected) in [
            (vec![list(), Value::Int(4)], "index out of range: 4"),
            (vec![list(), Value::Int(-1)], "index out of range: -1"),
            (
                vec![list(), Value::Int(3)],
                "reflect: slice index out of range",
            ),
            (
                vec![list(), "a".into()],
                "cannot index slice/array with type string",
            ),
            (
                vec![list(), Value::Nil],
                "cannot index slice/array with nil",
            ),
            (vec![Value::Nil, Value::Int(1)], "index of untyped nil"),
            (
                vec![Value::Int(1), Value::Int(1)],
                "can't index item of type int",
            ),
            (
                vec![Map::new().into(), Value::Int(1)],
                "value has type int; should be string",
            ),
        ] {
            assert_eq!(index(&args).unwrap_err(), expected);
        }
    }

    #[test]
    fn slices_follow_their_bounds() {
        let part = slice(&[list(), Value::Int(1)]).unwrap();
        assert_eq!(len(&[part]).unwrap().int(), 2);
        let part = slice(&["hello".into(), Value::Int(1), Value::Int(3)]).unwrap();
        assert_eq!(part.bytes(), b"el");
        let error = slice(&["hello".into(), Value::Int(3), Value::Int(1)]).unwrap_err();
        assert_eq!(error, "invalid slice index: 3 > 1");
        let error = len(&[Value::Int(3)]).unwrap_err();
        assert_eq!(error, "len of type int");
    }
}
