//! `latchkey generate`: manifests that are made from code.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

/// Flags of `latchkey generate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Writes nothing; fails when a file is not what the code makes
    #[arg(long)]
    check: bool,
    /// Folder the manifests are in
    #[arg(long, default_value = "manifests", value_name = "DIR")]
    dir: PathBuf,
}

/// Writes or checks.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for (name, text) in crate::api::crds::render() {
        let path = args.dir.join("crds").join(name);
        let present = std::fs::read_to_string(&path).unwrap_or_default();
        if present == text {
            continue;
        }
        if args.check {
            stale.push(path.display().to_string());
        } else {
            std::fs::create_dir_all(args.dir.join("crds"))
                .context("failed to create the folder")?;
            std::fs::write(&path, text)
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
    }
    if stale.is_empty() {
        Ok(())
    } else {
        bail!("stale: {}; run `latchkey generate`", stale.join(", "))
    }
}
