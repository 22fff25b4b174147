//! Why a call failed.

use std::fmt;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::http;

/// Longest part of a server's message that is passed on, in characters.
const MAX_MESSAGE: usize = 500;

/// What went wrong, in the classes that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request, or the document in it, cannot work.
    Invalid,
    /// The token is missing, wrong or expired.
    Unauthorized,
    /// The token lacks a permission.
    Forbidden,
    /// Organisation, environment, version, session or property does not exist or cannot be seen.
    NotFound,
    /// It exists, was changed by others, or is protected.
    Conflict,
    /// The server asks for fewer calls.
    Throttled,
    /// The server cannot be reached, fails, or does not speak the protocol.
    Unavailable,
}

/// A failed call.
#[derive(Clone, Debug, thiserror::Error)]
#[error("failed to {action}: {message}{}{}", .status.map(|code| format!(" (status {code})")).unwrap_or_default(), Listing(.diagnostics))]
pub struct Error {
    /// Class of the failure.
    pub kind: ErrorKind,
    /// What was tried.
    pub action: String,
    /// What the server said or why it could not be asked.
    pub message: String,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What is wrong in the document, if that is why.
    pub diagnostics: Vec<Diagnostic>,
    /// How long the server asked to wait, if it did.
    pub retry_after: Option<Duration>,
}

/// Something wrong in a document, as the server reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Diagnostic {
    /// One sentence.
    pub summary: String,
    /// `error` or `warning`; empty is `error`.
    pub severity: String,
    /// Property path; empty if there is none.
    pub path: String,
    /// Where it stands, if known.
    pub range: Option<Range>,
}

/// A stretch of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Range {
    /// Environment, as the server names it.
    pub environment: String,
    /// First character.
    pub begin: Position,
    /// Behind the last character.
    pub end: Position,
}

/// A place in a document; lines and columns count from 1, 0 is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Diagnostic {
    /// Whether it is a warning only.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.severity == "warning"
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(range) = self.range.as_ref().filter(|range| range.begin.line > 0) {
            let Range {
                environment, begin, ..
            } = range;
            if !environment.is_empty() {
                write!(f, "{environment} ")?;
            }
            write!(f, "line {} column {}: ", begin.line, begin.column)?;
        }
        f.write_str(&shortened(&self.summary))?;
        if !self.path.is_empty() {
            write!(f, " (at {})", self.path)?;
        }
        Ok(())
    }
}

/// Diagnostics behind an error text.
struct Listing<'a>(&'a [Diagnostic]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .filter(|diagnostic| !diagnostic.is_warning())
            .take(5)
            .try_for_each(|diagnostic| write!(f, "; {diagnostic}"))
    }
}

impl Error {
    pub(super) fn new(kind: ErrorKind, action: &str, message: String) -> Self {
        Self {
            kind,
            action: action.to_owned(),
            message,
            status: None,
            diagnostics: Vec::new(),
            retry_after: None,
        }
    }

    /// The parser's own words may repeat a value; only the place is kept.
    pub(super) fn decode(action: &str, error: &serde_json::Error) -> Self {
        Self::unreadable(action, error.line(), error.column())
    }

    pub(super) fn unreadable(action: &str, line: usize, column: usize) -> Self {
        let message =
            format!("the answer is not what the ESC API gives, at line {line} column {column}");
        Self::new(ErrorKind::Unavailable, action, message)
    }

    pub(super) fn endless(action: &str) -> Self {
        let message = "the list does not end".to_owned();
        Self::new(ErrorKind::Unavailable, action, message)
    }
}

/// Lets answers of success pass and makes errors of the others.
pub(super) async fn accept(
    action: &str,
    sent: Result<Response, http::Error>,
) -> Result<Response, Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Wire {
        message: String,
        diagnostics: Option<Vec<Diagnostic>>,
    }
    let unavailable =
        |error: http::Error| Error::new(ErrorKind::Unavailable, action, error.to_string());
    let response = sent.map_err(unavailable)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = http::retry_after(response.headers());
    let body = http::read_body(response).await;
    let wire: Wire = body
        .ok()
        .and_then(|body| serde_json::from_slice(body.expose()).ok())
        .unwrap_or_default();
    let message = if wire.message.trim().is_empty() {
        let reason = status.canonical_reason().unwrap_or("refused");
        reason.to_lowercase()
    } else {
        shortened(&wire.message)
    };
    Err(Error {
        kind: kind_of(status),
        action: action.to_owned(),
        message,
        status: Some(status.as_u16()),
        diagnostics: wire.diagnostics.unwrap_or_default(),
        retry_after,
    })
}

fn kind_of(status: StatusCode) -> ErrorKind {
    match status {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
        StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => ErrorKind::Conflict,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Throttled,
        StatusCode::REQUEST_TIMEOUT => ErrorKind::Unavailable,
        status if status.is_client_error() => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    }
}

/// One line of at most [`MAX_MESSAGE`] characters.
fn shortened(text: &str) -> String {
    let mut short: String = text
        .trim()
        .chars()
        .take(MAX_MESSAGE)
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    if text.trim().chars().count() > MAX_MESSAGE {
        short.push('…');
    }
    short
}
