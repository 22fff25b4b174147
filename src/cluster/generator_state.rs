//! Records of what generators made elsewhere: written before the values are used, deleted to have them
//! taken back.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::api::generators::{GeneratorState, GeneratorStateSpec};
use crate::api::well_known::{GENERATOR_OWNER_LABEL, GENERATOR_STATE_FINALIZER};
use crate::cluster::request::{Error, bounded};

/// What is recorded.
#[derive(Clone, Debug)]
pub struct Record {
    /// Namespace of the object that asked.
    pub namespace: String,
    /// The object that asked; the record goes with it.
    pub owner: OwnerReference,
    /// Value of the owner label: the object and the place in it.
    pub key: String,
    /// The generator as it was, whole.
    pub resource: Value,
    /// What it must know to take the values back.
    pub state: Value,
}

/// Records what was made; answers the record's name.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn create(client: &Client, record: Record) -> Result<String, Error> {
    let part = |at: &Value| at.as_str().unwrap_or_default().to_lowercase();
    let kind = part(&record.resource["kind"]);
    let prefix = format!("gen-{kind}-{}-", part(&record.resource["metadata"]["name"]));
    let mut object = GeneratorState::new(
        "",
        GeneratorStateSpec {
            garbage_collection_deadline: None,
            resource: record.resource,
            state: record.state,
        },
    );
    object.metadata.name = None;
    object.metadata.generate_name = Some(prefix);
    object.metadata.labels = Some([(GENERATOR_OWNER_LABEL.to_owned(), record.key)].into());
    object.metadata.owner_references = Some(vec![record.owner]);
    object.metadata.finalizers = Some(vec![GENERATOR_STATE_FINALIZER.to_owned()]);
    let api = api(client, &record.namespace);
    let made = bounded(api.create(&PostParams::default(), &object)).await?;
    Ok(made.name_any())
}

/// Gives the older records of a key a deadline; those that have one keep it.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn expire_others(
    client: &Client,
    namespace: &str,
    key: &str,
    newest: &str,
    deadline: Timestamp,
) -> Result<(), Error> {
    let api = api(client, namespace);
    let of_key = ListParams::default().labels(&format!("{GENERATOR_OWNER_LABEL}={key}"));
    let body = json!({"spec": {"garbageCollectionDeadline": Time(deadline)}});
    for other in bounded(api.list(&of_key)).await? {
        let name = other.name_any();
        if name == newest || other.spec.garbage_collection_deadline.is_some() {
            continue;
        }
        gone(bounded(api.patch(&name, &PatchParams::default(), &Patch::Merge(&body))).await)?;
    }
    Ok(())
}

/// Deletes a record, so that its values are taken back. One that is gone is no error.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn delete(client: &Client, namespace: &str, name: &str) -> Result<(), Error> {
    let deleted = api(client, namespace);
    gone(bounded(deleted.delete(name, &DeleteParams::default())).await)
}

/// Writes the finalizers of a record, unless it has changed since it was read.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn set_finalizer(
    client: &Client,
    object: &GeneratorState,
    wanted: bool,
) -> Result<(), Error> {
    let others = object.finalizers().iter();
    let others = others.filter(|name| *name != GENERATOR_STATE_FINALIZER);
    let mut finalizers: Vec<String> = others.cloned().collect();
    finalizers.extend(wanted.then(|| GENERATOR_STATE_FINALIZER.to_owned()));
    let version = object.resource_version();
    let body = json!({"metadata": {"finalizers": finalizers, "resourceVersion": version}});
    let api = api(client, &object.namespace().unwrap_or_default());
    let patch = Patch::Merge(&body);
    gone(bounded(api.patch(&object.name_any(), &PatchParams::default(), &patch)).await)
}

fn api(client: &Client, namespace: &str) -> Api<GeneratorState> {
    Api::namespaced(client.clone(), namespace)
}

fn gone<T>(answer: Result<T, Error>) -> Result<(), Error> {
    match answer {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
