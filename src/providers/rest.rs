//! Calls of HTTP APIs: one request, and its answer or why there is none.
//!
//! No error text holds a header, a body or a value that was sent; of an answer it repeats the server's
//! sentence alone, shortened, with what was sent in secret struck out.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use super::{Error, ErrorKind};
use crate::http;
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Longest part of the server's words that is repeated.
const MAX_WORDS: usize = 300;

/// Secrets shorter than this are not looked for in the server's words.
const MIN_HIDDEN: usize = 4;

/// One API, as its errors speak of it.
pub(super) struct Api {
    /// The provider's key in `spec.provider`.
    pub(super) name: &'static str,
    /// What to do when the credentials are refused.
    pub(super) denied: &'static str,
    /// What to do when the address or what it names does not exist.
    pub(super) missing: &'static str,
}

/// One request.
pub(super) struct Request {
    /// What it is for; continues "failed to".
    pub(super) action: String,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<SecretBytes>,
    /// Whether it may be sent again when it fails.
    pub(super) is_read: bool,
    /// What must not be repeated in an error, besides the headers' values.
    pub(super) hidden: Vec<SecretBytes>,
}

impl Request {
    /// A read.
    pub(super) fn get(action: impl Into<String>, url: Url) -> Self {
        Self {
            action: action.into(),
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: None,
            is_read: true,
            hidden: Vec::new(),
        }
    }

    /// A call with a body of JSON, which is sent once.
    pub(super) fn send(action: impl Into<String>, method: Method, url: Url, body: &Json) -> Self {
        let mut hidden = Vec::new();
        leaves(body, &mut hidden);
        let json = HeaderValue::from_static("application/json");
        Self {
            method,
            body: Some(body.to_bytes()),
            is_read: false,
            hidden,
            ..Self::get(action, url)
        }
        .with(CONTENT_TYPE, Some(json))
    }

    /// Marks a call that changes nothing, whatever its method.
    pub(super) fn that_reads(mut self) -> Self {
        self.is_read = true;
        self
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: HeaderName, value: Option<HeaderValue>) -> Self {
        if let Some(value) = value {
            self.headers.insert(name, value);
        }
        self
    }

    fn hides<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let headers = self.headers.values();
        let headers = headers.filter_map(|value| value.to_str().ok());
        let headers = headers.flat_map(|value| [value, value.rsplit(' ').next().unwrap_or(value)]);
        let hidden = self.hidden.iter().filter_map(SecretBytes::expose_str);
        let long = |part: &&str| part.len() >= MIN_HIDDEN && text.contains(*part);
        hidden.chain(headers).filter(long)
    }
}

/// An answer of any status that is success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: SecretBytes,
}

/// A failed call.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// The answer's status, if there was one.
    pub(super) status: Option<StatusCode>,
    /// The server's words, as the error repeats them.
    pub(super) said: String,
}

impl Failure {
    /// Whether the answer has this status.
    pub(super) fn is(&self, status: u16) -> bool {
        self.status.is_some_and(|found| found.as_u16() == status)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            status: None,
            said: String::new(),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Api {
    /// An error of class [`ErrorKind::Invalid`].
    pub(super) fn invalid(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, self.name, message)
    }

    /// An error of class [`ErrorKind::Unsupported`].
    pub(super) fn unsupported(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unsupported, self.name, message)
    }

    /// An answer that the protocol does not allow.
    pub(super) fn unexpected(&self, action: &str, what: &str) -> Error {
        let message = format!("failed to {action}: {what}{}", self.missing);
        Error::new(ErrorKind::Unavailable, self.name, message)
    }

