//! Evaluated values for others to keep.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::convert::Buffer;
use super::quote;
use super::session::Session;
use super::value::{Repr, Val};
use super::{Content, Diagnostic, Severity, Value};
use crate::secret::SecretBytes;

/// Values of one environment.
const MAX_VALUES: usize = 200_000;

/// Copies the shared values of an evaluation out of it. What is shared many times over multiplies
/// here, so that the copy has limits of its own.
pub(super) struct Export<'x, 'a> {
    session: &'x mut Session<'a>,
    values: usize,
}

impl<'x, 'a> Export<'x, 'a> {
    pub(super) fn new(session: &'x mut Session<'a>) -> Self {
        Self { session, values: 0 }
    }

    /// The members of the environment's value.
    pub(super) fn properties(&mut self, root: &Rc<Val>) -> BTreeMap<String, Value> {
        match &root.repr {
            Repr::Object(object) => object
                .members
                .iter()
                .map(|(key, member)| (key.to_string(), self.value(member)))
                .collect(),
            _ => BTreeMap::new(),
        }
    }

    fn value(&mut self, val: &Rc<Val>) -> Value {
        let mut unknown = val.is_unknown();
        let content = if self.within_limits(val) {
            self.content(val)
        } else {
            unknown = true;
            Content::Null
        };
        Value {
            content,
            secret: val.secret,
            unknown,
            def: self.session.range(val.def),
        }
    }

    fn content(&mut self, val: &Val) -> Content {
        match &val.repr {
            Repr::Null | Repr::Unknown(_) => Content::Null,
            Repr::Bool(value) => Content::Bool(*value),
            Repr::Number(text) => Content::Number(text.to_string()),
            Repr::String(text) => Content::String(text.duplicate()),
            Repr::List(elements) => {
                Content::List(elements.iter().map(|element| self.value(element)).collect())
            }
            Repr::Object(object) => Content::Object(
                object
                    .members
                    .iter()
                    .map(|(key, member)| (key.to_string(), self.value(member)))
                    .collect(),
            ),
        }
    }

    fn within_limits(&mut self, val: &Val) -> bool {
        self.values += 1;
        if self.values == MAX_VALUES + 1 {
            self.session.push(Diagnostic {
                severity: Severity::Error,
                summary: "environment has too many values".to_owned(),
                path: String::new(),
                range: None,
            });
        }
        let bytes = match &val.repr {
            Repr::String(text) => text.len(),
            Repr::Number(text) => text.len(),
            Repr::Object(object) => object.members.keys().map(|key| key.len()).sum(),
            _ => 0,
        };
        self.values <= MAX_VALUES && self.session.spend_bytes(bytes)
    }
}

impl Value {
    /// Whether the value is secret or holds one.
    #[must_use]
    pub fn contains_secret(&self) -> bool {
        self.secret
            || match &self.content {
                Content::List(elements) => elements.iter().any(Self::contains_secret),
                Content::Object(members) => members.values().any(Self::contains_secret),
                _ => false,
            }
    }

    /// The value as JSON text in Go's style: keys sorted, no spaces, `<`, `>` and `&` escaped.
    ///
    /// Unless `reveal`, a secret is `"[secret]"`; what is unknown is `"[unknown]"`.
    #[must_use]
    pub fn to_json(&self, reveal: bool) -> SecretBytes {
        let mut out = Buffer::new(usize::MAX);
        self.write_json(reveal, &mut out);
        out.finish()
    }

    fn write_json(&self, reveal: bool, out: &mut Buffer) {
        if self.secret && !reveal {
            return out.push(b"\"[secret]\"");
        }
        if self.unknown {
            return out.push(b"\"[unknown]\"");
        }
        match &self.content {
            Content::Null => out.push(b"null"),
            Content::Bool(true) => out.push(b"true"),
            Content::Bool(false) => out.push(b"false"),
            Content::Number(text) => out.push(text.as_bytes()),
            Content::String(text) => quote::json(text.expose(), out),
            Content::List(elements) => {
                out.push(b"[");
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(b",");
                    }
                    element.write_json(reveal, out);
                }
                out.push(b"]");
            }
            Content::Object(members) => write_members(members, reveal, out),
        }
    }
}

/// A whole environment as JSON text, like [`Value::to_json`].
#[must_use]
pub fn properties_to_json(properties: &BTreeMap<String, Value>, reveal: bool) -> SecretBytes {
    let mut out = Buffer::new(usize::MAX);
    write_members(properties, reveal, &mut out);
    out.finish()
}

fn write_members(members: &BTreeMap<String, Value>, reveal: bool, out: &mut Buffer) {
    out.push(b"{");
    for (index, (key, member)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b",");
        }
        quote::json(key.as_bytes(), out);
        out.push(b":");
        member.write_json(reveal, out);
    }
    out.push(b"}");
}
