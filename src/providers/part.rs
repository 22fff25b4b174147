//! Parts of a remote secret whose value is one text, in many cases JSON.

use std::collections::BTreeMap;

use super::rest::Api;
use super::{Abilities, Error, ErrorKind, value_error};
use crate::model::push::Push;
use crate::model::remote::RemoteRef;
use crate::model::value;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

/// The value, or the part that the property names.
///
/// # Errors
/// [`ErrorKind::NotFound`] without such a part, [`ErrorKind::Invalid`] when the value has none.
pub(super) fn one(
    api: &Api,
    reference: &RemoteRef,
    text: &SecretBytes,
) -> Result<SecretBytes, Error> {
    if reference.property.is_empty() {
        return Ok(text.duplicate());
    }
    let found = value::property(text, &reference.property);
    found
        .map_err(|error| value_error(api.name, &reference.key, &error))?
        .ok_or_else(|| missing(api, reference))
}

/// The members of the value, or of the part that the property names.
///
/// # Errors
/// As [`one`].
pub(super) fn all(
    api: &Api,
    reference: &RemoteRef,
    text: &SecretBytes,
) -> Result<SecretMap, Error> {
    let broken = |error| value_error(api.name, &reference.key, &error);
    if reference.property.is_empty() {
        return value::members(text).map_err(broken);
    }
    let part = value::property_json(text, &reference.property).map_err(broken)?;
    let part = part.ok_or_else(|| missing(api, reference))?;
    // The property may hold JSON as a text.
    let inner = match Json::parse(part.expose()) {
        Ok(Json::Text(inner)) => inner,
        _ => part,
    };
    value::members(&inner).map_err(broken)
}

/// There is no such secret, version or property.
pub(super) fn missing(api: &Api, reference: &RemoteRef) -> Error {
    let RemoteRef {
        key,
        property,
        version,
        ..
    } = reference;
    let part = |what: &str, name: &str| match name {
        "" => String::new(),
        _ => format!(" {what} {name:?}"),
    };
    let message = format!(
        "no secret {key:?}{}{}",
        part("of version", version),
        part("with property", property)
    );
    Error::new(ErrorKind::NotFound, api.name, message)
}

/// Refuses what the backend does not keep: tags of one secret, versions.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for metadata, [`ErrorKind::Invalid`] for a version where there are none.
pub(super) fn check(api: &Api, reference: &RemoteRef, abilities: &Abilities) -> Result<(), Error> {
    let key = &reference.key;
    if key.is_empty() {
        return Err(api.invalid("the key must not be empty"));
    }
    if reference.metadata && abilities.metadata.is_empty() {
        let message = format!("key {key:?}: metadata cannot be fetched; remove metadataPolicy");
        return Err(api.unsupported(message));
    }
    if abilities.version.is_empty() && !reference.version.is_empty() {
        let message = format!("key {key:?}: there are no versions here; remove version");
        return Err(api.invalid(message));
    }
    Ok(())
}

/// The text to write for a push: the value itself, or what is there with the property set to it.
///
/// # Errors
/// [`ErrorKind::Invalid`] when the source lacks the key, or what is there is no JSON object.
pub(super) fn pushed(
    api: &Api,
    push: &Push<'_>,
    present: Option<&SecretBytes>,
) -> Result<SecretBytes, Error> {
    let content = push.content();
    let content = content.map_err(|error| api.invalid(error.to_string()))?;
    let (key, property) = (&push.target.key, &push.target.property);
    if property.is_empty() {
        return Ok(content);
    }
    let mut members = members(api, key, present)?;
    members.insert(property.clone(), Json::Text(content));
    Ok(Json::Object(members).to_bytes())
}

/// What is left without a property; `None` where nothing is.
///
/// # Errors
/// [`ErrorKind::Invalid`] when what is there is no JSON object.
pub(super) fn without(
    api: &Api,
    key: &str,
    property: &str,
    present: &SecretBytes,
) -> Result<Option<SecretBytes>, Error> {
    let mut members = members(api, key, Some(present))?;
    members.remove(property);
    Ok((!members.is_empty()).then(|| Json::Object(members).to_bytes()))
}

/// Whether the value has a member of this name.
pub(super) fn has_member(text: &SecretBytes, property: &str) -> bool {
    let json = Json::parse(text.expose());
    json.is_ok_and(|json| matches!(json, Json::Object(members) if members.contains_key(property)))
}

fn members(
    api: &Api,
    key: &str,
    present: Option<&SecretBytes>,
) -> Result<BTreeMap<String, Json>, Error> {
    let Some(text) = present.filter(|text| !text.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    match Json::parse(text.expose()) {
        Ok(Json::Object(members)) => Ok(members),
        _ => {
            let message = format!(
                "{key:?} holds no JSON object; push it whole, without property, to replace it"
            );
            Err(api.invalid(message))
        }
    }
}
