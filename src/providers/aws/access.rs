//! Calls to the services, and what one client needs to make them.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::batch::Kind;
use super::failure::Failure;
use super::login::{self, Entry, Role};
use super::process::Bases;
use super::transport::{Transport, retry_budget};
use super::{Asked, ClientContext, Engine, Error, Fetched, Identity, What};
use crate::api::v1::{AwsAuth, AwsProvider};
use crate::budget;
#[cfg(any(feature = "provider-vault", feature = "provider-openbao"))]
use crate::providers::logins;
use crate::providers::logins::Login as _;
use crate::providers::{Options, Validation};

/// What calls are made with.
pub(crate) struct Session {
    /// What clients of other services are made from.
    pub(crate) config: SdkConfig,
    pub(crate) credentials: Credentials,
    /// When the credentials end, if they do.
    pub(crate) end: Option<SystemTime>,
    pub(super) secrets: aws_sdk_secretsmanager::Client,
    pub(super) parameters: aws_sdk_ssm::Client,
}

impl Session {
    pub(super) fn new(
        transport: &Transport,
        region: &str,
        credentials: &Credentials,
    ) -> Result<Self, Error> {
        let endless = login::without_end(credentials);
        let config = transport.config(region, Some(endless.clone()))?;
        let endpoints = &transport.endpoints;
        let budget = retry_budget();
        let mut secrets = aws_sdk_secretsmanager::config::Builder::from(&config);
        secrets.set_endpoint_url(endpoints.secrets_manager.clone());
        let secrets = secrets.retry_partition(budget.clone()).build();
        let mut parameters = aws_sdk_ssm::config::Builder::from(&config);
        parameters.set_endpoint_url(endpoints.ssm.clone());
        let parameters = parameters.retry_partition(budget).build();
        Ok(Self {
            config,
            credentials: endless,
            end: credentials.expiry(),
            secrets: aws_sdk_secretsmanager::Client::from_conf(secrets),
            parameters: aws_sdk_ssm::Client::from_conf(parameters),
        })
    }
}

/// Who logs in to AWS outside of its stores; nothing of it is kept.
pub(crate) struct Outsider<'a> {
    /// Whose credentials, and how they are read.
    pub(crate) context: &'a ClientContext,
    /// How AWS is reached.
    pub(crate) options: &'a Options,
    /// How to log in.
    pub(crate) auth: Option<&'a AwsAuth>,
    /// Region of the calls.
    pub(crate) region: &'a str,
    /// Role to assume.
    pub(crate) role: Option<&'a str>,
    /// External ID presented with the role.
    pub(crate) external_id: Option<&'a str>,
}

impl Outsider<'_> {
    /// A session.
    ///
    /// # Errors
    /// When credentials cannot be read or are refused.
    pub(crate) async fn session(&self) -> Result<Session, Error> {
        login::check(self.auth)?;
        let transport = Transport::new(self.options);
        let bases = Bases::new(Arc::clone(&self.options.clock));
        let entry = self.entry(&transport, &bases);
        let (_, known) = entry.credentials().await?;
        Ok(entry.log_in(known).await?.session)
    }

    /// Tells credentials apart, as far as the cluster holds them; calls nobody else.
    ///
    /// # Errors
    /// When credentials cannot be read.
    #[cfg(any(feature = "provider-vault", feature = "provider-openbao"))]
    pub(in crate::providers) async fn fingerprint(&self) -> Result<logins::Fingerprint, Error> {
        login::check(self.auth)?;
        let transport = Transport::new(self.options);
        let bases = Bases::new(Arc::clone(&self.options.clock));
        let entry = self.entry(&transport, &bases);
        Ok(entry.credentials().await?.0)
    }

    fn entry<'a>(&'a self, transport: &'a Transport, bases: &'a Bases) -> Entry<'a> {
        let role = self.role.filter(|role| !role.is_empty());
        let role = role.map(|arn| Role::plain(arn, self.external_id));
        Entry {
            context: self.context,
            auth: self.auth,
            region: self.region,
            roles: role.into_iter().collect(),
            transport,
            bases,
            clock: &self.options.clock,
        }
    }
}

/// What one client needs to call the services.
pub(super) struct Access {
    pub(super) engine: Arc<Engine>,
    pub(super) context: ClientContext,
    pub(super) block: AwsProvider,
    pub(super) identity: Identity,
    /// Whether it is known whose credentials are used.
    pub(super) has_consumer: bool,
}

impl Access {
    async fn session(&self) -> Result<Arc<Session>, Error> {
        let entry = Entry {
            context: &self.context,
            auth: self.block.auth.as_ref(),
            region: &self.block.region,
            roles: login::roles(&self.block, &self.context),
            transport: &self.engine.transport,
            bases: &self.engine.bases,
            clock: &self.engine.clock,
        };
        self.engine.logins.session(&self.identity, &entry).await
    }

    /// Whether credentials can be had. Nothing is asked of the service, since there is no call that
    /// every policy allows.
    pub(super) async fn validate(&self) -> Result<Validation, Error> {
        if !self.has_consumer {
            return Ok(Validation::Unknown);
        }
        self.session().await.map(|_| Validation::Ready)
    }

    /// Makes one call, logging in anew once if the session has ended. `action` follows "failed to".
    pub(super) async fn call<T, E, F>(
        &self,
        action: &str,
        send: impl Fn(&Session) -> F,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + StdError + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let session = self.session().await?;
        budget::prepay().await;
        let failure = match Box::pin(send(&session)).await {
            Ok(answer) => return Ok(answer),
            Err(error) => Failure::of(action, &error),
        };
        let logins = &self.engine.logins;
        let is_over = failure.is_stale
            && logins
                .rejected(&self.identity, &session, &failure.error)
                .await;
        if !is_over {
            return Err(failure);
        }
        let session = self.session().await?;
        budget::prepay().await;
        let sent = Box::pin(send(&session)).await;
        sent.map_err(|error| Failure::of(action, &error))
    }

    /// What is asked for, from memory where it is new enough.
    pub(super) async fn fetched(
        &self,
        what: What,
        fetch: impl Future<Output = Result<Fetched, Error>>,
    ) -> Result<Arc<Fetched>, Error> {
        let asked = Asked {
            identity: self.identity.clone(),
            what,
        };
        let window = &self.engine.window;
        let fetch = Box::pin(fetch);
        window.get(&asked, self.context.not_before, fetch).await
    }

    /// What was fetched before a write is not what is there after it.
    pub(super) async fn forget(&self, name: &str) {
        for what in [
            What::Value(name.to_owned(), String::new()),
            What::Tags(name.to_owned()),
        ] {
            let identity = self.identity.clone();
            self.engine.window.forget(&Asked { identity, what }).await;
        }
    }

    /// A value, read together with those that others ask for at the same time.
    pub(super) async fn shared<K: Kind>(&self, kind: &K, name: &str) -> Result<Fetched, Error> {
        let batches = &self.engine.batches;
        Box::pin(batches.get(&self.identity, kind, name)).await
    }

    /// The name with the store's prefix.
    pub(super) fn name(&self, key: &str) -> String {
        let prefix = self.block.prefix.as_deref().unwrap_or_default();
        format!("{prefix}{key}")
    }
}

/// `None` in place of the failure that there is no such thing.
pub(super) fn optional<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.error.is_not_found() => Ok(None),
        Err(failure) => Err(failure),
    }
}
