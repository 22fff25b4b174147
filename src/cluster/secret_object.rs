//! Reading and writing the Secrets that latchkey keeps.
//!
//! A Secret is written whole: created, or replaced under the resourceVersion it was read at, with the
//! field manager that ESO uses. A server-side apply would leave keys that somebody else planted.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, OwnerReference};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams, Preconditions};
use kube::{Client, ResourceExt};

use crate::cluster::request::{Error, bounded};
use crate::secret::{SecretBytes, SecretMap};

/// An owner of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// For example `external-secrets.io/v1`.
    pub api_version: String,
    /// For example `ExternalSecret`.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// Identity of the owner.
    pub uid: String,
    /// Whether it is the one controller.
    pub controller: bool,
    /// Whether the owner's foreground deletion waits for the Secret.
    pub block_owner_deletion: bool,
}

/// What a Secret should be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Owners.
    pub owners: Vec<Owner>,
    /// Finalizers.
    pub finalizers: Vec<String>,
    /// Type; `None` keeps what is there.
    pub type_: Option<String>,
    /// Whether the API server refuses changes of the data.
    pub immutable: bool,
    /// The values.
    pub data: SecretMap,
}

impl Desired {
    /// A second copy, values included.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            owners: self.owners.clone(),
            finalizers: self.finalizers.clone(),
            type_: self.type_.clone(),
            immutable: self.immutable,
            data: self.data.duplicate(),
        }
    }
}

/// The keys that one field manager has set.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Managed {
    /// In the labels.
    pub labels: BTreeSet<String>,
    /// In the annotations.
    pub annotations: BTreeSet<String>,
    /// In the data.
    pub data: BTreeSet<String>,
}

/// A Secret as it was read.
pub struct Stored {
    /// Identity of the object.
    pub uid: String,
    /// Version of the object.
    pub resource_version: String,
    /// What it is.
    pub content: Desired,
    raw: Secret,
}

impl Stored {
    /// The keys that `manager` has set.
    #[must_use]
    pub fn managed_by(&self, manager: &str) -> Managed {
        let mut keys = Managed::default();
        let entries = self.raw.metadata.managed_fields.iter().flatten();
        for entry in entries.filter(|entry| entry.manager.as_deref() == Some(manager)) {
            keys.labels
                .extend(managed_keys(entry, &["f:metadata", "f:labels"]));
            keys.annotations
                .extend(managed_keys(entry, &["f:metadata", "f:annotations"]));
            keys.data.extend(managed_keys(entry, &["f:data"]));
        }
        keys
    }

    /// Whether the object is being deleted.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.raw.metadata.deletion_timestamp.is_some()
    }
}

/// Identity and version of a written Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Identity of the object.
    pub uid: String,
    /// Version of the object.
    pub resource_version: String,
}

/// Reads and writes Secrets.
#[derive(Clone)]
pub struct Secrets {
    client: Client,
}

