//! The operator's part of a process.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Shared;
use crate::cluster::secrets::KubeSecretReader;
use crate::controllers::{self, Options, pod_injection};
use crate::model::duration;
use crate::providers::{self, Registry};
use crate::runtime::lease::{self, Candidate};
use crate::runtime::{Bound, Drain, Handle, TaskResult};

/// Where ESC is unless a store or a flag says otherwise (ESO 2.9.0).
const ESC_URL: &str = "https://api.pulumi.com/api/esc";

/// Flags of the operator.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Address of the ESC API for stores without `apiUrl`
    #[arg(long, default_value = ESC_URL, value_name = "URL")]
    esc_url: String,
    /// Time between two validations of a store that names no interval
    #[arg(long, default_value = "5m", value_parser = duration::parse, value_name = "DURATION")]
    store_requeue_interval: SignedDuration,
    /// Objects of one kind reconciled at once
    #[arg(long, default_value_t = 16, value_name = "N")]
    concurrent: u16,
    /// Lets ExternalSecrets take over Secrets that nobody owns, as ESO does, without being asked
    #[arg(long)]
    adopt_unowned_secrets: bool,
    /// How long a Secret made for pods stays after the last of them has gone
    #[arg(long, default_value = "1h", value_parser = duration::parse, value_name = "DURATION")]
    retain: SignedDuration,
    #[command(flatten)]
    lease: lease::Args,
}

/// Adds the operator to a process.
pub(super) fn add(process: &mut Bound, args: Args, shared: &Shared) -> anyhow::Result<()> {
    let Args {
        esc_url,
        store_requeue_interval,
        concurrent,
        adopt_unowned_secrets,
        retain,
        lease,
    } = args;
    let registry = Registry::new(&providers::Options {
        esc_url,
        ..providers::Options::default()
    })?;
    let context = Arc::new(controllers::Context::new(
        shared.client.clone(),
        Arc::new(registry),
        Arc::new(KubeSecretReader::new(shared.client.clone())),
        shared.metrics.clone(),
        Arc::clone(&shared.authorizer),
        Options {
            controller_class: shared.controller_class.clone(),
            store_interval: store_requeue_interval.unsigned_abs(),
            concurrency: concurrent,
            adopt_unowned: adopt_unowned_secrets,
            namespace: None,
        },
        Timestamp::now,
    ));
    let injection = pod_injection::Options {
        keys: Arc::clone(&shared.keys),
        retain,
    };
    let candidate = lease.enable_leader_election.then(|| {
        let identity = shared.identity.clone();
        let client = shared.client.clone();
        Candidate::new(
            client,
            &shared.own_namespace,
            identity,
            &lease,
            Timestamp::now,
        )
    });
    let ready = process.initializing("operator");
    let drain = process.drain();
    process.task(
        "operator",
        operate(context, injection, candidate, ready, drain),
    );
    Ok(())
}

/// Runs the controllers, as the leader if one of several processes is to lead.
async fn operate(
    context: Arc<controllers::Context>,
    injection: pod_injection::Options,
    candidate: Option<Candidate>,
    ready: Handle,
    drain: Drain,
) -> TaskResult {
    let Some(mut candidate) = candidate else {
        let drained = drain.wait();
        Box::pin(controllers::run(context, injection, drained, || {
            ready.ready();
        }))
        .await;
        return Ok(());
    };
    ready.ready();
    if !candidate.lead(drain.clone()).await {
        return Ok(());
    }
    let work = Box::pin(controllers::run(
        context,
        injection,
        drain.clone().wait(),
        || {},
    ));
    tokio::select! {
        () = work => candidate.keep(drain).await,
        lost = candidate.keep(drain.clone()) => lost,
    }
}
