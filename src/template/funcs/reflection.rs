//! sprig's functions on types, and equality through lists and dictionaries.

use super::Function;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{Kind, Type, Value};

const S: Type = Type::String;
const A: Type = Type::Any;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("typeOf", &[A], |args| Ok(type_of(&args[0]).into())),
    Function::new("typeIs", &[S, A], |args| {
        Ok((args[0].bytes() == type_of(&args[1]).as_bytes()).into())
    }),
    Function::new("typeIsLike", &[S, A], |args| {
        let (wanted, is) = (args[0].bytes(), type_of(&args[1]));
        let is = is.as_bytes();
        Ok((is == wanted || is.strip_prefix(b"*") == Some(wanted)).into())
    }),
    Function::new("kindOf", &[A], |args| Ok(kind_of(&args[0]).into())),
    Function::new("kindIs", &[S, A], |args| {
        Ok((args[0].bytes() == kind_of(&args[1]).as_bytes()).into())
    }),
    Function::new("deepEqual", &[A, A], |args| {
        Ok(deep_equal(&args[0], &args[1])?.into())
    }),
];

fn type_of(value: &Value) -> String {
    match value {
        Value::Nil | Value::NoValue => "<nil>".to_owned(),
        other => other.type_of().to_string(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Nil => Kind::Invalid.name(),
        other => other.kind().name(),
    }
}

/// Go's `reflect.DeepEqual`: types must agree all the way down, and a nil list is not an empty one.
pub(super) fn deep_equal(left: &Value, right: &Value) -> Outcome<bool> {
    let _level = budget::descend()?;
    budget::spend(1)?;
    match (left, right) {
        (Value::Nil | Value::NoValue, Value::Nil | Value::NoValue) => Ok(true),
        _ if left.type_of() != right.type_of() || left.is_nil() != right.is_nil() => Ok(false),
        (Value::List(left), Value::List(right)) => {
            if left.is_nil() != right.is_nil() || left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.items().iter().zip(right.items()) {
                if !deep_equal(left, right)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Map(left), Value::Map(right)) => {
            if left.is_same(right) {
                return Ok(true);
            }
            if left.len() != right.len() {
                return Ok(false);
            }
            for (key, value) in left.entries() {
                match right.get(key.as_bytes()) {
                    Some(other) if deep_equal(&value, &other)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        _ => Ok(plainly_equal(left, right)),
    }
}

/// Equality of what has no elements; the types are known to agree.
#[expect(clippy::float_cmp, reason = "equality is Go's, which is exact")]
fn plainly_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Float64(left), Value::Float64(right)) => left == right,
        (Value::Complex128(a, b), Value::Complex128(c, d)) => a == c && b == d,
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Object(left), Value::Object(right)) => left
            .equals(right.as_ref())
            .unwrap_or_else(|| left.display() == right.display()),
        _ => left.as_integer() == right.as_integer(),
    }
}
