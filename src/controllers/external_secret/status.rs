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
/// Reason: the Secret could not be made.
pub(super) const SECRET_SYNCED_ERROR: &str = "SecretSyncedError";

/// Message of success.
pub(super) const SYNCED: &str = "secret synced";
/// Message when the provider has nothing and the policy is Retain.
pub(super) const RETAINED: &str = "secret retained due to DeletionPolicy=Retain";
/// Message when the provider has nothing and the policy is Delete.
pub(super) const DELETED: &str = "secret deleted due to DeletionPolicy=Delete";
/// Message when there is no Secret to merge into.
pub(super) const NOT_CREATED: &str = "secret will not be created due to CreationPolicy=Merge";
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
    },
    /// It could not be made so.
    Failed {
        /// Message of the condition.
        message: String,
    },
}

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
        } => {
            set_ready(&mut status, true, reason, message, now);
            let fresh = *written || status.synced_resource_version.as_ref() != Some(version);
            status.synced_resource_version = Some(version.clone());
            if let Some(name) = target {
                status.binding = Some(Binding { name: name.clone() });
            }
            if fresh || status.refresh_time.is_none() {
                status.refresh_time = Some(Time(now));
            }
        }
        Outcome::Failed { message } => set_ready(
            &mut status,
            false,
            SECRET_SYNCED_ERROR,
            &shortened(message),
            now,
        ),
    }
    (status != *old).then_some(status)
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
        }
    }

    fn failed(message: &str) -> Outcome {
        Outcome::Failed {
            message: message.to_owned(),
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
