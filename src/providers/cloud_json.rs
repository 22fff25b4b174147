//! What an answer of a cloud's JSON API means. Pure but for reading the body.
//!
//! One reader for OAuth 2.0 errors (RFC 6749 section 5.2) and for `{"error": {"code", "message"}}` as
//! Azure and Google answer.

use reqwest::Response;

use super::{Error, ErrorKind};
use crate::http;
use crate::secret::json::Json;

/// Longest part of the server's words that is repeated.
const MAX_WORDS: usize = 300;

/// A call that failed.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The failure, as it is reported.
    pub(super) error: Error,
    /// Status of the answer; zero where there was none.
    pub(super) status: u16,
    /// The server's own name of the failure; empty without.
    pub(super) code: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            error,
            status: 0,
            code: String::new(),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

/// The body of a successful answer; an empty one is null.
///
/// A 404 counts as [`ErrorKind::NotFound`] only if the API says so in its own words: a wrong address
/// must not pass for a missing secret.
///
/// # Errors
/// The class of the failure; `action` is told after "failed to".
pub(super) async fn read(
    provider: &'static str,
    action: &str,
    sent: Result<Response, http::Error>,
) -> Result<Json, Refusal> {
    let unavailable = |cause: String| {
        let message = format!("failed to {action}: {cause}");
        Error::new(ErrorKind::Unavailable, provider, message)
    };
    let answer = sent.map_err(|error| unavailable(error.to_string()))?;
    let status = answer.status();
    let retry_after = http::retry_after(answer.headers());
    let body = http::read_body(answer).await;
    let body = body.map_err(|error| unavailable(error.to_string()))?;
    let json = Json::parse(body.expose()).ok();
    if status.is_success() {
        if body.is_empty() {
            return Ok(Json::Null);
        }
        return json.ok_or_else(|| unavailable("the answer is not JSON".to_owned()).into());
    }
    let (code, words) = said(json.as_ref());
    let kind = match status.as_u16() {
        401 | 403 => ErrorKind::Denied,
        404 if !code.is_empty() => ErrorKind::NotFound,
        429 => ErrorKind::Throttled,
        400 | 402 | 405..=407 | 410..=411 | 413..=424 | 426..=428 | 430..=499 => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    let mut told = format!("failed to {action}: HTTP {}", status.as_u16());
    for part in [&code, &words] {
        if !part.is_empty() {
            told = format!("{told}: {part}");
        }
    }
    let mut error = Error::new(kind, provider, told);
    error.retry_after = retry_after;
    Err(Refusal {
        error,
        status: status.as_u16(),
        code,
    })
}

/// The server's name of a failure and its words, without what differs from one try to the next.
fn said(json: Option<&Json>) -> (String, String) {
    let Some(error) = json.and_then(|json| member(json, "error")) else {
        return (String::new(), String::new());
    };
    let code = match error {
        Json::Text(_) => text(error),
        _ => ["status", "code"]
            .iter()
            .find_map(|name| member(error, name).and_then(text)),
    };
    let words = match error {
        Json::Text(_) => json.and_then(|json| member(json, "error_description")),
        _ => member(error, "message"),
    };
    let words = words.and_then(text).unwrap_or_default();
    let words = words.split(['\r', '\n']).next().unwrap_or_default();
    let words = words.split(" Trace ID").next().unwrap_or_default();
    let short = |text: &str| -> String {
        let text = text.replace(char::is_control, " ");
        text.trim().chars().take(MAX_WORDS).collect()
    };
    (short(code.unwrap_or_default()), short(words))
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

/// The text of a member.
pub(super) fn member_text<'a>(json: &'a Json, name: &str) -> Option<&'a str> {
    member(json, name).and_then(text)
}

/// A number without fraction, also where it is written as text.
pub(super) fn number(json: &Json) -> Option<i64> {
    match json {
        Json::Number(text) | Json::Text(text) => text.expose_str()?.parse().ok(),
        _ => None,
    }
}

/// The members of an object whose values are texts.
pub(super) fn texts(json: Option<&Json>) -> std::collections::BTreeMap<String, String> {
    let Some(Json::Object(members)) = json else {
        return std::collections::BTreeMap::new();
    };
    let members = members.iter();
    let entry = |(name, value): (&String, &Json)| Some((name.clone(), text(value)?.to_owned()));
    members.filter_map(entry).collect()
}
