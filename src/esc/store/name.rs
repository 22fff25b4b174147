//! Which names are allowed.

use super::{Error, LATEST};
use crate::esc::client::EnvironmentName;

/// Segments of the API's paths that stand where a project or an environment may stand.
const RESERVED: [&str; 22] = [
    ".",
    "..",
    "check",
    "clone",
    "decrypt",
    "decrypt-secrets",
    "drafts",
    "encrypt-secrets",
    "hooks",
    "metadata",
    "open",
    "ownership",
    "providers",
    "referrers",
    "restore",
    "rotate",
    "schedules",
    "settings",
    "tags",
    "versions",
    "webhooks",
    "yaml",
];
/// Longest name of a project, environment or tag.
const LONGEST: usize = 100;
/// Longest value of an environment tag.
const LONGEST_VALUE: usize = 256;

/// Organisations: 3 to 40 letters, digits, `-`, `_`, neither of the last two outside. SDKs check the
/// same before they send a request.
///
/// # Errors
/// [`Error::ReadName`].
pub fn check_organization(name: &str) -> Result<(), Error> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let bytes = name.as_bytes();
    let edges = [bytes.first(), bytes.last()];
    let valid = (3..=40).contains(&bytes.len())
        && bytes.iter().copied().all(is_inner)
        && edges.into_iter().flatten().all(u8::is_ascii_alphanumeric);
    refuse_unless(
        valid,
        "organization",
        name,
        "3 to 40 letters, digits, '-' and '_', with a letter or digit at both ends",
    )
}

/// Projects and environments: 1 to 100 letters, digits, `-`, `_`, `.`; no word of the API's paths.
///
/// # Errors
/// [`Error::ReadName`].
pub fn check_environment(name: &EnvironmentName) -> Result<(), Error> {
    check_organization(&name.organization)?;
    for (kind, part) in [("project", &name.project), ("environment", &name.name)] {
        let is_allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let valid = (1..=LONGEST).contains(&part.len()) && part.bytes().all(is_allowed);
        refuse_unless(
            valid,
            kind,
            part,
            "1 to 100 letters, digits, '-', '_' and '.'",
        )?;
        refuse_unless(
            !RESERVED.contains(&part.as_str()),
            kind,
            part,
            "not a word of the API such as 'open' or 'versions'",
        )?;
    }
    Ok(())
}

/// Revision tags: like an environment's name, but a digit in front would be read as a number.
///
/// # Errors
/// [`Error::ReadName`]; [`Error::Protect`] for `latest`.
pub fn check_tag(name: &str) -> Result<(), Error> {
    if name == LATEST {
        return Err(Error::Protect(
            "the tag 'latest' is protected: it always names the newest revision".to_owned(),
        ));
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let valid = (1..=LONGEST).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !matches!(name, "tags" | "." | "..");
    refuse_unless(
        valid,
        "revision tag",
        name,
        "1 to 100 letters, digits, '-', '_' and '.', with no digit in front",
    )
}

/// Environment tags: 1 to 100 visible characters without `/`, a value of at most 256 characters.
///
/// # Errors
/// [`Error::ReadName`].
pub fn check_label(name: &str, value: &str) -> Result<(), Error> {
    let is_allowed = |char: char| !char.is_control() && !char.is_whitespace() && char != '/';
    let length = name.chars().count();
    let valid = (1..=LONGEST).contains(&length)
        && name.chars().all(is_allowed)
        && !matches!(name, "." | ".." | "0");
    refuse_unless(
        valid,
        "tag",
        name,
        "1 to 100 characters without '/' and spaces, and not '0'",
    )?;
    refuse_unless(
        value.chars().count() <= LONGEST_VALUE,
        "tag",
        name,
        "given a value of at most 256 characters",
    )
}

fn refuse_unless(valid: bool, kind: &'static str, name: &str, rule: &str) -> Result<(), Error> {
    if valid {
        return Ok(());
    }
    let shown: String = name.chars().take(LONGEST).collect();
    Err(Error::ReadName {
        kind,
        reason: format!("{shown:?} must be {rule}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(text: &str) -> Result<(), Error> {
        let mut parts = text.splitn(3, '|').map(str::to_owned);
        let mut next = || parts.next().unwrap();
        check_environment(&EnvironmentName {
            organization: next(),
            project: next(),
            name: next(),
        })
    }

    #[test]
    fn names_of_the_api_and_of_other_alphabets_are_refused() {
        for name in ["local|app|dev", "a-b|default|x.y_z-1", "loc|1|2"] {
            assert!(environment(name).is_ok(), "{name}");
        }
        for name in [
            "me|app|dev",
            "local|app|open",
            "local|yaml|dev",
            "local|..|dev",
            "local|a/b|dev",
            "local|app|",
            "-local|app|dev",
            "local|app|d\u{e9}v",
            "local|app|a b",
        ] {
            assert!(environment(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_tag_that_looks_like_a_revision_is_refused() {
        assert!(check_tag("stable").is_ok());
        assert!(check_tag("1stable").is_err());
        assert!(matches!(check_tag("latest"), Err(Error::Protect(_))));
        assert!(check_label("team", "core").is_ok());
        assert!(check_label("a/b", "").is_err());
        assert!(check_label("0", "").is_err());
    }
}
