//! Logins for which a cloud vouches: AWS by a call that the server makes, Google by a signed token.
//!
//! Both proofs go to a server that a store names, and whoever has them can log in with them elsewhere
//! for some minutes. So latchkey's own identity is not proven to servers that a namespace's store names;
//! ESO does that by default.

use super::Access;
use super::login::Login;
#[cfg(any(feature = "provider-aws", feature = "provider-gcpsm"))]
use super::login::{self, Proof};
use crate::api::meta::StoreKind;
use crate::api::v1::{VaultGcpAuth, VaultIamAuth};
use crate::providers::{Error, ErrorKind};
#[cfg(any(feature = "provider-aws", feature = "provider-gcpsm"))]
use crate::secret::SecretBytes;

#[cfg(feature = "provider-aws")]
pub(super) use amazon::signed_call;
#[cfg(feature = "provider-gcpsm")]
pub(super) use google::signed_token;

/// What is wrong with a login by AWS, if anything.
pub(super) fn check_iam(
    provider: &'static str,
    kind: StoreKind,
    iam: &VaultIamAuth,
) -> Result<(), Error> {
    let own = iam.jwt.is_none() && iam.secret_ref.is_none();
    check(
        provider,
        kind,
        "auth.iam",
        own.then_some("jwt or secretRef"),
    )?;
    required(provider, "auth.iam.vaultRole", &iam.vault_role)?;
    #[cfg(feature = "provider-aws")]
    {
        amazon::check(provider, iam)
    }
    #[cfg(not(feature = "provider-aws"))]
    {
        Err(unserved(provider, "auth.iam", "provider-aws"))
    }
}

/// What is wrong with a login by Google, if anything.
pub(super) fn check_gcp(
    provider: &'static str,
    kind: StoreKind,
    gcp: &VaultGcpAuth,
) -> Result<(), Error> {
    let key = gcp.secret_ref.as_ref();
    let key = key.and_then(|key| key.secret_access_key_secret_ref.as_ref());
    let has_account = gcp.workload_identity.is_some() || gcp.service_account_ref.is_some();
    let own = key.is_none() && !has_account;
    let instead = own.then_some("workloadIdentity or secretRef");
    check(provider, kind, "auth.gcp", instead)?;
    required(provider, "auth.gcp.role", &gcp.role)?;
    #[cfg(feature = "provider-gcpsm")]
    {
        Ok(())
    }
    #[cfg(not(feature = "provider-gcpsm"))]
    {
        Err(unserved(provider, "auth.gcp", "provider-gcpsm"))
    }
}

/// `instead` names what a store of a namespace must set, where it would use latchkey's identity.
fn check(
    provider: &'static str,
    kind: StoreKind,
    field: &str,
    instead: Option<&str>,
) -> Result<(), Error> {
    match instead {
        Some(instead) if kind == StoreKind::SecretStore => {
            let message = format!(
                "{field}: {instead} must be set in a SecretStore; latchkey's own identity is not proven to servers that a store of a namespace names"
            );
            Err(Error::new(ErrorKind::Invalid, provider, message))
        }
        _ => Ok(()),
    }
}

fn required(provider: &'static str, field: &str, value: &str) -> Result<(), Error> {
    if value.trim().is_empty() {
        let message = format!("{field} must be set");
        return Err(Error::new(ErrorKind::Invalid, provider, message));
    }
    Ok(())
}

#[cfg(not(all(feature = "provider-aws", feature = "provider-gcpsm")))]
fn unserved(provider: &'static str, field: &str, feature: &str) -> Error {
    let message =
        format!("{field} is not served by this build, which lacks {feature}; use another method");
    Error::new(ErrorKind::Unsupported, provider, message)
}

fn mount<'a>(path: Option<&'a str>, default: &'a str) -> &'a str {
    path.filter(|path| !path.is_empty()).unwrap_or(default)
}

/// A login that lacks its proof.
#[cfg(any(feature = "provider-aws", feature = "provider-gcpsm"))]
fn unproven(path: &str, role: &str, proof: Proof) -> Login {
    let role = ("role", SecretBytes::from(role));
    login::with_proof(login::call(format!("{path}/login"), [role]), proof)
}

