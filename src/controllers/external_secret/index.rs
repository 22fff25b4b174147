//! Which ExternalSecrets a change concerns.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::memory::Key;
use crate::model::secret_store::StoreId;

/// Finds ExternalSecrets by their Secret and by their stores.
#[derive(Default)]
pub(super) struct Index {
    objects: HashMap<Key, Indexed>,
    by_target: HashMap<Key, BTreeSet<Key>>,
    by_store: HashMap<StoreId, BTreeSet<Key>>,
    stores: HashMap<StoreId, String>,
    relisted: Option<HashSet<Key>>,
}

/// What is indexed of an ExternalSecret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Indexed {
    /// Changes when the object must be looked at: generation, labels, annotations, deletion.
    pub fingerprint: String,
    /// Name of its Secret.
    pub target: String,
    /// Its stores.
    pub stores: Vec<StoreId>,
}

impl Index {
    /// Notes an object; answers whether it must be looked at.
    pub(super) fn apply(&mut self, key: Key, indexed: Indexed) -> bool {
        if let Some(relisted) = &mut self.relisted {
            relisted.insert(key.clone());
        }
        if self.objects.get(&key) == Some(&indexed) {
            return false;
        }
        self.unlink(&key);
        let target = (key.0.clone(), indexed.target.clone());
        self.by_target
            .entry(target)
            .or_default()
            .insert(key.clone());
        for store in &indexed.stores {
            self.by_store
                .entry(store.clone())
                .or_default()
                .insert(key.clone());
        }
        self.objects.insert(key, indexed);
        true
    }

    /// Drops an object that is gone.
    pub(super) fn remove(&mut self, key: &Key) {
        self.unlink(key);
    }

    /// A new list of all objects begins.
    pub(super) fn begin_list(&mut self) {
        self.relisted = Some(HashSet::new());
    }

    /// The list is complete; answers the objects that are gone, which are dropped.
    pub(super) fn end_list(&mut self) -> Vec<Key> {
        let Some(relisted) = self.relisted.take() else {
            return Vec::new();
        };
        let gone: Vec<Key> = self
            .objects
            .keys()
            .filter(|key| !relisted.contains(*key))
            .cloned()
            .collect();
        for key in &gone {
            self.unlink(key);
        }
        gone
    }

    /// The objects whose Secret is `(namespace, name)`.
    pub(super) fn of_target(&self, target: &Key) -> Vec<Key> {
        self.by_target
            .get(target)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// The objects that use a store, if its `state` is not the one last seen.
    pub(super) fn of_changed_store(&mut self, store: &StoreId, state: String) -> Vec<Key> {
        if self.stores.get(store) == Some(&state) {
            return Vec::new();
        }
        self.stores.insert(store.clone(), state);
        self.by_store
            .get(store)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    fn unlink(&mut self, key: &Key) {
        let Some(old) = self.objects.remove(key) else {
            return;
        };
        remove_from(&mut self.by_target, &(key.0.clone(), old.target), key);
        for store in &old.stores {
            remove_from(&mut self.by_store, store, key);
        }
    }
}

fn remove_from<K: std::hash::Hash + Eq>(map: &mut HashMap<K, BTreeSet<Key>>, at: &K, key: &Key) {
    if let Some(keys) = map.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::meta::StoreKind;

    fn key(name: &str) -> Key {
        ("team".to_owned(), name.to_owned())
    }

    fn store() -> StoreId {
        StoreId::new(StoreKind::SecretStore, "team", "s")
    }

    fn indexed(fingerprint: &str, target: &str) -> Indexed {
        Indexed {
            fingerprint: fingerprint.to_owned(),
            target: target.to_owned(),
            stores: vec![store()],
        }
    }

    #[test]
    fn only_a_changed_object_is_looked_at() {
        let mut index = Index::default();
        assert!(index.apply(key("a"), indexed("1", "t")));
        assert!(!index.apply(key("a"), indexed("1", "t")));
        assert!(index.apply(key("a"), indexed("2", "u")));
        assert_eq!(index.of_target(&key("t")), Vec::<Key>::new());
        assert_eq!(index.of_target(&key("u")), [key("a")]);
    }

    #[test]
    fn a_store_wakes_its_objects_once_a_change() {
        let mut index = Index::default();
        index.apply(key("a"), indexed("1", "t"));
        assert_eq!(
            index.of_changed_store(&store(), "ready".to_owned()),
            [key("a")]
        );
        assert!(
            index
                .of_changed_store(&store(), "ready".to_owned())
                .is_empty()
        );
        index.remove(&key("a"));
        assert!(
            index
                .of_changed_store(&store(), "broken".to_owned())
                .is_empty()
        );
    }

    #[test]
    fn objects_missing_from_a_new_list_are_dropped() {
        let mut index = Index::default();
        index.apply(key("a"), indexed("1", "t"));
        index.apply(key("b"), indexed("1", "u"));
        index.begin_list();
        index.apply(key("b"), indexed("1", "u"));
        assert_eq!(index.end_list(), [key("a")]);
        assert!(index.of_target(&key("t")).is_empty());
        assert!(index.end_list().is_empty());
    }
}
