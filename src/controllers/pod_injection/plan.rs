//! What a materialised Secret should be, and when it is looked at again. Pure.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::demand::{Key, Needed};
use crate::api::v1::{ExternalSecretSpec, RefreshPolicy};
use crate::api::well_known::{
    DATA_HASH_ANNOTATION, MATERIALISED_ACCOUNT_ANNOTATION, MATERIALISED_ALIAS_ANNOTATION,
    MATERIALISED_CHANGED_ANNOTATION, MATERIALISED_LABEL, MATERIALISED_SPEC_ANNOTATION,
};
use crate::cluster::secret_object::{Desired, Owner};
use crate::controllers::schedule::until;
use crate::model::external_secret::Refresh;
use crate::model::hash;
use crate::model::pod_injection::{KeyRing, canonical};
use crate::secret::SecretMap;

/// Label by which tools find out who keeps an object (Kubernetes' recommended labels).
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Values that were fetched this short a time ago, for whichever Secret, are shared.
const SHARE: SignedDuration = SignedDuration::from_secs(30);
/// Largest sum of values that Kubernetes takes in one Secret (`MaxSecretSize`).
const SIZE_LIMIT: usize = 1024 * 1024;

/// What is known without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    /// When values were last fetched, or confirmed, by this process.
    pub refreshed_at: Option<Timestamp>,
    /// The Secret.
    pub target: Target,
}

/// A Secret, as far as the cache of metadata shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// There is none.
    Missing,
    /// It is the very object that was last written or compared, and has all owners.
    Intact,
    /// It may have been changed, or lacks an owner.
    Unknown,
}

/// What to do with a Secret that pods wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing for this long; `None` is until something changes.
    Rest(Option<Duration>),
    /// Read it, and mend all but its values; fetch if those were touched.
    Verify,
    /// Fetch values that are at least as new as `not_before`.
    Fetch {
        /// Oldest acceptable moment of fetching.
        not_before: Timestamp,
    },
}

/// Decides on the next step for the Secret `key`.
pub(super) fn next_step(key: &Key, refresh: Refresh, observed: Observed, now: Timestamp) -> Step {
    let fetch = Step::Fetch {
        not_before: now - share(refresh),
    };
    let due = match observed.refreshed_at {
        None if is_once(refresh) && observed.target != Target::Missing => return Step::Verify,
        None => return fetch,
        Some(at) => due(key, refresh, at),
    };
    if due.is_some_and(|due| due <= now) {
        return fetch;
    }
    match observed.target {
        Target::Missing => fetch,
        Target::Unknown => Step::Verify,
        Target::Intact => Step::Rest(due.map(|due| until(now, due))),
    }
}

/// When values that were fetched at `at` are fetched again; never if once was enough.
pub(super) fn due(key: &Key, refresh: Refresh, at: Timestamp) -> Option<Timestamp> {
    (!is_once(refresh)).then(|| at + jittered(key, refresh.interval))
}

fn is_once(refresh: Refresh) -> bool {
    refresh.policy != RefreshPolicy::Periodic || refresh.interval <= SignedDuration::ZERO
}

/// The interval, up to a tenth shorter or longer by the Secret's name, so that Secrets made together are
/// not refreshed together for ever.
fn jittered(key: &Key, interval: SignedDuration) -> SignedDuration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let part = i128::from(hasher.finish() % 2001) - 1000;
    let nanoseconds = interval.as_nanos() + interval.as_nanos() / 10_000 * part;
    SignedDuration::from_nanos(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
}

fn share(refresh: Refresh) -> SignedDuration {
    if is_once(refresh) {
        SHARE
    } else {
        SHARE.min(refresh.interval / 10)
    }
}

/// The Secret as it should be. It is replaced whole, never merged: keys planted under its name vanish.
/// `changed` is when its data last became other data.
pub(super) fn desired(needed: &Needed, data: SecretMap, changed: Option<String>) -> Desired {
    let what = &needed.what;
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut annotations = BTreeMap::from([
        entry(DATA_HASH_ANNOTATION, &hash::data(&data)),
        entry(MATERIALISED_ACCOUNT_ANNOTATION, &what.account),
        entry(MATERIALISED_ALIAS_ANNOTATION, &what.alias),
        entry(MATERIALISED_SPEC_ANNOTATION, &canonical(&what.spec)),
    ]);
    annotations
        .extend(changed.map(|changed| (MATERIALISED_CHANGED_ANNOTATION.to_owned(), changed)));
    let template = what.spec.target.as_ref().and_then(|t| t.template.as_ref());
    Desired {
        labels: BTreeMap::from([
            entry(MANAGED_BY_LABEL, "latchkey"),
            entry(MATERIALISED_LABEL, "true"),
        ]),
        annotations,
        owners: needed.owners(),
        finalizers: Vec::new(),
        type_: template.and_then(|template| template.type_.clone()),
        immutable: false,
        data,
    }
}

