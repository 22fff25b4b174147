//! Objects of any kind that are kept in place of a Secret.
//!
//! They are written by server-side apply with a field manager for each ExternalSecret, so that fields of
//! others stay and fields that are not asked for any more go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Client, ResourceExt as _};
use serde_json::Value;

use crate::cluster::request::{Error, bounded};

/// A kind that the API server serves in namespaces.
pub struct Kind {
    api: Api<DynamicObject>,
}

/// An object as it stands.
#[derive(Debug)]
pub struct Standing {
    /// Identity of the object.
    pub uid: String,
    /// Version of the object.
    pub resource_version: String,
    /// Labels, annotations and owners.
    pub object: DynamicObject,
}

impl Standing {
    /// Its owner that is its controller.
    #[must_use]
    pub fn controller(&self) -> Option<&OwnerReference> {
        let owners = self.object.owner_references();
        owners.iter().find(|owner| owner.controller == Some(true))
    }

    /// Whether a field manager has set any of it.
    #[must_use]
    pub fn is_managed_by(&self, manager: &str) -> bool {
        let fields = self.object.metadata.managed_fields.iter().flatten();
        let mut managers = fields.filter_map(|entry| entry.manager.as_deref());
        managers.any(|found| found == manager)
    }
}

/// Looks a kind up; `None` where the API server does not serve it in namespaces.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn kind(
    client: &Client,
    namespace: &str,
    api_version: &str,
    kind: &str,
) -> Result<Option<Kind>, Error> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    let (resource, capabilities) = match bounded(pinned_kind(client, &kind)).await {
        Ok(found) => found,
        Err(error) if error.is_not_found() || error.code().is_none() => return Ok(None),
        Err(error) => return Err(error),
    };
    let served = capabilities.scope == Scope::Namespaced;
    Ok(served.then(|| Kind {
        api: Api::namespaced_with(client.clone(), namespace, &resource),
    }))
}

impl Kind {
    /// Reads an object; `None` where there is none.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    pub async fn read(&self, name: &str) -> Result<Option<Standing>, Error> {
        let found = bounded(self.api.get_opt(name)).await?;
        Ok(found.map(|object| Standing {
            uid: object.uid().unwrap_or_default(),
            resource_version: object.resource_version().unwrap_or_default(),
            object,
        }))
    }

    /// Applies an object as `manager`, whose fields win; answers its version.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    pub async fn apply(&self, name: &str, manager: &str, object: &Value) -> Result<String, Error> {
        let params = PatchParams::apply(manager).force();
        let applied = bounded(self.api.patch(name, &params, &Patch::Apply(object))).await?;
        Ok(applied.resource_version().unwrap_or_default())
    }

    /// Deletes an object if it is still the one that was read. A missing object is no error.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses; [`Error::is_conflict`] when the object has
    /// changed since.
    pub async fn delete(&self, name: &str, standing: &Standing) -> Result<(), Error> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(standing.uid.clone()),
                resource_version: Some(standing.resource_version.clone()),
            }),
            ..DeleteParams::default()
        };
        match bounded(self.api.delete(name, &params)).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}
