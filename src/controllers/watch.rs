//! Watches: streams of changes that never end, and the caches they fill.

use std::fmt::Debug;
use std::future::ready;

use futures::{Stream, StreamExt as _};
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::core::{ApiResource, DeserializeGuard};
use kube::runtime::reflector::{Lookup, Store, store};
use kube::runtime::watcher::{Config, Event, Result as WatchResult};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

/// An object of the API server that may not be readable; one such object must not end a watch.
pub(crate) type Guarded<K> = DeserializeGuard<K>;

/// Watches whole objects. The stream must be polled for the cache to fill.
pub(crate) fn objects<K>(
    api: Api<Guarded<K>>,
) -> (Store<Guarded<K>>, impl Stream<Item = Event<Guarded<K>>>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    cached(watcher(api, Config::default()), K::kind(&()).into_owned())
}

/// Watches the metadata of objects that match `selector`.
pub(crate) fn metadata<K>(
    api: Api<PartialObjectMeta<K>>,
    selector: Option<&str>,
) -> (
    Store<PartialObjectMeta<K>>,
    impl Stream<Item = Event<PartialObjectMeta<K>>> + use<K>,
)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let config = selector.map_or_else(Config::default, |selector| {
        Config::default().labels(selector)
    });
    cached(watcher(api, config), K::kind(&()).into_owned())
}

/// Watches the metadata of objects that match `selector` without keeping it.
pub(crate) fn passing<K>(
    api: Api<PartialObjectMeta<K>>,
    selector: &str,
) -> impl Stream<Item = Event<PartialObjectMeta<K>>> + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let config = Config::default().labels(selector);
    let changes = watcher(api, config).default_backoff();
    readable(changes, K::kind(&()).into_owned())
}

/// Watches whole objects of a kind without keeping them.
pub(crate) fn dynamic(
    (api, resource): (Api<DynamicObject>, ApiResource),
    selector: &str,
) -> impl Stream<Item = Event<DynamicObject>> + use<> {
    let kind = resource.kind;
    readable(
        watcher(api, Config::default().labels(selector)).default_backoff(),
        kind,
    )
}

/// Drops failed attempts, which are made again.
fn readable<K>(
    changes: impl Stream<Item = WatchResult<Event<K>>>,
    kind: String,
) -> impl Stream<Item = Event<K>> {
    changes.filter_map(move |change| {
        ready(match change {
            Ok(event) => Some(event),
            Err(error) => {
                tracing::warn!(kind, error = %error, "Failed to watch, trying again");
                None
            }
        })
    })
}

fn cached<K>(
    changes: impl Stream<Item = WatchResult<Event<K>>> + Send,
    kind: String,
) -> (Store<K>, impl Stream<Item = Event<K>>)
where
    K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + 'static,
{
    let (reader, writer) = store();
    let changes = changes
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer);
    (reader, readable(changes, kind))
}
