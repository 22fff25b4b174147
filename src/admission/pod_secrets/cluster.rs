//! The API server as agents' questions need it.

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::api::GetParams;
use kube::core::Request;

use super::Pods;
use crate::cluster::bound_token::{self, BoundPod};
use crate::cluster::events::{Events, Occurrence};
use crate::cluster::request::{Error, bounded};
use crate::model::pod_injection::memory::AUDIENCE;
use crate::secret::SecretBytes;

/// Asks the API server.
pub struct KubePods {
    client: Client,
    events: Events,
}

impl KubePods {
    /// Asks through `client`, which needs `create` on `tokenreviews` and `get` on pods, and tells pods
    /// through `events`.
    #[must_use]
    pub fn new(client: Client, events: Events) -> Self {
        Self { client, events }
    }
}

#[async_trait]
impl Pods for KubePods {
    async fn owner(&self, token: &SecretBytes) -> Result<Option<BoundPod>, String> {
        let review = bound_token::review(&self.client, token, AUDIENCE).await;
        review.map_err(|error| error.to_string())
    }

    async fn read(&self, namespace: &str, name: &str) -> Result<Option<SecretBytes>, String> {
        let pods = Request::new(format!("/api/v1/namespaces/{namespace}/pods"));
        let get = pods.get(name, &GetParams::default());
        let get = get.map_err(|error| error.to_string())?;
        match bounded(self.client.request_text(get)).await {
            Ok(text) => Ok(Some(SecretBytes::from(text))),
            Err(error) if Error::is_not_found(&error) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn tell(&self, pod: &BoundPod, note: String) {
        let reference = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(pod.name.clone()),
            namespace: Some(pod.namespace.clone()),
            uid: Some(pod.uid.clone()),
            ..ObjectReference::default()
        };
        let occurrence = Occurrence::warning("InjectionFailed", note);
        self.events.publish(&reference, occurrence).await;
    }
}
