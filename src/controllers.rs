//! Reconcile loops: observe, plan, apply.
//!
//! Each loop decides from caches in pure code and acts in thin code. Of Secrets only metadata is cached,
//! and only of those that latchkey wrote.

pub(crate) mod caches;
mod cluster_external_secret;
mod cluster_push_secret;
mod cluster_wide;
pub(crate) mod external_secret;
mod generated;
mod generator_state;
pub mod pod_injection;
pub(crate) mod push_secret;
pub(crate) mod repair;
mod schedule;
pub(crate) mod secret_store;
mod spread;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Client;
use kube::api::Api;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::generators::GeneratorState;
use crate::api::v1::{ClusterSecretStore, ExternalSecret, SecretStore};
use crate::api::v1alpha1::PushSecret;
use crate::api::well_known::MANAGED_LABEL;
use crate::cluster::authorize::Authorizer;
use crate::cluster::events::Events;
use crate::cluster::secret_object::Secrets;
use crate::cluster::secrets::SecretReader;
use crate::model::controller_class::ControllerClass;
use crate::providers::Registry;
use crate::telemetry::metrics::Metrics;

use caches::Caches;
use external_secret::{Brake, Consent, Lanes, Memories, Outages, Waker, Worker};

/// How often providers drop what they kept long enough.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// How controllers behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// Stores of another class are left alone.
    pub controller_class: ControllerClass,
    /// How often a store is validated that says nothing itself.
    pub store_interval: Duration,
    /// Passes under way at once, for each controller.
    pub concurrency: u16,
    /// Passes of ExternalSecrets under way at once, of all stores and of each.
    pub lanes: (usize, usize),
    /// How many objects may lose values within ten minutes before none does; 0 is any number.
    pub deletion_limit: usize,
    /// Whether objects of other kinds than Secret are kept.
    pub generic_targets: bool,
    /// Whether Secrets that nobody owns may be taken over without being asked, as ESO does.
    pub adopt_unowned: bool,
    /// How long replaced values of generators stay valid.
    pub generator_grace: Duration,
    /// Watches one namespace instead of all.
    pub namespace: Option<String>,
}

impl Options {
    /// Whether kinds of the cluster are served. They name no store, so that beside another controller
    /// nobody could tell whose they are.
    fn serves_cluster(&self) -> bool {
        self.namespace.is_none() && !self.controller_class.is_explicit()
    }
}

/// What all controllers share.
pub struct Context {
    /// Client of the API server.
    pub client: Client,
    /// Providers.
    pub registry: Arc<Registry>,
    /// Reads credentials.
    pub reader: Arc<dyn SecretReader>,
    /// Metrics.
    pub metrics: Metrics,
    /// Behaviour.
    pub options: Options,
    /// The present.
    pub clock: fn() -> Timestamp,
    /// Publishes Events.
    pub events: Events,
    /// Decides which service account may use which store.
    pub authorizer: Arc<dyn Authorizer>,
    objects: Secrets,
    memories: Memories,
    lanes: Lanes,
    outages: Outages,
    brake: Brake,
    consent: Consent,
}

impl Context {
    /// Joins what controllers share.
    #[must_use]
    pub fn new(
        client: Client,
        registry: Arc<Registry>,
        reader: Arc<dyn SecretReader>,
        metrics: Metrics,
        authorizer: Arc<dyn Authorizer>,
        options: Options,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self {
            events: Events::new(client.clone(), "external-secrets", "latchkey"),
            objects: Secrets::new(client.clone()),
            memories: Memories::default(),
            lanes: Lanes::new(options.lanes.0, options.lanes.1),
            outages: Outages::default(),
            brake: Brake::new(options.deletion_limit),
            consent: if options.adopt_unowned {
                Consent::Given
            } else {
                Consent::Asked
            },
            client,
            registry,
            reader,
            metrics,
            authorizer,
            options,
            clock,
        }
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// Runs every controller until `drain` resolves, then finishes the passes under way. `ready` is called
/// when all caches have their first list.
pub async fn run(
    context: Arc<Context>,
    injection: pod_injection::Options,
    drain: impl Future<Output = ()> + Send + 'static,
    ready: impl FnOnce() + Send,
) {
    let (queue, triggers) = unbounded();
    let (stores, store_queues) = secret_store::queues();
    let clustered = context.options.serves_cluster();
    let (wakers, wide, wide_watches) = clustered
        .then(|| cluster_wide::start(&context))
        .map_or_else(
            || (None, None, futures::future::pending().left_future()),
            |(wakers, queues, watches)| (Some(wakers), Some(queues), watches.right_future()),
        );
    let (pushes, push_cache, push_watch) = start_pushes(&context, wakers.clone());
    let (states, state_cache, state_watch) = start_states(&context);
    let (caches, watches) = start_watches(&context, &Waker::new(queue), stores, wakers.clone());
    let worker = Arc::new(Worker {
        context: Arc::clone(&context),
        caches: caches.clone(),
    });
    let drain = drain.shared();
    let work = async {
        if caches.ready().await {
            ready();
        }
        let objects = external_secret::run(worker, triggers.take_until(drain.clone()));
        let stores = secret_store::run(Arc::clone(&context), &caches, store_queues, drain.clone());
        let (findings, found) = unbounded();
        let own_namespace = injection.own_namespace.clone();
        let repair = repair::run(Arc::clone(&context), own_namespace, found, drain.clone());
        let pods = pod_injection::run(
            Arc::clone(&context),
            caches.clone(),
            injection,
            findings,
            drain.clone(),
        );
        let others = run_others(
            &context,
            &caches,
            (push_cache, pushes),
            (state_cache, states),
            wakers.zip(wide),
            drain.clone(),
        );
        Box::pin(futures::future::join5(
            objects, stores, pods, repair, others,
        ))
        .await;
    };
    tokio::select! {
        () = work => {}
        () = watches => {}
        () = wide_watches => {}
        _ = futures::future::join(push_watch, state_watch) => {}
        () = sweep(&context.registry) => {}
    }
}

/// Lets providers forget, for ever.
async fn sweep(registry: &Registry) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        registry.sweep();
    }
}

