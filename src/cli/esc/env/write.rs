//! Commands that change environments.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, bail, ensure};

use super::{Reference, read_file, reference};
use crate::esc::client::{Client, Definition, EnvironmentName, Updated};
use crate::esc::eval::{Diagnostic, PropertyPath, remove_property, set_property};
use crate::secret::SecretBytes;

/// Flags of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// ORGANIZATION/PROJECT/ENVIRONMENT
    #[arg(value_parser = reference)]
    environment: Reference,
    /// File with the first definition; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
}

/// Flags of `edit`.
#[derive(Debug, clap::Args)]
pub(super) struct Edit {
    /// ORGANIZATION/PROJECT/ENVIRONMENT
    #[arg(value_parser = reference)]
    environment: Reference,
    /// File with the new definition, instead of an editor; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// Shows secret values in the editor
    #[arg(long)]
    show_secrets: bool,
    /// The editor
    #[arg(long, env = "EDITOR", default_value = "vi", value_name = "COMMAND")]
    editor: String,
}

/// Flags of `set`.
#[derive(Debug, clap::Args)]
pub(super) struct Set {
    /// ORGANIZATION/PROJECT/ENVIRONMENT
    #[arg(value_parser = reference)]
    environment: Reference,
    /// Property path, for example `app.hello` or `app["tls.crt"]`
    path: String,
    /// The value, as YAML; `-` is standard input
    #[arg(required_unless_present = "file")]
    value: Option<String>,
    /// File with the value
    #[arg(short, long, conflicts_with = "value", value_name = "FILE")]
    file: Option<String>,
    /// Stores the value encrypted
    #[arg(long)]
    secret: bool,
    /// Stores the value in clear; the default, and what Pulumi's `esc` asks for
    #[arg(long, conflicts_with = "secret")]
    plaintext: bool,
    /// Takes the value as text, whatever it looks like
    #[arg(long)]
    string: bool,
}

/// Flags of `rm`.
#[derive(Debug, clap::Args)]
pub(super) struct Rm {
    /// ORGANIZATION/PROJECT/ENVIRONMENT
    #[arg(value_parser = reference)]
    environment: Reference,
    /// Property path of the one value to delete
    path: Option<String>,
    /// Deletes a whole environment without asking
    #[arg(short, long)]
    yes: bool,
}

/// Makes an environment.
pub(super) async fn init(client: &Client, command: Init) -> anyhow::Result<()> {
    let name = command.environment.newest()?;
    let text = command.file.as_deref().map(read_file).transpose()?;
    client.create(name).await?;
    if let Some(text) = text {
        tell(client.update(name, &SecretBytes::from(text), None).await?);
    }
    Ok(())
}

/// Replaces a definition.
pub(super) async fn edit(client: &Client, command: Edit) -> anyhow::Result<()> {
    let name = command.environment.newest()?;
    if let Some(file) = &command.file {
        tell(
            client
                .update(name, &SecretBytes::from(read_file(file)?), None)
                .await?,
        );
        return Ok(());
    }
    let old = client.definition(name, None, command.show_secrets).await?;
    let new = in_editor(&command.editor, &old.text)?;
    if new == old.text {
        return Ok(());
    }
    tell(client.update(name, &new, old.etag.as_deref()).await?);
    Ok(())
}

/// Lets a person change a text. The file can be read by nobody else and is gone afterwards.
fn in_editor(editor: &str, text: &SecretBytes) -> anyhow::Result<SecretBytes> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = std::env::temp_dir().join(format!("latchkey-{}.yaml", uuid::Uuid::new_v4()));
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.expose()))
        .context("failed to write a temporary file")?;
    let mut words = editor.split_whitespace();
    let program = words.next().context("EDITOR is empty")?;
    let ended = std::process::Command::new(program)
        .args(words)
        .arg(&path)
        .status();
    let changed = std::fs::read(&path);
    std::fs::remove_file(&path).context("failed to delete the temporary file")?;
    let ended = ended.with_context(|| format!("failed to start {editor}"))?;
    ensure!(
        ended.success(),
        "{editor} ended with {ended}; nothing was changed"
    );
    Ok(SecretBytes::new(
        changed.context("failed to read the temporary file")?,
    ))
}

/// Sets one value.
pub(super) async fn set(client: &Client, command: Set) -> anyhow::Result<()> {
    let name = command.environment.newest()?;
    let path = path(&command.path)?;
    let value = match (command.value.as_deref(), &command.file) {
        (Some("-"), _) => read_file("-")?.trim_end_matches('\n').to_owned(),
        (Some(value), _) => value.to_owned(),
        (None, Some(file)) => read_file(file)?,
        (None, None) => bail!("a value is missing"),
    };
    let yaml = match (command.secret, command.string) {
        (true, _) => format!("{{fn::secret: {}}}", quoted(&value)),
        (false, true) => quoted(&value),
        (false, false) => value,
    };
    change(client, name, |text| set_property(text, &path, &yaml)).await
}

/// Deletes a value or an environment.
#[expect(
    clippy::print_stderr,
    reason = "a question to the person who runs the command"
)]
pub(super) async fn rm(client: &Client, command: Rm) -> anyhow::Result<()> {
    let name = command.environment.newest()?;
    if let Some(text) = &command.path {
        let path = path(text)?;
        return change(client, name, |text| remove_property(text, &path)).await;
    }
    if !command.yes {
        ensure!(
            std::io::stdin().is_terminal(),
            "nobody can be asked here; add --yes to delete {name}"
        );
        eprint!("Delete environment {name} with all its revisions? Write its name: ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        ensure!(answer.trim() == name.to_string(), "nothing was deleted");
    }
    Ok(client.delete(name).await?)
}

/// Changes a definition by `edit`, unless somebody else does at the same time.
async fn change(
    client: &Client,
    name: &EnvironmentName,
    edit: impl FnOnce(&str) -> Result<String, Vec<Diagnostic>>,
) -> anyhow::Result<()> {
    let Definition { text, etag, .. } = client.definition(name, None, false).await?;
    let text = text.expose_str().context("the definition is not UTF-8")?;
    let changed = edit(text).map_err(|found| anyhow::anyhow!(summary(&found)))?;
    let updated = client
        .update(name, &SecretBytes::from(changed), etag.as_deref())
        .await?;
    tell(updated);
    Ok(())
}

fn summary(found: &[Diagnostic]) -> String {
    let texts: Vec<String> = found
        .iter()
        .map(|diagnostic| match &diagnostic.range {
            Some(range) => {
                format!(
                    "line {}, column {}: {}",
                    range.begin.line, range.begin.column, diagnostic.summary
                )
            }
            None => diagnostic.summary.clone(),
        })
        .collect();
    texts.join("; ")
}

/// A text as a YAML scalar; JSON's strings are such scalars.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn path(text: &str) -> anyhow::Result<PropertyPath> {
    PropertyPath::parse(text).map_err(anyhow::Error::msg)
}

#[expect(
    clippy::print_stderr,
    reason = "warnings for the person who runs the command"
)]
fn tell(updated: Updated) {
    for diagnostic in updated.diagnostics {
        eprintln!("warning: {}", diagnostic.summary);
    }
}
