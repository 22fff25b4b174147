//! sprig's functions that fit text to a width: `abbrev`, `wrap`, `indent`.

use super::Function;
use super::strings::repeated;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{Type, Value};

const S: Type = Type::String;
const I: Type = Type::Int;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("abbrev", &[I, S], |args| {
        let (width, text) = (args[0].int(), args[1].bytes());
        if width < 4 {
            return Ok(args[1].clone());
        }
        Ok(abbreviated(text, 0, width).into())
    }),
    Function::new("abbrevboth", &[I, I, S], |args| {
        let (left, right) = (args[0].int(), args[1].int());
        if right < 4 || left > 0 && right < 7 {
            return Ok(args[2].clone());
        }
        Ok(abbreviated(args[2].bytes(), left, right).into())
    }),
    Function::new("wrap", &[I, S], |args| {
        Ok(wrapped(args[1].bytes(), args[0].int(), b"\n", false)?.into())
    }),
    Function::new("wrapWith", &[I, S, S], |args| {
        Ok(wrapped(args[2].bytes(), args[0].int(), args[1].bytes(), true)?.into())
    }),
    Function::new("indent", &[I, S], |args| Ok(indented(args)?.into())),
    Function::new("nindent", &[I, S], |args| {
        Ok([b"\n".as_slice(), &indented(args)?].concat().into())
    }),
];

/// `text` from `offset` on, cut to `width` bytes of at least 4, with dots where something is left out.
fn abbreviated(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    if length <= width {
        return text.to_vec();
    }
    let room = width - 3;
    let offset = offset.min(length).min(length - room);
    let at = |position: i64| usize::try_from(position).unwrap_or(0);
    if offset <= 4 {
        return [&text[..at(room)], b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    let tail = if offset + room < length {
        abbreviated(&text[at(offset)..], 0, room)
    } else {
        text[at(length - room)..].to_vec()
    };
    [b"...", tail.as_slice()].concat()
}

/// `text` in lines of at most `width` bytes; words that are longer are cut, or have a line of their own.
fn wrapped(text: &[u8], width: i64, line_end: &[u8], cut: bool) -> Outcome<Vec<u8>> {
    let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
    let line_end = if line_end.is_empty() { b"\n" } else { line_end };
    let mut out = Vec::new();
    let mut rest = text;
    while rest.len() > width {
        budget::spend(width + line_end.len())?;
        if rest[0] == b' ' {
            rest = &rest[1..];
            continue;
        }
        let is_space = |byte: &u8| *byte == b' ';
        let space = rest[..=width].iter().rposition(is_space);
        let later = || Some(width + rest[width..].iter().position(is_space)?);
        let (end, next) = match space.or_else(|| if cut { None } else { later() }) {
            Some(space) => (space, space + 1),
            None if cut => (width, width),
            None => break,
        };
        out.extend_from_slice(&rest[..end]);
        out.extend_from_slice(line_end);
        rest = &rest[next..];
    }
    out.extend_from_slice(rest);
    Ok(out)
}

fn indented(args: &[Value]) -> Outcome<Vec<u8>> {
    let padding = repeated(b" ", args[0].int())?;
    let mut out = Vec::new();
    for (number, line) in args[1].bytes().split(|byte| *byte == b'\n').enumerate() {
        budget::spend(padding.len() + line.len())?;
        if number > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(&padding);
        out.extend_from_slice(line);
    }
    Ok(out)
}
