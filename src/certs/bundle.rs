//! The webhook configurations, with the CA that clients must trust in them.

use std::fmt::Debug;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use crate::cluster::request::bounded;

/// Field manager of the configurations.
const MANAGER: &str = "latchkey";

/// The configurations as they should be, but for the CA.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Of the webhook for pods.
    pub mutating: MutatingWebhookConfiguration,
    /// Of the webhook for ExternalSecrets.
    pub validating: ValidatingWebhookConfiguration,
}

/// Brings the configurations in line by server-side apply, where they are not.
pub(super) async fn apply(
    client: &Client,
    registration: &Registration,
    bundle: &str,
) -> Result<(), Error> {
    let ca = ByteString(bundle.as_bytes().to_vec());
    apply_mutating(client, registration.mutating.clone(), &ca).await?;
    apply_validating(client, registration.validating.clone(), &ca).await
}

/// How a webhook is reached, without what the API server adds by default.
#[derive(PartialEq, Eq)]
struct Dialed {
    webhook: String,
    ca: Option<ByteString>,
    url: Option<String>,
}

impl Dialed {
    fn new(webhook: &str, config: &WebhookClientConfig) -> Self {
        Self {
            webhook: webhook.to_owned(),
            ca: config.ca_bundle.clone(),
            url: config.url.clone(),
        }
    }
}

async fn apply_mutating(
    client: &Client,
    mut wanted: MutatingWebhookConfiguration,
    ca: &ByteString,
) -> Result<(), Error> {
    for webhook in wanted.webhooks.iter_mut().flatten() {
        webhook.client_config.ca_bundle = Some(ca.clone());
    }
    let clients = |configuration: &MutatingWebhookConfiguration| -> Vec<_> {
        let webhooks = configuration.webhooks.iter().flatten();
        webhooks
            .map(|webhook| Dialed::new(&webhook.name, &webhook.client_config))
            .collect()
    };
    apply_unless_equal(client, &wanted, clients).await
}

async fn apply_validating(
    client: &Client,
    mut wanted: ValidatingWebhookConfiguration,
    ca: &ByteString,
) -> Result<(), Error> {
    for webhook in wanted.webhooks.iter_mut().flatten() {
        webhook.client_config.ca_bundle = Some(ca.clone());
    }
    let clients = |configuration: &ValidatingWebhookConfiguration| -> Vec<_> {
        let webhooks = configuration.webhooks.iter().flatten();
        webhooks
            .map(|webhook| Dialed::new(&webhook.name, &webhook.client_config))
            .collect()
    };
    apply_unless_equal(client, &wanted, clients).await
}

/// Applies a configuration whose webhooks' names and clients are not what is wanted; a restart or another
/// replica then costs no write.
async fn apply_unless_equal<K>(
    client: &Client,
    wanted: &K,
    clients: impl Fn(&K) -> Vec<Dialed>,
) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let failed = |source| Error::Request {
        verb: "register the webhook",
        source,
    };
    let api: Api<K> = Api::all(client.clone());
    let name = wanted.name_any();
    let present = bounded(api.get_opt(&name)).await.map_err(failed)?;
    if present.is_some_and(|present| clients(&present) == clients(wanted)) {
        return Ok(());
    }
    let params = PatchParams::apply(MANAGER).force();
    bounded(api.patch(&name, &params, &Patch::Apply(wanted)))
        .await
        .map_err(failed)?;
    Ok(())
}
