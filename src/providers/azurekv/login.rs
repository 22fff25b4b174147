//! From a store to the principal that asks for tokens.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::Url;

use super::{Error, NAME, invalid};
use crate::api::meta::{SecretKeySelector, ServiceAccountSelector, StoreKind};
use crate::api::v1::{AzureAuthType, AzureKeyVaultAuthSecretRef, AzureKeyVaultProvider};
use crate::model::secret_store::Store;
use crate::providers::desk::{Desk, Token};
use crate::providers::entra::{ClientCertificate, EXCHANGE_AUDIENCE, Principal, Proof};
use crate::providers::logins::{Fingerprint, Granted, Login};
use crate::providers::{ClientContext, ErrorKind};
use crate::secret::SecretBytes;

/// Validity of requested ServiceAccount tokens in seconds.
const TOKEN_SECONDS: i64 = 600;

const CLIENT_ANNOTATION: &str = "azure.workload.identity/client-id";
const TENANT_ANNOTATION: &str = "azure.workload.identity/tenant-id";

/// One store's login.
pub(super) struct AzureLogin<'a> {
    pub(super) desk: &'a Desk,
    pub(super) authority: &'a Url,
    pub(super) resource: &'a str,
    pub(super) context: &'a ClientContext,
    pub(super) block: &'a AzureKeyVaultProvider,
}

/// Who logs in, before the token that vouches for it is made.
pub(super) enum Claim {
    Ready(Principal),
    Account {
        tenant: String,
        client: String,
        account: ServiceAccountSelector,
    },
    File {
        tenant: String,
        client: String,
        path: String,
    },
}

fn auth_type(block: &AzureKeyVaultProvider) -> AzureAuthType {
    block.auth_type.unwrap_or(AzureAuthType::ServicePrincipal)
}

