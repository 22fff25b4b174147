//! Conditions of an ExternalSecret. Pure; the reasons and the messages are ESO's (2.9.0), with the
//! cause behind them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::meta::Condition;
use crate::api::v1::{Binding, ExternalSecretStatus};
use crate::api::well_known::CONDITION_READY;

/// Reason: the Secret is as it should be.
pub(super) const SECRET_SYNCED: &str = "SecretSynced";
/// Reason: the Secret was deleted as the policy asks.
pub(super) const SECRET_DELETED: &str = "SecretDeleted";
/// Reason: the Secret is somebody else's to make.
pub(super) const SECRET_MISSING: &str = "SecretMissing";
/// Reason: some of the Secret is as it should be.
pub(super) const PARTIALLY_SYNCED: &str = "SecretPartiallySynced";
/// Reason: the store has nothing any more, and too many objects would lose their Secrets.
pub(super) const DELETION_HELD: &str = "SecretDeletionHeld";
/// Reason: the Secret could not be made.
pub(super) const SECRET_SYNCED_ERROR: &str = "SecretSyncedError";

/// Reason: the object is as it should be.
pub(super) const RESOURCE_SYNCED: &str = "ResourceSynced";
/// Reason: the object was deleted as the policy asks.
pub(super) const RESOURCE_DELETED: &str = "ResourceDeleted";
/// Reason: the object is somebody else's to make.
pub(super) const RESOURCE_MISSING: &str = "ResourceMissing";
/// Reason: the object could not be made.
pub(super) const RESOURCE_SYNCED_ERROR: &str = "ResourceSyncedError";

/// Message of success with an object that is no Secret.
pub(super) const RESOURCE_IN_PLACE: &str = "resource synced";
/// Message when the provider has nothing and the policy is Delete.
pub(super) const RESOURCE_GONE: &str = "resource deleted due to DeletionPolicy=Delete";
/// Message when there is no object to merge into.
pub(super) const RESOURCE_NOT_CREATED: &str =
    "resource will not be created due to CreationPolicy=Merge";
/// Message of success.
pub(super) const SYNCED: &str = "secret synced";
/// Message when the provider has nothing and the policy is Retain.
pub(super) const RETAINED: &str = "secret retained due to DeletionPolicy=Retain";
/// Message when the provider has nothing and the policy is Delete.
pub(super) const DELETED: &str = "secret deleted due to DeletionPolicy=Delete";
/// Message when there is no Secret to merge into.
pub(super) const NOT_CREATED: &str = "secret will not be created due to CreationPolicy=Merge";
/// Summary when some entries could not be read and the object is content with the others.
pub(super) const PARTIAL: &str = "some keys could not be read and keep their last value";
/// Summary when a deletion is held back.
pub(super) const HELD: &str = "the values are gone from the store and stay in the Secret";
/// Summary of a failed fetch.
pub(super) const NO_DATA: &str = "could not get secret data from provider";
/// Summary of a failed write.
pub(super) const NOT_UPDATED: &str = "could not update secret";
/// Summary when another ExternalSecret owns the Secret.
pub(super) const OWNED_BY_ANOTHER: &str = "target is owned by another ExternalSecret";
/// Summary when the Secret is not ours to take.
pub(super) const NO_OWNERSHIP: &str = "failed to take ownership of target secret";

/// Longest message of a condition in bytes; it keeps a status with many failing keys readable.
const MESSAGE_LIMIT: usize = 4096;

/// What a pass came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The Secret is as it should be.
    Synced {
        /// Reason of the condition.
        reason: &'static str,
        /// Message of the condition.
        message: &'static str,
        /// Whether the Secret was written in this pass.
        written: bool,
        /// Name of the Secret, where there is one.
        target: Option<String>,
        /// The object's resource version string.
        version: String,
        /// What is to be said behind the message.
        remark: Option<String>,
    },
    /// It is as it should be, or was when it was last looked at; there is this to say beside.
    Remark {
        /// What.
        text: String,
    },
    /// It could not be made so.
    Failed {
        /// Reason of the condition.
        reason: &'static str,
        /// Message of the condition.
        message: String,
        /// When what is in the Secret was last known to be right, where it ever was.
        confirmed: Option<Timestamp>,
    },
}

/// What stands between a failure and the moment since which the Secret is stale.
const STALE_SINCE: &str = "; stale since ";

