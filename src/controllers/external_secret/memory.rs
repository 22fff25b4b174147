//! What is remembered of an ExternalSecret between two passes. All of it can be lost: after a restart
//! the objects tell the rest, at the price of one read each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::api::v1::ExternalSecretStatus;
use crate::cluster::secret_object::Version;
use crate::controllers::external_secret::plan::Dress;
use crate::model::secret_store::StoreId;

/// What the last passes over one object found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// The object's resource version string that was last synced.
    pub synced_version: Option<String>,
    /// When values were last fetched with success.
    pub refreshed_at: Option<Timestamp>,
    /// The Secret, as it was last seen to be right.
    pub verified: Option<Verified>,
    /// Hash and version of the object that is kept in place of a Secret, as last applied.
    pub applied: Option<String>,
    /// The annotation that asks for new values, as last served or first met; empty where it was absent.
    pub force_seen: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// No try before this moment, unless the object or a store changes.
    pub retry_at: Option<Timestamp>,
    /// The resource version string that the failures belong to.
    pub failed_version: Option<String>,
    /// The status as last written.
    pub told: Option<Told>,
    /// When the next pass should begin.
    pub due: Option<Due>,
    /// Whether the brake on mass deletion keeps Secrets under earlier names.
    pub left_behind: bool,
    /// Entries that the provider did not have, as last told in an Event.
    pub skipped: Vec<String>,
    /// Stores that were passed over and those that served in their place, as last told in an Event.
    pub detours: Vec<(StoreId, StoreId)>,
}

/// A Secret that was written, or read and compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// The very object.
    pub version: Version,
    /// Hash of its data.
    pub data_hash: String,
    /// What a template made of its metadata.
    pub dress: Option<Dress>,
    /// The object's resource version string it was made from.
    pub synced_version: String,
}

/// When a pass should begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The moment.
    pub at: Timestamp,
    /// How much later it may be.
    pub grace: SignedDuration,
}

/// A status that was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    /// When.
    pub at: Timestamp,
    /// What it says.
    pub status: ExternalSecretStatus,
}

/// Names an object.
pub(crate) type Key = (String, String);

/// The memory of every object.
#[derive(Default)]
pub(crate) struct Memories(Mutex<HashMap<Key, Memory>>);

impl Memories {
    /// A copy of what is remembered.
    pub(crate) fn recall(&self, key: &Key) -> Memory {
        let memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memories.get(key).cloned().unwrap_or_default()
    }

    /// A copy of all that is remembered.
    pub(crate) fn all(&self) -> Vec<(Key, Memory)> {
        let memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = memories.iter();
        all.map(|(key, memory)| (key.clone(), memory.clone()))
            .collect()
    }

    /// Changes what is remembered.
    pub(crate) fn note(&self, key: &Key, change: impl FnOnce(&mut Memory)) {
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(memories.entry(key.clone()).or_default());
    }

    /// Drops an object that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}