/// All owners a Secret should have: those it has, and those that lack. Kubernetes drops the ones that
/// are gone, so that a rollout costs one write and not two. An owner that controls the object, or holds
/// deletion up, is none of ours.
pub(super) fn owners(present: &[Owner], needed: &Needed) -> Vec<Owner> {
    let ours = |owner: &&Owner| !owner.controller && !owner.block_owner_deletion;
    let mut owners: Vec<Owner> = present.iter().filter(ours).cloned().collect();
    for owner in needed.owners() {
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    owners
}

/// When the data last became other data: `annotations` are those of the Secret as it stands, `known` is
/// the digest that this process last wrote, and `digest` that of the data to write. A first Secret, and
/// one that was deleted and comes back with the same data, has changed for nobody.
pub(super) fn changed(
    annotations: &BTreeMap<String, String>,
    known: Option<&str>,
    digest: &str,
    now: Timestamp,
) -> Option<String> {
    let recorded = annotations.get(DATA_HASH_ANNOTATION).map(String::as_str);
    match recorded.or(known) {
        Some(recorded) if recorded != digest => Some(format!("{now:.0}")),
        _ => annotations.get(MATERIALISED_CHANGED_ANNOTATION).cloned(),
    }
}

/// Whether the Secret `key` was made for pods by whoever holds the keys: what its annotations say it was
/// made from reproduces its name.
pub(super) fn is_believed(
    key: &Key,
    annotations: &BTreeMap<String, String>,
    keys: &KeyRing,
) -> bool {
    let read = |name: &str| annotations.get(name).map(String::as_str);
    let spec = read(MATERIALISED_SPEC_ANNOTATION)
        .and_then(|text| serde_json::from_str::<ExternalSecretSpec>(text).ok());
    let (Some(spec), Some(account), Some(alias)) = (
        spec,
        read(MATERIALISED_ACCOUNT_ANNOTATION),
        read(MATERIALISED_ALIAS_ANNOTATION),
    ) else {
        return false;
    };
    let mut names = keys.names(&key.0, account, alias, &spec);
    names.any(|name| name == key.1)
}

/// Why Kubernetes would not take the data, if so.
pub(super) fn size_trouble(data: &SecretMap) -> Option<String> {
    let size: usize = data.iter().map(|(_, value)| value.len()).sum();
    (size > SIZE_LIMIT).then(|| {
        format!(
            "the values have {size} bytes, and Kubernetes takes at most {SIZE_LIMIT} in one Secret; ask for \
             fewer keys, or spread them over several aliases"
        )
    })
}

/// What to do with a Secret that no live pod waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unneeded {
    /// It stays for this long still, in case a pod comes back.
    Keep(Duration),
    /// It goes.
    Delete,
}

