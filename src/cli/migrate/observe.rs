//! All reads that the plan is made from. Nothing is written.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, ListParams};
use kube::core::DeserializeGuard;
use kube::{Client, ResourceExt as _};

use super::installation;
use super::plan::{Observed, Scope, StoreSeen, User};
use crate::api::v1::{ClusterSecretStore, ExternalSecret, SecretStore};
use crate::api::v1alpha1::PushSecret;
use crate::cli::listing::all;
use crate::cluster::authorize::WholeNamespace;
use crate::cluster::generator_object;
use crate::cluster::secrets::KubeSecretReader;
use crate::controllers::caches::{CachedStore, cluster_store, namespaced_store};
use crate::controllers::external_secret::{Values, forecast};
use crate::controllers::{self, Options};
use crate::generators;
use crate::model::complaint::Complaint;
use crate::model::controller_class::ControllerClass;
use crate::model::external_secret::{self, Source};
use crate::model::failover::Candidates;
use crate::model::push_secret;
use crate::model::secret_store::StoreId;
use crate::providers::{self, Registry};
use crate::telemetry::metrics::Metrics;

/// Objects looked at at once.
const AT_ONCE: usize = 16;

/// What to look at.
pub(super) struct Question {
    /// What is handed over.
    pub(super) scope: Scope,
    /// Class for the stores of a namespace.
    pub(super) class: String,
    /// With which values Secrets are compared.
    pub(super) values: Values,
    /// Whether Secrets that nobody owns are taken over without being asked.
    pub(super) adopt_unowned: bool,
    /// Address of the ESC API for stores that name none.
    pub(super) esc_url: String,
    /// latchkey's namespace.
    pub(super) own_namespace: String,
    /// latchkey's Deployment.
    pub(super) deployment: String,
    /// Its replicas once it runs.
    pub(super) replicas: i32,
}

/// Looks at the cluster.
pub(super) async fn observe(client: &Client, question: &Question) -> anyhow::Result<Observed> {
    let stores = stores(client, &question.scope).await?;
    let context = context(client, question)?;
    let everywhere: Vec<DeserializeGuard<ExternalSecret>> = list(client, "ExternalSecrets").await?;
    let pushes: Vec<DeserializeGuard<PushSecret>> = list(client, "PushSecrets").await?;
    let inside = |namespace: &str| match &question.scope {
        Scope::Namespace(wanted) => wanted == namespace,
        Scope::Cluster => true,
    };
    let known: HashMap<StoreId, Candidates> = stores
        .iter()
        .map(|cached| {
            let id = cached.store.id.clone();
            (id, Arc::clone(&cached.store).into())
        })
        .collect();
    let mut used_elsewhere = BTreeSet::new();
    let mut objects = Vec::new();
    for object in pushes {
        let namespace = object.namespace().unwrap_or_default();
        let user = push(&namespace, &object);
        if inside(&namespace) {
            objects.push(user);
        } else {
            used_elsewhere.extend(user.stores);
        }
    }
    let (wanted, others): (Vec<_>, Vec<_>) = everywhere
        .into_iter()
        .partition(|object| inside(&object.namespace().unwrap_or_default()));
    for object in others {
        if let Ok(read) = &object.0 {
            let namespace = object.namespace().unwrap_or_default();
            used_elsewhere.extend(external_secret::stores_named(&namespace, &read.spec));
        }
    }
    let users = futures::stream::iter(wanted)
        .map(|object| user(&context, &known, question.values, object))
        .buffered(AT_ONCE);
    objects.extend(users.try_collect::<Vec<User>>().await?);
    let (parts, gates) = installation::parts_and_gates(client).await?;
    let seen = stores.iter().map(|cached| StoreSeen {
        id: cached.store.id.clone(),
        class: cached.spec.controller.clone().unwrap_or_default(),
        fault: fault(&context, cached),
    });
    Ok(Observed {
        scope: question.scope.clone(),
        class: question.class.clone(),
        objects,
        used_elsewhere,
        stores: seen.collect(),
        parts,
        gates,
        definitions: installation::definitions(client).await?,
        own: installation::own(client, question).await?,
    })
}

async fn list<K>(client: &Client, what: &str) -> anyhow::Result<Vec<DeserializeGuard<K>>>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let found = all(&Api::all(client.clone()), ListParams::default()).await;
    found.with_context(|| format!("failed to list {what}; are the CRDs installed?"))
}

