//! Where a provider asks clouds for tokens: HTTP, the time, and the environment of this process.

use std::time::SystemTime;

use super::{Clock, Error, ErrorKind, Options, Variables};
use crate::http;
use crate::secret::SecretBytes;

/// A bearer token.
pub(crate) struct Token {
    /// The token.
    pub(crate) value: SecretBytes,
    /// How long it is valid.
    pub(crate) life: std::time::Duration,
}

/// What asking for tokens takes; made once for a provider.
pub(crate) struct Desk {
    /// For messages.
    pub(super) provider: &'static str,
    http: http::Client,
    direct: http::Client,
    clock: Clock,
    variables: Variables,
}

impl Desk {
    /// For messages of `provider`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(provider: &'static str, options: &Options) -> Result<Self, Error> {
        let client = |options: &http::Options| {
            let failed =
                |error: http::Error| Error::new(ErrorKind::Invalid, provider, error.to_string());
            http::Client::new(options).map_err(failed)
        };
        let direct = http::Options {
            is_direct: true,
            ..options.http.clone()
        };
        Ok(Self {
            provider,
            http: client(&options.http)?,
            direct: client(&direct)?,
            clock: options.clock.clone(),
            variables: options.variables.clone(),
        })
    }

    /// The client that asks for tokens, for other calls too.
    pub(crate) fn http(&self) -> &http::Client {
        &self.http
    }

    /// The client for servers of this machine's own, which no proxy may see.
    pub(super) fn direct(&self) -> &http::Client {
        &self.direct
    }

    /// A variable of the environment that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.variables)(name).filter(|value| !value.is_empty())
    }

    /// The present.
    pub(super) fn now(&self) -> SystemTime {
        (self.clock)()
    }

    /// A failure of the configuration.
    pub(super) fn invalid(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, self.provider, message)
    }

    /// A failure that time may heal.
    pub(super) fn unavailable(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unavailable, self.provider, message)
    }
}
