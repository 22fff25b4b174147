//! Values as text: `fn::toString`, `fn::toJSON` and back.

use std::rc::Rc;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::quote;
use super::value::{Def, Members, Repr, Val};
use crate::secret::SecretBytes;

/// Text under construction. It is wiped when dropped, and what is pushed beyond its limit is only
/// counted.
pub(super) struct Buffer {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
    spent: usize,
}

impl Buffer {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Zeroizing::default(),
            limit,
            spent: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.spent = self.spent.saturating_add(bytes.len());
        if self.spent <= self.limit {
            self.reserve(bytes.len());
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Grows by copying into a new allocation, so that the old one is wiped.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let mut grown = Zeroizing::new(Vec::with_capacity(needed.max(64) * 2));
            grown.extend_from_slice(&self.bytes);
            self.bytes = grown;
        }
    }

    /// Whether everything pushed was within the limit.
    pub(super) fn is_complete(&self) -> bool {
        self.spent <= self.limit
    }

    /// Bytes pushed, kept or not.
    pub(super) fn spent(&self) -> usize {
        self.spent
    }

    pub(super) fn finish(mut self) -> SecretBytes {
        SecretBytes::new(std::mem::take(&mut *self.bytes))
    }
}

/// Appends a value as interpolation shows it. Inherited members of objects are left out, as in the
/// reference implementation.
pub(super) fn text(value: &Val, out: &mut Buffer) {
    if !out.is_complete() {
        return;
    }
    match &value.repr {
        Repr::Null => {}
        Repr::Bool(value) => out.push(if *value { b"true" } else { b"false" }),
        Repr::Number(text) => out.push(text.as_bytes()),
        Repr::String(text) => out.push(text.expose()),
        Repr::List(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(b",");
                }
                quoted_text(element, out);
            }
        }
        Repr::Object(object) => {
            for (index, (key, member)) in object.own().enumerate() {
                if index > 0 {
                    out.push(b",");
                }
                quote::go(key.as_bytes(), out);
                out.push(b"=");
                quoted_text(member, out);
            }
        }
        Repr::Unknown(_) => out.push(b"[unknown]"),
    }
}

fn quoted_text(value: &Val, out: &mut Buffer) {
    let mut inner = Buffer::new(out.limit.saturating_sub(out.spent));
    text(value, &mut inner);
    if inner.is_complete() {
        quote::go(&inner.bytes, out);
    } else {
        out.spent = out.limit + 1;
    }
}

/// Appends a value as Go's `encoding/json` writes it.
pub(super) fn json(value: &Val, out: &mut Buffer) {
    if !out.is_complete() {
        return;
    }
    match &value.repr {
        Repr::Null => out.push(b"null"),
        Repr::Bool(value) => out.push(if *value { b"true" } else { b"false" }),
        Repr::Number(text) => out.push(text.as_bytes()),
        Repr::String(text) => quote::json(text.expose(), out),
        Repr::List(elements) => {
            out.push(b"[");
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(b",");
                }
                json(element, out);
            }
            out.push(b"]");
        }
        Repr::Object(object) => {
            out.push(b"{");
            for (index, (key, member)) in object.members.iter().enumerate() {
                if index > 0 {
                    out.push(b",");
                }
                quote::json(key.as_bytes(), out);
                out.push(b":");
                json(member, out);
            }
            out.push(b"}");
        }
        Repr::Unknown(_) => quote::json(b"[unknown]", out),
    }
}

/// The first JSON value in `text`; what follows it is ignored, and numbers keep their text. `spend`
/// is told the bytes read and stops the parse by refusing them.
pub(super) fn from_json(
    text: &[u8],
    def: Def,
    secret: bool,
    spend: &mut dyn FnMut(usize) -> bool,
) -> Result<Rc<Val>, String> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
    match values.next() {
        None => Err("EOF".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        Some(Ok(raw)) => from_raw(raw, def, secret, spend),
    }
}

fn from_raw(
    raw: &RawValue,
    def: Def,
    secret: bool,
    spend: &mut dyn FnMut(usize) -> bool,
) -> Result<Rc<Val>, String> {
    let text = raw.get();
    if !spend(text.len()) {
        return Err("too much text".to_owned());
    }
    let describe = |error: serde_json::Error| error.to_string();
    let val = match text.as_bytes().first() {
        Some(b'{') => {
            let object: Object<'_> = serde_json::from_str(text).map_err(describe)?;
            let mut members = Members::new();
            for (key, raw) in object.0 {
                members.insert(key.into(), from_raw(raw, def, secret, spend)?);
            }
            Val::object(def, members)
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(describe)?;
            let elements = elements
                .into_iter()
                .map(|raw| from_raw(raw, def, secret, spend))
                .collect::<Result<_, _>>()?;
            Val::list(def, elements)
        }
        Some(b'"') => Val::string(def, serde_json::from_str::<String>(text).map_err(describe)?),
        Some(b't') => Val::new(def, Repr::Bool(true)),
        Some(b'f') => Val::new(def, Repr::Bool(false)),
        Some(b'n') => Val::new(def, Repr::Null),
        _ => Val::new(def, Repr::Number(text.into())),
    };
    Ok(Rc::new(val.secret_if(secret)))
}

/// An object whose members are not read yet.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Object<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor).map(Object)
    }
}

struct ObjectVisitor;

impl<'de> serde::de::Visitor<'de> for ObjectVisitor {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
