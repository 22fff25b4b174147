//! What a template computes with: Go's values, as far as a template can see their types.
//!
//! Strings are bytes and need not be UTF-8. Maps are shared by reference and lists never change, as
//! with sprig's functions in Go. A value's content is secret: `Debug` shows its kind only.

mod containers;
mod kind;
mod object;

use std::fmt;
use std::rc::Rc;

pub use containers::{List, Map, Text};
pub use kind::{DICT, Kind, LIST, STRING_MAP, STRINGS, Type};
pub use object::Object;

/// One value.
#[derive(Clone)]
pub enum Value {
    /// No value at all, what a missing key gives; only built-in functions ever see it.
    NoValue,
    /// A nil `interface {}`: JSON's null.
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `int32`
    Int32(i32),
    /// `int64`
    Int64(i64),
    /// `uint8`
    Uint8(u8),
    /// `uint64`
    Uint64(u64),
    /// `float64`
    Float64(f64),
    /// `complex128`, real and imaginary part
    Complex128(f64, f64),
    /// `string`
    String(Text),
    /// `[]T`
    List(List),
    /// `map[string]T`
    Map(Map),
    /// Anything else.
    Object(Rc<dyn Object>),
}

impl Value {
    /// Wraps a value with methods or fields.
    pub fn object(object: impl Object) -> Self {
        Self::Object(Rc::new(object))
    }

    /// Go's kind; of a nil, [`Kind::Interface`].
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoValue => Kind::Invalid,
            Self::Nil => Kind::Interface,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Int32(_) => Kind::Int32,
            Self::Int64(_) => Kind::Int64,
            Self::Uint8(_) => Kind::Uint8,
            Self::Uint64(_) => Kind::Uint64,
            Self::Float64(_) => Kind::Float64,
            Self::Complex128(..) => Kind::Complex128,
            Self::String(_) => Kind::String,
            Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Object(object) => object.kind(),
        }
    }

    /// Go's type; of a nil, [`Type::Any`].
    #[must_use]
    pub fn type_of(&self) -> Type {
        match self {
            Self::NoValue | Self::Nil => Type::Any,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Int32(_) => Type::Int32,
            Self::Int64(_) => Type::Int64,
            Self::Uint8(_) => Type::Uint8,
            Self::Uint64(_) => Type::Uint64,
            Self::Float64(_) => Type::Float64,
            Self::Complex128(..) => Type::Complex128,
            Self::String(_) => Type::String,
            Self::List(list) => slice_of(list.element()),
            Self::Map(map) => map_of(map.element()),
            Self::Object(object) => object.type_of(),
        }
    }

    /// Whether this is a nil or no value.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::NoValue | Self::Nil)
    }

    /// What `if` makes of it: false for nil, false, zero and whatever is empty.
    #[must_use]
    pub fn truth(&self) -> bool {
        match self {
            Self::NoValue | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Int64(value) => *value != 0,
            Self::Int32(value) => *value != 0,
            Self::Uint8(value) => *value != 0,
            Self::Uint64(value) => *value != 0,
            Self::Float64(value) => *value != 0.0,
            Self::Complex128(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::String(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(object) => object.underlying().is_none_or(|value| value.truth()),
        }
    }

    /// The bytes of a string; of anything else, none. For arguments that the table says are strings.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::String(text) => text.as_bytes(),
            _ => &[],
        }
    }

    /// The number of a signed integer; of anything else, 0. For arguments that the table says are
    /// integers.
    #[must_use]
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(value) | Self::Int64(value) => *value,
            Self::Int32(value) => i64::from(*value),
            _ => 0,
        }
    }

    /// The number, if this is an integer of any width, or a type defined over one.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Int(value) | Self::Int64(value) => Some(i128::from(*value)),
            Self::Int32(value) => Some(i128::from(*value)),
            Self::Uint8(value) => Some(i128::from(*value)),
            Self::Uint64(value) => Some(i128::from(*value)),
            Self::Object(object) => object.underlying()?.as_integer(),
            _ => None,
        }
    }

    /// The list, if this is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The map, if this is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The object as a `T`, if this is one.
    #[must_use]
    pub fn as_object<T: Object>(&self) -> Option<&T> {
        match self {
            Self::Object(object) => object.downcast(),
            _ => None,
        }
    }

    /// What `{{ . }}` prints: Go's `%v`, except that no value prints as `<no value>`.
    ///
    /// # Errors
    /// When the value is nested too deeply or printing it is too much work.
    pub fn print(&self) -> super::error::Outcome<Vec<u8>> {
        super::format::printed(self)
    }

    /// The value that JSON stands for, as Go's decoder gives it to an `interface {}`: every number a
    /// `float64`, every object a `map[string]interface {}`.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Float64(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => text.as_str().into(),
            serde_json::Value::Array(items) => {
                List::new(items.iter().map(Self::from_json).collect()).into()
            }
            serde_json::Value::Object(entries) => {
                let entries = entries
                    .iter()
                    .map(|(k, v)| (k.as_str(), Self::from_json(v)));
                Map::from_fresh(entries).into()
            }
        }
    }
}

/// `[]element` for the element types that occur.
fn slice_of(element: Type) -> Type {
    match element {
        Type::String => STRINGS,
        Type::Int => Type::Slice(&Type::Int),
        Type::Uint8 => Type::Slice(&Type::Uint8),
        Type::Slice(_) => Type::Slice(&LIST),
        Type::Map(_) => Type::Slice(&DICT),
        _ => LIST,
    }
}

/// `map[string]element` for the element types that occur.
fn map_of(element: Type) -> Type {
    match element {
        Type::String => STRING_MAP,
        _ => DICT,
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.type_of())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float64(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::String(bytes.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::String(bytes.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::String(text)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

#[cfg(test)]
mod tests {
    use super::{List, Map, Value};

    #[test]
    fn debug_shows_no_content() {
        let map = Map::strings([("password", "hunter2")]);
        let shown = format!("{:?} {:?}", Value::from("hunter2"), Value::from(map));
        assert_eq!(shown, "Value(string) Value(map[string]string)");
    }

    #[test]
    fn json_numbers_are_floats() {
        let value = Value::from_json(&serde_json::json!({"a": [1, null]}));
        let Some(Value::List(list)) = value.as_map().unwrap().get(b"a") else {
            panic!("must be a list");
        };
        assert!(matches!(list.items(), [Value::Float64(_), Value::Nil]));
    }

    #[test]
    fn what_is_empty_is_false() {
        for value in [
            Value::Nil,
            Value::NoValue,
            Value::Int(0),
            Value::Float64(-0.0),
            "".into(),
            List::new(vec![]).into(),
            Map::new().into(),
        ] {
            assert!(!value.truth(), "{value:?}");
        }
        assert!(Value::from("0").truth());
    }
}