/// A login by AWS; reads credentials and calls nobody.
#[cfg_attr(
    not(feature = "provider-aws"),
    expect(
        clippy::unused_async,
        reason = "credentials are read where the login is served"
    )
)]
pub(super) async fn iam_login(access: &Access, iam: &VaultIamAuth) -> Result<Login, Error> {
    let path = mount(iam.path.as_deref(), "aws");
    #[cfg(feature = "provider-aws")]
    {
        let print = amazon::fingerprint(access, iam).await?;
        Ok(unproven(path, &iam.vault_role, Proof::Aws(print)))
    }
    #[cfg(not(feature = "provider-aws"))]
    {
        let _ = path;
        Err(unserved(access.name(), "auth.iam", "provider-aws"))
    }
}

/// A login by Google; reads credentials and asks this machine alone.
#[cfg_attr(
    not(feature = "provider-gcpsm"),
    expect(
        clippy::unused_async,
        reason = "credentials are read where the login is served"
    )
)]
pub(super) async fn gcp_login(access: &Access, gcp: &VaultGcpAuth) -> Result<Login, Error> {
    let path = mount(gcp.path.as_deref(), "gcp");
    #[cfg(feature = "provider-gcpsm")]
    {
        let print = google::fingerprint(access, gcp).await?;
        Ok(unproven(path, &gcp.role, Proof::Google(print)))
    }
    #[cfg(not(feature = "provider-gcpsm"))]
    {
        let _ = path;
        Err(unserved(access.name(), "auth.gcp", "provider-gcpsm"))
    }
}

/// An error of a cloud's login, by the store's provider and the field in this store.
#[cfg(any(feature = "provider-aws", feature = "provider-gcpsm"))]
fn of_login(provider: &'static str, field: &str, mut error: Error) -> Error {
    error.provider = provider;
    error.message = match error.message.strip_prefix("auth.") {
        Some(rest) => format!("{field}.{rest}"),
        None => format!("{field}: {}", error.message),
    };
    // That something is missing at the cloud says nothing of the secret that is asked for.
    if error.kind == ErrorKind::NotFound {
        error.kind = ErrorKind::Denied;
    }
    error
}

#[cfg(feature = "provider-aws")]
mod amazon {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::{Access, Error, SecretBytes, VaultIamAuth, of_login};
    use crate::api::v1::AwsAuth;
    use crate::providers::aws::{Outsider, caller_identity, check_auth};
    use crate::secret::json::Json;

    const FIELD: &str = "auth.iam";

    /// Region of the calls, unless the store names one (ESO).
    const REGION: &str = "us-east-1";

    /// Ties the signature to one server, which must be set to ask for it.
    const SERVER_ID: &str = "x-vault-aws-iam-server-id";

    pub(super) fn check(provider: &'static str, iam: &VaultIamAuth) -> Result<(), Error> {
        check_auth(Some(&auth(iam))).map_err(|error| of_login(provider, FIELD, error))
    }

    fn auth(iam: &VaultIamAuth) -> AwsAuth {
        AwsAuth {
            jwt: iam.jwt.clone(),
            secret_ref: iam.secret_ref.clone(),
        }
    }

