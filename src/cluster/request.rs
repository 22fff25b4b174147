//! One request to the API server, bounded in time, and what its failure means.

use std::future::Future;
use std::time::Duration;

/// Longest wait for one answer. A connection that was accepted and then says nothing would otherwise
/// hold its worker for ever.
const LIMIT: Duration = Duration::from_secs(15);

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer in time.
    #[error("the API server did not answer within {} s", LIMIT.as_secs())]
    Timeout,
    /// The API server answered with an error, or could not be reached.
    #[error(transparent)]
    Api(#[from] kube::Error),
}

impl Error {
    /// The HTTP status the API server answered with, if it answered.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }

    /// How long the API server asked to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Api(kube::Error::Api(status)) = self else {
            return None;
        };
        let details = status.details.as_ref()?;
        let seconds = u64::from(details.retry_after_seconds);
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// Whether the object does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether the object exists already, or has changed since it was read.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// Whether our permissions do not suffice.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }
}

/// Waits for `request`, but not longer than a request may take.
///
/// # Errors
/// [`Error::Timeout`], or what the request failed with.
pub async fn bounded<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(LIMIT, request).await {
        Ok(answer) => answer.map_err(Error::Api),
        Err(_) => Err(Error::Timeout),
    }
}
