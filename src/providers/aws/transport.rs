//! How the SDK reaches the services: one pool of connections, our timeouts, few retries.

use std::sync::OnceLock;

use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::retry::{RetryPartition, TokenBucket};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider as Tls, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::invalid;
use crate::budget;
use crate::http;
use crate::providers::{AwsEndpoints, Error, Options};

/// How long an idle connection is kept.
const POOL_IDLE: std::time::Duration = std::time::Duration::from_mins(1);

/// Retries that one session may make at once, in the SDK's units of five a retry: a store in trouble
/// does not spend those of others.
const RETRY_TOKENS: usize = 100;

/// What every call to the services has in common.
pub(super) struct Transport {
    http: http::Options,
    pub(super) endpoints: AwsEndpoints,
    /// Made at the first call, so that a process without such stores reads no certificates.
    client: OnceLock<Result<SharedHttpClient, Error>>,
}

impl Transport {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            http: options.http.clone(),
            endpoints: options.aws.clone(),
            client: OnceLock::new(),
        }
    }

    /// What clients of a region are made from.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn config(
        &self,
        region: &str,
        credentials: Option<Credentials>,
    ) -> Result<SdkConfig, Error> {
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.trim().to_owned()))
            .http_client(self.client()?)
            .retry_config(self.retries())
            .timeout_config(self.timeouts());
        config.set_credentials_provider(credentials.map(SharedCredentialsProvider::new));
        Ok(config.build())
    }

    /// What the identity of the process is found with.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn provider_config(&self, region: &str) -> Result<ProviderConfig, Error> {
        Ok(ProviderConfig::without_region()
            .with_region(Some(Region::new(region.trim().to_owned())))
            .with_http_client(self.client()?)
            .with_retry_config(self.retries())
            .with_timeout_config(self.timeouts()))
    }

    fn client(&self) -> Result<SharedHttpClient, Error> {
        let client = self.client.get_or_init(|| connect(&self.http));
        client.clone()
    }

    fn retries(&self) -> RetryConfig {
        let attempts = u32::try_from(self.http.retries).unwrap_or(u32::MAX);
        RetryConfig::standard()
            .with_max_attempts(attempts.saturating_add(1))
            .with_initial_backoff(self.http.retry_delay)
            .with_max_backoff(std::time::Duration::from_secs(5))
    }

    fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.http.connect_timeout)
            .operation_timeout(self.http.timeout)
            .build()
    }
}

/// A budget of retries of its own.
pub(super) fn retry_budget() -> RetryPartition {
    RetryPartition::custom("session")
        .token_bucket(TokenBucket::new(RETRY_TOKENS))
        .build()
}

fn connect(options: &http::Options) -> Result<SharedHttpClient, Error> {
    let mut trust = TrustStore::default();
    if let Some(bundle) = &options.ca_bundle {
        let refused = || invalid("the CA bundle must be PEM or base64 of PEM");
        let pem = http::ca_pem(bundle).ok_or_else(refused)?;
        // The SDK panics on what it cannot read.
        let mut certificates = CertificateDer::pem_slice_iter(&pem);
        if !certificates.all(|certificate| {
            certificate.is_ok_and(|der| rustls::RootCertStore::empty().add(der).is_ok())
        }) {
            return Err(refused());
        }
        trust = trust.with_pem_certificate(pem);
    }
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|_| invalid("TLS cannot be set up"))?;
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.timeout)
        .build();
    let connector = Connector::builder()
        .tls_provider(Tls::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .proxy_config(ProxyConfig::from_env())
        .connector_settings(settings)
        .pool_idle_timeout(POOL_IDLE)
        .build();
    let connector = SharedHttpConnector::new(Paced(SharedHttpConnector::new(connector)));
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// Sends each request when the store's budget has a turn for it: the first of a call is paid for before the
/// SDK begins to count the time, and those after it are tries again.
#[derive(Debug)]
struct Paced(SharedHttpConnector);

impl HttpConnector for Paced {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.0.clone();
        HttpConnectorFuture::new(async move {
            budget::turn().await;
            connector.call(request).await
        })
    }
}
