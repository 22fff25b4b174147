//! sprig's regular expressions: Go's syntax and Go's `$1` in replacements, over bytes.

use std::borrow::Cow;
use std::ops::Range;

use regex::bytes::{Match, Regex};

mod syntax;

use super::Function;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::format::{can_backquote, quoted};
use crate::template::value::{List, Type, Value};
use syntax::{in_our_syntax, stacked_repetitions};

const TWO: &[Type] = &[Type::String, Type::String];
const THREE: &[Type] = &[Type::String, Type::String, Type::String];
const COUNTED: &[Type] = &[Type::String, Type::String, Type::Int];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", TWO, |args| {
        Ok(Value::Bool(matches(args).unwrap_or(false)))
    }),
    Function::new("mustRegexMatch", TWO, |args| {
        Ok(Value::Bool(matches(args)?))
    }),
    Function::new("regexFind", TWO, |args| forced(args, find(args))),
    Function::new("mustRegexFind", TWO, find),
    Function::new("regexFindAll", COUNTED, |args| forced(args, find_all(args))),
    Function::new("mustRegexFindAll", COUNTED, find_all),
    Function::new("regexReplaceAll", THREE, |args| {
        forced(args, replace_all(args))
    }),
    Function::new("mustRegexReplaceAll", THREE, replace_all),
    Function::new("regexReplaceAllLiteral", THREE, |args| {
        forced(args, replace_all_literal(args))
    }),
    Function::new("mustRegexReplaceAllLiteral", THREE, replace_all_literal),
    Function::new("regexSplit", COUNTED, |args| forced(args, split(args))),
    Function::new("mustRegexSplit", COUNTED, split),
    Function::new("regexQuoteMeta", &[Type::String], quote_meta),
];

/// The greatest compiled expression, in bytes.
const LARGEST: usize = 1 << 20;

/// What Go says where an expression must compile.
fn forced(args: &[Value], outcome: Outcome) -> Outcome {
    outcome.map_err(|reason| {
        if reason.starts_with("error parsing regexp") {
            let pattern = args[0].bytes();
            let shown = if can_backquote(pattern) {
                backquoted(pattern)
            } else {
                quoted(pattern)
            };
            format!("regexp: Compile({shown}): {reason}")
        } else {
            reason
        }
    })
}

/// Go's words for the commonest mistakes, and where they point to.
fn mistake<'a>(reason: &str, pattern: &'a str) -> Option<(&'static str, &'a str)> {
    match reason {
        "unclosed group" => Some(("missing closing )", pattern)),
        "unclosed character class" => Some((
            "missing closing ]",
            &pattern[pattern.rfind('[').unwrap_or(0)..],
        )),
        "repetition operator missing expression" if pattern.starts_with(['*', '+', '?']) => {
            Some(("missing argument to repetition operator", &pattern[..1]))
        }
        "unopened group" => Some(("unexpected )", pattern)),
        "unrecognized escape sequence" => {
            let end = pattern
                .char_indices()
                .nth(2)
                .map_or(pattern.len(), |(at, _)| at);
            pattern
                .starts_with('\\')
                .then(|| ("invalid escape sequence", &pattern[..end]))
        }
        _ => None,
    }
}

/// The first argument, compiled; the work of searching the second is paid for.
fn compiled(args: &[Value]) -> Outcome<Regex> {
    let pattern = args[0].bytes();
    budget::spend((pattern.len() + 16).saturating_mul(64))?;
    budget::spend(
        args.get(1)
            .map_or(0, |text| text.bytes().len())
            .saturating_mul(4),
    )?;
    let wrong = |reason: &str| format!("error parsing regexp: {reason}: {}", backquoted(pattern));
    let text = std::str::from_utf8(pattern).map_err(|_| wrong("invalid UTF-8"))?;
    if let Some(operators) = stacked_repetitions(text) {
        let operators = backquoted(operators.as_bytes());
        return Err(format!(
            "error parsing regexp: invalid nested repetition operator: {operators}"
        ));
    }
    let ours = in_our_syntax(text).map_err(|(reason, part)| {
        let part = backquoted(part.as_bytes());
        format!("error parsing regexp: {reason}: {part}")
    })?;
    regex::bytes::RegexBuilder::new(&ours)
        .size_limit(LARGEST)
        .build()
        .map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            match mistake(reason, text) {
                Some((reason, place)) => {
                    let place = backquoted(place.as_bytes());
                    format!("error parsing regexp: {reason}: {place}")
                }
                None => wrong(reason),
            }
        })
}

