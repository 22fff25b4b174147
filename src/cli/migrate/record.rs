//! What was changed, kept in the cluster until it is undone: a ConfigMap with a key for each scope.

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use super::change::Change;
use super::plan::Scope;
use crate::cluster::request::bounded;

/// Name of the ConfigMap.
pub(super) const NAME: &str = "latchkey-migration";

/// Where the record of one scope is kept.
pub(super) struct Record {
    api: Api<ConfigMap>,
    namespace: String,
    key: String,
}

impl Record {
    /// The record of `scope` in latchkey's namespace.
    pub(super) fn new(client: &Client, namespace: &str, scope: &Scope) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            key: match scope {
                Scope::Cluster => "cluster.json".to_owned(),
                Scope::Namespace(name) => format!("namespace.{name}.json"),
            },
        }
    }

    /// The changes that were made, the first one first; none where nothing was handed over.
    pub(super) async fn read(&self) -> anyhow::Result<Vec<Change>> {
        let found = bounded(self.api.get_opt(NAME)).await;
        let found = found.with_context(|| self.failed("read"))?;
        let text = found.and_then(|map| map.data?.remove(&self.key));
        let Some(text) = text else {
            return Ok(Vec::new());
        };
        serde_json::from_str(&text).with_context(|| {
            format!(
                "{} has a record that cannot be read under {}",
                self.title(),
                self.key
            )
        })
    }

    /// Keeps `changes`.
    pub(super) async fn write(&self, changes: &[Change]) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(changes)?;
        let patch = Patch::Merge(json!({"data": {(self.key.clone()): text}}));
        match bounded(self.api.patch(NAME, &PatchParams::default(), &patch)).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error).with_context(|| self.failed("write")),
        }
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                ..ObjectMeta::default()
            },
            data: Some([(self.key.clone(), text)].into()),
            ..ConfigMap::default()
        };
        match bounded(self.api.create(&PostParams::default(), &map)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => bail!(
                "namespace {} does not exist, where the record is kept; create it, or name latchkey's with \
                 --own-namespace",
                self.namespace
            ),
            Err(error) => Err(error).with_context(|| self.failed("create")),
        }
    }

    /// Forgets the record; the ConfigMap goes with its last one.
    pub(super) async fn remove(&self) -> anyhow::Result<()> {
        let patch = Patch::Merge(json!({"data": {(self.key.clone()): null}}));
        let left = bounded(self.api.patch(NAME, &PatchParams::default(), &patch)).await;
        let left = left.with_context(|| self.failed("write"))?;
        if left.data.unwrap_or_default().is_empty() {
            let deleted = bounded(self.api.delete(NAME, &DeleteParams::default())).await;
            deleted.with_context(|| self.failed("delete"))?;
        }
        Ok(())
    }

    fn title(&self) -> String {
        format!("ConfigMap {}/{NAME}", self.namespace)
    }

    fn failed(&self, verb: &str) -> String {
        format!("failed to {verb} {}", self.title())
    }
}
