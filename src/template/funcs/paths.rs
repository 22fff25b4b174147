//! sprig's functions on slash-separated paths; those of the operating system are the same on Linux.

use super::Function;
use crate::template::error::Outcome;
use crate::template::value::{Type, Value};

const S: Type = Type::String;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("base", &[S], base),
    Function::new("osBase", &[S], base),
    Function::new("dir", &[S], dir),
    Function::new("osDir", &[S], dir),
    Function::new("clean", &[S], |args| Ok(cleaned(args[0].bytes()).into())),
    Function::new("osClean", &[S], |args| Ok(cleaned(args[0].bytes()).into())),
    Function::new("ext", &[S], ext),
    Function::new("osExt", &[S], ext),
    Function::new("isAbs", &[S], |args| {
        Ok(args[0].bytes().starts_with(b"/").into())
    }),
    Function::new("osIsAbs", &[S], |args| {
        Ok(args[0].bytes().starts_with(b"/").into())
    }),
];

/// The path up to and with its last slash, and what follows that.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    path.split_at(slash.map_or(0, |slash| slash + 1))
}

#[expect(clippy::unnecessary_wraps, reason = "the table wants an outcome")]
fn base(args: &[Value]) -> Outcome {
    let path = args[0].bytes();
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    Ok(match (path, end) {
        ([], _) => ".".into(),
        (_, 0) => "/".into(),
        _ => split(&path[..end]).1.into(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the table wants an outcome")]
fn dir(args: &[Value]) -> Outcome {
    Ok(cleaned(split(args[0].bytes()).0).into())
}

#[expect(clippy::unnecessary_wraps, reason = "the table wants an outcome")]
fn ext(args: &[Value]) -> Outcome {
    let name = split(args[0].bytes()).1;
    let dot = name.iter().rposition(|byte| *byte == b'.');
    Ok(dot.map_or(b"".as_slice(), |dot| &name[dot..]).into())
}

/// The shortest path that is the same by its text alone.
fn cleaned(path: &[u8]) -> Vec<u8> {
    let absolute = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => drop(parts.pop()),
                _ if absolute => {}
                _ => parts.push(part),
            },
            _ => parts.push(part),
        }
    }
    let joined = parts.join(b"/".as_slice());
    match (absolute, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::cleaned;

    #[test]
    fn paths_are_shortened() {
        for (path, short) in [
            ("/a/../b/./c//d", "/b/c/d"),
            ("", "."),
            ("../../a", "../../a"),
            ("/..", "/"),
            ("a/b/../../..", ".."),
        ] {
            assert_eq!(cleaned(path.as_bytes()), short.as_bytes());
        }
    }
}