/// Decides on a Secret that nobody has waited for, or that nobody may have, since `since`.
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
    use crate::model::pod_injection::Materialisation;
    use crate::secret::SecretBytes;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn key(name: &str) -> Key {
        ("team".to_owned(), name.to_owned())
    }

    fn periodic(interval: SignedDuration) -> Refresh {
        Refresh {
            policy: RefreshPolicy::Periodic,
            interval,
        }
    }

    fn step(refresh: Refresh, refreshed: Option<i64>, target: Target, now: i64) -> Step {
        let observed = Observed {
            refreshed_at: refreshed.map(at),
            target,
        };
        next_step(&key("inj-db-x"), refresh, observed, at(now))
    }

    #[test]
    fn a_missing_secret_is_fetched_and_may_share_what_was_just_fetched() {
        let share = |seconds: i64| Step::Fetch {
            not_before: at(10_000 - seconds),
        };
        let hourly = periodic(HOUR);
        assert_eq!(step(hourly, None, Target::Missing, 10_000), share(30));
        assert_eq!(
            step(hourly, Some(9_999), Target::Missing, 10_000),
            share(30)
        );
        let quick = periodic(SignedDuration::from_secs(20));
        assert_eq!(step(quick, None, Target::Missing, 10_000), share(2));
    }

    #[test]
    fn an_intact_secret_rests_until_its_own_moment_within_a_tenth_of_the_interval() {
        let moments: std::collections::BTreeSet<i64> = (0..50)
            .map(|i| {
                let due = due(&key(&format!("inj-db-{i}")), periodic(HOUR), at(0)).unwrap();
                assert!(due >= at(3240) && due <= at(3960), "{due}");
                due.as_second()
            })
            .collect();
        assert!(moments.len() > 30, "{moments:?}");
        let hourly = periodic(HOUR);
        let due = due(&key("inj-db-x"), hourly, at(0)).unwrap();
        let wait = Duration::try_from(due.duration_since(at(100))).unwrap();
        assert_eq!(
            step(hourly, Some(0), Target::Intact, 100),
            Step::Rest(Some(wait))
        );
        assert_eq!(step(hourly, Some(0), Target::Unknown, 100), Step::Verify);
        let fetched = step(hourly, Some(0), Target::Intact, 3960);
        assert!(matches!(fetched, Step::Fetch { .. }), "{fetched:?}");
    }

    #[test]
    fn once_is_once_also_for_the_next_process() {
        let forms = [
            periodic(SignedDuration::ZERO),
            Refresh {
                policy: RefreshPolicy::OnChange,
                interval: HOUR,
            },
            Refresh {
                policy: RefreshPolicy::CreatedOnce,
                interval: HOUR,
            },
        ];
        for once in forms {
            assert_eq!(
                step(once, Some(0), Target::Intact, 1_000_000),
                Step::Rest(None)
            );
            assert_eq!(step(once, None, Target::Unknown, 1_000_000), Step::Verify);
            let gone = step(once, Some(0), Target::Missing, 1_000_000);
            assert!(matches!(gone, Step::Fetch { .. }));
        }
    }

    #[test]
    fn an_unneeded_secret_stays_for_the_retention_and_no_longer() {
        assert_eq!(
            unneeded(at(0), HOUR, at(600)),
            Unneeded::Keep(Duration::from_mins(50))
        );
        assert_eq!(unneeded(at(0), HOUR, at(3600)), Unneeded::Delete);
    }

    fn annotations(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        entries.iter().map(owned).collect()
    }

    #[test]
    fn only_other_data_counts_as_a_change() {
        let first = annotations(&[]);
        let standing = annotations(&[
            (DATA_HASH_ANNOTATION, "a"),
            (MATERIALISED_CHANGED_ANNOTATION, "before"),
        ]);
        let now = at(1_800_000_000);
        let text = Some("2027-01-15T08:00:00Z".to_owned());
        assert_eq!(changed(&first, None, "a", now), None);
        assert_eq!(changed(&first, Some("a"), "a", now), None);
        assert_eq!(changed(&first, Some("a"), "b", now), text);
        assert_eq!(
            changed(&standing, None, "a", now).as_deref(),
            Some("before")
        );
        assert_eq!(changed(&standing, Some("a"), "b", now), text);
    }

    fn needed(spec: &str, uids: &[&str]) -> Needed {
        let pods = uids.iter().map(|uid| {
            let waiting = super::super::demand::waiting_of("ReplicaSet", uid);
            ((*uid).to_owned(), waiting)
        });
        Needed {
            what: Materialisation {
                secret_name: "inj-db-x".to_owned(),
                alias: "db".to_owned(),
                account: "web".to_owned(),
                spec: serde_json::from_str(spec).unwrap(),
            },
            pods: pods.collect(),
        }
    }

    const SPEC: &str =
        r#"{"secretStoreRef":{"name":"vault"},"dataFrom":[{"extract":{"key":"a"}}]}"#;

    #[test]
    fn a_record_is_believed_only_if_it_reproduces_the_name() {
        let ring = KeyRing::new(&SecretBytes::from("key"), None);
        let mut needed = needed(SPEC, &["1"]);
        let name = ring.name("team", "web", "db", &needed.what.spec);
        let record = desired(&needed, SecretMap::new(), None).annotations;
        assert!(is_believed(&key(&name), &record, &ring));
        assert!(!is_believed(
            &("other".to_owned(), name.clone()),
            &record,
            &ring
        ));
        let other = KeyRing::new(&SecretBytes::from("other key"), None);
        assert!(!is_believed(&key(&name), &record, &other));
        needed.what.account = "admin".to_owned();
        let forged = desired(&needed, SecretMap::new(), None).annotations;
        assert!(!is_believed(&key(&name), &forged, &ring));
        assert!(!is_believed(&key(&name), &annotations(&[]), &ring));
    }

    #[test]
    fn owners_are_added_once_and_left_to_kubernetes_to_drop() {
        let needed = needed(SPEC, &["2", "3"]);
        let present = super::super::demand::waiting_of("ReplicaSet", "1").owner;
        let foreign = Owner {
            uid: "4".to_owned(),
            controller: true,
            ..present.clone()
        };
        let kept = owners(&[present, foreign], &needed);
        let uids: Vec<&str> = kept.iter().map(|owner| owner.uid.as_str()).collect();
        assert_eq!(uids, ["1", "2", "3"]);
        assert_eq!(owners(&kept, &needed), kept);
    }

    #[test]
    fn too_much_for_one_secret_is_told_with_the_numbers() {
        let data = |bytes: usize| -> SecretMap {
            [("a".to_owned(), SecretBytes::new(vec![b'x'; bytes]))]
                .into_iter()
                .collect()
        };
        assert_eq!(size_trouble(&data(SIZE_LIMIT)), None);
        let told = size_trouble(&data(SIZE_LIMIT + 1)).unwrap();
        assert!(
            told.contains("1048577") && told.contains("1048576"),
            "{told}"
        );
    }
}
