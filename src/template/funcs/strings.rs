//! sprig's functions on whole strings: trimming, cutting, searching, replacing.

use super::Function;
use super::runes::{exploded, lower, mapped, trimmed, upper};
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::format;
use crate::template::value::{Type, Value};

const S: Type = Type::String;
const I: Type = Type::Int;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("hello", &[], |_| Ok("Hello!".into())),
    Function::new("trim", &[S], |args| {
        Ok(trimmed(args[0].bytes(), char::is_whitespace).into())
    }),
    Function::new("trimAll", &[S, S], trim_all),
    Function::new("trimall", &[S, S], trim_all),
    Function::new("trimSuffix", &[S, S], |args| {
        let text = args[1].bytes();
        Ok(text.strip_suffix(args[0].bytes()).unwrap_or(text).into())
    }),
    Function::new("trimPrefix", &[S, S], |args| {
        let text = args[1].bytes();
        Ok(text.strip_prefix(args[0].bytes()).unwrap_or(text).into())
    }),
    Function::new("upper", &[S], |args| {
        Ok(mapped(args[0].bytes(), upper).into())
    }),
    Function::new("lower", &[S], |args| {
        Ok(mapped(args[0].bytes(), lower).into())
    }),
    Function::new("nospace", &[S], |args| {
        Ok(without_space(args[0].bytes()).into())
    }),
    Function::new("repeat", &[I, S], |args| {
        Ok(repeated(args[1].bytes(), args[0].int())?.into())
    }),
    Function::new("substr", &[I, I, S], substr),
    Function::new("trunc", &[I, S], trunc),
    Function::new("contains", &[S, S], |args| {
        Ok(find(args[1].bytes(), args[0].bytes()).is_some().into())
    }),
    Function::new("hasPrefix", &[S, S], |args| {
        Ok(args[1].bytes().starts_with(args[0].bytes()).into())
    }),
    Function::new("hasSuffix", &[S, S], |args| {
        Ok(args[1].bytes().ends_with(args[0].bytes()).into())
    }),
    Function::new("quote", &[], quote).and_more(Type::Any),
    Function::new("squote", &[], squote).and_more(Type::Any),
    Function::new("cat", &[], cat).and_more(Type::Any),
    Function::new("replace", &[S, S, S], replace),
    Function::new("plural", &[S, S, I], |args| {
        Ok(args[usize::from(args[2].int() != 1)].clone())
    }),
];

/// Where `part` first is in `text`.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

/// `text` that often; a negative count is Go's panic.
pub(super) fn repeated(text: &[u8], count: i64) -> Outcome<Vec<u8>> {
    if count < 0 {
        return Err("strings: negative Repeat count".to_owned());
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let count = if text.is_empty() { 0 } else { count };
    budget::spend(text.len().saturating_mul(count))?;
    Ok(text.repeat(count))
}

#[expect(clippy::unnecessary_wraps, reason = "the table wants an outcome")]
fn trim_all(args: &[Value]) -> Outcome {
    let cut = super::runes::runes(args[0].bytes());
    Ok(trimmed(args[1].bytes(), |c| cut.contains(&c)).into())
}

/// Takes each byte for a Latin-1 character, as the library does.
fn without_space(text: &[u8]) -> Vec<u8> {
    let characters = text.iter().map(|byte| char::from(*byte));
    let kept: Vec<char> = characters.filter(|c| !c.is_whitespace()).collect();
    if kept.len() == text.len() {
        return text.to_vec();
    }
    kept.into_iter().collect::<String>().into_bytes()
}

fn substr(args: &[Value]) -> Outcome {
    let (start, end, text) = (args[0].int(), args[1].int(), args[2].bytes());
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let out_of_range =
        |bounds: String| Err(format!("runtime error: slice bounds out of range {bounds}"));
    let (start, end) = match (start, end) {
        (..0, ..0) => return out_of_range(format!("[:{end}]")),
        (..0, _) if end > length => return out_of_range(format!("[:{end}] with length {length}")),
        (..0, _) => (0, end),
        _ if (end < 0 || end > length) && start > length => {
            return out_of_range(format!("[{start}:{length}]"));
        }
        _ if end < 0 || end > length => (start, length),
        _ if start > end => return out_of_range(format!("[{start}:{end}]")),
        _ => (start, end),
    };
    let at = |bound: i64| usize::try_from(bound).unwrap_or(usize::MAX);
    Ok(text.get(at(start)..at(end)).unwrap_or_default().into())
}

#[expect(clippy::unnecessary_wraps, reason = "the table wants an outcome")]
fn trunc(args: &[Value]) -> Outcome {
    let (count, text) = (args[0].int(), args[1].bytes());
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let kept = if size >= text.len() {
        text
    } else if count < 0 {
        &text[text.len() - size..]
    } else {
        &text[..size]
    };
    Ok(kept.into())
}

fn quote(args: &[Value]) -> Outcome {
    let mut quoted = Vec::new();
    for value in args.iter().filter(|value| !value.is_nil()) {
        let text = super::cast::to_text(value)?;
        budget::spend(text.len())?;
        quoted.push(format::quoted(text.as_bytes()));
    }
    Ok(quoted.join(" ").into())
}

fn squote(args: &[Value]) -> Outcome {
    let mut quoted = Vec::new();
    for value in args.iter().filter(|value| !value.is_nil()) {
        let text = format::sprint(std::slice::from_ref(value))?;
        quoted.push([b"'", text.as_slice(), b"'"].concat());
    }
    Ok(quoted.join(b" ".as_slice()).into())
}

fn cat(args: &[Value]) -> Outcome {
    let values = args.iter().filter(|value| !value.is_nil());
    let texts: Outcome<Vec<_>> = values
        .map(|value| format::sprint(std::slice::from_ref(value)))
        .collect();
    Ok(texts?.join(b" ".as_slice()).into())
}

fn replace(args: &[Value]) -> Outcome {
    let [old, new, text] = [&args[0], &args[1], &args[2]].map(Value::bytes);
    let mut out = Vec::with_capacity(text.len());
    if old.is_empty() {
        for part in exploded(text) {
            budget::spend(new.len() + part.len())?;
            out.extend_from_slice(new);
            out.extend_from_slice(part);
        }
        out.extend_from_slice(new);
        return Ok(out.into());
    }
    let mut rest = text;
    while let Some(at) = find(rest, old) {
        budget::spend(new.len() + at)?;
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    out.extend_from_slice(rest);
    Ok(out.into())
}
