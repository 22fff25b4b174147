//! What a failed call of the ESC API means for its users.

use super::NAME;
use crate::esc::client::{EnvironmentName, Error as CallError};
use crate::providers::{Error, ErrorKind};

/// Classifies a failed call. A missing environment is a mistake in the store and never "no such
/// secret": a deletion policy must not act on it.
pub(super) fn classify(error: &CallError, environment: &EnvironmentName, url: &str) -> Error {
    let place = format!("environment {environment} at {url}");
    let CallError::Answer {
        status,
        retry_after,
        ..
    } = error
    else {
        return Error::new(
            ErrorKind::Unavailable,
            NAME,
            format!("could not read {place}: {error}"),
        );
    };
    let (kind, advice) = match status {
        401 => (
            ErrorKind::Denied,
            "the access token is missing, wrong or expired",
        ),
        403 => (
            ErrorKind::Denied,
            "the access token lacks the permission to open it",
        ),
        404 => (
            ErrorKind::Invalid,
            "check organization, project, environment and version",
        ),
        429 => (ErrorKind::Throttled, "the server asks for fewer calls"),
        400..=499 => (ErrorKind::Invalid, "mend the environment's definition"),
        _ => (ErrorKind::Unavailable, "the server failed"),
    };
    let mut classified = Error::new(
        kind,
        NAME,
        format!("could not open {place}: {advice} ({error})"),
    );
    classified.retry_after = *retry_after;
    classified
}
