//! Values for pods that keep them in memory: an agent shows its pod's own token and gets what its pod was
//! admitted with, and nothing else.
//!
//! The API server says which pod a token was made for; that very pod is then read, and only what its
//! immutable arguments pin is served. Whether its account may have it is decided anew each time, as at
//! admission, except that what nobody can say is a refusal for now.

mod cluster;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::digest;
use moka::Expiry;
use moka::future::Cache;

use crate::api::v1::ExternalSecretSpec;
use crate::cluster::authorize::{StoreAccess, Verdict};
use crate::cluster::bound_token::{BoundPod, claims_audience};
use crate::model::external_secret::stores_named;
use crate::model::failover::{Candidates, Fallback};
use crate::model::pod_injection::memory::{AUDIENCE, pinned};
use crate::model::pod_injection::{Materialisation, Pod};
use crate::model::secret_store::StoreId;
use crate::model::store_use::{self, Reader, Refusal, StoreFacts};
use crate::secret::{SecretBytes, SecretMap};

use super::{Reply, Webhook};

pub use cluster::KubePods;
use wire::{Outcome, Question};

pub(super) use wire::refusal;

/// How long a token is known by.
const TOKEN_KNOWN_FOR: Duration = Duration::from_secs(15);
/// How long a token is refused without asking again.
const TOKEN_REFUSED_FOR: Duration = Duration::from_secs(5);
/// Tokens known at most.
const TOKENS: u64 = 20_000;
/// How long a cause is not told again to a pod.
const TOLD_FOR: Duration = Duration::from_mins(10);
/// Longest body of a question in bytes: the names of many Secrets.
pub(super) const BODY_LIMIT: usize = 64 << 10;

/// What is asked of the cluster.
#[async_trait]
pub trait Pods: Send + Sync {
    /// The pod that `token` was made for, if it is valid and for us.
    ///
    /// # Errors
    /// Why nobody could say.
    async fn owner(&self, token: &SecretBytes) -> Result<Option<BoundPod>, String>;

    /// A pod as JSON, if it exists; it holds the pod's plain environment.
    ///
    /// # Errors
    /// Why nobody could say.
    async fn read(&self, namespace: &str, name: &str) -> Result<Option<SecretBytes>, String>;

    /// Tells a pod why it does not get what it asks for.
    async fn tell(&self, pod: &BoundPod, note: String);
}

/// What is asked of stores.
#[async_trait]
pub trait Values: Send + Sync {
    /// The values that a spec stands for in a namespace; `name` is for messages.
    ///
    /// # Errors
    /// Why there are none.
    async fn fetch(
        &self,
        namespace: &str,
        name: &str,
        spec: &ExternalSecretSpec,
        stores: &HashMap<StoreId, Candidates>,
    ) -> Result<SecretMap, Unfetched>;
}

/// Why there are no values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfetched {
    /// What is wrong; holds no value.
    pub message: String,
    /// Whether the store was asked and has no such values.
    pub is_missing: bool,
    /// How long the store asks to wait.
    pub retry_after: Option<Duration>,
}

impl Unfetched {
    fn because(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }
}

/// Answers agents, and says how they are made.
pub struct PodSecrets {
    /// Image of the agent.
    pub image: String,
    /// Address of this server as pods reach it, without a path.
    pub server: String,
    /// The CAs that agents are to trust, in PEM; `None` while there are none.
    pub trust: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    pods: Arc<dyn Pods>,
    values: Arc<dyn Values>,
    owners: Cache<[u8; 32], Option<BoundPod>>,
    told: Cache<(String, String), ()>,
}

struct Known;

impl Expiry<[u8; 32], Option<BoundPod>> for Known {
    fn expire_after_create(
        &self,
        _: &[u8; 32],
        owner: &Option<BoundPod>,
        _: Instant,
    ) -> Option<Duration> {
        Some(match owner {
            Some(_) => TOKEN_KNOWN_FOR,
            None => TOKEN_REFUSED_FOR,
        })
    }
}

impl PodSecrets {
    /// Asks `pods` and `values`.
    pub fn new(
        image: String,
        server: String,
        trust: Arc<dyn Fn() -> Option<String> + Send + Sync>,
        pods: Arc<dyn Pods>,
        values: Arc<dyn Values>,
    ) -> Self {
        let owners = Cache::builder().max_capacity(TOKENS).expire_after(Known);
        let told = Cache::builder().max_capacity(TOKENS).time_to_live(TOLD_FOR);
        Self {
            image,
            server,
            trust,
            pods,
            values,
            owners: owners.build(),
            told: told.build(),
        }
    }

