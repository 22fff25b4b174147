//! What a failed call means. Pure.

use std::error::Error as StdError;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::NAME;
use crate::providers::{Error, ErrorKind};

/// Longest part of the service's words that is repeated.
const MAX_WORDS: usize = 300;

/// How long a service that asks for fewer calls is left alone, unless it says how long.
const THROTTLE: Duration = Duration::from_secs(10);

/// Codes by which services refuse the credentials themselves.
const STALE: [&str; 14] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "InvalidIdentityTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClient",
    "UnrecognizedClientException",
];

/// A failed call, with what decides whether it is worth another try.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// The credentials were refused, not the action.
    pub(super) is_stale: bool,
    /// The service's word for what happened.
    pub(super) code: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            is_stale: false,
            code: String::new(),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Failure {
    /// Of a call that was to do `action`, the words after "failed to".
    pub(crate) fn of<E>(action: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let unavailable = |text: String| {
            let message = format!("failed to {action}: {text}");
            Self::from(Error::new(ErrorKind::Unavailable, NAME, message))
        };
        match error {
            SdkError::ServiceError(service) => {
                let raw = service.raw();
                let wait = raw.headers().get("retry-after");
                let wait = wait.and_then(|seconds| seconds.trim().parse().ok());
                let answer = Answer {
                    status: raw.status().as_u16(),
                    code: service.err().code().unwrap_or_default(),
                    words: service.err().message().unwrap_or_default(),
                    wait: wait.map(Duration::from_secs),
                };
                answer.refusal(action)
            }
            SdkError::TimeoutError(_) => unavailable("no answer in time".to_owned()),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                unavailable("no connection in time".to_owned())
            }
            SdkError::DispatchFailure(failure) => {
                let cause = failure.as_connector_error().map(|error| innermost(error));
                unavailable(cause.unwrap_or_else(|| "the service cannot be reached".to_owned()))
            }
            SdkError::ResponseError(response) if !response.raw().status().is_success() => {
                let answer = Answer {
                    status: response.raw().status().as_u16(),
                    code: "",
                    words: "",
                    wait: None,
                };
                answer.refusal(action)
            }
            SdkError::ResponseError(_) => unavailable(
                "the answer cannot be read; check region and endpoint if it stays so".to_owned(),
            ),
            SdkError::ConstructionFailure(_) => {
                let message = format!(
                    "failed to {action}: the call cannot be made; check region, endpoint and key"
                );
                Error::new(ErrorKind::Invalid, NAME, message).into()
            }
            _ => unavailable("the SDK reports an unknown failure".to_owned()),
        }
    }
}

/// A refusal as it came.
struct Answer<'a> {
    status: u16,
    code: &'a str,
    words: &'a str,
    wait: Option<Duration>,
}

