//! `secret://[cluster:]STORE/KEY[?version=V][#PROPERTY]`: the short form of a spec.

use crate::api::meta::{SecretStoreRef, StoreKind};
use crate::api::v1::{
    ExternalSecretData, ExternalSecretDataFrom, ExternalSecretDataRemoteRef, ExternalSecretSpec,
};
use crate::model::keys::check_key;

use super::check_name;

/// Reads a reference into the spec it stands for: with a property one entry of `data` whose key is the
/// property's name, without one `dataFrom.extract`.
///
/// `#`, `?` and `%` inside a part are percent-encoded.
///
/// # Errors
/// A sentence that says what is wrong and how to write it.
pub(super) fn parse(text: &str) -> Result<ExternalSecretSpec, String> {
    let rest = text
        .strip_prefix("secret://")
        .ok_or("a reference begins with secret://")?;
    let (rest, property) = split(rest, '#');
    let (rest, query) = split(rest, '?');
    let (store, key) = rest
        .split_once('/')
        .ok_or_else(|| format!("{text:?} has no key: write secret://STORE/KEY"))?;
    let key = decode(key)?;
    if key.is_empty() {
        return Err(format!(
            "{text:?} has an empty key: write secret://STORE/KEY"
        ));
    }
    let remote_ref = ExternalSecretDataRemoteRef {
        key,
        version: query.map(version).transpose()?,
        property: property.map(decode).transpose()?,
        ..ExternalSecretDataRemoteRef::default()
    };
    let mut spec = ExternalSecretSpec {
        secret_store_ref: Some(parse_store(store)?),
        ..ExternalSecretSpec::default()
    };
    match remote_ref.property.clone() {
        None => spec.data_from.push(ExternalSecretDataFrom {
            extract: Some(remote_ref),
            ..ExternalSecretDataFrom::default()
        }),
        Some(property) if property.is_empty() => {
            return Err(format!(
                "{text:?} ends in '#' without a property; remove the '#' for all properties"
            ));
        }
        Some(property) => spec.data.push(ExternalSecretData {
            secret_key: legal_key(property)?,
            remote_ref,
            source_ref: None,
        }),
    }
    Ok(spec)
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

fn parse_store(text: &str) -> Result<SecretStoreRef, String> {
    let (kind, name) = match text.split_once(':') {
        None => (StoreKind::SecretStore, text),
        Some(("cluster", name)) => (StoreKind::ClusterSecretStore, name),
        Some((other, name)) => {
            return Err(format!(
                "{other:?} is no kind of store: write {name:?} for a SecretStore of the pod's \
                 namespace or \"cluster:{name}\" for a ClusterSecretStore"
            ));
        }
    };
    check_name(name).map_err(|problem| format!("the store's name {name:?} {problem}"))?;
    Ok(SecretStoreRef {
        name: Some(name.to_owned()),
        kind: Some(kind),
    })
}

fn version(query: &str) -> Result<String, String> {
    let invalid = || format!("{query:?} is not version=V, the only thing that may follow '?'");
    let text = query.strip_prefix("version=").ok_or_else(invalid)?;
    if text.is_empty() || text.contains('&') {
        return Err(invalid());
    }
    decode(text)
}

fn legal_key(property: String) -> Result<String, String> {
    check_key(&property).map_err(|problem| {
        format!(
            "the property cannot name a key of a Secret: {problem}; write the spec of an \
             ExternalSecret instead, where secretKey is its own"
        )
    })?;
    Ok(property)
}

/// Replaces `%XX`.
fn decode(text: &str) -> Result<String, String> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let invalid = || {
        format!(
            "{text:?} has a '%' that is not followed by two hexadecimal digits; write '%25' for a '%'"
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let digits = part.get(..2).ok_or_else(invalid)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| invalid())?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| format!("{text:?} is not UTF-8 when decoded"))
}
