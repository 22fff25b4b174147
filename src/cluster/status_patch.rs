//! Writing the status of an object.

use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cluster::request::{Error, bounded};

/// Field manager of status writes.
const MANAGER: &str = "latchkey";

/// Replaces members of the status of a namespaced object by a merge patch on the status subresource.
/// An object that is gone is no error.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn patch_namespaced<K>(
    client: &Client,
    namespace: &str,
    name: &str,
    status: &impl Serialize,
) -> Result<(), Error>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    patch::<K>(&Api::namespaced(client.clone(), namespace), name, status).await
}

/// As [`patch_namespaced`], for a cluster-scoped object.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn patch_cluster<K>(
    client: &Client,
    name: &str,
    status: &impl Serialize,
) -> Result<(), Error>
where
    K: kube::Resource<Scope = ClusterResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    patch::<K>(&Api::all(client.clone()), name, status).await
}

async fn patch<K>(api: &Api<K>, name: &str, status: &impl Serialize) -> Result<(), Error>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let body = Patch::Merge(json!({ "status": status }));
    match bounded(api.patch_status(name, &params, &body)).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
