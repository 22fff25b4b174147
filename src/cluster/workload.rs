//! Workloads: what keeps pods alive, and the two ways to make it replace them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::{Api, DeleteParams, DynamicObject, EvictParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::api::well_known::{RESTARTED_AT_ANNOTATION, RESTARTED_FOR_ANNOTATION};
use crate::cluster::request::{Error, bounded};
use crate::cluster::secret_object::Owner;

/// Group of the workloads whose template can be changed.
const GROUP: &str = "apps";
/// Field manager of restarts.
const MANAGER: &str = "latchkey";

/// A workload whose pods are replaced when its template changes.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Names it, for Events.
    pub reference: ObjectReference,
    /// What its template says it was last restarted for.
    pub restarted_for: Option<String>,
    /// When that was.
    pub restarted_at: Option<Timestamp>,
    resource: ApiResource,
    resource_version: String,
}

impl Workload {
    /// Kind of the workload.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.resource.kind
    }
}

/// What stands above the immediate controller of a pod.
#[derive(Clone, Debug)]
pub enum Climbed {
    /// A Deployment, StatefulSet or DaemonSet.
    Workload(Box<Workload>),
    /// Something whose pods a changed template does not replace; its kind.
    Other(String),
    /// It is gone, or going.
    Gone,
}

/// Climbs from the immediate controller of a pod to the workload that makes its template.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn climb(client: &Client, namespace: &str, owner: &Owner) -> Result<Climbed, Error> {
    let mut owner = owner.clone();
    if is_apps(&owner) && owner.kind == "ReplicaSet" {
        let Some(set) = read(client, namespace, &owner).await? else {
            return Ok(Climbed::Gone);
        };
        let above = set
            .owner_references()
            .iter()
            .find(|o| o.controller == Some(true));
        let Some(above) = above else {
            return Ok(Climbed::Other(owner.kind));
        };
        owner = Owner {
            api_version: above.api_version.clone(),
            kind: above.kind.clone(),
            name: above.name.clone(),
            uid: above.uid.clone(),
            controller: false,
            block_owner_deletion: false,
        };
    }
    let restarts = ["Deployment", "StatefulSet", "DaemonSet"];
    if !is_apps(&owner) || !restarts.contains(&owner.kind.as_str()) {
        return Ok(Climbed::Other(owner.kind));
    }
    let Some(object) = read(client, namespace, &owner).await? else {
        return Ok(Climbed::Gone);
    };
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Climbed::Gone);
    }
    Ok(Climbed::Workload(Box::new(workload(
        &owner, namespace, &object,
    ))))
}

fn is_apps(owner: &Owner) -> bool {
    owner.api_version.split('/').next() == Some(GROUP)
}

/// The object, if it is still the very one.
async fn read(
    client: &Client,
    namespace: &str,
    owner: &Owner,
) -> Result<Option<DynamicObject>, Error> {
    let api = Api::namespaced_with(client.clone(), namespace, &resource(owner));
    let object: Option<DynamicObject> = bounded(api.get_opt(&owner.name)).await?;
    Ok(object.filter(|object| object.uid().as_ref() == Some(&owner.uid)))
}

fn resource(owner: &Owner) -> ApiResource {
    let (group, version) = owner
        .api_version
        .split_once('/')
        .unwrap_or(("", &owner.api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &owner.kind))
}

fn workload(owner: &Owner, namespace: &str, object: &DynamicObject) -> Workload {
    let template = &object.data["spec"]["template"]["metadata"]["annotations"];
    let restarted_at = object.annotations().get(RESTARTED_AT_ANNOTATION);
    Workload {
        reference: ObjectReference {
            api_version: Some(owner.api_version.clone()),
            kind: Some(owner.kind.clone()),
            name: Some(owner.name.clone()),
            namespace: Some(namespace.to_owned()),
            uid: Some(owner.uid.clone()),
            ..ObjectReference::default()
        },
        restarted_for: template[RESTARTED_FOR_ANNOTATION]
            .as_str()
            .map(str::to_owned),
        restarted_at: restarted_at.and_then(|text| text.parse().ok()),
        resource: resource(owner),
        resource_version: object.resource_version().unwrap_or_default(),
    }
}

/// Makes a workload replace its pods, as `kubectl rollout restart` does: its template is annotated with
/// the `digest` of the values it is restarted for.
///
/// # Errors
/// When the API server cannot be reached or refuses; [`Error::is_conflict`] when the workload has changed
/// since it was read.
pub async fn restart(
    client: &Client,
    workload: &Workload,
    digest: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let reference = &workload.reference;
    let namespace = reference.namespace.as_deref().unwrap_or_default();
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), namespace, &workload.resource);
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let body: Value = json!({
        "metadata": {
            "resourceVersion": workload.resource_version,
            "annotations": {RESTARTED_AT_ANNOTATION: format!("{now:.0}")},
        },
        "spec": {"template": {"metadata": {"annotations": {RESTARTED_FOR_ANNOTATION: digest}}}},
    });
    let name = reference.name.as_deref().unwrap_or_default();
    bounded(api.patch(name, &params, &Patch::Merge(&body))).await?;
    Ok(())
}

/// Evicts the pod of this name and uid by the Eviction API, which honours PodDisruptionBudgets. Answers
/// whether it may go; a pod that is gone already may.
///
/// # Errors
/// When the API server cannot be reached or refuses for another reason than a budget.
pub async fn evict(client: &Client, namespace: &str, pod: &str, uid: &str) -> Result<bool, Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = EvictParams {
        delete_options: Some(DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        }),
        ..EvictParams::default()
    };
    match bounded(api.evict(pod, &params)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(true),
        Err(error) if error.code() == Some(429) => Ok(false),
        Err(error) => Err(error),
    }
}
