//! Client of the ESC REST API, as Pulumi Cloud and `latchkey esc serve` speak it.

mod path;
mod value;

use std::fmt::Write as _;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::http::chain;
use crate::secret::SecretBytes;

pub use path::{PropertyPath, Step};
pub use value::{Content, Value};

/// Longest answer that is read, in bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// Environments asked for in one page.
const PAGE: &str = "500";

/// Names an environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvironmentName {
    /// Organisation.
    pub organization: String,
    /// Project.
    pub project: String,
    /// Environment.
    pub name: String,
}

impl std::fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.organization, self.project, self.name)
    }
}

/// A failed call.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No whole answer came.
    #[error("{0}")]
    Reach(String),
    /// The server answered with an error.
    #[error("{}", answer_text(*status, message, diagnostics))]
    Answer {
        /// HTTP status.
        status: u16,
        /// The server's message.
        message: String,
        /// What is wrong in a definition.
        diagnostics: Vec<Diagnostic>,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The answer is not what the API promises.
    #[error("the answer is not one of the ESC API: {0}")]
    Decode(String),
}

fn answer_text(status: u16, message: &str, diagnostics: &[Diagnostic]) -> String {
    let mut text = format!("HTTP {status}");
    if !message.is_empty() {
        text = format!("{text}: {message}");
    }
    for diagnostic in diagnostics {
        text = format!("{text}; {diagnostic}");
    }
    text
}

/// Something wrong in a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Diagnostic {
    /// One sentence.
    pub summary: String,
    /// `warning`, else an error.
    pub severity: String,
    /// Property path.
    pub path: String,
    /// Where it stands.
    pub range: Option<DiagnosticRange>,
}

/// Where a diagnostic stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DiagnosticRange {
    /// The environment.
    pub environment: String,
    /// Its first character.
    pub begin: DiagnosticPosition,
}

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DiagnosticPosition {
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(range) = &self.range {
            write!(
                f,
                "line {}, column {}: ",
                range.begin.line, range.begin.column
            )?;
        }
        f.write_str(&self.summary)
    }
}

/// A definition as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// YAML text.
    pub text: String,
    /// For a conditional update.
    pub etag: Option<String>,
    /// Revision.
    pub revision: Option<u64>,
}

/// An environment in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// Organisation.
    #[serde(default)]
    pub organization: String,
    /// Project.
    pub project: String,
    /// Environment.
    pub name: String,
}

/// What an update came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// The new revision.
    pub revision: Option<u64>,
    /// Warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// A connection to one server with one token.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: SecretBytes,
}

impl Client {
    /// Speaks to `base`, with or without `/api/esc` behind it; white space around the token is dropped.
    #[must_use]
    pub fn new(http: reqwest::Client, base: &str, token: &SecretBytes) -> Self {
        Self {
            http,
            base: api_base(base),
            token: SecretBytes::new(token.expose().trim_ascii()),
        }
    }

