//! Values as the API wraps them: `{"value": …, "secret": true, "trace": …}` at every level.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::path::{PropertyPath, Step};
use crate::secret::SecretBytes;

/// Deepest nesting that is read.
const DEPTH_LIMIT: usize = 128;

/// An evaluated value; `Debug` shows its shape only.
pub struct Value {
    /// What it is.
    pub content: Content,
    /// Whether it is marked secret.
    pub secret: bool,
    /// Whether the server could not know it.
    pub unknown: bool,
}

/// What a value is.
pub enum Content {
    /// Null, or absent.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, spelled as the server did.
    Number(String),
    /// Text.
    Text(SecretBytes),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Object(BTreeMap<String, Value>),
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    secret: bool,
    #[serde(default)]
    unknown: bool,
}

#[derive(Deserialize)]
struct WireEnvironment<'a> {
    #[serde(borrow, default)]
    properties: BTreeMap<String, &'a RawValue>,
}

/// Reads an opened environment as one object.
pub(super) fn environment(body: &[u8]) -> Result<Value, String> {
    let wire: WireEnvironment<'_> =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let properties = wire.properties.into_iter();
    let properties = properties.map(|(key, raw)| Ok((key, Value::read(raw, 0)?)));
    Ok(Value {
        content: Content::Object(properties.collect::<Result<_, String>>()?),
        secret: false,
        unknown: false,
    })
}

impl Value {
    fn read(raw: &RawValue, depth: usize) -> Result<Self, String> {
        if depth > DEPTH_LIMIT {
            return Err(format!("it is nested deeper than {DEPTH_LIMIT} levels"));
        }
        let wire: Wire<'_> = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
        let content = match wire.value {
            Some(raw) => content(raw.get(), depth)?,
            None => Content::Null,
        };
        Ok(Self {
            content,
            secret: wire.secret,
            unknown: wire.unknown,
        })
    }

    /// The value at `path`.
    #[must_use]
    pub fn at(&self, path: &PropertyPath) -> Option<&Self> {
        path.steps()
            .iter()
            .try_fold(self, |value, step| match (&value.content, step) {
                (Content::Object(members), Step::Key(key)) => members.get(key),
                (Content::List(items), Step::Index(index)) => items.get(*index),
                _ => None,
            })
    }

    /// What kind of value it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "null",
            Content::Bool(_) => "a boolean",
            Content::Number(_) => "a number",
            Content::Text(_) => "text",
            Content::List(_) => "a list",
            Content::Object(_) => "an object",
        }
    }
}

fn content(raw: &str, depth: usize) -> Result<Content, String> {
    let failed = |error: serde_json::Error| error.to_string();
    Ok(match raw.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(raw).map_err(failed)?;
            let members = members
                .into_iter()
                .map(|(key, raw)| Ok((key, Value::read(raw, depth + 1)?)));
            Content::Object(members.collect::<Result<_, String>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(failed)?;
            let items = items.into_iter().map(|raw| Value::read(raw, depth + 1));
            Content::List(items.collect::<Result<_, String>>()?)
        }
        Some(b'"') => Content::Text(SecretBytes::from(
            serde_json::from_str::<String>(raw).map_err(failed)?,
        )),
        Some(b't' | b'f') => Content::Bool(raw == "true"),
        Some(b'n') | None => Content::Null,
        Some(_) => Content::Number(raw.to_owned()),
    })
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({}", self.kind())?;
        if self.secret {
            f.write_str(", secret")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: &str = r#"{"properties": {
        "app": {"value": {
            "hello": {"value": "world", "trace": {"def": {}}},
            "big": {"value": 12345678901234567890.10, "trace": {}},
            "list": {"value": [{"value": true}, {"trace": {}}]},
            "token": {"value": "s3cr3t", "secret": true, "extra": 1}
        }, "trace": {}}
    }, "schema": {}}"#;

    #[test]
    fn an_opened_environment_is_unwrapped() {
        let value = environment(OPENED.as_bytes()).unwrap();
        let at = |path: &str| value.at(&PropertyPath::parse(path).unwrap());
        assert!(
            matches!(&at("app.hello").unwrap().content, Content::Text(text) if text.expose() == b"world")
        );
        assert!(
            matches!(&at("app.big").unwrap().content, Content::Number(text) if text == "12345678901234567890.10")
        );
        assert!(matches!(at("app.list[1]").unwrap().content, Content::Null));
        assert!(at("app.token").unwrap().secret);
        assert!(at("app.none").is_none() && at("app[0]").is_none());
    }

    #[test]
    fn debug_output_shows_no_content() {
        let value = environment(OPENED.as_bytes()).unwrap();
        assert_eq!(
            format!(
                "{:?}",
                value
                    .at(&PropertyPath::parse("app.token").unwrap())
                    .unwrap()
            ),
            "Value(text, secret)"
        );
    }

    #[test]
    fn deep_nesting_ends_in_an_error() {
        let body = format!(
            "{{\"properties\":{{\"a\":{}1{}}}}}",
            "{\"value\":[".repeat(200),
            "]}".repeat(200)
        );
        assert!(environment(body.as_bytes()).is_err());
    }
}
