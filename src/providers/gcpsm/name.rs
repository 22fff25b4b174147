//! Names that become parts of addresses. Pure.

use crate::api::v1::GcpSmProvider;

/// Longest name of a secret.
const MAX_NAME: usize = 255;

/// The name of a secret; else tells what is wrong.
pub(super) fn secret(key: &str) -> Result<&str, String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !key.is_empty() && key.len() <= MAX_NAME && key.bytes().all(is_part) {
        return Ok(key);
    }
    Err(format!(
        "key {key:?}: the name of a secret has 1 to {MAX_NAME} letters, digits, hyphens and underscores"
    ))
}

/// A number, an alias, or `latest`; else tells what is wrong.
pub(super) fn version(version: &str) -> Result<(), String> {
    match secret(version) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("version {version:?} is no number and no alias")),
    }
}

/// What is wrong with project or location, if anything.
pub(super) fn check(block: &GcpSmProvider) -> Result<(), String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
    let fields = [
        ("projectID", &block.project_id),
        ("location", &block.location),
    ];
    for (field, value) in fields {
        let value = value.as_deref().unwrap_or_default();
        if !value.bytes().all(is_part) || value.contains("..") {
            return Err(format!("{field}: {value:?} is none"));
        }
    }
    let location = block.location.as_deref().unwrap_or_default();
    if location.contains(['.', ':']) {
        return Err(format!("location: {location:?} is none"));
    }
    match block.secret_version_selection_policy.as_deref() {
        None | Some("" | "LatestOrFail" | "LatestOrFetch") => Ok(()),
        Some(other) => Err(format!(
            "secretVersionSelectionPolicy: {other:?} is not LatestOrFail or LatestOrFetch"
        )),
    }
}
