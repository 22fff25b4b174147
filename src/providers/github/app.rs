//! Logging in as an installation of a GitHub App: a signed claim is exchanged for a token of an hour.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::{API, GithubClient, NAME, fixed};
use crate::providers::logins::{Fingerprint, Granted, Login};
use crate::providers::rest::{Request, authorization, below};
use crate::providers::service::Session;
use crate::providers::{Error, ErrorKind};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

const FIELD: &str = "auth.privateKey";

/// How long a claim is valid; GitHub takes none of more than ten minutes.
const CLAIM_SECONDS: u64 = 300;

/// A claim is dated back so far, against clocks that differ.
const SKEW_SECONDS: u64 = 60;

/// The kind of answers that the API gives.
pub(super) fn media_type() -> HeaderValue {
    fixed("application/vnd.github+json")
}

#[async_trait]
impl Login for GithubClient {
    type Credentials = SecretBytes;
    type Session = Session;

    async fn credentials(&self) -> Result<(Fingerprint, SecretBytes), Error> {
        let selector = &self.block.auth.private_key;
        let key = self.context.credential(NAME, FIELD, selector).await?;
        Ok((Fingerprint::of([key.expose()]), key))
    }

    async fn log_in(&self, key: SecretBytes) -> Result<Granted<Session>, Error> {
        let now = (self.shared.clock)();
        let claim = claim(self.block.app_id, &key, now)?;
        let http = API.client(&self.shared.service.http, None)?;
        let installation = self.block.installation_id.to_string();
        let path = ["app", "installations", &installation, "access_tokens"];
        let action = "log in as the app";
        let url = below(&self.url, path);
        let request = Request::send(action, Method::POST, url, &Json::Object([].into()))
            .with(AUTHORIZATION, Some(authorization(&API, "Bearer", &claim)?))
            .with(ACCEPT, Some(media_type()));
        let answer = API.json(&http, &request).await.map_err(|mut failure| {
            if failure.is(404) {
                failure.error.kind = ErrorKind::Denied;
            }
            failure.error
        })?;
        let token = answer.member_str("token");
        let token = token.ok_or_else(|| API.unexpected(action, "the answer has no token"))?;
        let until = answer.member_str("expires_at");
        let until = until.and_then(|text| text.parse::<Timestamp>().ok());
        let until = until.map(SystemTime::from);
        let life = until.map(|until| until.duration_since(now).unwrap_or_default());
        Ok(Granted {
            session: Session {
                http,
                token: authorization(&API, "Bearer", &token.into())?,
            },
            life: Some(life.unwrap_or(Duration::from_mins(5))),
            is_proven: true,
        })
    }
}

/// A JWT that says who the app is (RFC 7519, RS256).
fn claim(app: i64, key: &SecretBytes, now: SystemTime) -> Result<SecretBytes, Error> {
    let unreadable = || API.invalid(format!("{FIELD}: must be an RSA private key in PEM"));
    let pair = match PrivateKeyDer::from_pem_slice(key.expose()).map_err(|_| unreadable())? {
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err(unreadable()),
    };
    let pair = pair.map_err(|_| unreadable())?;
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let now = now.as_secs();
    let (issued, expires) = (now.saturating_sub(SKEW_SECONDS), now + CLAIM_SECONDS);
    let body = format!(r#"{{"iat":{issued},"exp":{expires},"iss":"{app}"}}"#);
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(body));
    let mut signature = vec![0; pair.public_modulus_len()];
    let random = SystemRandom::new();
    pair.sign(
        &RSA_PKCS1_SHA256,
        &random,
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| unreadable())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
}
