//! From the `auth` of a store or generator to an identity of Google Cloud.

mod config;

use crate::api::meta::{SecretKeySelector, ServiceAccountSelector, StoreKind};
use crate::api::v1::{GcpSmAuth, GcpWorkloadIdentity, GcpWorkloadIdentityFederation};
use crate::secret::SecretBytes;

use super::desk::{Desk, Token};
use super::google::{JWT, ServiceAccountKey, Source};
use super::logins::Fingerprint;
use super::{ClientContext, Error, ErrorKind};

use config::CredentialConfig;

/// Validity of requested ServiceAccount tokens in seconds (ESO).
const TOKEN_SECONDS: i64 = 900;

/// Names the Google service account that a Kubernetes one becomes.
const EMAIL_ANNOTATION: &str = "iam.gke.io/gcp-service-account";

/// How to log in, the first that is set in ESO's order.
pub(crate) enum Auth<'a> {
    /// With the key of a service account.
    Key(&'a SecretKeySelector),
    /// As a ServiceAccount of a GKE cluster; with the store's project.
    Cluster(&'a GcpWorkloadIdentity, Option<&'a str>),
    /// As an identity of another issuer.
    Federation(&'a GcpWorkloadIdentityFederation),
    /// As this process.
    Own,
}

/// Who logs in, before the token that vouches for it is made.
pub(crate) enum Claim {
    /// A service account with its key.
    Key(Box<ServiceAccountKey>),
    /// A ServiceAccount of a GKE cluster.
    Cluster {
        /// `PROJECT.svc.id.goog`.
        pool: String,
        /// Address of the cluster.
        provider: String,
        /// The ServiceAccount.
        account: ServiceAccountSelector,
        /// Google service account to become.
        email: Option<String>,
    },
    /// An identity of another issuer.
    Federated {
        /// Provider in a pool.
        audience: String,
        /// The ServiceAccount that vouches.
        account: ServiceAccountSelector,
        /// Google service account to become.
        email: Option<String>,
    },
    /// The machine.
    Machine,
}

impl Claim {
    /// The Google service account to become, if one is named.
    #[cfg(any(feature = "provider-openbao", feature = "provider-vault"))]
    pub(crate) fn email(&self) -> Option<&str> {
        match self {
            Self::Cluster { email, .. } | Self::Federated { email, .. } => email.as_deref(),
            Self::Key(_) | Self::Machine => None,
        }
    }
}

impl<'a> Auth<'a> {
    /// What a store or generator says; `project` is its own.
    pub(crate) fn of(auth: Option<&'a GcpSmAuth>, project: Option<&'a str>) -> Self {
        let project = project.filter(|project| !project.is_empty());
        let Some(auth) = auth else {
            return Self::Own;
        };
        let key = auth.secret_ref.as_ref();
        let key = key.and_then(|key| key.secret_access_key_secret_ref.as_ref());
        if let Some(key) = key {
            Self::Key(key)
        } else if let Some(cluster) = &auth.workload_identity {
            Self::Cluster(cluster, project)
        } else if let Some(federation) = &auth.workload_identity_federation {
            Self::Federation(federation)
        } else {
            Self::Own
        }
    }

    /// Whether the credentials say nothing of where this process runs.
    pub(crate) fn is_static(&self) -> bool {
        matches!(self, Self::Key(_))
    }

    /// The project of the cluster, if it is named.
    pub(crate) fn cluster_project(&self) -> Option<&'a str> {
        match self {
            Self::Cluster(cluster, _) => set(cluster.cluster_project_id.as_ref()),
            _ => None,
        }
    }
}

fn set(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn account_of<'a>(auth: &Auth<'a>) -> Option<&'a ServiceAccountSelector> {
    match auth {
        Auth::Cluster(cluster, _) => Some(&cluster.service_account_ref),
        Auth::Federation(federation) => federation.service_account_ref.as_ref(),
        Auth::Key(_) | Auth::Own => None,
    }
}

/// What is wrong with credentials, if anything.
pub(crate) fn check(kind: StoreKind, auth: &Auth<'_>) -> Result<(), String> {
    if let Auth::Federation(federation) = auth {
        let field = "auth.workloadIdentityFederation";
        if federation.aws_security_credentials.is_some() {
            return Err(format!(
                "{field}.awsSecurityCredentials is not served by this build; use serviceAccountRef"
            ));
        }
        if federation.service_account_ref.is_none() {
            return Err(format!(
                "{field}.serviceAccountRef must be set: its token is what latchkey presents"
            ));
        }
        if federation.cred_config.is_none() && set(federation.audience.as_ref()).is_none() {
            return Err(format!("{field}: audience or credConfig must be set"));
        }
        let named = federation.cred_config.as_ref();
        let is_named = named.is_some_and(|config| set(config.namespace.as_ref()).is_some());
        if kind == StoreKind::SecretStore && is_named {
            return Err(format!(
                "{field}.credConfig.namespace must not be set in a SecretStore"
            ));
        }
    }
    Ok(())
}

