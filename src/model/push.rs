//! What is written to a remote store, and where it goes.

use std::collections::BTreeMap;

use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

/// The place of a pushed value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Name or path of the remote secret; its form is the provider's.
    pub key: String,
    /// Part of the remote secret; empty is the whole.
    pub property: String,
}

/// A Secret to push from, already templated and with its keys converted.
#[derive(Debug, Default)]
pub struct Source {
    /// Values by key.
    pub data: SecretMap,
    /// Type of the Secret; empty is Opaque.
    pub type_: String,
    /// Labels, for providers that keep them.
    pub labels: BTreeMap<String, String>,
    /// Annotations, for providers that keep them.
    pub annotations: BTreeMap<String, String>,
}

/// One write: a value of a source, or all of it, to a target.
#[derive(Clone, Copy, Debug)]
pub struct Push<'a> {
    /// Where values come from.
    pub source: &'a Source,
    /// Key of the source; empty is all of it.
    pub secret_key: &'a str,
    /// Where the value goes.
    pub target: &'a Target,
    /// What the object says to this provider alone (`spec.data[].metadata`).
    pub metadata: Option<&'a serde_json::Value>,
}

/// What a [`Push`] means to write.
#[derive(Debug)]
pub enum Pushed<'a> {
    /// The value of one key.
    One(&'a SecretBytes),
    /// Every key with its value.
    Whole(&'a SecretMap),
}

/// The source has no such key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("secret key {0} does not exist")]
pub struct MissingKey(pub String);

impl<'a> Push<'a> {
    /// What is to be written.
    ///
    /// # Errors
    /// When the source lacks the key.
    pub fn pushed(&self) -> Result<Pushed<'a>, MissingKey> {
        if self.secret_key.is_empty() {
            return Ok(Pushed::Whole(&self.source.data));
        }
        let value = self.source.data.get(self.secret_key);
        value
            .map(Pushed::One)
            .ok_or_else(|| MissingKey(self.secret_key.to_owned()))
    }

    /// The bytes for a store whose secrets have no members: the value of one key as it is, a whole
    /// source as one JSON object of strings.
    ///
    /// # Errors
    /// When the source lacks the key.
    pub fn content(&self) -> Result<SecretBytes, MissingKey> {
        Ok(match self.pushed()? {
            Pushed::One(value) => value.duplicate(),
            Pushed::Whole(values) => object(values).to_bytes(),
        })
    }
}

/// All values as one JSON object of strings; bytes that are not UTF-8 become U+FFFD when written.
#[must_use]
pub fn object(values: &SecretMap) -> Json {
    let text = |(key, value): (&str, &SecretBytes)| (key.to_owned(), Json::Text(value.duplicate()));
    Json::Object(values.iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_is_pushed_as_it_is_and_a_whole_source_as_an_object() {
        let data = [("b", "<2>"), ("a", "1")];
        let source = Source {
            data: data
                .map(|(key, value)| (key.to_owned(), value.into()))
                .into_iter()
                .collect(),
            ..Source::default()
        };
        let target = Target::default();
        let content = |secret_key| {
            let push = Push {
                source: &source,
                secret_key,
                target: &target,
                metadata: None,
            };
            push.content()
                .map(|bytes| bytes.expose_str().unwrap().to_owned())
        };
        assert_eq!(content("b").unwrap(), "<2>");
        assert_eq!(content("").unwrap(), r#"{"a":"1","b":"\u003c2\u003e"}"#);
        assert_eq!(content("c"), Err(MissingKey("c".to_owned())));
    }
}
