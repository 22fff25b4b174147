//! The keys under which names of injected Secrets are made, shared by all replicas.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

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