/// Whether credentials are in the namespace of the object that uses the store.
pub(crate) fn is_referent(kind: StoreKind, auth: &Auth<'_>) -> bool {
    let is_open = |namespace: &Option<String>| set(namespace.as_ref()).is_none();
    let config = match auth {
        Auth::Federation(federation) => federation.cred_config.as_ref(),
        _ => None,
    };
    kind == StoreKind::ClusterSecretStore
        && (account_of(auth).is_some_and(|account| is_open(&account.namespace))
            || config.is_some_and(|config| is_open(&config.namespace))
            || matches!(auth, Auth::Key(selector) if is_open(&selector.namespace)))
}

/// Reads what a login takes, without a call to Google but to this machine.
///
/// # Errors
/// Why it cannot be read, naming the field.
pub(super) async fn claim(
    provider: &'static str,
    desk: &Desk,
    context: &ClientContext,
    auth: &Auth<'_>,
) -> Result<(Fingerprint, Claim), Error> {
    match auth {
        Auth::Key(selector) => {
            let field = "auth.secretRef.secretAccessKeySecretRef";
            let text = context.credential(provider, field, selector).await?;
            let key = ServiceAccountKey::read(text.expose())
                .map_err(|wrong| desk.invalid(format!("{field}: {wrong}")))?;
            let fingerprint = Fingerprint::of([text.expose()]);
            Ok((fingerprint, Claim::Key(Box::new(key))))
        }
        Auth::Cluster(cluster, project) => {
            of_cluster(provider, desk, context, cluster, *project).await
        }
        Auth::Federation(federation) => of_federation(provider, desk, context, federation).await,
        Auth::Own => own(desk).await,
    }
}

/// The key that the environment names, else the machine.
async fn own(desk: &Desk) -> Result<(Fingerprint, Claim), Error> {
    const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
    let Some(path) = desk.variable(FILE) else {
        return Ok((Fingerprint::of([]), Claim::Machine));
    };
    let text = tokio::fs::read(&path).await;
    let text = text.map_err(|error| desk.unavailable(format!("{FILE} {path:?}: {error}")))?;
    let text = SecretBytes::new(text);
    let key = ServiceAccountKey::read(text.expose())
        .map_err(|wrong| desk.invalid(format!("{FILE} {path:?}: {wrong}")))?;
    let fingerprint = Fingerprint::of([text.expose()]);
    Ok((fingerprint, Claim::Key(Box::new(key))))
}

async fn of_cluster(
    provider: &'static str,
    desk: &Desk,
    context: &ClientContext,
    cluster: &GcpWorkloadIdentity,
    project: Option<&str>,
) -> Result<(Fingerprint, Claim), Error> {
    let told = async |named: Option<&str>, path: &str| match named {
        Some(named) => Ok(named.to_owned()),
        None => desk.google_metadata(path).await,
    };
    let project = set(cluster.cluster_project_id.as_ref()).or(project);
    let project = told(project, "project/project-id").await?;
    let location = set(cluster.cluster_location.as_ref());
    let location = told(location, "instance/attributes/cluster-location").await?;
    let name = set(cluster.cluster_name.as_ref());
    let name = told(name, "instance/attributes/cluster-name").await?;
    let account = &cluster.service_account_ref;
    let email = annotated(provider, context, account).await?;
    let claim = Claim::Cluster {
        pool: format!("{project}.svc.id.goog"),
        provider: format!(
            "https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}"
        ),
        account: account.clone(),
        email,
    };
    Ok((seen(&claim), claim))
}

async fn of_federation(
    provider: &'static str,
    desk: &Desk,
    context: &ClientContext,
    federation: &GcpWorkloadIdentityFederation,
) -> Result<(Fingerprint, Claim), Error> {
    let field = "auth.workloadIdentityFederation";
    let account = federation.service_account_ref.as_ref();
    let account =
        account.ok_or_else(|| desk.invalid(format!("{field}.serviceAccountRef must be set")))?;
    let config = match &federation.cred_config {
        Some(wanted) => {
            let namespace = context.selected_namespace(wanted.namespace.as_deref());
            let map = context
                .secrets
                .read_config_map(namespace, &wanted.name)
                .await;
            let map =
                map.map_err(|error| failed(provider, &format!("{field}.credConfig"), &error))?;
            let text = map.and_then(|mut map| map.remove(&wanted.key));
            let text = text.ok_or_else(|| {
                desk.invalid(format!(
                    "{field}.credConfig: no key {:?} in ConfigMap {namespace}/{}",
                    wanted.key, wanted.name
                ))
            })?;
            CredentialConfig::read(&text)
                .map_err(|wrong| desk.invalid(format!("{field}.credConfig: {wrong}")))?
        }
        None => CredentialConfig::default(),
    };
    let audience = set(federation.audience.as_ref()).map(str::to_owned);
    let audience = audience.or(config.audience);
    let audience = audience
        .ok_or_else(|| desk.invalid(format!("{field}: audience or credConfig must be set")))?;
    let annotated = annotated(provider, context, account).await?;
    let email = set(federation.gcp_service_account_email.as_ref()).map(str::to_owned);
    let claim = Claim::Federated {
        audience,
        account: account.clone(),
        email: email.or(config.email).or(annotated),
    };
    Ok((seen(&claim), claim))
}

