//! Commands that read environments.

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};

use super::super::print;
use super::{Reference, reference};
use crate::esc::client::{Client, EnvironmentName, PropertyPath, Value};
use crate::secret::json::Json;

/// Flags of `get`.
#[derive(Debug, clap::Args)]
pub(super) struct Get {
    /// ORGANIZATION/PROJECT/ENVIRONMENT[@VERSION]
    #[arg(value_parser = reference)]
    environment: Reference,
    /// Property path of one value
    path: Option<String>,
    /// Shows secret values
    #[arg(long)]
    show_secrets: bool,
    /// Shows the definition
    #[arg(long, conflicts_with = "value")]
    definition: bool,
    /// Shows the values, in this form
    #[arg(long, value_enum, value_name = "FORMAT")]
    value: Option<Format>,
}

/// Flags of `open`.
#[derive(Debug, clap::Args)]
pub(super) struct Open {
    /// ORGANIZATION/PROJECT/ENVIRONMENT[@VERSION]
    #[arg(value_parser = reference)]
    environment: Reference,
    /// Property path of one value
    path: Option<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Format::Json, value_name = "FORMAT")]
    format: Format,
}

/// Flags of `ls`.
#[derive(Debug, clap::Args)]
pub(super) struct Ls {
    /// Only this organisation
    #[arg(short, long, value_name = "NAME")]
    organization: Option<String>,
}

/// Flags of `version`.
#[derive(Debug, clap::Args)]
pub(super) struct Version {
    #[command(subcommand)]
    command: VersionCommand,
}

#[derive(Debug, Subcommand)]
enum VersionCommand {
    /// Lists revisions, the newest first
    History {
        /// ORGANIZATION/PROJECT/ENVIRONMENT
        #[arg(value_parser = reference)]
        environment: Reference,
    },
    /// Lets a tag point at a revision
    Tag {
        /// ORGANIZATION/PROJECT/ENVIRONMENT@TAG
        #[arg(value_parser = reference)]
        environment: Reference,
        /// Number of the revision
        revision: u64,
    },
}

/// Form of printed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// JSON, indented
    Json,
    /// The value alone
    String,
    /// `NAME="value"` lines of `environmentVariables`
    Dotenv,
    /// `export NAME='value'` lines of `environmentVariables`
    Shell,
}

/// Shows a definition or values.
pub(super) async fn get(client: &Client, command: Get) -> anyhow::Result<()> {
    let Reference { name, version } = &command.environment;
    if command.value.is_none() && command.path.is_none() {
        let definition = client
            .definition(name, version.as_deref(), command.show_secrets)
            .await?;
        return print::raw(&definition.text);
    }
    let format = command.value.unwrap_or(Format::Json);
    if command.show_secrets {
        let root = opened(client, name, version.as_deref()).await?;
        return show(at(&root, command.path.as_deref())?.to_json(), format);
    }
    let definition = client.definition(name, version.as_deref(), false).await?;
    let checked = client
        .check_yaml(&name.organization, &definition.text, false)
        .await?;
    let value = at(checked.environment.root(), command.path.as_deref())?;
    show(print::redacted(value), format)
}

/// Opens an environment.
pub(super) async fn open(client: &Client, command: Open) -> anyhow::Result<()> {
    let Reference { name, version } = &command.environment;
    let root = opened(client, name, version.as_deref()).await?;
    show(
        at(&root, command.path.as_deref())?.to_json(),
        command.format,
    )
}

/// Lists environments.
#[expect(clippy::print_stdout, reason = "the command's output")]
pub(super) async fn ls(client: &Client, command: Ls) -> anyhow::Result<()> {
    let organizations = match command.organization {
        Some(name) => vec![name],
        None => {
            let user = client.user().await?;
            user.organizations
                .into_iter()
                .map(|organization| organization.github_login)
                .collect()
        }
    };
    for organization in organizations {
        for listed in client.list(&organization).await? {
            println!("{organization}/{}/{}", listed.project, listed.name);
        }
    }
    Ok(())
}

/// Lists or tags revisions.
#[expect(clippy::print_stdout, reason = "the command's output")]
pub(super) async fn version(client: &Client, command: Version) -> anyhow::Result<()> {
    match command.command {
        VersionCommand::History { environment } => {
            for revision in client.revisions(environment.newest()?).await? {
                let tags = revision.tags.join(", ");
                println!(
                    "{}\t{}\t{}\t{tags}",
                    revision.number, revision.created, revision.creator_login
                );
            }
        }
        VersionCommand::Tag {
            environment,
            revision,
        } => {
            let tag = environment
                .version
                .as_deref()
                .context("name the tag: ORGANIZATION/PROJECT/ENVIRONMENT@TAG")?;
            client.set_tag(&environment.name, tag, revision).await?;
        }
    }
    Ok(())
}

async fn opened(
    client: &Client,
    name: &EnvironmentName,
    version: Option<&str>,
) -> anyhow::Result<Value> {
    let session = client.open(name, version).await?;
    let environment = client.read_session(name, &session).await?;
    Ok(environment.into_root())
}

fn at<'a>(root: &'a Value, path: Option<&str>) -> anyhow::Result<&'a Value> {
    let path = PropertyPath::parse(path.unwrap_or_default())?;
    root.lookup(&path)
        .with_context(|| format!("there is no value at {path}"))
}

fn show(json: Json, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => print::json(&json),
        Format::String => match json {
            Json::Text(_) | Json::Number(_) | Json::Bool(_) | Json::Null => {
                print::line(&json.to_content())
            }
            Json::List(_) | Json::Object(_) => print::line(&json.to_bytes()),
        },
        Format::Dotenv | Format::Shell => {
            let Json::Object(mut members) = json else {
                bail!("only an object has environmentVariables");
            };
            let variables = members.remove("environmentVariables");
            print::variables(variables.as_ref(), format == Format::Shell)
        }
    }
}
