//! Tokens of Cloudsmith services, for the token of a ServiceAccount that they trust.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::call::{Call, account_token, address, call, expiry, text};
use super::quay::basic;
use super::{Context, Error, Generator};
use crate::api::generators::CloudsmithAccessTokenSpec;
use crate::secret::{SecretBytes, SecretMap};

const API: &str = "https://api.cloudsmith.io";

/// User name that goes with a token in a registry's credentials (Cloudsmith).
const USER: &str = "token";

#[async_trait]
impl Generator for CloudsmithAccessTokenSpec {
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let path = ["openid", &self.org_slug, ""];
        let url = address("spec.apiUrl", self.api_url.as_deref(), API, path)?;
        let token = account_token(context, &self.service_account_ref).await?;
        let token = token.expose_str();
        let token = token.ok_or_else(|| Error::unavailable("the account's token is no text"))?;
        let asked = Call {
            action: "exchange the token for one of the Cloudsmith service",
            method: Method::POST,
            url,
            credential: None,
            body: Some(json!({"oidc_token": token, "service_slug": self.service_slug})),
        };
        let answer = call(context, asked).await?.done()?;
        let token = text(&answer, "token")?;
        let values = [
            ("auth", basic(USER, token.as_bytes())),
            ("expiry", SecretBytes::from(expiry(token)?)),
        ];
        Ok(values
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect())
    }
}
