//! The task that keeps CA, leaf and configurations current.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::watcher::Config;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use rustls::server::ResolvesServerCert;
use tokio::sync::watch;

use super::bundle::{self, Registration, Watched};
use super::plan::{self, Repairs, Situation, Step};
use super::store::{self, Record};
use super::{Error, Served, pki};

/// A CA stays in the bundle this much longer than its last leaf lives, for clocks that differ.
const RETIRE_MARGIN: SignedDuration = SignedDuration::from_mins(10);
/// Steps taken at one look; a rotation needs three in all, minutes and hours apart.
const STEPS: usize = 4;
/// From this repair in a row on, it is said that somebody else writes.
const SUSPICIOUS_REPAIRS: u32 = 3;

/// What is certified, where it is registered, and how fast.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace of the Secret with the CA.
    pub namespace: String,
    /// DNS names or addresses of the leaf.
    pub names: Vec<String>,
    /// The configurations.
    pub registration: Registration,
    /// How long API servers may take to learn a new bundle.
    pub settle: SignedDuration,
    /// The present.
    pub clock: fn() -> Timestamp,
}

/// Keeps the certificate, the CA and the webhook configurations current.
pub struct Rotator {
    client: Client,
    options: Options,
    served: Arc<Served>,
    record: Record,
    leaf: pki::Leaf,
    watched: Watched,
    repairs: Repairs,
    published: watch::Sender<Option<String>>,
}

impl Rotator {
    /// Reads or makes the CA, issues a leaf and registers the webhook where the registration is ours.
    ///
    /// # Errors
    /// When the CA cannot be read or made, or the webhook cannot be registered.
    pub async fn bind(client: Client, options: Options) -> Result<Self, Error> {
        let now = (options.clock)();
        let record = store::load_or_create(&client, &options.namespace, None, now).await?;
        let leaf = record.issue(&options.names, now)?;
        bundle::register(&client, &options.registration).await?;
        Ok(Self {
            served: Arc::new(Served::new(Arc::clone(&leaf.key))),
            client,
            options,
            record,
            leaf,
            watched: Watched::default(),
            repairs: Repairs::default(),
            published: watch::Sender::new(None),
        })
    }

    /// What a TLS server asks at each handshake.
    #[must_use]
    pub fn served(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.served) as _
    }

    /// The bundle, in PEM, that the configurations were seen to show, once it holds our CA.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Option<String>> {
        self.published.subscribe()
    }

    /// Keeps everything current for as long as it is polled. A failure is logged and tried again: what
    /// is served stays good for many hours.
    pub async fn run(mut self) {
        let mut changes = std::pin::pin!(bundle::watch(&self.client, &self.options.registration));
        let api: Api<PartialObjectMeta<Secret>> =
            Api::namespaced(self.client.clone(), &self.options.namespace);
        let config = Config::default().fields(&format!("metadata.name={}", store::SECRET_NAME));
        let writes = watcher(api, config).default_backoff();
        let mut writes = std::pin::pin!(writes.touched_objects());
        let mut seen = 0;
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                Some(change) = changes.next() => {
                    let now = (self.options.clock)();
                    self.watched.notice(change, &self.record.bundle(), now);
                    seen += 1;
                }
                Some(write) = writes.next() => match write {
                    Ok(secret) => tracing::debug!(version = secret.resource_version(), "The CA changed"),
                    Err(error) => tracing::warn!(error = %error, "Failed to watch the webhook's CA, trying again"),
                },
                () = tokio::time::sleep(pause) => {}
            }
            // Both configurations must have been listed before anything is concluded from them.
            if seen < 2 {
                pause = Duration::from_secs(1);
                continue;
            }
            if let Err(error) = self.check().await {
                tracing::warn!(error = %error, "Failed to keep the webhook's certificates current, trying again");
            }
            let wait = plan::pause(&self.situation((self.options.clock)()), &self.repairs);
            pause = wait.unsigned_abs();
        }
    }

    fn situation(&mut self, now: Timestamp) -> Situation {
        let record = &self.record;
        Situation {
            now,
            current: record.current.life,
            is_staged: record.next.is_some(),
            retire: record.past.as_ref().map(|past| past.retire),
            is_rotation_asked: record.is_rotation_asked(),
            leaf: self.leaf.life,
            is_leaf_of_current: self.leaf.issuer == record.current.fingerprint,
            shown_since: self.watched.compare(&record.bundle(), now),
            settle: self.options.settle,
        }
    }

    async fn check(&mut self) -> Result<(), Error> {
        for _ in 0..STEPS {
            let now = (self.options.clock)();
            let namespace = &self.options.namespace;
            // Read after the configurations were, whose repair is refused if they have changed since: so
            // no replica can publish an older state over a newer one.
            self.record =
                store::load_or_create(&self.client, namespace, Some(&self.record), now).await?;
            self.publish(now).await?;
            let step = plan::next_step(&self.situation(now));
            if step == Step::Keep || !self.take(step, now).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes a step; answers whether there may be another.
    async fn take(&mut self, step: Step, now: Timestamp) -> Result<bool, Error> {
        match step {
            Step::Keep => return Ok(false),
            Step::RenewLeaf => {
                self.leaf = self.record.issue(&self.options.names, now)?;
                self.served.swap(Arc::clone(&self.leaf.key));
                tracing::info!("Renewed the webhook's certificate");
                return Ok(true);
            }
            Step::Stage => {
                self.record.stage(pki::Authority::new(now)?)?;
                tracing::info!("Publishing a new CA of the webhook");
            }
            Step::Promote => {
                let wanted = self.record.bundle();
                let registration = &self.options.registration;
                let is_shown = bundle::is_shown(&self.client, registration, &wanted).await?;
                if !is_shown && now < self.record.current.life.end {
                    return Ok(false);
                }
                self.record.promote(now + pki::LEAF_LIFE + RETIRE_MARGIN);
                tracing::info!("The webhook's new CA signs from now on");
            }
            Step::Retire => {
                self.record.past = None;
                tracing::info!("The webhook's CAs of the past are no longer published");
            }
        }
        store::write(&self.client, &self.options.namespace, &self.record).await?;
        Ok(true)
    }

    /// Repairs the configurations where they do not show the bundle, and tells who waits for them.
    async fn publish(&mut self, now: Timestamp) -> Result<(), Error> {
        let wanted = self.record.bundle();
        if self.watched.compare(&wanted, now).is_some() {
            if self.leaf.issuer == self.record.current.fingerprint {
                self.published.send_if_modified(|published| {
                    let is_new = published.as_ref() != Some(&wanted);
                    *published = Some(wanted.clone());
                    is_new
                });
            }
            return Ok(());
        }
        if now < self.repairs.due() {
            return Ok(());
        }
        if self.repairs.made(now) >= SUSPICIOUS_REPAIRS {
            let next = self.repairs.due().duration_since(now).as_secs();
            tracing::warn!(
                next_seconds = next,
                "The caBundle of the webhook's configurations keeps being changed by somebody else; tell your \
                 deployment tool to ignore webhooks[*].clientConfig.caBundle"
            );
        }
        let registration = &self.options.registration;
        self.watched
            .repair(&self.client, registration, &wanted)
            .await
    }
}