/// The stores that objects of the scope may use. One that cannot be read has no user that can.
async fn stores(client: &Client, scope: &Scope) -> anyhow::Result<Vec<CachedStore>> {
    let namespaced: Api<DeserializeGuard<SecretStore>> = match scope {
        Scope::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
        Scope::Cluster => Api::all(client.clone()),
    };
    let namespaced = all(&namespaced, ListParams::default()).await;
    let namespaced = namespaced.context("failed to list SecretStores")?;
    let cluster: Vec<DeserializeGuard<ClusterSecretStore>> =
        list(client, "ClusterSecretStores").await?;
    let namespaced = namespaced.iter().filter_map(|store| store.0.as_ref().ok());
    let cluster = cluster.iter().filter_map(|store| store.0.as_ref().ok());
    Ok(namespaced
        .map(namespaced_store)
        .chain(cluster.map(cluster_store))
        .collect())
}

fn context(client: &Client, question: &Question) -> anyhow::Result<controllers::Context> {
    let registry = Registry::new(&providers::Options {
        esc_url: question.esc_url.clone(),
        ..providers::Options::default()
    })?;
    Ok(controllers::Context::new(
        client.clone(),
        Arc::new(registry),
        Arc::new(KubeSecretReader::new(client.clone())),
        Metrics::new(),
        Arc::new(WholeNamespace),
        Options {
            controller_class: ControllerClass::default(),
            store_interval: std::time::Duration::ZERO,
            concurrency: 1,
            lanes: (1, 1),
            deletion_limit: 0,
            generic_targets: true,
            adopt_unowned: question.adopt_unowned,
            namespace: None,
            generator_grace: std::time::Duration::ZERO,
        },
        jiff::Timestamp::now,
    ))
}

/// Why latchkey does not serve a store, if so.
fn fault(context: &controllers::Context, cached: &CachedStore) -> Option<String> {
    let provider = context.registry.provider(&cached.store);
    let checked = provider.and_then(|provider| provider.check(&cached.store));
    checked.err().map(|error| error.to_string())
}

fn push(namespace: &str, object: &DeserializeGuard<PushSecret>) -> User {
    let (stores, faults) = match &object.0 {
        Err(error) => (Vec::new(), vec![format!("cannot be read: {}", error.error)]),
        Ok(read) => {
            let named = read.spec.secret_store_refs.iter().filter_map(|reference| {
                let name = reference.name.as_deref().filter(|name| !name.is_empty())?;
                Some(StoreId::new(
                    reference.kind.unwrap_or_default(),
                    namespace,
                    name,
                ))
            });
            let faults = push_secret::check(&read.spec).err().unwrap_or_default();
            (
                named.collect(),
                faults.iter().map(Complaint::to_string).collect(),
            )
        }
    };
    User {
        kind: "PushSecret",
        namespace: namespace.to_owned(),
        name: object.name_any(),
        stores,
        faults,
        forecast: None,
    }
}

async fn user(
    context: &controllers::Context,
    stores: &HashMap<StoreId, Candidates>,
    values: Values,
    object: DeserializeGuard<ExternalSecret>,
) -> anyhow::Result<User> {
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let mut user = User {
        kind: "ExternalSecret",
        namespace: namespace.clone(),
        name: name.clone(),
        stores: Vec::new(),
        faults: Vec::new(),
        forecast: None,
    };
    let read = match &object.0 {
        Ok(read) => read,
        Err(error) => {
            user.faults.push(format!("cannot be read: {}", error.error));
            return Ok(user);
        }
    };
    user.stores = external_secret::stores_named(&namespace, &read.spec);
    let spec = match external_secret::ExternalSecret::parse(&namespace, &name, &read.spec) {
        Ok(spec) => spec,
        Err(complaints) => {
            user.faults = complaints.iter().map(Complaint::to_string).collect();
            return Ok(user);
        }
    };
    user.faults = generator_faults(context, &spec).await?;
    if user.faults.is_empty() {
        let told = forecast(context, read, &spec, stores, values).await;
        let told = told
            .with_context(|| format!("failed to read Secret {namespace}/{}", spec.target.name))?;
        user.forecast = Some(told);
    }
    Ok(user)
}

/// The generators of an object that latchkey does not serve.
async fn generator_faults(
    context: &controllers::Context,
    spec: &external_secret::ExternalSecret,
) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for entry in &spec.entries {
        let Source::Generate(generator) = &entry.source else {
            continue;
        };
        let (kind, name) = (&generator.kind, &generator.name);
        let found = generator_object::read(&context.client, &spec.namespace, kind, name).await;
        let found = found.with_context(|| format!("failed to read {kind} {name}"))?;
        if let Some(Err(error)) = found.map(|found| generators::parse(kind, found.spec)) {
            faults.push(format!("{}: {kind} {name}: {error}", entry.field));
        }
    }
    Ok(faults)
}
