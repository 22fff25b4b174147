//! Values that are secret: they are wiped when dropped and cannot be printed.
//!
//! Nothing here implements `Display`, `Serialize` or `Clone`; `Debug` shows a length at most. Reading
//! a value is spelled [`SecretBytes::expose`] and copying one [`SecretBytes::duplicate`], so that both
//! stand out in review.

pub mod json;

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// The bytes of one secret value.
#[derive(PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes ownership of `bytes`, which are wiped when the value is dropped.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The plain bytes, for the place that needs them and no longer.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The plain value as text, if it is UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// A second copy, wiped on its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the value has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

impl From<String> for SecretBytes {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<&str> for SecretBytes {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

/// Named secret values in key order; `Debug` shows the keys and the lengths only.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SecretMap(BTreeMap<String, SecretBytes>);

impl SecretMap {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key`, returning what it held before.
    pub fn insert(&mut self, key: impl Into<String>, value: SecretBytes) -> Option<SecretBytes> {
        self.0.insert(key.into(), value)
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&SecretBytes> {
        self.0.get(key)
    }

    /// Takes the value of `key` out of the map.
    pub fn remove(&mut self, key: &str) -> Option<SecretBytes> {
        self.0.remove(key)
    }

    /// Moves every entry of `other` into this map; a key of both takes the value of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Entries in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretBytes)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second copy of every value.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        self.0
            .iter()
            .map(|(key, value)| (key.clone(), value.duplicate()))
            .collect()
    }
}

impl FromIterator<(String, SecretBytes)> for SecretMap {
    fn from_iter<I: IntoIterator<Item = (String, SecretBytes)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl IntoIterator for SecretMap {
    type Item = (String, SecretBytes);
    type IntoIter = std::collections::btree_map::IntoIter<String, SecretBytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_content() {
        let map: SecretMap = [("token".to_owned(), SecretBytes::from("hunter2"))]
            .into_iter()
            .collect();
        assert_eq!(
            format!("{map:?}"),
            r#"SecretMap({"token": SecretBytes(7 bytes)})"#
        );
    }

    #[test]
    fn extend_lets_the_later_value_win() {
        let mut map: SecretMap = [("a".to_owned(), SecretBytes::from("1"))]
            .into_iter()
            .collect();
        map.extend(
            [("a".to_owned(), SecretBytes::from("2"))]
                .into_iter()
                .collect(),
        );
        assert_eq!(map.get("a").and_then(SecretBytes::expose_str), Some("2"));
    }
}
