//! The webhook: registered, trusted, and answering the API server.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;

use super::certificates;
use super::check::Check;
use crate::admission::registration::NAME;
use crate::cluster::request::{Error, bounded};
use crate::cluster::secrets::{KubeSecretReader, SecretReader as _};
use crate::secret::SecretMap;

/// Secret with the webhook's own CA, and its certificate's key in it.
const CA_SECRET: &str = "latchkey-webhook-ca";
const CA_CERTIFICATE: &str = "ca.crt";
/// Annotation of the pod that the webhook is tried with; its value can never be read, so the answer is a
/// refusal that only latchkey gives.
const PROBE: &str = "latchkey.dev/secret.doctor";

/// Both configurations and their trust.
pub(super) async fn registered(client: &Client, own_namespace: &str) -> Vec<Check> {
    let reader = KubeSecretReader::new(client.clone());
    let secret = reader.read_secret(own_namespace, CA_SECRET).await;
    let secret = secret.ok().flatten();
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let mutating = bounded(mutating.get_opt(NAME)).await.map(|found| {
        let webhooks = found?.webhooks.unwrap_or_default().into_iter();
        Some(
            webhooks
                .map(|webhook| (webhook.name, webhook.client_config))
                .collect(),
        )
    });
    let validating = bounded(validating.get_opt(NAME)).await.map(|found| {
        let webhooks = found?.webhooks.unwrap_or_default().into_iter();
        Some(
            webhooks
                .map(|webhook| (webhook.name, webhook.client_config))
                .collect(),
        )
    });
    vec![
        judge("MutatingWebhookConfiguration", mutating, secret.as_ref()),
        judge(
            "ValidatingWebhookConfiguration",
            validating,
            secret.as_ref(),
        ),
    ]
}

type Webhooks = Vec<(String, WebhookClientConfig)>;

fn judge(kind: &str, found: Result<Option<Webhooks>, Error>, secret: Option<&SecretMap>) -> Check {
    let check = format!("{kind} {NAME}");
    let remedy = "start latchkey's webhook, which registers itself, and look at its log";
    let webhooks = match found {
        Ok(Some(webhooks)) if !webhooks.is_empty() => webhooks,
        Ok(_) => return Check::fail(check, "missing", remedy),
        Err(error) => return Check::unseen(check, error),
    };
    let ca = secret.and_then(|data| data.get(CA_CERTIFICATE));
    let now = jiff::Timestamp::now();
    let troubles: Vec<String> = webhooks
        .iter()
        .filter_map(|(name, config)| {
            let bundle = config.ca_bundle.as_ref().map(|bundle| bundle.0.as_slice());
            let ca = ca.map(crate::secret::SecretBytes::expose);
            let trouble = certificates::trouble(bundle.unwrap_or_default(), ca, now)?;
            Some(format!("{name} {trouble}"))
        })
        .collect();
    if !troubles.is_empty() {
        let remedy =
            "does something else write this configuration? latchkey corrects it within a minute";
        return Check::fail(check, troubles.join("; "), remedy);
    }
    let trust = if ca.is_some() {
        "trusted"
    } else {
        "valid; the CA is not one of latchkey's own"
    };
    Check::ok(check, format!("{} webhooks, {trust}", webhooks.len()))
}

/// Whether the API server reaches the webhook: a pod that only latchkey refuses is created without being
/// kept.
pub(super) async fn reachable(client: &Client, namespace: &str) -> Check {
    let check = "Webhook answers";
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "latchkey-doctor-", "annotations": {PROBE: "probe"}},
        "spec": {"containers": [{"name": "probe", "image": "latchkey.invalid/probe:1"}]},
    });
    let pod: Pod = match serde_json::from_value(pod) {
        Ok(pod) => pod,
        Err(error) => return Check::fail(check, error.to_string(), "tell the authors"),
    };
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match bounded(api.create(&params, &pod)).await {
        Ok(_) => Check::fail(
            check,
            format!(
                "the API server took an annotated pod in namespace {namespace} without asking it"
            ),
            "is the namespace excluded by the webhook's selector? choose another with --namespace",
        ),
        Err(error) => judge_refusal(&error.to_string(), namespace),
    }
}

fn judge_refusal(text: &str, namespace: &str) -> Check {
    let check = "Webhook answers";
    if text.contains(PROBE) {
        return Check::ok(check, "a pod that cannot be read was refused by it");
    }
    if text.contains("failed calling webhook") {
        return Check::fail(
            check,
            text,
            "is the webhook running, is its Service right, and may the API server reach its port?",
        );
    }
    Check::warn(
        check,
        format!("could not be tried in namespace {namespace}: {text}"),
        "choose a namespace in which this account may create pods with --namespace",
    )
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn only_our_own_refusal_proves_that_the_webhook_answers() {
        let status = |text: &str| judge_refusal(text, "default").status;
        let ours = r#"admission webhook "pods.latchkey.dev" denied the request: latchkey.dev/secret.doctor: "probe" is neither"#;
        assert_eq!(status(ours), Status::Ok);
        let dead = r#"failed calling webhook "pods.latchkey.dev": connection refused"#;
        assert_eq!(status(dead), Status::Fail);
        assert_eq!(status("pods is forbidden"), Status::Warn);
    }

    #[test]
    fn a_configuration_without_webhooks_is_none() {
        assert_eq!(judge("M", Ok(None), None).status, Status::Fail);
        assert_eq!(judge("M", Ok(Some(Vec::new())), None).status, Status::Fail);
        let bare = vec![("pods".to_owned(), WebhookClientConfig::default())];
        let told = judge("M", Ok(Some(bare)), None);
        assert!(told.detail.contains("no caBundle"), "{told:?}");
    }
}
