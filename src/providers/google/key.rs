//! The key of a service account, as Google's console hands it out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::providers::jwt::{Algorithm, Signer};
use crate::secret::SecretBytes;

/// Where keys log in that name no other place.
const ENDPOINT: &str = "https://oauth2.googleapis.com/token";

/// How long an assertion is valid; Google takes an hour at most.
const LIFE: Duration = Duration::from_hours(1);

/// A service account with its key.
pub(crate) struct ServiceAccountKey {
    email: String,
    key_id: String,
    endpoint: Url,
    signer: Signer,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "type", default)]
    kind: String,
    client_email: String,
    #[serde(default)]
    private_key_id: String,
    private_key: String,
    token_uri: Option<String>,
}

impl ServiceAccountKey {
    /// Reads the JSON document; else tells what is wrong, without its content.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("must be the JSON key of a service account; see line {line} column {column}")
        })?;
        let private_key = Zeroizing::new(document.private_key);
        if document.kind != "service_account" {
            return Err(format!(
                "must be the JSON key of a service account, its type is {:?}",
                document.kind
            ));
        }
        let endpoint = document.token_uri.as_deref().unwrap_or(ENDPOINT);
        let endpoint = Url::parse(endpoint)
            .ok()
            .filter(|url| url.scheme() == "https");
        let signer = Signer::from_pem(private_key.as_bytes());
        Ok(Self {
            email: document.client_email,
            key_id: document.private_key_id,
            endpoint: endpoint.ok_or("token_uri must be an https address")?,
            signer: signer.ok_or("private_key must be an RSA key in PEM")?,
        })
    }

    /// Whose key it is.
    pub(super) fn email(&self) -> &str {
        &self.email
    }

    /// Where it logs in.
    pub(super) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// A token with these claims.
    #[cfg(any(feature = "provider-openbao", feature = "provider-vault"))]
    pub(super) fn sign(&self, claims: &serde_json::Value) -> Option<SecretBytes> {
        let header = json!({"kid": self.key_id});
        self.signer.sign(Algorithm::Rs256, header, claims)
    }

    /// A signed request for a token, for the endpoint alone (RFC 7523).
    pub(super) fn assertion(&self, scope: &str, now: SystemTime) -> Option<SecretBytes> {
        let at = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = json!({
            "iss": self.email, "aud": self.endpoint.as_str(), "scope": scope,
            "iat": at.as_secs(), "exp": (at + LIFE).as_secs(),
        });
        let header = json!({"kid": self.key_id});
        self.signer.sign(Algorithm::Rs256, header, &claims)
    }
}
