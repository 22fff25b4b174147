//! A folder of ours that is gone when we are.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// Set to keep the folder, with its logs, for a look at a failure.
const KEEP: &str = "LATCHKEY_KEEP";

/// A temporary folder that a watchdog removes when this value is dropped or the process is gone.
#[derive(Debug)]
pub(crate) struct Workdir {
    path: PathBuf,
    watchdog: Option<Child>,
}

impl Workdir {
    /// Makes the folder; `prefix` starts its name.
    pub(crate) fn new(prefix: &str) -> anyhow::Result<Self> {
        Self::with_cleanup(prefix, "")
    }

    /// As [`Workdir::new`], with a shell `script` to run before the folder is removed; `$1` is the folder.
    pub(crate) fn with_cleanup(prefix: &str, script: &str) -> anyhow::Result<Self> {
        let path = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir()
            .context("failed to make a temporary folder")?
            .keep();
        // Programs that are being killed may still write, so once may not be enough.
        let remove = if std::env::var_os(KEEP).is_some() {
            eprintln!("{} is kept, because {KEEP} is set", path.display());
            "true"
        } else {
            r#"for attempt in 1 2 3 4 5; do rm -rf "$1" && exit; sleep 0.5; done"#
        };
        // The shell waits for the end of its input, which comes when the last holder of the other end,
        // this process, closes it or dies.
        let script = format!("trap '' INT TERM HUP\ncat >/dev/null\n{script}\n{remove}\n");
        let watchdog = Command::new("sh")
            .args(["-c", &script, "watchdog"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("failed to start the watchdog that removes temporary files")?;
        Ok(Self {
            path,
            watchdog: Some(watchdog),
        })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder in it.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.path.join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("failed to make {}", folder.display()))?;
        Ok(folder)
    }

    /// Writes a file into it.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<PathBuf> {
        let file = self.path.join(name);
        std::fs::write(&file, content)
            .with_context(|| format!("failed to write {}", file.display()))?;
        Ok(file)
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        if let Some(mut watchdog) = self.watchdog.take() {
            drop(watchdog.stdin.take());
            watchdog.wait().ok();
        }
    }
}
