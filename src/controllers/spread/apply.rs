//! Performs what was planned: objects are written by server-side apply, so that labels of others stay.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Resource, ResourceExt as _};
use serde_json::json;

use super::Spread;
use super::plan::{Outcome, Plan};
use crate::api::well_known::FORCE_SYNC_ANNOTATION;
use crate::cluster::finalizer::take_off;
use crate::cluster::request::{Error, bounded};
use crate::controllers::Context;
use crate::controllers::caches::Caches;

/// Field manager of what is made.
const MANAGER: &str = "latchkey";

/// Removes and places objects; a namespace that fails does not stop the others.
///
/// # Errors
/// When an object that must go cannot be removed.
pub(super) async fn perform<K: Spread>(
    context: &Context,
    object: &K,
    name: &str,
    plan: Plan,
) -> Result<Outcome, Error> {
    for (namespace, name) in &plan.remove {
        remove(context, object, namespace, name).await?;
    }
    let mut outcome = Outcome {
        name: name.to_owned(),
        ..Outcome::default()
    };
    for namespace in plan.place {
        match place(context, object, &namespace, name).await {
            Ok(()) => outcome.provisioned.push(namespace),
            Err(reason) => {
                outcome.failed.insert(namespace, reason);
            }
        }
    }
    Ok(outcome)
}

fn children<K: Spread>(context: &Context, namespace: &str) -> Api<K::Child> {
    Api::namespaced(context.client.clone(), namespace)
}

fn is_owned<K: Spread>(object: &K, child: &K::Child) -> bool {
    let owners = child.meta().owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    controllers.any(|owner| Some(&owner.uid) == object.meta().uid.as_ref())
}

async fn remove<K: Spread>(
    context: &Context,
    object: &K,
    namespace: &str,
    name: &str,
) -> Result<(), Error> {
    let api = children::<K>(context, namespace);
    let found = bounded(api.get_opt(name)).await?;
    let Some(child) = found.filter(|child| is_owned(object, child)) else {
        return Ok(());
    };
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: child.uid(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match bounded(api.delete(name, &params)).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

async fn place<K: Spread>(
    context: &Context,
    object: &K,
    namespace: &str,
    name: &str,
) -> Result<(), String> {
    let api = children::<K>(context, namespace);
    let found = bounded(api.get_opt(name))
        .await
        .map_err(|error| error.to_string())?;
    if found.is_some_and(|child| !is_owned(object, &child)) {
        let kind = K::Child::kind(&());
        return Err(format!(
            "a {kind} {name:?} that is not ours already exists in the namespace"
        ));
    }
    let mould = object.mould();
    let mut annotations = mould.annotations;
    if let Some(forced) = object.annotations().get(FORCE_SYNC_ANNOTATION) {
        annotations.insert(FORCE_SYNC_ANNOTATION.to_owned(), forced.clone());
    }
    let owner = object.controller_owner_ref(&());
    let wanted = json!({
        "apiVersion": K::Child::api_version(&()),
        "kind": K::Child::kind(&()),
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": mould.labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": mould.spec,
    });
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(wanted);
    bounded(api.patch(name, &params, &patch))
        .await
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// Takes finalizers off that ESO left: without ESO nobody else would.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub(super) async fn release<K: Spread>(
    context: &Context,
    caches: &Caches,
    object: &K,
) -> Result<(), Error> {
    let api: Api<K> = Api::all(context.client.clone());
    take_off(&api, object, K::FINALIZER).await?;
    if K::NAMESPACE_FINALIZER.is_empty() {
        return Ok(());
    }
    let finalizer = format!("{}{}", K::NAMESPACE_FINALIZER, object.name_any());
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    for namespace in caches.namespaces.state() {
        take_off(&namespaces, &*namespace, &finalizer).await?;
    }
    Ok(())
}