    fn outsider<'a>(access: &'a Access, iam: &'a VaultIamAuth, auth: &'a AwsAuth) -> Outsider<'a> {
        Outsider {
            context: &access.context,
            options: &access.engine.options,
            auth: Some(auth),
            region: region(iam),
            role: iam.role.as_deref(),
            external_id: iam.external_id.as_deref(),
        }
    }

    fn region(iam: &VaultIamAuth) -> &str {
        let region = iam.region.as_deref().map(str::trim);
        region.filter(|name| !name.is_empty()).unwrap_or(REGION)
    }

    pub(super) async fn fingerprint(access: &Access, iam: &VaultIamAuth) -> Result<Vec<u8>, Error> {
        let auth = auth(iam);
        let print = outsider(access, iam, &auth).fingerprint().await;
        let print = print.map_err(|error| of_login(access.name(), FIELD, error))?;
        Ok(print.into_bytes())
    }

    /// The members of a login with a signed call (Vault's API of method `aws`, type `iam`).
    pub(in super::super) async fn signed_call(
        access: &Access,
    ) -> Result<Vec<(&'static str, SecretBytes)>, Error> {
        let failed = |error| of_login(access.name(), FIELD, error);
        let iam = access
            .block
            .auth
            .as_ref()
            .and_then(|auth| auth.iam.as_ref());
        let iam = iam.ok_or_else(|| access.invalid("auth.iam is missing"))?;
        let auth = auth(iam);
        let session = outsider(access, iam, &auth).session().await;
        let session = session.map_err(failed)?;
        let id = iam.vault_aws_iam_server_id.as_deref();
        let id = id.filter(|id| !id.is_empty()).map(|id| (SERVER_ID, id));
        let now = (access.engine.clock)();
        let call = caller_identity(&session.credentials, region(iam), id, now).map_err(failed)?;
        let headers = call.headers.into_iter();
        let headers = headers.map(|(name, value)| (name, Json::List(vec![Json::Text(value)])));
        let headers = Json::Object(headers.collect()).to_bytes();
        let encoded = |bytes: &[u8]| SecretBytes::from(STANDARD.encode(bytes));
        Ok(vec![
            ("iam_http_request_method", "POST".into()),
            ("iam_request_url", encoded(call.url.as_bytes())),
            ("iam_request_body", encoded(call.body.as_bytes())),
            ("iam_request_headers", encoded(headers.expose())),
        ])
    }
}

#[cfg(feature = "provider-gcpsm")]
mod google {
    use super::{Access, Error, SecretBytes, VaultGcpAuth, of_login};
    use crate::api::v1::{GcpSmAuth, GcpWorkloadIdentity};
    use crate::providers::google_auth::{self, Auth, Claim};

    const FIELD: &str = "auth.gcp";

    fn auth(gcp: &VaultGcpAuth) -> GcpSmAuth {
        let account = gcp.service_account_ref.clone();
        let by_account = account.map(|account| GcpWorkloadIdentity {
            service_account_ref: account,
            ..GcpWorkloadIdentity::default()
        });
        GcpSmAuth {
            secret_ref: gcp.secret_ref.clone(),
            workload_identity: gcp.workload_identity.clone().or(by_account),
            workload_identity_federation: None,
        }
    }

    pub(super) async fn fingerprint(access: &Access, gcp: &VaultGcpAuth) -> Result<Vec<u8>, Error> {
        let desk = access.engine.desk()?;
        let auth = auth(gcp);
        let auth = Auth::of(Some(&auth), gcp.project_id.as_deref());
        let claim = google_auth::claim(access.name(), desk, &access.context, &auth).await;
        let (print, _) = claim.map_err(|error| of_login(access.name(), FIELD, error))?;
        Ok(print.into_bytes())
    }

    /// A token for the role: signed as the service account, or by Google for the machine.
    pub(in super::super) async fn signed_token(access: &Access) -> Result<SecretBytes, Error> {
        let name = access.name();
        let gcp = access
            .block
            .auth
            .as_ref()
            .and_then(|auth| auth.gcp.as_ref());
        let gcp = gcp.ok_or_else(|| access.invalid("auth.gcp is missing"))?;
        let desk = access.engine.desk()?;
        let auth = auth(gcp);
        let auth = Auth::of(Some(&auth), gcp.project_id.as_deref());
        let token = async {
            let audience = format!("vault/{}", gcp.role);
            let (_, claim) = google_auth::claim(name, desk, &access.context, &auth).await?;
            match claim {
                Claim::Key(key) => desk.signed_by_key(&key, &audience),
                Claim::Machine => {
                    let server = access.block.server.trim().trim_end_matches('/');
                    desk.machine_identity(&format!("{server}/{audience}")).await
                }
                claim @ (Claim::Cluster { .. } | Claim::Federated { .. }) => {
                    let email = claim.email().map(str::to_owned);
                    let email = email.ok_or_else(|| {
                        desk.invalid(
                            "serviceAccountRef: the ServiceAccount has no annotation iam.gke.io/gcp-service-account, and Vault knows service accounts of Google alone",
                        )
                    })?;
                    let token = google_auth::token(name, desk, &access.context, claim).await?;
                    desk.signed_as(&token, &email, &audience).await
                }
            }
        };
        token.await.map_err(|error| of_login(name, FIELD, error))
    }
}
