//! Short-lived AWS credentials.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_sdk_sts::types::Credentials;

use super::aws::{seconds, session};
use super::{Context, Error, Generator};
use crate::api::generators::{StsRequestParameters, StsSessionTokenSpec};
use crate::providers::aws::{Failure, SESSION_NAME, Session};
use crate::secret::{SecretBytes, SecretMap};

#[async_trait]
impl Generator for StsSessionTokenSpec {
    /// The credentials of the role, else those of a session of the access key. Credentials that are
    /// short-lived already, those of a ServiceAccount, are given out as they are: AWS makes no session
    /// of a session.
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let auth = self.auth.as_ref();
        let session = session(context, "STSSessionToken", auth, &self.region, None).await?;
        let wanted = self.request_parameters.clone().unwrap_or_default();
        let mut config = aws_sdk_sts::config::Builder::from(&session.config);
        config.set_endpoint_url(context.registry.options().aws.sts.clone());
        let client = aws_sdk_sts::Client::from_conf(config.build());
        match self.role.as_deref().filter(|role| !role.is_empty()) {
            Some(role) => of_role(&client, role, wanted).await,
            None if session.credentials.session_token().is_some() => Ok(own(&session)),
            None => of_key(&client, wanted).await,
        }
    }
}

async fn of_role(
    client: &aws_sdk_sts::Client,
    role: &str,
    wanted: StsRequestParameters,
) -> Result<SecretMap, Error> {
    let call = client.assume_role().role_arn(role);
    let call = call.role_session_name(SESSION_NAME);
    let call = call.set_duration_seconds(wanted.session_duration);
    let call = call.set_serial_number(wanted.serial_number);
    let answer = call.set_token_code(wanted.token_code).send().await;
    let action = format!("assume role {role:?}");
    let answer = answer.map_err(|error| Failure::of(&action, &error).error)?;
    granted(answer.credentials)
}

async fn of_key(
    client: &aws_sdk_sts::Client,
    wanted: StsRequestParameters,
) -> Result<SecretMap, Error> {
    let call = client.get_session_token();
    let call = call.set_duration_seconds(wanted.session_duration);
    let call = call.set_serial_number(wanted.serial_number);
    let answer = call.set_token_code(wanted.token_code).send().await;
    let action = "get a session token";
    let answer = answer.map_err(|error| Failure::of(action, &error).error)?;
    granted(answer.credentials)
}

fn own(session: &Session) -> SecretMap {
    let credentials = &session.credentials;
    let token = credentials.session_token().unwrap_or_default();
    let mut values = values(
        credentials.access_key_id().into(),
        credentials.secret_access_key().into(),
        token.into(),
    );
    if let Some(end) = session.end {
        values.insert("expiration", seconds(end).into());
    }
    values
}

fn granted(granted: Option<Credentials>) -> Result<SecretMap, Error> {
    let granted = granted.ok_or_else(|| Error::unavailable("STS gave no credentials"))?;
    let since = u64::try_from(granted.expiration.secs()).unwrap_or_default();
    let end: SystemTime = UNIX_EPOCH + Duration::from_secs(since);
    let mut values = values(
        granted.access_key_id.into(),
        granted.secret_access_key.into(),
        granted.session_token.into(),
    );
    values.insert("expiration", seconds(end).into());
    Ok(values)
}

fn values(id: SecretBytes, key: SecretBytes, token: SecretBytes) -> SecretMap {
    let values = [
        ("access_key_id", id),
        ("secret_access_key", key),
        ("session_token", token),
    ];
    let values = values.map(|(key, value)| (key.to_owned(), value));
    values.into_iter().collect()
}
