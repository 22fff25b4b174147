//! The users' objects: stores and ExternalSecrets that are not ready, pods that were not injected.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, ListParams, PartialObjectMeta};
use kube::core::{ApiResource, DeserializeGuard};
use kube::{Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::check::Check;
use crate::api::meta::Condition;
use crate::api::v1::{ClusterSecretStore, ExternalSecret, SecretStore};
use crate::api::well_known::{CONDITION_READY, INJECTED_LABEL};
use crate::cli::listing::{PAGE, all};
use crate::cluster::injection_key;
use crate::cluster::request::{Error, bounded};
use crate::controllers::repair::plan::{Surroundings, asks, judge};
use crate::model::pod_injection::{self, KeyRing};

/// Troubles of one kind that get a line of their own.
const SHOWN: usize = 20;

/// Stores of both scopes.
pub(super) async fn stores(client: &Client) -> Vec<Check> {
    let remedy = "correct the store or its credentials; kubectl describe shows its history";
    let mut checks = conditions::<SecretStore>(client, "SecretStores", remedy, |store| {
        store
            .status
            .as_ref()
            .map(|status| status.conditions.as_slice())
    })
    .await;
    checks.extend(
        conditions::<ClusterSecretStore>(client, "ClusterSecretStores", remedy, |store| {
            store
                .status
                .as_ref()
                .map(|status| status.conditions.as_slice())
        })
        .await,
    );
    checks
}

/// ExternalSecrets.
pub(super) async fn external_secrets(client: &Client) -> Vec<Check> {
    let remedy = "the Secret stays as it was last synced until this is mended";
    conditions::<ExternalSecret>(client, "ExternalSecrets", remedy, |object| {
        object
            .status
            .as_ref()
            .map(|status| status.conditions.as_slice())
    })
    .await
}

async fn conditions<K>(
    client: &Client,
    check: &str,
    remedy: &str,
    conditions: impl Fn(&K) -> Option<&[Condition]>,
) -> Vec<Check>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<DeserializeGuard<K>> = Api::all(client.clone());
    let objects = match all(&api, ListParams::default()).await {
        Ok(objects) => objects,
        Err(error) => return vec![Check::unseen(check, error)],
    };
    let count = objects.len();
    let troubles = objects.into_iter().filter_map(|object| {
        let name = full_name(&object);
        let cause = match &object.0 {
            Ok(object) => unready(conditions(object).unwrap_or_default())?,
            Err(error) => format!("cannot be read: {}", error.error),
        };
        Some(format!("{name}: {cause}"))
    });
    summary(check, count, "ready", troubles.collect(), remedy)
}

/// Why an object is not ready, if so.
fn unready(conditions: &[Condition]) -> Option<String> {
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == CONDITION_READY);
    match ready {
        Some(ready) if ready.status == "True" => None,
        Some(ready) => Some(ready.message.clone().unwrap_or_default()),
        None => Some("nobody has looked at it yet; is the operator running?".to_owned()),
    }
}

/// One line a trouble, up to a number; one line where there is none.
fn summary(
    check: &str,
    count: usize,
    state: &str,
    troubles: Vec<String>,
    remedy: &str,
) -> Vec<Check> {
    if troubles.is_empty() {
        return vec![Check::ok(check, format!("all {count} are {state}"))];
    }
    let more = troubles.len().saturating_sub(SHOWN);
    let mut checks: Vec<Check> = troubles
        .into_iter()
        .take(SHOWN)
        .map(|trouble| Check::warn(check, trouble, remedy))
        .collect();
    if more > 0 {
        checks.push(Check::warn(check, format!("and {more} more"), ""));
    }
    checks
}

fn full_name(object: &impl kube::ResourceExt) -> String {
    match object.namespace() {
        Some(namespace) => format!("{namespace}/{}", object.name_any()),
        None => object.name_any(),
    }
}

/// Pods that ask for injection and were not injected.
pub(super) async fn pods(client: &Client, own_namespace: &str) -> Vec<Check> {
    let check = "Injected pods";
    match judged_pods(client, own_namespace).await {
        Ok((count, troubles)) => {
            let remedy = "delete the pod, so that its controller makes it anew";
            summary(check, count, "as they ask", troubles, remedy)
        }
        Err(error) => vec![Check::unseen(check, error)],
    }
}

async fn judged_pods(client: &Client, own_namespace: &str) -> Result<(usize, Vec<String>), Error> {
    let keys = injection_key::load(client, own_namespace)
        .await
        .ok()
        .flatten();
    let keys = keys.map(|keys| KeyRing::new(&keys.current, keys.previous.as_ref()));
    let metadata: Api<PartialObjectMeta<Pod>> = Api::all(client.clone());
    let others = ListParams::default().labels(&format!("{INJECTED_LABEL}!=true"));
    let mut pods = all(&dynamic(client, None), injected()).await?;
    for pod in annotated(&metadata, others).await? {
        let api = dynamic(client, pod.namespace().as_deref());
        pods.extend(bounded(api.get_opt(&pod.name_any())).await?);
    }
    pods.retain(|pod| {
        let phase = pod.data["status"]["phase"].as_str();
        !matches!(phase, Some("Succeeded" | "Failed"))
    });
    let troubles = pods.iter().filter_map(|pod| {
        let trouble = judge_pod(pod, own_namespace, keys.as_ref())?;
        Some(format!("{}: {trouble}", full_name(pod)))
    });
    Ok((pods.len(), troubles.collect()))
}

fn injected() -> ListParams {
    ListParams::default().labels(&format!("{INJECTED_LABEL}=true"))
}

fn dynamic(client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<Pod>(&());
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// The metadata of the pods that ask for injection, of all that match `page`.
async fn annotated(
    api: &Api<PartialObjectMeta<Pod>>,
    mut page: ListParams,
) -> Result<Vec<PartialObjectMeta<Pod>>, Error> {
    page = page.limit(PAGE);
    let mut found = Vec::new();
    loop {
        let list = bounded(api.list(&page)).await?;
        let asks_for =
            |pod: &PartialObjectMeta<Pod>| asks(pod.annotations().keys().map(String::as_str));
        found.extend(list.items.into_iter().filter(asks_for));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

fn judge_pod(pod: &DynamicObject, own_namespace: &str, keys: Option<&KeyRing>) -> Option<String> {
    let text = zeroize::Zeroizing::new(serde_json::to_string(pod).unwrap_or_default());
    let read = serde_json::from_str::<pod_injection::Pod<'_>>(&text).ok()?;
    let around = Surroundings {
        namespace: &pod.namespace().unwrap_or_default(),
        own_namespace,
        keys,
    };
    judge(&read, &pod.data["spec"], &around)
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn troubles_have_a_line_each_up_to_a_number() {
        let troubles = |n: usize| (0..n).map(|i| i.to_string()).collect();
        let good = summary("Stores", 3, "ready", troubles(0), "");
        assert_eq!(good, [Check::ok("Stores", "all 3 are ready")]);
        let bad = summary("Stores", 30, "ready", troubles(25), "mend it");
        assert_eq!((bad.len(), bad[0].status), (21, Status::Warn));
        assert_eq!(bad[20].detail, "and 5 more");
    }
}
