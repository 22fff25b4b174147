//! Logins for Amazon ECR.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::aws::session;
use super::{Context, Error, Generator};
use crate::api::generators::EcrAuthorizationTokenSpec;
use crate::providers::aws::{Failure, Session};
use crate::secret::{SecretBytes, SecretMap};

/// The region that serves logins for public registries, whatever region asks (AWS).
const PUBLIC_REGION: &str = "us-east-1";

#[async_trait]
impl Generator for EcrAuthorizationTokenSpec {
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let is_public = match self.scope.as_deref().unwrap_or_default() {
            "" | "private" => false,
            "public" => true,
            _ => return Err(Error::invalid("spec.scope: must be private or public")),
        };
        let name = "ECRAuthorizationToken";
        let (auth, role) = (self.auth.as_ref(), self.role.as_deref());
        let session = session(context, name, auth, &self.region, role).await?;
        if is_public {
            public(context, &session).await
        } else {
            private(context, &session).await
        }
    }
}

async fn private(context: &Context, session: &Session) -> Result<SecretMap, Error> {
    let mut config = aws_sdk_ecr::config::Builder::from(&session.config);
    config.set_endpoint_url(context.registry.options().aws.ecr.clone());
    let client = aws_sdk_ecr::Client::from_conf(config.build());
    let answer = client.get_authorization_token().send().await;
    let answer = answer.map_err(|error| Failure::of(ACTION, &error).error)?;
    let granted = answer.authorization_data.unwrap_or_default();
    let granted = granted.into_iter().next().ok_or_else(incomplete)?;
    let token = granted.authorization_token.map(SecretBytes::from);
    let end = granted.expires_at.map(|end| end.secs());
    let mut values = login(&token.ok_or_else(incomplete)?, end)?;
    let endpoint = granted.proxy_endpoint.ok_or_else(incomplete)?;
    values.insert("proxy_endpoint", endpoint.into());
    Ok(values)
}

async fn public(context: &Context, session: &Session) -> Result<SecretMap, Error> {
    let mut config = aws_sdk_ecrpublic::config::Builder::from(&session.config);
    config.set_region(Some(aws_sdk_ecrpublic::config::Region::new(PUBLIC_REGION)));
    config.set_endpoint_url(context.registry.options().aws.ecr_public.clone());
    let client = aws_sdk_ecrpublic::Client::from_conf(config.build());
    let answer = client.get_authorization_token().send().await;
    let answer = answer.map_err(|error| Failure::of(ACTION, &error).error)?;
    let granted = answer.authorization_data.ok_or_else(incomplete)?;
    let token = granted.authorization_token.map(SecretBytes::from);
    let end = granted.expires_at.map(|end| end.secs());
    login(&token.ok_or_else(incomplete)?, end)
}

const ACTION: &str = "get a login for Amazon ECR";

/// A token is the base64 of user and password with a colon between.
fn login(token: &SecretBytes, end: Option<i64>) -> Result<SecretMap, Error> {
    let decoded = STANDARD.decode(token.expose()).map(SecretBytes::new);
    let decoded = decoded.map_err(|_| incomplete())?;
    let parts = decoded.expose_str().and_then(|text| text.split_once(':'));
    let (user, password) = parts.ok_or_else(incomplete)?;
    let end = end.ok_or_else(incomplete)?.to_string();
    let values = [
        ("username", user.into()),
        ("password", password.into()),
        ("expires_at", SecretBytes::from(end)),
    ];
    let values = values.map(|(key, value)| (key.to_owned(), value));
    Ok(values.into_iter().collect())
}

fn incomplete() -> Error {
    Error::unavailable(format!(
        "failed to {ACTION}: the answer lacks a part; check region and endpoint"
    ))
}
