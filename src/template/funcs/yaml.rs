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
    match parse::mapping(args[0].bytes(), parse::Into::Any) {
        Ok(map) => Ok(map.into()),
        Err(parse::Error::Work(reason)) => Err(reason),
        Err(parse::Error::Document(reason)) => {
            Ok(Map::from_fresh([("Error", Value::from(reason))]).into())
        }
    }
}

/// A document as Go reads it into a `map[string]string`: numbers and booleans become text, nothing
/// becomes empty. Entries are in the order of their keys.
///
/// # Errors
/// When it is no mapping of texts; the message shows nothing of it.
pub fn strings(document: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let map = match parse::mapping(document, parse::Into::Strings) {
        Ok(map) => map,
        Err(parse::Error::Work(reason)) => return Err(reason),
        Err(parse::Error::Document(_)) => return Err("it is not a YAML map".to_owned()),
    };
    let entries = map.entries().into_iter().map(|(key, value)| {
        let key = key.to_str().into_owned();
        match value {
            Value::String(text) => Ok((key, text.as_bytes().to_vec())),
            Value::Nil => Ok((key, Vec::new())),
            _ => Err(format!("the value of {key:?} is a list or a map")),
        }
    });
    entries.collect()
}

#[cfg(test)]
mod tests;
