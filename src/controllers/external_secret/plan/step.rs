//! Whether to fetch now, later or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Failure;
use crate::api::v1::{CreationPolicy, ExternalSecretStatus, RefreshPolicy};
use crate::api::well_known::{
    CREATED_BY_LABEL, DATA_HASH_ANNOTATION, FORCE_SYNC_ANNOTATION, MANAGED_LABEL,
};
use crate::cluster::secret_object::Version;
use crate::controllers::external_secret::lanes::Urgency;
use crate::controllers::external_secret::memory::Memory;
use crate::controllers::external_secret::status;
use crate::controllers::schedule::{spread, tick, until};
use crate::model::complaint::{Complaint, join};
use crate::model::external_secret::{ExternalSecret, Target};
use crate::model::hash;
use crate::model::secret_store::StoreId;

/// Objects synced for the first time share what was fetched this short a time ago.
const FIRST_SYNC_SHARE: SignedDuration = SignedDuration::from_secs(30);
/// Objects whose change asks for fresh values share what was fetched this short a time ago.
const CHANGE_SHARE: SignedDuration = SignedDuration::from_secs(1);
/// How long a store that was just made may take to be validated before its users complain.
const VALIDATION_GRACE: SignedDuration = SignedDuration::from_secs(5);
/// All that is known of an object without asking a provider.
pub(in crate::controllers::external_secret) struct Observed<'a> {
    /// The object, or what is wrong with it.
    pub parsed: Result<&'a ExternalSecret, &'a [Complaint]>,
    /// Its present resource version string.
    pub version: String,
    /// Its annotation that asks for new values.
    pub force_sync: Option<String>,
    /// What its status says.
    pub status: &'a ExternalSecretStatus,
    /// Its stores, in the order of use.
    pub stores: Vec<(StoreId, StoreState)>,
    /// Its Secret, as the cache of metadata has it.
    pub target: Option<TargetState>,
    /// What earlier passes remember.
    pub memory: Memory,
}

/// What is known of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controllers) enum StoreState {
    /// There is none of that name.
    Missing,
    /// It cannot be read; the text says why.
    Unreadable(String),
    /// Another controller serves it.
    Foreign,
    /// Its conditions do not admit the namespace; the text says so.
    Denied(String),
    /// It was made at this moment and has not been validated yet.
    Unvalidated(Timestamp),
    /// It was validated and does not work; the text is its condition's message.
    NotReady(String),
    /// It was validated and does not work, the text is its condition's message, and another store may serve
    /// in its place.
    Covered(String),
    /// It works.
    Ready,
}

/// Metadata of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controllers::external_secret) struct TargetState {
    /// The very object.
    pub version: Version,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controllers::external_secret) enum Step {
    /// Leave the object to another controller.
    Ignore,
    /// Nothing, until the wait is over; `None` is until something changes.
    Rest(Option<Duration>),
    /// Tell the user that the refresh which is due waits for the windows of the spec to open, at this
    /// moment if ever.
    Hold(Option<Timestamp>),
    /// Tell the user, and leave the Secret as it is.
    Refuse(Failure),
    /// Read the Secret and see whether somebody changed its data.
    Verify,
    /// Write what does not come from the stores again, with the values the Secret has: they were made,
    /// not fetched, and must not change.
    Keep,
    /// Fetch values that are at least as new as `not_before`.
    Fetch {
        /// Oldest acceptable moment of fetching.
        not_before: Timestamp,
    },
}

