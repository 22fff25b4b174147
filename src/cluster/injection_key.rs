//! The keys under which names of injected Secrets are made, shared by all replicas.

use std::future::ready;

use futures::{Stream, StreamExt as _};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt as _, watcher};

use crate::cluster::request::{Error, bounded};
use crate::secret::SecretBytes;

/// Name of the Secret in latchkey's namespace.
pub const SECRET_NAME: &str = "latchkey-injection-key";
const CURRENT: &str = "current";
const PREVIOUS: &str = "previous";
/// Tries when another replica makes the Secret at the same time.
const TRIES: usize = 5;

/// The current key and the one before it.
#[derive(Debug)]
pub struct Keys {
    /// New names are made under this key.
    pub current: SecretBytes,
    /// Older pods have names under this key.
    pub previous: Option<SecretBytes>,
}

/// Reads the keys, or makes them of `fresh` where there are none yet. Whoever creates the Secret first
/// decides for all replicas.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn load_or_create(
    client: &Client,
    namespace: &str,
    fresh: &SecretBytes,
) -> Result<Keys, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut tries = 0;
    loop {
        if let Some(keys) = bounded(api.get_opt(SECRET_NAME)).await?.and_then(read) {
            return Ok(keys);
        }
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(SECRET_NAME.to_owned()),
                ..ObjectMeta::default()
            },
            data: Some([(CURRENT.to_owned(), ByteString(fresh.expose().to_vec()))].into()),
            ..Secret::default()
        };
        let params = PostParams::default();
        tries += 1;
        match bounded(api.create(&params, &secret)).await {
            Err(error) if !error.is_conflict() || tries >= TRIES => return Err(error),
            _ => {}
        }
    }
}

/// Reads the keys; `None` where there are none yet.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub async fn load(client: &Client, namespace: &str) -> Result<Option<Keys>, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    Ok(bounded(api.get_opt(SECRET_NAME)).await?.and_then(read))
}

/// Makes `fresh` the current key and the current one the key before. Names under the key before that
/// become unknown.
///
/// # Errors
/// When the API server cannot be reached or refuses, when there is no Secret with keys yet
/// ([`Error::is_not_found`]), or when somebody else wrote it meanwhile ([`Error::is_conflict`]).
pub async fn rotate(client: &Client, namespace: &str, fresh: &SecretBytes) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut secret = bounded(api.get(SECRET_NAME)).await?;
    let data = secret.data.get_or_insert_default();
    if let Some(current) = data.insert(CURRENT.to_owned(), ByteString(fresh.expose().to_vec())) {
        data.insert(PREVIOUS.to_owned(), current);
    }
    bounded(api.replace(SECRET_NAME, &PostParams::default(), &secret)).await?;
    Ok(())
}

/// The keys as they are and whenever they change. The stream never ends; while the Secret is missing or
/// empty it says so in the log and yields nothing, so that the last known keys stay in use.
pub fn watch(client: Client, namespace: &str) -> impl Stream<Item = Keys> + Send + use<> {
    let api: Api<Secret> = Api::namespaced(client, namespace);
    let config = Config::default().fields(&format!("metadata.name={SECRET_NAME}"));
    let changes = watcher(api, config).default_backoff();
    changes.filter_map(|change| {
        ready(match change {
            Ok(Event::Apply(secret) | Event::InitApply(secret)) => {
                let keys = read(secret);
                if keys.is_none() {
                    tracing::error!(secret = SECRET_NAME, "The Secret holds no key; restore it");
                }
                keys
            }
            Ok(Event::Delete(_)) => {
                tracing::error!(
                    secret = SECRET_NAME,
                    "The Secret with the keys was deleted; restore it before the next start"
                );
                None
            }
            Ok(Event::Init | Event::InitDone) => None,
            Err(error) => {
                tracing::warn!(error = %error, "Failed to watch the keys of names, trying again");
                None
            }
        })
    })
}

fn read(secret: Secret) -> Option<Keys> {
    let mut data = secret.data.unwrap_or_default();
    let mut take = |key: &str| {
        data.remove(key)
            .map(|value| SecretBytes::new(value.0))
            .filter(|key| !key.is_empty())
    };
    Some(Keys {
        current: take(CURRENT)?,
        previous: take(PREVIOUS),
    })
}
