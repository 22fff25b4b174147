//! `latchkey esc token`.

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::Backend;
use crate::http;

/// Flags of `latchkey esc token`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    backend: Backend,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a token and prints it, once
    Create {
        /// What the token is for
        name: String,
        /// Who acts by it
        #[arg(long, default_value = "robot", value_name = "LOGIN")]
        login: String,
        /// The only organisation it opens; all of them without
        #[arg(short, long, value_name = "NAME")]
        organization: Option<String>,
        /// What it allows; each includes those before
        #[arg(long, value_enum, default_value_t = Permission::Open, value_name = "PERMISSION")]
        permission: Permission,
    },
    /// Lists tokens, without what they are
    Ls,
    /// Ends a token
    Rm {
        /// Id of the token, as `ls` prints it
        id: String,
    },
}

/// What a token allows.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Permission {
    /// Definitions with ciphertext
    Read,
    /// Values
    Open,
    /// Changes
    Write,
    /// Deletion and tokens
    Admin,
}

/// Runs a command.
#[expect(clippy::print_stdout, reason = "the command's output")]
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let Args { backend, command } = args;
    match command {
        Command::Create {
            name,
            login,
            organization,
            permission,
        } => {
            let permission = permission
                .to_possible_value()
                .context("the permission must have a name")?;
            let body = json!({
                "name": name, "login": login, "organization": organization, "permission": permission.get_name(),
            });
            let made = call(&backend, Method::POST, &[], Some(body)).await?;
            println!(
                "{}",
                made["token"]
                    .as_str()
                    .context("the store answered without a token")?
            );
        }
        Command::Ls => {
            let listed = call(&backend, Method::GET, &[], None).await?;
            for token in listed["tokens"].as_array().into_iter().flatten() {
                let text = |key: &str| token[key].as_str().unwrap_or("-").to_owned();
                println!(
                    "{}\t{}\t{}\t{}\t{}",
                    text("id"),
                    text("name"),
                    text("login"),
                    text("organization"),
                    text("permission")
                );
            }
        }
        Command::Rm { id } => {
            call(&backend, Method::DELETE, &[&id], None).await?;
        }
    }
    Ok(())
}

/// Calls the embedded store's own API, which Pulumi's has no like of.
async fn call(
    backend: &Backend,
    method: Method,
    rest: &[&str],
    body: Option<Value>,
) -> anyhow::Result<Value> {
    let client = http::Client::new(&http::Options::default())?;
    let mut url =
        Url::parse(&backend.backend).context("failed to read the address of the store")?;
    url.path_segments_mut()
        .map_err(|()| anyhow::anyhow!("the address of the store has no path"))?
        .pop_if_empty()
        .extend(["api", "latchkey", "tokens"])
        .extend(rest);
    let authorization = http::authorization("token", &backend.token()?);
    let mut request = client
        .request(method, url)
        .header("accept", "application/json");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.context("failed to reach the store")?;
    let status = response.status();
    let answer: Value = response.json().await.unwrap_or_default();
    if !status.is_success() {
        bail!(
            "the store answered {status}: {}",
            answer["message"].as_str().unwrap_or_default()
        );
    }
    Ok(answer)
}
