//! `latchkey doctor`: is the installation whole, and what to do where it is not. It changes nothing and
//! shows no value.

mod certificates;
mod check;
mod install;
mod objects;
mod rights;
mod webhook;

use std::io::Write as _;

use anyhow::bail;
use clap::ValueEnum;
use kube::Client;

use check::{Check, Status, json, text};

/// Flags of `latchkey doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Namespace of latchkey
    #[arg(
        long,
        env = "POD_NAMESPACE",
        default_value = "latchkey-system",
        value_name = "NAMESPACE"
    )]
    own_namespace: String,
    /// Name of the Lease of the operator
    #[arg(long, default_value = "latchkey", value_name = "NAME")]
    leader_election_id: String,
    /// Namespace in which the webhook is tried by a dry run
    #[arg(long, default_value = "default", value_name = "NAMESPACE")]
    namespace: String,
    /// Checks the rights of the account that asks, as if it were latchkey's; always done in a pod
    #[arg(long)]
    rights: bool,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Output::Text, value_name = "FORM")]
    output: Output,
}

/// Form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line a check, for people.
    Text,
    /// A list of objects with `check`, `status`, `detail` and `remedy`.
    Json,
}

/// Checks and prints; fails when a check does.
pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let client = super::cluster().await?;
    let checks = checks(args, &client).await;
    let report = match args.output {
        Output::Text => text(&checks),
        Output::Json => json(&checks),
    };
    std::io::stdout().write_all(report.as_bytes())?;
    let failed = checks.iter().filter(|check| check.status == Status::Fail);
    match failed.count() {
        0 => Ok(()),
        1 => bail!("1 check failed"),
        failed => bail!("{failed} checks failed"),
    }
}

/// Everything there is to say; nothing more where the API server cannot be reached.
async fn checks(args: &Args, client: &Client) -> Vec<Check> {
    let own = args.own_namespace.as_str();
    let mut checks = vec![install::api_server(client).await];
    if checks[0].status == Status::Fail {
        return checks;
    }
    checks.extend(install::crds(client).await);
    checks.push(install::names(client, own).await);
    checks.extend(webhook::registered(client, own).await);
    checks.push(webhook::reachable(client, &args.namespace).await);
    if args.rights || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        checks.extend(rights::own(client, own).await);
    }
    checks.push(
        install::lease(
            client,
            own,
            &args.leader_election_id,
            jiff::Timestamp::now(),
        )
        .await,
    );
    checks.extend(objects::stores(client).await);
    checks.extend(objects::external_secrets(client).await);
    checks.extend(objects::pods(client, own).await);
    checks
}
