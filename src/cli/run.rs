//! `latchkey run`: operator and webhook in one process, or either alone.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use kube::Client;

use crate::cluster::secrets::KubeSecretReader;
use crate::controllers::{self, Options};
use crate::providers::{self, Registry};
use crate::runtime::lease::{self, Candidate};
use crate::runtime::{self, Bound};
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;

/// Where ESC is unless a store or a flag says otherwise (ESO 2.9.0).
const ESC_URL: &str = "https://api.pulumi.com/api/esc";

/// Flags of `latchkey run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address of the ESC API for stores without `apiUrl`
    #[arg(long, default_value = ESC_URL, value_name = "URL")]
    esc_url: String,
    /// Runs the webhook alone
    #[arg(long)]
    no_operator: bool,
    /// Only stores of this class, or without one, are served
    #[arg(long, default_value = "default", value_name = "CLASS")]
    controller_class: String,
    /// Seconds between two validations of a store that names no interval
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    store_requeue_interval: u64,
    /// Objects of one kind reconciled at once
    #[arg(long, default_value_t = 16, value_name = "N")]
    concurrent: u16,
    /// Lets ExternalSecrets take over Secrets that nobody owns, as ESO does, without being asked
    #[arg(long)]
    adopt_unowned_secrets: bool,
    /// Namespace of this process: its Lease and its certificates are kept there
    #[arg(
        long,
        env = "POD_NAMESPACE",
        default_value = "latchkey-system",
        value_name = "NAMESPACE"
    )]
    own_namespace: String,
    /// Name of this process among its replicas
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    runtime: runtime::Args,
    #[command(flatten)]
    lease: lease::Args,
    #[command(flatten)]
    log: log::Args,
}

/// Runs until a signal.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    log::init(&args.log).map_err(anyhow::Error::msg)?;
    let client = Client::try_default()
        .await
        .context("failed to find the cluster; set KUBECONFIG or run in a pod")?;
    let metrics = Metrics::new();
    let mut process = Bound::new(&args.runtime, metrics.clone()).await?;
    if !args.no_operator {
        add_operator(&mut process, &args, &client, &metrics)?;
    }
    process.run().await?;
    Ok(())
}

fn add_operator(
    process: &mut Bound,
    args: &Args,
    client: &Client,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    let registry = Registry::new(&providers::Options {
        esc_url: args.esc_url.clone(),
        ..providers::Options::default()
    })?;
    let context = Arc::new(controllers::Context::new(
        client.clone(),
        Arc::new(registry),
        Arc::new(KubeSecretReader::new(client.clone())),
        metrics.clone(),
        Options {
            controller_class: args.controller_class.clone(),
            store_interval: std::time::Duration::from_secs(args.store_requeue_interval),
            concurrency: args.concurrent,
            adopt_unowned: args.adopt_unowned_secrets,
            namespace: None,
        },
        Timestamp::now,
    ));
    let ready = process.initializing("operator");
    let drain = process.drain();
    let candidate = args.lease.enable_leader_election.then(|| {
        let identity = args
            .identity
            .clone()
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        Candidate::new(
            client.clone(),
            &args.own_namespace,
            identity,
            &args.lease,
            Timestamp::now,
        )
    });
    process.task("operator", async move {
        let Some(mut candidate) = candidate else {
            Box::pin(controllers::run(context, drain.wait(), || ready.ready())).await;
            return Ok(());
        };
        ready.ready();
        if !candidate.lead(drain.clone()).await {
            return Ok(());
        }
        let work = controllers::run(context, drain.clone().wait(), || {});
        tokio::select! {
            () = work => candidate.keep(drain).await,
            lost = candidate.keep(drain.clone()) => lost,
        }
    });
    Ok(())
}
