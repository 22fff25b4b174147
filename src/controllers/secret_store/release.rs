//! Lets go of stores that are being deleted: ESO's finalizer on them would hold them, and their namespace, for ever
//! where ESO is gone.

use kube::api::{Api, ListParams};
use kube::{Resource, ResourceExt as _};

use crate::api::meta::StoreKind;
use crate::api::v1::{ClusterSecretStore, SecretStore};
use crate::api::v1alpha1::{PushSecret, PushSecretDeletionPolicy};
use crate::api::well_known::SECRET_STORE_FINALIZER;
use crate::cluster::finalizer::take_off;
use crate::cluster::request::{Error, bounded};
use crate::model::push_secret::store_of_key;
use crate::model::secret_store::StoreId;

/// What became of a store.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// Nothing of ours holds it.
    Gone,
    /// It holds until this PushSecret has taken back what it pushed there: namespace and name.
    Held(String, String),
}

/// Takes ESO's finalizer off a store that is being deleted, unless a PushSecret has still to take back what it
/// pushed there, for which it needs the store.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub(super) async fn release(
    client: &kube::Client,
    id: &StoreId,
    object: &impl Resource,
) -> Result<Release, Error> {
    let mut finalizers = object.finalizers().iter();
    if !finalizers.any(|name| name == SECRET_STORE_FINALIZER) {
        return Ok(Release::Gone);
    }
    let pushes = match id.kind {
        StoreKind::SecretStore => Api::namespaced(client.clone(), &id.namespace),
        StoreKind::ClusterSecretStore => Api::all(client.clone()),
    };
    let pushes: Vec<PushSecret> = match bounded(pushes.list(&ListParams::default())).await {
        Ok(list) => list.items,
        // Without the kind nothing was pushed.
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error),
    };
    if let Some((namespace, name)) = holder(id, &pushes) {
        return Ok(Release::Held(namespace, name));
    }
    match id.kind {
        StoreKind::SecretStore => {
            let stores: Api<SecretStore> = Api::namespaced(client.clone(), &id.namespace);
            take_off(&stores, object, SECRET_STORE_FINALIZER).await?;
        }
        StoreKind::ClusterSecretStore => {
            let stores: Api<ClusterSecretStore> = Api::all(client.clone());
            take_off(&stores, object, SECRET_STORE_FINALIZER).await?;
        }
    }
    Ok(Release::Gone)
}

/// The first PushSecret that removes from the store what it has pushed there.
fn holder(id: &StoreId, pushes: &[PushSecret]) -> Option<(String, String)> {
    let holds = |push: &&PushSecret| {
        let removes = push.spec.deletion_policy == Some(PushSecretDeletionPolicy::Delete);
        let namespace = push.namespace().unwrap_or_default();
        let status = push.status.as_ref();
        let pushed = status.map(|status| &status.synced_push_secrets);
        removes
            && pushed
                .into_iter()
                .flatten()
                .filter(|(_, entries)| !entries.is_empty())
                .any(|(key, _)| store_of_key(&namespace, key).as_ref() == Some(id))
    };
    let push = pushes.iter().find(holds)?;
    Some((push.namespace().unwrap_or_default(), push.name_any()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn push(policy: &str, pushed: &serde_json::Value) -> PushSecret {
        serde_json::from_value(json!({
            "apiVersion": "external-secrets.io/v1alpha1",
            "kind": "PushSecret",
            "metadata": {"namespace": "team", "name": "db"},
            "spec": {"deletionPolicy": policy, "secretStoreRefs": [{"name": "vault"}], "selector": {"secret": {"name": "db"}}},
            "status": {"syncedPushSecrets": pushed},
        }))
        .unwrap()
    }

    #[test]
    fn a_store_waits_for_what_must_be_taken_back_from_it() {
        let entry = json!({"remote/a": {"match": {"secretKey": "a", "remoteRef": {"remoteKey": "remote"}}}});
        let own = StoreId::new(StoreKind::SecretStore, "team", "vault");
        let there = json!({"SecretStore/vault": entry});
        let held = Some(("team".to_owned(), "db".to_owned()));
        assert_eq!(holder(&own, &[push("Delete", &there)]), held);
        assert_eq!(holder(&own, &[push("None", &there)]), None);
        let emptied = push("Delete", &json!({"SecretStore/vault": {}}));
        assert_eq!(holder(&own, &[emptied]), None);
        let elsewhere = StoreId::new(StoreKind::SecretStore, "other", "vault");
        assert_eq!(holder(&elsewhere, &[push("Delete", &there)]), None);
        let shared = StoreId::new(StoreKind::ClusterSecretStore, "", "vault");
        assert_eq!(holder(&shared, &[push("Delete", &there)]), None);
        let there = json!({"ClusterSecretStore/vault": entry});
        assert_eq!(holder(&shared, &[push("Delete", &there)]), held);
    }
}
