//! Taking finalizers off.

use std::fmt::Debug;

use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::request::{Error, bounded};

/// Takes a finalizer off an object as it was read; those of others stay. One that is not there, and an object
/// that is gone, are no error.
///
/// # Errors
/// When the API server cannot be reached or refuses, or the object's finalizers have changed meanwhile.
pub(crate) async fn take_off<K>(
    api: &Api<K>,
    object: &impl Resource,
    finalizer: &str,
) -> Result<(), Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut finalizers = object.finalizers().iter();
    let Some(position) = finalizers.position(|name| name == finalizer) else {
        return Ok(());
    };
    let path = format!("/metadata/finalizers/{position}");
    let patch = json!([
        {"op": "test", "path": path, "value": finalizer},
        {"op": "remove", "path": path}
    ]);
    let patch: json_patch::Patch = serde_json::from_value(patch).expect("the patch must be one");
    let params = PatchParams::default();
    match bounded(api.patch(&object.name_any(), &params, &Patch::Json::<()>(patch))).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
