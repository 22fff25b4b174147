//! Text as Go walks it: characters, where a byte that is not UTF-8 is one replacement character, with
//! Go's simple case mappings and classes.

use std::sync::LazyLock;

use regex::Regex;

use crate::template::format::decode;

/// The characters of `text`.
pub(super) fn runes(text: &[u8]) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.extend(chunk.valid().chars());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

/// `text` with every character replaced by what `map` makes of it.
pub(super) fn mapped(text: &[u8], map: impl FnMut(char) -> char) -> Vec<u8> {
    let characters = runes(text).into_iter().map(map);
    characters.collect::<String>().into_bytes()
}

/// `text` cut before each of its characters.
pub(super) fn exploded(mut text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let (part, rest) = text.split_at(decode(text).1);
        parts.push(part);
        text = rest;
    }
    parts
}

/// `text` without the characters at its ends that `cut` names.
pub(super) fn trimmed(text: &[u8], cut: impl Fn(char) -> bool) -> &[u8] {
    let parts = exploded(text);
    let is_cut = |part: &&&[u8]| cut(decode(part).0);
    let leading = parts.iter().take_while(is_cut);
    let start: usize = leading.map(|part| part.len()).sum();
    let trailing = parts.iter().rev().take_while(is_cut);
    let end = text.len() - trailing.map(|part| part.len()).sum::<usize>();
    text.get(start..end).unwrap_or_default()
}

/// Go's `unicode.ToUpper`: one character for one.
pub(super) fn upper(c: char) -> char {
    let mut full = c.to_uppercase();
    match (full.next(), full.next()) {
        (Some(single), None) => single,
        _ => greek_with_iota(c).unwrap_or(c),
    }
}

/// Go's `unicode.ToLower`.
pub(super) fn lower(c: char) -> char {
    if c == '\u{130}' {
        return 'i';
    }
    c.to_lowercase().next().unwrap_or(c)
}

/// Go's `unicode.ToTitle`, which differs from the upper case for digraphs and Georgian.
pub(super) fn title(c: char) -> char {
    match c {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10ff}' => c,
        _ => upper(c),
    }
}

/// The capital of a Greek letter with iota below; in full case mapping it becomes two letters.
fn greek_with_iota(c: char) -> Option<char> {
    let distance = match c {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => return None,
    };
    char::from_u32(u32::from(c) + distance)
}

macro_rules! class {
    ($(#[$doc:meta])* $name:ident, $ascii:expr, $pattern:literal) => {
        $(#[$doc])*
        pub(super) fn $name(c: char) -> bool {
            static CLASS: LazyLock<Regex> =
                LazyLock::new(|| Regex::new($pattern).expect("must be a pattern"));
            let ascii: fn(char) -> bool = $ascii;
            if c.is_ascii() {
                return ascii(c);
            }
            CLASS.is_match(c.encode_utf8(&mut [0; 4]))
        }
    };
}

class!(
    /// Go's `unicode.IsUpper`.
    is_upper, |c| c.is_ascii_uppercase(), r"^\p{Lu}$"
);
class!(
    /// Go's `unicode.IsLower`.
    is_lower, |c| c.is_ascii_lowercase(), r"^\p{Ll}$"
);
class!(
    /// Go's `unicode.IsTitle`.
    is_title, |_| false, r"^\p{Lt}$"
);
class!(
    /// Go's `unicode.IsLetter`.
    is_letter, |c| c.is_ascii_alphabetic(), r"^\p{L}$"
);
class!(
    /// Go's `unicode.IsDigit`.
    is_digit, |c| c.is_ascii_digit(), r"^\p{Nd}$"
);
class!(
    /// Go's `unicode.IsNumber`.
    is_number, |c| c.is_ascii_digit(), r"^\p{N}$"
);
class!(
    /// Go's `unicode.IsPunct`; of ASCII, not the symbols.
    is_punctuation, |c| c.is_ascii_punctuation() && !"$+<=>^`|~".contains(c), r"^\p{P}$"
);

#[cfg(test)]
mod tests {
    use super::{exploded, lower, mapped, title, trimmed, upper};

    #[test]
    fn cases_map_one_character_to_one() {
        assert_eq!(mapped("straßeﬁ".as_bytes(), upper), "STRAßEﬁ".as_bytes());
        assert_eq!(mapped("İΣ".as_bytes(), lower), "iσ".as_bytes());
        assert_eq!([title('ǆ'), upper('ǆ'), upper('ᾳ')], ['ǅ', 'Ǆ', 'ᾼ']);
    }

    #[test]
    fn bytes_that_are_not_text_count_one_by_one() {
        assert_eq!(
            exploded(b"a\xff\xc3\xa9"),
            [b"a".as_slice(), b"\xff", b"\xc3\xa9"]
        );
        assert_eq!(mapped(b"\xff\xfe", |c| c), "\u{fffd}\u{fffd}".as_bytes());
        assert_eq!(trimmed(b" \xff ", char::is_whitespace), b"\xff");
        assert_eq!(trimmed(b"   ", char::is_whitespace), b"");
    }
}
