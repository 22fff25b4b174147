//! `latchkey agent`: keeps the values of a pod in its memory.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};

use crate::agent::{self, Https, Options};
use crate::model::pod_injection::memory::{Delivery, TRUST_VARIABLE, VOLUMES_ROOT};
use crate::telemetry::log;

/// What an agent is to do.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetches values and writes them as files until a signal
    Serve(Serve),
    /// Succeeds when every volume has values
    Ready(Ready),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// Address of latchkey's webhook
    #[arg(long, value_name = "URL")]
    server: String,
    /// What belongs into a volume, as JSON; as often as needed
    #[arg(long = "secret", required = true, value_parser = Delivery::parse, value_name = "JSON")]
    secrets: Vec<Delivery>,
    /// The pod's token for the server
    #[arg(long, default_value = "/var/run/inject/token", value_name = "FILE")]
    token_file: PathBuf,
    /// CAs that the server is trusted by, in PEM
    #[arg(long, env = TRUST_VARIABLE, hide_env_values = true, value_name = "PEM")]
    ca: String,
    /// Folder with one folder for each volume
    #[arg(long, default_value = VOLUMES_ROOT, value_name = "FOLDER")]
    root: PathBuf,
    #[command(flatten)]
    log: log::Args,
}

#[derive(Debug, clap::Args)]
struct Ready {
    /// Folder with one folder for each volume
    #[arg(long, default_value = VOLUMES_ROOT, value_name = "FOLDER")]
    root: PathBuf,
}

/// Runs until a signal, or checks once.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Ready(Ready { root }) => agent::ready(&root).map_err(anyhow::Error::msg),
        Command::Serve(args) => serve(args).await,
    }
}

async fn serve(args: Serve) -> anyhow::Result<()> {
    let Serve {
        server,
        secrets,
        token_file,
        ca,
        root,
        log,
    } = args;
    log::init(&log).map_err(anyhow::Error::msg)?;
    // The first process of a container ignores a signal that it does not listen for.
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for signals")?;
    let mut server = Https::new(&server, token_file, ca).map_err(anyhow::Error::msg)?;
    let options = Options {
        root,
        deliveries: secrets,
    };
    tokio::select! {
        () = agent::run(options, &mut server) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
