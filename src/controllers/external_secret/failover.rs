//! One store after the other, while those before are down.
//!
//! All entries of an object that name a store are answered by one store, so that values of two are never
//! mixed: where the store that is named cannot answer one of them, the next one is asked for them all. Only
//! what is down or throttles is passed over. A store that says that a value is not there, or may not be read,
//! has spoken, and what it says stands; and what a fallback lacks is never taken for deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;

use super::fetch::{Answered, EntryError, client, fetch_entry};
use super::memory::Key;
use super::plan::Failure;
use crate::cluster::events::Occurrence;
use crate::controllers::Context;
use crate::model::external_secret::{Entry, ExternalSecret};
use crate::model::failover::{Candidates, Fallback};
use crate::model::secret_store::{Store, StoreId};

/// How long a store that is down is passed over without being asked, unless it said how long to wait.
const PASSED_OVER: Duration = Duration::from_secs(30);
/// Longest time that a store is believed when it asks to wait.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A store that was passed over, and the one that served in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controllers) struct Detour {
    /// The store that is named.
    pub named: StoreId,
    /// The store that served.
    pub served: StoreId,
    /// Why the named one did not, and those between them.
    pub why: String,
}

impl Detour {
    /// What people are told.
    pub(super) fn told(&self) -> String {
        let Self { named, served, why } = self;
        format!("{named} is down, {served} served in its place: {why}")
    }
}

