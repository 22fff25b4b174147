//! Installation tokens of GitHub Apps.

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::Method;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;

use super::call::{Call, address, call, header, text};
use super::{Context, Error, Generator, credential};
use crate::api::generators::GithubAccessTokenSpec;
use crate::secret::{SecretBytes, SecretMap};

const API: &str = "https://api.github.com";

/// Seconds that a clock of GitHub's may be behind ours.
const BACK: i64 = 60;

/// Seconds that the App's own token lives; GitHub takes at most ten minutes.
const LIFE: i64 = 300;

#[async_trait]
impl Generator for GithubAccessTokenSpec {
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let path = ["app", "installations", &self.install_id, "access_tokens"];
        let url = address("spec.url", self.url.as_deref(), API, path)?;
        let selector = &self.auth.private_key.secret_ref;
        let key = credential(context, "spec.auth.privateKey.secretRef", selector).await?;
        let token = app_token(&self.app_id, &key, context.now)?;
        let mut body = serde_json::Map::new();
        if !self.permissions.is_empty() {
            body.insert("permissions".to_owned(), json!(self.permissions));
        }
        if !self.repositories.is_empty() {
            body.insert("repositories".to_owned(), json!(self.repositories));
        }
        let asked = Call {
            action: "make an installation token of the GitHub App",
            method: Method::POST,
            url,
            credential: Some(("authorization", header("Bearer ", &token)?)),
            body: Some(body.into()),
        };
        let answer = call(context, asked).await?.done()?;
        let token = text(&answer, "token")?;
        Ok([("token".to_owned(), SecretBytes::from(token))]
            .into_iter()
            .collect())
    }
}

/// The App's own token, signed by its key (RFC 7519, RS256).
fn app_token(app: &str, key: &SecretBytes, now: Timestamp) -> Result<SecretBytes, Error> {
    let unreadable = || {
        Error::unavailable("spec.auth.privateKey.secretRef: the key is no RSA private key in PEM")
    };
    let der = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|_| unreadable())?;
    let pair = match &der {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err(unreadable()),
    };
    let pair = pair.map_err(|_| unreadable())?;
    let second = now.as_second();
    let claims = json!({"iat": second - BACK, "exp": second + LIFE, "iss": app});
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!(
        "{}.{}",
        part(json!({"alg": "RS256", "typ": "JWT"})),
        part(claims)
    );
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| unreadable())?;
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    Ok(SecretBytes::from(token))
}
