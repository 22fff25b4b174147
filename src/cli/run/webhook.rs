//! The webhook's part of a process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use rustls::server::ResolvesServerCert;
use tokio::sync::watch;

use super::readiness::{self, Conditions};
use super::{Shared, memory};
use crate::admission::registration::{self, Endpoint};
use crate::admission::{self, Tls, Watched, Webhook};
use crate::certs::{self, Files, Ownership, Registration, Rotator};
use crate::cluster::existence::KubeExistence;
use crate::model::duration;
use crate::runtime::Bound;

/// Port of the Service in front of the webhook.
const SERVICE_PORT: i32 = 443;
/// How long requests under way may take once nothing new is accepted: as long as the API server waits.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Flags of the webhook.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Address of the webhook
    #[arg(long, default_value = "0.0.0.0:10250", value_name = "ADDRESS")]
    webhook_addr: String,
    /// How the API server reaches the webhook, if not through the Service: for a process outside of the
    /// cluster
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// Service in front of the webhook, in the own namespace
    #[arg(long, default_value = "latchkey-webhook", value_name = "NAME")]
    webhook_service: String,
    /// Who makes the webhook configurations: `own` makes and keeps them, `ca-only` keeps the CA in
    /// those that the chart has made
    #[arg(long, value_enum, default_value_t = Mode::Own, value_name = "MODE")]
    webhook_registration: Mode,
    /// Seconds that the webhook goes on serving after a signal, until API servers have noticed
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    drain_delay: u64,
    /// Reviews under way at once; more are turned away with a 503, and API servers try again
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    webhook_max_in_flight: u16,
    /// How long API servers may take to learn a new CA before it signs
    #[arg(long, default_value = "60s", value_parser = duration::parse, value_name = "DURATION")]
    ca_publish_delay: SignedDuration,
    /// Certificate of the webhook in PEM, instead of one of our own CA; no configuration is touched then
    #[arg(long, requires = "tls_key_file", value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// Key of that certificate in PEM
    #[arg(long, requires = "tls_cert_file", value_name = "FILE")]
    tls_key_file: Option<PathBuf>,
    /// Oldest version of TLS that is spoken
    #[arg(long, value_enum, default_value_t = TlsVersion::Tls12, value_name = "VERSION")]
    tls_min_version: TlsVersion,
    /// CAs of the API server's client certificate, in PEM; without it every client may ask
    #[arg(long, value_name = "FILE")]
    client_ca_file: Option<PathBuf>,
    #[command(flatten)]
    memory: memory::Args,
}

/// Who makes the webhook configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// This process.
    Own,
    /// Somebody else; only the CA is ours.
    CaOnly,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TlsVersion {
    /// TLS 1.2.
    #[value(name = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[value(name = "1.3")]
    Tls13,
}

/// Where certificates come from, and the task that keeps them current.
struct Certificates {
    served: Arc<dyn ResolvesServerCert>,
    published: Option<watch::Receiver<Option<String>>>,
    task: BoxFuture<'static, ()>,
}

/// Adds the webhook to a process: listens, gets a certificate and registers.
pub(super) async fn add(process: &mut Bound, args: Args, shared: &Shared) -> anyhow::Result<()> {
    let tls = tls(&args).await?;
    let agents = args.memory.clone();
    let is_open = tls.client_ca.is_none();
    let server = admission::Bound::new(admission::Options {
        address: args.webhook_addr.clone(),
        drain_delay: Duration::from_secs(args.drain_delay),
        drain_timeout: DRAIN_TIMEOUT,
        max_in_flight: args.webhook_max_in_flight.into(),
        tls,
    });
    let server = server.await?;
    let endpoint = endpoint(&args, shared);
    let Certificates {
        served,
        published,
        task,
    } = certificates(args, &endpoint, shared).await?;
    let memory = memory::serve(agents, &endpoint, is_open, published.clone(), shared);
    let (view, complete, follow_cluster) = Watched::new(&shared.client);
    let conditions = Conditions {
        published,
        caches: complete.boxed(),
        address: server.address(),
        name: endpoint.certificate_names().swap_remove(0),
        is_open,
    };
    let webhook = Webhook {
        keys: shared.keys.clone(),
        view: Arc::new(view),
        controller_class: shared.controller_class.clone(),
        authorizer: shared.authorizer.clone(),
        registry: shared.registry.clone(),
        existence: Arc::new(KubeExistence::new(shared.client.clone())),
        own_namespace: shared.own_namespace.clone(),
        metrics: shared.metrics.clone(),
        memory,
    };
    let registry = Arc::clone(&shared.registry);
    let drain = process.drain();
    let ready = process.initializing("webhook");
    process.task("webhook", async move {
        let reached = async {
            readiness::reached(conditions).await;
            ready.ready();
            tracing::info!("The webhook is ready");
            std::future::pending::<()>().await;
        };
        let serving = server.serve(webhook, served, drain.wait());
        tokio::select! {
            served = serving => served.map_err(|error| error.to_string()),
            () = task => Err("the certificates' rotation stopped".to_owned()),
            () = follow_cluster => Err("the watches of the webhook stopped".to_owned()),
            () = reached => Ok(()),
            () = memory::sweep(&registry) => Ok(()),
        }
    });
    Ok(())
}

fn endpoint(args: &Args, shared: &Shared) -> Endpoint {
    args.webhook_url.clone().map_or_else(
        || Endpoint::Service {
            name: args.webhook_service.clone(),
            namespace: shared.own_namespace.clone(),
            port: SERVICE_PORT,
        },
        Endpoint::Url,
    )
}

async fn tls(args: &Args) -> anyhow::Result<Tls> {
    let client_ca = match &args.client_ca_file {
        None => None,
        Some(path) => {
            let read = tokio::fs::read(path).await;
            Some(read.with_context(|| format!("failed to read {}", path.display()))?)
        }
    };
    Ok(Tls {
        only_tls13: args.tls_min_version == TlsVersion::Tls13,
        client_ca,
    })
}

async fn certificates(
    args: Args,
    endpoint: &Endpoint,
    shared: &Shared,
) -> anyhow::Result<Certificates> {
    if let (Some(certificate), Some(key)) = (args.tls_cert_file, args.tls_key_file) {
        let files = Files::bind(certificate, key).await?;
        return Ok(Certificates {
            served: files.served(),
            published: None,
            task: files.run().boxed(),
        });
    }
    let registration = Registration {
        mutating: registration::mutating(endpoint, &shared.own_namespace),
        validating: registration::validating(endpoint),
        ownership: match args.webhook_registration {
            Mode::Own => Ownership::Own,
            Mode::CaOnly => Ownership::CaOnly,
        },
    };
    let options = certs::Options {
        namespace: shared.own_namespace.clone(),
        names: endpoint.certificate_names(),
        registration,
        settle: args.ca_publish_delay,
        clock: Timestamp::now,
    };
    let rotator = Rotator::bind(shared.client.clone(), options);
    let rotator = rotator.await.context("failed to set the webhook up")?;
    Ok(Certificates {
        served: rotator.served(),
        published: Some(rotator.published()),
        task: rotator.run().boxed(),
    })
}