/// Which stores served in the place of which, as people are told.
pub(super) fn told(detours: &[Detour]) -> Option<String> {
    let told: Vec<String> = detours.iter().map(Detour::told).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// A failure, and which stores served in the place of others for the rest.
pub(super) fn also(mut failure: Failure, remark: Option<String>) -> Failure {
    if let Some(remark) = remark {
        failure.cause = format!("{}; {remark}", failure.cause);
    }
    failure
}

/// An Event when other stores serve than those that were told last.
pub(super) fn detour_event(context: &Context, key: &Key, detours: &[Detour]) -> Option<Occurrence> {
    let pairs = detours.iter();
    let pairs: Vec<_> = pairs
        .map(|detour| (detour.named.clone(), detour.served.clone()))
        .collect();
    let mut before = Vec::new();
    context.memories.note(key, |memory| {
        before = std::mem::replace(&mut memory.detours, pairs.clone());
    });
    if before == pairs {
        return None;
    }
    Some(match told(detours) {
        Some(told) => Occurrence::warning("FallbackServed", told),
        None => Occurrence::normal("StoreServesAgain", "the stores that are named serve again"),
    })
}

/// The stores with fallbacks that were found to be down a moment ago.
#[derive(Default)]
pub(crate) struct Outages(Mutex<HashMap<StoreId, Outage>>);

#[derive(Clone)]
struct Outage {
    uid: String,
    generation: i64,
    error: EntryError,
    until: Timestamp,
}

impl Outages {
    /// Why a store is not asked for now, if so.
    fn of(&self, store: &Store, now: Timestamp) -> Option<EntryError> {
        let outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outage = outages.get(&store.id)?;
        let is_same = outage.uid == store.uid && outage.generation == store.generation;
        (is_same && now < outage.until).then(|| outage.error.clone())
    }

    /// A store is down; answers whether that is news.
    fn note(&self, store: &Store, error: &EntryError, now: Timestamp) -> bool {
        let life = error.retry_after.unwrap_or(PASSED_OVER).min(LONGEST_WAIT);
        let outage = Outage {
            uid: store.uid.clone(),
            generation: store.generation,
            error: error.clone(),
            until: now + life,
        };
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outages.insert(store.id.clone(), outage).is_none()
    }

    /// A store answers; tells whether that is news.
    fn mend(&self, store: &Store) -> bool {
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outages.remove(&store.id).is_some()
    }
}

/// What the entries of one store came to, in their order.
pub(super) struct Asked {
    pub(super) answers: Vec<Answered>,
    pub(super) detour: Option<Detour>,
}

impl Asked {
    /// No entry has a value, all for the same reason.
    pub(super) fn refused(entries: &[&Entry], why: &str) -> Self {
        let answers = entries.iter().map(|_| Err(EntryError::invalid(why)));
        Self {
            answers: answers.collect(),
            detour: None,
        }
    }
}

/// Asks for `entries`, which all name the first of `candidates`.
pub(super) async fn ask(
    context: &Context,
    object: &ExternalSecret,
    candidates: &Candidates,
    entries: &[&Entry],
    not_before: Timestamp,
) -> Asked {
    let named = &candidates.store;
    let ask = |store| ask_one(context, object, store, entries, not_before);
    if candidates.fallbacks.is_empty() {
        let answers = ask(named).await;
        return Asked {
            answers,
            detour: None,
        };
    }
    let answers = ask_unless_down(context, named, entries.len(), ask(named)).await;
    let Some(outage) = outage(&answers) else {
        return Asked {
            answers,
            detour: None,
        };
    };
    let mut reasons = vec![outage.text.clone()];
    for fallback in &candidates.fallbacks {
        let store = match fallback {
            Fallback::Usable(store) => store,
            Fallback::Barred { why, .. } => {
                reasons.push(why.clone());
                continue;
            }
        };
        let answers = ask_unless_down(context, store, entries.len(), ask(store)).await;
        if let Some(down) = self::outage(&answers) {
            reasons.push(format!("fallback {}: {}", store.id, down.text));
            continue;
        }
        let detour = Detour {
            named: named.id.clone(),
            served: store.id.clone(),
            why: reasons.join("; "),
        };
        return served(context, detour, named, answers);
    }
    context.metrics.fell_back(provider(named), "exhausted");
    Asked {
        answers: exhausted(answers, &reasons[1..]),
        detour: None,
    }
}

/// The answers of a fallback: what it lacks is no news of what is named.
fn served(context: &Context, detour: Detour, named: &Store, answers: Vec<Answered>) -> Asked {
    let is_whole = answers.iter().all(Result::is_ok);
    let outcome = if is_whole { "served" } else { "refused" };
    context.metrics.fell_back(provider(named), outcome);
    let Detour { named, served, why } = &detour;
    let explained = |error: EntryError| EntryError {
        missing: false,
        until_change: false,
        text: format!(
            "{named} is down ({why}), and fallback {served}: {}",
            error.text
        ),
        ..error
    };
    let answers = answers
        .into_iter()
        .map(|answer| answer.map_err(explained))
        .collect();
    Asked {
        answers,
        detour: is_whole.then_some(detour),
    }
}

/// The answers of the named store, with what became of the others behind each failure.
fn exhausted(answers: Vec<Answered>, others: &[String]) -> Vec<Answered> {
    let others = others.join("; ");
    let explained = |error: EntryError| EntryError {
        text: format!("{}; {others}", error.text),
        ..error
    };
    let answers = answers.into_iter();
    answers.map(|answer| answer.map_err(explained)).collect()
}

/// The first failure, where all failures are of a store that is down or throttles.
fn outage(answers: &[Answered]) -> Option<&EntryError> {
    let mut failures = answers.iter().filter_map(|answer| answer.as_ref().err());
    let all_down = failures.clone().all(|failure| failure.is_down);
    failures.next().filter(|_| all_down)
}

/// The answers of a store, or its failure of a moment ago in their place.
async fn ask_unless_down(
    context: &Context,
    store: &Store,
    entries: usize,
    ask: impl Future<Output = Vec<Answered>>,
) -> Vec<Answered> {
    if let Some(error) = context.outages.of(store, context.now()) {
        return std::iter::repeat_n(error, entries).map(Err).collect();
    }
    let answers = ask.await;
    let id = &store.id;
    match outage(&answers) {
        Some(down) if context.outages.note(store, down, context.now()) => tracing::warn!(
            kind = id.kind.as_str(),
            namespace = id.namespace,
            name = id.name,
            reason = down.text,
            "Store is down, those in its place are asked"
        ),
        None if context.outages.mend(store) => tracing::info!(
            kind = id.kind.as_str(),
            namespace = id.namespace,
            name = id.name,
            "Store answers again"
        ),
        _ => {}
    }
    answers
}

async fn ask_one(
    context: &Context,
    object: &ExternalSecret,
    store: &Arc<Store>,
    entries: &[&Entry],
    not_before: Timestamp,
) -> Vec<Answered> {
    let client = match client(context, object, Arc::clone(store), not_before).await {
        Ok(client) => client,
        Err(error) => return std::iter::repeat_n(error, entries.len()).map(Err).collect(),
    };
    let client = client.as_ref();
    join_all(
        entries
            .iter()
            .map(|entry| fetch_entry(context, client, entry)),
    )
    .await
}

fn provider(store: &Store) -> &'static str {
    let configured = store.provider.configured();
    configured.first().copied().unwrap_or("none")
}
