//! Points a pod at the Secrets its annotations ask for.

mod access;
mod inline;
mod memory;
mod patch;
mod plan;

use std::time::Instant;

use serde::Deserialize;

use crate::api::well_known::{ALIAS_PREFIX, POD_MODE_ANNOTATION};
use crate::model::complaint::{Complaint, Weight};
use crate::model::external_secret::ExternalSecret;
use crate::model::pod_injection::{self, Injection, Member, Pod, Source};

use super::review::{self, Answer, Operation, Request};
use super::{Webhook, templates};
use memory::AgentParts;
use plan::{Plan, Surroundings};

/// Namespace whose pods are never touched, so that the cluster itself can always start.
const SYSTEM_NAMESPACE: &str = "kube-system";
/// Annotation of a pod that mirrors a static one of a kubelet; it cannot use Secrets.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// A pod, borrowed from the body.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Object<'a>(#[serde(borrow)] Member<Pod<'a>>);

/// Reviews a pod; `body` is what the request was read from.
pub(crate) async fn review(
    webhook: &Webhook,
    request: &Request<'_, Object<'_>>,
    body: &[u8],
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
        (Operation::Update, Some(Object(old))) if old.agent().is_some() => {
            answer(pod, memory::restore(old, &review::old_object(body), pod))
        }
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
    let wrong = broken_templates(namespace, &injection);
    if !wrong.is_empty() {
        return Answer::denied("bad-annotation", sentence(&wrong));
    }
    let surroundings = Surroundings {
        namespace,
        keys: &webhook.keys,
        view: &*webhook.view,
    };
    let planned = if injection.settings.in_memory {
        in_memory(webhook, pod, &injection, &surroundings)
    } else {
        plan::create(pod, &injection, &surroundings)
    };
    let mut plan = match planned {
        Ok(plan) => plan,
        Err(complaints) => return Answer::denied("bad-annotation", sentence(&complaints)),
    };
    plan.warnings.extend(warnings(&injection, &plan));
    let reader = (namespace, pod.account());
    let deny_on_error = injection.settings.deny_on_error;
    let refused = access::refusals(webhook, reader, &mut plan, deny_on_error, deadline).await;
    if !refused.forbidden.is_empty() {
        Answer::denied("not-authorised", refused.forbidden.join("\n"))
    } else if !refused.down.is_empty() {
        Answer::unavailable("store-down", refused.down.join("\n"))
    } else {
        answer(pod, plan)
    }
}

fn in_memory<'p>(
    webhook: &Webhook,
    pod: &'p Pod<'_>,
    injection: &Injection,
    surroundings: &Surroundings<'_>,
) -> Result<Plan<'p>, Vec<Complaint>> {
    let unserved = |why: &str| vec![Complaint::error(POD_MODE_ANNOTATION, why)];
    let served = webhook.memory.as_ref().map_err(|why| unserved(why))?;
    let trust = (served.trust)()
        .ok_or_else(|| unserved("the webhook has no CA to give to agents yet; try again"))?;
    let parts = AgentParts {
        image: &served.image,
        server: &served.server,
        trust: &trust,
    };
    memory::create(pod, injection, surroundings, parts)
}

/// Templates of aliases that can never be rendered; what is wrong otherwise was told before.
fn broken_templates(namespace: &str, injection: &Injection) -> Vec<Complaint> {
    let mut wrong = Vec::new();
    for (alias, source) in &injection.aliases {
        let Source::Spec(spec) = source else {
            continue;
        };
        if spec
            .target
            .as_ref()
            .is_none_or(|target| target.template.is_none())
        {
            continue;
        }
        let Ok(parsed) = ExternalSecret::parse(namespace, alias, spec) else {
            continue;
        };
        wrong.extend(
            templates::complaints(&parsed)
                .into_iter()
                .map(|complaint| Complaint {
                    field: format!("{ALIAS_PREFIX}{alias}: {}", complaint.field),
                    ..complaint
                }),
        );
    }
    wrong
}

fn restore(webhook: &Webhook, namespace: &str, old: &Pod<'_>, pod: &Pod<'_>) -> Answer {
    let surroundings = Surroundings {
        namespace,
        keys: &webhook.keys,
        view: &*webhook.view,
    };
    answer(pod, plan::restore(old, pod, &surroundings))
}

fn answer(pod: &Pod<'_>, mut plan: Plan<'_>) -> Answer {
    let names: Vec<&str> = plan.secrets().collect();
    let reason = if names.is_empty() {
        "nothing-used"
    } else {
        "injected"
    };
    let answer = Answer::allowed(reason).audit_secrets(names.join(","));
    let answer = match patch::operations(pod, &mut plan) {
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
