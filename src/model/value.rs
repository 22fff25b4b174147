//! What becomes of structured remote values: parts of them, their members, their bytes.
//!
//! The rules are those of External Secrets Operator, with two differences: a number never passes
//! through a float, and a text that is not JSON is told apart from one that lacks the property.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::secret::json::{Error as JsonError, Json};
use crate::secret::{SecretBytes, SecretMap};

/// Longest property path.
const MAX_PROPERTY: usize = 1024;

/// Decimals with more digits than this keep their exponent.
const MAX_DIGITS: usize = 400;

/// A value that has no such part or members.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The value is text of another form.
    #[error("the value is {0}")]
    ReadJson(#[from] JsonError),
    /// The value is JSON, and no object.
    #[error("the value is {0}, not an object")]
    ReadMembers(&'static str),
    /// The path is longer than 1024 bytes.
    #[error("the property is longer than {MAX_PROPERTY} bytes")]
    ReadProperty,
}

/// The part of a JSON text that a gjson path names: strings unquoted, numbers as spelled, objects and
/// lists as they stand; `None` if there is none.
///
/// # Errors
/// When `text` is not JSON.
pub fn property(text: &SecretBytes, path: &str) -> Result<Option<SecretBytes>, Error> {
    if path.len() > MAX_PROPERTY {
        return Err(Error::ReadProperty);
    }
    let text = json_text(text)?;
    let found = gjson::get(text, path);
    Ok(found.exists().then(|| match found.kind() {
        gjson::Kind::String => found.str().into(),
        gjson::Kind::Null => SecretBytes::new(Vec::new()),
        _ => found.json().into(),
    }))
}

/// The JSON text of the part that a gjson path names, for a look at its members.
///
/// # Errors
/// When `text` is not JSON.
pub fn property_json(text: &SecretBytes, path: &str) -> Result<Option<SecretBytes>, Error> {
    if path.len() > MAX_PROPERTY {
        return Err(Error::ReadProperty);
    }
    let found = gjson::get(json_text(text)?, path);
    Ok(found.exists().then(|| found.json().into()))
}

/// The members of a JSON object: a string becomes its content, null nothing, anything else its JSON
/// text as received.
///
/// # Errors
/// When `text` is not a JSON object.
pub fn members(text: &SecretBytes) -> Result<SecretMap, Error> {
    let json = Json::parse(text.expose())?;
    let Json::Object(parsed) = json else {
        return Err(Error::ReadMembers(json.kind()));
    };
    let raw: BTreeMap<String, &RawValue> =
        serde_json::from_slice(text.expose()).map_err(JsonError::from)?;
    let content = |(key, json): (String, Json)| {
        let value = match json {
            Json::Text(text) => text,
            Json::Null => SecretBytes::new(Vec::new()),
            _ => raw.get(&key).map_or("", |raw| raw.get().trim()).into(),
        };
        (key, value)
    };
    Ok(parsed.into_iter().map(content).collect())
}

/// The bytes of a decoded value: text as it is, a number as a decimal without exponent and trailing
/// zeros, null as nothing, a list or an object as compact JSON in Go's form.
#[must_use]
pub fn bytes(json: &Json) -> SecretBytes {
    match json {
        Json::Number(text) => text
            .expose_str()
            .and_then(plain_decimal)
            .unwrap_or_else(|| text.duplicate()),
        _ => json.to_content(),
    }
}

/// Exact, where the original goes through a 64-bit float and loses digits from the 17th on.
fn plain_decimal(text: &str) -> Option<SecretBytes> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let mut digits = zeroize::Zeroizing::new([whole, fraction].concat());
    let padding = usize::try_from(point.unsigned_abs()).ok()?;
    if digits.len() + padding > MAX_DIGITS {
        return None;
    }
    let point = if point <= 0 {
        digits.insert_str(0, &"0".repeat(padding));
        0
    } else {
        let missing = padding.saturating_sub(digits.len());
        digits.push_str(&"0".repeat(missing));
        padding
    };
    let (whole, fraction) = digits.split_at(point);
    let (whole, fraction) = (
        whole.trim_start_matches('0'),
        fraction.trim_end_matches('0'),
    );
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(SecretBytes::from([sign, whole, point, fraction].concat()))
}

/// gjson promises nothing for a text that is not JSON, so it is checked first.
fn json_text(text: &SecretBytes) -> Result<&str, Error> {
    serde_json::from_slice::<serde::de::IgnoredAny>(text.expose()).map_err(JsonError::from)?;
    let broken = JsonError { line: 1, column: 1 };
    Ok(text.expose_str().ok_or(broken)?)
}

#[cfg(test)]
mod tests;
