//! The webhook configurations, with the CA that clients must trust in them.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt as _};

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
    let failed = |source| Error::Request {
        verb: "register the webhook",
        source,
    };
    let params = PatchParams::apply(MANAGER).force();
    let ca = ByteString(bundle.as_bytes().to_vec());

    let mut mutating = registration.mutating.clone();
    for webhook in mutating.webhooks.iter_mut().flatten() {
        webhook.client_config.ca_bundle = Some(ca.clone());
    }
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let name = mutating.name_any();
    let present = bounded(api.get_opt(&name)).await.map_err(failed)?;
    let bundles = |webhooks: Option<Vec<_>>| -> Vec<_> {
        let bundle = |webhook: k8s_openapi::api::admissionregistration::v1::MutatingWebhook| {
            (
                webhook.name,
                webhook.client_config.ca_bundle,
                webhook.client_config.url,
            )
        };
        webhooks.into_iter().flatten().map(bundle).collect()
    };
    if present.map(|present| bundles(present.webhooks)) != Some(bundles(mutating.webhooks.clone()))
    {
        bounded(api.patch(&name, &params, &Patch::Apply(&mutating)))
            .await
            .map_err(failed)?;
    }

    let mut validating = registration.validating.clone();
    for webhook in validating.webhooks.iter_mut().flatten() {
        webhook.client_config.ca_bundle = Some(ca.clone());
    }
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let name = validating.name_any();
    let present = bounded(api.get_opt(&name)).await.map_err(failed)?;
    let bundles = |webhooks: Option<Vec<_>>| -> Vec<_> {
        let bundle = |webhook: k8s_openapi::api::admissionregistration::v1::ValidatingWebhook| {
            (
                webhook.name,
                webhook.client_config.ca_bundle,
                webhook.client_config.url,
            )
        };
        webhooks.into_iter().flatten().map(bundle).collect()
    };
    if present.map(|present| bundles(present.webhooks))
        != Some(bundles(validating.webhooks.clone()))
    {
        bounded(api.patch(&name, &params, &Patch::Apply(&validating)))
            .await
            .map_err(failed)?;
    }
    Ok(())
}
