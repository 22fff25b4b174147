//! Secrets that an ExternalSecret owned under another target name (ESO 2.9.0, `deleteOrphanedSecrets`).

use kube::ResourceExt as _;

use super::brake::{Loss, Verdict};
use super::observe::Snapshot;
use crate::api::v1::CreationPolicy;
use crate::api::well_known::{ALLOW_DELETION_ANNOTATION, CREATED_BY_LABEL};
use crate::cluster::events::Occurrence;
use crate::cluster::request::Error;
use crate::cluster::secret_object::Version;
use crate::controllers::Context;
use crate::controllers::caches::Caches;
use crate::model::hash;

/// What is left of earlier Secrets.
pub(super) enum Left {
    /// Nothing, with what to tell about it.
    Nothing(Option<Occurrence>),
    /// Some that the brake on mass deletion keeps.
    Some(Occurrence),
}

/// Deletes the Secrets that the object made under an earlier target name and still controls. Called
/// when the new Secret is in place.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub(super) async fn delete(
    context: &Context,
    caches: &Caches,
    snapshot: &Snapshot,
    allowed: Option<&str>,
) -> Result<Left, Error> {
    let Ok(spec) = &snapshot.parsed else {
        return Ok(Left::Nothing(None));
    };
    if spec.target.creation != CreationPolicy::Owner {
        return Ok(Left::Nothing(None));
    }
    let created_by = hash::created_by(&spec.namespace, &spec.name);
    let left_behind = caches.secrets.state_filter(|secret| {
        let controls = |owner: &k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference| {
            owner.controller == Some(true) && owner.uid == snapshot.uid
        };
        secret.namespace().as_ref() == Some(&spec.namespace)
            && secret.name_any() != spec.target.name
            && secret.labels().get(CREATED_BY_LABEL) == Some(&created_by)
            && secret.owner_references().iter().any(controls)
    });
    let mut occurrence = None;
    let allowed = allowed == Some("true");
    for secret in left_behind {
        let name = secret.name_any();
        if !allowed {
            let verdict = context.brake.ask(&snapshot.key, Loss::Part, context.now());
            if verdict == Verdict::Held {
                let note = format!(
                    "secret {name:?} is an orphan and stays: more objects than --deletion-limit would delete something at about \
                     the same time; annotate the ExternalSecret with {ALLOW_DELETION_ANNOTATION}=true if that is meant"
                );
                return Ok(Left::Some(Occurrence::warning("DeletionHeld", note)));
            }
        }
        let version = Version {
            uid: secret.uid().unwrap_or_default(),
            resource_version: secret.resource_version().unwrap_or_default(),
        };
        context
            .objects
            .delete(&spec.namespace, &name, &version)
            .await?;
        let note = format!("secret {name:?} deleted because it was orphaned");
        occurrence = Some(Occurrence::normal("Deleted", note));
    }
    Ok(Left::Nothing(occurrence))
}
