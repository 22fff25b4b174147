//! Which Secrets the live pods wait for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;

use crate::cluster::secret_object::Owner;
use crate::model::pod_injection::Materialisation;

/// Namespace and name.
pub(super) type Key = (String, String);

/// The Secrets that pods wait for, and the pods.
#[derive(Default)]
pub(super) struct Demand {
    pods: HashMap<Key, Vec<Key>>,
    secrets: HashMap<Key, Needed>,
    relisted: Option<HashSet<Key>>,
    is_complete: bool,
}

/// A Secret that at least one live pod waits for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Needed {
    /// What it holds, and for whom.
    pub what: Materialisation,
    /// The pods by name.
    pub pods: BTreeMap<String, Waiting>,
}

/// A pod that waits for Secrets, or has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Identity of the pod.
    pub uid: String,
    /// Its immediate controller, or itself: an owner of the Secret.
    pub owner: Owner,
    /// When the pod was made.
    pub created: Timestamp,
    /// Whether all its containers are ready.
    pub ready: bool,
    /// Digest of the values its workload was last restarted for, when the pod was made.
    pub restarted_for: Option<String>,
    /// Secrets whose change asks for a restart of the pod.
    pub restarts_on: BTreeSet<String>,
}

impl Needed {
    /// The owners, each once and in a stable order.
    pub(super) fn owners(&self) -> Vec<Owner> {
        let mut owners: Vec<Owner> = self.pods.values().map(|pod| pod.owner.clone()).collect();
        owners.sort_by(|a, b| a.uid.cmp(&b.uid));
        owners.dedup();
        owners
    }
}

impl Waiting {
    /// A reference to the pod, for Events.
    pub(super) fn reference(&self, namespace: &str, name: &str) -> ObjectReference {
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            uid: Some(self.uid.clone()),
            ..ObjectReference::default()
        }
    }
}

impl Demand {
    /// Notes what a live pod waits for; answers the Secrets whose demand changed.
    pub(super) fn apply(
        &mut self,
        pod: Key,
        waiting: &Waiting,
        wants: Vec<Materialisation>,
    ) -> Vec<Key> {
        if let Some(relisted) = &mut self.relisted {
            relisted.insert(pod.clone());
        }
        let names: Vec<Key> = wants
            .iter()
            .map(|want| (pod.0.clone(), want.secret_name.clone()))
            .collect();
        if self.is_known(&pod, waiting, &names) {
            for name in &names {
                let needed = self.secrets.get_mut(name);
                if let Some(present) = needed.and_then(|needed| needed.pods.get_mut(&pod.1)) {
                    present.clone_from(waiting);
                }
            }
            return Vec::new();
        }
        let mut changed = self.remove(&pod);
        for (name, what) in names.iter().zip(wants) {
            let needed = self.secrets.entry(name.clone()).or_insert_with(|| Needed {
                what,
                pods: BTreeMap::new(),
            });
            needed.pods.insert(pod.1.clone(), waiting.clone());
        }
        changed.extend(names.iter().cloned());
        if !names.is_empty() {
            self.pods.insert(pod, names);
        }
        changed
    }

    /// Whether this very pod waits for just these Secrets already.
    fn is_known(&self, pod: &Key, waiting: &Waiting, names: &[Key]) -> bool {
        let same = |name: &Key| {
            let needed = self.secrets.get(name);
            let present = needed.and_then(|needed| needed.pods.get(&pod.1));
            present
                .is_some_and(|present| present.uid == waiting.uid && present.owner == waiting.owner)
        };
        let known = self.pods.get(pod).map(Vec::as_slice).unwrap_or_default();
        known == names && names.iter().all(same)
    }

    /// Drops a pod that is gone or has ended; answers the Secrets whose demand changed.
    pub(super) fn remove(&mut self, pod: &Key) -> Vec<Key> {
        let names = self.pods.remove(pod).unwrap_or_default();
        for name in &names {
            if let Some(needed) = self.secrets.get_mut(name) {
                needed.pods.remove(&pod.1);
                if needed.pods.is_empty() {
                    self.secrets.remove(name);
                }
            }
        }
        names
    }

    /// A new list of all pods begins.
    pub(super) fn begin_list(&mut self) {
        self.relisted = Some(HashSet::new());
    }

