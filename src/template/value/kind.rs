//! Go's kinds and types, as far as a template can see them.

use std::fmt;

/// What a value is made of: Go's `reflect.Kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No value at all.
    Invalid,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `uint8`
    Uint8,
    /// `uint64`
    Uint64,
    /// `float64`
    Float64,
    /// `complex128`
    Complex128,
    /// `interface`, which only a nil still is
    Interface,
    /// `map`
    Map,
    /// `ptr`
    Ptr,
    /// `slice`
    Slice,
    /// `string`
    String,
    /// `struct`
    Struct,
}

impl Kind {
    /// Go's word for it, as sprig's `kindOf` gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint64 => "uint64",
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::Interface => "interface",
            Self::Map => "map",
            Self::Ptr => "ptr",
            Self::Slice => "slice",
            Self::String => "string",
            Self::Struct => "struct",
        }
    }
}

/// The type of a value, of a parameter or of a container's elements. `Display` is Go's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`: takes everything, nil included
    Any,
    /// `reflect.Value`: as [`Type::Any`], but sees [`super::Value::NoValue`]; for built-in functions
    Reflect,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `uint8`
    Uint8,
    /// `uint64`
    Uint64,
    /// `float64`
    Float64,
    /// `complex128`
    Complex128,
    /// `string`
    String,
    /// `[]T`
    Slice(&'static Self),
    /// `map[string]T`
    Map(&'static Self),
    /// A named type that is none of the above, such as `time.Time`
    Named(&'static str),
}

/// `[]interface {}`
pub const LIST: Type = Type::Slice(&Type::Any);
/// `[]string`
pub const STRINGS: Type = Type::Slice(&Type::String);
/// `map[string]interface {}`
pub const DICT: Type = Type::Map(&Type::Any);
/// `map[string]string`
pub const STRING_MAP: Type = Type::Map(&Type::String);

impl Type {
    /// Whether the word `nil` may be given where this type is wanted.
    #[must_use]
    pub fn can_be_nil(self) -> bool {
        match self {
            Self::Any | Self::Reflect | Self::Slice(_) | Self::Map(_) => true,
            Self::Named(name) => name.starts_with('*'),
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint64 => "uint64",
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::Slice(element) => return write!(f, "[]{element}"),
            Self::Map(element) => return write!(f, "map[string]{element}"),
            Self::Named(name) => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{DICT, LIST, STRING_MAP, Type};

    #[test]
    fn types_are_spelled_as_in_go() {
        assert_eq!(LIST.to_string(), "[]interface {}");
        assert_eq!(DICT.to_string(), "map[string]interface {}");
        assert_eq!(STRING_MAP.to_string(), "map[string]string");
        assert_eq!(Type::Slice(&LIST).to_string(), "[][]interface {}");
        assert_eq!(Type::Named("time.Time").to_string(), "time.Time");
    }
}
