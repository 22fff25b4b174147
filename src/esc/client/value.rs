//! Values as they travel: `{"value": …, "secret": true}` around every one of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Accessor, Error, PropertyPath};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// How deep values may be nested.
const MAX_DEPTH: usize = 128;

/// One value of an opened or checked environment.
#[derive(PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub content: Content,
    /// Whether it is secret; so is everything inside.
    pub secret: bool,
    /// Whether it could not be known; then `content` is Null.
    pub unknown: bool,
}

/// What a value is.
#[derive(PartialEq, Eq)]
pub enum Content {
    /// Null, a boolean, a number or text.
    Scalar(Json),
    /// A list.
    List(Vec<Value>),
    /// An object in key order.
    Object(BTreeMap<String, Value>),
}

/// The top-level values of an environment.
#[derive(Debug, PartialEq, Eq)]
pub struct Environment {
    root: Value,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    secret: Option<bool>,
    #[serde(default)]
    unknown: Option<bool>,
}

/// Why a text is no value: the place within the innermost one.
type Broken = (usize, usize);

fn broken(error: &serde_json::Error) -> Broken {
    (error.line(), error.column())
}

impl Value {
    pub(super) fn parse(action: &str, body: &SecretBytes) -> Result<Self, Error> {
        let unreadable = |(line, column)| Error::unreadable(action, line, column);
        let raw = serde_json::from_slice(body.expose());
        raw.map_err(|error| broken(&error))
            .and_then(|raw| Self::from_raw(raw, 0))
            .map_err(unreadable)
    }

    fn from_raw(raw: &RawValue, depth: usize) -> Result<Self, Broken> {
        if depth > MAX_DEPTH {
            return Err((1, 1));
        }
        let wire: Wire<'_> = serde_json::from_str(raw.get()).map_err(|error| broken(&error))?;
        let text = wire.value.map_or("null", RawValue::get).trim();
        let content = match text.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<String, &RawValue> =
                    serde_json::from_str(text).map_err(|error| broken(&error))?;
                Content::Object(Self::members_of(members, depth)?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> =
                    serde_json::from_str(text).map_err(|error| broken(&error))?;
                let items = items.into_iter();
                Content::List(
                    items
                        .map(|raw| Self::from_raw(raw, depth + 1))
                        .collect::<Result<_, _>>()?,
                )
            }
            _ => Content::Scalar(
                Json::parse(text.as_bytes()).map_err(|error| (error.line, error.column))?,
            ),
        };
        Ok(Self {
            content,
            secret: wire.secret.unwrap_or_default(),
            unknown: wire.unknown.unwrap_or_default(),
        })
    }

    fn members_of(
        members: BTreeMap<String, &RawValue>,
        depth: usize,
    ) -> Result<BTreeMap<String, Self>, Broken> {
        let members = members.into_iter();
        members
            .map(|(key, raw)| Ok((key, Self::from_raw(raw, depth + 1)?)))
            .collect()
    }

    /// The value at `path` below this one; as in the API, a name is looked up in objects and an index
    /// in lists only.
    #[must_use]
    pub fn lookup(&self, path: &PropertyPath) -> Option<&Self> {
        path.0
            .iter()
            .try_fold(self, |value, step| match (&value.content, step) {
                (Content::Object(members), Accessor::Key(key)) => members.get(key),
                (Content::List(items), Accessor::Index(index)) => items.get(*index),
                _ => None,
            })
    }

    /// The members, if it is an object.
    #[must_use]
    pub fn members(&self) -> Option<&BTreeMap<String, Self>> {
        match &self.content {
            Content::Object(members) => Some(members),
            Content::Scalar(_) | Content::List(_) => None,
        }
    }

    /// The plain value without flags and positions; what is unknown is null.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.content {
            Content::Scalar(json) => json.duplicate(),
            Content::List(items) => Json::List(items.iter().map(Self::to_json).collect()),
            Content::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|(key, value)| (key.clone(), value.to_json()))
                    .collect(),
            ),
        }
    }

    /// What kind of value it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Scalar(json) => json.kind(),
            Content::List(_) => "a list",
            Content::Object(_) => "an object",
        }
    }

    /// Whether this value or one inside is unknown.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.unknown
            || match &self.content {
                Content::Scalar(_) => false,
                Content::List(items) => items.iter().any(Self::has_unknown),
                Content::Object(members) => members.values().any(Self::has_unknown),
            }
    }

    /// Whether this value or one inside is secret.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.secret
            || match &self.content {
                Content::Scalar(_) => false,
                Content::List(items) => items.iter().any(Self::has_secret),
                Content::Object(members) => members.values().any(Self::has_secret),
            }
    }
}

impl Environment {
    pub(super) fn parse(action: &str, body: &SecretBytes) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Properties<'a> {
            #[serde(borrow, default)]
            properties: Option<BTreeMap<String, &'a RawValue>>,
        }
        let wire: Properties<'_> =
            serde_json::from_slice(body.expose()).map_err(|error| Error::decode(action, &error))?;
        let members = Value::members_of(wire.properties.unwrap_or_default(), 0);
        let members = members.map_err(|(line, column)| Error::unreadable(action, line, column))?;
        Ok(Self {
            root: Value {
                content: Content::Object(members),
                secret: false,
                unknown: false,
            },
        })
    }

    /// The environment as one object, without a copy.
    #[must_use]
    pub fn into_root(self) -> Value {
        self.root
    }

    /// The environment as one object.
    #[must_use]
    pub fn root(&self) -> &Value {
        &self.root
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.kind())
    }
}
