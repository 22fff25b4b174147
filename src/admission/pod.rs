//! Points a pod at the Secrets its annotations ask for.

mod patch;
mod plan;

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;

use crate::cluster::authorize::{StoreAccess, Verdict, role_binding};
use crate::model::complaint::{Complaint, Weight};
use crate::model::pod_injection::{self, Injection, Pod};

use super::Webhook;
use super::review::{Answer, Operation, Request};
use plan::{Demand, Plan, Surroundings};

/// Namespace whose pods are never touched, so that the cluster itself can always start.
const SYSTEM_NAMESPACE: &str = "kube-system";
/// Annotation of a pod that mirrors a static one of a kubelet; it cannot use Secrets.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// A pod, borrowed from the body.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Object<'a>(#[serde(borrow)] Pod<'a>);

/// Reviews a pod.
pub(crate) async fn review(
    webhook: &Webhook,
    request: &Request<'_, Object<'_>>,
    deadline: Instant,
) -> Answer {
    let Some(Object(pod)) = &request.object else {
        return Answer::allowed("no-object");
    };
    if let Some(reason) = skipped(webhook, request, pod) {
        return Answer::allowed(reason);
    }
    match (request.operation, &request.old_object) {
        (Operation::Create, _) => create(webhook, request.namespace(), pod, deadline).await,
        (Operation::Update, Some(Object(old))) => restore(webhook, request.namespace(), old, pod),
        _ => Answer::allowed("other-operation"),
    }
}

fn skipped(
    webhook: &Webhook,
    request: &Request<'_, Object<'_>>,
    pod: &Pod<'_>,
) -> Option<&'static str> {
    let namespace = request.namespace();
    if namespace == webhook.own_namespace || namespace == SYSTEM_NAMESPACE {
        return Some("system-namespace");
    }
    if pod.metadata.annotation(MIRROR_ANNOTATION).is_some() {
        return Some("mirror-pod");
    }
    let mut keys = pod.metadata.annotations().map(|(key, _)| key);
    let is_opted_in = pod_injection::is_opted_in(&mut keys);
    (!is_opted_in).then_some("not-annotated")
}

async fn create(webhook: &Webhook, namespace: &str, pod: &Pod<'_>, deadline: Instant) -> Answer {
    let injection = match pod_injection::parse(namespace, pod.metadata.annotations()) {
        Ok(injection) => injection,
        Err(complaints) => return Answer::denied("bad-annotation", sentence(&complaints)),
    };
    let surroundings = Surroundings {
        namespace,
        keys: &webhook.keys,
        targets: &*webhook.targets,
    };
    let mut plan = match plan::create(pod, &injection, &surroundings) {
        Ok(plan) => plan,
        Err(complaint) => return Answer::denied("bad-annotation", complaint.to_string()),
    };
    plan.warnings.extend(warnings(&injection, &plan));
    let refused = authorise(webhook, namespace, pod.account(), &mut plan, deadline).await;
    if refused.is_empty() {
        answer(pod, plan)
    } else {
        Answer::denied("not-authorised", refused.join("\n"))
    }
}

fn restore(webhook: &Webhook, namespace: &str, old: &Pod<'_>, pod: &Pod<'_>) -> Answer {
    let surroundings = Surroundings {
        namespace,
        keys: &webhook.keys,
        targets: &*webhook.targets,
    };
    answer(pod, plan::restore(old, pod, &surroundings))
}

fn answer(pod: &Pod<'_>, plan: Plan<'_>) -> Answer {
    let reason = if plan.names.is_empty() {
        "nothing-used"
    } else {
        "injected"
    };
    let names: Vec<&str> = plan.names.values().map(String::as_str).collect();
    let answer = Answer::allowed(reason).audit_secrets(names.join(","));
    let answer = match patch::operations(pod, &plan) {
        Some(patch) => answer.patched(patch),
        None => answer,
    };
    answer.warn_all(plan.warnings)
}

/// All complaints, one a line.
fn sentence(complaints: &[Complaint]) -> String {
    let texts: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

/// Remarks on the aliases that are used, and on the other annotations.
fn warnings(injection: &Injection, plan: &Plan<'_>) -> Vec<String> {
    let is_moot = |complaint: &&Complaint| {
        complaint.weight == Weight::Unserved
            && !plan
                .unused
                .iter()
                .any(|key| complaint.field.starts_with(key))
    };
    injection
        .remarks
        .iter()
        .filter(is_moot)
        .map(ToString::to_string)
        .collect()
}

/// Asks for every store once; returns what to tell whom it is refused.
async fn authorise(
    webhook: &Webhook,
    namespace: &str,
    account: &str,
    plan: &mut Plan<'_>,
    deadline: Instant,
) -> Vec<String> {
    let mut demands: BTreeMap<_, Vec<Demand<'_>>> = BTreeMap::new();
    for demand in std::mem::take(&mut plan.demands) {
        demands
            .entry(demand.store.clone())
            .or_default()
            .push(demand);
    }
    let mut refused = Vec::new();
    for (store, demands) in demands {
        let access = StoreAccess {
            namespace: namespace.to_owned(),
            account: account.to_owned(),
            kind: store.kind,
            store: store.name,
        };
        let answer = webhook.authorizer.may_use(&access);
        let verdict = tokio::time::timeout_at(deadline.into(), answer).await;
        match verdict.unwrap_or_else(|_| Verdict::Unknown("no answer in time".to_owned())) {
            Verdict::Allowed => {}
            Verdict::Denied(reason) => refused.push(refusal(&access, &demands, &reason)),
            Verdict::Unknown(reason) => plan.warnings.push(format!(
                "{} {}: not known whether service account {account} may use it; the pod waits ({reason})",
                access.kind.as_str(),
                access.store
            )),
        }
    }
    refused
}

fn refusal(access: &StoreAccess, demands: &[Demand<'_>], reason: &str) -> String {
    let StoreAccess {
        namespace,
        account,
        kind,
        store,
    } = access;
    let places: Vec<String> = demands
        .iter()
        .map(|demand| format!("alias {} ({})", demand.alias, demand.place))
        .collect();
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    };
    format!(
        "{} read {} {store}, which service account {account} of namespace {namespace} may not \
         use{reason}; to permit it, apply:\n{}",
        places.join(", "),
        kind.as_str(),
        role_binding(access)
    )
}
