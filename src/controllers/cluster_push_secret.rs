//! ClusterPushSecrets: a PushSecret in many namespaces.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::spread::plan::Outcome;
use super::spread::{Mould, Selection, Spread};
use crate::api::v1alpha1::{ClusterPushSecret, ClusterPushSecretStatus, PushSecret};
use crate::telemetry::metrics::Subject;

impl Spread for ClusterPushSecret {
    type Child = PushSecret;

    const SUBJECT: Subject = Subject::ClusterPushSecret;
    const FINALIZER: &'static str = "";
    const NAMESPACE_FINALIZER: &'static str = "";

    fn mould(&self) -> Mould {
        let metadata = self.spec.push_secret_metadata.clone().unwrap_or_default();
        Mould {
            name: self.spec.push_secret_name.clone(),
            labels: metadata.labels,
            annotations: metadata.annotations,
            spec: json!(self.spec.push_secret_spec),
        }
    }

    fn selection(&self) -> Selection {
        Selection {
            selectors: self.spec.namespace_selectors.clone(),
            names: Vec::new(),
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
        (status.push_secret_name, places.collect())
    }

    fn told(&self, outcome: &Outcome, now: Timestamp) -> Option<Value> {
        let old = self.status.clone().unwrap_or_default();
        let present = old
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        let since = present
            .filter(|present| present.status == outcome.status())
            .and_then(|present| present.last_transition_time.clone());
        let ready = json!({
            "type": "Ready",
            "status": outcome.status(),
            "reason": if outcome.failed.is_empty() { "Synced" } else { "Errored" },
            "message": outcome.message(),
            "lastTransitionTime": since.unwrap_or(Time(now)),
        });
        let next = json!({
            "conditions": [ready],
            "pushSecretName": outcome.name,
            "failedNamespaces": outcome.failed_json(),
            "provisionedNamespaces": outcome.provisioned,
        });
        let parsed: Option<ClusterPushSecretStatus> = serde_json::from_value(next.clone()).ok();
        (parsed != self.status).then_some(next)
    }
}
