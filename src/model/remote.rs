//! Which remote value is meant.

use std::collections::BTreeMap;

use regex::Regex;

/// One remote secret, or a part or version of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteRef {
    /// Name or path; its form is the provider's.
    pub key: String,
    /// Part of the value, a JSON path in most providers; empty is the whole.
    pub property: String,
    /// Version; empty is the newest.
    pub version: String,
    /// Whether tags or labels are wanted instead of the value.
    pub metadata: bool,
}

/// A search over many remote secrets.
#[derive(Clone, Debug, Default)]
pub struct Find {
    /// Prefix or folder to search in.
    pub path: Option<String>,
    /// Searched anywhere in the name.
    pub name: Option<Regex>,
    /// Tags or labels that must all match.
    pub tags: BTreeMap<String, String>,
}