    async fn owner(&self, token: &SecretBytes) -> Result<BoundPod, Refused> {
        let foreign = || {
            Refused(
                401,
                format!("the token is not that of a living pod for the audience {AUDIENCE:?}"),
            )
        };
        if !claims_audience(token, AUDIENCE) {
            return Err(foreign());
        }
        let mut key = [0; 32];
        key.copy_from_slice(digest::digest(&digest::SHA256, token.expose()).as_ref());
        let ask = self.pods.owner(token);
        let owner = self.owners.try_get_with(key, ask).await;
        let owner =
            owner.map_err(|why| Refused(503, format!("failed to check the token: {why}")))?;
        owner.ok_or_else(foreign)
    }

    /// The pod, if it is still the one that the token was made for.
    async fn read(&self, owner: &BoundPod) -> Result<SecretBytes, Refused> {
        let BoundPod {
            namespace, name, ..
        } = owner;
        let read = self.pods.read(namespace, name).await;
        let read = read
            .map_err(|why| Refused(503, format!("failed to read pod {namespace}/{name}: {why}")))?;
        read.ok_or_else(|| Refused(403, format!("there is no pod {namespace}/{name} any more")))
    }
}

/// A status and a sentence.
struct Refused(u16, String);

/// What is served to whom.
struct Work<'w> {
    webhook: &'w Webhook,
    served: &'w PodSecrets,
    owner: BoundPod,
}

impl Webhook {
    /// Answers an agent. `authorization` is the header of that name.
    ///
    /// The status is 200 where the pod is known: then each Secret it asked for has its values or the reason
    /// why not. Otherwise it is 400 for a body that is no question, 401 for a token that is not accepted,
    /// 403 for a pod that may ask nothing and 503 where nobody can say.
    pub async fn pod_secrets(&self, authorization: Option<&str>, body: &[u8]) -> Reply {
        let started = Instant::now();
        let work = async {
            let served = self.memory.as_ref();
            let served = served.map_err(|why| Refused(503, why.clone()))?;
            answer(self, served, authorization, body).await
        };
        let (status, body) = match super::panic_caught(work).await {
            Ok(Ok(body)) => (200, body),
            Ok(Err(Refused(status, why))) => (status, refusal(&why)),
            Err(()) => {
                self.metrics.panicked("pod-secrets");
                (500, refusal("latchkey failed; its log has the cause"))
            }
        };
        let path = crate::model::pod_injection::memory::SECRETS_PATH;
        self.metrics.reviewed(path, status, started.elapsed());
        Reply { status, body }
    }
}

async fn answer(
    webhook: &Webhook,
    served: &PodSecrets,
    authorization: Option<&str>,
    body: &[u8],
) -> Result<Vec<u8>, Refused> {
    let token = authorization.and_then(|text| text.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| Refused(401, "a bearer token is needed".to_owned()))?;
    let question: Question = serde_json::from_slice(body)
        .map_err(|_| Refused(400, "the body must be {\"secrets\": [NAME, …]}".to_owned()))?;
    let owner = served.owner(&SecretBytes::from(token)).await?;
    let text = served.read(&owner).await?;
    let refused = |why: &str| {
        let BoundPod {
            namespace, name, ..
        } = &owner;
        Refused(403, format!("pod {namespace}/{name} {why}"))
    };
    let identity: wire::Identity =
        serde_json::from_slice(text.expose()).map_err(|_| refused("cannot be read"))?;
    let pod: Pod<'_> =
        serde_json::from_slice(text.expose()).map_err(|_| refused("cannot be read"))?;
    if identity.metadata.uid != owner.uid || pod.account() != owner.account {
        return Err(refused("is another one than the token was made for"));
    }
    let pinned = pinned(&owner.namespace, &pod, &webhook.keys);
    let work = Work {
        webhook,
        served,
        owner,
    };
    let outcomes = question.secrets.iter().map(|name| async {
        let asked = pinned.iter().find(|asked| asked.secret_name == *name);
        let outcome = work.outcome(name, asked).await;
        (name.as_str(), outcome)
    });
    let outcomes = futures::future::join_all(outcomes).await;
    let trust = (work.served.trust)();
    Ok(wire::answer(&outcomes, trust.as_deref()))
}

