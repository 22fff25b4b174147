//! From a store to AWS credentials: a first identity, then the roles that it assumes one by one.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sdk_sts::types::Tag;

use super::access::Session;
use super::failure::Failure;
use super::process::Bases;
use super::transport::{Transport, retry_budget};
use super::{NAME, invalid, is_empty};
use crate::api::meta::{SecretKeySelector, ServiceAccountSelector, StoreKind};
use crate::api::v1::{AwsAuth, AwsAuthSecretRef, AwsProvider, AwsSessionTagsPolicy};
use crate::budget;
use crate::model::secret_store::Store;
use crate::providers::logins::{Fingerprint, Granted, Login};
use crate::providers::{ClientContext, Clock, Error, ErrorKind};

/// Annotations of a ServiceAccount that say which role it has, and for which audience (EKS).
const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";
const AUDIENCE_ANNOTATION: &str = "eks.amazonaws.com/audience";

/// Audience of requested tokens unless the ServiceAccount names one (EKS).
const AUDIENCE: &str = "sts.amazonaws.com";

/// Validity of requested tokens in seconds; they are presented at once.
const TOKEN_SECONDS: i64 = 600;

/// Name of every session, as CloudTrail shows it (ESO).
pub(crate) const SESSION_NAME: &str = "external-secrets-provider-aws";

/// Validity of sessions in seconds: the longest that every role allows, also at the end of a chain.
const SESSION_SECONDS: i32 = 3600;

/// Who the first identity is, in ESO's order.
enum First<'a> {
    Account(Option<&'a ServiceAccountSelector>),
    Keys(&'a AwsAuthSecretRef),
    Process,
}

fn first(auth: Option<&AwsAuth>) -> First<'_> {
    match auth {
        Some(AwsAuth { jwt: Some(jwt), .. }) => First::Account(jwt.service_account_ref.as_ref()),
        Some(AwsAuth {
            secret_ref: Some(keys),
            ..
        }) => First::Keys(keys),
        _ => First::Process,
    }
}

/// What is wrong with the way to log in, if anything.
pub(in crate::providers) fn check(auth: Option<&AwsAuth>) -> Result<(), Error> {
    match first(auth) {
        First::Account(None) => Err(invalid("auth.jwt.serviceAccountRef must be set")),
        First::Keys(AwsAuthSecretRef {
            access_key_id_secret_ref: id,
            secret_access_key_secret_ref: key,
            session_token_secret_ref: _,
        }) if id.is_none() || key.is_none() => Err(invalid(
            "auth.secretRef: accessKeyIDSecretRef and secretAccessKeySecretRef must be set",
        )),
        _ => Ok(()),
    }
}

/// Whether credentials are in the namespace of the object that uses the store.
pub(super) fn is_referent(store: &Store, auth: Option<&AwsAuth>) -> bool {
    let namespaces: Vec<_> = match first(auth) {
        First::Account(account) => account.map(|one| &one.namespace).into_iter().collect(),
        First::Keys(keys) => {
            let selectors = [
                &keys.access_key_id_secret_ref,
                &keys.secret_access_key_secret_ref,
                &keys.session_token_secret_ref,
            ];
            let selectors = selectors.into_iter().flatten();
            selectors.map(|selector| &selector.namespace).collect()
        }
        First::Process => Vec::new(),
    };
    let mut namespaces = namespaces.into_iter();
    store.id.kind == StoreKind::ClusterSecretStore
        && namespaces.any(|name| is_empty(name.as_deref()))
}

/// What is read from the cluster.
pub(super) enum Known {
    Keys(Credentials),
    Account {
        account: ServiceAccountSelector,
        role: String,
        audiences: Vec<String>,
    },
    Process,
}

/// One assumed role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    arn: String,
    external_id: Option<String>,
    tags: BTreeMap<String, String>,
    transitive: Vec<String>,
}

impl Role {
    /// A role without tags.
    pub(super) fn plain(arn: &str, external_id: Option<&str>) -> Self {
        let external_id = external_id.filter(|id| !id.is_empty());
        Self {
            arn: arn.to_owned(),
            external_id: external_id.map(str::to_owned),
            tags: BTreeMap::new(),
            transitive: Vec::new(),
        }
    }
}

