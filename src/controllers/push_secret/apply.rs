//! Pushes to stores and takes back what is not asked for any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::Selector;
use kube::{Resource as _, ResourceExt as _};

use super::Worker;
use super::status::Outcome;
use crate::api::meta::StoreKind;
use crate::api::v1alpha1::{
    PushSecret, PushSecretData, PushSecretDeletionPolicy, PushSecretUpdatePolicy,
};
use crate::cluster::secret_object::Stored;
use crate::controllers::external_secret::{store_state, store_trouble, templated, transformed};
use crate::controllers::generated::{self, Asker, Recorded};
use crate::model::external_secret::{GeneratorId, Template};
use crate::model::push::{Push, Source};
use crate::model::push_secret::{
    Candidate, Synced, Write, converted, matching, obsolete, store_key, store_of_key, target,
    target_key, template, writes,
};
use crate::model::secret_store::StoreId;
use crate::providers::{ClientContext, SecretsClient};

/// Pushes everything the object asks for. What fails stops the rest of it, and nothing is taken back
/// then.
pub(super) async fn push(worker: &Worker, object: &PushSecret, version: &str) -> Outcome {
    let old = object
        .status
        .clone()
        .unwrap_or_default()
        .synced_push_secrets;
    let keeps_existing = object.spec.update_policy == Some(PushSecretUpdatePolicy::IfNotExists);
    let mut pushed = Synced::new();
    let mut result = push_all(worker, object, &old, &mut pushed).await;
    let mut synced = pushed.clone();
    let takes_back = object.spec.deletion_policy == Some(PushSecretDeletionPolicy::Delete);
    for (store, entry) in obsolete(&old, &pushed) {
        let taken = match &result {
            Ok(()) if takes_back => take_back(worker, object, &store, &entry).await,
            Ok(()) => Ok(()),
            Err(_) => Err(String::new()),
        };
        if let Err(error) = taken {
            let place = target_key(&entry.match_.remote_ref);
            synced.entry(store).or_default().insert(place, entry);
            if result.is_ok() {
                result = Err(error);
            }
        }
    }
    Outcome {
        synced,
        result: result.map(|()| version.to_owned()),
        source_deleted: false,
        keeps_existing,
    }
}

/// Takes everything back when the source that the object names is gone and it asks for that; `None`
/// where there is nothing of the kind to do.
pub(super) async fn follow_source(worker: &Worker, object: &PushSecret) -> Option<Outcome> {
    let takes_back = object.spec.deletion_policy == Some(PushSecretDeletionPolicy::Delete);
    let status = object.status.as_ref()?;
    let mut conditions = status.conditions.iter();
    let told = conditions.any(|condition| condition.reason.as_deref() == Some("SourceDeleted"));
    let mut pushed = status.synced_push_secrets.values().flatten();
    let name = object.spec.selector.secret.as_ref()?.name.as_deref()?;
    if !takes_back || !(told || pushed.next().is_some()) {
        return None;
    }
    let namespace = object.namespace().unwrap_or_default();
    let Ok(None) = worker.context.objects.read(&namespace, name).await else {
        return None;
    };
    let (synced, cause) = take_all_back(worker, object).await;
    Some(Outcome {
        synced,
        source_deleted: cause.is_none(),
        result: Err(cause.unwrap_or_default()),
        keeps_existing: false,
    })
}

/// Takes back everything the object pushed; what could not be is answered, with the first cause.
pub(super) async fn take_all_back(
    worker: &Worker,
    object: &PushSecret,
) -> (Synced, Option<String>) {
    let old = object
        .status
        .clone()
        .unwrap_or_default()
        .synced_push_secrets;
    let (mut left, mut cause) = (Synced::new(), None);
    for (store, entry) in obsolete(&old, &Synced::new()) {
        if let Err(error) = take_back(worker, object, &store, &entry).await {
            let place = target_key(&entry.match_.remote_ref);
            left.entry(store).or_default().insert(place, entry);
            cause.get_or_insert(error);
        }
    }
    (left, cause)
}

async fn push_all(
    worker: &Worker,
    object: &PushSecret,
    old: &Synced,
    pushed: &mut Synced,
) -> Result<(), String> {
    let namespace = object.namespace().unwrap_or_default();
    let stores = stores(worker, object, &namespace)?;
    let (sources, made) = sources(worker, object, &namespace).await?;
    let mut is_used = false;
    let written = write_all(
        worker,
        object,
        (&stores, sources),
        old,
        pushed,
        &mut is_used,
    )
    .await;
    if written.is_ok() {
        generated::settle(&worker.context, &namespace, &made).await;
    } else if !is_used {
        generated::discard(&worker.context, &namespace, &made).await;
    }
    written
}

