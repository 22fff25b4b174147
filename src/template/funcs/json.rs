//! sprig's functions on JSON, written as Go's `encoding/json` writes it.

use super::Function;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{List, Type, Value};

const A: Type = Type::Any;
const S: Type = Type::String;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("toJson", &[A], |args| {
        Ok(encoded(&args[0], true).or_else(unless_exhausted)?.into())
    }),
    Function::new("mustToJson", &[A], |args| {
        Ok(encoded(&args[0], true)?.into())
    }),
    Function::new("toPrettyJson", &[A], |args| {
        Ok(pretty(&args[0]).or_else(unless_exhausted)?.into())
    }),
    Function::new(
        "mustToPrettyJson",
        &[A],
        |args| Ok(pretty(&args[0])?.into()),
    ),
    Function::new("toRawJson", &[A], |args| {
        Ok(encoded(&args[0], false)?.into())
    }),
    Function::new("mustToRawJson", &[A], |args| {
        Ok(encoded(&args[0], false)?.into())
    }),
    Function::new("fromJson", &[S], |args| {
        Ok(decoded(args[0].bytes()).unwrap_or(Value::Nil))
    }),
    Function::new("mustFromJson", &[S], |args| decoded(args[0].bytes())),
];

/// What cannot be encoded becomes nothing; an exhausted account stays an error.
fn unless_exhausted(reason: String) -> Outcome<Vec<u8>> {
    if reason.starts_with("json: ") {
        return Ok(Vec::new());
    }
    Err(reason)
}

fn encoded(value: &Value, for_html: bool) -> Outcome<Vec<u8>> {
    let mut writer = Writer {
        out: Vec::new(),
        for_html,
        indent: None,
    };
    writer.value(value)?;
    Ok(writer.out)
}

fn pretty(value: &Value) -> Outcome<Vec<u8>> {
    let mut writer = Writer {
        out: Vec::new(),
        for_html: true,
        indent: Some(0),
    };
    writer.value(value)?;
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
    /// Whether `<`, `>` and `&` are escaped.
    for_html: bool,
    /// Levels that a new line begins with; none for JSON in one line.
    indent: Option<usize>,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Outcome<()> {
        let _level = budget::descend()?;
        budget::spend(1)?;
        match value {
            Value::NoValue | Value::Nil => self.raw("null"),
            Value::Bool(value) => self.raw(if *value { "true" } else { "false" }),
            Value::Float64(value) => self.float(*value)?,
            Value::Complex128(..) => return Err("json: unsupported type: complex128".to_owned()),
            Value::String(text) => self.string(text.as_bytes())?,
            Value::List(list) => self.list(list)?,
            Value::Map(map) => self.elements(*b"{}", &map.entries(), |writer, (key, value)| {
                writer.string(key.as_bytes())?;
                writer.raw(if writer.indent.is_some() { ": " } else { ":" });
                writer.value(value)
            })?,
            Value::Object(object) => self.value(&object.encoded())?,
            other => {
                let number = other.as_integer().unwrap_or(0).to_string();
                self.raw(&number);
            }
        }
        Ok(())
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn list(&mut self, list: &List) -> Outcome<()> {
        if list.is_nil() {
            self.raw("null");
            return Ok(());
        }
        if list.element() == Type::Uint8 {
            let text = super::cast::to_text(&Value::List(list.clone()))?;
            return self.string(super::encoding::base64(text.as_bytes()).as_bytes());
        }
        self.elements(*b"[]", list.items(), Self::value)
    }

    fn elements<T>(
        &mut self,
        [open, close]: [u8; 2],
        items: &[T],
        write: impl Fn(&mut Self, &T) -> Outcome<()>,
    ) -> Outcome<()> {
        self.out.push(open);
        self.indent = self.indent.map(|level| level + 1);
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                self.out.push(b',');
            }
            self.line()?;
            write(self, item)?;
        }
        self.indent = self.indent.map(|level| level - 1);
        if !items.is_empty() {
            self.line()?;
        }
        self.out.push(close);
        Ok(())
    }

    fn line(&mut self) -> Outcome<()> {
        if let Some(level) = self.indent {
            budget::spend(2 * level)?;
            self.out.push(b'\n');
            self.out.extend(std::iter::repeat_n(b' ', 2 * level));
        }
        Ok(())
    }

    /// In plain digits, unless that takes more than 21 of them or starts with six zeros.
    fn float(&mut self, value: f64) -> Outcome<()> {
        let name = match value {
            _ if value.is_nan() => "NaN",
            f64::INFINITY => "+Inf",
            f64::NEG_INFINITY => "-Inf",
            _ => {
                let size = value.abs();
                let text = if size != 0.0 && !(1e-6..1e21).contains(&size) {
                    format!("{value:e}").replace('e', if size < 1.0 { "e" } else { "e+" })
                } else {
                    value.to_string()
                };
                self.raw(&text);
                return Ok(());
            }
        };
        Err(format!("json: unsupported value: {name}"))
    }

    fn string(&mut self, text: &[u8]) -> Outcome<()> {
        budget::spend(text.len())?;
        self.out.push(b'"');
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                self.character(character);
            }
            for _ in chunk.invalid() {
                self.raw("\\ufffd");
            }
        }
        self.out.push(b'"');
        Ok(())
    }

    fn character(&mut self, character: char) {
        let mut buffer = [0; 4];
        let escaped = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '<' | '>' | '&' if self.for_html => &format!("\\u{:04x}", u32::from(character)),
            '\0'..'\u{20}' | '\u{2028}' | '\u{2029}' => &format!("\\u{:04x}", u32::from(character)),
            _ => character.encode_utf8(&mut buffer),
        };
        self.raw(escaped);
    }
}

/// The value that `text` stands for. What Go replaces by U+FFFD, halves of surrogate pairs and bytes
/// that are not UTF-8, is replaced before.
fn decoded(text: &[u8]) -> Outcome {
    budget::spend(text.len())?;
    let mut readable = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        readable.push_str(chunk.valid());
        readable.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    let readable = without_lone_surrogates(&readable);
    let json: serde_json::Value =
        serde_json::from_str(&readable).map_err(|error| format!("invalid JSON: {error}"))?;
    Ok(Value::from_json(&json))
}

/// `json` with every escape of half a surrogate pair replaced by one of U+FFFD.
fn without_lone_surrogates(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let high = unit(rest);
        let low = rest.get(6..).and_then(unit);
        let length = match (high, low) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            _ => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// The number of a `\uXXXX` that `text` begins with.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::{decoded, encoded};
    use crate::template::value::Value;

    fn written(value: &Value) -> String {
        String::from_utf8(encoded(value, true).unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_written_as_in_go() {
        for (number, text) in [
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1e-7, "1e-7"),
            (0.000_001, "0.000001"),
            (-0.0, "-0"),
            (1.5, "1.5"),
        ] {
            assert_eq!(written(&Value::Float64(number)), text);
        }
        let error = encoded(&Value::Float64(f64::NAN), true).unwrap_err();
        assert_eq!(error, "json: unsupported value: NaN");
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        assert_eq!(written(&b"a\xff<".as_slice().into()), r#""a\ufffd\u003c""#);
        for text in [br#""\ud800""#.as_slice(), b"\"\xff\"", br#""\udc00""#] {
            assert_eq!(decoded(text).unwrap().bytes(), "\u{fffd}".as_bytes());
        }
        assert_eq!(
            decoded(br#""\ud83d\ude00""#).unwrap().bytes(),
            "😀".as_bytes()
        );
        assert_eq!(decoded(br#""\\ud800""#).unwrap().bytes(), br"\ud800");
    }
}
