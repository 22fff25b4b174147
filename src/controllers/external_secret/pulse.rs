//! Sees to it that nothing stands still unnoticed: refreshes that do not come, and Secrets that grow
//! stale because their values cannot be confirmed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::runtime::reflector::ObjectRef;

use super::Worker;
use super::memory::{Due, Key, Memory};
use super::observe::Snapshot;
use super::status::Outcome;
use crate::api::v1::ExternalSecretStatus;
use crate::controllers::Context;

/// How often all objects are looked at.
const BEAT: Duration = Duration::from_secs(15);
/// How much later than planned any pass may be.
const SHORTEST_GRACE: SignedDuration = SignedDuration::from_mins(1);
/// Conditions written in one beat: when thousands are late, writing them all would make it worse.
const WRITES_PER_BEAT: usize = 20;

/// Notes when the next pass should begin; never, without a wait.
pub(super) fn note(context: &Context, snapshot: &Snapshot, wait: Option<Duration>) {
    let interval = snapshot.parsed.as_ref();
    let interval = interval.map_or(SignedDuration::ZERO, |spec| spec.refresh.interval);
    let due = wait.map(|wait| Due {
        at: context.now() + wait,
        grace: grace(interval),
    });
    context
        .memories
        .note(&snapshot.key, |memory| memory.due = due);
}

/// Expects nothing of an object that is another controller's.
pub(super) fn leave(context: &Context, key: &Key) {
    context.memories.note(key, |memory| memory.due = None);
}

/// When an object that was just met should have its first pass.
pub(super) fn first(now: Timestamp) -> Due {
    Due {
        at: now,
        grace: SHORTEST_GRACE,
    }
}

fn grace(interval: SignedDuration) -> SignedDuration {
    (interval / 10).max(SHORTEST_GRACE)
}

/// How late a pass is that should have begun long ago. What failed has its own condition.
fn lateness(memory: &Memory, now: Timestamp) -> Option<SignedDuration> {
    let due = memory.due?;
    let late = now.duration_since(due.at);
    (late > due.grace).then_some(late)
}

/// How long ago the values of an object that fails were last known to be right.
fn staleness(memory: &Memory, now: Timestamp) -> Option<SignedDuration> {
    let confirmed = memory.refreshed_at?;
    (memory.failures > 0).then(|| now.duration_since(confirmed))
}

/// When the values in the Secret were last known to be right: as remembered, else when it was last
/// written.
pub(super) fn confirmed(
    memory: &Memory,
    status: Option<&ExternalSecretStatus>,
) -> Option<Timestamp> {
    let status = status?;
    let synced = status.synced_resource_version.as_deref();
    let written = status.refresh_time.as_ref().map(|time| time.0);
    synced.filter(|version| !version.is_empty())?;
    memory.refreshed_at.or(written)
}

/// Looks at all objects every few seconds, for ever.
pub(super) async fn watch(worker: &Worker) {
    let mut beats = tokio::time::interval(BEAT);
    loop {
        beats.tick().await;
        beat(worker).await;
    }
}

async fn beat(worker: &Worker) {
    let context = &worker.context;
    let now = context.now();
    let (mut overdue, mut writes) = (0, 0);
    for (key, memory) in context.memories.all() {
        let (namespace, name) = (&key.0, &key.1);
        if let Some(stale) = staleness(&memory, now) {
            let seconds = stale.as_secs_f64();
            context.metrics.stale(namespace, name, seconds);
        }
        let Some(late) = lateness(&memory, now) else {
            context.metrics.on_time(namespace, name);
            continue;
        };
        overdue += 1;
        let seconds = late.as_secs_f64();
        context.metrics.overdue(namespace, name, seconds);
        if writes < WRITES_PER_BEAT && tell(worker, namespace, name, &memory).await {
            writes += 1;
        }
    }
    context.metrics.pulse(overdue, context.brake.holding());
}

/// Says in the condition that a refresh is overdue; answers whether that was news.
async fn tell(worker: &Worker, namespace: &str, name: &str, memory: &Memory) -> bool {
    let reference = ObjectRef::new(name).within(namespace);
    let cached = worker.caches.external_secrets.get(&reference);
    let object = cached.as_ref().and_then(|cached| cached.0.as_ref().ok());
    let (Some(object), Some(due)) = (object, memory.due) else {
        return false;
    };
    let at = due.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let text = format!("the refresh that was due at {at} is overdue");
    let told = super::write_status(object, worker, &Outcome::Remark { text }).await;
    if let Ok(true) = told {
        tracing::warn!(namespace, name, due = %at, "Refresh of ExternalSecret is overdue");
    }
    told.unwrap_or_else(|error| {
        tracing::warn!(namespace, name, error = %error, "Failed to tell that a refresh is overdue");
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_refresh_is_overdue_after_a_tenth_of_its_interval_and_no_sooner_than_a_minute() {
        let memory = |interval: i64| Memory {
            due: Some(Due {
                at: at(1000),
                grace: grace(SignedDuration::from_secs(interval)),
            }),
            ..Memory::default()
        };
        assert_eq!(lateness(&memory(10), at(1060)), None);
        let late = Some(SignedDuration::from_secs(61));
        assert_eq!(lateness(&memory(10), at(1061)), late);
        assert_eq!(lateness(&memory(3600), at(1360)), None);
        assert!(lateness(&memory(3600), at(1361)).is_some());
        assert_eq!(lateness(&Memory::default(), at(9_000_000)), None);
    }

    #[test]
    fn a_secret_is_stale_from_the_last_confirmation_while_its_object_fails() {
        let mut memory = Memory {
            refreshed_at: Some(at(1000)),
            ..Memory::default()
        };
        assert_eq!(staleness(&memory, at(1100)), None);
        memory.failures = 1;
        let stale = Some(SignedDuration::from_secs(100));
        assert_eq!(staleness(&memory, at(1100)), stale);
    }
}