fn set(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// What is wrong with the store's credentials, if anything.
pub(super) fn check(store: &Store, block: &AzureKeyVaultProvider) -> Result<(), Error> {
    let refs = block.auth_secret_ref.as_ref();
    match auth_type(block) {
        AzureAuthType::ServicePrincipal => {
            if set(block.tenant_id.as_ref()).is_none() {
                return Err(invalid("tenantId must be set for a service principal"));
            }
            let refs =
                refs.ok_or_else(|| invalid("authSecretRef must be set for a service principal"))?;
            if refs.client_id.is_none() {
                return Err(invalid("authSecretRef.clientId must be set"));
            }
            if refs.client_secret.is_some() == refs.client_certificate.is_some() {
                return Err(invalid(
                    "authSecretRef: either clientSecret or clientCertificate must be set",
                ));
            }
        }
        AzureAuthType::ManagedIdentity => {}
        AzureAuthType::WorkloadIdentity => {
            let account = block.service_account_ref.as_ref();
            let namespace = account.and_then(|account| set(account.namespace.as_ref()));
            if store.id.kind == StoreKind::SecretStore
                && namespace.is_some_and(|namespace| namespace != store.id.namespace)
            {
                return Err(invalid(
                    "serviceAccountRef.namespace must not be set in a SecretStore",
                ));
            }
        }
    }
    Ok(())
}

/// Whether credentials are in the namespace of the object that uses the store.
pub(super) fn is_referent(store: &Store, block: &AzureKeyVaultProvider) -> bool {
    let is_open = |namespace: &Option<String>| namespace.as_deref().unwrap_or_default().is_empty();
    let refs = block.auth_secret_ref.as_ref();
    let refs = refs.filter(|_| auth_type(block) != AzureAuthType::ManagedIdentity);
    let selectors = refs.map_or([None; 4], |refs| {
        [
            refs.client_id.as_ref(),
            refs.client_secret.as_ref(),
            refs.client_certificate.as_ref(),
            refs.tenant_id.as_ref(),
        ]
    });
    let account = block.service_account_ref.as_ref();
    let account = account.filter(|_| auth_type(block) == AzureAuthType::WorkloadIdentity);
    store.id.kind == StoreKind::ClusterSecretStore
        && (selectors
            .into_iter()
            .flatten()
            .any(|one| is_open(&one.namespace))
            || account.is_some_and(|account| is_open(&account.namespace)))
}

impl AzureLogin<'_> {
    async fn text(
        &self,
        field: &str,
        selector: Option<&SecretKeySelector>,
    ) -> Result<Option<String>, Error> {
        let Some(selector) = selector else {
            return Ok(None);
        };
        let value = self.context.credential(NAME, field, selector).await?;
        let text = value.expose_str().map(str::trim).unwrap_or_default();
        if text.is_empty() {
            return Err(invalid(format!("{field}: the value is empty or not text")));
        }
        Ok(Some(text.to_owned()))
    }

    async fn application(
        &self,
        refs: &AzureKeyVaultAuthSecretRef,
    ) -> Result<(Fingerprint, Claim), Error> {
        let tenant = self.block.tenant_id.clone().unwrap_or_default();
        let client = self.text("authSecretRef.clientId", refs.client_id.as_ref());
        let client = client.await?.unwrap_or_default();
        let (proof, seen) = if let Some(selector) = &refs.client_certificate {
            let field = "authSecretRef.clientCertificate";
            let bytes = self.context.credential(NAME, field, selector).await?;
            let certificate = ClientCertificate::read(bytes.expose()).ok_or_else(|| {
                invalid(format!(
                    "{field}: must be PEM with certificate and RSA key, or PKCS#12 without password"
                ))
            })?;
            (Proof::Certificate(Box::new(certificate)), bytes)
        } else {
            let field = "authSecretRef.clientSecret";
            let secret = self.text(field, refs.client_secret.as_ref());
            let secret = SecretBytes::from(secret.await?.unwrap_or_default());
            (Proof::Secret(secret.duplicate()), secret)
        };
        let fingerprint = Fingerprint::of([tenant.as_bytes(), client.as_bytes(), seen.expose()]);
        let claim = Claim::Ready(Principal::Application {
            tenant,
            client,
            proof,
        });
        Ok((fingerprint, claim))
    }

    /// The annotations of a ServiceAccount.
    async fn annotations(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<BTreeMap<String, String>, Error> {
        let secrets = &self.context.secrets;
        let annotations = secrets.service_account_annotations(namespace, name).await;
        let annotations = annotations.map_err(|error| {
            let kind = if error.denied {
                ErrorKind::Denied
            } else {
                ErrorKind::Unavailable
            };
            Error::new(kind, NAME, format!("serviceAccountRef: {error}"))
        })?;
        annotations.ok_or_else(|| {
            invalid(format!(
                "serviceAccountRef: there is no ServiceAccount {namespace}/{name}"
            ))
        })
    }

    /// The workload identity of a ServiceAccount that the store names.
    async fn account(
        &self,
        account: &ServiceAccountSelector,
    ) -> Result<(Fingerprint, Claim), Error> {
        let namespace = self
            .context
            .selected_namespace(account.namespace.as_deref());
        let name = &account.name;
        if namespace.is_empty() {
            let message = "serviceAccountRef: a ClusterSecretStore must name the namespace";
            return Err(invalid(message));
        }
        let mut annotations = self.annotations(namespace, name).await?;
        let refs = self.block.auth_secret_ref.as_ref();
        let of_secret = self.text(
            "authSecretRef.clientId",
            refs.and_then(|refs| refs.client_id.as_ref()),
        );
        let client = match (annotations.remove(CLIENT_ANNOTATION), of_secret.await?) {
            (Some(_), Some(_)) => {
                return Err(invalid(format!(
                    "the client id is given twice: by annotation {CLIENT_ANNOTATION} of ServiceAccount {namespace}/{name} and by authSecretRef.clientId; remove one"
                )));
            }
            (Some(client), None) | (None, Some(client)) => client,
            (None, None) => {
                return Err(invalid(format!(
                    "ServiceAccount {namespace}/{name} lacks the annotation {CLIENT_ANNOTATION}"
                )));
            }
        };
        let of_secret = self.text(
            "authSecretRef.tenantId",
            refs.and_then(|refs| refs.tenant_id.as_ref()),
        );
        let tenant = of_secret
            .await?
            .or_else(|| set(self.block.tenant_id.as_ref()).map(str::to_owned))
            .or_else(|| annotations.remove(TENANT_ANNOTATION))
            .or_else(|| self.desk.variable("AZURE_TENANT_ID"));
        let tenant = tenant.ok_or_else(|| {
            invalid(format!(
                "no tenant: set tenantId, or annotation {TENANT_ANNOTATION} of ServiceAccount {namespace}/{name}"
            ))
        })?;
        let parts = [&tenant, &client, namespace, name.as_str()];
        let fingerprint = Fingerprint::of(parts.map(str::as_bytes));
        let account = account.clone();
        let claim = Claim::Account {
            tenant,
            client,
            account,
        };
        Ok((fingerprint, claim))
    }

    /// The workload identity of this process.
    fn own(&self) -> Result<(Fingerprint, Claim), Error> {
        let variable = |name: &str| {
            let value = self.desk.variable(name);
            value.ok_or_else(|| {
                invalid(format!(
                    "authType WorkloadIdentity without serviceAccountRef needs {name} in latchkey's environment, which the workload identity webhook sets"
                ))
            })
        };
        let tenant = set(self.block.tenant_id.as_ref()).map(str::to_owned);
        let tenant = tenant.map_or_else(|| variable("AZURE_TENANT_ID"), Ok)?;
        let client = variable("AZURE_CLIENT_ID")?;
        let path = variable("AZURE_FEDERATED_TOKEN_FILE")?;
        let fingerprint = Fingerprint::of([&tenant, &client, &path].map(String::as_bytes));
        let claim = Claim::File {
            tenant,
            client,
            path,
        };
        Ok((fingerprint, claim))
    }

    /// A new token, shared with nobody.
    pub(super) async fn token(&self) -> Result<Token, Error> {
        let (_, claim) = self.credentials().await?;
        self.granted(claim).await
    }

    async fn granted(&self, claim: Claim) -> Result<Token, Error> {
        let principal = self.principal(claim).await?;
        let desk = self.desk;
        desk.entra_token(self.authority, &principal, self.resource)
            .await
    }

    async fn principal(&self, claim: Claim) -> Result<Principal, Error> {
        let (tenant, client, token) = match claim {
            Claim::Ready(principal) => return Ok(principal),
            Claim::Account {
                tenant,
                client,
                account,
            } => {
                let mut audiences = account.audiences.clone();
                if audiences.is_empty() {
                    audiences.push(EXCHANGE_AUDIENCE.to_owned());
                }
                let token = self.context.account_token(
                    NAME,
                    "serviceAccountRef",
                    &account,
                    &audiences,
                    TOKEN_SECONDS,
                );
                (tenant, client, token.await?)
            }
            Claim::File {
                tenant,
                client,
                path,
            } => {
                let bytes = tokio::fs::read(&path).await.map_err(|error| {
                    let message = format!("AZURE_FEDERATED_TOKEN_FILE {path:?}: {error}");
                    Error::new(ErrorKind::Unavailable, NAME, message)
                })?;
                (tenant, client, SecretBytes::new(bytes))
            }
        };
        Ok(Principal::Application {
            tenant,
            client,
            proof: Proof::Assertion(token),
        })
    }
}

#[async_trait]
impl Login for AzureLogin<'_> {
    type Credentials = Claim;
    type Session = SecretBytes;

    async fn credentials(&self) -> Result<(Fingerprint, Claim), Error> {
        match auth_type(self.block) {
            AzureAuthType::ServicePrincipal => {
                let refs = self.block.auth_secret_ref.as_ref();
                let refs = refs.ok_or_else(|| invalid("authSecretRef must be set"))?;
                self.application(refs).await
            }
            AzureAuthType::ManagedIdentity => {
                let identity = self.block.identity_id.clone();
                let seen = identity.clone().unwrap_or_default();
                let claim = Claim::Ready(Principal::Managed { identity });
                Ok((Fingerprint::of([seen.as_bytes()]), claim))
            }
            AzureAuthType::WorkloadIdentity => match &self.block.service_account_ref {
                Some(account) => self.account(account).await,
                None => self.own(),
            },
        }
    }

    async fn log_in(&self, claim: Claim) -> Result<Granted<SecretBytes>, Error> {
        let token = self.granted(claim).await?;
        Ok(Granted {
            session: token.value,
            life: Some(token.life),
            is_proven: true,
        })
    }
}