/// Decides on the next step.
pub(in crate::controllers::external_secret) fn next_step(
    observed: &Observed<'_>,
    now: Timestamp,
) -> Step {
    if observed
        .stores
        .iter()
        .any(|(_, state)| *state == StoreState::Foreign)
    {
        return Step::Ignore;
    }
    let object = match observed.parsed {
        Ok(object) => object,
        Err(complaints) => {
            return Step::Refuse(Failure::lasting(
                "the ExternalSecret cannot be served",
                join(complaints),
            ));
        }
    };
    let needed = match need(observed, object, now) {
        Need::Nothing(wait) => return Step::Rest(wait),
        Need::Windows(opening) => return Step::Hold(opening),
        Need::Look => return Step::Verify,
        Need::Same if pending_retry(observed, now).is_none() => return Step::Keep,
        Need::Same => return Step::Rest(pending_retry(observed, now).map(|at| until(now, at))),
        Need::Values(not_before) => not_before,
    };
    if let Some(retry_at) = pending_retry(observed, now) {
        return Step::Rest(Some(until(now, retry_at)));
    }
    match store_obstacle(observed, now) {
        Some(obstacle) => obstacle,
        None => Step::Fetch { not_before: needed },
    }
}

/// The wait for the next refresh of an object whose Secret is as it should be.
pub(in crate::controllers) fn rest_after_success(
    object: &ExternalSecret,
    now: Timestamp,
) -> Option<Duration> {
    let interval = object.refresh.interval;
    if !is_periodic(object) {
        return None;
    }
    let due = if object.generates() {
        now + interval
    } else {
        window_start(object, now) + interval + place(object)
    };
    // Where the windows are closed then, the object is told so, and waits for them to open.
    Some(until(now, due))
}

/// When the present refresh window of an object began. Objects of one store and interval share their
/// windows, and come one after the other within the first tenth of each.
pub(in crate::controllers) fn window_start(object: &ExternalSecret, now: Timestamp) -> Timestamp {
    let seed = object
        .entries
        .first()
        .and_then(|entry| entry.store.as_ref());
    tick(now - place(object), object.refresh.interval, &seed)
}

/// The object's place in its windows.
fn place(object: &ExternalSecret) -> SignedDuration {
    spread(object.refresh.interval, &(&object.namespace, &object.name))
}

fn is_periodic(object: &ExternalSecret) -> bool {
    let refresh = object.refresh;
    refresh.policy == RefreshPolicy::Periodic && refresh.interval > SignedDuration::ZERO
}

/// Whether the windows of the spec let a refresh pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    /// Until this moment, if not for ever.
    Closed(Option<Timestamp>),
}

fn gate(object: &ExternalSecret, now: Timestamp) -> Gate {
    match &object.windows {
        None => Gate::Open,
        Some(windows) => match windows.opening(now) {
            Some(opening) if opening == now => Gate::Open,
            opening => Gate::Closed(opening),
        },
    }
}

enum Need {
    Nothing(Option<Duration>),
    Windows(Option<Timestamp>),
    Look,
    Same,
    Values(Timestamp),
}

fn need(observed: &Observed<'_>, object: &ExternalSecret, now: Timestamp) -> Need {
    if object.generates() {
        return need_of_generated(observed, object, now);
    }
    let interval = object.refresh.interval;
    let latest_tick = window_start(object, now);
    let synced = observed.synced_version();
    let refreshed = observed
        .refreshed_at()
        .filter(|refreshed| *refreshed <= now);
    let once = interval <= SignedDuration::ZERO;
    let oldest = |share: SignedDuration| {
        if once {
            now - share
        } else {
            latest_tick.max(now - share)
        }
    };

    let changed = synced != Some(observed.version.as_str());
    let Some((_, refreshed)) = synced.zip(refreshed) else {
        return Need::Values(oldest(FIRST_SYNC_SHARE));
    };
    let asks_again = match object.refresh.policy {
        RefreshPolicy::CreatedOnce => false,
        RefreshPolicy::OnChange => changed,
        RefreshPolicy::Periodic => changed && !once,
    };
    if asks_again || observed.was_asked() {
        return Need::Values(now - CHANGE_SHARE);
    }
    let due = is_periodic(object) && refreshed < latest_tick;
    let gate = gate(object, now);
    if due && gate == Gate::Open {
        return Need::Values(latest_tick);
    }
    match drift(observed, &object.target) {
        Drift::Certain if once => Need::Values(now - FIRST_SYNC_SHARE),
        Drift::Certain => Need::Values(latest_tick),
        Drift::Possible => Need::Look,
        Drift::None => match gate {
            Gate::Closed(opening) if due => Need::Windows(opening),
            _ => Need::Nothing(rest_after_success(object, now)),
        },
    }
}

