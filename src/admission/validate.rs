//! Checks the objects that controllers read with the controllers' own parsers.
//!
//! What can never work is denied. What the order explains in which things are applied is a warning: a
//! store, a Secret or a generator that is not there yet.

mod cluster_wide;
mod external_secret;
mod generator;
mod push_secret;
mod secret_store;

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Webhook;
use super::review::{Answer, Operation, Request};
use crate::api::well_known::{
    FALLBACK_STORES_ANNOTATION, KEY_SCOPE_ANNOTATION, MAX_REQUESTS_ANNOTATION,
};
use crate::cluster::existence::{Kind, Named};
use crate::model::complaint::{Complaint, Weight, join};
use crate::model::secret_store::{StoreId, admits_namespace};

/// Objects that an object names and whose existence is asked for, at most.
const ASKED: usize = 10;
/// Annotations of stores that are checked as their specs are.
const STORE_ANNOTATIONS: [&str; 3] = [
    KEY_SCOPE_ANNOTATION,
    FALLBACK_STORES_ANNOTATION,
    MAX_REQUESTS_ANNOTATION,
];
/// How long the answers may take; they are for warnings alone.
const PATIENCE: Duration = Duration::from_secs(1);

/// An object of any kind, as far as it matters here.
#[derive(Deserialize)]
pub(crate) struct Object {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    deletion_timestamp: Option<String>,
    #[serde(default)]
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

impl Object {
    fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.metadata.annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    fn spec<T: DeserializeOwned>(&self) -> Result<T, Findings> {
        T::deserialize(&self.spec)
            .map_err(|error| Findings::of(vec![Complaint::error("spec", error.to_string())]))
    }

    fn says_as(&self, old: &Self) -> bool {
        let same = |key: &&str| self.annotation(key) == old.annotation(key);
        self.spec == old.spec && STORE_ANNOTATIONS.iter().all(same)
    }
}

/// Where an object stands.
struct Place<'a> {
    /// Empty for an object of the cluster.
    namespace: &'a str,
    name: &'a str,
}

/// What was found in an object without asking anybody.
#[derive(Default)]
struct Findings {
    complaints: Vec<Complaint>,
    warnings: Vec<String>,
    /// What it names, by field.
    named: Vec<(String, Named)>,
}

impl Findings {
    fn of(complaints: Vec<Complaint>) -> Self {
        Self {
            complaints,
            ..Self::default()
        }
    }

    fn name(&mut self, field: impl Into<String>, kind: Kind, namespace: &str, name: &str) {
        let named = Named {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.named.push((field.into(), named));
    }
}

/// Denies what can never work, warns of what is not served or not there yet.
///
/// An update that leaves the spec alone, or of an object that is being deleted, always passes:
/// finalizers must come off and labels go on also where an older object is wrong.
pub(super) async fn review(
    webhook: &Webhook,
    request: &Request<'_, Object>,
    deadline: Instant,
) -> Answer {
    let Some(object) = &request.object else {
        return Answer::allowed("no-object");
    };
    if request.operation == Operation::Other || object.metadata.deletion_timestamp.is_some() {
        return Answer::allowed("not-checked");
    }
    let place = Place {
        namespace: request.namespace(),
        name: object.metadata.name.as_deref().unwrap_or(request.name()),
    };
    let Some(found) = find(webhook, request.resource(), &place, object) else {
        return Answer::allowed("not-checked");
    };
    let old = request.old_object.as_ref();
    let is_unchanged = old.is_some_and(|old| object.says_as(old));
    let (errors, remarks): (Vec<_>, Vec<_>) = found
        .complaints
        .into_iter()
        .partition(|complaint| complaint.weight == Weight::Error);
    let told = |complaints: &[Complaint]| -> Vec<String> {
        complaints.iter().map(ToString::to_string).collect()
    };
    match (errors.is_empty(), is_unchanged) {
        (false, false) => Answer::denied("invalid", join(&errors)),
        (false, true) => Answer::allowed("unchanged").warn_all(told(&errors)),
        (true, true) => Answer::allowed("unchanged").warn_all(told(&remarks)),
        (true, false) => {
            let absent = absent(webhook, &found.named, deadline).await;
            let answer = Answer::allowed("valid").warn_all(told(&remarks));
            answer.warn_all(found.warnings).warn_all(absent)
        }
    }
}

/// Looks at an object; `None` where its kind or class is not ours.
fn find(webhook: &Webhook, resource: &str, place: &Place<'_>, object: &Object) -> Option<Findings> {
    let found = match resource {
        "externalsecrets" => external_secret::find(webhook, place, object),
        "clusterexternalsecrets" => cluster_wide::external_secrets(webhook, place, object),
        "pushsecrets" => push_secret::find(webhook, place, object),
        "clusterpushsecrets" => cluster_wide::push_secrets(webhook, object),
        "secretstores" | "clustersecretstores" => {
            return secret_store::find(webhook, resource, place, object);
        }
        _ => return generator::find(webhook, object),
    };
    Some(found.unwrap_or_else(|unreadable| unreadable))
}

/// A warning for each named object that is not there. Who cannot say in time says nothing.
async fn absent(webhook: &Webhook, named: &[(String, Named)], deadline: Instant) -> Vec<String> {
    let known = named
        .iter()
        .filter(|(_, named)| !named.namespace.is_empty());
    let questions = known.take(ASKED).map(|(field, named)| async move {
        let exists = webhook.existence.exists(named).await;
        let Named { kind, name, .. } = named;
        (exists == Some(false)).then(|| {
            let kind = kind.as_str();
            format!("{field}: {kind} {name:?} does not exist yet; create it")
        })
    });
    let left = deadline.saturating_duration_since(Instant::now());
    let answers = tokio::time::timeout(left.min(PATIENCE), join_all(questions)).await;
    answers.unwrap_or_default().into_iter().flatten().collect()
}

/// What keeps an object of `namespace` from using a store as things are; from the caches alone.
fn store_trouble(webhook: &Webhook, namespace: &str, id: &StoreId) -> Option<String> {
    let Some(facts) = webhook.view.store(id) else {
        return Some(format!("{id} does not exist yet; create it"));
    };
    let class = facts.controller.as_deref().unwrap_or_default();
    if !webhook.controller_class.serves(Some(class)) {
        return Some(format!("{id} is left to controller class {class:?}"));
    }
    // An object of the cluster goes to many namespaces, which need not all be admitted.
    if !namespace.is_empty() {
        let labels = webhook.view.namespace_labels(namespace);
        let labels = labels.unwrap_or_default();
        if let Ok(false) = admits_namespace(&facts.conditions, namespace, &labels) {
            return Some(format!(
                "the spec.conditions of {id} do not admit namespace {namespace:?}"
            ));
        }
    }
    let failure = facts.failure?;
    Some(format!("{id} is not ready: {failure}"))
}
