//! Client of the ESC REST API.
//!
//! No error text holds a request path with a session id, a body or a value; what the server says
//! about a failure is passed on, shortened.

mod calls;
mod edit;
mod error;
mod path;
mod value;

use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http;
use crate::secret::SecretBytes;

pub use calls::exchange_token;
pub use edit::Edit;
pub use error::{Diagnostic, Error, ErrorKind, Position, Range};
pub use path::{Accessor, PathError, PropertyPath};
pub use value::{Content, Environment, Value};

/// Names one environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentName {
    /// Organisation.
    pub organization: String,
    /// Project; older environments are in the project `default`.
    pub project: String,
    /// Environment.
    pub name: String,
}

impl EnvironmentName {
    /// Names an environment.
    pub fn new(
        organization: impl Into<String>,
        project: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            organization: organization.into(),
            project: project.into(),
            name: name.into(),
        }
    }
}

impl std::fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.organization, self.project, self.name)
    }
}

/// An opened environment; the id lets its holder read the values, with a token.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Session {
    /// Names the session in later reads.
    pub id: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session(…)")
    }
}

/// A stored definition.
#[derive(Debug)]
pub struct Definition {
    /// The YAML document.
    pub text: SecretBytes,
    /// Given back in [`Client::update`], so that a change of others is not overwritten.
    pub etag: Option<String>,
    /// Number of the revision.
    pub revision: Option<u64>,
}

/// The outcome of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    /// Number of the new revision.
    pub revision: Option<u64>,
    /// ETag of the new revision.
    pub etag: Option<String>,
    /// Warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// The values as far as they can be known without opening.
    pub environment: Environment,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// One environment of a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// Organisation; empty where the server leaves it out.
    #[serde(default)]
    pub organization: String,
    /// Project.
    #[serde(default)]
    pub project: String,
    /// Name.
    pub name: String,
    /// When it was created, RFC 3339.
    #[serde(default)]
    pub created: String,
    /// When it was last changed, RFC 3339.
    #[serde(default)]
    pub modified: String,
}

/// Who a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Login name.
    pub github_login: String,
    /// Full name.
    #[serde(default)]
    pub name: String,
    /// Organisations the user can see.
    #[serde(default)]
    pub organizations: Vec<Organization>,
}

/// An organisation a user can see.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Name as in an [`EnvironmentName`].
    pub github_login: String,
}

/// One revision of a definition.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Number, from 1.
    pub number: u64,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: String,
    /// Login of who made it.
    #[serde(default)]
    pub creator_login: String,
    /// Tags that point to it.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A name for a revision.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RevisionTag {
    /// The tag.
    pub name: String,
    /// Revision it points to.
    pub revision: u64,
}

/// An access token that was given for another credential.
#[derive(Debug)]
pub struct Exchanged {
    /// The access token.
    pub token: SecretBytes,
    /// Seconds it is valid from now.
    pub expires_in: u64,
}

/// Address of a server of the ESC API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    esc: Url,
    root: Url,
}

impl Address {
    /// Reads an address with or without `/api/esc` at its end; slashes at the end do not count. Any
    /// other path is kept as it is.
    ///
    /// # Errors
    /// When it is not an http or https URL.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |why: String| {
            Error::new(
                ErrorKind::Invalid,
                "read the address of the ESC server",
                why,
            )
        };
        let mut root = Url::parse(text.trim()).map_err(|error| invalid(error.to_string()))?;
        if !matches!(root.scheme(), "http" | "https") {
            return Err(invalid("it must begin with https:// or http://".to_owned()));
        }
        if !root.username().is_empty() || root.password().is_some() {
            return Err(invalid("it must not hold credentials".to_owned()));
        }
        root.set_query(None);
        root.set_fragment(None);
        let path = root.path().trim_end_matches('/').to_owned();
        let esc_path = if path.is_empty() { "/api/esc" } else { &path };
        let mut esc = root.clone();
        esc.set_path(esc_path);
        root.set_path(esc_path.strip_suffix("/api/esc").unwrap_or(esc_path));
        Ok(Self { esc, root })
    }

    /// The address up to `/api/esc`, without a slash at the end.
    #[must_use]
    pub fn root(&self) -> &str {
        self.root.as_str().trim_end_matches('/')
    }

    /// The address of the ESC API, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.esc.as_str().trim_end_matches('/')
    }

    fn esc<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        join(&self.esc, segments)
    }

    fn root_url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        join(&self.root, segments)
    }
}

/// Appends percent-encoded path segments.
fn join<'a>(base: &Url, segments: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = base.clone();
    url.path_segments_mut()
        .expect("an http URL must have path segments")
        .pop_if_empty()
        .extend(segments);
    url
}

/// A caller of the API: one server, one token. Cheap to make.
pub struct Client {
    http: http::Client,
    address: Address,
    token: SecretBytes,
}

impl Client {
    /// A client of the server at `base_url`, which [`Address::parse`] reads; white space around the
    /// token does not count.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the address is none, or the token is empty or cannot stand in a
    /// header.
    pub fn new(http: http::Client, base_url: &str, token: &SecretBytes) -> Result<Self, Error> {
        Self::with_address(http, Address::parse(base_url)?, token)
    }

    /// As [`Self::new`] with an address that was read before.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the token is empty or cannot stand in a header.
    pub fn with_address(
        http: http::Client,
        address: Address,
        token: &SecretBytes,
    ) -> Result<Self, Error> {
        let token = SecretBytes::new(token.expose().trim_ascii());
        if token.is_empty() || http::authorization("token", &token).is_none() {
            let why = if token.is_empty() {
                "it is empty"
            } else {
                "it holds characters that no header may hold"
            };
            return Err(Error::new(
                ErrorKind::Invalid,
                "use the access token",
                why.to_owned(),
            ));
        }
        Ok(Self {
            http,
            address,
            token,
        })
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let token = http::authorization("token", &self.token)
            .expect("the token must have been checked when the client was made");
        self.http
            .request(method, url)
            .header("Authorization", token)
            .header("Accept", "application/vnd.pulumi+8")
            .header("Content-Type", "application/json")
    }

    async fn read(&self, action: &str, url: Url) -> Result<Response, Error> {
        let request = || self.request(Method::GET, url.clone());
        let sent = self.http.send_idempotent(request).await;
        error::accept(action, sent).await
    }

    async fn write(&self, action: &str, request: RequestBuilder) -> Result<Response, Error> {
        error::accept(action, self.http.send(request).await).await
    }

    async fn read_json<T: DeserializeOwned>(&self, action: &str, url: Url) -> Result<T, Error> {
        decode(action, self.read(action, url).await?).await
    }
}

async fn body(action: &str, response: Response) -> Result<SecretBytes, Error> {
    let body = http::read_body(response).await;
    body.map_err(|error| Error::new(ErrorKind::Unavailable, action, error.to_string()))
}

async fn decode<T: DeserializeOwned>(action: &str, response: Response) -> Result<T, Error> {
    let body = body(action, response).await?;
    serde_json::from_slice(body.expose()).map_err(|error| Error::decode(action, &error))
}

fn header<T: std::str::FromStr>(response: &Response, name: &str) -> Option<T> {
    response.headers().get(name)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