    /// Opens an environment, at a revision or tag if `version` is one; answers the session.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open(
        &self,
        environment: &EnvironmentName,
        version: Option<&str>,
    ) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Opened {
            id: String,
        }
        let url = format!("{}/open", self.versioned(environment, version));
        Ok(
            decode::<Opened>(self.send(self.request(Method::POST, &url)).await?)
                .await?
                .id,
        )
    }

    /// Everything an open session holds.
    ///
    /// # Errors
    /// See [`Error`]; 404 when the session has ended.
    pub async fn read_session(
        &self,
        environment: &EnvironmentName,
        session: &str,
    ) -> Result<Value, Error> {
        let url = format!(
            "{}/open/{}",
            self.environment(environment),
            segment(session)
        );
        let body = body(self.send(self.request(Method::GET, &url)).await?).await?;
        value::environment(&body).map_err(Error::Decode)
    }

    /// The stored definition; with `decrypt` secrets stand in it in clear.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn definition(
        &self,
        environment: &EnvironmentName,
        version: Option<&str>,
        decrypt: bool,
    ) -> Result<Definition, Error> {
        let suffix = if decrypt { "/decrypt" } else { "" };
        let url = format!("{}{suffix}", self.versioned(environment, version));
        let response = self.send(self.request(Method::GET, &url)).await?;
        let etag = header(response.headers(), "etag");
        let revision =
            header(response.headers(), "pulumi-esc-revision").and_then(|text| text.parse().ok());
        let text = String::from_utf8(body(response).await?)
            .map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Definition {
            text,
            etag,
            revision,
        })
    }

    /// Replaces a definition; with `etag` only if it still is the one that was read.
    ///
    /// # Errors
    /// See [`Error`]; 400 with diagnostics when it cannot be evaluated, 409 when it has changed.
    pub async fn update(
        &self,
        environment: &EnvironmentName,
        yaml: &str,
        etag: Option<&str>,
    ) -> Result<Updated, Error> {
        let mut request = self.request(Method::PATCH, &self.environment(environment));
        request = request
            .header("content-type", "application/x-yaml")
            .body(yaml.to_owned());
        if let Some(etag) = etag {
            request = request.header("etag", etag);
        }
        let response = self.send(request).await?;
        let revision =
            header(response.headers(), "pulumi-esc-revision").and_then(|text| text.parse().ok());
        let body = body(response).await?;
        let diagnostics = serde_json::from_slice::<ErrorBody>(&body)
            .unwrap_or_default()
            .diagnostics;
        Ok(Updated {
            revision,
            diagnostics,
        })
    }

    /// Creates an empty environment.
    ///
    /// # Errors
    /// See [`Error`]; 409 when it exists.
    pub async fn create(&self, environment: &EnvironmentName) -> Result<(), Error> {
        let url = format!(
            "{}/environments/{}",
            self.base,
            segment(&environment.organization)
        );
        let body = json!({"project": environment.project, "name": environment.name});
        self.send(self.request(Method::POST, &url).json(&body))
            .await
            .map(drop)
    }

    /// Deletes an environment.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete(&self, environment: &EnvironmentName) -> Result<(), Error> {
        self.send(self.request(Method::DELETE, &self.environment(environment)))
            .await
            .map(drop)
    }

    /// Every environment that the token may see, of one organisation if it is named.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list(&self, organization: Option<&str>) -> Result<Vec<Listed>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            #[serde(default)]
            environments: Vec<Listed>,
            #[serde(default)]
            next_token: Option<String>,
        }
        let suffix = organization
            .map(|name| format!("/{}", segment(name)))
            .unwrap_or_default();
        let url = format!("{}/environments{suffix}", self.base);
        let mut listed = Vec::new();
        let mut token = String::new();
        loop {
            let query = [("continuationToken", token.as_str()), ("maxResults", PAGE)];
            let page: Page = decode(
                self.send(self.request(Method::GET, &url).query(&query))
                    .await?,
            )
            .await?;
            listed.extend(page.environments);
            match page
                .next_token
                .filter(|next| !next.is_empty() && *next != token)
            {
                Some(next) => token = next,
                None => return Ok(listed),
            }
        }
    }

    /// A request to any path below the API's base, with the token; for calls that have no method here.
    pub fn request_path(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(
            method,
            &format!("{}/{}", self.base, path.trim_start_matches('/')),
        )
    }

    /// Sends a request and answers its body.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send_raw(&self, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        body(self.send(request).await?).await
    }

    fn environment(&self, environment: &EnvironmentName) -> String {
        let EnvironmentName {
            organization,
            project,
            name,
        } = environment;
        format!(
            "{}/environments/{}/{}/{}",
            self.base,
            segment(organization),
            segment(project),
            segment(name)
        )
    }

    fn versioned(&self, environment: &EnvironmentName, version: Option<&str>) -> String {
        let environment = self.environment(environment);
        match version.filter(|version| !version.is_empty()) {
            Some(version) => format!("{environment}/versions/{}", segment(version)),
            None => environment,
        }
    }

    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let token = self.token.expose_str().unwrap_or_default();
        self.http
            .request(method, url)
            .header("authorization", format!("token {token}"))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request
            .send()
            .await
            .map_err(|error| Error::Reach(chain(&error.without_url())))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = header(response.headers(), RETRY_AFTER.as_str())
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        let text = body(response).await.unwrap_or_default();
        let error: ErrorBody = serde_json::from_slice(&text).unwrap_or_default();
        Err(Error::Answer {
            status: status.as_u16(),
            message: message(status, error.message),
            diagnostics: error.diagnostics,
            retry_after,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    message: String,
    diagnostics: Vec<Diagnostic>,
}

fn message(status: StatusCode, told: String) -> String {
    if told.is_empty() {
        status.canonical_reason().unwrap_or_default().to_owned()
    } else {
        told
    }
}

/// The address of the ESC API: with `/api/esc` where only a host is given, and without slashes behind.
fn api_base(base: &str) -> String {
    let base = base.trim().trim_end_matches('/');
    let after_scheme = base.split_once("://").map_or(base, |(_, rest)| rest);
    if after_scheme.contains('/') {
        base.to_owned()
    } else {
        format!("{base}/api/esc")
    }
}

/// One segment of a path, with every character escaped that could end it.
fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("writing to a String must succeed");
        }
    }
    escaped
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

async fn body(mut response: Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Error::Reach(chain(&error.without_url())))?
    {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(Error::Decode(format!(
                "it is longer than {BODY_LIMIT} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn decode<T: for<'de> Deserialize<'de>>(response: Response) -> Result<T, Error> {
    serde_json::from_slice(&body(response).await?).map_err(|error| Error::Decode(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_may_lack_the_path() {
        for (given, expected) in [
            ("http://127.0.0.1:8484", "http://127.0.0.1:8484/api/esc"),
            ("http://127.0.0.1:8484/", "http://127.0.0.1:8484/api/esc"),
            (
                "https://api.pulumi.com/api/esc/",
                "https://api.pulumi.com/api/esc",
            ),
            ("https://proxy/esc", "https://proxy/esc"),
        ] {
            assert_eq!(api_base(given), expected);
        }
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(segment("a/../b?c#d"), "a%2F..%2Fb%3Fc%23d");
    }
}