    /// The list is complete; pods that are not in it are dropped.
    pub(super) fn end_list(&mut self) -> Vec<Key> {
        self.is_complete = true;
        let Some(relisted) = self.relisted.take() else {
            return Vec::new();
        };
        let gone: Vec<Key> = self
            .pods
            .keys()
            .filter(|pod| !relisted.contains(*pod))
            .cloned()
            .collect();
        gone.iter().flat_map(|pod| self.remove(pod)).collect()
    }

    /// Whether all pods have been listed once; before that nobody can say that a Secret is not needed.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The demand for a Secret.
    pub(super) fn of(&self, secret: &Key) -> Option<&Needed> {
        self.secrets.get(secret)
    }

    /// The pods of `namespace` whose owner has this uid, by name.
    pub(super) fn owned_by(&self, namespace: &str, uid: &str) -> BTreeMap<String, Waiting> {
        let pods = self.pods.iter().filter(|(pod, _)| pod.0 == namespace);
        let waiting = pods.filter_map(|(pod, names)| {
            let waiting = self.secrets.get(names.first()?)?.pods.get(&pod.1)?;
            (waiting.owner.uid == uid).then(|| (pod.1.clone(), waiting.clone()))
        });
        waiting.collect()
    }
}

/// A pod of an owner of `kind`, for tests.
#[cfg(test)]
pub(super) fn waiting_of(kind: &str, owner: &str) -> Waiting {
    Waiting {
        uid: format!("pod of {owner}"),
        owner: Owner {
            api_version: "apps/v1".to_owned(),
            kind: kind.to_owned(),
            name: "web".to_owned(),
            uid: owner.to_owned(),
            controller: false,
            block_owner_deletion: false,
        },
        created: Timestamp::UNIX_EPOCH,
        ready: false,
        restarted_for: None,
        restarts_on: BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1::ExternalSecretSpec;

    fn owner(uid: &str) -> Waiting {
        waiting_of("ReplicaSet", uid)
    }

    fn wants(secret: &str) -> Materialisation {
        Materialisation {
            secret_name: secret.to_owned(),
            alias: "db".to_owned(),
            account: "default".to_owned(),
            spec: ExternalSecretSpec::default(),
        }
    }

    fn key(name: &str) -> Key {
        ("team".to_owned(), name.to_owned())
    }

    #[test]
    fn a_secret_is_needed_while_one_pod_waits_for_it() {
        let mut demand = Demand::default();
        assert_eq!(
            demand.apply(key("a"), &owner("1"), vec![wants("s")]),
            [key("s")]
        );
        assert_eq!(
            demand.apply(key("b"), &owner("1"), vec![wants("s")]),
            [key("s")]
        );
        assert_eq!(demand.of(&key("s")).unwrap().owners(), [owner("1").owner]);
        demand.remove(&key("a"));
        assert!(demand.of(&key("s")).is_some());
        assert_eq!(demand.remove(&key("b")), [key("s")]);
        assert!(demand.of(&key("s")).is_none());
    }

    #[test]
    fn an_unchanged_pod_wakes_nothing_and_its_readiness_is_noted() {
        let mut demand = Demand::default();
        demand.apply(key("a"), &owner("1"), vec![wants("s")]);
        let ready = Waiting {
            ready: true,
            ..owner("1")
        };
        assert!(demand.apply(key("a"), &ready, vec![wants("s")]).is_empty());
        assert!(demand.owned_by("team", "1")["a"].ready);
        assert!(demand.owned_by("team", "2").is_empty());
        assert!(demand.owned_by("other", "1").is_empty());
    }

    #[test]
    fn a_pod_that_was_made_anew_under_its_name_is_another_owner() {
        let mut demand = Demand::default();
        demand.apply(key("a"), &owner("1"), vec![wants("s")]);
        let changed = demand.apply(key("a"), &owner("2"), vec![wants("s")]);
        assert!(changed.contains(&key("s")));
        assert_eq!(demand.of(&key("s")).unwrap().owners(), [owner("2").owner]);
    }

    #[test]
    fn pods_missing_from_a_new_list_are_dropped() {
        let mut demand = Demand::default();
        demand.apply(key("a"), &owner("1"), vec![wants("s")]);
        assert!(!demand.is_complete());
        demand.begin_list();
        assert_eq!(demand.end_list(), [key("s")]);
        assert!(demand.of(&key("s")).is_none());
        assert!(demand.is_complete());
    }
}
