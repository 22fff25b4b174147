//! The operator's part of a process.

use std::sync::Arc;

use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};

use super::Shared;
use crate::cluster::secrets::KubeSecretReader;
use crate::controllers::pod_injection::{self, RestartBy, Revoked};
use crate::controllers::{self, Options};
use crate::model::duration;
use crate::model::request_rate::RequestRate;
use crate::providers::{self, AwsEndpoints, ESC_URL};
use crate::runtime::lease::{self, Candidate};
use crate::runtime::{Bound, Drain, Handle, TaskResult};

/// Where Doppler is unless a flag or the environment says otherwise, as with ESO.
const DOPPLER_URL: &str = "https://api.doppler.com";

/// Flags of the operator.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) remotes: Remotes,
    /// Time between two validations of a store that names no interval
    #[arg(long, default_value = "5m", value_parser = duration::parse, value_name = "DURATION")]
    store_requeue_interval: SignedDuration,
    /// Objects of one kind reconciled at once; of ExternalSecrets, which mostly wait for their stores, four
    /// times as many
    #[arg(long, default_value_t = 16, value_name = "N")]
    concurrent: u16,
    /// ExternalSecrets of one store reconciled at once, so that a slow store does not hold up the others
    #[arg(long, default_value_t = 8, value_name = "N")]
    concurrent_per_store: u16,
    /// Objects that may lose their Secret or keys of it within ten minutes because the store says that the
    /// values are gone; when it says so for more, all are kept and their conditions tell it. 0 keeps none
    #[arg(long, default_value_t = 10, value_name = "N")]
    deletion_limit: usize,
    /// Lets ExternalSecrets take over Secrets that nobody owns, as ESO does, without being asked
    #[arg(long)]
    adopt_unowned_secrets: bool,
    /// How long replaced values of a generator that takes them back stay valid
    #[arg(long, default_value = "2m", value_parser = duration::parse, value_name = "DURATION")]
    generator_gc_grace_period: SignedDuration,
    /// Lets ExternalSecrets keep objects of other kinds than Secret (`spec.target.manifest`), whose values
    /// whoever may read the kind can read
    #[arg(long)]
    unsafe_allow_generic_targets: bool,
    /// How long a Secret made for pods stays after the last of them has gone
    #[arg(long, default_value = "1h", value_parser = duration::parse, value_name = "DURATION")]
    retain: SignedDuration,
    /// What becomes of a Secret made for pods whose service account may not use its store any more; it is
    /// not refreshed either way
    #[arg(long, value_enum, default_value_t = OnRevoke::Keep, value_name = "ACTION")]
    on_revoke: OnRevoke,
    /// How long a Secret stays after the permission went, with --on-revoke=delete
    #[arg(long, default_value = "10m", value_parser = duration::parse, value_name = "DURATION")]
    revoke_grace: SignedDuration,
    /// How pods with `latchkey.dev/on-change: restart` are replaced when their values change
    #[arg(long, value_enum, default_value_t = Restart::Template, value_name = "WAY")]
    restart: Restart,
    #[command(flatten)]
    lease: lease::Args,
}

/// Flags about what providers speak to.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(super) struct Remotes {
    /// Address of the ESC API for stores without `apiUrl`
    #[arg(long, default_value = ESC_URL, value_name = "URL")]
    esc_url: String,
    /// Address of Doppler's API
    #[arg(long, env = "DOPPLER_BASE_URL", default_value = DOPPLER_URL, value_name = "URL")]
    doppler_url: String,
    /// Requests a second that a store is sent at most by this process, of which those of a second may be sent at
    /// once; its annotation `latchkey.dev/max-requests-per-second` goes before. 0 is any number
    #[arg(long, default_value_t = RequestRate::default(), value_name = "RATE")]
    max_requests_per_second: RequestRate,
    /// Lets webhooks reach link-local addresses, where clouds keep the credentials of their machines
    #[arg(long)]
    allow_link_local: bool,
    #[command(flatten)]
    aws: AwsEndpoints,
}

impl From<Remotes> for providers::Options {
    fn from(remotes: Remotes) -> Self {
        let Remotes {
            esc_url,
            doppler_url,
            max_requests_per_second,
            allow_link_local,
            aws,
        } = remotes;
        Self {
            esc_url,
            doppler_url,
            aws,
            rate: max_requests_per_second,
            allow_link_local,
            ..Self::default()
        }
    }
}

/// What becomes of a Secret whose pods may not have it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnRevoke {
    /// It stays as it is.
    Keep,
    /// It is deleted after a while.
    Delete,
}

impl OnRevoke {
    fn with(self, grace: SignedDuration) -> Revoked {
        match self {
            Self::Keep => Revoked::Keep,
            Self::Delete => Revoked::Delete(grace),
        }
    }
}

/// How pods are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Restart {
    /// By an annotation of their workload's template.
    Template,
    /// By the Eviction API, one after the other.
    Evict,
    /// Not at all; they are told.
    Off,
}

impl From<Restart> for RestartBy {
    fn from(restart: Restart) -> Self {
        match restart {
            Restart::Template => Self::Template,
            Restart::Evict => Self::Evict,
            Restart::Off => Self::Off,
        }
    }
}

/// Adds the operator to a process.
pub(super) fn add(process: &mut Bound, args: Args, shared: &Shared) {
    let Args {
        // The registry, which is shared, has them.
        remotes: _,
        store_requeue_interval,
        concurrent,
        concurrent_per_store,
        deletion_limit,
        adopt_unowned_secrets,
        generator_gc_grace_period,
        unsafe_allow_generic_targets,
        retain,
        on_revoke,
        revoke_grace,
        restart,
        lease,
    } = args;
    let context = Arc::new(controllers::Context::new(
        shared.client.clone(),
        Arc::clone(&shared.registry),
        Arc::new(KubeSecretReader::new(shared.client.clone())),
        shared.metrics.clone(),
        Arc::clone(&shared.reauthorizer),
        Options {
            controller_class: shared.controller_class.clone(),
            store_interval: store_requeue_interval.unsigned_abs(),
            concurrency: concurrent,
            lanes: (usize::from(concurrent) * 4, concurrent_per_store.into()),
            deletion_limit,
            generic_targets: unsafe_allow_generic_targets,
            adopt_unowned: adopt_unowned_secrets,
            generator_grace: generator_gc_grace_period.unsigned_abs(),
            namespace: None,
        },
        Timestamp::now,
    ));
    let injection = pod_injection::Options {
        keys: Arc::clone(&shared.keys),
        own_namespace: shared.own_namespace.clone(),
        retain,
        on_revoke: on_revoke.with(revoke_grace),
        restart: restart.into(),
    };
    let candidate = candidate(&lease, shared);
    let ready = process.initializing("operator");
    let drain = process.drain();
    process.task(
        "operator",
        operate(context, injection, candidate, ready, drain),
    );
}

/// The candidate for leadership, if one of several processes is to lead.
fn candidate(lease: &lease::Args, shared: &Shared) -> Option<Candidate> {
    lease.enable_leader_election.then(|| {
        let identity = shared.identity.clone();
        let client = shared.client.clone();
        let namespace = &shared.own_namespace;
        Candidate::new(client, namespace, identity, lease, Timestamp::now)
    })
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
