//! ClusterExternalSecrets: an ExternalSecret in many namespaces.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::spread::plan::Outcome;
use super::spread::{Mould, Selection, Spread};
use crate::api::v1::{ClusterExternalSecret, ClusterExternalSecretStatus, ExternalSecret};
use crate::api::well_known::{CES_NAMESPACE_FINALIZER_PREFIX, CLUSTER_EXTERNAL_SECRET_FINALIZER};
use crate::telemetry::metrics::Subject;

impl Spread for ClusterExternalSecret {
    type Child = ExternalSecret;

    const SUBJECT: Subject = Subject::ClusterExternalSecret;
    const FINALIZER: &'static str = CLUSTER_EXTERNAL_SECRET_FINALIZER;
    const NAMESPACE_FINALIZER: &'static str = CES_NAMESPACE_FINALIZER_PREFIX;

    fn mould(&self) -> Mould {
        let metadata = self
            .spec
            .external_secret_metadata
            .clone()
            .unwrap_or_default();
        Mould {
            name: self.spec.external_secret_name.clone(),
            labels: metadata.labels,
            annotations: metadata.annotations,
            spec: json!(self.spec.external_secret_spec),
        }
    }

    fn selection(&self) -> Selection {
        let single = self.spec.namespace_selector.iter();
        Selection {
            selectors: single
                .chain(&self.spec.namespace_selectors)
                .cloned()
                .collect(),
            names: self.spec.namespaces.clone(),
        }
    }

    fn interval(&self) -> Option<&str> {
        self.spec.refresh_time.as_deref()
    }

    fn placed(&self) -> (Option<String>, Vec<String>) {
        let status = self.status.clone().unwrap_or_default();
        let failed = status
            .failed_namespaces
            .into_iter()
            .map(|failed| failed.namespace);
        let places = status.provisioned_namespaces.into_iter().chain(failed);
        (status.external_secret_name, places.collect())
    }

    fn told(&self, outcome: &Outcome, _: Timestamp) -> Option<Value> {
        let ready =
            json!({"type": "Ready", "status": outcome.status(), "message": outcome.message()});
        let next = json!({
            "conditions": [ready],
            "externalSecretName": outcome.name,
            "failedNamespaces": outcome.failed_json(),
            "provisionedNamespaces": outcome.provisioned,
        });
        let parsed: Option<ClusterExternalSecretStatus> = serde_json::from_value(next.clone()).ok();
        (parsed != self.status).then_some(next)
    }
}
