//! YAML text for values that are written into a definition.

use std::fmt::Write as _;

use super::scalar::{Scalar, resolve};
use super::yaml::{Kind, Node};

/// A string as a scalar on one line that means the same in any context.
pub(super) fn scalar(text: &str) -> String {
    let word = |char: char| char.is_ascii_alphanumeric() || "_./+@-".contains(char);
    let plain = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && text.chars().all(word)
        && resolve(text) == Scalar::String
        && !is_old_boolean(text);
    if plain {
        return text.to_owned();
    }
    if text.chars().all(is_printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            _ if is_printable(char) => quoted.push(char),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\U{:08x}", u32::from(char));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Booleans of YAML 1.1, which other readers of a definition may still know.
fn is_old_boolean(text: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

fn is_printable(char: char) -> bool {
    !char.is_control()
        && !matches!(
            char,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// A node in flow style, on one line.
pub(super) fn flow(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(value) => value.to_string(),
        Kind::Number(text) => text.clone(),
        Kind::String(text) => scalar(text),
        Kind::List(items) => {
            let items: Vec<_> = items.iter().map(|item| flow(&item.node)).collect();
            format!("[{}]", items.join(", "))
        }
        Kind::Object(members) => {
            let members: Vec<_> = members
                .iter()
                .map(|member| format!("{}: {}", scalar(&member.key), flow(&member.value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}