/// The roles of a store in the order in which they are assumed; external ID and tags belong to the last.
pub(super) fn roles(block: &AwsProvider, context: &ClientContext) -> Vec<Role> {
    let additional = block.additional_roles.iter();
    let mut roles: Vec<_> = additional.map(|arn| Role::plain(arn, None)).collect();
    if let Some(arn) = block.role.as_deref().filter(|arn| !arn.is_empty()) {
        let listed = block.session_tags.iter();
        let mut tags: BTreeMap<_, _> = listed
            .map(|tag| (tag.key.clone(), tag.value.clone()))
            .collect();
        let policy = block.session_tags_policy;
        if policy == Some(AwsSessionTagsPolicy::Custom) {
            tags.extend(block.custom_session_tags.clone());
        }
        if matches!(
            policy,
            Some(AwsSessionTagsPolicy::Simple | AwsSessionTagsPolicy::Custom)
        ) {
            let id = &context.store.id;
            let own = [
                ("esoNamespace", context.namespace.as_str()),
                ("esoStoreName", &id.name),
                ("esoStoreKind", id.kind.as_str()),
            ];
            tags.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        let external_id = block.external_id.clone();
        roles.push(Role {
            arn: arn.to_owned(),
            external_id: external_id.filter(|id| !id.is_empty()),
            tags,
            transitive: block.transitive_tag_keys.clone(),
        });
    }
    roles
}

/// One way to log in.
pub(super) struct Entry<'a> {
    pub(super) context: &'a ClientContext,
    pub(super) auth: Option<&'a AwsAuth>,
    pub(super) region: &'a str,
    pub(super) roles: Vec<Role>,
    pub(super) transport: &'a Transport,
    pub(super) bases: &'a Bases,
    pub(super) clock: &'a Clock,
}

#[async_trait]
impl Login for Entry<'_> {
    type Credentials = Known;
    type Session = Session;

    async fn credentials(&self) -> Result<(Fingerprint, Known), Error> {
        let known = match first(self.auth) {
            First::Account(account) => self.account(account).await?,
            First::Keys(keys) => Known::Keys(self.keys(keys).await?),
            First::Process => Known::Process,
        };
        let fingerprint = match &known {
            Known::Keys(keys) => Fingerprint::of([
                keys.access_key_id().as_bytes(),
                keys.secret_access_key().as_bytes(),
                keys.session_token().unwrap_or_default().as_bytes(),
            ]),
            Known::Account {
                role, audiences, ..
            } => {
                let parts = audiences.iter().chain([role]);
                Fingerprint::of(parts.map(String::as_bytes))
            }
            Known::Process => Fingerprint::of([]),
        };
        Ok((fingerprint, known))
    }

    async fn log_in(&self, known: Known) -> Result<Granted<Session>, Error> {
        let is_process = matches!(known, Known::Process);
        let (mut credentials, mut is_proven) = match known {
            Known::Keys(keys) => (keys, false),
            Known::Account {
                account,
                role,
                audiences,
            } => (self.by_account(&account, &role, &audiences).await?, true),
            Known::Process => {
                let credentials = self.bases.credentials(self.transport, self.region).await?;
                let is_temporary = credentials.expiry().is_some();
                (credentials, is_temporary)
            }
        };
        for role in &self.roles {
            let assumed = self.assume(credentials, role).await;
            if is_process && assumed.as_ref().is_err_and(|failure| failure.is_stale) {
                self.bases.forget(self.region).await;
            }
            credentials = assumed?;
            is_proven = true;
        }
        let now = (self.clock)();
        let expiry = credentials.expiry();
        let life = expiry.map(|end| end.duration_since(now).unwrap_or_default());
        Ok(Granted {
            session: Session::new(self.transport, self.region, &credentials)?,
            life,
            is_proven,
        })
    }
}