impl Work<'_> {
    async fn outcome(&self, name: &str, asked: Option<&Materialisation>) -> Outcome {
        let fetched = match asked {
            Some(asked) => self.fetch(asked).await,
            None => Err(Unfetched::because(format!(
                "{name}: the pod was not admitted with it; its annotations were edited after it was made, or the \
                 key of names was rotated twice: make the pod anew"
            ))),
        };
        if let Err(unfetched) = &fetched {
            let what = asked.map_or_else(String::new, |asked| format!("alias {:?}: ", asked.alias));
            self.tell(format!("{what}{}", unfetched.message)).await;
        }
        fetched
    }

    async fn fetch(&self, asked: &Materialisation) -> Result<SecretMap, Unfetched> {
        let mut stores = HashMap::new();
        for id in stores_named(&self.owner.namespace, &asked.spec) {
            let facts = self.permit(asked, &id, &id).await;
            let facts = facts.map_err(Unfetched::because)?;
            if let Some(store) = self.webhook.view.whole_store(&id) {
                let fallbacks = self.fallbacks(asked, &id, &facts.fallbacks).await;
                stores.insert(id, Candidates { store, fallbacks });
            }
        }
        let values = &self.served.values;
        let name = &asked.alias;
        values
            .fetch(&self.owner.namespace, name, &asked.spec, &stores)
            .await
    }

    /// The stores in the place of `named`; those that the pod could not name itself are passed over.
    async fn fallbacks(
        &self,
        asked: &Materialisation,
        named: &StoreId,
        ids: &[StoreId],
    ) -> Vec<Fallback> {
        let mut found = Vec::new();
        for id in ids {
            let facts = self.permit(asked, named, id).await;
            let barred = match facts {
                Err(why) => Some(why),
                Ok(facts) => facts.failure.map(|why| format!("{id} is not ready: {why}")),
            };
            let store = self.webhook.view.whole_store(id);
            found.push(match (barred, store) {
                (None, Some(store)) => Fallback::Usable(store),
                (why, _) => Fallback::Barred {
                    store: id.clone(),
                    why: format!("fallback {}", why.unwrap_or_else(|| id.to_string())),
                },
            });
        }
        found
    }

    /// Whether the pod's account may read of the store `id` what the spec reads of `named`; what the store
    /// says.
    async fn permit(
        &self,
        asked: &Materialisation,
        named: &StoreId,
        id: &StoreId,
    ) -> Result<StoreFacts, String> {
        let BoundPod {
            namespace, account, ..
        } = &self.owner;
        let title = format!("{} {}", id.kind.as_str(), id.name);
        let Webhook { view, .. } = self.webhook;
        let facts = view
            .store(id)
            .ok_or_else(|| format!("{title} does not exist here; create it"))?;
        let labels = view.namespace_labels(namespace);
        let reader = Reader {
            namespace,
            labels: labels.as_ref(),
            account,
        };
        let reads = store_use::reads(namespace, named, &asked.spec);
        let class = &self.webhook.controller_class;
        store_use::check(&facts, class, &reader, &reads)
            .map_err(|(Refusal::Never(why) | Refusal::Unknown(why))| format!("{title}: {why}"))?;
        let access = StoreAccess {
            namespace: namespace.clone(),
            account: account.clone(),
            kind: id.kind,
            store: id.name.clone(),
        };
        match self.webhook.authorizer.may_use(&access).await {
            Verdict::Allowed => Ok(facts),
            Verdict::Denied(why) => Err(format!(
                "{title}: service account {account} may not use it {why}; grant the verb \"use\" on the store"
            )),
            Verdict::Unknown(why) => Err(format!(
                "{title}: not known whether service account {account} may use it ({why})"
            )),
        }
    }

    /// Each cause is told once in a while.
    async fn tell(&self, note: String) {
        let key = (self.owner.uid.clone(), note.clone());
        if self.served.told.contains_key(&key) {
            return;
        }
        self.served.told.insert(key, ()).await;
        tracing::warn!(
            namespace = self.owner.namespace,
            name = self.owner.name,
            reason = note,
            "Failed to serve a pod's memory"
        );
        self.served.pods.tell(&self.owner, note).await;
    }
}