impl Secrets {
    /// Uses `client` for every request.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Reads a Secret; `None` where there is none.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    pub async fn read(&self, namespace: &str, name: &str) -> Result<Option<Stored>, Error> {
        Ok(bounded(self.api(namespace).get_opt(name))
            .await?
            .map(stored))
    }

    /// Reads every Secret that a label selector matches, by name.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    pub async fn list(
        &self,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<(String, Stored)>, Error> {
        let params = ListParams::default().labels(selector);
        let found = bounded(self.api(namespace).list(&params)).await?;
        let named = found
            .items
            .into_iter()
            .map(|secret| (secret.name_any(), stored(secret)));
        Ok(named.collect())
    }

    /// Creates a Secret.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses; [`Error::is_conflict`] when it exists.
    pub async fn create(
        &self,
        namespace: &str,
        name: &str,
        manager: &str,
        desired: &Desired,
    ) -> Result<Version, Error> {
        let mut secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..Secret::default()
        };
        fill(&mut secret, desired);
        let params = written_by(manager);
        let api = self.api(namespace);
        Ok(version(&bounded(api.create(&params, &secret)).await?))
    }

    /// Replaces a Secret as it was read; what [`Desired`] does not cover stays.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses; [`Error::is_conflict`] when the Secret has
    /// changed since.
    pub async fn replace(
        &self,
        mut stored: Stored,
        manager: &str,
        desired: &Desired,
    ) -> Result<Version, Error> {
        fill(&mut stored.raw, desired);
        stored.raw.metadata.managed_fields = None;
        let name = stored.raw.name_any();
        let api = self.api(&stored.raw.namespace().unwrap_or_default());
        let params = written_by(manager);
        Ok(version(
            &bounded(api.replace(&name, &params, &stored.raw)).await?,
        ))
    }

    /// Deletes a Secret if it is still the one that was read. A missing Secret is no error.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses; [`Error::is_conflict`] when the Secret has
    /// changed since.
    pub async fn delete(
        &self,
        namespace: &str,
        name: &str,
        version: &Version,
    ) -> Result<(), Error> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(version.uid.clone()),
                resource_version: Some(version.resource_version.clone()),
            }),
            ..DeleteParams::default()
        };
        match bounded(self.api(namespace).delete(name, &params)).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    fn api(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

fn written_by(manager: &str) -> PostParams {
    PostParams {
        field_manager: Some(manager.to_owned()),
        ..PostParams::default()
    }
}

fn version(secret: &Secret) -> Version {
    Version {
        uid: secret.uid().unwrap_or_default(),
        resource_version: secret.resource_version().unwrap_or_default(),
    }
}

fn stored(mut raw: Secret) -> Stored {
    let Version {
        uid,
        resource_version,
    } = version(&raw);
    let data = raw.data.take().unwrap_or_default();
    let content = Desired {
        labels: raw.labels().clone(),
        annotations: raw.annotations().clone(),
        owners: raw.owner_references().iter().map(owner).collect(),
        finalizers: raw.finalizers().to_vec(),
        type_: raw.type_.clone(),
        immutable: raw.immutable.unwrap_or(false),
        data: data
            .into_iter()
            .map(|(key, value)| (key, SecretBytes::new(value.0)))
            .collect(),
    };
    Stored {
        uid,
        resource_version,
        content,
        raw,
    }
}

fn fill(secret: &mut Secret, desired: &Desired) {
    let present = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone());
    secret.metadata.labels = present(&desired.labels);
    secret.metadata.annotations = present(&desired.annotations);
    let owners: Vec<OwnerReference> = desired.owners.iter().map(owner_reference).collect();
    secret.metadata.owner_references = (!owners.is_empty()).then_some(owners);
    let finalizers = desired.finalizers.clone();
    secret.metadata.finalizers = (!finalizers.is_empty()).then_some(finalizers);
    if let Some(type_) = &desired.type_ {
        secret.type_ = Some(type_.clone());
    }
    secret.immutable = desired.immutable.then_some(true);
    let values = desired.data.iter();
    secret.data = Some(
        values
            .map(|(key, value)| (key.to_owned(), ByteString(value.expose().to_vec())))
            .collect(),
    );
}

fn owner(reference: &OwnerReference) -> Owner {
    Owner {
        api_version: reference.api_version.clone(),
        kind: reference.kind.clone(),
        name: reference.name.clone(),
        uid: reference.uid.clone(),
        controller: reference.controller.unwrap_or(false),
        block_owner_deletion: reference.block_owner_deletion.unwrap_or(false),
    }
}

fn owner_reference(owner: &Owner) -> OwnerReference {
    OwnerReference {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: owner.controller.then_some(true),
        block_owner_deletion: owner.block_owner_deletion.then_some(true),
    }
}

/// The keys below `path` in the field set of a managedFields entry.
fn managed_keys(entry: &ManagedFieldsEntry, path: &[&str]) -> BTreeSet<String> {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    let leaf = path
        .iter()
        .try_fold(fields, |fields, step| fields.map(|fields| fields.get(step)));
    let keys = leaf.flatten().and_then(|leaf| leaf.as_object());
    let keys = keys.into_iter().flat_map(|keys| keys.keys());
    keys.filter_map(|key| key.strip_prefix("f:"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_keys_of_one_manager_are_found() {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"managedFields": [
                {"manager": "ours", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {
                    "f:data": {".": {}, "f:a": {}, "f:tls.crt": {}},
                    "f:metadata": {"f:labels": {".": {}, "f:app/x": {}}, "f:annotations": {"f:note": {}}}}},
                {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {"f:theirs": {}}}}
            ]},
            "data": {"a": "Yg=="}
        }))
        .unwrap();
        let stored = stored(secret);
        let managed = stored.managed_by("ours");
        assert_eq!(
            managed.data,
            BTreeSet::from(["a".to_owned(), "tls.crt".to_owned()])
        );
        assert_eq!(managed.labels, BTreeSet::from(["app/x".to_owned()]));
        assert_eq!(managed.annotations, BTreeSet::from(["note".to_owned()]));
        assert_eq!(
            stored
                .content
                .data
                .get("a")
                .and_then(SecretBytes::expose_str),
            Some("b")
        );
    }
}
