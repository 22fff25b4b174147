//! The fields that change when objects change hands. Pure.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Definition, Finding, Observed, Part, Role, Scope, StoreSeen, Verdict};
use crate::api::meta::StoreKind;
use crate::cli::migrate::change::{Change, Place, escaped};
use crate::model::secret_store::StoreId;

/// Helm's annotation on what outlives its release.
const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Whether one of ESO's controllers serves stores of a class.
pub(super) fn is_with_eso(observed: &Observed, class: &str) -> bool {
    let controllers = || {
        observed
            .parts
            .iter()
            .filter(|part| part.role == Role::Controller)
    };
    let served = controllers().any(|part| part.class == class);
    class.is_empty() || served || (controllers().next().is_none() && class == "default")
}

/// The CRDs that latchkey cannot work with.
pub(super) fn judge_definitions(observed: &Observed) -> Vec<Finding> {
    let unserved = observed.definitions.iter().filter(|crd| !crd.is_served);
    unserved
        .map(|crd| Finding {
            verdict: Verdict::Blocked,
            kind: "CustomResourceDefinition".to_owned(),
            namespace: String::new(),
            name: crd.name.clone(),
            reasons: vec![
                "it is missing, or serves no version that latchkey reads; apply latchkey's CRDs first: latchkey \
                 generate --dir DIR, then kubectl apply --server-side -f DIR/crds"
                    .to_owned(),
            ],
        })
        .collect()
}

/// The changes, in an order in which each moment is safe: first nothing can be lost, then nobody is
/// refused for want of ESO's webhook, then ESO stops, then latchkey starts. Undone backwards.
pub(super) fn changes(observed: &Observed, moving: &BTreeSet<StoreId>) -> Vec<Change> {
    if matches!(observed.scope, Scope::Namespace(_)) {
        let stores = observed.stores.iter();
        let moving = stores.filter(|store| moving.contains(&store.id));
        return moving.map(|store| claim(store, &observed.class)).collect();
    }
    let kept = observed.definitions.iter().filter_map(keep);
    let unconverted = observed.definitions.iter().filter_map(unconvert);
    let opened = observed.gates.iter().filter_map(open);
    let mut parts: Vec<&Part> = observed
        .parts
        .iter()
        .filter(|part| part.replicas > 0)
        .collect();
    parts.sort_by_key(|part| part.role);
    let stopped = parts.into_iter().map(|part| {
        let why = match part.role {
            Role::Controller => "ESO stops reconciling",
            Role::Certificates => "ESO stops making certificates",
            Role::Webhook => "ESO stops validating; latchkey does",
        };
        scale(&part.namespace, &part.name, part.replicas, 0, why)
    });
    let started = observed
        .own
        .iter()
        .filter(|own| own.replicas == 0)
        .map(|own| scale(&own.namespace, &own.name, 0, own.wanted, "latchkey starts"));
    let all = kept.chain(unconverted).chain(opened);
    all.chain(stopped).chain(started).collect()
}

/// ESO looks at a store's class before all else and leaves objects alone that use a foreign one.
fn claim(store: &StoreSeen, class: &str) -> Change {
    let id = &store.id;
    let namespaced = id.kind == StoreKind::SecretStore;
    Change {
        place: Place {
            api_version: "external-secrets.io/v1".to_owned(),
            kind: id.kind.as_str().to_owned(),
            namespace: namespaced.then(|| id.namespace.clone()),
            name: id.name.clone(),
        },
        field: "/spec/controller".to_owned(),
        before: (!store.class.is_empty()).then(|| json!(store.class)),
        after: Some(json!(class)),
        why: "ESO leaves the store and its users to latchkey".to_owned(),
    }
}

/// ESO's chart has its CRDs as plain templates: uninstalling it would delete them, every object with
/// them, and by the owner references every Secret.
fn keep(crd: &Definition) -> Option<Change> {
    crd.release.as_ref()?;
    let before = crd.resource_policy.clone();
    (before.as_deref() != Some("keep")).then(|| Change {
        place: definition(crd),
        field: format!("/metadata/annotations/{}", escaped(RESOURCE_POLICY)),
        before: before.map(Value::String),
        after: Some(json!("keep")),
        why: "an upgrade of ESO's release without its CRDs leaves them, and so every object and Secret"
            .to_owned(),
    })
}

