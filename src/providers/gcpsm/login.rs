//! From a store to the identity that asks for tokens.

use async_trait::async_trait;

use super::{Engine, Error, NAME, invalid};
use crate::api::v1::GcpSmProvider;
use crate::model::secret_store::Store;
use crate::providers::ClientContext;
use crate::providers::google_auth::{self, Auth};
use crate::providers::logins::{Fingerprint, Granted, Login};
use crate::secret::SecretBytes;

/// One store's login.
pub(super) struct GcpLogin<'a> {
    pub(super) engine: &'a Engine,
    pub(super) context: &'a ClientContext,
    pub(super) block: &'a GcpSmProvider,
}

fn auth(block: &GcpSmProvider) -> Auth<'_> {
    Auth::of(block.auth.as_ref(), block.project_id.as_deref())
}

/// What is wrong with the store's credentials, if anything.
pub(super) fn check(store: &Store, block: &GcpSmProvider) -> Result<(), Error> {
    let auth = auth(block);
    google_auth::check(store.id.kind, &auth).map_err(invalid)?;
    let project = block.project_id.as_deref().unwrap_or_default();
    if project.is_empty() && auth.is_static() {
        return Err(invalid("projectID must be set with auth.secretRef"));
    }
    Ok(())
}

/// Whether credentials are in the namespace of the object that uses the store.
pub(super) fn is_referent(store: &Store, block: &GcpSmProvider) -> bool {
    google_auth::is_referent(store.id.kind, &auth(block))
}

impl GcpLogin<'_> {
    /// The store's project, else that of its cluster, else that of this machine.
    pub(super) async fn project(&self) -> Result<String, Error> {
        let own = self.block.project_id.as_deref();
        let named = own.filter(|project| !project.is_empty());
        if let Some(project) = named.or_else(|| auth(self.block).cluster_project()) {
            return Ok(project.to_owned());
        }
        let desk = &self.engine.desk;
        let ask = || desk.google_metadata("project/project-id");
        let project = self.engine.own_project.get_or_try_init(ask).await?;
        Ok(project.clone())
    }
}

#[async_trait]
impl Login for GcpLogin<'_> {
    type Credentials = google_auth::Claim;
    type Session = SecretBytes;

    async fn credentials(&self) -> Result<(Fingerprint, google_auth::Claim), Error> {
        let auth = auth(self.block);
        google_auth::claim(NAME, &self.engine.desk, self.context, &auth).await
    }

    async fn log_in(&self, claim: google_auth::Claim) -> Result<Granted<SecretBytes>, Error> {
        let desk = &self.engine.desk;
        let token = google_auth::token(NAME, desk, self.context, claim).await?;
        Ok(Granted {
            session: token.value,
            life: Some(token.life),
            is_proven: true,
        })
    }
}
