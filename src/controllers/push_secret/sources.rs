//! Changes of the Secrets that PushSecrets push, which ESO sees at the next interval only.
//!
//! Only metadata is looked at and only versions are kept; without a PushSecret nothing is watched. A
//! Secret that is gone waits for the interval: it may be on its way back, and with it would go what was
//! pushed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt as _};

use super::{Key, key};
use crate::api::v1alpha1::PushSecretSpec;
use crate::controllers::watch::{Guarded, passing};
use crate::controllers::{Context, scoped};
use crate::model::secret_store::selects;

type PushSecret = crate::api::v1alpha1::PushSecret;

/// How often it is asked whether there is a PushSecret, until there is one.
const PATIENCE: Duration = Duration::from_secs(2);

/// The PushSecrets whose source has changed since they were pushed.
#[derive(Default)]
pub(crate) struct Changed {
    keys: Mutex<HashSet<Key>>,
    /// Version of each source when it was read, by its uid: a list tells of what changed before the watch began.
    read: Mutex<HashMap<String, String>>,
}

impl Changed {
    /// The source has changed, or what it has become could not be pushed.
    pub(super) fn note(&self, key: Key) {
        self.with(|keys| keys.insert(key));
    }

    /// Whether the source has changed.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.with(|keys| keys.contains(key))
    }

    /// The source is about to be read.
    pub(super) fn clear(&self, key: &Key) {
        self.with(|keys| keys.remove(key));
    }

    /// A source was read in this version.
    pub(super) fn read(&self, uid: String, version: String) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(uid, version);
    }

    /// Whether a Secret was read as a source, in another version than the one that is listed.
    fn is_outdated(&self, listed: &impl Resource) -> bool {
        let uid = listed.meta().uid.as_deref().unwrap_or_default();
        let version = listed.meta().resource_version.as_deref();
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(uid)
            .is_some_and(|read| Some(read.as_str()) != version)
    }

    /// A Secret is gone.
    fn forget(&self, gone: &impl Resource) {
        let uid = gone.meta().uid.as_deref().unwrap_or_default();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.remove(uid);
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashSet<Key>) -> T) -> T {
        change(&mut self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Wakes PushSecrets whose source changes, for ever.
pub(super) async fn watch(
    context: &Context,
    cache: &Cache<Guarded<PushSecret>>,
    changed: &Changed,
    queue: UnboundedSender<ObjectRef<Guarded<PushSecret>>>,
) {
    let mut ticks = tokio::time::interval(PATIENCE);
    while cache.is_empty() {
        ticks.tick().await;
    }
    let secrets = scoped(&context.client, context.options.namespace.as_deref());
    let mut changes = Box::pin(passing::<Secret>(secrets, ""));
    while let Some(change) = changes.next().await {
        let secret = match change {
            Event::Apply(secret) => secret,
            Event::InitApply(secret) if changed.is_outdated(&secret) => secret,
            Event::Delete(secret) => {
                changed.forget(&secret);
                continue;
            }
            _ => continue,
        };
        let namespace = secret.namespace();
        for object in cache.state() {
            let Ok(object) = &object.0 else { continue };
            let near = object.namespace() == namespace;
            if near && is_source(&object.spec, &secret.name_any(), secret.labels()) {
                changed.note(key(&object.metadata));
                let woken = ObjectRef::new(&object.name_any())
                    .within(namespace.as_deref().unwrap_or_default());
                if queue.unbounded_send(woken).is_err() {
                    return;
                }
            }
        }
    }
}

/// Whether a PushSecret pushes a Secret of its namespace.
fn is_source(spec: &PushSecretSpec, name: &str, labels: &BTreeMap<String, String>) -> bool {
    let Some(secret) = &spec.selector.secret else {
        return false;
    };
    match (&secret.name, &secret.selector) {
        (Some(wanted), _) if !wanted.is_empty() => wanted == name,
        (_, Some(selector)) => selects(selector, labels).unwrap_or(false),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_tells_of_a_source_that_was_read_in_another_version() {
        let listed = |uid: &str, version: &str| -> Secret {
            let meta = json!({"uid": uid, "resourceVersion": version});
            serde_json::from_value(json!({"metadata": meta})).unwrap()
        };
        let changed = Changed::default();
        assert!(!changed.is_outdated(&listed("a", "1")), "never read");
        changed.read("a".to_owned(), "1".to_owned());
        assert!(!changed.is_outdated(&listed("a", "1")));
        assert!(changed.is_outdated(&listed("a", "2")));
        assert!(!changed.is_outdated(&listed("b", "2")));
        changed.forget(&listed("a", "2"));
        assert!(!changed.is_outdated(&listed("a", "2")));
    }

    #[test]
    fn a_source_is_found_by_name_or_by_labels() {
        let spec = |selector: serde_json::Value| -> PushSecretSpec {
            serde_json::from_value(json!({"secretStoreRefs": [], "selector": selector})).unwrap()
        };
        let labels: BTreeMap<String, String> = [("push".to_owned(), "yes".to_owned())]
            .into_iter()
            .collect();
        let named = spec(json!({"secret": {"name": "a"}}));
        assert!(is_source(&named, "a", &labels));
        assert!(!is_source(&named, "b", &labels));
        let selector = json!({"secret": {"selector": {"matchLabels": {"push": "yes"}}}});
        assert!(is_source(&spec(selector.clone()), "b", &labels));
        assert!(!is_source(&spec(selector), "b", &BTreeMap::new()));
        let made = json!({"generatorRef": {"kind": "Password", "name": "a"}});
        assert!(!is_source(&spec(made), "a", &labels));
    }
}
