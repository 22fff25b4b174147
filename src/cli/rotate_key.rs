//! `latchkey rotate-key`: a new key for the names of Secrets that are made for pods.

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::{Client, ResourceExt as _};

use crate::api::well_known::INJECTED_LABEL;
use crate::cluster::injection_key::{self, Keys};
use crate::model::pod_injection::{self, KeyRing};
use crate::secret::SecretBytes;

/// Pods asked for at once.
const PAGE: u32 = 500;

/// Flags of `latchkey rotate-key`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Namespace of latchkey, where the keys are kept
    #[arg(
        long,
        env = "POD_NAMESPACE",
        default_value = "latchkey-system",
        value_name = "NAMESPACE"
    )]
    own_namespace: String,
    /// Rotates also while pods have names under the key before the current one, whose Secrets nobody
    /// refreshes then until the pods are made anew
    #[arg(long)]
    force: bool,
}

/// Rotates: running replicas follow at once, new pods get new names, and old pods keep theirs.
pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let namespace = &args.own_namespace;
    let client = super::cluster().await?;
    let keys = injection_key::load(&client, namespace).await;
    let keys = keys.with_context(|| {
        format!(
            "failed to read Secret {namespace}/{}",
            injection_key::SECRET_NAME
        )
    })?;
    let Some(keys) = keys else {
        bail!(
            "there is no key in Secret {namespace}/{}; latchkey makes one at its first start \
             (--own-namespace)",
            injection_key::SECRET_NAME
        );
    };
    if !args.force {
        let old = pods_under_previous(&client, &keys).await?;
        if let Some(first) = old.first() {
            bail!(
                "{} pods have names under the key before the current one, for example {first}; make them \
                 anew first, or rotate with --force",
                old.len()
            );
        }
    }
    let fresh = fresh_key()?;
    let rotated = injection_key::rotate(&client, namespace, &fresh).await;
    rotated.context("failed to write the keys; try again")?;
    Ok(())
}

/// The live pods whose Secrets would have unknown names.
async fn pods_under_previous(client: &Client, keys: &Keys) -> anyhow::Result<Vec<String>> {
    let Some(previous) = &keys.previous else {
        return Ok(Vec::new());
    };
    let ring = KeyRing::new(previous, None);
    let resource = ApiResource::erase::<Pod>(&());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let selector = format!("{INJECTED_LABEL}=true");
    let mut page = ListParams::default().labels(&selector).limit(PAGE);
    let mut found = Vec::new();
    loop {
        let pods = api
            .list(&page)
            .await
            .context("failed to list injected pods")?;
        for pod in pods.items {
            let phase = pod.data["status"]["phase"].as_str();
            if !matches!(phase, Some("Succeeded" | "Failed")) && has_name_under(&pod, &ring) {
                let namespace = pod.namespace().unwrap_or_default();
                found.push(format!("{namespace}/{}", pod.name_any()));
            }
        }
        match pods.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

fn has_name_under(pod: &DynamicObject, ring: &KeyRing) -> bool {
    let text = zeroize::Zeroizing::new(serde_json::to_string(pod).unwrap_or_default());
    let namespace = pod.namespace().unwrap_or_default();
    serde_json::from_str::<pod_injection::Pod<'_>>(&text)
        .is_ok_and(|read| !pod_injection::recorded(&namespace, &read, ring).is_empty())
}

/// A key of 256 random bits.
pub(super) fn fresh_key() -> anyhow::Result<SecretBytes> {
    let mut fresh = zeroize::Zeroizing::new([0_u8; 32]);
    aws_lc_rs::rand::fill(&mut *fresh).context("failed to make a key")?;
    Ok(SecretBytes::new(fresh.as_slice()))
}
