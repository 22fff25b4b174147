//! `latchkey explain`: why an object is as it is. It reads, and shows no value.

mod facts;

use std::io::Write as _;

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use kube::api::Api;

use super::cluster;
use super::material::{Files, Material, kind_and_name};
use crate::api::meta::StoreKind;
use crate::api::v1;
use crate::cluster::request::bounded;
use crate::controllers::caches::CachedStore;
use crate::model::external_secret::ExternalSecret;
use crate::model::secret_store::{StoreId, admits_namespace};
use crate::providers;

use facts::{Facts, StoreFacts};

/// Flags of `latchkey explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `externalsecret/NAME`, `secretstore/NAME` or `clustersecretstore/NAME`
    #[arg(value_name = "KIND/NAME")]
    object: String,
    /// Namespace of the object
    #[arg(short, long, default_value = "default", value_name = "NAMESPACE")]
    namespace: String,
}

/// Prints what is known of an object.
///
/// # Errors
/// When the cluster cannot be read or the object is not there.
pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let (kind, name) = kind_and_name(&args.object)?;
    let client = cluster().await?;
    let esc_url = providers::Options::default().esc_url;
    let material = Material::new(Files::default(), Some(client.clone()), &esc_url, false)?;
    let kind = match kind {
        "SecretStore" => Some(StoreKind::SecretStore),
        "ClusterSecretStore" => Some(StoreKind::ClusterSecretStore),
        _ => None,
    };
    let text = match kind {
        Some(kind) => {
            let id = StoreId::new(kind, &args.namespace, name);
            let store = material.store(&id).await?;
            let store = store.with_context(|| format!("there is no {} {name:?}", kind.as_str()))?;
            facts::store_text(&store_facts(&material, &store, None))
        }
        None => {
            let api: Api<v1::ExternalSecret> = Api::namespaced(client, &args.namespace);
            let object = bounded(api.get(name)).await;
            let object =
                object.with_context(|| format!("failed to read ExternalSecret {name:?}"))?;
            gather(&material, object).await?.text()
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

async fn gather(material: &Material, object: v1::ExternalSecret) -> anyhow::Result<Facts> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let spec = ExternalSecret::parse(&namespace, &name, &object.spec);
    let mut stores = Vec::new();
    let mut secret = None;
    if let Ok(spec) = &spec {
        for id in spec.stores() {
            let found = material.store(id).await?;
            let admits = match &found {
                Some(store) if id.kind == StoreKind::ClusterSecretStore => {
                    Some(admits(material, store, &namespace).await?)
                }
                _ => None,
            };
            let facts = found.map(|store| store_facts(material, &store, admits));
            stores.push((id.clone(), facts));
        }
        if spec.target.manifest.is_none() {
            let data = material
                .context
                .reader
                .read_secret(&namespace, &spec.target.name)
                .await?;
            secret = data.map(|data| data.keys().map(str::to_owned).collect());
        }
    }
    Ok(Facts {
        namespace,
        name,
        status: object.status.clone().unwrap_or_default(),
        is_deleted: object.metadata.deletion_timestamp.is_some(),
        spec,
        stores,
        secret,
        now: Timestamp::now(),
    })
}

fn store_facts(
    material: &Material,
    cached: &CachedStore,
    admits: Option<Result<(), String>>,
) -> StoreFacts {
    let store = &cached.store;
    let provider = material.context.registry.provider(store);
    let checked = provider.and_then(|provider| provider.check(store));
    StoreFacts {
        id: store.id.clone(),
        provider: store.provider.configured().join(", "),
        class: cached.spec.controller.clone().unwrap_or_default(),
        ready: cached.ready().cloned(),
        fault: checked.err().map(|error| error.to_string()),
        refusal: admits.and_then(Result::err),
    }
}

/// Whether the conditions of a store admit a namespace, and why not.
async fn admits(
    material: &Material,
    store: &CachedStore,
    namespace: &str,
) -> anyhow::Result<Result<(), String>> {
    let Some(client) = &material.cluster else {
        return Ok(Ok(()));
    };
    let api: Api<Namespace> = Api::all(client.clone());
    let labels = bounded(api.get_metadata_opt(namespace)).await;
    let labels = labels.with_context(|| format!("failed to read Namespace {namespace:?}"))?;
    let labels = labels.map(|namespace| namespace.labels().clone());
    let labels = labels.unwrap_or_default();
    let admitted = admits_namespace(&store.facts().conditions, namespace, &labels);
    Ok(match admitted {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "its conditions do not admit namespace {namespace:?}"
        )),
        Err(complaint) => Err(complaint.to_string()),
    })
}
