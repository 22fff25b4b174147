//! sprig's regular expressions: Go's syntax and Go's `$1` in replacements, over bytes.

use regex::bytes::{Captures, Match, Regex};

use super::Function;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::format::{can_backquote, decode, quoted};
use crate::template::value::{List, Type, Value};

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
    let ours = in_our_syntax(text).map_err(|escape| {
        let escape = backquoted(escape.as_bytes());
        format!("error parsing regexp: invalid escape sequence: {escape}")
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

/// Go's classes `\d`, `\w`, `\s`, `\b` know ASCII only, its `[` has no set operators, and `\Q…\E` quotes.
///
/// # Errors
/// The first escape that Go does not know.
fn in_our_syntax(pattern: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    let mut class = false;
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some('Q') if !class => {
                    let text: String = rest.collect();
                    let (literal, after) = text.split_once("\\E").unwrap_or((&text, ""));
                    out.push_str(&regex::escape(literal));
                    out.push_str(&in_our_syntax(after)?);
                    return Ok(out);
                }
                Some(letter @ ('d' | 'w' | 's' | 'D' | 'W' | 'S')) => {
                    out.push_str(ascii_class(letter, class));
                }
                Some('b') if !class => out.push_str(r"(?-u:\b)"),
                Some('B') if !class => out.push_str(r"(?-u:\B)"),
                // Ends of words elsewhere, in Go the characters.
                Some(other @ ('<' | '>')) => out.push(other),
                Some(other) if !is_escape(other, class) => return Err(format!("\\{other}")),
                Some(other) => {
                    out.extend(['\\', other]);
                    if matches!(other, 'p' | 'P' | 'x') {
                        out.extend(rest.next_if_eq(&'{'));
                    }
                }
                None => out.push('\\'),
            },
            '[' if class && rest.peek() != Some(&':') => out.push_str(r"\["),
            '[' if class => {
                out.push('[');
                out.extend(rest.by_ref().take_while(|character| *character != ']'));
                out.push(']');
            }
            '[' => {
                class = true;
                out.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                if rest.next_if_eq(&']').is_some() {
                    out.push_str(r"\]");
                }
            }
            ']' if class => {
                class = false;
                out.push(']');
            }
            '{' if !class && !is_repetition(rest.clone()) => out.push_str(r"\{"),
            '&' | '~' if class => out.extend(['\\', character]),
            other => out.push(other),
        }
    }
    Ok(out)
}

/// The first repetition that is repeated, as in `a**`, up to the end of the second operator: Go refuses it.
fn stacked_repetitions(pattern: &str) -> Option<&str> {
    let mut at = 0;
    // Where the operator began that ended just before `at`, and whether there is something to repeat.
    let (mut last, mut has_operand) = (None, false);
    while let Some(character) = pattern[at..].chars().next() {
        let rest = &pattern[at..];
        let operator = match character {
            '*' | '+' | '?' => 1,
            '{' if is_repetition(rest[1..].chars()) => rest.find('}').map_or(1, |end| end + 1),
            _ => {
                at += token_length(rest);
                (last, has_operand) = (None, !matches!(character, '(' | '|'));
                continue;
            }
        };
        let is_lazy = rest[operator..].starts_with('?');
        let end = at + operator + usize::from(is_lazy);
        if let Some(start) = last {
            return Some(&pattern[start..end]);
        }
        if !has_operand {
            return None;
        }
        last = Some(at);
        at = end;
    }
    None
}

/// Length of the escape, the class, the head of a group or the character that `rest` starts with.
fn token_length(rest: &str) -> usize {
    let until = |from: usize, end: &str| {
        let found = rest.get(from..).and_then(|rest| rest.find(end));
        found.map_or(rest.len(), |at| from + at + end.len())
    };
    match rest.as_bytes() {
        [b'\\', b'Q', ..] => until(2, "\\E"),
        [b'\\', b'p' | b'P' | b'x', b'{', ..] => until(3, "}"),
        [b'\\', ..] => rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at),
        [b'[', ..] => class_length(rest),
        [b'(', b'?', ..] => 2,
        _ => rest.chars().next().map_or(0, char::len_utf8),
    }
}

/// Length of the class in brackets that `rest` starts with.
fn class_length(rest: &str) -> usize {
    let mut at = if rest.starts_with("[^") { 2 } else { 1 };
    let first = at;
    while let Some(character) = rest[at..].chars().next() {
        match character {
            ']' if at > first => return at + 1,
            '[' if rest[at..].starts_with("[:") => {
                at += rest[at..].find(":]").map_or(2, |end| end + 2);
            }
            '\\' => at += token_length(&rest[at..]),
            other => at += other.len_utf8(),
        }
    }
    at
}

