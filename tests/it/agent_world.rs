//! What agents' questions need of a cluster and of stores, as tables.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use latchkey::admission::{PodSecrets, Pods, Unfetched, Values};
use latchkey::api::v1::ExternalSecretSpec;
use latchkey::cluster::bound_token::BoundPod;
use latchkey::model::failover::{Candidates, Fallback};
use latchkey::model::secret_store::StoreId;
use latchkey::secret::{SecretBytes, SecretMap};
use serde_json::{Value, json};

/// The CA that agents are given.
pub(crate) const TRUST: &str = "-----BEGIN CERTIFICATE-----\nexample\n-----END CERTIFICATE-----\n";

/// Tokens, pods and values, and what was asked.
#[derive(Default)]
pub(crate) struct Tables {
    /// Pods by their tokens; `None` fails to say.
    pub(crate) owners: BTreeMap<String, Option<BoundPod>>,
    /// Pods by name; null fails to say.
    pub(crate) pods: BTreeMap<String, Value>,
    /// Values by remote key.
    pub(crate) values: BTreeMap<String, Result<String, Unfetched>>,
    /// Notes to pods.
    pub(crate) told: Vec<String>,
    /// Tokens that were asked about.
    pub(crate) reviews: usize,
    /// Remote keys that were fetched.
    pub(crate) fetched: Vec<String>,
    /// What stood in the place of the store of the last fetch: its name, or why it was passed over.
    pub(crate) fallbacks: Vec<Result<String, String>>,
}

/// The tables, shared.
#[derive(Clone, Default)]
pub(crate) struct Agents(Arc<Mutex<Tables>>);

impl Agents {
    /// Looks into the tables, or changes them.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Tables) -> T) -> T {
        change(&mut self.0.lock().expect("no test panics with it"))
    }

    /// What answers agents from the tables.
    pub(crate) fn served(&self) -> Arc<PodSecrets> {
        Arc::new(PodSecrets::new(
            "registry.example.com/latchkey:1".to_owned(),
            "https://latchkey-webhook.latchkey-system.svc:443".to_owned(),
            Arc::new(|| Some(TRUST.to_owned())),
            Arc::new(self.clone()),
            Arc::new(self.clone()),
        ))
    }
}

/// A token that says it is for `audience`; `serial` tells tokens apart.
pub(crate) fn token(audience: &str, serial: u32) -> String {
    let claims = json!({ "aud": [audience], "jti": serial }).to_string();
    let claims = data_encoding::BASE64URL_NOPAD.encode(claims.as_bytes());
    format!("e30.{claims}.c2ln")
}

#[async_trait]
impl Pods for Agents {
    async fn owner(&self, token: &SecretBytes) -> Result<Option<BoundPod>, String> {
        let token = token.expose_str().expect("tokens are text");
        self.with(|tables| {
            tables.reviews += 1;
            match tables.owners.get(token) {
                Some(Some(owner)) => Ok(Some(owner.clone())),
                Some(None) => Err("the API server is away".to_owned()),
                None => Ok(None),
            }
        })
    }

    async fn read(&self, namespace: &str, name: &str) -> Result<Option<SecretBytes>, String> {
        assert_eq!(
            namespace, "team",
            "a pod is read where its token says it is"
        );
        self.with(|tables| match tables.pods.get(name) {
            Some(Value::Null) => Err("the API server is away".to_owned()),
            Some(pod) => Ok(Some(SecretBytes::from(pod.to_string()))),
            None => Ok(None),
        })
    }

    async fn tell(&self, pod: &BoundPod, note: String) {
        self.with(|tables| tables.told.push(format!("{}: {note}", pod.name)));
    }
}

#[async_trait]
impl Values for Agents {
    async fn fetch(
        &self,
        namespace: &str,
        _: &str,
        spec: &ExternalSecretSpec,
        stores: &HashMap<StoreId, Candidates>,
    ) -> Result<SecretMap, Unfetched> {
        assert_eq!((namespace, stores.len()), ("team", 1));
        let extract = spec.data_from[0].extract.as_ref();
        let key = extract.expect("tests extract").key.clone();
        self.with(|tables| {
            tables.fetched.push(key.clone());
            let all = stores.values().flat_map(|candidates| &candidates.fallbacks);
            let all = all.map(|fallback| match fallback {
                Fallback::Usable(store) => Ok(store.id.name.clone()),
                Fallback::Barred { why, .. } => Err(why.clone()),
            });
            tables.fallbacks = all.collect();
            let found = tables.values.get(&key).cloned();
            let missing = Unfetched {
                message: "there is no such secret".to_owned(),
                is_missing: true,
                retry_after: None,
            };
            let value = found.unwrap_or(Err(missing))?;
            let entry = ("password".to_owned(), SecretBytes::from(value));
            Ok(std::iter::once(entry).collect())
        })
    }
}
