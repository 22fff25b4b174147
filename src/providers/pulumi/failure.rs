//! What a failed call means for the object that asked.

use super::NAME;
use crate::esc::client::{EnvironmentName, Error as CallError, ErrorKind as Call};
use crate::providers::{Error, ErrorKind};

/// A failure, by whether the ESC server was called.
pub(super) enum Failure {
    /// It was not; trying again costs no quota.
    Local(Error),
    /// It was.
    Remote(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Local(error) | Failure::Remote(error) => error,
        }
    }
}

impl Failure {
    /// A missing environment is no missing secret: a deletion policy must not act on it.
    pub(super) fn of_call(environment: &EnvironmentName, error: &CallError) -> Self {
        let (kind, advice) = match error.kind {
            Call::Invalid | Call::Conflict => (ErrorKind::Invalid, String::new()),
            Call::NotFound => {
                let advice = format!(
                    "; check organization, project, environment and version of {environment}, \
                     and that the token may open it"
                );
                (ErrorKind::Invalid, advice)
            }
            Call::Unauthorized => {
                let advice = "; the access token is missing, wrong or expired";
                (ErrorKind::Denied, advice.to_owned())
            }
            Call::Forbidden => {
                let advice = format!("; check that the access token may open {environment}");
                (ErrorKind::Denied, advice)
            }
            Call::Throttled => (ErrorKind::Throttled, String::new()),
            Call::Unavailable => (ErrorKind::Unavailable, String::new()),
        };
        Self::remote(kind, error, &advice)
    }

    pub(super) fn of_exchange(error: &CallError) -> Self {
        let kind = match error.kind {
            Call::Throttled => ErrorKind::Throttled,
            Call::Unavailable => ErrorKind::Unavailable,
            _ => ErrorKind::Denied,
        };
        let advice = if kind == ErrorKind::Denied {
            "; check the organization's OIDC issuer, its policies and serviceAccountRef.audiences"
        } else {
            ""
        };
        Self::remote(kind, error, advice)
    }

    fn remote(kind: ErrorKind, error: &CallError, advice: &str) -> Self {
        let mut failure = Error::new(kind, NAME, format!("{error}{advice}"));
        failure.retry_after = error.retry_after;
        Self::Remote(failure)
    }
}
