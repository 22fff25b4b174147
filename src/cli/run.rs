//! `latchkey run`: operator and webhook in one process, or either alone.

mod memory;
mod operator;
mod readiness;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use kube::Client;

use crate::cluster::authorize::{Authorizer, KubeAccessReviews, StoreAuthorizer, WholeNamespace};
use crate::cluster::injection_key;
use crate::model::controller_class::ControllerClass;
use crate::model::pod_injection::KeyRing;
use crate::providers::{self, Registry};
use crate::runtime::{self, Bound};
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;

/// How long the webhook believes a permission.
const WEBHOOK_BELIEF: Duration = Duration::from_mins(1);
/// How long the reconciler does, which asks again every half minute and must see a revocation within one.
const RECONCILER_BELIEF: Duration = Duration::from_secs(20);

/// Flags of `latchkey run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Runs the webhook alone
    #[arg(long)]
    no_operator: bool,
    /// Runs the operator alone
    #[arg(long)]
    no_webhook: bool,
    /// Who may use a store in a pod: `rbac` asks for the verb `use`, `namespace` lets every pod of a
    /// namespace use what its ExternalSecrets may use, as ESO does
    #[arg(long, value_enum, default_value_t = Authorization::Rbac, value_name = "MODE")]
    authorization: Authorization,
    /// Only stores of this class, or without one, are served
    #[arg(long, default_value = "default", value_name = "CLASS")]
    controller_class: String,
    /// Serves only stores that name the class, so that another controller such as ESO can serve the
    /// others; objects of the cluster, and those that name no store, are left to it
    #[arg(long)]
    require_controller_class: bool,
    /// Namespace of this process: its Lease, keys and certificates are kept there
    #[arg(
        long,
        env = "POD_NAMESPACE",
        default_value = "latchkey-system",
        value_name = "NAMESPACE"
    )]
    own_namespace: String,
    /// Name of this process among its replicas
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    operator: operator::Args,
    #[command(flatten)]
    webhook: webhook::Args,
    #[command(flatten)]
    runtime: runtime::Args,
    #[command(flatten)]
    log: log::Args,
}

/// Who may use a store in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Authorization {
    /// The service account needs the verb `use`.
    Rbac,
    /// Every pod of the namespace.
    Namespace,
}

/// What operator and webhook share.
struct Shared {
    client: Client,
    metrics: Metrics,
    registry: Arc<Registry>,
    keys: Arc<KeyRing>,
    authorizer: Arc<dyn Authorizer>,
    reauthorizer: Arc<dyn Authorizer>,
    controller_class: ControllerClass,
    own_namespace: String,
    identity: String,
}

/// Runs until a signal.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let Args {
        no_operator,
        no_webhook,
        authorization,
        controller_class,
        require_controller_class,
        own_namespace,
        identity,
        operator,
        webhook,
        runtime,
        log,
    } = args;
    log::init(&log).map_err(anyhow::Error::msg)?;
    let metrics = Metrics::new();
    let mut process = Bound::new(&runtime, metrics.clone()).await?;
    let client = super::cluster().await?;
    let registry = Registry::new(&providers::Options {
        variables: Arc::new(variable),
        metrics: metrics.clone(),
        ..operator.remotes.clone().into()
    })?;
    let shared = Shared {
        registry: Arc::new(registry),
        keys: keys(&client, &own_namespace).await?,
        authorizer: authorizer(authorization, &client, WEBHOOK_BELIEF),
        reauthorizer: authorizer(authorization, &client, RECONCILER_BELIEF),
        controller_class: if require_controller_class {
            ControllerClass::explicit(controller_class)
        } else {
            ControllerClass::new(controller_class)
        },
        client,
        metrics,
        own_namespace,
        identity: identity.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
    };
    if !no_operator {
        operator::add(&mut process, operator, &shared);
    }
    if !no_webhook {
        webhook::add(&mut process, webhook, &shared).await?;
    }
    process.run().await?;
    Ok(())
}

fn authorizer(mode: Authorization, client: &Client, belief: Duration) -> Arc<dyn Authorizer> {
    match mode {
        Authorization::Namespace => Arc::new(WholeNamespace),
        Authorization::Rbac => {
            let reviews = KubeAccessReviews::new(client.clone());
            Arc::new(StoreAuthorizer::believing(Arc::new(reviews), belief))
        }
    }
}

/// A variable of the environment, where clouds put what proves this process's identity.
#[expect(
    clippy::disallowed_methods,
    reason = "the names are those of the clouds, not options of ours"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The keys under which names are made; the first replica makes them.
async fn keys(client: &Client, namespace: &str) -> anyhow::Result<Arc<KeyRing>> {
    let fresh = super::rotate_key::fresh_key()?;
    let keys = injection_key::load_or_create(client, namespace, &fresh).await;
    let keys = keys.with_context(|| {
        format!(
            "failed to read or make Secret {namespace}/{}; does the namespace exist, and may latchkey \
             write Secrets there (--own-namespace)?",
            injection_key::SECRET_NAME
        )
    })?;
    Ok(Arc::new(KeyRing::new(
        &keys.current,
        keys.previous.as_ref(),
    )))
}
