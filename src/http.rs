//! Outbound HTTP: bounded in time, and never a credential to another host.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::redirect::Policy;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for a whole answer.
const TOTAL: Duration = Duration::from_secs(30);
/// Redirects followed within one host.
const REDIRECTS: usize = 3;

/// Why a client cannot be built.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The CA bundle cannot be read.
    #[error("the CA bundle is neither PEM nor base64 of PEM: {0}")]
    ReadBundle(String),
    /// The TLS settings cannot work.
    #[error("failed to build the HTTP client: {0}")]
    BuildClient(String),
}

/// A client that trusts the system's CAs and those of `ca_bundle` (PEM, or base64 of PEM).
///
/// # Errors
/// When the bundle cannot be read.
pub fn client(ca_bundle: Option<&[u8]>) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
        .user_agent(concat!("latchkey/", env!("CARGO_PKG_VERSION")))
        .redirect(same_host());
    if let Some(bundle) = ca_bundle {
        for certificate in certificates(bundle)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder
        .build()
        .map_err(|error| Error::BuildClient(chain(&error)))
}

/// Follows redirects within one host only: `Authorization` must not travel.
fn same_host() -> Policy {
    Policy::custom(|attempt| {
        let origin = attempt.previous().first().map(|url| {
            (
                url.host_str().map(str::to_owned),
                url.port_or_known_default(),
            )
        });
        let target = Some((
            attempt.url().host_str().map(str::to_owned),
            attempt.url().port_or_known_default(),
        ));
        if attempt.previous().len() > REDIRECTS || origin != target {
            attempt.stop()
        } else {
            attempt.follow()
        }
    })
}

fn certificates(bundle: &[u8]) -> Result<Vec<reqwest::Certificate>, Error> {
    let decoded;
    let pem = if bundle.trim_ascii_start().starts_with(b"-----BEGIN") {
        bundle
    } else {
        decoded = STANDARD
            .decode(bundle.trim_ascii())
            .map_err(|error| Error::ReadBundle(error.to_string()))?;
        &decoded
    };
    let certificates = reqwest::Certificate::from_pem_bundle(pem)
        .map_err(|error| Error::ReadBundle(chain(&error)))?;
    if certificates.is_empty() {
        return Err(Error::ReadBundle("no certificate in it".to_owned()));
    }
    Ok(certificates)
}

/// An error with its causes in one line; reqwest's own text leaves out why a connection failed.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_certificate_is_refused() {
        assert!(client(Some(b"not pem")).is_err());
        assert!(client(Some(b"-----BEGIN NOTHING-----")).is_err());
        assert!(client(None).is_ok());
    }
}
