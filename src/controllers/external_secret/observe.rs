//! All reads of a pass that need no provider: the caches and the memory.

use std::collections::HashMap;
use std::sync::Arc;

use kube::ResourceExt as _;

use super::Worker;
use super::memory::Key;
use super::plan::{Observed, StoreState, TargetState, store_trouble};
use crate::api::meta::StoreKind;
use crate::api::v1::{ExternalSecret, ExternalSecretSpec, ExternalSecretStatus};
use crate::api::well_known::FORCE_SYNC_ANNOTATION;
use crate::cluster::secret_object::Version;
use crate::controllers::Context;
use crate::controllers::caches::{CachedStore, Caches};
use crate::model::complaint::Complaint;
use crate::model::secret_store::{Store, StoreId, admits_namespace};
use crate::model::{external_secret, hash};

/// An ExternalSecret and all that the caches know around it.
pub(super) struct Snapshot {
    /// Namespace and name.
    pub key: Key,
    /// Identity.
    pub uid: String,
    /// The checked spec, or what is wrong with it.
    pub parsed: Result<external_secret::ExternalSecret, Vec<Complaint>>,
    /// The present resource version string.
    pub version: String,
    /// Its annotation that asks for new values.
    pub force_sync: Option<String>,
    /// What its status says.
    pub status: ExternalSecretStatus,
    /// The stores it names.
    pub sources: Sources,
    target: Option<TargetState>,
}

impl Snapshot {
    /// Reads the caches.
    pub(super) fn take(context: &Context, caches: &Caches, object: &ExternalSecret) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        let name = object.name_any();
        let target_name = external_secret::target_name(&name, &object.spec);
        let generation = object.metadata.generation.unwrap_or_default();
        let parsed = external_secret::ExternalSecret::parse(&namespace, &name, &object.spec);
        let allowed = context.options.generic_targets;
        Self {
            uid: object.uid().unwrap_or_default(),
            parsed: parsed.and_then(|spec| within_flags(spec, allowed)),
            version: hash::resource_version(generation, object.labels(), object.annotations()),
            force_sync: object.annotations().get(FORCE_SYNC_ANNOTATION).cloned(),
            status: object.status.clone().unwrap_or_default(),
            target: target_state(caches, &namespace, target_name),
            sources: Sources::of(context, caches, &namespace, &object.spec),
            key: (namespace, name),
        }
    }

    /// What the plan is made from.
    pub(super) fn observed(&self, context: &Context) -> Observed<'_> {
        Observed {
            parsed: self.parsed.as_ref().map_err(Vec::as_slice),
            version: self.version.clone(),
            force_sync: self.force_sync.clone(),
            status: &self.status,
            stores: self.sources.states.clone(),
            target: self.target.clone(),
            memory: context.memories.recall(&self.key),
        }
    }

    /// Whether the object is the one that was synced last, so that only the store can have changed.
    pub(super) fn is_as_synced(&self, context: &Context) -> bool {
        let remembered = context.memories.recall(&self.key).synced_version;
        let synced = remembered.or_else(|| self.status.synced_resource_version.clone());
        synced.as_ref() == Some(&self.version)
    }

    /// Whether values are made, not fetched.
    pub(super) fn generates(&self) -> bool {
        self.parsed
            .as_ref()
            .is_ok_and(external_secret::ExternalSecret::generates)
    }

    /// The Secret, as the cache of metadata has it.
    pub(super) fn target(&self) -> Option<&TargetState> {
        self.target.as_ref()
    }
}

fn within_flags(
    spec: external_secret::ExternalSecret,
    generic_targets: bool,
) -> Result<external_secret::ExternalSecret, Vec<Complaint>> {
    if spec.target.manifest.is_none() || generic_targets {
        return Ok(spec);
    }
    let message = "generic targets are disabled; run latchkey with --unsafe-allow-generic-targets";
    Err(vec![Complaint::error("spec.target.manifest", message)])
}

/// Whether the object is another controller's, of which there may be one beside us.
pub(super) fn is_of_another(object: &ExternalSecret, worker: &Worker) -> bool {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    worker.context.options.controller_class.is_explicit()
        && Sources::of(&worker.context, &worker.caches, namespace, &object.spec).are_of_another()
}

/// The stores that a spec names, as the caches have them.
pub(in crate::controllers) struct Sources {
    stores: HashMap<StoreId, Arc<Store>>,
    states: Vec<(StoreId, StoreState)>,
}

impl Sources {
    /// Looks the stores of a spec of `namespace` up.
    pub(in crate::controllers) fn of(
        context: &Context,
        caches: &Caches,
        namespace: &str,
        spec: &ExternalSecretSpec,
    ) -> Self {
        let mut stores = HashMap::new();
        let mut states = Vec::new();
        for id in external_secret::stores_named(namespace, spec) {
            let cached = caches.store(&id);
            if let Some(Ok(cached)) = &cached {
                stores.insert(id.clone(), Arc::clone(&cached.store));
            }
            let state = store_state(context, caches, namespace, cached);
            states.push((id, state));
        }
        Self { stores, states }
    }

    /// What providers need of the stores.
    pub(in crate::controllers) fn stores(&self) -> &HashMap<StoreId, Arc<Store>> {
        &self.stores
    }

    /// Whether a controller that serves its own class alone leaves the object to another one: it names a
    /// store of that one's, or none at all.
    pub(in crate::controllers) fn are_of_another(&self) -> bool {
        let foreign = |(_, state): &(_, StoreState)| *state == StoreState::Foreign;
        self.states.is_empty() || self.states.iter().any(foreign)
    }

    /// Why nothing can be fetched, if so.
    pub(in crate::controllers) fn trouble(&self) -> Option<String> {
        self.states
            .iter()
            .find_map(|(id, state)| store_trouble(id, state))
    }
}

fn target_state(caches: &Caches, namespace: &str, name: &str) -> Option<TargetState> {
    let secret = caches.secret(namespace, name)?;
    Some(TargetState {
        version: Version {
            uid: secret.uid().unwrap_or_default(),
            resource_version: secret.resource_version().unwrap_or_default(),
        },
        labels: secret.labels().clone(),
        annotations: secret.annotations().clone(),
    })
}

/// What is known of a store that an object of `namespace` names.
pub(in crate::controllers) fn store_state(
    context: &Context,
    caches: &Caches,
    namespace: &str,
    cached: Option<Result<CachedStore, String>>,
) -> StoreState {
    let cached = match cached {
        None => return StoreState::Missing,
        Some(Err(why)) => return StoreState::Unreadable(why),
        Some(Ok(cached)) => cached,
    };
    let class = &context.options.controller_class;
    if !class.serves(cached.spec.controller.as_deref()) {
        return StoreState::Foreign;
    }
    let id = &cached.store.id;
    if id.kind == StoreKind::ClusterSecretStore {
        let labels = caches.namespace_labels(namespace);
        match admits_namespace(&cached.spec.conditions, namespace, &labels) {
            Ok(true) => {}
            Ok(false) => {
                return StoreState::Denied(format!(
                    "using cluster store {:?} is not allowed from namespace {namespace:?}: denied by spec.condition",
                    id.name
                ));
            }
            Err(complaint) => return StoreState::Unreadable(complaint.to_string()),
        }
    }
    match cached.ready() {
        None => StoreState::Unvalidated(cached.created),
        Some(ready) if ready.status == "True" => StoreState::Ready,
        Some(ready) => StoreState::NotReady(ready.message.clone().unwrap_or_default()),
    }
}
