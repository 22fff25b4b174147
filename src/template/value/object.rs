//! Values that templates can hold but that are none of Go's plain kinds: times, versions, certificates.

use std::any::Any;

use super::{Kind, Type, Value};
use crate::template::funcs::Function;

/// A Go value with methods or fields, such as `time.Time`.
///
/// A type over a basic kind (`time.Duration` over `int64`) gives it as [`Object::underlying`]; then it
/// compares, counts as true and takes part in `%d` as that value.
pub trait Object: Any {
    /// Go's name of the type, such as `time.Time`.
    fn type_name(&self) -> &'static str;

    /// Go's kind.
    fn kind(&self) -> Kind {
        Kind::Struct
    }

    /// The plain value that this type is defined over.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// What `%v` and `%s` print: Go's `String()` where the type has it, else Go's form of its fields.
    fn display(&self) -> Vec<u8>;

    /// Whether the type has Go's `String()` or `Error()`, so that `%s` and `%q` apply to the text.
    fn is_stringer(&self) -> bool {
        true
    }

    /// What a deep copy is, where it is not the same: Go copies a struct's public fields alone.
    fn deep_copy(&self) -> Option<Value> {
        None
    }

    /// The plain value that JSON and YAML show in its place.
    fn encoded(&self) -> Value {
        self.underlying().unwrap_or_else(|| self.display().into())
    }

    /// The exported field of that name.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// The exported method of that name. Its parameters leave the receiver out; its body receives it as
    /// the first argument.
    fn method(&self, _name: &str) -> Option<&'static Function> {
        None
    }

    /// Whether both are equal under Go's `==`; `None` where Go forbids it.
    fn equals(&self, _other: &dyn Object) -> Option<bool> {
        None
    }
}

impl dyn Object {
    /// The value as a `T`, if it is one.
    #[must_use]
    pub fn downcast<T: Object>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }

    /// The type as parameters name it.
    #[must_use]
    pub fn type_of(&self) -> Type {
        Type::Named(self.type_name())
    }
}
