//! What the hand-over does with each object, and the fields it changes, in the order in which it is safe.
//! Pure.

mod handover;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;

use super::change::Change;
use crate::api::meta::StoreKind;
use crate::api::well_known::DATA_HASH_ANNOTATION;
use crate::controllers::external_secret::Forecast;
use crate::model::secret_store::StoreId;

/// What is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The stores of one namespace, and the objects that use no others; both controllers run.
    Namespace(String),
    /// Everything; ESO stops.
    Cluster,
}

impl Scope {
    /// As people read it.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Namespace(namespace) => format!("namespace {namespace}"),
            Self::Cluster => "the cluster".to_owned(),
        }
    }
}

/// What was found in the cluster.
#[derive(Debug)]
pub(super) struct Observed {
    /// What is handed over.
    pub(super) scope: Scope,
    /// Class that stores are given where one namespace is handed over.
    pub(super) class: String,
    /// ExternalSecrets and PushSecrets of the scope.
    pub(super) objects: Vec<User>,
    /// Stores that objects of other namespaces use.
    pub(super) used_elsewhere: BTreeSet<StoreId>,
    /// Stores that may be used in the scope.
    pub(super) stores: Vec<StoreSeen>,
    /// ESO's Deployments.
    pub(super) parts: Vec<Part>,
    /// ESO's webhooks.
    pub(super) gates: Vec<Gate>,
    /// The CRDs.
    pub(super) definitions: Vec<Definition>,
    /// latchkey's Deployment, where there is one.
    pub(super) own: Option<Own>,
}

/// An object that uses stores.
#[derive(Clone, Debug)]
pub(super) struct User {
    /// ExternalSecret or PushSecret.
    pub(super) kind: &'static str,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// The stores it names.
    pub(super) stores: Vec<StoreId>,
    /// What of it latchkey does not serve.
    pub(super) faults: Vec<String>,
    /// What would become of its Secret; nothing for an object that has none.
    pub(super) forecast: Option<Forecast>,
}

/// A store.
#[derive(Clone, Debug)]
pub(super) struct StoreSeen {
    /// Which one.
    pub(super) id: StoreId,
    /// Its class; empty where it names none.
    pub(super) class: String,
    /// Why latchkey does not serve it, if so.
    pub(super) fault: Option<String>,
}

/// What a Deployment of ESO's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Reconciles.
    Controller,
    /// Makes certificates for the webhook.
    Certificates,
    /// Validates objects.
    Webhook,
}

/// A Deployment of ESO's.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Its replicas, as wanted.
    pub(super) replicas: i32,
    /// What it does.
    pub(super) role: Role,
    /// The class it serves.
    pub(super) class: String,
}

/// A webhook of ESO's.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    /// Name of the configuration.
    pub(super) configuration: String,
    /// Position in it.
    pub(super) position: usize,
    /// Its name.
    pub(super) name: String,
    /// What becomes of requests when nobody answers.
    pub(super) failure_policy: String,
}

/// A CRD.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// Its name.
    pub(super) name: String,
    /// Whether the API server serves the version latchkey reads.
    pub(super) is_served: bool,
    /// Versions in which objects may be stored and which latchkey's CRD does not have.
    pub(super) unknown_stored: Vec<String>,
    /// Its conversion, where a webhook converts.
    pub(super) conversion: Option<serde_json::Value>,
    /// The Helm release that owns it, as `namespace/name`.
    pub(super) release: Option<String>,
    /// Helm's annotation on whether it outlives the release.
    pub(super) resource_policy: Option<String>,
}

/// latchkey's Deployment.
#[derive(Clone, Debug)]
pub(super) struct Own {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Its replicas, as wanted.
    pub(super) replicas: i32,
    /// Replicas to give it.
    pub(super) wanted: i32,
}

/// How an object fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    /// latchkey cannot serve it as ESO does.
    Blocked,
    /// Its Secret would be written.
    Rewritten,
    /// It stays with whoever serves it now.
    Left,
    /// It is taken over and its Secret is not written.
    Unchanged,
}

