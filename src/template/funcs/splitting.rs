//! sprig's functions between strings and lists of strings: `split`, `join`, `sortAlpha`.

use super::Function;
use super::cast::{to_text, to_texts};
use super::runes::exploded;
use super::strings::find;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{List, Map, Text, Type, Value};

const S: Type = Type::String;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("split", &[S, S], |args| {
        numbered(parts(args[1].bytes(), args[0].bytes(), -1)?)
    }),
    Function::new("splitn", &[S, Type::Int, S], |args| {
        numbered(parts(args[2].bytes(), args[0].bytes(), args[1].int())?)
    }),
    Function::new("splitList", &[S, S], |args| {
        Ok(List::strings(parts(args[1].bytes(), args[0].bytes(), -1)?).into())
    }),
    Function::new("join", &[S, Type::Any], join),
    Function::new("sortAlpha", &[Type::Any], |args| {
        let mut texts = match &args[0] {
            Value::List(list) if list.element() == Type::String => {
                list.sort_strings();
                return Ok(args[0].clone());
            }
            Value::List(_) => to_texts(&args[0])?,
            other => vec![to_text(other)?],
        };
        texts.sort();
        Ok(List::strings(texts).into())
    }),
];

/// `text` cut at each `separator`, or at each character where that is empty, into at most `limit` parts
/// unless that is negative.
fn parts<'a>(text: &'a [u8], separator: &[u8], limit: i64) -> Outcome<Vec<&'a [u8]>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit == 0 {
        return Ok(Vec::new());
    }
    budget::spend(text.len())?;
    if separator.is_empty() {
        let mut parts = exploded(text);
        if parts.len() > limit {
            let start: usize = parts[..limit - 1].iter().map(|part| part.len()).sum();
            parts.truncate(limit - 1);
            parts.push(&text[start..]);
        }
        return Ok(parts);
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() < limit - 1
        && let Some(at) = find(rest, separator)
    {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    Ok(parts)
}

/// The parts by the keys `_0`, `_1` and so on.
fn numbered(parts: Vec<&[u8]>) -> Outcome {
    budget::spend(parts.len())?;
    let entries = parts.into_iter().enumerate();
    Ok(Map::strings(entries.map(|(number, part)| (format!("_{number}"), part))).into())
}

fn join(args: &[Value]) -> Outcome {
    let texts = to_texts(&args[1])?;
    let separators = args[0].bytes().len().saturating_mul(texts.len());
    let length: usize = texts.iter().map(Text::len).sum();
    budget::spend(separators.saturating_add(length))?;
    let texts: Vec<&[u8]> = texts.iter().map(Text::as_bytes).collect();
    Ok(texts.join(args[0].bytes()).into())
}
