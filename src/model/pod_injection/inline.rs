//! References inside the values of environment variables.
//!
//! A value that begins with `secret://`, or that is one `${secret://…}`, is a reference; any other value
//! may hold `${secret://…}` between text. References to one remote key share one Secret, which holds the
//! properties that are referred to and no other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::api::meta::{SecretStoreRef, StoreKind};
use crate::api::v1::{ExternalSecretData, ExternalSecretDataRemoteRef, ExternalSecretSpec};

use super::{canonical, reference};

/// The alias that names of in-line Secrets are made under; no annotation can declare it.
pub const INLINE_ALIAS: &str = "inline";

const PREFIX: &str = "secret://";
const OPENING: &str = "${secret://";

/// What a Secret for in-line references holds parts of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    kind: StoreKind,
    store: String,
    key: String,
    version: Option<String>,
}

/// One property of a remote key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InlineReference {
    /// The remote key.
    pub remote: Remote,
    /// The property, which is also the key in the Secret.
    pub property: String,
}

/// The value of a variable, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InlineValue<'v> {
    /// The value is a reference.
    Whole(InlineReference),
    /// Text with at least one reference in it.
    Text(Vec<Segment<'v>>),
}

/// A part of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment<'v> {
    /// Text that stays.
    Literal(&'v str),
    /// A reference.
    Reference(InlineReference),
}

/// References by the remote key they read.
pub type Groups = BTreeMap<Remote, BTreeSet<String>>;

impl InlineReference {
    /// Reads `secret://…#property`.
    ///
    /// # Errors
    /// A sentence that says what is wrong and how to write it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let spec = reference::parse(text)?;
        let store = spec.secret_store_ref.unwrap_or_default();
        let Some(entry) = spec.data.into_iter().next() else {
            return Err(format!(
                "{text:?} names no property, and a variable holds one value: add #PROPERTY"
            ));
        };
        Ok(Self {
            remote: Remote {
                kind: store.kind.unwrap_or_default(),
                store: store.name.unwrap_or_default(),
                key: entry.remote_ref.key,
                version: entry.remote_ref.version,
            },
            property: entry.secret_key,
        })
    }
}

impl Remote {
    /// A reference to `property` as text that reads back as it.
    #[must_use]
    pub fn reference(&self, property: &str) -> String {
        let cluster = match self.kind {
            StoreKind::SecretStore => "",
            StoreKind::ClusterSecretStore => "cluster:",
        };
        let version = self.version.as_ref();
        let version = version.map_or_else(String::new, |version| {
            format!("?version={}", encoded(version))
        });
        let (store, key) = (&self.store, encoded(&self.key));
        format!("{PREFIX}{cluster}{store}/{key}{version}#{property}")
    }

    /// What the Secret that holds `properties` is made from.
    #[must_use]
    pub fn spec(
        &self,
        properties: &BTreeSet<String>,
        refresh: Option<SignedDuration>,
    ) -> ExternalSecretSpec {
        let entry = |property: &String| ExternalSecretData {
            secret_key: property.clone(),
            remote_ref: ExternalSecretDataRemoteRef {
                key: self.key.clone(),
                property: Some(property.clone()),
                version: self.version.clone(),
                ..ExternalSecretDataRemoteRef::default()
            },
            source_ref: None,
        };
        let mut spec = ExternalSecretSpec {
            secret_store_ref: Some(SecretStoreRef {
                name: Some(self.store.clone()),
                kind: Some(self.kind),
            }),
            data: properties.iter().map(entry).collect(),
            refresh_interval: refresh.map(|interval| canonical::interval(&interval)),
            ..ExternalSecretSpec::default()
        };
        canonical::reduce(&mut spec);
        spec
    }
}

/// What has a meaning in a reference, and what ends it in a value.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' => encoded.push_str("%25"),
            '#' => encoded.push_str("%23"),
            '?' => encoded.push_str("%3F"),
            '&' => encoded.push_str("%26"),
            '}' => encoded.push_str("%7D"),
            other => encoded.push(other),
        }
    }
    encoded
}

/// Takes a value apart; `None` is a value without references.
///
/// # Errors
/// A sentence with the position, counted in characters from 0, of the reference that is wrong.
pub fn scan(value: &str) -> Result<Option<InlineValue<'_>>, String> {
    if value.starts_with(PREFIX) {
        return InlineReference::parse(value)
            .map(InlineValue::Whole)
            .map(Some);
    }
    if !value.contains(OPENING) {
        return Ok(None);
    }
    let mut segments = Vec::new();
    let mut rest = value;
    while let Some(start) = rest.find(OPENING) {
        let (literal, from) = rest.split_at(start);
        let position = || value[..value.len() - from.len()].chars().count();
        let body = &from["${".len()..];
        let Some(end) = body.find('}') else {
            return Err(format!(
                "the \"{OPENING}\" at position {} has no closing \"}}\"",
                position()
            ));
        };
        let reference = InlineReference::parse(&body[..end])
            .map_err(|problem| format!("at position {}: {problem}", position()))?;
        if !literal.is_empty() {
            segments.push(Segment::Literal(literal));
        }
        segments.push(Segment::Reference(reference));
        rest = &body[end + 1..];
    }
    if !rest.is_empty() {
        segments.push(Segment::Literal(rest));
    }
    if let [Segment::Reference(whole)] = &segments[..] {
        return Ok(Some(InlineValue::Whole(whole.clone())));
    }
    Ok(Some(InlineValue::Text(segments)))
}

