//! The agent of a pod that keeps values in memory: it asks the webhook's server for them with the pod's own
//! token, and writes them as the kubelet writes the volumes of Secrets.
//!
//! It knows what its arguments say and nothing of Kubernetes. What it has written stays until there is
//! something newer: no failure removes a file.

mod ask;
mod files;
mod volume;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::model::pod_injection::memory::Delivery;
use crate::secret::SecretMap;

pub use ask::Https;
pub use files::is_written;
use volume::{Settled, Volume};

/// Longest wait between two tries.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// Longest that a server is believed when it asks to wait.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// What an agent keeps, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder with one folder for each volume.
    pub root: PathBuf,
    /// What belongs there.
    pub deliveries: Vec<Delivery>,
}

/// Why the server has no values of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unserved {
    /// What is wrong.
    pub message: String,
    /// Whether the store was asked and has no such values.
    pub is_missing: bool,
    /// How long the server asks to wait.
    pub retry_after: Duration,
}

/// The values of each name, or why there are none.
pub type Answers = std::collections::HashMap<String, Result<SecretMap, Unserved>>;

/// Where values come from.
#[async_trait]
pub trait Server: Send {
    /// Asks for the values of `names`.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn ask(&mut self, names: &BTreeSet<&str>) -> Result<Answers, String>;
}

/// Whether every volume below `root` has values.
///
/// # Errors
/// Which has none, or why that cannot be seen.
pub fn ready(root: &Path) -> Result<(), String> {
    let unseen = |error: std::io::Error| format!("failed to read {}: {error}", root.display());
    for folder in std::fs::read_dir(root).map_err(unseen)? {
        let folder = folder.map_err(unseen)?.path();
        if folder.is_dir() && !is_written(&folder) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            return Err(format!(
                "volume {name} has no values yet; the pod's events and this container's log have the cause"
            ));
        }
    }
    Ok(())
}

/// Keeps the volumes for as long as it is polled.
pub async fn run(options: Options, server: &mut dyn Server) {
    let mut volumes = Volume::of(&options, Instant::now());
    loop {
        let Some(due) = volumes.iter().filter_map(|volume| volume.due).min() else {
            tracing::info!("Every volume has its values, and none is refreshed");
            return std::future::pending().await;
        };
        tokio::time::sleep_until(due).await;
        let now = Instant::now();
        let is_due = |volume: &Volume| volume.due.is_some_and(|due| due <= now);
        let names = volumes.iter().filter(|volume| is_due(volume));
        let names: BTreeSet<&str> = names.flat_map(Volume::names).collect();
        let answers = server.ask(&names).await;
        drop(names);
        for volume in volumes.iter_mut().filter(|volume| is_due(volume)) {
            let settled = match &answers {
                Ok(answers) => volume.settle(answers),
                Err(why) => Settled::failed(why.clone()),
            };
            schedule(volume, settled, Instant::now());
        }
    }
}

/// Notes how it went and when to ask again; what is the same as before is not told again.
fn schedule(volume: &mut Volume, settled: Settled, now: Instant) {
    match settled {
        Settled::Current { is_new } => {
            if is_new || volume.trouble.is_some() {
                tracing::info!(volume = volume.name, is_new, "The values are current");
            }
            volume.trouble = None;
            volume.tries = 0;
            volume.due = volume
                .refresh
                .map(|refresh| now + refresh.mul_f64(rand::random_range(0.9..=1.0)));
        }
        Settled::Failed {
            message,
            retry_after,
        } => {
            if volume.trouble.as_ref() != Some(&message) {
                let kept = is_written(&volume.folder);
                tracing::warn!(
                    volume = volume.name,
                    reason = message,
                    kept,
                    "Failed to get values, trying again"
                );
            }
            volume.trouble = Some(message);
            let doubled = Duration::from_secs(1) * 2_u32.pow(volume.tries.min(8));
            volume.tries += 1;
            let backoff = doubled
                .min(LONGEST_RETRY)
                .mul_f64(rand::random_range(0.5..=1.0));
            volume.due = Some(now + backoff.max(retry_after.min(LONGEST_WAIT)));
        }
    }
}

#[cfg(test)]
mod tests;
