//! Go's own comparisons and logic: `eq ne lt le gt ge and or not`.

use std::cmp::Ordering;

use super::{Body, Function};
use crate::template::error::Outcome;
use crate::template::value::{Kind, List, Type, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::of("and", &[Type::Reflect], Body::And).and_more(Type::Reflect),
    Function::of("or", &[Type::Reflect], Body::Or).and_more(Type::Reflect),
    Function::new("not", &[Type::Reflect], not),
    Function::new("eq", &[Type::Reflect], eq).and_more(Type::Reflect),
    Function::new("ne", &[Type::Reflect, Type::Reflect], ne),
    Function::new("lt", &[Type::Reflect, Type::Reflect], lt),
    Function::new("le", &[Type::Reflect, Type::Reflect], le),
    Function::new("gt", &[Type::Reflect, Type::Reflect], gt),
    Function::new("ge", &[Type::Reflect, Type::Reflect], ge),
];

/// The kinds that compare with each other; `None` is none of them.
#[derive(Clone, PartialEq)]
enum Basic<'a> {
    Bool(bool),
    Complex(f64, f64),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    String(&'a [u8]),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    Some(match value {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(value) | Value::Int64(value) => Basic::Signed(*value),
        Value::Int32(value) => Basic::Signed(i64::from(*value)),
        Value::Uint8(value) => Basic::Unsigned(u64::from(*value)),
        Value::Uint64(value) => Basic::Unsigned(*value),
        Value::Float64(value) => Basic::Float(*value),
        Value::Complex128(real, imaginary) => Basic::Complex(*real, *imaginary),
        Value::String(text) => Basic::String(text.as_bytes()),
        Value::Object(object) => match object.underlying()? {
            Value::Int(value) | Value::Int64(value) => Basic::Signed(value),
            Value::Uint64(value) => Basic::Unsigned(value),
            Value::Float64(value) => Basic::Float(value),
            _ => return None,
        },
        Value::NoValue | Value::Nil | Value::List(_) | Value::Map(_) => return None,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn not(args: &[Value]) -> Outcome {
    Ok(Value::Bool(!args[0].truth()))
}

fn eq(args: &[Value]) -> Outcome {
    let [first, others @ ..] = args else {
        return Err("missing argument for comparison".to_owned());
    };
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn equal(left: &Value, right: &Value) -> Outcome<bool> {
    use Basic::{Signed, Unsigned};
    match (basic(left), basic(right)) {
        (Some(Signed(left)), Some(Unsigned(right)))
        | (Some(Unsigned(right)), Some(Signed(left))) => {
            Ok(u64::try_from(left).is_ok_and(|left| left == right))
        }
        (Some(left), Some(right))
            if std::mem::discriminant(&left) == std::mem::discriminant(&right) =>
        {
            Ok(left == right)
        }
        (None, None) => equal_composite(left, right),
        _ if left.is_nil() || right.is_nil() => Ok(false),
        _ => Err(incompatible(left, right)),
    }
}

/// Where Go's text would show both values, this one names their types: they may be whole data maps.
fn equal_composite(left: &Value, right: &Value) -> Outcome<bool> {
    if !left.is_nil() && !right.is_nil() && left.kind() != right.kind() {
        return Err(format!(
            "non-comparable types {}, {}",
            left.type_of(),
            right.type_of()
        ));
    }
    let (left_nil, right_nil) = (is_nil(left), is_nil(right));
    if left_nil || right_nil {
        return Ok(left_nil == right_nil);
    }
    if let (Value::Object(left), Value::Object(right)) = (left, right)
        && let Some(equal) = left.equals(right.as_ref())
    {
        return Ok(equal);
    }
    if let (Value::Object(left), Value::Object(right)) = (left, right)
        && right.kind() == Kind::Ptr
    {
        return Ok(std::ptr::addr_eq(&raw const **left, &raw const **right));
    }
    Err(format!("non-comparable type {}", right.type_of()))
}

/// Go's nil: no value, a nil, and slices that were never made.
fn is_nil(value: &Value) -> bool {
    value.is_nil() || value.as_list().is_some_and(List::is_nil)
}

fn incompatible(left: &Value, right: &Value) -> String {
    format!(
        "incompatible types for comparison: {} and {}",
        left.type_of(),
        right.type_of()
    )
}

fn ne(args: &[Value]) -> Outcome {
    Ok(Value::Bool(!equal(&args[0], &args[1])?))
}

fn lt(args: &[Value]) -> Outcome {
    Ok(Value::Bool(less(&args[0], &args[1])?))
}

fn le(args: &[Value]) -> Outcome {
    Ok(Value::Bool(less_or_equal(&args[0], &args[1])?))
}

fn gt(args: &[Value]) -> Outcome {
    Ok(Value::Bool(!less_or_equal(&args[0], &args[1])?))
}

fn ge(args: &[Value]) -> Outcome {
    Ok(Value::Bool(!less(&args[0], &args[1])?))
}

fn less_or_equal(left: &Value, right: &Value) -> Outcome<bool> {
    Ok(less(left, right)? || equal(left, right)?)
}

fn less(left: &Value, right: &Value) -> Outcome<bool> {
    let bad = || "invalid type for comparison".to_owned();
    let a = basic(left).ok_or_else(bad)?;
    let b = basic(right).ok_or_else(bad)?;
    match (a, b) {
        (Basic::Signed(a), Basic::Signed(b)) => Ok(a < b),
        (Basic::Unsigned(a), Basic::Unsigned(b)) => Ok(a < b),
        (Basic::Signed(a), Basic::Unsigned(b)) => Ok(i128::from(a) < i128::from(b)),
        (Basic::Unsigned(a), Basic::Signed(b)) => Ok(i128::from(a) < i128::from(b)),
        (Basic::Float(a), Basic::Float(b)) => Ok(a.partial_cmp(&b) == Some(Ordering::Less)),
        (Basic::String(a), Basic::String(b)) => Ok(a < b),
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => Err(bad()),
        _ => Err(incompatible(left, right)),
    }
}

#[cfg(test)]
mod tests {
    use super::{eq, ge, gt, le, lt, ne};
    use crate::template::value::{List, Map, Value};

    fn holds(result: super::Outcome) -> bool {
        matches!(result.unwrap(), Value::Bool(true))
    }

    #[test]
    fn integers_compare_whatever_their_sign() {
        assert!(holds(eq(&[Value::Int(3), Value::Uint64(3)])));
        assert!(holds(eq(&[Value::Uint8(3), Value::Int64(3)])));
        assert!(holds(lt(&[Value::Int(-1), Value::Uint64(u64::MAX)])));
        assert!(holds(ge(&[Value::Uint64(u64::MAX), Value::Int(-1)])));
        assert!(!holds(eq(&[Value::Int(-1), Value::Uint64(u64::MAX)])));
    }

    #[test]
    fn kinds_that_differ_are_refused() {
        let error = eq(&[Value::Int(1), Value::Float64(1.0)]).unwrap_err();
        assert_eq!(error, "incompatible types for comparison: int and float64");
        let error = lt(&["a".into(), Value::Int(1)]).unwrap_err();
        assert_eq!(error, "incompatible types for comparison: string and int");
        let error = gt(&[Value::Bool(true), Value::Bool(false)]).unwrap_err();
        assert_eq!(error, "invalid type for comparison");
        assert_eq!(
            eq(&[Value::Int(1)]).unwrap_err(),
            "missing argument for comparison"
        );
    }

    #[test]
    fn nil_equals_nil_only() {
        assert!(holds(eq(&[Value::Nil, Value::NoValue])));
        assert!(!holds(eq(&[Value::Nil, Value::Int(0)])));
        assert!(!holds(eq(&[Map::new().into(), Value::Nil])));
        assert!(holds(ne(&[List::new(vec![]).into(), Value::Nil])));
    }

    #[test]
    fn values_that_cannot_be_compared_are_named_by_their_types() {
        let map = Value::from(Map::strings([("a", "hunter2")]));
        let error = eq(&[map.clone(), map.clone()]).unwrap_err();
        assert_eq!(error, "non-comparable type map[string]string");
        let error = eq(&[map, List::new(vec![]).into()]).unwrap_err();
        assert_eq!(
            error,
            "non-comparable types map[string]string, []interface {}"
        );
    }

    #[test]
    fn strings_compare_by_bytes() {
        assert!(holds(le(&["a".into(), "b".into()])));
        assert!(holds(lt(&[
            Value::from(b"\x7f".as_slice()),
            Value::from(b"\xff".as_slice())
        ])));
    }
}