impl Verdict {
    /// As people read it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "BLOCKED",
            Self::Rewritten => "REWRITE",
            Self::Left => "LEFT",
            Self::Unchanged => "OK",
        }
    }
}

/// What is said of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// How it fares.
    pub(super) verdict: Verdict,
    /// Its kind.
    pub(super) kind: String,
    /// Its namespace; empty for an object of the cluster.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Why, a sentence each; holds no value.
    pub(super) reasons: Vec<String>,
}

/// All that is to be done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Plan {
    /// The objects, the worst first.
    pub(super) objects: Vec<Finding>,
    /// The changes, in order.
    pub(super) changes: Vec<Change>,
    /// Things to know.
    pub(super) notes: Vec<String>,
}

impl Plan {
    /// How many objects fare so.
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        let alike = self.objects.iter().filter(|found| found.verdict == verdict);
        alike.count()
    }
}

/// Makes the plan. With `skip_blocked`, stores that a blocked object uses stay with ESO.
pub(super) fn plan(observed: &Observed, skip_blocked: bool) -> Plan {
    let mut moving = movable(observed);
    let mut objects = judge_all(observed, &moving);
    let skips = skip_blocked && matches!(observed.scope, Scope::Namespace(_));
    if skips {
        // Each store that stays may block further objects, and these hold further stores.
        loop {
            let before = moving.len();
            for (user, found) in &objects {
                if found.verdict == Verdict::Blocked {
                    moving.retain(|store| !user.stores.contains(store));
                }
            }
            if moving.len() == before {
                break;
            }
            objects = judge_all(observed, &moving);
        }
    }
    if skips {
        for (_, found) in &mut objects {
            if found.verdict == Verdict::Blocked {
                found.verdict = Verdict::Left;
            }
        }
    }
    let mut findings: Vec<Finding> = objects.into_iter().map(|(_, found)| found).collect();
    findings.extend(handover::judge_definitions(observed));
    findings.sort_by(|a, b| {
        let key = |found: &Finding| (found.verdict, found.namespace.clone(), found.name.clone());
        key(a).cmp(&key(b))
    });
    Plan {
        objects: findings,
        changes: handover::changes(observed, &moving),
        notes: handover::notes(observed),
    }
}

/// The stores that change hands: those that ESO serves and that nobody else needs.
fn movable(observed: &Observed) -> BTreeSet<StoreId> {
    let Scope::Namespace(namespace) = &observed.scope else {
        return BTreeSet::new();
    };
    let used = |id: &StoreId| observed.objects.iter().any(|user| user.stores.contains(id));
    let is_movable = |store: &&StoreSeen| match store.id.kind {
        StoreKind::SecretStore => store.id.namespace == *namespace,
        StoreKind::ClusterSecretStore => {
            used(&store.id) && !observed.used_elsewhere.contains(&store.id)
        }
    };
    let with_eso = |store: &&StoreSeen| handover::is_with_eso(observed, &store.class);
    let stores = observed.stores.iter().filter(with_eso).filter(is_movable);
    stores.map(|store| store.id.clone()).collect()
}

fn judge_all<'a>(observed: &'a Observed, moving: &BTreeSet<StoreId>) -> Vec<(&'a User, Finding)> {
    let users = observed.objects.iter();
    users
        .map(|user| {
            let (verdict, reasons) = judge(observed, user, moving);
            let finding = Finding {
                verdict,
                kind: user.kind.to_owned(),
                namespace: user.namespace.clone(),
                name: user.name.clone(),
                reasons,
            };
            (user, finding)
        })
        .collect()
}

