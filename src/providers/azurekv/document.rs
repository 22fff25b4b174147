//! What the vault's answers hold. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::name::Kind;
use crate::model::remote::Find;
use crate::model::value;
use crate::providers::cloud_json::{member, member_text, number, texts};
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

/// Characters of a line of PEM.
const LINE: usize = 64;

/// One secret of a listing.
pub(super) struct Entry {
    pub(super) name: String,
    tags: BTreeMap<String, String>,
}

impl Entry {
    pub(super) fn matches(&self, find: &Find) -> bool {
        let named = find.name.as_ref();
        named.is_none_or(|regex| regex.is_match(&self.name))
            && find
                .tags
                .iter()
                .all(|(tag, value)| self.tags.get(tag) == Some(value))
    }
}

/// The secrets of one page that are enabled.
pub(super) fn entries(page: &Json) -> Vec<Entry> {
    let Some(Json::List(items)) = member(page, "value") else {
        return Vec::new();
    };
    let entry = |item: &Json| {
        let enabled = member(item, "attributes").and_then(|of| member(of, "enabled"));
        if enabled == Some(&Json::Bool(false)) {
            return None;
        }
        let name = member_text(item, "id")?
            .trim_end_matches('/')
            .rsplit('/')
            .next()?;
        let tags = texts(member(item, "tags"));
        let name = name.to_owned();
        Some(Entry { name, tags })
    };
    items.iter().filter_map(entry).collect()
}

/// What an object is worth: a secret's value or a part of it, a certificate's DER (its PEM by the
/// property `pem`), a key's public part as JSON web key.
pub(super) fn value(
    kind: Kind,
    object: &Json,
    property: &str,
) -> Result<Option<SecretBytes>, value::Error> {
    match kind {
        Kind::Secret => match member(object, "value") {
            Some(Json::Text(value)) => part(value, property),
            _ => Ok(None),
        },
        Kind::Certificate => {
            let der = member_text(object, "cer").and_then(|text| STANDARD.decode(text).ok());
            Ok(der.map(|der| match property {
                "pem" => pem(&der),
                _ => SecretBytes::new(der),
            }))
        }
        Kind::Key => Ok(member(object, "key").map(Json::to_bytes)),
    }
}

/// The path first, as ESO does, then the same text as a name with dots in it.
fn part(text: &SecretBytes, property: &str) -> Result<Option<SecretBytes>, value::Error> {
    if property.is_empty() {
        return Ok(Some(text.duplicate()));
    }
    let found = value::property(text, property)?;
    if found.is_some() || !property.contains('.') {
        return Ok(found);
    }
    value::property(text, &property.replace('.', "\\."))
}

fn pem(der: &[u8]) -> SecretBytes {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(LINE)
        .map(|at| &text[at..text.len().min(at + LINE)])
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into()
}

/// Tags, and the times of an object as tags `attribute.created` and so on.
fn tags(object: &Json) -> BTreeMap<String, String> {
    let mut tags = texts(member(object, "tags"));
    let times = [
        ("created", "created"),
        ("updated", "updated"),
        ("exp", "expires"),
        ("nbf", "notBefore"),
    ];
    for (name, shown) in times {
        let at = member(object, "attributes").and_then(|of| member(of, name));
        let at = at
            .and_then(number)
            .and_then(|at| Timestamp::from_second(at).ok());
        if let Some(at) = at {
            tags.entry(format!("attribute.{shown}"))
                .or_insert_with(|| at.to_string());
        }
    }
    tags
}

/// One tag or a part of it, or all as one object.
pub(super) fn tag(object: &Json, property: &str) -> Result<Option<SecretBytes>, value::Error> {
    let tags = tags(object);
    if property.is_empty() {
        let members = tags.into_iter();
        let members = members.map(|(name, value)| (name, Json::Text(value.into())));
        return Ok(Some(Json::Object(members.collect()).to_bytes()));
    }
    if let Some(value) = tags.get(property) {
        return Ok(Some(value.as_str().into()));
    }
    let Some((name, path)) = property.split_once('.') else {
        return Ok(None);
    };
    tags.get(name).map_or(Ok(None), |value| {
        value::property(&value.as_str().into(), path)
    })
}

/// All tags as `<object>_<tag>`; one that is an object of texts as `<object>_<tag>_<member>`.
pub(super) fn flat_tags(object: &Json, name: &str) -> SecretMap {
    let mut flat = SecretMap::new();
    for (tag, value) in tags(object) {
        let members: Option<BTreeMap<String, String>> = serde_json::from_str(&value).ok();
        match members {
            Some(members) => {
                for (member, value) in members {
                    flat.insert(format!("{name}_{tag}_{member}"), value.into());
                }
            }
            None => {
                flat.insert(format!("{name}_{tag}"), value.into());
            }
        }
    }
    flat
}
