//! The hashes that ESO leaves on objects, so that an object written by it is recognised and one written
//! by us is recognised by it.
//!
//! Each is the lower-case hex SHA3-224 of Go's `%+v` text of a value (ESO 2.9.0, `esutils.ObjectHash`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha3::{Digest as _, Sha3_224};

use crate::api::well_known::FIELD_MANAGER_PREFIX;
use crate::secret::SecretMap;

/// Longest field manager that ESO writes unhashed.
const FIELD_MANAGER_LIMIT: usize = 63;

/// Value of the annotation `data-hash` for this data.
#[must_use]
pub fn data(data: &SecretMap) -> String {
    let mut hasher = Sha3_224::new();
    hasher.update(b"map[");
    for (position, (key, value)) in data.iter().enumerate() {
        if position > 0 {
            hasher.update(b" ");
        }
        hasher.update(key.as_bytes());
        hasher.update(b":[");
        for (offset, byte) in value.expose().iter().enumerate() {
            if offset > 0 {
                hasher.update(b" ");
            }
            hasher.update(byte.to_string().as_bytes());
        }
        hasher.update(b"]");
    }
    hasher.update(b"]");
    hex(hasher)
}

/// Value of the label `created-by` for an ExternalSecret.
#[must_use]
pub fn created_by(namespace: &str, name: &str) -> String {
    text(&format!("{namespace}/{name}"))
}

/// Value of the label `owner-key` of a GeneratorState: whose values it records, and which of them.
#[must_use]
pub fn generator_owner(kind: &str, namespace: &str, name: &str, place: &str) -> String {
    text(&format!("{kind}-{namespace}-{name}-{place}"))
}

/// What `status.syncedResourceVersion` holds: the generation and a hash of labels and annotations.
#[must_use]
pub fn resource_version(
    generation: i64,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> String {
    let map = |entries: &BTreeMap<String, String>| {
        let entries: Vec<String> = entries
            .iter()
            .map(|(key, value)| format!("{key}:{value}"))
            .collect();
        format!("map[{}]", entries.join(" "))
    };
    let metadata = format!(
        "{{annotations:{} labels:{}}}",
        map(annotations),
        map(labels)
    );
    format!("{generation}-{}", text(&metadata))
}

/// The field manager under which an ExternalSecret writes its Secret.
#[must_use]
pub fn field_manager(name: &str) -> String {
    let plain = format!("{FIELD_MANAGER_PREFIX}{name}");
    if plain.len() <= FIELD_MANAGER_LIMIT {
        plain
    } else {
        format!("{FIELD_MANAGER_PREFIX}sha3/{}", text(name))
    }
}

fn text(text: &str) -> String {
    let mut hasher = Sha3_224::new();
    hasher.update(text.as_bytes());
    hex(hasher)
}

fn hex(hasher: Sha3_224) -> String {
    let mut hex = String::with_capacity(56);
    for byte in hasher.finalize() {
        write!(hex, "{byte:02x}").expect("writing to a String must succeed");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretBytes;

    fn map(entries: &[(&str, &[u8])]) -> SecretMap {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), SecretBytes::new(*value)))
            .collect()
    }

    fn strings(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn data_hashes_are_those_of_eso() {
        for (entries, expected) in [
            (
                vec![],
                "74a974446e359fb3e6baff9bd0058950e6edd0f040888d9989b0a11b",
            ),
            (
                vec![("a", &b"b"[..])],
                "3d68ac4f0d85ffe803e634fb03f14fd77986f865492d17edb91584b5",
            ),
            (
                vec![("k", &b""[..])],
                "a921e2357fadba0d5f3e1e4fec0c73811088f841beab9554c83697ee",
            ),
            (
                vec![("username", &b"admin"[..]), ("password", &b"hunter2"[..])],
                "c95146863c01c0fde76c9a84cbdc3cc51cd4a45848b2f970a09fffb7",
            ),
            (
                vec![("bin", &[0, 255][..])],
                "b4f665564376052d5c569ba1e9ca2d8480ae8813b9fcd5145c440e36",
            ),
        ] {
            assert_eq!(data(&map(&entries)), expected, "{entries:?}");
        }
    }

    #[test]
    fn owner_hashes_are_those_of_eso() {
        assert_eq!(
            created_by("default", "my-es"),
            "b8464376b5fe3535e690594280bfe59b60be2603cb6cbb6d6c8bcbb4"
        );
        assert_eq!(
            created_by("foo", "bar"),
            "3dc43374b79cf97234c901a9b237145f03daeb767e2f9ce4d125de4d"
        );
    }

    #[test]
    fn resource_versions_are_those_of_eso() {
        let none = BTreeMap::new();
        assert_eq!(
            resource_version(1, &none, &none),
            "1-f47fe3c0b255b6dd8047cdffa772587bb829efe7a1cb70febeda2eb2"
        );
        assert_eq!(
            resource_version(
                7,
                &strings(&[("app", "x")]),
                &strings(&[("a", "1"), ("b", "2")])
            ),
            "7-7a9d14fc4c98c8b2363ada4bb72d815002f918edc3da4746679c79ee"
        );
    }

    #[test]
    fn long_field_managers_are_hashed() {
        assert_eq!(
            field_manager("my-es"),
            "externalsecrets.external-secrets.io/my-es"
        );
        assert_eq!(
            field_manager(&"x".repeat(40)),
            "externalsecrets.external-secrets.io/sha3/d220a1cf8ee891688379b76052547fb82927e9939900f013c08a82ca"
        );
    }
}