fn judge(observed: &Observed, user: &User, moving: &BTreeSet<StoreId>) -> (Verdict, Vec<String>) {
    if let Some(reason) = left(observed, user) {
        return (Verdict::Left, vec![reason]);
    }
    let mut obstacles = user.faults.clone();
    let seen = |id: &StoreId| observed.stores.iter().find(|store| store.id == *id);
    for id in &user.stores {
        let fault = seen(id).and_then(|store| store.fault.as_ref());
        obstacles.extend(fault.map(|fault| format!("{}: {fault}", title(id))));
    }
    if matches!(observed.scope, Scope::Namespace(_)) {
        obstacles.extend(held(observed, user, moving));
    }
    if !obstacles.is_empty() {
        return (Verdict::Blocked, obstacles);
    }
    let mut reasons: Vec<String> = user
        .stores
        .iter()
        .filter(|id| seen(id).is_none())
        .map(|id| format!("{} does not exist; it fails under ESO as well", title(id)))
        .collect();
    let fails_already = !reasons.is_empty();
    let (verdict, more) = match &user.forecast {
        _ if fails_already => (Verdict::Unchanged, Vec::new()),
        None | Some(Forecast::Unchanged) => (Verdict::Unchanged, Vec::new()),
        Some(Forecast::Elsewhere) => (
            Verdict::Unchanged,
            vec![
                "its target is no Secret and is not compared; run latchkey with --unsafe-allow-generic-targets"
                    .to_owned(),
            ],
        ),
        Some(Forecast::Created) => (
            Verdict::Rewritten,
            vec!["its Secret does not exist and will be made".to_owned()],
        ),
        Some(Forecast::Deleted) => (
            Verdict::Rewritten,
            vec!["its Secret will be deleted, as its deletionPolicy asks".to_owned()],
        ),
        Some(Forecast::Rewritten(differences)) => (Verdict::Rewritten, told(differences)),
        Some(Forecast::Refused(why)) => (Verdict::Blocked, vec![why.clone()]),
        Some(Forecast::Unfetched(why)) => (
            Verdict::Unchanged,
            vec![format!("its values cannot be had, and its Secret stays: {why}")],
        ),
    };
    reasons.extend(more);
    (verdict, reasons)
}

/// The differences, and what the one of the hash means.
fn told(differences: &[String]) -> Vec<String> {
    let tampered = differences
        .iter()
        .any(|difference| difference.contains(DATA_HASH_ANNOTATION))
        && !differences
            .iter()
            .any(|difference| difference.starts_with("data "));
    let why = "its data is not what was written: somebody has changed it, and the stores' values come back";
    let explained = tampered.then(|| why.to_owned());
    explained
        .into_iter()
        .chain(differences.iter().cloned())
        .collect()
}

/// Why the object concerns neither controller of this hand-over, if so.
fn left(observed: &Observed, user: &User) -> Option<String> {
    let stores = observed.stores.iter();
    let mut named = stores.filter(|store| user.stores.contains(&store.id));
    let foreign = named.find(|store| {
        let ours = matches!(observed.scope, Scope::Namespace(_)) && store.class == observed.class;
        !ours && !handover::is_with_eso(observed, &store.class)
    })?;
    Some(format!(
        "{} is of controller class {:?}, which ESO does not serve here",
        title(&foreign.id),
        foreign.class
    ))
}

/// Why the object cannot change hands without the rest of the cluster.
fn held(observed: &Observed, user: &User, moving: &BTreeSet<StoreId>) -> Vec<String> {
    if user.stores.is_empty() {
        return vec![
            "it names no store, by which alone an object can be handed over; hand the cluster over"
                .to_owned(),
        ];
    }
    let stays = |id: &&StoreId| {
        let seen = observed.stores.iter().find(|store| store.id == **id);
        seen.is_some_and(|store| store.class != observed.class) && !moving.contains(*id)
    };
    let held = user.stores.iter().filter(stays).map(|id| {
        let why = if observed.used_elsewhere.contains(id) {
            "objects of other namespaces use it; give this namespace a store of its own, or hand the cluster over"
        } else {
            "an object that is blocked uses it"
        };
        format!("{} stays with ESO: {why}", title(id))
    });
    held.collect()
}

/// Kind and name of a store.
pub(super) fn title(id: &StoreId) -> String {
    format!("{} {}", id.kind.as_str(), id.name)
}