/// The versions differ in nothing that would have to be converted.
fn unconvert(crd: &Definition) -> Option<Change> {
    let before = crd.conversion.clone()?;
    Some(Change {
        place: definition(crd),
        field: "/spec/conversion".to_owned(),
        before: Some(before),
        after: Some(json!({"strategy": "None"})),
        why: "objects can be read without ESO's webhook".to_owned(),
    })
}

fn definition(crd: &Definition) -> Place {
    Place {
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        namespace: None,
        name: crd.name.clone(),
    }
}

fn open(gate: &super::Gate) -> Option<Change> {
    (gate.failure_policy != "Ignore").then(|| Change {
        place: Place {
            api_version: "admissionregistration.k8s.io/v1".to_owned(),
            kind: "ValidatingWebhookConfiguration".to_owned(),
            namespace: None,
            name: gate.configuration.clone(),
        },
        field: format!("/webhooks/{}/failurePolicy", gate.position),
        before: Some(json!(gate.failure_policy)),
        after: Some(json!("Ignore")),
        why: format!(
            "{} no longer refuses objects when nobody answers",
            gate.name
        ),
    })
}

fn scale(namespace: &str, name: &str, before: i32, after: i32, why: &str) -> Change {
    Change {
        place: Place {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        },
        field: "/spec/replicas".to_owned(),
        before: Some(json!(before)),
        after: Some(json!(after)),
        why: why.to_owned(),
    }
}

/// What concerns no object alone.
pub(super) fn notes(observed: &Observed) -> Vec<String> {
    let mut notes = Vec::new();
    for crd in &observed.definitions {
        if !crd.unknown_stored.is_empty() {
            notes.push(format!(
                "CRD {} may hold objects stored as {}; rewrite them and take the version out of \
                 status.storedVersions before latchkey's CRDs are applied",
                crd.name,
                crd.unknown_stored.join(", ")
            ));
        }
    }
    match &observed.scope {
        Scope::Namespace(_) => notes.push(format!(
            "run latchkey with --controller-class={} --require-controller-class, so that it leaves the rest to ESO",
            observed.class
        )),
        Scope::Cluster => notes.extend(cluster_notes(observed)),
    }
    notes
}

fn cluster_notes(observed: &Observed) -> Vec<String> {
    let mut notes = Vec::new();
    let controllers: Vec<&Part> = observed
        .parts
        .iter()
        .filter(|part| part.role == Role::Controller)
        .collect();
    if controllers.is_empty() {
        notes.push("no Deployment of ESO's was found".to_owned());
    }
    let classes: BTreeSet<&str> = controllers.iter().map(|part| part.class.as_str()).collect();
    for class in classes.iter().filter(|class| **class != "default") {
        notes.push(format!(
            "run latchkey with --controller-class={class}, as ESO runs"
        ));
    }
    if classes.len() > 1 {
        notes.push("ESO runs with several classes; run one latchkey for each".to_owned());
    }
    match &observed.own {
        None => notes.push(
            "latchkey has no Deployment here; start it when this is done (--own-namespace, --deployment)".to_owned(),
        ),
        Some(own) if own.replicas > 0 => notes.push(format!(
            "Deployment {}/{} runs already, and reconciles beside ESO until ESO stops",
            own.namespace, own.name
        )),
        Some(_) => {}
    }
    let releases: BTreeSet<&str> = observed
        .definitions
        .iter()
        .filter_map(|crd| crd.release.as_deref())
        .collect();
    for release in releases {
        notes.push(format!(
            "the CRDs belong to Helm release {release}: before it is uninstalled, upgrade it with \
             installCRDs=false, else all objects and Secrets go with it"
        ));
    }
    notes
}
