//! A webhook that has seen its pods' stores and accounts before, and counts whom it asks all the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use latchkey::admission::{Path, Reply, View, Webhook};
use latchkey::cluster::authorize::{AccessReviews, StoreAccess, StoreAuthorizer};
use latchkey::cluster::existence::{Existence, Named};
use latchkey::cluster::request::Error;
use latchkey::model::controller_class::ControllerClass;
use latchkey::model::pod_injection::KeyRing;
use latchkey::model::secret_store::{Store, StoreId};
use latchkey::model::store_use::StoreFacts;
use latchkey::providers::Registry;
use latchkey::secret::SecretBytes;
use latchkey::telemetry::metrics::Metrics;
use tokio::runtime::Runtime;

const LIMIT: Duration = Duration::from_secs(4);

/// Every store is there and ready, as are all Secrets.
struct Everything;

impl View for Everything {
    fn target_name(&self, _: &str, external_secret: &str) -> Option<String> {
        Some(external_secret.to_owned())
    }

    fn store(&self, _: &StoreId) -> Option<StoreFacts> {
        Some(StoreFacts::default())
    }

    fn whole_store(&self, _: &StoreId) -> Option<Arc<Store>> {
        None
    }

    fn namespace_labels(&self, _: &str) -> Option<BTreeMap<String, String>> {
        Some(BTreeMap::new())
    }

    fn has_secret(&self, _: &str, _: &str) -> bool {
        true
    }
}

/// The API server: whoever asks may, and is counted.
struct CountingApiServer(Arc<AtomicUsize>);

#[async_trait]
impl AccessReviews for CountingApiServer {
    async fn review(&self, _: &StoreAccess) -> Result<(bool, String), Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok((true, String::new()))
    }
}

#[async_trait]
impl Existence for CountingApiServer {
    async fn exists(&self, _: &Named) -> Option<bool> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Some(true)
    }
}

/// The webhook as it runs, down to the requests it would make.
pub(crate) struct Warm {
    webhook: Webhook,
    questions: Arc<AtomicUsize>,
    runtime: Runtime,
}

impl Warm {
    /// One that has not met any pod.
    pub(crate) fn new() -> Self {
        let questions = Arc::new(AtomicUsize::new(0));
        let api_server = Arc::new(CountingApiServer(Arc::clone(&questions)));
        let webhook = Webhook {
            keys: Arc::new(KeyRing::new(&SecretBytes::from("example key"), None)),
            view: Arc::new(Everything),
            existence: api_server.clone(),
            authorizer: Arc::new(StoreAuthorizer::new(api_server)),
            registry: Arc::new(Registry::default()),
            memory: Err("not served here".to_owned()),
            controller_class: ControllerClass::default(),
            own_namespace: "latchkey-system".to_owned(),
            metrics: Metrics::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime must start");
        Self {
            webhook,
            questions,
            runtime,
        }
    }

    /// Answers one review, from the bytes of the body to those of the answer. It must not wait: a review
    /// that waits for anything has asked somebody.
    pub(crate) fn answer(&self, body: &[u8]) -> Reply {
        let _context = self.runtime.enter();
        let reply = self.webhook.reply(Path::Mutate, body, LIMIT);
        reply.now_or_never().expect("a warm review must not wait")
    }

    /// Meets a pod for the first time, which may ask.
    pub(crate) fn meet(&self, body: &[u8]) -> Reply {
        let reply = self.webhook.reply(Path::Mutate, body, LIMIT);
        self.runtime.block_on(reply)
    }

    /// Questions to the API server until now.
    pub(crate) fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}
