//! Which Secret an ExternalSecret keeps.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures::{Stream, StreamExt as _};
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use tokio::sync::watch;

use crate::api::v1::ExternalSecret;
use crate::model::external_secret::target_name;

/// Knows the Secrets that ExternalSecrets keep, without asking anybody.
pub trait TargetNames: Send + Sync {
    /// Name of the Secret of an ExternalSecret, if it is known.
    fn target_name(&self, namespace: &str, external_secret: &str) -> Option<String>;
}

/// A table of names.
#[derive(Debug, Default)]
pub struct KnownTargets(RwLock<HashMap<(String, String), String>>);

impl KnownTargets {
    /// Records the Secret of an ExternalSecret.
    pub fn insert(&self, namespace: &str, external_secret: &str, target: &str) {
        let key = (namespace.to_owned(), external_secret.to_owned());
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        names.insert(key, target.to_owned());
    }

    fn remove(&self, namespace: &str, external_secret: &str) {
        let key = (namespace.to_owned(), external_secret.to_owned());
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        names.remove(&key);
    }

    fn replace(&self, listed: HashMap<(String, String), String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = listed;
    }
}

impl TargetNames for KnownTargets {
    fn target_name(&self, namespace: &str, external_secret: &str) -> Option<String> {
        let key = (namespace.to_owned(), external_secret.to_owned());
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&key).cloned()
    }
}

/// Keeps a table current by a watch; the future never ends. The receiver says when the table is
/// complete. Objects whose own target is their name are
/// recorded too, for a name that is not in the table is reported as unknown.
pub fn watch_targets(
    client: Client,
) -> (
    Arc<dyn TargetNames>,
    watch::Receiver<bool>,
    impl Future<Output = ()> + Send,
) {
    let complete = watch::Sender::new(false);
    let completed = complete.subscribe();
    let targets = Arc::new(KnownTargets::default());
    let api: Api<DeserializeGuard<ExternalSecret>> = Api::all(client);
    let changes = watcher(api, Config::default())
        .default_backoff()
        .filter_map(|change| async {
            match change {
                Ok(event) => Some(event),
                Err(error) => {
                    tracing::warn!(error = %error, "Failed to watch ExternalSecrets, trying again");
                    None
                }
            }
        });
    (
        targets.clone(),
        completed,
        follow(targets, complete, changes),
    )
}

async fn follow(
    targets: Arc<KnownTargets>,
    complete: watch::Sender<bool>,
    changes: impl Stream<Item = Event<DeserializeGuard<ExternalSecret>>> + Send,
) {
    let mut changes = std::pin::pin!(changes);
    let mut listed = HashMap::new();
    while let Some(change) = changes.next().await {
        match change {
            Event::Init => listed = HashMap::new(),
            Event::InitApply(object) => {
                let name = object.name_any();
                let target = target_of(&object, &name);
                listed.insert((object.namespace().unwrap_or_default(), name), target);
            }
            Event::InitDone => {
                targets.replace(std::mem::take(&mut listed));
                complete.send_replace(true);
            }
            Event::Apply(object) => {
                let name = object.name_any();
                let target = target_of(&object, &name);
                targets.insert(&object.namespace().unwrap_or_default(), &name, &target);
            }
            Event::Delete(object) => {
                targets.remove(&object.namespace().unwrap_or_default(), &object.name_any());
            }
        }
    }
}

/// An object that cannot be read keeps a Secret of its own name as far as anybody knows.
fn target_of(object: &DeserializeGuard<ExternalSecret>, name: &str) -> String {
    match &object.0 {
        Ok(object) => target_name(name, &object.spec).to_owned(),
        Err(_) => name.to_owned(),
    }
}
