//! Go's quoted strings and characters.

use std::sync::LazyLock;

use regex::Regex;

/// `bytes` as a double-quoted Go string; bytes that are not UTF-8 as `\x`.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    quote(bytes, b'"', false)
}

/// As [`quoted`], with everything outside of ASCII escaped.
pub(super) fn quoted_ascii(bytes: &[u8]) -> String {
    quote(bytes, b'"', true)
}

/// A single-quoted Go character.
pub(super) fn quoted_char(character: char, ascii: bool) -> String {
    let mut buffer = [0; 4];
    quote(character.encode_utf8(&mut buffer).as_bytes(), b'\'', ascii)
}

/// Whether the text can stand between backquotes unchanged.
pub(crate) fn can_backquote(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars()
            .all(|c| c != '\u{feff}' && c != '`' && c != '\u{7f}' && (c >= ' ' || c == '\t'))
    })
}

fn quote(bytes: &[u8], mark: u8, ascii: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push(char::from(mark));
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            escape(&mut out, character, char::from(mark), ascii);
        }
        for byte in chunk.invalid() {
            let escaped = format!("\\x{byte:02x}");
            out.push_str(&escaped);
        }
    }
    out.push(char::from(mark));
    out
}

fn escape(out: &mut String, character: char, mark: char, ascii: bool) {
    if character == mark || character == '\\' {
        out.push('\\');
        out.push(character);
        return;
    }
    if (character.is_ascii() || !ascii) && is_printable(character) {
        out.push(character);
        return;
    }
    let code = u32::from(character);
    let escaped = match character {
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        _ if code < 0x20 || code == 0x7f => format!("\\x{code:02x}"),
        _ if code < 0x1_0000 => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    };
    out.push_str(&escaped);
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols, and the ASCII space.
pub(crate) fn is_printable(character: char) -> bool {
    static PRINTABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$").expect("must be a pattern"));
    if character.is_ascii() {
        return (' '..='~').contains(&character);
    }
    PRINTABLE.is_match(character.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use super::{can_backquote, quoted, quoted_ascii, quoted_char};

    #[test]
    fn strings_are_quoted_as_in_go() {
        for (bytes, expected) in [
            (b"a\"b\\c".as_slice(), r#""a\"b\\c""#),
            (b"\x00\x07\n\t\x7f", r#""\x00\a\n\t\x7f""#),
            (b"\xff\xc3", r#""\xff\xc3""#),
            ("ü\u{a0}\u{200b}😀".as_bytes(), "\"ü\\u00a0\\u200b😀\""),
        ] {
            assert_eq!(quoted(bytes), expected);
        }
        assert_eq!(quoted_ascii("ü😀".as_bytes()), r#""\u00fc\U0001f600""#);
        assert_eq!(quoted_char('\'', false), r"'\''");
        assert!(can_backquote(b"a\tb") && !can_backquote(b"a`b") && !can_backquote(b"\xff"));
    }
}
