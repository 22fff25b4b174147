//! A credential configuration as Google's tools write it for identities of other issuers. Pure.

use serde::Deserialize;

use crate::providers::google::STS;

/// The parts that count here: whose token it is, the store says.
#[derive(Debug, Default)]
pub(super) struct CredentialConfig {
    /// Provider in a pool.
    pub(super) audience: Option<String>,
    /// Google service account to become.
    pub(super) email: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    audience: String,
    #[serde(default)]
    token_url: String,
    #[serde(default)]
    service_account_impersonation_url: String,
}

impl CredentialConfig {
    /// Reads the JSON document; tokens go to Google's own addresses alone, whatever it names.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if document.kind != "external_account" {
            return Err(format!(
                "type must be external_account, it is {:?}",
                document.kind
            ));
        }
        if !document.token_url.is_empty() && document.token_url != STS {
            return Err(format!("token_url must be {STS}"));
        }
        let email = match document.service_account_impersonation_url.as_str() {
            "" => None,
            url => {
                let begin = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/";
                let email = url.strip_prefix(begin);
                let email = email.and_then(|rest| rest.strip_suffix(":generateAccessToken"));
                let email = email.filter(|email| is_email(email)).ok_or_else(|| {
                    format!(
                        "service_account_impersonation_url must be {begin}EMAIL:generateAccessToken"
                    )
                })?;
                Some(email.to_owned())
            }
        };
        Ok(Self {
            audience: Some(document.audience).filter(|audience| !audience.is_empty()),
            email,
        })
    }
}

/// Whether a text can stand in an address as the name of a service account.
pub(super) fn is_email(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_:".contains(&byte);
    text.contains('@') && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_configuration_sends_tokens_nowhere_but_to_google() {
        let read = |token_url: &str, become_url: &str| {
            let document = json!({"type": "external_account", "audience": "//iam.googleapis.com/p",
                "token_url": token_url, "service_account_impersonation_url": become_url});
            CredentialConfig::read(&document.to_string())
        };
        let good = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken";
        let config = read(STS, good).unwrap();
        assert_eq!(config.email.as_deref(), Some("a@p.iam.gserviceaccount.com"));
        assert!(read("https://evil.org/v1/token", good).is_err());
        assert!(read(STS, "https://evil.org/v1/a@p:generateAccessToken").is_err());
        assert!(read("", "").is_ok());
        assert!(CredentialConfig::read(r#"{"type":"authorized_user"}"#).is_err());
    }
}
