//! `latchkey generate`: manifests and the reference of commands, which are made from code.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::CommandFactory as _;

use crate::providers::{self, Registry};

/// What stands before the matrix of providers.
const MATRIX_BEGINS: &str = "<!-- providers: made by `latchkey generate` -->";
/// What stands behind it.
const MATRIX_ENDS: &str = "<!-- providers end -->";

/// Flags of `latchkey generate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Writes nothing; fails when a file is not what the code makes
    #[arg(long)]
    check: bool,
    /// Folder the manifests are in
    #[arg(long, default_value = "manifests", value_name = "DIR")]
    dir: PathBuf,
    /// Folder of the Helm chart, whose `files` are the same manifests
    #[arg(long, default_value = "charts/latchkey", value_name = "DIR")]
    chart: PathBuf,
    /// File that holds the matrix of providers between its marks
    #[arg(long, default_value = "README.md", value_name = "FILE")]
    readme: PathBuf,
}

/// Writes or checks.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    let files = args.chart.join("files");
    let manifests = manifests().into_iter().flat_map(|(path, text)| {
        let is_installed = path
            .extension()
            .is_some_and(|extension| extension == "yaml");
        let in_chart = (files.join(&path), for_chart(&path, &text));
        [(args.dir.join(path), text)]
            .into_iter()
            .chain(is_installed.then_some(in_chart))
    });
    let readme = (args.readme.clone(), readme(&args.readme)?);
    for (path, text) in manifests.chain([readme]) {
        if std::fs::read_to_string(&path).is_ok_and(|present| present == text) {
            continue;
        }
        if args.check {
            stale.push(path.display().to_string());
            continue;
        }
        let folder = path.parent().unwrap_or(&args.dir);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
        std::fs::write(&path, text)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    if stale.is_empty() {
        Ok(())
    } else {
        bail!("stale: {}; run `latchkey generate`", stale.join(", "))
    }
}

/// The README with the matrix as the providers have it.
fn readme(path: &Path) -> anyhow::Result<String> {
    let present = std::fs::read_to_string(path);
    let present = present.with_context(|| format!("failed to read {}", path.display()))?;
    let registry = Registry::new(&providers::Options::default())?;
    let marked = || {
        let (before, rest) = present.split_once(MATRIX_BEGINS)?;
        let (_, after) = rest.split_once(MATRIX_ENDS)?;
        Some(format!(
            "{before}{MATRIX_BEGINS}\n\n{}\n{MATRIX_ENDS}{after}",
            registry.matrix()
        ))
    };
    marked().with_context(|| {
        format!(
            "{}: the lines {MATRIX_BEGINS} and {MATRIX_ENDS} are missing; the matrix goes between them",
            path.display()
        )
    })
}

/// In the chart, CRDs say that they and so everybody's objects outlive the release.
fn for_chart(path: &Path, text: &str) -> String {
    if path.starts_with("crds") {
        let keep = "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n";
        text.replacen("metadata:\n", keep, 1)
    } else {
        text.to_owned()
    }
}

/// Paths below the folder of manifests, and their text.
fn manifests() -> Vec<(PathBuf, String)> {
    let crds = crate::api::crds::render();
    let crds = crds
        .into_iter()
        .map(|(name, text)| (PathBuf::from("crds").join(name), text));
    let webhooks = crate::admission::registration::render();
    let webhooks = webhooks
        .into_iter()
        .map(|(name, text)| (PathBuf::from("webhooks").join(name), text));
    let commands = clap_markdown::MarkdownOptions::new()
        .title("latchkey's commands".to_owned())
        .show_footer(false);
    let commands = clap_markdown::help_markdown_command_custom(&super::Cli::command(), &commands);
    let reference = (PathBuf::from("COMMANDS.md"), commands);
    crds.chain(webhooks).chain([reference]).collect()
}
