//! Commands: wiring and offline tools.

mod agent;
mod certs;
mod diff;
mod doctor;
mod esc;
mod explain;
mod generate;
mod listing;
mod material;
mod migrate;
mod render;
mod rotate_key;
mod run;
mod template;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use kube::Client;

/// Brings secrets from where they are kept to where Kubernetes workloads need them.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator and the admission webhook
    Run(Box<run::Args>),
    /// The embedded Pulumi-ESC-compatible store, and commands for its environments
    Esc(Box<esc::Args>),
    /// Keeps the values of a pod with `latchkey.dev/mode: memory`; the webhook puts it into the pod
    Agent(agent::Args),
    /// Checks an installation and says what to do about it
    Doctor(doctor::Args),
    /// Says why an object is as it is, when it is refreshed and what to do where it is blocked
    Explain(explain::Args),
    /// Says what the next refresh would change in Secrets: keys, never values; ends with 0 when nothing
    /// would change, 1 when something would and 2 when that cannot be told
    Diff(diff::Args),
    /// Prints the Secrets that ExternalSecrets lead to, with their values masked, and writes none
    Render(render::Args),
    /// Hands the objects of External Secrets Operator over to latchkey, and back
    Migrate(Box<migrate::Args>),
    /// Makes a new key for the names of Secrets that are made for pods
    RotateKey(rotate_key::Args),
    /// The certificates of the webhook
    Certs(certs::Args),
    /// Writes the manifests that are made from code
    Generate(generate::Args),
    /// Renders a template over JSON data, as an ExternalSecret would
    Template(template::Args),
}

/// Reads the command line and runs the command; the exit code is 0 on success, 1 on failure and 2 when
/// the command line cannot be read.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match &cli.command {
        // It runs in every such pod, and waits most of the time.
        Command::Agent(_) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
        _ => tokio::runtime::Runtime::new(),
    };
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let result = runtime.block_on(async {
        let done = match cli.command {
            Command::Migrate(args) => return migrate::run(*args).await,
            Command::Diff(args) => return diff::run(&args).await,
            Command::Explain(args) => explain::run(&args).await,
            Command::Render(args) => render::run(&args).await,
            Command::Run(args) => run::run(*args).await,
            Command::Esc(args) => esc::run(*args).await,
            Command::Agent(args) => agent::run(args).await,
            Command::Doctor(args) => doctor::run(&args).await,
            Command::RotateKey(args) => rotate_key::run(&args).await,
            Command::Certs(args) => certs::run(args).await,
            Command::Generate(args) => generate::run(&args),
            Command::Template(args) => template::run(&args),
        };
        done.map(|()| ExitCode::SUCCESS)
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// The cluster that the kubeconfig or the pod names.
async fn cluster() -> anyhow::Result<Client> {
    let client = Client::try_default().await;
    client.context("failed to find the cluster; set KUBECONFIG or run in a pod")
}

#[expect(
    clippy::print_stderr,
    reason = "the edge where errors reach the person who ran the command"
)]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("latchkey: {error:#}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
