//! Pods that keep values in memory, as the webhook's server serves them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::Shared;
use crate::admission::registration::Endpoint;
use crate::admission::{KubePods, PodSecrets, Unfetched, Values};
use crate::api::v1::ExternalSecretSpec;
use crate::cluster::secrets::KubeSecretReader;
use crate::controllers::{self, Options, pod_injection};
use crate::model::failover::Candidates;
use crate::model::secret_store::StoreId;
use crate::providers::Registry;
use crate::secret::SecretMap;

/// How often providers drop what they kept long enough.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Flags for pods that keep values in memory.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Image with this binary for the agent in pods with `latchkey.dev/mode: memory`; without it they are
    /// refused
    #[arg(long, value_name = "IMAGE")]
    agent_image: Option<String>,
    /// CAs that agents trust, in PEM; needed with --tls-cert-file, and read anew for each pod
    #[arg(long, requires = "tls_cert_file", value_name = "FILE")]
    agent_ca_file: Option<PathBuf>,
}

/// Makes what serves pods that keep values in memory, or says why it cannot be.
pub(super) fn serve(
    args: Args,
    endpoint: &Endpoint,
    is_open: bool,
    published: Option<watch::Receiver<Option<String>>>,
    shared: &Shared,
) -> Result<Arc<PodSecrets>, String> {
    let Args {
        agent_image,
        agent_ca_file,
    } = args;
    let image = agent_image.ok_or(
        "\"memory\" is not served here: latchkey was not told the agent's image (--agent-image); write \
         \"secret\" or remove the annotation",
    )?;
    if !is_open {
        return Err(
            "\"memory\" is not served here: agents cannot show the certificate that --client-ca-file asks \
             for; write \"secret\" or remove the annotation"
                .to_owned(),
        );
    }
    let trust = trust(published, agent_ca_file)?;
    let context = controllers::Context::new(
        shared.client.clone(),
        Arc::clone(&shared.registry),
        Arc::new(KubeSecretReader::new(shared.client.clone())),
        shared.metrics.clone(),
        Arc::clone(&shared.reauthorizer),
        Options {
            controller_class: shared.controller_class.clone(),
            store_interval: Duration::ZERO,
            concurrency: 1,
            lanes: (1, 1),
            deletion_limit: 0,
            generic_targets: false,
            adopt_unowned: false,
            generator_grace: Duration::ZERO,
            namespace: None,
        },
        Timestamp::now,
    );
    let pods = KubePods::new(shared.client.clone(), context.events.clone());
    let served = PodSecrets::new(
        image,
        endpoint.base_url(),
        trust,
        Arc::new(pods),
        Arc::new(Fetching(context)),
    );
    Ok(Arc::new(served))
}

/// What agents trust, read anew for each pod.
type Trust = Arc<dyn Fn() -> Option<String> + Send + Sync>;

fn trust(
    published: Option<watch::Receiver<Option<String>>>,
    agent_ca_file: Option<PathBuf>,
) -> Result<Trust, String> {
    match (published, agent_ca_file) {
        (Some(published), _) => Ok(Arc::new(move || published.borrow().clone())),
        (None, Some(path)) => Ok(Arc::new(move || std::fs::read_to_string(&path).ok())),
        (None, None) => Err(
            "\"memory\" is not served here: with --tls-cert-file agents need --agent-ca-file; write \
             \"secret\" or remove the annotation"
                .to_owned(),
        ),
    }
}

/// Lets providers forget, for ever; the operator, which does it too, may run elsewhere.
pub(super) async fn sweep(registry: &Registry) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        registry.sweep();
    }
}

/// Fetches as the controllers do.
struct Fetching(controllers::Context);

#[async_trait]
impl Values for Fetching {
    async fn fetch(
        &self,
        namespace: &str,
        name: &str,
        spec: &ExternalSecretSpec,
        stores: &HashMap<StoreId, Candidates>,
    ) -> Result<SecretMap, Unfetched> {
        let made = pod_injection::values(&self.0, namespace, name, spec, stores).await;
        made.map_err(|unmade| Unfetched {
            message: unmade.message,
            is_missing: unmade.is_missing,
            retry_after: unmade.retry_after,
        })
    }
}
