//! All reads of a pass that need no provider: the caches and the memory.

use jiff::Timestamp;
use kube::ResourceExt as _;

use super::Worker;
use super::memory::Key;
use super::plan::{Observed, TargetState, window_start};
use super::sources::Sources;
use crate::api::v1::{ExternalSecret, ExternalSecretStatus};
use crate::api::well_known::FORCE_SYNC_ANNOTATION;
use crate::cluster::secret_object::Version;
use crate::controllers::Context;
use crate::controllers::caches::Caches;
use crate::model::complaint::Complaint;
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

    /// How old values may be for the repair of a Secret that was tampered with: those of the present window.
    pub(super) fn window_start(&self, now: Timestamp) -> Timestamp {
        let spec = self.parsed.as_ref();
        spec.map_or(now, |spec| window_start(spec, now))
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