fn backquoted(pattern: &[u8]) -> String {
    format!("`{}`", String::from_utf8_lossy(pattern))
}

/// A text as Go's engine reads it: a byte that is no part of UTF-8 is one U+FFFD.
struct Haystack<'t> {
    text: &'t [u8],
    read: Cow<'t, [u8]>,
    /// Where in `text` each byte of `read` comes from, and the end; empty where they are the same.
    origins: Vec<usize>,
}

impl<'t> Haystack<'t> {
    fn new(text: &'t [u8]) -> Self {
        if std::str::from_utf8(text).is_ok() {
            return Self {
                text,
                read: Cow::Borrowed(text),
                origins: Vec::new(),
            };
        }
        let (mut read, mut origins) = (Vec::new(), Vec::new());
        let mut at = 0;
        for chunk in text.utf8_chunks() {
            let valid = chunk.valid();
            read.extend_from_slice(valid.as_bytes());
            origins.extend(at..at + valid.len());
            at += valid.len();
            for _ in chunk.invalid() {
                read.extend_from_slice("\u{fffd}".as_bytes());
                origins.extend([at; 3]);
                at += 1;
            }
        }
        origins.push(at);
        Self {
            text,
            read: Cow::Owned(read),
            origins,
        }
    }

    /// What was found, in the text itself.
    fn range(&self, found: &Match<'_>) -> Range<usize> {
        let origin = |at: usize| self.origins.get(at).copied().unwrap_or(at);
        origin(found.start())..origin(found.end())
    }

