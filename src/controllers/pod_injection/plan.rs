//! What a materialised Secret should be, and when it is looked at again. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::demand::Needed;
use crate::api::well_known::{
    DATA_HASH_ANNOTATION, MATERIALISED_ACCOUNT_ANNOTATION, MATERIALISED_ALIAS_ANNOTATION,
    MATERIALISED_LABEL, MATERIALISED_SPEC_ANNOTATION,
};
use crate::cluster::secret_object::Desired;
use crate::controllers::schedule::until;
use crate::model::hash;
use crate::model::pod_injection::canonical;
use crate::secret::SecretMap;

/// Label by which tools find out who keeps an object (Kubernetes' recommended labels).
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// The Secret as it should be. It is replaced whole, never merged: keys planted under its name vanish.
pub(super) fn desired(needed: &Needed, data: SecretMap) -> Desired {
    let what = &needed.what;
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Desired {
        labels: BTreeMap::from([
            entry(MANAGED_BY_LABEL, "latchkey"),
            entry(MATERIALISED_LABEL, "true"),
        ]),
        annotations: BTreeMap::from([
            entry(DATA_HASH_ANNOTATION, &hash::data(&data)),
            entry(MATERIALISED_ACCOUNT_ANNOTATION, &what.account),
            entry(MATERIALISED_ALIAS_ANNOTATION, &what.alias),
            entry(MATERIALISED_SPEC_ANNOTATION, &canonical(&what.spec)),
        ]),
        owners: needed.owners(),
        type_: None,
        immutable: false,
        data,
    }
}

/// What to do with a Secret that no live pod waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unneeded {
    /// It stays for this long still, in case a pod comes back.
    Keep(Duration),
    /// It goes.
    Delete,
}

/// Decides on a Secret that nobody has waited for since `since`.
pub(super) fn unneeded(since: Timestamp, retain: SignedDuration, now: Timestamp) -> Unneeded {
    if now >= since + retain {
        Unneeded::Delete
    } else {
        Unneeded::Keep(until(now, since + retain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn an_unneeded_secret_stays_for_the_retention_and_no_longer() {
        let retain = SignedDuration::from_hours(1);
        assert_eq!(
            unneeded(at(0), retain, at(600)),
            Unneeded::Keep(Duration::from_mins(50))
        );
        assert_eq!(unneeded(at(0), retain, at(3600)), Unneeded::Delete);
    }
}
