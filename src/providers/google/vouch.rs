//! Tokens that name a Google service account to others than Google.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};

use super::{IMPERSONATION, json_body};
use crate::http;
use crate::providers::desk::{Desk, Token};
use crate::providers::google::ServiceAccountKey;
use crate::providers::{Error, cloud_json};
use crate::secret::SecretBytes;

/// How long a token is valid: less than the quarter of an hour that Vault allows, for clocks differ.
const LIFE: Duration = Duration::from_mins(10);

fn claims(email: &str, audience: &str, now: SystemTime) -> Value {
    let at = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({"sub": email, "aud": audience, "exp": (at + LIFE).as_secs()})
}

impl Desk {
    /// A token for `audience` that the key of a service account signs.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub(crate) fn signed_by_key(
        &self,
        key: &ServiceAccountKey,
        audience: &str,
    ) -> Result<SecretBytes, Error> {
        let signed = key.sign(&claims(key.email(), audience, self.now()));
        signed.ok_or_else(|| self.invalid("the key of the service account cannot sign"))
    }

    /// A token for `audience` that Google signs as the service account `email` (IAM Credentials v1,
    /// `signJwt`).
    ///
    /// # Errors
    /// When `token` may not sign as that account, else the class of the failure.
    pub(crate) async fn signed_as(
        &self,
        token: &Token,
        email: &str,
        audience: &str,
    ) -> Result<SecretBytes, Error> {
        let action = format!("sign as service account {email:?}");
        let url = self.url(&format!("{IMPERSONATION}/{email}:signJwt"))?;
        let bearer = http::authorization("Bearer", &token.value);
        let bearer = bearer.ok_or_else(|| self.invalid("the token cannot be sent"))?;
        let request = self.http().request(Method::POST, url);
        let request = request.header("authorization", bearer);
        let payload = claims(email, audience, self.now()).to_string();
        let request = json_body(request, &json!({ "payload": payload }));
        let sent = self.http().send(request).await;
        let answer = cloud_json::read(self.provider, &action, sent).await?;
        let signed = cloud_json::member_text(&answer, "signedJwt");
        let signed = signed.filter(|signed| !signed.is_empty());
        let signed = signed.ok_or_else(|| {
            self.unavailable(format!("failed to {action}: the answer holds no token"))
        })?;
        Ok(signed.into())
    }

    /// A token for `audience` that Google signs for the machine this process is on.
    ///
    /// # Errors
    /// When there is no such machine, or it has no service account.
    pub(crate) async fn machine_identity(&self, audience: &str) -> Result<SecretBytes, Error> {
        let mut query = self.url("http://metadata/")?;
        let pairs = [("audience", audience), ("format", "full")];
        query.query_pairs_mut().extend_pairs(pairs);
        let query = query.query().unwrap_or_default();
        let path = format!("instance/service-accounts/default/identity?{query}");
        let token = self.google_metadata(&path).await?;
        Ok(token.into())
    }
}
