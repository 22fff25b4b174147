//! `latchkey esc`: the embedded store, and commands for people with the words of Pulumi's `esc`.

mod env;
mod print;
mod serve;
mod token;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;

use crate::esc::client::Client;
use crate::http;
use crate::secret::SecretBytes;

/// Where the embedded store listens unless a flag says otherwise.
const ADDRESS: &str = "127.0.0.1:8484";
/// File, in the store's folder, with the first administrator's token.
const TOKEN_FILE: &str = "admin-token";

/// Flags of `latchkey esc`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the embedded store
    Serve(serve::Args),
    /// Works with environments, of the embedded store or of any other
    Env(env::Args),
    /// Makes, lists and ends access tokens of the embedded store
    Token(token::Args),
}

/// Runs a command.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Serve(args) => serve::run(args).await,
        Command::Env(args) => env::run(args).await,
        Command::Token(args) => token::run(args).await,
    }
}

/// How commands reach a store.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Backend {
    /// Address of the store
    #[arg(long, env = "PULUMI_BACKEND_URL", default_value_t = format!("http://{ADDRESS}"), value_name = "URL")]
    backend: String,
    /// Access token; without one, that of the embedded store's folder is used
    #[arg(
        long,
        env = "PULUMI_ACCESS_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    access_token: Option<String>,
}

impl Backend {
    fn token(&self) -> anyhow::Result<SecretBytes> {
        if let Some(token) = &self.access_token {
            return Ok(SecretBytes::from(token.trim()));
        }
        let file = data_dir()?.join(TOKEN_FILE);
        let token = std::fs::read(&file).with_context(|| {
            format!(
                "no access token: set PULUMI_ACCESS_TOKEN, or run `latchkey esc serve` here ({})",
                file.display()
            )
        })?;
        Ok(SecretBytes::new(token.trim_ascii()))
    }

    fn client(&self) -> anyhow::Result<Client> {
        let http = http::Client::new(&http::Options::default())?;
        Ok(Client::new(http, &self.backend, &self.token()?)?)
    }
}

/// The embedded store's folder unless a flag says otherwise: `$XDG_DATA_HOME/latchkey/esc`.
fn data_dir() -> anyhow::Result<PathBuf> {
    let home = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let base = home("XDG_DATA_HOME").or_else(|| home("HOME").map(|home| home.join(".local/share")));
    let base =
        base.context("neither XDG_DATA_HOME nor HOME is set; name a folder with --data-dir")?;
    Ok(base.join("latchkey/esc"))
}
