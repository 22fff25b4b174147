//! Tokens of Quay robot accounts, for the token of a ServiceAccount that the robot trusts.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use zeroize::Zeroizing;

use super::call::{Call, account_token, address, call, expiry, header, text};
use super::{Context, Error, Generator};
use crate::api::generators::QuayAccessTokenSpec;
use crate::secret::{SecretBytes, SecretMap};

const HOST: &str = "quay.io";

#[async_trait]
impl Generator for QuayAccessTokenSpec {
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let registry = self.url.as_deref().map(str::trim);
        let registry = registry.filter(|host| !host.is_empty()).unwrap_or(HOST);
        // The field names a host; an address is taken too, for a registry that is not on https.
        let base = if registry.contains("://") {
            registry.to_owned()
        } else {
            format!("https://{registry}")
        };
        let path = ["oauth2", "federation", "robot", "token"];
        let url = address("spec.url", Some(&base), &base, path)?;
        let token = account_token(context, &self.service_account_ref).await?;
        let login = basic(&self.robot_account, token.expose());
        let asked = Call {
            action: "exchange the token for one of the Quay robot account",
            method: Method::GET,
            url,
            credential: Some(("authorization", header("Basic ", &login)?)),
            body: None,
        };
        let answer = call(context, asked).await?.done()?;
        let token = text(&answer, "token")?;
        let values = [
            ("registry", SecretBytes::from(registry)),
            ("auth", basic(&self.robot_account, token.as_bytes())),
            ("expiry", SecretBytes::from(expiry(token)?)),
        ];
        Ok(values
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect())
    }
}

/// A user and its password as HTTP and image registries write them.
pub(super) fn basic(user: &str, password: &[u8]) -> SecretBytes {
    let plain = Zeroizing::new([user.as_bytes(), b":", password].concat());
    SecretBytes::from(STANDARD.encode(&plain))
}
