//! What to do about a Lease. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;

/// Life of a Lease that names none.
const DEFAULT_LIFE: Duration = Duration::from_secs(15);

/// A Lease as it was seen. Another process's clock is not believed: what counts is when *we* saw the
/// Lease change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    holder: Option<String>,
    renewed: Option<Timestamp>,
    life: Duration,
    exists: bool,
    changed_at: Timestamp,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nobody has made it yet.
    Create,
    /// It is ours.
    Renew,
    /// Its holder has gone silent, or gave it up.
    Acquire,
    /// Somebody else holds it.
    Wait,
}

impl Observed {
    pub(super) fn new(spec: Option<&LeaseSpec>, now: Timestamp, before: Option<Self>) -> Self {
        let holder = spec
            .and_then(|spec| spec.holder_identity.clone())
            .filter(|holder| !holder.is_empty());
        let renewed = spec
            .and_then(|spec| spec.renew_time.as_ref())
            .map(|time| time.0);
        let seconds = spec
            .and_then(|spec| spec.lease_duration_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok());
        let same = before.filter(|before| before.holder == holder && before.renewed == renewed);
        Self {
            holder,
            renewed,
            life: seconds.map_or(DEFAULT_LIFE, Duration::from_secs),
            exists: spec.is_some(),
            changed_at: same.map_or(now, |before| before.changed_at),
        }
    }
}

/// Decides on the next step of the process `identity`.
pub(super) fn next_step(observed: &Observed, identity: &str, now: Timestamp) -> Step {
    match observed.holder.as_deref() {
        _ if !observed.exists => Step::Create,
        None => Step::Acquire,
        Some(holder) if holder == identity => Step::Renew,
        Some(_) if now.duration_since(observed.changed_at).unsigned_abs() > observed.life => {
            Step::Acquire
        }
        Some(_) => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn held_by(holder: &str, renewed: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(at(renewed))),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_free_lease_is_taken() {
        let none = Observed::new(None, at(0), None);
        assert_eq!(next_step(&none, "me", at(0)), Step::Create);
        let released = Observed::new(Some(&held_by("", 0)), at(0), None);
        assert_eq!(next_step(&released, "me", at(0)), Step::Acquire);
        let ours = Observed::new(Some(&held_by("me", 0)), at(0), None);
        assert_eq!(next_step(&ours, "me", at(0)), Step::Renew);
    }

    #[test]
    fn a_silent_holder_loses_it_by_our_own_clock() {
        let first = Observed::new(Some(&held_by("other", -9000)), at(0), None);
        assert_eq!(next_step(&first, "me", at(1)), Step::Wait);
        let second = Observed::new(Some(&held_by("other", -9000)), at(16), Some(first.clone()));
        assert_eq!(next_step(&second, "me", at(16)), Step::Acquire);
        let renewed = Observed::new(Some(&held_by("other", -8999)), at(16), Some(first));
        assert_eq!(next_step(&renewed, "me", at(16)), Step::Wait);
    }
}
