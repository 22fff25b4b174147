//! Which Secrets the live pods wait for.

use std::collections::{BTreeMap, HashMap, HashSet};

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
}

/// A Secret that at least one live pod waits for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Needed {
    /// What it holds, and for whom.
    pub what: Materialisation,
    /// The pods by name.
    pub pods: BTreeMap<String, Waiting>,
}

/// A pod that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Identity of the pod.
    pub uid: String,
    /// Its immediate controller, or itself: an owner of the Secret.
    pub owner: Owner,
}

impl Needed {
    /// The owners, each once and in a stable order.
    pub(super) fn owners(&self) -> Vec<Owner> {
        let mut owners: Vec<Owner> = self.pods.values().map(|pod| pod.owner.clone()).collect();
        owners.sort_by(|a, b| a.uid.cmp(&b.uid));
        owners.dedup();
        owners
    }

    /// References to the pods, for Events.
    pub(super) fn references(&self, namespace: &str) -> Vec<ObjectReference> {
        let reference = |(name, pod): (&String, &Waiting)| ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(name.clone()),
            namespace: Some(namespace.to_owned()),
            uid: Some(pod.uid.clone()),
            ..ObjectReference::default()
        };
        self.pods.iter().map(reference).collect()
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
        if self.pods.get(&pod) == Some(&names) {
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

    /// The demand for a Secret.
    pub(super) fn of(&self, secret: &Key) -> Option<&Needed> {
        self.secrets.get(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1::ExternalSecretSpec;

    fn owner(uid: &str) -> Waiting {
        Waiting {
            uid: format!("pod of {uid}"),
            owner: Owner {
                api_version: "apps/v1".to_owned(),
                kind: "ReplicaSet".to_owned(),
                name: "web".to_owned(),
                uid: uid.to_owned(),
                controller: false,
                block_owner_deletion: false,
            },
        }
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
    fn an_unchanged_pod_wakes_nothing() {
        let mut demand = Demand::default();
        demand.apply(key("a"), &owner("1"), vec![wants("s")]);
        assert!(
            demand
                .apply(key("a"), &owner("1"), vec![wants("s")])
                .is_empty()
        );
    }

    #[test]
    fn pods_missing_from_a_new_list_are_dropped() {
        let mut demand = Demand::default();
        demand.apply(key("a"), &owner("1"), vec![wants("s")]);
        demand.begin_list();
        assert_eq!(demand.end_list(), [key("s")]);
        assert!(demand.of(&key("s")).is_none());
    }
}
