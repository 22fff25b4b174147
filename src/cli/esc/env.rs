//! `latchkey esc env`: environments, with the words of Pulumi's `esc env`.

mod read;
mod write;

use anyhow::{Context as _, ensure};
use clap::Subcommand;

use super::Backend;
use crate::esc::client::EnvironmentName;

/// Flags of `latchkey esc env`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    backend: Backend,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes an environment
    Init(write::Init),
    /// Replaces an environment's definition, from a file or in an editor
    Edit(write::Edit),
    /// Sets one value
    Set(write::Set),
    /// Deletes an environment, or one value of it
    Rm(write::Rm),
    /// Shows a definition, or its values without the secret ones
    Get(read::Get),
    /// Opens an environment and prints its values
    Open(read::Open),
    /// Lists environments
    Ls(read::Ls),
    /// Lists an environment's revisions
    Version(read::Version),
}

/// Runs a command.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let Args { backend, command } = args;
    let client = backend.client()?;
    match command {
        Command::Init(command) => write::init(&client, command).await,
        Command::Edit(command) => write::edit(&client, command).await,
        Command::Set(command) => write::set(&client, command).await,
        Command::Rm(command) => write::rm(&client, command).await,
        Command::Get(command) => read::get(&client, command).await,
        Command::Open(command) => read::open(&client, command).await,
        Command::Ls(command) => read::ls(&client, command).await,
        Command::Version(command) => read::version(&client, command).await,
    }
}

/// `ORG/PROJECT/ENVIRONMENT[@VERSION]`.
#[derive(Clone, Debug)]
struct Reference {
    name: EnvironmentName,
    version: Option<String>,
}

/// Reads a reference.
fn reference(text: &str) -> Result<Reference, String> {
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => (name, Some(version.to_owned())),
        None => (text, None),
    };
    match name.split('/').collect::<Vec<_>>().as_slice() {
        [organization, project, name]
            if ![organization, project, name]
                .iter()
                .any(|part| part.is_empty()) =>
        {
            Ok(Reference {
                name: EnvironmentName::new(*organization, *project, *name),
                version: version.filter(|version| !version.is_empty()),
            })
        }
        _ => Err(
            "write ORGANIZATION/PROJECT/ENVIRONMENT, with @VERSION behind it where one is meant"
                .to_owned(),
        ),
    }
}

impl Reference {
    /// The name, for commands that change the newest revision.
    fn newest(&self) -> anyhow::Result<&EnvironmentName> {
        ensure!(
            self.version.is_none(),
            "a version cannot be changed; leave @{} out",
            self.version.as_deref().unwrap_or_default()
        );
        Ok(&self.name)
    }
}

/// The text of a file, or of standard input where the name is `-`.
fn read_file(name: &str) -> anyhow::Result<String> {
    if name == "-" {
        return std::io::read_to_string(std::io::stdin()).context("failed to read standard input");
    }
    std::fs::read_to_string(name).with_context(|| format!("failed to read {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_three_parts_and_maybe_a_version() {
        let read = reference("acme/app/dev@7").unwrap();
        assert_eq!(
            (read.name, read.version.as_deref()),
            (EnvironmentName::new("acme", "app", "dev"), Some("7"))
        );
        assert!(reference("acme/app/dev@7").unwrap().newest().is_err());
        assert!(reference("acme/app/dev").unwrap().newest().is_ok());
        for wrong in ["dev", "app/dev", "a/b/c/d", "a//c", ""] {
            assert!(reference(wrong).is_err(), "{wrong}");
        }
    }
}