impl Answer<'_> {
    fn refusal(&self, action: &str) -> Failure {
        let is_stale = STALE.contains(&self.code);
        let (kind, advice) = self.class(is_stale);
        let said = match (self.code, self.status) {
            ("", 200..=299) => "the answer cannot be read".to_owned(),
            ("", status) => format!("HTTP {status}"),
            (code, _) => code.to_owned(),
        };
        // A refused signature is explained with the token, a refused member with its content.
        let is_telling = is_stale || self.code.starts_with("Validation");
        let words: String = self.words.replace(char::is_control, " ");
        let words: String = words.trim().chars().take(MAX_WORDS).collect();
        let words = match words.as_str() {
            "" => String::new(),
            _ if is_telling => String::new(),
            words => format!(": {words}"),
        };
        let message = format!("failed to {action}: {said}{words}{advice}");
        let mut error = Error::new(kind, NAME, message);
        error.retry_after = match kind {
            ErrorKind::Throttled => Some(self.wait.unwrap_or(THROTTLE)),
            ErrorKind::Unavailable => self.wait,
            _ => None,
        };
        Failure {
            error,
            is_stale,
            code: self.code.to_owned(),
        }
    }

    fn class(&self, is_stale: bool) -> (ErrorKind, &'static str) {
        let is_deleted = [
            "marked for deletion",
            "marked deleted",
            "scheduled for deletion",
        ]
        .iter()
        .any(|words| self.words.contains(words));
        match self.code {
            _ if is_stale => (
                ErrorKind::Denied,
                "; check the access key or the identity, and the clock of the node",
            ),
            "ResourceNotFoundException" | "ParameterNotFound" | "ParameterVersionNotFound" => {
                (ErrorKind::NotFound, "")
            }
            "InvalidRequestException" | "InvalidParameterException" if is_deleted => (
                ErrorKind::NotFound,
                "; the secret is scheduled for deletion: restore it or name another",
            ),
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => (
                ErrorKind::Denied,
                "; check the policies of the identity, of the secret and of its KMS key",
            ),
            "DecryptionFailure" => (ErrorKind::Denied, "; check the KMS key of the secret"),
            "IDPRejectedClaim" | "RegionDisabledException" => (ErrorKind::Denied, ""),
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "TooManyRequestsException"
            | "TooManyUpdates"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "ProvisionedThroughputExceededException"
            | "SlowDown" => (ErrorKind::Throttled, ""),
            "InternalServiceError"
            | "InternalServerError"
            | "InternalFailure"
            | "InternalError"
            | "ServiceUnavailable"
            | "IDPCommunicationError" => (ErrorKind::Unavailable, ""),
            _ => match self.status {
                429 => (ErrorKind::Throttled, ""),
                401 | 403 => (
                    ErrorKind::Denied,
                    "; check the access key and the policies of the identity",
                ),
                400..=499 if self.code.is_empty() => {
                    (ErrorKind::Invalid, "; check region and endpoint")
                }
                400..=499 => (ErrorKind::Invalid, ""),
                _ => (ErrorKind::Unavailable, ""),
            },
        }
    }
}

fn innermost(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, words: &str) -> Failure {
        let answer = Answer {
            status,
            code,
            words,
            wait: None,
        };
        answer.refusal("read \"app\"")
    }

    #[test]
    fn each_code_has_its_kind() {
        let table = [
            (400, "ResourceNotFoundException", "", ErrorKind::NotFound),
            (400, "ParameterVersionNotFound", "", ErrorKind::NotFound),
            (
                400,
                "InvalidRequestException",
                "it was marked for deletion",
                ErrorKind::NotFound,
            ),
            (
                400,
                "InvalidRequestException",
                "rotation",
                ErrorKind::Invalid,
            ),
            (400, "AccessDeniedException", "", ErrorKind::Denied),
            (400, "DecryptionFailure", "", ErrorKind::Denied),
            (400, "ThrottlingException", "", ErrorKind::Throttled),
            (429, "", "", ErrorKind::Throttled),
            (403, "", "", ErrorKind::Denied),
            (404, "", "", ErrorKind::Invalid),
            (500, "InternalServiceError", "", ErrorKind::Unavailable),
            (503, "", "", ErrorKind::Unavailable),
        ];
        for (status, code, words, kind) in table {
            let failure = refused(status, code, words);
            assert_eq!(failure.error.kind, kind, "{status} {code}");
            assert!(!failure.is_stale, "{status} {code}");
        }
        assert!(refused(400, "UnrecognizedClientException", "").is_stale);
    }

    #[test]
    fn words_that_may_repeat_a_token_or_a_value_are_left_out() {
        for code in ["SignatureDoesNotMatch", "ValidationException"] {
            let failure = refused(400, code, "the canonical string has hunter2");
            let shown = format!("{failure:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains(code), "{shown}");
        }
        let told = refused(400, "AccessDeniedException", "User x may not\nread").error;
        assert!(told.message.contains("User x may not read"), "{told}");
    }
}