/// The status after a pass, or `None` where it says all of it already.
pub(super) fn next(
    old: &ExternalSecretStatus,
    outcome: &Outcome,
    now: Timestamp,
) -> Option<ExternalSecretStatus> {
    let mut status = old.clone();
    match outcome {
        Outcome::Synced {
            reason,
            message,
            written,
            target,
            version,
            remark,
        } => {
            let remark = remark.as_ref();
            let remark = remark.map_or_else(String::new, |text| format!("{REMARK}{text}"));
            let message = shortened(&format!("{message}{remark}"));
            set_ready(&mut status, true, reason, &message, now);
            let fresh = *written || status.synced_resource_version.as_ref() != Some(version);
            status.synced_resource_version = Some(version.clone());
            if let Some(name) = target {
                status.binding = Some(Binding { name: name.clone() });
            }
            if fresh || status.refresh_time.is_none() {
                status.refresh_time = Some(Time(now));
            }
        }
        Outcome::Remark { text } => {
            let ready = ready(old).filter(|ready| ready.status == "True")?;
            let reason = ready.reason.clone().unwrap_or_default();
            let message = ready.message.as_deref().unwrap_or_default();
            let message = message.split(REMARK).next().unwrap_or_default();
            let message = format!("{message}{REMARK}{text}");
            set_ready(&mut status, true, &reason, &message, now);
        }
        Outcome::Failed {
            reason,
            message,
            confirmed,
        } => {
            let mut message = shortened(message);
            if let Some(since) = told_stale_since(old).or(*confirmed) {
                let since = since.strftime("%Y-%m-%dT%H:%M:%SZ");
                message = format!("{message}{STALE_SINCE}{since}");
            }
            set_ready(&mut status, false, reason, &message, now);
        }
    }
    (status != *old).then_some(status)
}

/// What stands between the message of success and a remark.
const REMARK: &str = "; ";

fn ready(status: &ExternalSecretStatus) -> Option<&Condition> {
    let mut conditions = status.conditions.iter();
    conditions.find(|condition| condition.type_ == CONDITION_READY)
}

/// The moment that the condition tells already: after a restart it is known from there alone.
fn told_stale_since(status: &ExternalSecretStatus) -> Option<Timestamp> {
    let ready = ready(status).filter(|ready| ready.status == "False")?;
    let (_, since) = ready.message.as_deref()?.rsplit_once(STALE_SINCE)?;
    since.parse().ok()
}

fn set_ready(
    status: &mut ExternalSecretStatus,
    ready: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let value = if ready { "True" } else { "False" };
    let mut next = Condition {
        type_: CONDITION_READY.to_owned(),
        status: value.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(Time(now)),
    };
    match status
        .conditions
        .iter_mut()
        .find(|condition| condition.type_ == CONDITION_READY)
    {
        Some(present) => {
            if present.status == value {
                next.last_transition_time
                    .clone_from(&present.last_transition_time);
            }
            *present = next;
        }
        None => status.conditions.push(next),
    }
}

