//! Leader election by a Lease of the API server.
//!
//! At most one process should lead, but two may overlap for a moment, as with every such election:
//! writes are made safe by preconditions, not by this.

mod plan;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

use super::{Drain, TaskResult};
use crate::cluster::request::Error as RequestError;

use plan::{Observed, Step};

/// Whether and how one of several processes is chosen to lead.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Lets one of several replicas reconcile; all of them serve the webhook
    #[arg(long)]
    pub enable_leader_election: bool,
    /// Name of the Lease
    #[arg(long, default_value = "latchkey", value_name = "NAME")]
    pub leader_election_id: String,
    /// Seconds after which a leader that says nothing has lost its place
    #[arg(long, default_value_t = 15, value_name = "SECONDS")]
    pub leader_election_lease_duration: u32,
    /// Seconds between two renewals, and between two tries to lead
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    pub leader_election_retry_period: u32,
}

/// A candidate for leadership.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    duration: Duration,
    retry: Duration,
    clock: fn() -> Timestamp,
    observed: Option<Observed>,
}

impl Candidate {
    /// A candidate for the Lease of `args` in `namespace`; `identity` must be this process's alone.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        identity: String,
        args: &Args,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: args.leader_election_id.clone(),
            identity,
            duration: Duration::from_secs(u64::from(args.leader_election_lease_duration)),
            retry: Duration::from_secs(u64::from(args.leader_election_retry_period)),
            clock,
            observed: None,
        }
    }

    /// Waits until this process leads, or until the drain; answers whether it leads.
    pub async fn lead(&mut self, drain: Drain) -> bool {
        let drained = drain.wait();
        tokio::pin!(drained);
        loop {
            match self.attempt().await {
                Ok(true) => {
                    tracing::info!(lease = self.name, identity = self.identity, "Leading");
                    return true;
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(lease = self.name, error = %error, "Failed to try for the Lease");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.retry) => {}
                () = &mut drained => return false,
            }
        }
    }

    /// Keeps leading until the drain, then gives the Lease up.
    ///
    /// # Errors
    /// When the Lease is lost: somebody else may lead now, so this process must end.
    pub async fn keep(&mut self, drain: Drain) -> TaskResult {
        let drained = drain.wait();
        tokio::pin!(drained);
        let mut renewed = (self.clock)();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.retry) => {}
                () = &mut drained => {
                    self.release().await;
                    return Ok(());
                }
            }
            match tokio::time::timeout(self.duration / 3, self.attempt()).await {
                Ok(Ok(true)) => renewed = (self.clock)(),
                Ok(Ok(false)) => return Err("another process holds the Lease".to_owned()),
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.name, error = %error, "Failed to renew the Lease");
                }
                Err(_) => tracing::warn!(lease = self.name, "Renewing the Lease takes too long"),
            }
            let silent = (self.clock)().duration_since(renewed);
            if silent.unsigned_abs() > self.duration * 2 / 3 {
                return Err("the Lease could not be renewed in time".to_owned());
            }
        }
    }

    /// One look at the Lease and, where it is ours or free, one write. Answers whether it is ours.
    async fn attempt(&mut self) -> Result<bool, RequestError> {
        let lease = crate::cluster::request::bounded(self.api.get_opt(&self.name)).await?;
        let now = (self.clock)();
        let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let seen = Observed::new(spec, now, self.observed.take());
        let step = plan::next_step(&seen, &self.identity, now);
        self.observed = Some(seen);
        let transitions = spec
            .and_then(|spec| spec.lease_transitions)
            .unwrap_or_default();
        let acquired = spec.and_then(|spec| spec.acquire_time.clone());
        let result = match step {
            Step::Wait => return Ok(false),
            Step::Create => self.create(now).await,
            Step::Renew => self.replace(lease, transitions, acquired, now).await,
            Step::Acquire => self.replace(lease, transitions + 1, None, now).await,
        };
        match result {
            Ok(()) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, now: Timestamp) -> Result<(), RequestError> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(self.spec(&self.identity, 0, None, now)),
        };
        let params = PostParams::default();
        crate::cluster::request::bounded(self.api.create(&params, &lease))
            .await
            .map(drop)
    }

    async fn replace(
        &self,
        lease: Option<Lease>,
        transitions: i32,
        acquired: Option<MicroTime>,
        now: Timestamp,
    ) -> Result<(), RequestError> {
        let mut lease = lease.unwrap_or_default();
        lease.spec = Some(self.spec(&self.identity, transitions, acquired, now));
        let params = PostParams::default();
        crate::cluster::request::bounded(self.api.replace(&self.name, &params, &lease))
            .await
            .map(drop)
    }

    fn spec(
        &self,
        holder: &str,
        transitions: i32,
        acquired: Option<MicroTime>,
        now: Timestamp,
    ) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    /// Gives the Lease up, so that the next leader need not wait for it to expire.
    async fn release(&self) {
        let now = (self.clock)();
        let Ok(Some(mut lease)) =
            crate::cluster::request::bounded(self.api.get_opt(&self.name)).await
        else {
            return;
        };
        let ours = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.as_deref())
            == Some(&self.identity);
        if ours {
            let transitions = lease
                .spec
                .as_ref()
                .and_then(|spec| spec.lease_transitions)
                .unwrap_or_default();
            lease.spec = Some(self.spec("", transitions, None, now));
            let params = PostParams::default();
            let released =
                crate::cluster::request::bounded(self.api.replace(&self.name, &params, &lease))
                    .await;
            if let Err(error) = released {
                tracing::warn!(lease = self.name, error = %error, "Failed to give the Lease up");
            }
        }
    }
}