    /// The address that a store names in `field`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] unless it is one of HTTP without credentials in it.
    pub(super) fn url(&self, field: &str, text: &str) -> Result<Url, Error> {
        let url = Url::parse(text.trim());
        let url = url.map_err(|error| self.invalid(format!("{field}: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(self.invalid(format!("{field} must begin with https:// and name a host")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(self.invalid(format!("{field} must not hold credentials")));
        }
        Ok(url)
    }

    /// A client that trusts `ca` besides the system's authorities.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a certificate cannot be read.
    pub(super) fn client(
        &self,
        options: &http::Options,
        ca: Option<Vec<u8>>,
    ) -> Result<http::Client, Error> {
        let options = http::Options {
            ca_bundle: ca,
            ..options.clone()
        };
        http::Client::new(&options).map_err(|error| self.invalid(error.to_string()))
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Unless the answer is success; a 404 is [`ErrorKind::Invalid`], for the caller to say otherwise.
    pub(super) async fn send(
        &self,
        client: &http::Client,
        request: &Request,
    ) -> Result<Answer, Failure> {
        let build = || {
            let builder = client.request(request.method.clone(), request.url.clone());
            let builder = builder.headers(request.headers.clone());
            match &request.body {
                Some(body) => builder.body(body.expose().to_vec()),
                None => builder,
            }
        };
        let sent = if request.is_read {
            client.send_idempotent(build).await
        } else {
            client.send(build()).await
        };
        let unreachable = |error: &http::Error| {
            let message = format!("failed to {}: {error}", request.action);
            Error::new(ErrorKind::Unavailable, self.name, message)
        };
        let answer = sent.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let retry_after = http::retry_after(answer.headers());
        let body = http::read_body(answer).await;
        let body = body.map_err(|error| unreachable(&error))?;
        if status.is_success() {
            return Ok(Answer { headers, body });
        }
        let said = sentence(request, &body);
        let mut error = self.refusal(request, status, &said);
        error.retry_after = retry_after;
        Err(Failure {
            error,
            status: Some(status),
            said,
        })
    }

    /// Sends a request whose answer is JSON.
    ///
    /// # Errors
    /// As [`Self::send`]; also when the answer is not JSON.
    pub(super) async fn json(
        &self,
        client: &http::Client,
        request: &Request,
    ) -> Result<Json, Failure> {
        let answer = self.send(client, request).await?;
        if answer.body.is_empty() {
            return Ok(Json::Null);
        }
        let json = Json::parse(answer.body.expose());
        Ok(json.map_err(|_| self.unexpected(&request.action, "the answer is not JSON"))?)
    }

    fn refusal(&self, request: &Request, status: StatusCode, said: &str) -> Error {
        let (kind, advice) = match status.as_u16() {
            401 | 403 => (ErrorKind::Denied, self.denied),
            404 => (ErrorKind::Invalid, self.missing),
            429 => (ErrorKind::Throttled, ""),
            408 | 423 | 425 | 500.. => (ErrorKind::Unavailable, ""),
            300..=399 => (
                ErrorKind::Unavailable,
                "; the server sends elsewhere: name the address it sends to",
            ),
            _ => (ErrorKind::Invalid, ""),
        };
        let said = match said {
            "" => String::new(),
            said => format!(": {said}"),
        };
        let code = status.as_u16();
        let message = format!("failed to {}: HTTP {code}{said}{advice}", request.action);
        Error::new(kind, self.name, message)
    }
}

/// What the server says of a failure, without what was sent to it in secret.
fn sentence(request: &Request, body: &SecretBytes) -> String {
    let mut said = String::new();
    if let Ok(json) = Json::parse(body.expose()) {
        words(&json, &mut said);
    }
    let mut said = said.replace(char::is_control, " ");
    let mut hidden: Vec<String> = request.hides(&said).map(str::to_owned).collect();
    // The longest first: a shorter one may be part of it, and would leave the rest standing.
    hidden.sort_by_key(|part| std::cmp::Reverse(part.len()));
    for part in hidden {
        said = said.replace(&part, "[…]");
    }
    said.trim().chars().take(MAX_WORDS).collect()
}

/// An address below `base`, with each segment escaped.
pub(super) fn below<'a>(base: &Url, segments: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// A credential without the white space around it, which would never be part of it.
///
/// # Errors
/// [`ErrorKind::Invalid`] when nothing is left or it is not text.
pub(super) fn trimmed(api: &Api, field: &str, value: &SecretBytes) -> Result<SecretBytes, Error> {
    let text = value.expose_str().map(str::trim).unwrap_or_default();
    if text.is_empty() {
        return Err(api.invalid(format!("{field}: the value is empty or not text")));
    }
    Ok(text.into())
}

/// The value of an `Authorization` header.
///
/// # Errors
/// [`ErrorKind::Invalid`] when the credential has characters that no header can hold.
pub(super) fn authorization(
    api: &Api,
    scheme: &str,
    credential: &SecretBytes,
) -> Result<HeaderValue, Error> {
    http::authorization(scheme, credential)
        .ok_or_else(|| api.invalid("the credential has characters that no header can hold"))
}

/// How long a session lives that ends at `until` seconds of the epoch, by the server's answer.
pub(super) fn seconds(json: &Json, member: &str) -> Option<Duration> {
    let seconds = json.member(member).and_then(Json::as_u64);
    seconds.map(Duration::from_secs)
}

/// Every text in `json` that a server could repeat.
fn leaves(json: &Json, into: &mut Vec<SecretBytes>) {
    match json {
        Json::Text(text) => into.push(text.duplicate()),
        Json::List(items) => items.iter().for_each(|item| leaves(item, into)),
        Json::Object(members) => members.values().for_each(|item| leaves(item, into)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// The sentences of an error's body, by the names that APIs give them.
fn words(json: &Json, into: &mut String) {
    const NAMES: [&str; 8] = [
        "error",
        "message",
        "messages",
        "errors",
        "error_description",
        "description",
        "detail",
        "title",
    ];
    match json {
        Json::Text(text) => {
            let text = text.expose_str().unwrap_or_default().trim();
            if !text.is_empty() && !into.contains(text) {
                if !into.is_empty() {
                    into.push_str("; ");
                }
                into.push_str(text);
            }
        }
        Json::List(items) => items.iter().for_each(|item| words(item, into)),
        Json::Object(_) => {
            let members = NAMES.into_iter().filter_map(|name| json.member(name));
            members.for_each(|member| words(member, into));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}
