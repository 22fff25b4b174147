//! Keys that a Secret can have, and values as they are decoded (ESO 2.9.0, `esutils` and `decoding`).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt::Write as _;

use crate::api::v1::{ConversionStrategy, DecodingStrategy};
use crate::secret::{SecretBytes, SecretMap};

/// Longest key of a Secret in bytes.
const KEY_LIMIT: usize = 253;

const PADDED: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDED);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PADDED);

/// Makes every key legal.
///
/// # Errors
/// When two keys become the same one.
pub fn convert(map: SecretMap, strategy: ConversionStrategy) -> Result<SecretMap, String> {
    let mut converted = SecretMap::new();
    for (key, value) in map {
        let legal = convert_key(&key, strategy);
        if converted.get(&legal).is_some() {
            return Err(format!("secret name collision during conversion: {legal}"));
        }
        converted.insert(legal, value);
    }
    Ok(converted)
}

fn convert_key(key: &str, strategy: ConversionStrategy) -> String {
    let mut legal = String::with_capacity(key.len());
    for character in key.chars() {
        match strategy {
            _ if is_legal(character) => legal.push(character),
            ConversionStrategy::Default => legal.push('_'),
            ConversionStrategy::Unicode => {
                write!(legal, "_U{:04x}_", u32::from(character))
                    .expect("writing to a String must succeed");
            }
        }
    }
    legal
}

/// What the API server accepts. ESO also lets other letters pass, which the API server then refuses
/// without naming the entry.
fn is_legal(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_')
}

/// Drops empty keys and checks the others.
///
/// # Errors
/// Naming the first key that a Secret cannot have.
pub fn validate(map: SecretMap) -> Result<SecretMap, String> {
    let mut valid = SecretMap::new();
    for (key, value) in map {
        if key.is_empty() {
            continue;
        }
        check_key(&key)?;
        valid.insert(key, value);
    }
    Ok(valid)
}

/// Checks one key of a Secret.
///
/// # Errors
/// A sentence that quotes the key.
pub fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    if key.len() > KEY_LIMIT {
        return Err(format!(
            "key {key:?} has {} bytes, at most {KEY_LIMIT} are allowed",
            key.len()
        ));
    }
    match key.chars().find(|character| !is_legal(*character)) {
        Some(character) => Err(format!(
            "key {key:?} has the character {character:?}; letters, digits, '-', '.' and '_' are allowed"
        )),
        None => Ok(()),
    }
}

/// Decodes one value.
///
/// # Errors
/// When the value is not what the strategy says; the value is not quoted.
pub fn decode(value: SecretBytes, strategy: DecodingStrategy) -> Result<SecretBytes, String> {
    let decode_with = |engine: &GeneralPurpose, value: &SecretBytes| {
        let mut text = zeroize::Zeroizing::new(value.expose().to_vec());
        text.retain(|byte| !matches!(byte, b'\r' | b'\n'));
        engine.decode(&*text).map(SecretBytes::new)
    };
    match strategy {
        DecodingStrategy::None => Ok(value),
        DecodingStrategy::Base64 => decode_with(&STANDARD, &value)
            .map_err(|_| "the value is not base64 with padding".to_owned()),
        DecodingStrategy::Base64URL => decode_with(&URL_SAFE, &value)
            .map_err(|_| "the value is not URL-safe base64 with padding".to_owned()),
        DecodingStrategy::Auto => Ok(decode_with(&STANDARD, &value)
            .or_else(|_| decode_with(&URL_SAFE, &value))
            .unwrap_or(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(keys: &[&str]) -> SecretMap {
        keys.iter()
            .map(|key| ((*key).to_owned(), SecretBytes::from("v")))
            .collect()
    }

    #[test]
    fn illegal_characters_are_converted() {
        let keys = |strategy| {
            let map = convert(map(&["a/b", "c.d-e_f", "é"]), strategy).unwrap();
            map.keys().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(keys(ConversionStrategy::Default), ["_", "a_b", "c.d-e_f"]);
        assert_eq!(
            keys(ConversionStrategy::Unicode),
            ["_U00e9_", "a_U002f_b", "c.d-e_f"]
        );
    }

    #[test]
    fn a_collision_is_an_error_and_not_a_lost_value() {
        let error = convert(map(&["a/b", "a:b"]), ConversionStrategy::Default).unwrap_err();
        assert_eq!(error, "secret name collision during conversion: a_b");
    }

    #[test]
    fn empty_keys_are_dropped_and_illegal_ones_refused() {
        assert_eq!(validate(map(&["", "ok"])).unwrap().len(), 1);
        assert!(validate(map(&["a b"])).unwrap_err().contains("\"a b\""));
        assert!(validate(map(&[&"k".repeat(254)])).is_err());
    }

    #[test]
    fn values_are_decoded_as_go_does() {
        let decoded = |text: &str, strategy| {
            decode(SecretBytes::from(text), strategy).map(|value| value.expose().to_vec())
        };
        assert_eq!(decoded("aGk=", DecodingStrategy::Base64).unwrap(), b"hi");
        assert_eq!(
            decoded("aG\nk=\r\n", DecodingStrategy::Base64).unwrap(),
            b"hi"
        );
        assert_eq!(decoded("", DecodingStrategy::Base64).unwrap(), b"");
        assert!(decoded("aGk", DecodingStrategy::Base64).is_err());
        assert_eq!(
            decoded("_-8=", DecodingStrategy::Base64URL).unwrap(),
            [0xff, 0xef]
        );
        assert_eq!(
            decoded("_-8=", DecodingStrategy::Auto).unwrap(),
            [0xff, 0xef]
        );
        assert_eq!(
            decoded("plain text", DecodingStrategy::Auto).unwrap(),
            b"plain text"
        );
        assert_eq!(decoded("aGk=", DecodingStrategy::None).unwrap(), b"aGk=");
    }
}
