//! Outbound HTTP: every request has a timeout, and failed reads are tried again a few times.

mod guard;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Identity, Method, RequestBuilder, Response, Url, redirect};

use crate::budget;
use crate::secret::SecretBytes;

/// Longest answer that is read, in bytes.
const MAX_BODY: usize = 32 << 20;

/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// Why a link-local address is not connected to.
const LINK_LOCAL: &str =
    "its address is link-local, where clouds keep credentials; it is not connected to";

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Longest time from the first byte sent to the last one read.
    pub timeout: Duration,
    /// Certificate authorities to trust besides the system's: PEM, or base64 of PEM.
    pub ca_bundle: Option<Vec<u8>>,
    /// Whether the system's certificate authorities are trusted.
    pub trust_system: bool,
    /// Client certificate to log in with, and its key: PEM, one after the other.
    pub identity: Option<Arc<SecretBytes>>,
    /// How often a failed read is tried again.
    pub retries: usize,
    /// Delay before the first retry; it doubles, with jitter, up to 5 s.
    pub retry_delay: Duration,
    /// Hosts whose addresses are known and not looked up; port 0 is the scheme's.
    pub addresses: Vec<(String, SocketAddr)>,
    /// Whether proxies that the environment names are passed by, for servers of this machine's own.
    pub is_direct: bool,
    /// Whether servers with link-local addresses are not connected to, whatever name they have; for
    /// servers that users name freely.
    pub refuses_link_local: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            ca_bundle: None,
            trust_system: true,
            identity: None,
            retries: 2,
            retry_delay: Duration::from_millis(200),
            addresses: Vec::new(),
            is_direct: false,
            refuses_link_local: false,
        }
    }
}

/// A failed request. Its text holds neither the request's path nor any body.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The CA bundle holds no certificate.
    #[error("failed to read the CA bundle: {0}; it must be PEM or base64 of PEM")]
    ReadCaBundle(String),
    /// The client certificate or its key cannot be used.
    #[error("failed to read the client certificate and key: both must be PEM")]
    ReadIdentity,
    /// The client cannot be made.
    #[error("failed to set up the HTTP client: {0}")]
    Build(String),
    /// The server is not to be connected to.
    #[error("failed to reach {host}: {LINK_LOCAL}")]
    Refuse {
        /// Host and port.
        host: String,
    },
    /// No answer in time.
    #[error("failed to get an answer from {host} in time")]
    AwaitAnswer {
        /// Host and port.
        host: String,
    },
    /// The connection failed.
    #[error("failed to reach {host}: {cause}")]
    Reach {
        /// Host and port.
        host: String,
        /// Innermost cause.
        cause: String,
    },
    /// The answer is longer than 32 MiB.
    #[error("failed to read the answer: it is longer than 32 MiB")]
    ReadBody,
}

