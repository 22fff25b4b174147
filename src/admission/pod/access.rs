//! May the pod read what it asks for?
//!
//! The store says who may use it and which keys; RBAC says which service account; what nobody can say
//! now is no refusal, for the reconciler asks again before anything is fetched.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::cluster::authorize::{StoreAccess, Verdict, role_binding};
use crate::model::secret_store::StoreId;
use crate::model::store_use::{self, Read, Reader, Refusal, StoreFacts};

use super::super::Webhook;
use super::plan::{Demand, Plan};

/// Why a pod is refused.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// It may not read; a text for each store.
    pub(super) forbidden: Vec<String>,
    /// A store is down, and the pod would rather not start.
    pub(super) down: Vec<String>,
}

/// Asks for every store once.
pub(super) async fn refusals(
    webhook: &Webhook,
    (namespace, account): (&str, &str),
    plan: &mut Plan<'_>,
    deny_on_error: bool,
    deadline: Instant,
) -> Refusals {
    let mut demands: BTreeMap<StoreId, Vec<Demand>> = BTreeMap::new();
    for demand in std::mem::take(&mut plan.demands) {
        demands
            .entry(demand.store.clone())
            .or_default()
            .push(demand);
    }
    let mut refusals = Refusals::default();
    for (store, demands) in demands {
        let title = format!("{} {}", store.kind.as_str(), store.name);
        match webhook.view.store(&store) {
            None => plan.warnings.push(format!(
                "{title} is not known here yet; the pod waits for it"
            )),
            Some(facts) => {
                let reader = (namespace, account);
                let said = by_store(webhook, &facts, reader, &demands, &mut plan.warnings);
                if let Err(reason) = said {
                    refusals.forbidden.push(format!("{title}: {reason}"));
                    continue;
                }
                let warnings = &mut plan.warnings;
                let covered = covered(webhook, &facts, reader, &demands, warnings, deadline).await;
                if !covered {
                    let down = while_down(webhook, &facts, namespace, &demands, deny_on_error);
                    let down = down.map(|text| format!("{title} {text}"));
                    refusals.down.extend(down);
                }
            }
        }
        let access = StoreAccess {
            namespace: namespace.to_owned(),
            account: account.to_owned(),
            kind: store.kind,
            store: store.name,
        };
        match verdict(webhook, &access, deadline).await {
            Verdict::Allowed => {}
            Verdict::Denied(reason) => {
                refusals.forbidden.push(refusal(&access, &demands, &reason));
            }
            Verdict::Unknown(reason) => plan.warnings.push(format!(
                "{title}: not known whether service account {account} may use it; the pod waits ({reason})"
            )),
        }
    }
    refusals
}

async fn verdict(webhook: &Webhook, access: &StoreAccess, deadline: Instant) -> Verdict {
    let answer = webhook.authorizer.may_use(access);
    let verdict = tokio::time::timeout_at(deadline.into(), answer).await;
    verdict.unwrap_or_else(|_| Verdict::Unknown("no answer in time".to_owned()))
}

/// Whether another store serves in the place of this one while it is down. One that the pod may not use
/// never does, which is told while the store is up.
async fn covered(
    webhook: &Webhook,
    facts: &StoreFacts,
    reader: (&str, &str),
    demands: &[Demand],
    warnings: &mut Vec<String>,
    deadline: Instant,
) -> bool {
    let mut is_covered = false;
    for id in &facts.fallbacks {
        let Some(facts) = webhook.view.store(id) else {
            warnings.push(format!("fallback {id} is not known here yet"));
            continue;
        };
        let mut unknown = Vec::new();
        let access = StoreAccess {
            namespace: reader.0.to_owned(),
            account: reader.1.to_owned(),
            kind: id.kind,
            store: id.name.clone(),
        };
        let why = match by_store(webhook, &facts, reader, demands, &mut unknown) {
            Err(why) => Some(why),
            Ok(()) if !unknown.is_empty() => Some(unknown.join("; ")),
            Ok(()) => match verdict(webhook, &access, deadline).await {
                Verdict::Allowed => None,
                Verdict::Denied(_) => Some(format!("service account {} may not use it", reader.1)),
                Verdict::Unknown(why) => Some(why),
            },
        };
        match why {
            None => is_covered |= facts.failure.is_none(),
            Some(why) => warnings.push(format!("fallback {id} is not for this pod: {why}")),
        }
    }
    is_covered
}

/// What the store itself says.
fn by_store(
    webhook: &Webhook,
    facts: &StoreFacts,
    (namespace, account): (&str, &str),
    demands: &[Demand],
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let needs_labels = !facts.conditions.is_empty();
    let labels = needs_labels.then(|| webhook.view.namespace_labels(namespace));
    let labels = labels.flatten();
    let reader = Reader {
        namespace,
        labels: labels.as_ref(),
        account,
    };
    for demand in demands {
        let reads = demand.reads.iter();
        let reads: Vec<Read<'_>> = reads
            .map(|key| key.as_deref().map_or(Read::Search, Read::Key))
            .collect();
        match store_use::check(facts, &webhook.controller_class, &reader, &reads) {
            Ok(()) => {}
            Err(Refusal::Never(reason)) => {
                return Err(format!("{} may not read it: {reason}", demand.asker));
            }
            Err(Refusal::Unknown(reason)) => {
                warnings.push(format!("{}: {reason}; the pod waits", demand.asker));
            }
        }
    }
    Ok(())
}

/// A pod with an optional use would start without the Secret as if there were none, and one with
/// `on-error: deny` does not want to wait.
fn while_down(
    webhook: &Webhook,
    facts: &StoreFacts,
    namespace: &str,
    demands: &[Demand],
    deny_on_error: bool,
) -> Option<String> {
    let failure = facts.failure.as_ref()?;
    let demand = demands.iter().find(|demand| {
        (deny_on_error || demand.is_optional) && !webhook.view.has_secret(namespace, &demand.secret)
    })?;
    let why = if demand.is_optional {
        "the use is optional, and the pod would start as if there were no such Secret"
    } else {
        "latchkey.dev/on-error is \"deny\""
    };
    Some(format!(
        "is not ready ({failure}) and there is no Secret yet for {}: {why}; try again when the store is \
         ready",
        demand.asker
    ))
}

fn refusal(access: &StoreAccess, demands: &[Demand], reason: &str) -> String {
    let StoreAccess {
        namespace,
        account,
        kind,
        store,
    } = access;
    let askers: Vec<&str> = demands.iter().map(|demand| &*demand.asker).collect();
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    };
    format!(
        "{} read {} {store}, which service account {account} of namespace {namespace} may not \
         use{reason}; to permit it, apply:\n{}",
        askers.join(", "),
        kind.as_str(),
        role_binding(access)
    )
}
