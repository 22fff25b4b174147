//! Why a remote store did not give what was asked.

use std::time::Duration;

/// What went wrong, in the classes that decide retry, condition reason and metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The remote secret, version or property does not exist.
    NotFound,
    /// The credentials are wrong or lack a permission.
    Denied,
    /// The remote asks for fewer calls.
    Throttled,
    /// The remote cannot be reached, is slow or fails.
    Unavailable,
    /// The store's or the reference's configuration cannot work.
    Invalid,
    /// The provider cannot do this.
    Unsupported,
}

impl ErrorKind {
    /// The label value used in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Invalid => "invalid",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A failed call of a provider. Its text is public and holds no secret value.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{provider}: {message}")]
pub struct Error {
    /// Class of the failure.
    pub kind: ErrorKind,
    /// The provider's key in `spec.provider`.
    pub provider: &'static str,
    /// What failed, naming store, key or address and saying what to do; no secret value.
    pub message: String,
    /// How long the remote asked to wait, if it did.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// A failure of class `kind`.
    pub fn new(kind: ErrorKind, provider: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            provider,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Whether the remote secret does not exist, as opposed to could not be read.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}
