//! `toYaml` and `fromYaml`: YAML as `sigs.k8s.io/yaml` writes and reads it, by way of JSON and YAML 1.1.

mod emit;
mod parse;
mod scalar;
mod sort;

use super::Function;
use crate::template::error::Outcome;
use crate::template::value::{Map, Type, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("toYaml", &[Type::Any], to_yaml),
    Function::new("fromYaml", &[Type::String], from_yaml),
];

/// The document without its last line break; empty for what has no YAML form.
///
/// # Errors
/// When the work for it is not allowed.
fn to_yaml(args: &[Value]) -> Outcome {
    Ok(emit::document(&args[0])?.map_or_else(|| "".into(), Value::from))
}

/// The mapping; on an error a map that holds its text at `Error`.
fn from_yaml(args: &[Value]) -> Outcome {
    match parse::mapping(args[0].bytes()) {
        Ok(map) => Ok(map.into()),
        Err(parse::Error::Work(reason)) => Err(reason),
        Err(parse::Error::Document(reason)) => {
            Ok(Map::from_fresh([("Error", Value::from(reason))]).into())
        }
    }
}

#[cfg(test)]
mod tests;