/// The controllers of PushSecrets and of the cluster-wide kinds.
async fn run_others(
    context: &Arc<Context>,
    caches: &Caches,
    (push_cache, pushes): (Store<watch::Guarded<PushSecret>>, Pushes),
    (state_cache, states): (Store<watch::Guarded<GeneratorState>>, States),
    wide: Option<(cluster_wide::Wakers, cluster_wide::Queues)>,
    drain: impl Future<Output = ()> + Clone + Send + 'static,
) {
    let worker = push_secret::Worker {
        context: Arc::clone(context),
        caches: caches.clone(),
        failures: std::sync::Mutex::default(),
        changed: push_secret::Changed::default(),
    };
    let pushes = push_secret::run(Arc::new(worker), push_cache, pushes, drain.clone());
    let worker = generator_state::Worker {
        context: Arc::clone(context),
        caches: caches.clone(),
        failures: std::sync::Mutex::default(),
    };
    let states = generator_state::run(Arc::new(worker), state_cache, states, drain.clone());
    let wide = async {
        if let Some((wakers, queues)) = wide {
            let worker = spread::Worker {
                context: Arc::clone(context),
                caches: caches.clone(),
            };
            cluster_wide::run(Arc::new(worker), wakers, queues, drain).await;
        }
    };
    futures::future::join3(pushes, states, wide).await;
}

/// The caches, and the future that fills them and wakes controllers.
fn start_watches(
    context: &Arc<Context>,
    waker: &Waker,
    stores: secret_store::Stores,
    wakers: Option<cluster_wide::Wakers>,
) -> (Caches, impl Future<Output = ()> + use<>) {
    let client = &context.client;
    let namespace = context.options.namespace.as_deref();
    let managed = format!("{MANAGED_LABEL}=true");
    let (external_secrets, changed_objects) =
        watch::objects::<ExternalSecret>(scoped(client, namespace));
    let (secret_stores, changed_stores) = watch::objects::<SecretStore>(scoped(client, namespace));
    let (cluster_secret_stores, changed_cluster_stores) =
        watch::objects::<ClusterSecretStore>(Api::all(client.clone()));
    let (secrets, changed_secrets) =
        watch::metadata::<Secret>(scoped(client, namespace), Some(&managed));
    let (namespaces, changed_namespaces) =
        watch::metadata::<Namespace>(Api::all(client.clone()), None);
    let caches = Caches {
        external_secrets,
        secret_stores,
        cluster_secret_stores,
        secrets,
        namespaces,
    };
    let makers = wakers.clone();
    let changed_objects = changed_objects.inspect(move |change| {
        if let Some(makers) = &makers {
            makers.external_secret_changed(change);
        }
    });
    let watches = futures::future::join5(
        external_secret::watch_external_secrets(
            Arc::clone(context),
            waker.clone(),
            changed_objects,
        ),
        external_secret::watch_secrets(waker.clone(), changed_secrets),
        secret_store::watch(
            Arc::clone(context),
            stores.namespaced,
            waker.clone(),
            changed_stores,
        ),
        secret_store::watch(
            Arc::clone(context),
            stores.cluster,
            waker.clone(),
            changed_cluster_stores,
        ),
        cluster_wide::watch_namespaces(wakers, changed_namespaces),
    );
    (caches, watches.map(|_| ()))
}

type Pushes = UnboundedReceiver<ObjectRef<watch::Guarded<PushSecret>>>;

/// The queue and the cache of PushSecrets, and the future that fills them.
fn start_pushes(
    context: &Context,
    wakers: Option<cluster_wide::Wakers>,
) -> (
    Pushes,
    Store<watch::Guarded<PushSecret>>,
    impl Future<Output = ()> + use<>,
) {
    let (sender, queue) = unbounded();
    let namespace = context.options.namespace.as_deref();
    let (cache, changes) = watch::objects::<PushSecret>(scoped(&context.client, namespace));
    let changes = changes.inspect(move |change| {
        if let Some(wakers) = &wakers {
            wakers.push_secret_changed(change);
        }
    });
    (
        queue,
        cache,
        push_secret::watch(context.metrics.clone(), sender, changes),
    )
}

type States = UnboundedReceiver<ObjectRef<watch::Guarded<GeneratorState>>>;

/// The queue and the cache of GeneratorStates, and the future that fills them.
fn start_states(
    context: &Context,
) -> (
    States,
    Store<watch::Guarded<GeneratorState>>,
    impl Future<Output = ()> + use<>,
) {
    let (sender, queue) = unbounded();
    let namespace = context.options.namespace.as_deref();
    let (cache, changes) = watch::objects::<GeneratorState>(scoped(&context.client, namespace));
    (queue, cache, generator_state::watch(sender, changes))
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