/// The Google service account that a ServiceAccount's annotation names.
async fn annotated(
    provider: &'static str,
    context: &ClientContext,
    account: &ServiceAccountSelector,
) -> Result<Option<String>, Error> {
    let field = "serviceAccountRef";
    let invalid = |text: String| Error::new(ErrorKind::Invalid, provider, text);
    let namespace = context.selected_namespace(account.namespace.as_deref());
    let name = &account.name;
    if namespace.is_empty() {
        let message = format!("{field}: a ClusterSecretStore must name the namespace");
        return Err(invalid(message));
    }
    let secrets = &context.secrets;
    let annotations = secrets.service_account_annotations(namespace, name).await;
    let annotations = annotations.map_err(|error| failed(provider, field, &error))?;
    let mut annotations = annotations.ok_or_else(|| {
        invalid(format!(
            "{field}: there is no ServiceAccount {namespace}/{name}"
        ))
    })?;
    let email = annotations.remove(EMAIL_ANNOTATION);
    let email = email.filter(|email| !email.is_empty());
    if email
        .as_deref()
        .is_some_and(|email| !config::is_email(email))
    {
        return Err(invalid(format!(
            "annotation {EMAIL_ANNOTATION} of ServiceAccount {namespace}/{name} is no service account"
        )));
    }
    Ok(email)
}

fn seen(claim: &Claim) -> Fingerprint {
    let (parts, account, email) = match claim {
        Claim::Cluster {
            pool,
            provider,
            account,
            email,
        } => ([pool.as_str(), provider], account, email),
        Claim::Federated {
            audience,
            account,
            email,
        } => ([audience.as_str(), ""], account, email),
        Claim::Key(_) | Claim::Machine => return Fingerprint::of([]),
    };
    let namespace = account.namespace.as_deref().unwrap_or_default();
    let email = email.as_deref().unwrap_or_default();
    let all = [parts[0], parts[1], namespace, &account.name, email];
    Fingerprint::of(all.map(str::as_bytes))
}

/// Logs in.
///
/// # Errors
/// As [`Desk::google_token`]; also when there is no token of the ServiceAccount.
pub(super) async fn token(
    provider: &'static str,
    desk: &Desk,
    context: &ClientContext,
    claim: Claim,
) -> Result<Token, Error> {
    let vouched = async |account: &ServiceAccountSelector, audience: &str| {
        let mut audiences = vec![audience.to_owned()];
        audiences.extend(account.audiences.iter().cloned());
        let field = "serviceAccountRef";
        context
            .account_token(provider, field, account, &audiences, TOKEN_SECONDS)
            .await
    };
    let (source, email) = match claim {
        Claim::Key(key) => (Source::Key(key), None),
        Claim::Machine => (Source::Machine, None),
        Claim::Cluster {
            pool,
            provider,
            account,
            email,
        } => {
            let token = vouched(&account, &pool).await?;
            let source = Source::Cluster {
                pool,
                provider,
                token,
            };
            (source, email)
        }
        Claim::Federated {
            audience,
            account,
            email,
        } => {
            let token = vouched(&account, &audience).await?;
            let kind = JWT.to_owned();
            let source = Source::Federated {
                audience,
                kind,
                token,
            };
            (source, email)
        }
    };
    desk.google_token(&source, email.as_deref()).await
}

fn failed(provider: &'static str, field: &str, error: &crate::cluster::secrets::Error) -> Error {
    let kind = if error.denied {
        ErrorKind::Denied
    } else {
        ErrorKind::Unavailable
    };
    Error::new(kind, provider, format!("{field}: {error}"))
}

/// A token for whom `auth` says, shared with nobody; for services beside Secret Manager.
///
/// # Errors
/// As a login of a store with this `auth`.
pub(crate) async fn token_for(
    context: &ClientContext,
    options: &super::Options,
    auth: &GcpSmAuth,
    project: &str,
) -> Result<Token, Error> {
    const NAME: &str = "gcpsm";
    let desk = Desk::new(NAME, options)?;
    let auth = Auth::of(Some(auth), Some(project));
    check(context.store.id.kind, &auth).map_err(|wrong| desk.invalid(wrong))?;
    let (_, claim) = claim(NAME, &desk, context, &auth).await?;
    token(NAME, &desk, context, claim).await
}
