//! A volume: what belongs there, and when it is due.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::files::{self, File};
use super::{Answers, Options, Unserved};
use crate::model::pod_injection::memory::{Delivery, check_path};
use crate::secret::SecretMap;

/// A volume.
pub(super) struct Volume {
    /// Its name.
    pub(super) name: String,
    /// Its folder.
    pub(super) folder: PathBuf,
    /// How often it is fetched; `None` once.
    pub(super) refresh: Option<Duration>,
    /// When it is fetched next.
    pub(super) due: Option<Instant>,
    /// Tries that failed in a row.
    pub(super) tries: u32,
    /// Why the last one did.
    pub(super) trouble: Option<String>,
    deliveries: Vec<Delivery>,
    /// Names that the store did not have when the volume was last written.
    absent: BTreeSet<String>,
}

/// How a try went.
pub(super) enum Settled {
    /// The volume holds the newest values; whether they are others than before.
    Current { is_new: bool },
    /// The volume is as it was.
    Failed {
        message: String,
        retry_after: Duration,
    },
}

impl Settled {
    /// For a reason that says nothing about when to try again.
    pub(super) fn failed(message: String) -> Self {
        Self::Failed {
            message,
            retry_after: Duration::ZERO,
        }
    }
}

impl Volume {
    /// The volumes that were told. One that is written already and is fetched once is not due.
    pub(super) fn of(options: &Options, now: Instant) -> Vec<Self> {
        let mut volumes: BTreeMap<&str, Vec<Delivery>> = BTreeMap::new();
        for delivery in &options.deliveries {
            let told = volumes.entry(&delivery.volume).or_default();
            told.push(delivery.clone());
        }
        let volumes = volumes.into_iter().map(|(name, deliveries)| {
            let seconds = deliveries.iter().map(|delivery| delivery.refresh);
            let refresh = seconds.filter(|seconds| *seconds > 0).min();
            let folder = options.root.join(name);
            let is_done = refresh.is_none() && files::is_written(&folder);
            Self {
                name: name.to_owned(),
                due: (!is_done).then_some(now),
                folder,
                refresh: refresh.map(Duration::from_secs),
                tries: 0,
                trouble: None,
                deliveries,
                absent: BTreeSet::new(),
            }
        });
        volumes.collect()
    }

    /// The names of its values.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.deliveries
            .iter()
            .map(|delivery| delivery.name.as_str())
    }

    /// Writes the values if all of them are there.
    pub(super) fn settle(&mut self, answers: &Answers) -> Settled {
        let is_written = files::is_written(&self.folder);
        let mut wanted = BTreeMap::new();
        let mut absent = BTreeSet::new();
        for delivery in &self.deliveries {
            match answers.get(&delivery.name) {
                Some(Ok(values)) => {
                    if let Err(why) = add(&mut wanted, delivery, values) {
                        return Settled::failed(why);
                    }
                }
                // What was there once stays, also where the store has it no more.
                Some(Err(unserved))
                    if unserved.is_missing
                        && delivery.optional
                        && (!is_written || self.absent.contains(&delivery.name)) =>
                {
                    absent.insert(delivery.name.clone());
                }
                Some(Err(Unserved {
                    message,
                    retry_after,
                    ..
                })) => {
                    return Settled::Failed {
                        message: message.clone(),
                        retry_after: *retry_after,
                    };
                }
                None => {
                    return Settled::failed(format!("the server's answer lacks {}", delivery.name));
                }
            }
        }
        match files::write(&self.folder, &wanted) {
            Ok(is_new) => {
                self.absent = absent;
                Settled::Current { is_new }
            }
            Err(error) => Settled::failed(format!(
                "failed to write {}: {error}",
                self.folder.display()
            )),
        }
    }
}

/// Adds the files of a delivery; of two with one path the later stays.
fn add<'a>(
    wanted: &mut BTreeMap<String, File<'a>>,
    delivery: &Delivery,
    values: &'a SecretMap,
) -> Result<(), String> {
    if delivery.items.is_empty() {
        for (key, value) in values.iter() {
            check_path(key)?;
            let mode = delivery.mode;
            wanted.insert(key.to_owned(), File { mode, value });
        }
        return Ok(());
    }
    for item in &delivery.items {
        check_path(&item.path)?;
        match values.get(&item.key) {
            Some(value) => {
                let mode = item.mode.unwrap_or(delivery.mode);
                wanted.insert(item.path.clone(), File { mode, value });
            }
            None if delivery.optional => {}
            None => {
                return Err(format!(
                    "{} has no key {:?}, which volume {} names",
                    delivery.name, item.key, delivery.volume
                ));
            }
        }
    }
    Ok(())
}