impl Entry<'_> {
    async fn keys(&self, keys: &AwsAuthSecretRef) -> Result<Credentials, Error> {
        let id = self.part(
            "auth.secretRef.accessKeyIDSecretRef",
            keys.access_key_id_secret_ref.as_ref(),
        );
        let id = id.await?;
        let key = self.part(
            "auth.secretRef.secretAccessKeySecretRef",
            keys.secret_access_key_secret_ref.as_ref(),
        );
        let key = key.await?;
        let token = match &keys.session_token_secret_ref {
            None => None,
            named => {
                let token = self.part("auth.secretRef.sessionTokenSecretRef", named.as_ref());
                Some(token.await?)
            }
        };
        Ok(Credentials::new(id, key, token, None, "store"))
    }

    /// One part of an access key. A line end, which is often stored with it, is never part of it.
    async fn part(
        &self,
        field: &str,
        selector: Option<&SecretKeySelector>,
    ) -> Result<String, Error> {
        let selector = selector.ok_or_else(|| invalid(format!("{field} must be set")))?;
        let value = self.context.credential(NAME, field, selector).await?;
        let text = value.expose_str().map(str::trim).unwrap_or_default();
        if text.is_empty() || text.contains(char::is_control) {
            return Err(invalid(format!("{field}: the value is empty or not text")));
        }
        Ok(text.to_owned())
    }

    async fn account(&self, account: Option<&ServiceAccountSelector>) -> Result<Known, Error> {
        let field = "auth.jwt.serviceAccountRef";
        let account = account.ok_or_else(|| invalid(format!("{field} must be set")))?;
        let annotations = self.context.account_annotations(NAME, field, account);
        let annotations = annotations.await?;
        let named = |name: &str| {
            let value = annotations.get(name).map(|value| value.trim().to_owned());
            value.filter(|value| !value.is_empty())
        };
        let role = named(ROLE_ANNOTATION).ok_or_else(|| {
            invalid(format!(
                "{field}: ServiceAccount {:?} has no annotation {ROLE_ANNOTATION}; set it to the role's ARN",
                account.name
            ))
        })?;
        let audience = named(AUDIENCE_ANNOTATION).unwrap_or_else(|| AUDIENCE.to_owned());
        let more = account.audiences.iter().filter(|one| **one != audience);
        let audiences = [audience.clone()].into_iter().chain(more.cloned());
        let audiences = audiences.collect();
        Ok(Known::Account {
            account: account.clone(),
            role,
            audiences,
        })
    }

    async fn by_account(
        &self,
        account: &ServiceAccountSelector,
        role: &str,
        audiences: &[String],
    ) -> Result<Credentials, Error> {
        let field = "auth.jwt.serviceAccountRef";
        let token = self
            .context
            .account_token(NAME, field, account, audiences, TOKEN_SECONDS);
        let token = token.await?;
        budget::prepay().await;
        let sent = self
            .sts(None)?
            .assume_role_with_web_identity()
            .role_arn(role)
            .role_session_name(SESSION_NAME)
            .web_identity_token(token.expose_str().unwrap_or_default())
            .send()
            .await;
        let action = format!("assume role {role:?} as ServiceAccount {:?}", account.name);
        let granted = sent.map_err(|error| Failure::of(&action, &error).error)?;
        granted_credentials(&action, granted.credentials)
    }

    async fn assume(&self, credentials: Credentials, role: &Role) -> Result<Credentials, Failure> {
        let tags = role.tags.iter().map(|(key, value)| {
            let tag = Tag::builder().key(key).value(value).build();
            tag.map_err(|_| Failure::from(invalid("sessionTags: key and value must be set")))
        });
        let tags: Vec<_> = tags.collect::<Result<_, _>>()?;
        budget::prepay().await;
        let sent = self
            .sts(Some(credentials))?
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(SESSION_NAME)
            .duration_seconds(SESSION_SECONDS)
            .set_external_id(role.external_id.clone())
            .set_tags((!tags.is_empty()).then_some(tags))
            .set_transitive_tag_keys((!role.transitive.is_empty()).then(|| role.transitive.clone()))
            .send()
            .await;
        let action = format!("assume role {:?}", role.arn);
        let granted = sent.map_err(|error| Failure::of(&action, &error))?;
        Ok(granted_credentials(&action, granted.credentials)?)
    }

    fn sts(&self, credentials: Option<Credentials>) -> Result<aws_sdk_sts::Client, Error> {
        let credentials = credentials.map(|credentials| without_end(&credentials));
        let config = self.transport.config(self.region, credentials)?;
        let mut config = aws_sdk_sts::config::Builder::from(&config);
        config.set_endpoint_url(self.transport.endpoints.sts.clone());
        let config = config.retry_partition(retry_budget()).build();
        Ok(aws_sdk_sts::Client::from_conf(config))
    }
}

/// The end of a session is watched by [`super::Logins`], by the clock of the process.
pub(super) fn without_end(credentials: &Credentials) -> Credentials {
    let mut credentials = credentials.clone();
    *credentials.expiry_mut() = None;
    credentials
}

fn granted_credentials(
    action: &str,
    granted: Option<aws_sdk_sts::types::Credentials>,
) -> Result<Credentials, Error> {
    let granted = granted.ok_or_else(|| {
        let message = format!("failed to {action}: the answer has no credentials");
        Error::new(ErrorKind::Unavailable, NAME, message)
    })?;
    let seconds = u64::try_from(granted.expiration.secs()).unwrap_or_default();
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Ok(Credentials::new(
        granted.access_key_id,
        granted.secret_access_key,
        Some(granted.session_token),
        Some(end),
        "role",
    ))
}