/// Writes every source to every store; `is_used` tells, also of a failure, whether any value arrived.
async fn write_all(
    worker: &Worker,
    object: &PushSecret,
    (stores, mut sources): (&[Candidate], Vec<Source>),
    old: &Synced,
    pushed: &mut Synced,
    is_used: &mut bool,
) -> Result<(), String> {
    let namespace = object.namespace().unwrap_or_default();
    changed(worker, object, &mut sources).await?;
    let now = worker.context.now();
    for store in stores {
        let client = client(worker, &namespace, &store.id).await?;
        let key = store_key(&store.id);
        for source in &sources {
            let keys: Vec<&str> = source.data.keys().collect();
            for write in writes(&object.spec, &keys, store, &|template, key| {
                transformed(now, template, key)
            })? {
                let place = target_key(&write.entry.match_.remote_ref);
                let known = old
                    .get(&key)
                    .is_some_and(|entries| entries.contains_key(&place));
                let done = push_one(client.as_ref(), object, source, &write).await.map_err(|error| {
                    format!("set secret failed: could not write remote ref {place} to target secretstore {}: {error}", store.id.name)
                })?;
                *is_used |= done;
                if done || known {
                    pushed
                        .entry(key.clone())
                        .or_default()
                        .insert(place, write.entry);
                }
            }
        }
    }
    Ok(())
}

/// Lays the template over the sources, if there is one.
async fn changed(
    worker: &Worker,
    object: &PushSecret,
    sources: &mut [Source],
) -> Result<(), String> {
    let namespace = object.namespace().unwrap_or_default();
    if let Some(template) = template(&object.spec, &mut Vec::new()) {
        for source in sources {
            change(worker, &namespace, &template, source).await?;
        }
    }
    Ok(())
}

/// Lays what the template makes over a source; keys that it does not make stay.
async fn change(
    worker: &Worker,
    namespace: &str,
    template: &Template,
    source: &mut Source,
) -> Result<(), String> {
    let made = templated(
        &worker.context,
        namespace,
        template,
        source.data.duplicate(),
    );
    let made = made
        .await
        .map_err(|why| format!("could not apply template: {why}"))?;
    source.data.extend(made.data);
    let dress = made.dress.unwrap_or_default();
    source.labels.extend(dress.labels);
    source.annotations.extend(dress.annotations);
    if let Some(type_) = dress.type_ {
        source.type_ = type_;
    }
    Ok(())
}

/// Whether something was written: what exists already is not, with policy IfNotExists.
async fn push_one(
    client: &dyn SecretsClient,
    object: &PushSecret,
    source: &Source,
    write: &Write,
) -> Result<bool, String> {
    let place = target(&write.entry);
    if object.spec.update_policy == Some(PushSecretUpdatePolicy::IfNotExists) {
        let exists = client.exists(&place).await;
        if exists.map_err(|error| format!("could not verify if secret exists in store: {error}"))? {
            return Ok(false);
        }
    }
    let mut data = converted(&source.data, write.entry.conversion_strategy)?;
    if let Some(bundle) = &write.bundle {
        let others: Vec<String> = data
            .keys()
            .filter(|key| !bundle.contains(*key))
            .map(str::to_owned)
            .collect();
        for key in &others {
            data.remove(key);
        }
    }
    let source = Source {
        data,
        type_: source.type_.clone(),
        labels: source.labels.clone(),
        annotations: source.annotations.clone(),
    };
    let push = Push {
        source: &source,
        secret_key: write.entry.match_.secret_key.as_deref().unwrap_or_default(),
        target: &place,
        metadata: write.entry.metadata.as_ref(),
    };
    client
        .push(&push)
        .await
        .map_err(|error| error.to_string())?;
    Ok(true)
}

/// A store that is gone took its access with it; then there is nothing left to do.
async fn take_back(
    worker: &Worker,
    object: &PushSecret,
    store: &str,
    entry: &PushSecretData,
) -> Result<(), String> {
    let namespace = object.namespace().unwrap_or_default();
    let Some(id) = store_of_key(&namespace, store) else {
        return Ok(());
    };
    if worker.caches.store(&id).is_none() {
        let place = target_key(&entry.match_.remote_ref);
        tracing::warn!(
            store,
            place,
            "The store is gone, what was pushed to it stays there"
        );
        return Ok(());
    }
    let client = client(worker, &namespace, &id).await?;
    let place = target(entry);
    let deleted = client.delete(&place).await;
    deleted.map_err(|error| {
        format!(
            "could not delete remote ref {} from {store}: {error}",
            place.key
        )
    })
}

