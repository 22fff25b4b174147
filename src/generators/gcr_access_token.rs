//! Generator `GCRAccessToken`: a login for Google's registries, which is an access token.

use async_trait::async_trait;

use super::{Context, Error, Generator, cloud};
use crate::api::generators::{GcrAccessTokenSpec, GcrAuth};
use crate::api::v1::{GcpSmAuth, GcpWorkloadIdentity};
use crate::providers::google_auth;
use crate::secret::{SecretBytes, SecretMap};

/// The user that every access token belongs to.
const USERNAME: &str = "oauth2accesstoken";

#[async_trait]
impl Generator for GcrAccessTokenSpec {
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let asked = cloud::as_store(context, "GCRAccessToken");
        let auth = auth(&self.auth);
        let project = &self.project_id;
        let token =
            google_auth::token_for(&asked, context.registry.options(), &auth, project).await;
        let token = token.map_err(|error| cloud::failed(&error))?;
        let life = i64::try_from(token.life.as_secs()).unwrap_or(i64::MAX);
        let until = context.now.as_second().saturating_add(life);
        let values = [
            ("username", SecretBytes::from(USERNAME)),
            ("password", token.value),
            ("expiry", SecretBytes::from(until.to_string())),
        ];
        let values = values.into_iter();
        Ok(values.map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

/// The same as a store says it.
fn auth(auth: &GcrAuth) -> GcpSmAuth {
    GcpSmAuth {
        secret_ref: auth.secret_ref.clone(),
        workload_identity: auth
            .workload_identity
            .as_ref()
            .map(|identity| GcpWorkloadIdentity {
                cluster_location: Some(identity.cluster_location.clone()),
                cluster_name: Some(identity.cluster_name.clone()),
                cluster_project_id: identity.cluster_project_id.clone(),
                service_account_ref: identity.service_account_ref.clone(),
            }),
        workload_identity_federation: auth.workload_identity_federation.clone(),
    }
}