    fn bytes(&self, found: &Match<'_>) -> &'t [u8] {
        &self.text[self.range(found)]
    }

    /// Whether Go finds it too: never nothing between the bytes of one character.
    fn is_whole(&self, found: &Match<'_>) -> bool {
        let starts = self
            .read
            .get(found.start())
            .is_none_or(|byte| byte & 0xc0 != 0x80);
        !found.is_empty() || starts
    }
}

fn matches(args: &[Value]) -> Outcome<bool> {
    let text = Haystack::new(args[1].bytes());
    Ok(compiled(args)?.is_match(&text.read))
}

fn find(args: &[Value]) -> Outcome {
    let found = compiled(args)?;
    let text = Haystack::new(args[1].bytes());
    let found = found.find(&text.read);
    Ok(found.map_or(&b""[..], |found| text.bytes(&found)).into())
}

/// How many a negative count, meaning all, or another allows.
fn limit(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn find_all(args: &[Value]) -> Outcome {
    let regex = compiled(args)?;
    let text = Haystack::new(args[1].bytes());
    let found = regex
        .find_iter(&text.read)
        .filter(|found| text.is_whole(found))
        .take(limit(args[2].int()));
    let found: Vec<&[u8]> = found.map(|found| text.bytes(&found)).collect();
    budget::spend(found.len().saturating_mul(16))?;
    if found.is_empty() {
        return Ok(List::nil(Type::String).into());
    }
    Ok(List::strings(found).into())
}

fn replace_all(args: &[Value]) -> Outcome {
    let template = args[2].bytes();
    replaced(args, |group, out| expand(template, group, out))
}

fn replace_all_literal(args: &[Value]) -> Outcome {
    replaced(args, |_, out| out.extend_from_slice(args[2].bytes()))
}

/// What a group, by its number or name, has found; nothing for one that has not.
type Group<'g> = dyn Fn(&str) -> &'g [u8] + 'g;

fn replaced(args: &[Value], replace: impl Fn(&Group<'_>, &mut Vec<u8>)) -> Outcome {
    let regex = compiled(args)?;
    let text = Haystack::new(args[1].bytes());
    let mut out = Vec::new();
    let mut from = 0;
    for captures in regex.captures_iter(&text.read) {
        let Some(whole) = captures.get(0).filter(|found| text.is_whole(found)) else {
            continue;
        };
        let whole = text.range(&whole);
        out.extend_from_slice(&text.text[from..whole.start]);
        from = whole.end;
        let before = out.len();
        let group = |name: &str| {
            let group = match name.parse::<usize>() {
                Ok(number) => captures.get(number),
                Err(_) => captures.name(name),
            };
            group.map_or(&b""[..], |group| text.bytes(&group))
        };
        replace(&group, &mut out);
        budget::spend(out.len() - before + 1)?;
    }
    out.extend_from_slice(&text.text[from..]);
    Ok(out.into())
}

/// Puts `template` with its `$1`, `${1}`, `$name`, `$$` at the end of `out`. The longest name of letters,
/// digits and underscores counts; what is no reference stays as it is.
fn expand(template: &[u8], group: &Group<'_>, out: &mut Vec<u8>) {
    let mut rest = template;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let [b'$', after @ ..] = rest {
            out.push(b'$');
            rest = after;
            continue;
        }
        let Some((name, after)) = reference(rest) else {
            out.push(b'$');
            continue;
        };
        rest = after;
        out.extend_from_slice(group(name));
    }
    out.extend_from_slice(rest);
}

/// The name behind a `$` and what follows it.
fn reference(text: &[u8]) -> Option<(&str, &[u8])> {
    let (braced, text) = match text {
        [b'{', text @ ..] => (true, text),
        text => (false, text),
    };
    let valid = text.utf8_chunks().next()?.valid();
    let end = valid
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(valid.len());
    if end == 0 {
        return None;
    }
    let after = &text[end..];
    let after = if braced {
        after.strip_prefix(b"}")?
    } else {
        after
    };
    Some((&valid[..end], after))
}

fn split(args: &[Value]) -> Outcome {
    let regex = compiled(args)?;
    let (text, count) = (args[1].bytes(), args[2].int());
    if count == 0 {
        return Ok(List::nil(Type::String).into());
    }
    if !args[0].bytes().is_empty() && text.is_empty() {
        return Ok(List::strings([text]).into());
    }
    let haystack = Haystack::new(text);
    let limit = limit(count);
    let mut parts: Vec<&[u8]> = Vec::new();
    let (mut from, mut end) = (0, 0);
    for found in regex.find_iter(&haystack.read) {
        if !haystack.is_whole(&found) {
            continue;
        }
        if parts.len() + 1 == limit {
            break;
        }
        let found = haystack.range(&found);
        end = found.start;
        if found.end != 0 {
            parts.push(&text[from..end]);
        }
        from = found.end;
    }
    if end != text.len() {
        parts.push(&text[from..]);
    }
    budget::spend(parts.len().saturating_mul(16))?;
    Ok(List::strings(parts).into())
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn quote_meta(args: &[Value]) -> Outcome {
    let mut out = Vec::new();
    for byte in args[0].bytes() {
        if br"\.+*?()|[]{}^$".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{call, text};
    use crate::template::value::Value;

    #[test]
    fn references_in_replacements_are_read_as_in_go() {
        for (pattern, input, replacement, expected) in [
            ("a(x*)b", "-ab-axxb-", "${1}W", "-W-xxW-"),
            ("a(x*)b", "-ab-axxb-", "$1W", "---"),
            ("a(x*)b", "-ab-", "$1 W$", "- W$-"),
            ("(?P<n>a)", "a", "$n-${n}-$$-${n", "a-a-$-${n"),
            (r"\d+", "a1b٣", "_", "a_b٣"),
            (r"\Qa.b\E+", "a.bb axb", "_", "_ axb"),
            ("[[a]+", "x[a]", "_", "x_]"),
        ] {
            let out = text("regexReplaceAll", &[pattern, input, replacement]);
            assert_eq!(out.unwrap(), expected, "{pattern} {replacement}");
        }
    }

    #[test]
    fn splitting_keeps_what_go_keeps() {
        for (pattern, input, count, expected) in [
            ("z+", "pizza", -1, vec!["pi", "a"]),
            ("z", "pizza", 2, vec!["pi", "za"]),
            ("a", "banana", -1, vec!["b", "n", "n", ""]),
            ("x*", "abc", -1, vec!["a", "b", "c"]),
            ("z", "", -1, vec![""]),
        ] {
            let out = call(
                "regexSplit",
                &[pattern.into(), input.into(), Value::Int(count)],
            );
            let Value::List(list) = out.unwrap() else {
                panic!("must be a list");
            };
            let parts: Vec<_> = list.items().iter().map(Value::bytes).collect();
            assert_eq!(
                parts,
                expected
                    .iter()
                    .map(|part| part.as_bytes())
                    .collect::<Vec<_>>()
            );
        }
    }
}
