//! JSON whose values are secret: parsed into leaves that are wiped, written as Go's encoder does.
//!
//! Numbers stay text, so that no digit is lost. An error says where the text is broken and never
//! repeats any of it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::SecretBytes;

/// How deep lists and objects may be nested.
const MAX_DEPTH: usize = 128;

/// A JSON value.
#[derive(PartialEq, Eq)]
pub enum Json {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number as it was spelled.
    Number(SecretBytes),
    /// Text; UTF-8 when it was parsed.
    Text(SecretBytes),
    /// A list.
    List(Vec<Self>),
    /// An object in key order; of two equal keys the later was kept.
    Object(BTreeMap<String, Self>),
}

/// A text that is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid JSON at line {line} column {column}")]
pub struct Error {
    /// Line, from 1; within a nested value it counts from that value's begin.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self {
            line: error.line(),
            column: error.column(),
        }
    }
}

impl Json {
    /// Parses `text`.
    ///
    /// # Errors
    /// When `text` is not one JSON value or is nested deeper than 128 levels.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let raw: &RawValue = serde_json::from_slice(text)?;
        Self::from_raw(raw, 0)
    }

    fn from_raw(raw: &RawValue, depth: usize) -> Result<Self, Error> {
        if depth > MAX_DEPTH {
            return Err(Error { line: 1, column: 1 });
        }
        let text = raw.get().trim();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let members = members.into_iter();
                Self::Object(
                    members
                        .map(|(key, raw)| Ok((key, Self::from_raw(raw, depth + 1)?)))
                        .collect::<Result<_, Error>>()?,
                )
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                let items = items.into_iter();
                Self::List(
                    items
                        .map(|raw| Self::from_raw(raw, depth + 1))
                        .collect::<Result<_, _>>()?,
                )
            }
            Some(b'"') => Self::Text(serde_json::from_str::<String>(text)?.into()),
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            _ => Self::Number(text.into()),
        })
    }

    /// An object of text members.
    pub fn texts<K: Into<String>, V: Into<SecretBytes>>(
        members: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let members = members.into_iter();
        Self::Object(
            members
                .map(|(key, value)| (key.into(), Self::Text(value.into())))
                .collect(),
        )
    }

    /// The member of an object; null is none.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(name).filter(|json| **json != Self::Null),
            _ => None,
        }
    }

    /// The member of an object, taken out of it; null is none.
    #[must_use]
    pub fn take(&mut self, name: &str) -> Option<Self> {
        match self {
            Self::Object(members) => members.remove(name).filter(|json| *json != Self::Null),
            _ => None,
        }
    }

    /// The content of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.expose_str(),
            _ => None,
        }
    }

    /// A number without fraction.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(text) => text.expose_str()?.parse().ok(),
            _ => None,
        }
    }

    /// The content of a member that is a string.
    #[must_use]
    pub fn member_str(&self, name: &str) -> Option<&str> {
        self.member(name).and_then(Self::as_str)
    }

    /// The items of a list; anything else has none.
    #[must_use]
    pub fn into_items(self) -> Vec<Self> {
        match self {
            Self::List(items) => items,
            _ => Vec::new(),
        }
    }

    /// What kind of value it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Compact JSON as Go's `encoding/json` writes it: keys sorted, `<`, `>` and `&` escaped.
    /// Numbers keep their spelling.
    #[must_use]
    pub fn to_bytes(&self) -> SecretBytes {
        let mut out = Zeroizing::new(Vec::with_capacity(self.written_len()));
        self.write(&mut out);
        SecretBytes(out)
    }

    /// The value as the content of a Secret's key: text as it is, null as nothing, a boolean or a
    /// number as spelled, a list or an object as [`Self::to_bytes`].
    #[must_use]
    pub fn to_content(&self) -> SecretBytes {
        match self {
            Self::Null => SecretBytes::new(Vec::new()),
            Self::Number(text) | Self::Text(text) => text.duplicate(),
            Self::Bool(_) | Self::List(_) | Self::Object(_) => self.to_bytes(),
        }
    }

    /// A second copy, wiped on its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Bool(flag) => Self::Bool(*flag),
            Self::Number(text) => Self::Number(text.duplicate()),
            Self::Text(text) => Self::Text(text.duplicate()),
            Self::List(items) => Self::List(items.iter().map(Self::duplicate).collect()),
            Self::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(key, value)| (key.clone(), value.duplicate()))
                    .collect(),
            ),
        }
    }

    /// An upper bound, so that the buffer never moves and leaves a copy behind.
    fn written_len(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 5,
            Self::Number(text) => text.len(),
            Self::Text(text) => text.len() * 6 + 2,
            Self::List(items) => {
                2 + items
                    .iter()
                    .map(|item| item.written_len() + 1)
                    .sum::<usize>()
            }
            Self::Object(members) => {
                let member =
                    |(key, value): (&String, &Self)| key.len() * 6 + value.written_len() + 4;
                2 + members.iter().map(member).sum::<usize>()
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(text) => out.extend_from_slice(text.expose()),
            Self::Text(text) => write_text(out, text.expose()),
            Self::List(items) => {
                out.push(b'[');
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (position, (key, value)) in members.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    write_text(out, key.as_bytes());
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({})", self.kind())
    }
}

/// Writes a JSON string; bytes that are not UTF-8 become U+FFFD, as in Go.
fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(br#"\""#),
                '\\' => out.extend_from_slice(br"\\"),
                '\n' => out.extend_from_slice(br"\n"),
                '\r' => out.extend_from_slice(br"\r"),
                '\t' => out.extend_from_slice(br"\t"),
                '\u{8}' => out.extend_from_slice(br"\b"),
                '\u{c}' => out.extend_from_slice(br"\f"),
                '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    let code = u32::from(character);
                    out.extend_from_slice(br"\u");
                    for shift in [12, 8, 4, 0] {
                        out.push(HEX[(code >> shift) as usize & 15]);
                    }
                }
                _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(br"\ufffd");
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        let json = Json::parse(text.as_bytes()).unwrap().to_bytes();
        json.expose_str().unwrap().to_owned()
    }

    #[test]
    fn json_is_written_as_go_writes_it() {
        assert_eq!(
            rewritten(r#" {"b": [1, 2.50, null , true], "a": {"x": "<&>\u2028\u0001\t/é"}} "#),
            r#"{"a":{"x":"\u003c\u0026\u003e\u2028\u0001\t/é"},"b":[1,2.50,null,true]}"#
        );
        let broken = Json::Text(SecretBytes::new(*b"a\xffb"));
        assert_eq!(broken.to_bytes().expose(), br#""a\ufffdb""#);
    }

    #[test]
    fn no_digit_of_a_number_is_lost() {
        assert_eq!(
            rewritten("[12345678901234567890, 0.10]"),
            "[12345678901234567890,0.10]"
        );
    }

    #[test]
    fn an_error_does_not_repeat_the_text() {
        let error = Json::parse(br#"{"password": hunter2}"#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert!(Json::parse("[".repeat(1000).as_bytes()).is_err());
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        assert!(Json::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn debug_output_shows_no_content() {
        let json = Json::parse(b"[\"hunter2\", true]").unwrap();
        assert_eq!(format!("{json:?}"), "Json(a list)");
    }
}