/// Made values change only when their interval is over, the spec changes, somebody forces it or the
/// Secret lost them; not by a restart, a lost write of the status or an edit of metadata.
fn need_of_generated(observed: &Observed<'_>, object: &ExternalSecret, now: Timestamp) -> Need {
    let interval = object.refresh.interval;
    let policy = object.refresh.policy;
    let synced = observed.synced_version();
    let Some((synced, refreshed)) = synced.zip(observed.refreshed_at()) else {
        return if observed.has_own_target(object) {
            Need::Same
        } else {
            Need::Values(now)
        };
    };
    let once = interval <= SignedDuration::ZERO;
    let heeds_changes = match policy {
        RefreshPolicy::CreatedOnce => false,
        RefreshPolicy::OnChange => true,
        RefreshPolicy::Periodic => !once,
    };
    let edited = generation(synced) != generation(&observed.version);
    if observed.was_asked() || (heeds_changes && (edited || observed.is_forced(object))) {
        return Need::Values(now);
    }
    let periodic = is_periodic(object);
    let due = refreshed.min(now) + interval;
    let (gate, is_due) = (gate(object, now), periodic && due <= now);
    if is_due && gate == Gate::Open {
        return Need::Values(now);
    }
    if heeds_changes && synced != observed.version {
        return Need::Same;
    }
    match drift(observed, &object.target) {
        Drift::Certain if observed.target.is_none() => Need::Values(now),
        Drift::Certain => Need::Same,
        Drift::Possible => Need::Look,
        Drift::None => match gate {
            Gate::Closed(opening) if is_due => Need::Windows(opening),
            _ => Need::Nothing(periodic.then(|| until(now, due))),
        },
    }
}

/// The generation in a resource version string.
fn generation(version: &str) -> &str {
    version.split('-').next().unwrap_or_default()
}

enum Drift {
    None,
    Possible,
    Certain,
}

/// Whether the Secret still is what was written. With policy Merge a missing Secret is somebody else's
/// to make, and only the next refresh looks again; with None there is nothing to keep. Objects of other
/// kinds are not watched.
fn drift(observed: &Observed<'_>, target: &Target) -> Drift {
    let creation = target.creation;
    let kept = !matches!(creation, CreationPolicy::None | CreationPolicy::Orphan);
    if !kept || target.manifest.is_some() {
        return Drift::None;
    }
    let Some(target) = &observed.target else {
        return if creation == CreationPolicy::Merge || observed.expects_no_target() {
            Drift::None
        } else {
            Drift::Certain
        };
    };
    let labelled = target
        .labels
        .get(MANAGED_LABEL)
        .is_some_and(|value| value == "true");
    let hash = target.annotations.get(DATA_HASH_ANNOTATION);
    match (&observed.memory.verified, hash) {
        (_, None) => Drift::Certain,
        _ if !labelled => Drift::Certain,
        (Some(verified), Some(hash)) if verified.data_hash != *hash => Drift::Certain,
        (Some(verified), _) if verified.version == target.version => Drift::None,
        _ => Drift::Possible,
    }
}

