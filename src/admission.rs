//! The admission webhook: it points pods at the Secrets their annotations ask for, and checks
//! ExternalSecrets, stores, PushSecrets and generators with the controllers' own parsers.
//!
//! A pod is answered from the object, the keys and caches; the only question it may ask is whether a
//! service account may use a store, and that answer is remembered. Of other objects it may be asked
//! whether what they name, and no cache holds, is there. Nothing is fetched for a review and nothing is
//! written: the reconciler acts when the object exists, and pods that keep values in memory come here for
//! them with their own token.

mod pod;
mod pod_secrets;
pub mod policy;
pub mod registration;
mod review;
mod server;
mod templates;
mod validate;
mod view;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cluster::authorize::Authorizer;
use crate::cluster::existence::Existence;
use crate::model::controller_class::ControllerClass;
use crate::model::pod_injection::KeyRing;
use crate::providers::Registry;
use crate::telemetry::metrics::Metrics;

pub use pod_secrets::{KubePods, PodSecrets, Pods, Unfetched, Values};
pub use server::{Bound, Error, Options, Tls};
pub use view::{View, Watched};

use review::{Answer, Request, Unreadable};

/// Answers reviews. A clone shares everything.
#[derive(Clone)]
pub struct Webhook {
    /// Keys under which the names of Secrets are made.
    pub keys: Arc<KeyRing>,
    /// What is known of the cluster.
    pub view: Arc<dyn View>,
    /// Stores of another class are not served.
    pub controller_class: ControllerClass,
    /// Decides who may use which store.
    pub authorizer: Arc<dyn Authorizer>,
    /// Check the stores that name them.
    pub registry: Arc<Registry>,
    /// Tells whether what an object names is there; asked for warnings alone, and never for a pod.
    pub existence: Arc<dyn Existence>,
    /// Namespace of this process; its pods are never touched, so that it can always start.
    pub own_namespace: String,
    /// Where reviews are counted.
    pub metrics: Metrics,
    /// Serves pods that keep values in memory, or why that is not possible here.
    pub memory: Result<Arc<PodSecrets>, String>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Mutation of a pod.
    Mutate,
    /// Validation of any other object.
    Validate,
}

impl Path {
    fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "/mutate",
            Self::Validate => "/validate",
        }
    }
}

/// The answer to a body: an HTTP status and a body of JSON.
#[derive(Debug)]
pub struct Reply {
    /// 200, or 400 where there is no review to answer; for an agent see [`Webhook::pod_secrets`].
    pub status: u16,
    /// An AdmissionReview, or a Status, or what an agent asked for.
    pub body: Vec<u8>,
}

impl Webhook {
    /// Answers the AdmissionReview in `body` within `limit`.
    ///
    /// Every review that has a uid is answered with that uid and status 200, also where the code behind
    /// it panics: then a pod is denied, for it would start without what it asked for, and any other
    /// object is allowed, for its controller checks it again.
    pub async fn reply(&self, path: Path, body: &[u8], limit: Duration) -> Reply {
        let started = Instant::now();
        let (reply, code) = match path {
            Path::Mutate => self.mutate(body, started + limit).await,
            Path::Validate => self.validate(body, started + limit).await,
        };
        self.metrics
            .reviewed(path.as_str(), code, started.elapsed());
        reply
    }

    async fn mutate(&self, body: &[u8], deadline: Instant) -> (Reply, u16) {
        let request = match review::read::<pod::Object<'_>>(body) {
            Ok(request) => request,
            Err(unreadable) => return answer_unreadable(unreadable),
        };
        let work = pod::review(self, &request, body, deadline);
        let answer = match panic_caught(work).await {
            Ok(answer) => answer,
            Err(()) => {
                self.metrics.panicked("webhook");
                tracing::error!(uid = %request.uid.0, "Panicked at a pod");
                Answer::failed("latchkey failed at this pod; its log has the cause, try again")
            }
        };
        respond(&request, answer)
    }

    async fn validate(&self, body: &[u8], deadline: Instant) -> (Reply, u16) {
        let request = match review::read::<validate::Object>(body) {
            Ok(request) => request,
            Err(unreadable) => return answer_unreadable(unreadable),
        };
        let work = validate::review(self, &request, deadline);
        let answer = panic_caught(work).await.unwrap_or_else(|()| {
            self.metrics.panicked("webhook");
            tracing::error!(uid = %request.uid.0, resource = request.resource(), "Panicked at an object");
            Answer::allowed("panic")
                .warn("latchkey failed to check this object; its log has the cause")
        });
        respond(&request, answer)
    }
}

async fn panic_caught<T>(work: impl Future<Output = T>) -> Result<T, ()> {
    use futures::FutureExt as _;
    let caught = std::panic::AssertUnwindSafe(work).catch_unwind().await;
    caught.map_err(drop)
}

fn respond<O>(request: &Request<'_, O>, answer: Answer) -> (Reply, u16) {
    let code = answer.code();
    if code != 200 {
        tracing::info!(
            namespace = request.namespace(),
            resource = request.resource(),
            uid = %request.uid.0,
            reason = answer.reason,
            "Denied"
        );
    }
    let body = review::write(request.api_version, &request.uid.0, answer);
    (Reply { status: 200, body }, code)
}

fn answer_unreadable(unreadable: Unreadable) -> (Reply, u16) {
    match unreadable {
        Unreadable::Object {
            api_version,
            uid,
            problem,
        } => {
            let answer = Answer::invalid(format!("the object cannot be read: {problem}"));
            let body = review::write(api_version, &uid, answer);
            (Reply { status: 200, body }, 400)
        }
        Unreadable::Review(problem) => {
            let body = review::status(400, &problem);
            (Reply { status: 400, body }, 400)
        }
    }
}