fn candidates(worker: &Worker, namespace: &str) -> Vec<Candidate> {
    let own = worker.caches.secret_stores.state().into_iter();
    let own = own.filter(|store| store.namespace().as_deref() == Some(namespace));
    let own = own.filter(|store| {
        store
            .0
            .as_ref()
            .is_ok_and(|store| store.metadata.deletion_timestamp.is_none())
    });
    let own = own.map(|store| Candidate {
        id: StoreId::new(StoreKind::SecretStore, namespace, &store.name_any()),
        labels: store.labels().clone(),
    });
    let all = worker.caches.cluster_secret_stores.state().into_iter();
    let all = all.filter(|store| {
        store
            .0
            .as_ref()
            .is_ok_and(|store| store.metadata.deletion_timestamp.is_none())
    });
    let all = all.map(|store| Candidate {
        id: StoreId::new(StoreKind::ClusterSecretStore, "", &store.name_any()),
        labels: store.labels().clone(),
    });
    own.chain(all).collect()
}

fn stores(worker: &Worker, object: &PushSecret, namespace: &str) -> Result<Vec<Candidate>, String> {
    let all = candidates(worker, namespace);
    let mut found: BTreeMap<StoreId, Candidate> = BTreeMap::new();
    for (i, reference) in object.spec.secret_store_refs.iter().enumerate() {
        let matched = matching(reference, &all)?;
        if let (true, Some(name)) = (matched.is_empty(), &reference.name) {
            let kind = reference.kind.unwrap_or(StoreKind::SecretStore).as_str();
            return Err(format!(
                "spec.secretStoreRefs[{i}]: could not get {kind} {name:?}: not found"
            ));
        }
        found.extend(
            matched
                .into_iter()
                .map(|store| (store.id.clone(), store.clone())),
        );
    }
    let found: Vec<Candidate> = found.into_values().collect();
    for (i, entry) in object.spec.data_to.iter().enumerate() {
        let reference = entry.store_ref.clone().unwrap_or_default();
        if matching(&reference, &found)?.is_empty() {
            return Err(format!(
                "spec.dataTo[{i}].storeRef: matches no store of secretStoreRefs"
            ));
        }
    }
    if found.is_empty() {
        return Err("spec.secretStoreRefs: no store matches".to_owned());
    }
    Ok(found)
}

async fn client(
    worker: &Worker,
    namespace: &str,
    id: &StoreId,
) -> Result<Box<dyn SecretsClient>, String> {
    let context = &worker.context;
    let cached = worker.caches.store(id);
    let store = cached
        .as_ref()
        .and_then(|cached| cached.as_ref().ok())
        .map(|cached| Arc::clone(&cached.store));
    let state = store_state(context, &worker.caches, namespace, cached);
    let (Some(store), None) = (store, store_trouble(id, &state)) else {
        return Err(
            store_trouble(id, &state).unwrap_or_else(|| "the store cannot be read".to_owned())
        );
    };
    let provider = context
        .registry
        .provider(&store)
        .map_err(|error| error.to_string())?;
    let client = provider.client(ClientContext {
        store,
        namespace: namespace.to_owned(),
        secrets: Arc::clone(&context.reader),
        not_before: context.now().into(),
    });
    client.await.map_err(|error| error.to_string())
}

async fn sources(
    worker: &Worker,
    object: &PushSecret,
    namespace: &str,
) -> Result<(Vec<Source>, Vec<Recorded>), String> {
    let context = &worker.context;
    let failed = |cause: String| format!("could not get source secret: {cause}");
    let selector = &object.spec.selector;
    if let Some(generator) = &selector.generator_ref {
        let id = GeneratorId {
            kind: generator.kind.clone(),
            name: generator.name.clone(),
        };
        let asker = Asker {
            kind: "PushSecret",
            namespace: namespace.to_owned(),
            name: object.name_any(),
            owner: object.owner_ref(&()),
        };
        let made = generated::make(context, &asker, "generatorRef", &id).await;
        let (data, made) = made.map_err(|failure| failed(failure.text))?;
        let source = Source {
            data,
            ..Source::default()
        };
        return Ok((vec![source], made.into_iter().collect()));
    }
    let secret = selector.secret.clone().unwrap_or_default();
    if let Some(name) = secret.name.filter(|name| !name.is_empty()) {
        let stored = context
            .objects
            .read(namespace, &name)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let stored = stored.ok_or_else(|| failed(format!("there is no Secret {name:?}")))?;
        return Ok((vec![source(worker, stored)], Vec::new()));
    }
    let selector = secret
        .selector
        .ok_or_else(|| failed("spec.selector names nothing".to_owned()))?;
    let selector = Selector::try_from(selector).map_err(|error| failed(error.to_string()))?;
    let found = context.objects.list(namespace, &selector.to_string()).await;
    let found = found.map_err(|error| failed(error.to_string()))?;
    let sources = found.into_iter().map(|(_, stored)| source(worker, stored));
    Ok((sources.collect(), Vec::new()))
}

fn source(worker: &Worker, stored: Stored) -> Source {
    worker.changed.read(stored.uid, stored.resource_version);
    let content = stored.content;
    Source {
        data: content.data,
        type_: content.type_.unwrap_or_default(),
        labels: content.labels,
        annotations: content.annotations,
    }
}
