//! What an answer of the server means. Pure but for reading the body.

use std::time::Duration;

use reqwest::{Response, StatusCode};

use crate::http;
use crate::providers::{Error, ErrorKind};
use crate::secret::json::Json;

/// Longest part of the server's words that is repeated.
const MAX_WORDS: usize = 300;

/// A failed call, with what decides whether it is worth another try.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// The token was refused, or lacks the permission: the server does not tell which.
    pub(super) is_forbidden: bool,
    /// The secret was changed by somebody else since it was read.
    pub(super) is_conflict: bool,
    /// There was no answer; what is trusted may have changed.
    pub(super) is_unreachable: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            is_forbidden: false,
            is_conflict: false,
            is_unreachable: false,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The body of a successful answer; `None` when what the path names does not exist.
pub(super) async fn read(
    provider: &'static str,
    action: &str,
    answer: Result<Response, http::Error>,
) -> Result<Option<Json>, Failure> {
    let unreachable = |error: &http::Error| Failure {
        is_unreachable: true,
        ..Error::new(
            ErrorKind::Unavailable,
            provider,
            format!("failed to {action}: {error}"),
        )
        .into()
    };
    let answer = answer.map_err(|error| unreachable(&error))?;
    let status = answer.status();
    let retry_after = http::retry_after(answer.headers());
    let body = http::read_body(answer).await;
    let body = body.map_err(|error| unreachable(&error))?;
    let json = Json::parse(body.expose()).ok();
    let words = words(json.as_ref());
    if status.is_success() {
        if body.is_empty() {
            return Ok(Some(Json::Null));
        }
        return json.map(Some).ok_or_else(|| {
            let message = format!("failed to {action}: the answer is not JSON; check server");
            Error::new(ErrorKind::Unavailable, provider, message).into()
        });
    }
    if status == StatusCode::NOT_FOUND && json.is_some() && words.is_empty() {
        return Ok(None);
    }
    Err(refusal(provider, action, status, &words, retry_after))
}

fn refusal(
    provider: &'static str,
    action: &str,
    status: StatusCode,
    words: &str,
    retry_after: Option<Duration>,
) -> Failure {
    let is_conflict = words.contains("check-and-set parameter");
    let (kind, advice) = match status.as_u16() {
        401 | 403 => (
            ErrorKind::Denied,
            "; check the token's policies, and that it has not expired",
        ),
        // A missing mount or a wrong engine version must not pass for a missing secret.
        404 => (
            ErrorKind::Invalid,
            "; check server, namespace, path and version of the store",
        ),
        429 => (ErrorKind::Throttled, ""),
        400 if is_conflict => (ErrorKind::Unavailable, ""),
        400..=499 if status.as_u16() != 412 && status.as_u16() < 470 => (ErrorKind::Invalid, ""),
        300..=399 => (
            ErrorKind::Unavailable,
            "; the server sends elsewhere: name the active node or a load balancer",
        ),
        503 => (ErrorKind::Unavailable, "; it may be sealed"),
        _ => (ErrorKind::Unavailable, ""),
    };
    let words = if words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    };
    let message = format!(
        "failed to {action}: HTTP {}{words}{advice}",
        status.as_u16()
    );
    let mut error = Error::new(kind, provider, message);
    error.retry_after = retry_after;
    Failure {
        is_forbidden: matches!(status.as_u16(), 401 | 403),
        is_conflict,
        ..error.into()
    }
}

/// The server's errors, and the warning that says that an engine has another version.
fn words(json: Option<&Json>) -> String {
    let Some(Json::Object(members)) = json else {
        return String::new();
    };
    let texts = |name: &str| match members.get(name) {
        Some(Json::List(items)) => items.iter().filter_map(text).collect(),
        _ => Vec::new(),
    };
    let mut said: Vec<&str> = texts("errors");
    let warned = texts("warnings").into_iter();
    said.extend(warned.filter(|warning| warning.contains("Invalid path")));
    let said = said.join("; ").replace(char::is_control, " ");
    said.trim().chars().take(MAX_WORDS).collect()
}

/// The text of a JSON string.
pub(super) fn text(json: &Json) -> Option<&str> {
    match json {
        Json::Text(text) => text.expose_str(),
        _ => None,
    }
}

/// The member of an object.
pub(super) fn member<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    match json {
        Json::Object(members) => members.get(name),
        _ => None,
    }
}

/// The member of an object, taken out of it; null is none.
pub(super) fn take(json: Json, name: &str) -> Option<Json> {
    match json {
        Json::Object(mut members) => members.remove(name).filter(|json| *json != Json::Null),
        _ => None,
    }
}

/// A number without fraction.
pub(super) fn number(json: &Json) -> Option<u64> {
    match json {
        Json::Number(text) => text.expose_str()?.parse().ok(),
        _ => None,
    }
}
