//! Wiring of the cluster-wide kinds: ClusterExternalSecrets and ClusterPushSecrets.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;

use super::spread::{self, Spread, Waker, Worker};
use super::watch::{self, Guarded};
use crate::api::v1::{ClusterExternalSecret, ExternalSecret};
use crate::api::v1alpha1::{ClusterPushSecret, PushSecret};
use crate::controllers::Context;

type Queue<K> = UnboundedReceiver<ObjectRef<Guarded<K>>>;

/// Wakes the cluster-wide objects.
#[derive(Clone)]
pub(crate) struct Wakers {
    external: Arc<Waker<ClusterExternalSecret>>,
    push: Arc<Waker<ClusterPushSecret>>,
}

/// Where the controllers take the objects to look at from.
pub(crate) struct Queues {
    external: Queue<ClusterExternalSecret>,
    push: Queue<ClusterPushSecret>,
}

/// The parts, and the future that fills their caches.
pub(crate) fn start(context: &Context) -> (Wakers, Queues, impl Future<Output = ()> + use<>) {
    let (external, external_queue, external_watch) = one::<ClusterExternalSecret>(context);
    let (push, push_queue, push_watch) = one::<ClusterPushSecret>(context);
    let queues = Queues {
        external: external_queue,
        push: push_queue,
    };
    let watches = async {
        futures::future::join(external_watch, push_watch).await;
    };
    (Wakers { external, push }, queues, watches)
}

fn one<K: Spread>(
    context: &Context,
) -> (Arc<Waker<K>>, Queue<K>, impl Future<Output = ()> + use<K>) {
    let (sender, queue) = unbounded();
    let (cache, changes) = watch::objects::<K>(Api::all(context.client.clone()));
    let waker = Arc::new(Waker {
        cache,
        queue: sender,
    });
    let following = spread::watch(context.metrics.clone(), Arc::clone(&waker), changes);
    (waker, queue, following)
}

/// Reconciles until `drain` resolves.
pub(crate) async fn run(
    worker: Arc<Worker>,
    wakers: Wakers,
    queues: Queues,
    drain: impl Future<Output = ()> + Clone + Send + 'static,
) {
    let external = spread::run(
        Arc::clone(&worker),
        wakers.external.cache.clone(),
        queues.external,
        drain.clone(),
    );
    let push = spread::run(worker, wakers.push.cache.clone(), queues.push, drain);
    futures::future::join(external, push).await;
}

impl Wakers {
    /// Wakes the maker of an ExternalSecret.
    pub(crate) fn external_secret_changed(&self, change: &Event<Guarded<ExternalSecret>>) {
        if let Event::Apply(object) | Event::Delete(object) = change {
            self.external.wake_owner(object);
        }
    }

    /// Wakes the maker of a PushSecret.
    pub(crate) fn push_secret_changed(&self, change: &Event<Guarded<PushSecret>>) {
        if let Event::Apply(object) | Event::Delete(object) = change {
            self.push.wake_owner(object);
        }
    }
}

/// Follows Namespaces: one that comes, goes or changes its labels may be selected or not any more.
pub(crate) async fn watch_namespaces(
    wakers: Option<Wakers>,
    changes: impl Stream<Item = Event<PartialObjectMeta<Namespace>>>,
) {
    let mut seen: HashMap<String, (bool, std::collections::BTreeMap<String, String>)> =
        HashMap::new();
    changes
        .for_each(|change| {
            let news = match change {
                Event::Apply(namespace) | Event::InitApply(namespace) => {
                    let going = namespace.metadata.deletion_timestamp.is_some();
                    let state = (going, namespace.labels().clone());
                    seen.insert(namespace.name_any(), state.clone()) != Some(state)
                }
                Event::Delete(namespace) => seen.remove(&namespace.name_any()).is_some(),
                Event::Init | Event::InitDone => false,
            };
            if let Some(wakers) = wakers.as_ref().filter(|_| news) {
                wakers.external.wake_all();
                wakers.push.wake_all();
            }
            std::future::ready(())
        })
        .await;
}