/// Groups what is written in the record that the webhook leaves in a pod: name of a Secret to
/// references. A record that cannot be read is none.
#[must_use]
pub fn read_record(text: &str) -> Vec<(String, Remote, BTreeSet<String>)> {
    let record: BTreeMap<String, Vec<String>> = serde_json::from_str(text).unwrap_or_default();
    let read = |(name, references): (String, Vec<String>)| {
        let mut groups = Groups::new();
        for reference in &references {
            let reference = InlineReference::parse(reference).ok()?;
            let properties = groups.entry(reference.remote).or_default();
            properties.insert(reference.property);
        }
        let (remote, properties) = groups.pop_first()?;
        groups.is_empty().then_some((name, remote, properties))
    };
    record.into_iter().filter_map(read).collect()
}

/// The record of one Secret.
#[must_use]
pub fn record(remote: &Remote, properties: &BTreeSet<String>) -> Vec<String> {
    let reference = |property: &String| remote.reference(property);
    properties.iter().map(reference).collect()
}

/// Text before a reference as a value must say it, once the reference is written `$(NAME)`: what the
/// kubelet would join to it is escaped (`$$` stands for `$`, and `$(` reaches to the next `)`).
#[must_use]
pub fn literal_before_reference(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 1);
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        escaped.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let taken = match behind.chars().next() {
            None => {
                escaped.push('$');
                0
            }
            Some('(') => match behind.find(')') {
                Some(end) => end + 1,
                None => {
                    escaped.push('$');
                    1
                }
            },
            Some(other) => other.len_utf8(),
        };
        escaped.push('$');
        escaped.push_str(&behind[..taken]);
        rest = &behind[taken..];
    }
    escaped.push_str(rest);
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn reference(text: &str) -> InlineReference {
        InlineReference::parse(text).unwrap()
    }

    #[test]
    fn case_22_a_value_is_a_reference_or_holds_some() {
        let whole = |text: &str| Some(InlineValue::Whole(reference(text)));
        assert_eq!(scan("secret://v/a#b"), Ok(whole("secret://v/a#b")));
        assert_eq!(scan("${secret://v/a#b}"), Ok(whole("secret://v/a#b")));
        assert_eq!(scan("plain ${OTHER} $(X)"), Ok(None));
        assert_eq!(
            scan(r#"{"u":"${secret://v/a#u}","p":"${secret://v/a#p}"}"#),
            Ok(Some(InlineValue::Text(vec![
                Segment::Literal(r#"{"u":""#),
                Segment::Reference(reference("secret://v/a#u")),
                Segment::Literal(r#"","p":""#),
                Segment::Reference(reference("secret://v/a#p")),
                Segment::Literal(r#""}"#),
            ])))
        );
    }

    #[rstest]
    #[case::unclosed("é ${secret://v/a#b", "at position 2 has no closing")]
    #[case::no_property(
        "x${secret://v/a}",
        "at position 1: \"secret://v/a\" names no property"
    )]
    #[case::prefix_only("secret://", "has no key")]
    #[case::empty("x${secret://}", "at position 1")]
    #[case::illegal_key("secret://v/a#b/c", "cannot name a key of a Secret")]
    fn case_25_28_33_a_wrong_reference_is_told_with_its_position(
        #[case] value: &str,
        #[case] expected: &str,
    ) {
        let problem = scan(value).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }

    #[rstest]
    #[case("$(OTHER)-", "$(OTHER)-")]
    #[case("$$(X)", "$$(X)")]
    #[case("cost $", "cost $$")]
    #[case("cost $$", "cost $$")]
    #[case("$$$", "$$$$")]
    #[case("$(open", "$$(open")]
    #[case("$é$", "$é$$")]
    fn case_23_text_before_a_reference_keeps_its_meaning(
        #[case] text: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(literal_before_reference(text), expected);
    }

    #[test]
    fn a_record_reads_back_as_what_was_recorded() {
        let text = "secret://cluster:v/a%23b%7Dc%25?version=1%262#p";
        let InlineReference { remote, property } = reference(text);
        let properties = BTreeSet::from([property, "q".to_owned()]);
        let record = BTreeMap::from([("inj-inline-x", record(&remote, &properties))]);
        let record = serde_json::to_string(&record).unwrap();
        let read = read_record(&record);
        assert_eq!(read, [("inj-inline-x".to_owned(), remote, properties)]);
        assert_eq!(read_record("{"), []);
        assert_eq!(
            read_record(r#"{"a":["secret://v/a#b","secret://v/c#d"]}"#),
            []
        );
    }
}
