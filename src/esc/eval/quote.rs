//! Quoted text as Go writes it.

use std::sync::LazyLock;

use regex::Regex;

use super::convert::Buffer;

/// Appends `bytes` as Go's `strconv.Quote` would.
pub(super) fn go(bytes: &[u8], out: &mut Buffer) {
    out.push(b"\"");
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            go_char(char, out);
        }
        for byte in chunk.invalid() {
            out.push(format!("\\x{byte:02x}").as_bytes());
        }
    }
    out.push(b"\"");
}

fn go_char(char: char, out: &mut Buffer) {
    let escape: &[u8] = match char {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\u{7}' => b"\\a",
        '\u{8}' => b"\\b",
        '\u{c}' => b"\\f",
        '\n' => b"\\n",
        '\r' => b"\\r",
        '\t' => b"\\t",
        '\u{b}' => b"\\v",
        ' '..='~' => return push_char(char, out),
        '\0'..='\u{1f}' | '\u{7f}' => {
            return out.push(format!("\\x{:02x}", u32::from(char)).as_bytes());
        }
        _ if is_printable(char) => return push_char(char, out),
        '\u{10000}'.. => return out.push(format!("\\U{:08x}", u32::from(char)).as_bytes()),
        _ => return out.push(format!("\\u{:04x}", u32::from(char)).as_bytes()),
    };
    out.push(escape);
}

fn is_printable(char: char) -> bool {
    static UNPRINTABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[\p{C}\p{Z}]").expect("pattern must compile"));
    !UNPRINTABLE.is_match(char.encode_utf8(&mut [0; 4]))
}

fn push_char(char: char, out: &mut Buffer) {
    out.push(char.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Appends `bytes` as a JSON string as Go's `encoding/json` would: what means something in HTML is
/// escaped, what is no UTF-8 is replaced.
pub(super) fn json(bytes: &[u8], out: &mut Buffer) {
    out.push(b"\"");
    for chunk in bytes.utf8_chunks() {
        let mut plain = 0;
        let text = chunk.valid();
        for (index, char) in text.char_indices() {
            let escape: &str = match char {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\u{8}' => "\\b",
                '\u{c}' => "\\f",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    &format!("\\u{:04x}", u32::from(char))
                }
                _ => continue,
            };
            out.push(&text.as_bytes()[plain..index]);
            out.push(escape.as_bytes());
            plain = index + char.len_utf8();
        }
        out.push(&text.as_bytes()[plain..]);
        for _ in chunk.invalid() {
            out.push(b"\\ufffd");
        }
    }
    out.push(b"\"");
}
