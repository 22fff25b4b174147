//! Writing one Secret of another cluster.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Map, Value, json};

use super::{Error, failed};
use crate::cluster::remote::sent;
use crate::secret::SecretMap;

/// Field manager of our writes.
const MANAGER: &str = "latchkey";

/// A change of one Secret; what it does not name stays.
#[derive(Debug, Default)]
pub struct Change {
    /// Values to set.
    pub set: SecretMap,
    /// Keys to remove.
    pub unset: Vec<String>,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Annotations to set.
    pub annotations: BTreeMap<String, String>,
    /// Type of a Secret that is made; empty is Opaque.
    pub type_: String,
}

/// Makes the Secret where `exists` is false, else merges the change into it.
pub(super) async fn write(
    api: &Api<Secret>,
    (namespace, name): (&str, &str),
    exists: bool,
    change: &Change,
) -> Result<(), Error> {
    let mut data: Map<String, Value> = Map::new();
    for (key, value) in change.set.iter() {
        data.insert(key.to_owned(), json!(STANDARD.encode(value.expose())));
    }
    let metadata =
        json!({"name": name, "labels": change.labels, "annotations": change.annotations});
    let action = format!("write Secret {namespace}/{name}");
    if exists {
        data.extend(change.unset.iter().map(|key| (key.clone(), Value::Null)));
        let patch = Patch::Merge(json!({"metadata": metadata, "data": data}));
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let written = sent(api.patch(name, &params, &patch)).await;
        return written.map(|_| ()).map_err(|error| failed(&action, error));
    }
    let kind = Some(change.type_.as_str())
        .filter(|kind| !kind.is_empty())
        .unwrap_or("Opaque");
    let secret = json!({"metadata": metadata, "data": data, "type": kind});
    let secret: Secret = serde_json::from_value(secret)
        .map_err(|_| Error::ReadAccess(format!("{name:?} cannot be the name of a Secret")))?;
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let made = sent(api.create(&params, &secret)).await;
    made.map(|_| ()).map_err(|error| failed(&action, error))
}

/// Deletes the Secret; none there is success.
pub(super) async fn delete(api: &Api<Secret>, namespace: &str, name: &str) -> Result<(), Error> {
    match sent(api.delete(name, &DeleteParams::default())).await {
        Err(error) if !error.is_not_found() => {
            Err(failed(&format!("delete Secret {namespace}/{name}"), error))
        }
        _ => Ok(()),
    }
}