impl Observed<'_> {
    /// How urgent a pass is that asks a provider or the API server.
    pub(in crate::controllers::external_secret) fn urgency(&self) -> Urgency {
        let failed = self.memory.failed_version.as_deref() == Some(self.version.as_str());
        if failed && self.memory.failures > 0 {
            Urgency::Retry
        } else if self.synced_version().is_none() {
            Urgency::First
        } else if self.synced_version() != Some(self.version.as_str()) {
            Urgency::Change
        } else {
            Urgency::Refresh
        }
    }

    fn synced_version(&self) -> Option<&str> {
        let remembered = self.memory.synced_version.as_deref();
        remembered
            .or(self.status.synced_resource_version.as_deref())
            .filter(|version| !version.is_empty())
    }

    fn refreshed_at(&self) -> Option<Timestamp> {
        let remembered = self.memory.refreshed_at;
        remembered.or(self.status.refresh_time.as_ref().map(|time| time.0))
    }

    /// Whether the Secret was made for this very object.
    fn has_own_target(&self, object: &ExternalSecret) -> bool {
        let owner = hash::created_by(&object.namespace, &object.name);
        let target = self.target.as_ref();
        target.is_some_and(|target| target.labels.get(CREATED_BY_LABEL) == Some(&owner))
    }

    /// Whether somebody asked for new values by annotation since the object was met: that holds whatever
    /// the policy, where ESO lets some policies ignore it.
    fn was_asked(&self) -> bool {
        let seen = self.memory.force_seen.as_ref();
        self.force_sync
            .as_ref()
            .is_some_and(|asked| seen.is_some_and(|seen| seen != asked))
    }

    /// Whether somebody asked for new values by annotation: the Secret carries what was asked last.
    fn is_forced(&self, object: &ExternalSecret) -> bool {
        let served = self
            .target
            .as_ref()
            .filter(|_| object.target.creation != CreationPolicy::None);
        served.is_some_and(|target| {
            self.force_sync.is_some()
                && target.annotations.get(FORCE_SYNC_ANNOTATION) != self.force_sync.as_ref()
        })
    }

    /// Whether the last success left no Secret, by deletion policy.
    fn expects_no_target(&self) -> bool {
        let ready = self
            .status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        let reason = ready.and_then(|condition| condition.reason.as_deref());
        let retained_nothing = ready.is_some_and(|condition| {
            let message = condition.message.as_deref().unwrap_or_default();
            message.starts_with(status::RETAINED)
        });
        reason == Some(status::SECRET_DELETED) || retained_nothing
    }
}

/// The moment before which a failed object is not tried again, while nothing changed.
fn pending_retry(observed: &Observed<'_>, now: Timestamp) -> Option<Timestamp> {
    let same = observed.memory.failed_version.as_deref() == Some(observed.version.as_str());
    observed
        .memory
        .retry_at
        .filter(|retry_at| same && *retry_at > now)
}

fn store_obstacle(observed: &Observed<'_>, now: Timestamp) -> Option<Step> {
    observed.stores.iter().find_map(|(id, state)| {
        if let StoreState::Unvalidated(created) = state {
            let patience = *created + VALIDATION_GRACE;
            if now < patience {
                return Some(Step::Rest(Some(until(now, patience))));
            }
        }
        let cause = store_trouble(id, state)?;
        Some(Step::Refuse(Failure::passing(status::NO_DATA, cause)))
    })
}

/// Why nothing can be fetched from a store, as the user reads it.
pub(in crate::controllers) fn store_trouble(id: &StoreId, state: &StoreState) -> Option<String> {
    match state {
        StoreState::Ready | StoreState::Covered(_) => None,
        StoreState::Foreign => Some(format!("{id} is served by another controller class")),
        StoreState::Missing => Some(format!(
            "could not get {id}: not found; create it or correct secretStoreRef"
        )),
        StoreState::Unreadable(why) => Some(format!("could not read {id}: {why}")),
        StoreState::Denied(why) => Some(why.clone()),
        StoreState::NotReady(why) => Some(format!("{id} is not ready: {why}")),
        StoreState::Unvalidated(_) => {
            Some(format!("{id} is not ready: it has not been validated yet"))
        }
    }
}
