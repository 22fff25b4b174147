//! `latchkey certs`: the certificates of the webhook.

use anyhow::Context as _;
use clap::Subcommand;
use kube::Client;

use crate::certs;

/// Flags of `latchkey certs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Asks the running replicas for a new CA. It is published first and signs when every API server
    /// knows it; no pod is refused meanwhile
    Rotate {
        /// Namespace of latchkey
        #[arg(
            long,
            env = "POD_NAMESPACE",
            default_value = "latchkey-system",
            value_name = "NAMESPACE"
        )]
        own_namespace: String,
    },
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let Command::Rotate { own_namespace } = args.command;
    let client = Client::try_default()
        .await
        .context("failed to find the cluster; set KUBECONFIG")?;
    certs::request_rotation(&client, &own_namespace)
        .await
        .with_context(|| {
            format!("is latchkey running with its webhook in namespace {own_namespace}?")
        })
}
