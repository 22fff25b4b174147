//! Reading generators, of whichever kind, when they are used.

use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};
use serde_json::Value;

use crate::api::well_known::GENERATOR_GROUP;
use crate::cluster::request::{Error, bounded};

/// Kind of a generator without namespace.
const CLUSTER_KIND: &str = "ClusterGenerator";

/// A generator as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorObject {
    /// Its spec; an empty object where it has none.
    pub spec: Value,
    /// Changes when the object is made anew.
    pub uid: String,
}

/// The generator `name` of `kind` in `namespace`, or the cluster-wide one of that name; `None` where
/// there is none.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn read(
    client: &Client,
    namespace: &str,
    kind: &str,
    name: &str,
) -> Result<Option<GeneratorObject>, Error> {
    let api = api(client, namespace, kind);
    let found = bounded(api.get_opt(name)).await?;
    Ok(found.map(|mut object| GeneratorObject {
        uid: object.uid().unwrap_or_default(),
        spec: match object.data.get_mut("spec") {
            Some(spec) => spec.take(),
            None => Value::Object(serde_json::Map::new()),
        },
    }))
}

/// The generators of `kind` that an object of `namespace` may name.
pub(super) fn api(client: &Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let kind_of = GroupVersionKind::gvk(GENERATOR_GROUP, "v1alpha1", kind);
    let plural = format!("{}s", kind.to_lowercase());
    let resource = ApiResource::from_gvk_with_plural(&kind_of, &plural);
    if kind == CLUSTER_KIND {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    }
}
