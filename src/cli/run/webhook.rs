//! The webhook's part of a process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use super::Shared;
use crate::admission::registration::{self, Endpoint};
use crate::admission::{self, Watched, Webhook};
use crate::certs::{Registration, Rotator};
use crate::runtime::Bound;

/// Port of the Service in front of the webhook.
const SERVICE_PORT: i32 = 443;
/// How long a drain goes on serving API servers that hold a connection.
const DRAIN_DELAY: Duration = Duration::from_secs(3);
/// How long requests under way may take after that.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Flags of the webhook.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[expect(
    clippy::struct_field_names,
    reason = "the fields are the names of flags"
)]
pub(super) struct Args {
    /// Address of the webhook
    #[arg(long, default_value = "0.0.0.0:10250", value_name = "ADDRESS")]
    webhook_addr: String,
    /// How the API server reaches the webhook, if not through the Service: for a process outside of the
    /// cluster
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// Service in front of the webhook, in the own namespace
    #[arg(long, default_value = "latchkey-webhook", value_name = "NAME")]
    webhook_service: String,
}

/// Adds the webhook to a process: listens, gets a certificate and registers.
pub(super) async fn add(process: &mut Bound, args: Args, shared: &Shared) -> anyhow::Result<()> {
    let Args {
        webhook_addr,
        webhook_url,
        webhook_service,
    } = args;
    let server = admission::Bound::new(admission::Options {
        address: webhook_addr,
        drain_delay: DRAIN_DELAY,
        drain_timeout: DRAIN_TIMEOUT,
    })
    .await?;
    tracing::info!(address = %server.address(), "Serving the webhook");
    let endpoint = webhook_url.map_or_else(
        || Endpoint::Service {
            name: webhook_service,
            namespace: shared.own_namespace.clone(),
            port: SERVICE_PORT,
        },
        Endpoint::Url,
    );
    let registration = Registration {
        mutating: registration::mutating(&endpoint, &shared.own_namespace),
        validating: registration::validating(&endpoint),
    };
    let rotator = Rotator::bind(
        shared.client.clone(),
        &shared.own_namespace,
        endpoint.certificate_names(),
        registration,
        Timestamp::now,
    );
    let rotator = rotator.await.context("failed to set the webhook up")?;
    let (view, follow_cluster) = Watched::new(&shared.client);
    let webhook = Webhook {
        keys: shared.keys.clone(),
        view: Arc::new(view),
        controller_class: shared.controller_class.clone(),
        authorizer: shared.authorizer.clone(),
        own_namespace: shared.own_namespace.clone(),
        metrics: shared.metrics.clone(),
    };
    let certificates = rotator.served();
    let drain = process.drain();
    process.task("webhook", async move {
        let serving = server.serve(webhook, certificates, drain.wait());
        tokio::select! {
            () = serving => Ok(()),
            () = rotator.run() => Err("the certificates' rotation stopped".to_owned()),
            () = follow_cluster => Err("the watches of the webhook stopped".to_owned()),
        }
    });
    Ok(())
}