/// A client that keeps and shares its connections; clones share them too.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    retries: usize,
    retry_delay: Duration,
    refuses_link_local: bool,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// When the CA bundle or the client certificate cannot be read or TLS cannot be set up.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("latchkey/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout)
            .pool_idle_timeout(Duration::from_mins(1))
            .redirect(redirect::Policy::custom(follow_within_origin));
        for (host, address) in &options.addresses {
            builder = builder.resolve(host, *address);
        }
        if options.is_direct {
            builder = builder.no_proxy();
        }
        if options.refuses_link_local {
            builder = builder.dns_resolver(Arc::new(guard::Guarded));
        }
        let bundle = options.ca_bundle.as_deref().map(certificates).transpose()?;
        if !options.trust_system {
            builder = builder.tls_certs_only(bundle.unwrap_or_default());
        } else if let Some(bundle) = bundle {
            builder = builder.tls_certs_merge(bundle);
        }
        if let Some(pem) = &options.identity {
            let identity = Identity::from_pem(pem.expose());
            builder = builder.identity(identity.map_err(|_| Error::ReadIdentity)?);
        }
        Ok(Self {
            inner: builder
                .build()
                .map_err(|error| Error::Build(innermost(&error)))?,
            retries: options.retries,
            retry_delay: options.retry_delay,
            refuses_link_local: options.refuses_link_local,
        })
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.inner.request(method, url)
    }

    /// Sends a request once, when the budget within which it is called has a turn for it.
    ///
    /// # Errors
    /// When there is no answer; an answer of any status is none.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let (client, request) = request.build_split();
        let request = request?;
        if self.refuses_link_local && guard::names_link_local(request.url()) {
            let host = origin(request.url());
            return Err(Error::Refuse { host });
        }
        budget::turn().await;
        client.execute(request).await.map_err(Error::from)
    }

    /// Sends a request that changes nothing, again after a transport failure or a 5xx answer.
    ///
    /// # Errors
    /// As [`Self::send`], of the last try.
    pub async fn send_idempotent(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, Error> {
        let attempt = || async {
            match self.send(request()).await {
                Ok(response) if response.status().is_server_error() => Err(Ok(response)),
                Ok(response) => Ok(response),
                Err(error) => Err(Err(error)),
            }
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(self.retry_delay)
            .with_max_delay(Duration::from_secs(5))
            .with_max_times(self.retries)
            .with_jitter();
        let sent = attempt
            .retry(pauses)
            .when(|failure| match failure {
                Ok(response) => retry_after(response.headers()).is_none(),
                Err(_) => true,
            })
            .await;
        sent.or_else(|failure| failure)
    }
}

/// Reads the whole body.
///
/// # Errors
/// When the connection fails or the body is longer than 32 MiB.
pub async fn read_body(mut response: Response) -> Result<SecretBytes, Error> {
    let mut chunks = Vec::new();
    let mut length = 0;
    while let Some(chunk) = response.chunk().await? {
        length += chunk.len();
        if length > MAX_BODY {
            return Err(Error::ReadBody);
        }
        chunks.push(chunk);
    }
    Ok(SecretBytes::new(chunks.concat()))
}

/// How long the answer asks to wait: seconds, or a date relative to the answer's own `Date`.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| {
        jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text)
            .ok()
    };
    let until = date(text)?;
    let now = date(headers.get(DATE)?.to_str().ok()?)?;
    Some(until.duration_since(now).try_into().unwrap_or_default())
}

/// The value of an `Authorization` header, marked so that it is never printed.
#[must_use]
pub fn authorization(scheme: &str, credential: &SecretBytes) -> Option<HeaderValue> {
    let value = zeroize::Zeroizing::new([scheme.as_bytes(), b" ", credential.expose()].concat());
    let mut header = HeaderValue::from_bytes(&value).ok()?;
    header.set_sensitive(true);
    Some(header)
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        let host = error.url().map_or_else(|| "the server".to_owned(), origin);
        let error = error.without_url();
        if error.is_timeout() {
            Self::AwaitAnswer { host }
        } else {
            let cause = innermost(&error);
            Self::Reach { host, cause }
        }
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Credentials are for the server that was named; what it redirects to elsewhere is not followed.
fn follow_within_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let stays = attempt
        .previous()
        .first()
        .is_some_and(|first| first.origin() == attempt.url().origin());
    if stays && attempt.previous().len() <= MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

fn certificates(bundle: &[u8]) -> Result<Vec<Certificate>, Error> {
    let unreadable = |cause: String| Error::ReadCaBundle(cause);
    let pem = ca_pem(bundle).ok_or_else(|| unreadable("no certificate in it".to_owned()))?;
    let parsed =
        Certificate::from_pem_bundle(&pem).map_err(|error| unreadable(innermost(&error)))?;
    if parsed.is_empty() {
        return Err(unreadable("no certificate in it".to_owned()));
    }
    Ok(parsed)
}

/// The PEM text of a CA bundle that is PEM or base64 of PEM.
#[must_use]
pub fn ca_pem(bundle: &[u8]) -> Option<Vec<u8>> {
    let is_pem = |text: &[u8]| text.windows(11).any(|window| window == b"-----BEGIN ");
    if is_pem(bundle) {
        return Some(bundle.to_vec());
    }
    let compact: Vec<u8> = bundle
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    STANDARD.decode(compact).ok().filter(|text| is_pem(text))
}

/// An error with its causes in one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