fn shortened(message: &str) -> String {
    if message.len() <= MESSAGE_LIMIT {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(MESSAGE_LIMIT);
    format!("{}…", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn synced(written: bool, version: &str) -> Outcome {
        Outcome::Synced {
            reason: SECRET_SYNCED,
            message: SYNCED,
            written,
            target: Some("app".to_owned()),
            version: version.to_owned(),
            remark: None,
        }
    }

    fn failed(message: &str) -> Outcome {
        Outcome::Failed {
            reason: SECRET_SYNCED_ERROR,
            message: message.to_owned(),
            confirmed: None,
        }
    }

    #[test]
    fn an_unchanged_refresh_writes_no_status() {
        let first = next(
            &ExternalSecretStatus::default(),
            &synced(true, "1-a"),
            at(10),
        )
        .unwrap();
        assert_eq!(first.refresh_time, Some(Time(at(10))));
        assert_eq!(next(&first, &synced(false, "1-a"), at(20)), None);
    }

    #[test]
    fn a_written_secret_and_a_changed_object_advance_the_refresh_time() {
        let first = next(
            &ExternalSecretStatus::default(),
            &synced(true, "1-a"),
            at(10),
        )
        .unwrap();
        for outcome in [synced(true, "1-a"), synced(false, "2-a")] {
            let second = next(&first, &outcome, at(20)).unwrap();
            assert_eq!(second.refresh_time, Some(Time(at(20))));
            assert_eq!(
                second.conditions[0].last_transition_time,
                Some(Time(at(10)))
            );
        }
    }

    #[test]
    fn a_failure_keeps_what_was_synced_and_is_told_once() {
        let first = next(
            &ExternalSecretStatus::default(),
            &synced(true, "1-a"),
            at(10),
        )
        .unwrap();
        let broken = next(&first, &failed("why"), at(20)).unwrap();
        assert_eq!(
            broken.synced_resource_version,
            first.synced_resource_version
        );
        assert_eq!(broken.refresh_time, first.refresh_time);
        let ready = &broken.conditions[0];
        assert_eq!(
            (ready.status.as_str(), ready.message.as_deref()),
            ("False", Some("why"))
        );
        assert_eq!(ready.last_transition_time, Some(Time(at(20))));
        assert_eq!(next(&broken, &failed("why"), at(30)), None);
        let other = next(&broken, &failed("another reason"), at(30)).unwrap();
        assert_eq!(other.conditions[0].last_transition_time, Some(Time(at(20))));
    }

    #[test]
    fn a_failure_tells_since_when_the_secret_is_stale_and_stays_with_it() {
        let first = next(
            &ExternalSecretStatus::default(),
            &synced(true, "1-a"),
            at(10),
        )
        .unwrap();
        let failed = |message: &str, confirmed: i64| Outcome::Failed {
            reason: SECRET_SYNCED_ERROR,
            message: message.to_owned(),
            confirmed: Some(at(confirmed)),
        };
        let message = |status: &ExternalSecretStatus| status.conditions[0].message.clone().unwrap();
        let stale = next(&first, &failed("why", 15), at(20)).unwrap();
        assert_eq!(message(&stale), "why; stale since 1970-01-01T00:00:15Z");
        // A restart forgot when the values were confirmed last.
        assert_eq!(next(&stale, &failed("why", 10), at(30)), None);
        let other = next(&stale, &failed("other", 10), at(30)).unwrap();
        assert_eq!(message(&other), "other; stale since 1970-01-01T00:00:15Z");
        let mended = next(&other, &synced(false, "1-a"), at(40)).unwrap();
        assert_eq!(message(&mended), SYNCED);
    }

    #[test]
    fn a_remark_stands_behind_success_and_nowhere_else() {
        let first = next(
            &ExternalSecretStatus::default(),
            &synced(true, "1-a"),
            at(10),
        )
        .unwrap();
        let remark = |text: &str| Outcome::Remark {
            text: text.to_owned(),
        };
        let held = next(&first, &remark("held"), at(20)).unwrap();
        assert_eq!(
            held.conditions[0].message.as_deref(),
            Some("secret synced; held")
        );
        assert_eq!(held.refresh_time, first.refresh_time);
        assert_eq!(next(&held, &remark("held"), at(30)), None);
        let later = next(&held, &remark("later"), at(30)).unwrap();
        assert_eq!(
            later.conditions[0].message.as_deref(),
            Some("secret synced; later")
        );
        let broken = next(&first, &failed("why"), at(20)).unwrap();
        assert_eq!(next(&broken, &remark("held"), at(30)), None);
    }

    #[test]
    fn values_of_a_fallback_are_told_until_the_named_store_serves_again() {
        let told = |remark: Option<&str>| {
            let mut outcome = synced(false, "1-a");
            if let Outcome::Synced { remark: said, .. } = &mut outcome {
                *said = remark.map(str::to_owned);
            }
            outcome
        };
        let first = next(&ExternalSecretStatus::default(), &told(None), at(10)).unwrap();
        let down = next(&first, &told(Some("a is down")), at(20)).unwrap();
        let ready = &down.conditions[0];
        assert_eq!(
            (ready.status.as_str(), ready.message.as_deref()),
            ("True", Some("secret synced; a is down"))
        );
        assert_eq!(ready.last_transition_time, Some(Time(at(10))));
        assert_eq!(next(&down, &told(Some("a is down")), at(30)), None);
        let back = next(&down, &told(None), at(40)).unwrap();
        assert_eq!(back.conditions[0].message.as_deref(), Some(SYNCED));
    }

    #[test]
    fn a_long_message_is_cut() {
        let status = next(
            &ExternalSecretStatus::default(),
            &failed(&"é".repeat(5000)),
            at(1),
        )
        .unwrap();
        assert!(
            status.conditions[0].message.as_ref().unwrap().len() <= MESSAGE_LIMIT + '…'.len_utf8()
        );
    }
}
