//! Conditions of a store. Pure; reasons and messages are ESO's (2.9.0), with the cause behind them.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::meta::Condition;
use crate::api::v1::SecretStoreStatus;
use crate::api::well_known::CONDITION_READY;
use crate::providers::{Capabilities, Error, Validation};

/// A validation may share what was fetched this short a time ago.
pub(super) const SHARE: SignedDuration = SignedDuration::from_secs(30);

/// A store that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What could be found out.
    pub validation: Validation,
    /// What the store can do.
    pub capabilities: Capabilities,
    /// What is wrong around it without keeping it from working.
    pub remarks: Vec<String>,
}

impl Verdict {
    fn remarks(&self) -> impl Iterator<Item = &str> {
        self.remarks.iter().map(String::as_str)
    }
}

/// Why a store does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VerdictError {
    /// Its common fields are wrong.
    Configuration(String),
    /// No client can be made from it.
    Client(String),
    /// A client can be made, but the provider does not answer as it should.
    Validation(String),
}

impl VerdictError {
    pub(super) fn client(error: &Error) -> Self {
        Self::Client(error.to_string())
    }

    pub(super) fn validation(error: &Error) -> Self {
        Self::Validation(error.to_string())
    }
}

/// What is told of a verdict.
pub(super) struct Told {
    /// Reason of the condition and of the Event.
    pub reason: &'static str,
    /// Message of both.
    pub message: String,
}

/// Reason and message of a verdict.
pub(super) fn told(verdict: &Result<Verdict, VerdictError>) -> Told {
    let invalid = |message: String| Told {
        reason: "InvalidProviderConfig",
        message,
    };
    match verdict {
        Ok(verdict) => {
            let parts = std::iter::once("store validated").chain(verdict.remarks());
            Told {
                reason: "Valid",
                message: parts.collect::<Vec<_>>().join("; "),
            }
        }
        Err(VerdictError::Configuration(why)) => invalid(why.clone()),
        Err(VerdictError::Client(why)) => invalid(format!("unable to create client: {why}")),
        Err(VerdictError::Validation(why)) => invalid(format!("unable to validate store: {why}")),
    }
}

/// The status after a validation, or `None` where it says all of it already.
pub(super) fn next(
    old: &SecretStoreStatus,
    verdict: &Result<Verdict, VerdictError>,
    now: Timestamp,
) -> Option<SecretStoreStatus> {
    let mut status = old.clone();
    if let Ok(verdict) = verdict {
        status.capabilities = Some(verdict.capabilities.as_str().to_owned());
    }
    let value = if verdict.is_ok() { "True" } else { "False" };
    let Told { reason, message } = told(verdict);
    let present = old
        .conditions
        .iter()
        .find(|condition| condition.type_ == CONDITION_READY);
    let since = present
        .filter(|present| present.status == value)
        .and_then(|present| present.last_transition_time.clone());
    let ready = Condition {
        type_: CONDITION_READY.to_owned(),
        status: value.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_transition_time: Some(since.unwrap_or(Time(now))),
    };
    status
        .conditions
        .retain(|condition| condition.type_ != CONDITION_READY);
    status.conditions.push(ready);
    (status != *old).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    const WORKS: Result<Verdict, VerdictError> = Ok(Verdict {
        validation: Validation::Ready,
        capabilities: Capabilities::ReadOnly,
        remarks: Vec::new(),
    });

    #[test]
    fn a_store_that_still_works_is_told_once() {
        let first = next(&SecretStoreStatus::default(), &WORKS, at(1)).unwrap();
        assert_eq!(first.capabilities.as_deref(), Some("ReadOnly"));
        assert_eq!(first.conditions[0].reason.as_deref(), Some("Valid"));
        assert_eq!(next(&first, &WORKS, at(300)), None);
    }

    #[test]
    fn what_is_wrong_with_fallbacks_is_told_of_a_store_that_works() {
        let mut verdict = WORKS.unwrap();
        verdict.remarks = vec!["a is the store itself".to_owned()];
        let status = next(&SecretStoreStatus::default(), &Ok(verdict), at(1)).unwrap();
        let ready = &status.conditions[0];
        assert_eq!(
            (ready.status.as_str(), ready.message.as_deref()),
            ("True", Some("store validated; a is the store itself"))
        );
    }

    #[test]
    fn the_cause_stands_in_the_condition() {
        let first = next(&SecretStoreStatus::default(), &WORKS, at(1)).unwrap();
        let error = Err(VerdictError::Validation(
            "pulumi: the token is wrong".to_owned(),
        ));
        let broken = next(&first, &error, at(2)).unwrap();
        let ready = &broken.conditions[0];
        assert_eq!(ready.status, "False");
        assert_eq!(ready.reason.as_deref(), Some("InvalidProviderConfig"));
        assert_eq!(
            ready.message.as_deref(),
            Some("unable to validate store: pulumi: the token is wrong")
        );
        assert_eq!(ready.last_transition_time, Some(Time(at(2))));
        assert_eq!(next(&broken, &error, at(3)), None);
    }
}