/// Whether Go knows the escape of this character, outside or inside of brackets.
fn is_escape(character: char, inside: bool) -> bool {
    match character {
        'A' | 'z' | 'C' => !inside,
        'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'p' | 'P' | '0'..='7' => true,
        other => other.is_ascii_punctuation(),
    }
}

/// The class that the letter names after a backslash, outside or inside of brackets.
fn ascii_class(letter: char, inside: bool) -> &'static str {
    match (letter, inside) {
        ('d', true) => "0-9",
        ('d', false) => "[0-9]",
        ('w', true) => "0-9A-Za-z_",
        ('w', false) => "[0-9A-Za-z_]",
        ('s', true) => r"\t\n\x0c\r ",
        ('s', false) => r"[\t\n\x0c\r ]",
        ('D', _) => "[^0-9]",
        ('W', _) => "[^0-9A-Za-z_]",
        _ => r"[^\t\n\x0c\r ]",
    }
}

/// Whether what follows a brace makes it a count, as in `{2,3}`; else Go takes the brace as it is.
fn is_repetition(after: impl Iterator<Item = char>) -> bool {
    let inside: String = after
        .take_while(|c| c.is_ascii_digit() || matches!(c, ',' | '}'))
        .collect();
    let Some((count, _)) = inside.split_once('}') else {
        return false;
    };
    let (least, most) = count.split_once(',').unwrap_or((count, ""));
    !least.is_empty() && !most.contains(',')
}

fn matches(args: &[Value]) -> Outcome<bool> {
    Ok(compiled(args)?.is_match(args[1].bytes()))
}

fn find(args: &[Value]) -> Outcome {
    let found = compiled(args)?;
    let found = found.find(args[1].bytes());
    Ok(found.map_or(&b""[..], |found| found.as_bytes()).into())
}

/// How many a negative count, meaning all, or another allows.
fn limit(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Whether Go finds it too: never nothing between the bytes of one character.
fn is_whole(text: &[u8], found: &Match<'_>) -> bool {
    let at = found.start();
    let splits = |start: usize| decode(&text[start..]).1 > at - start;
    !found.is_empty() || at == text.len() || !(at.saturating_sub(3)..at).any(splits)
}

fn find_all(args: &[Value]) -> Outcome {
    let regex = compiled(args)?;
    let found = regex
        .find_iter(args[1].bytes())
        .filter(|found| is_whole(args[1].bytes(), found))
        .take(limit(args[2].int()));
    let found: Vec<&[u8]> = found.map(|found| found.as_bytes()).collect();
    budget::spend(found.len().saturating_mul(16))?;
    if found.is_empty() {
        return Ok(List::nil(Type::String).into());
    }
    Ok(List::strings(found).into())
}

fn replace_all(args: &[Value]) -> Outcome {
    let template = args[2].bytes();
    replaced(args, |captures, out| expand(template, captures, out))
}

fn replace_all_literal(args: &[Value]) -> Outcome {
    replaced(args, |_, out| out.extend_from_slice(args[2].bytes()))
}

fn replaced(args: &[Value], replace: impl Fn(&Captures<'_>, &mut Vec<u8>)) -> Outcome {
    let regex = compiled(args)?;
    let text = args[1].bytes();
    let mut out = Vec::new();
    let mut from = 0;
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0).filter(|found| is_whole(text, found)) else {
            continue;
        };
        out.extend_from_slice(&text[from..whole.start()]);
        from = whole.end();
        let before = out.len();
        replace(&captures, &mut out);
        budget::spend(out.len() - before + 1)?;
    }
    out.extend_from_slice(&text[from..]);
    Ok(out.into())
}

/// Puts `template` with its `$1`, `${1}`, `$name`, `$$` at the end of `out`. The longest name of letters,
/// digits and underscores counts; what is no reference stays as it is.
fn expand(template: &[u8], captures: &Captures<'_>, out: &mut Vec<u8>) {
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
        let group = match name.parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(name),
        };
        out.extend_from_slice(group.map_or(&b""[..], |group| group.as_bytes()));
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
    let limit = limit(count);
    let mut parts: Vec<&[u8]> = Vec::new();
    let (mut from, mut end) = (0, 0);
    for found in regex.find_iter(text).filter(|found| is_whole(text, found)) {
        if parts.len() + 1 == limit {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(&text[from..end]);
        }
        from = found.end();
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
