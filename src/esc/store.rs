//! Environments, revisions and tokens on disk.
//!
//! Every call that changes something returns when the change is on disk, and not before: what was
//! acknowledged survives a crash at any moment. Definitions are stored as given: whoever calls
//! [`Store::update`] has encrypted the secrets in them ([`Store::keyring`]). Calls block; run them off
//! the threads that serve.

mod environments;
mod labels;
mod name;
mod record;
mod revisions;
mod table;
mod tokens;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redb::{Builder, Database, ReadTransaction, ReadableDatabase as _, WriteTransaction};

use super::crypt::{self, Keyring, MasterKey, MasterKeySource};
use record::{DataKey, Organization};
use table::{Read as _, Write as _};

pub use environments::Copy;
pub use name::{check_environment, check_label, check_organization, check_tag};
pub use record::{
    Author, Environment, Label, Permission, Retraction, Revision, RevisionTag, Token,
};
pub use tokens::{TokenDraft, new_token};

/// The tag that always names the newest revision.
pub const LATEST: &str = "latest";

/// Layout of the tables; a database of another one is refused.
const FORMAT: u32 = 1;
/// Memory for pages read.
const CACHE: usize = 64 * 1024 * 1024;

/// A failed operation on the store. Texts may be shown to whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("{kind} '{name}' not found")]
    Find {
        /// What was looked for.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// There is one already.
    #[error("{kind} '{name}' already exists")]
    Create {
        /// What was to be made.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The name is not allowed.
    #[error("invalid {kind} name: {reason}")]
    ReadName {
        /// What was to be named.
        kind: &'static str,
        /// The rule that is broken.
        reason: String,
    },
    /// The environment has changed since it was read.
    #[error("environment '{0}' has changed since it was read; read it again")]
    Update(String),
    /// What is protected cannot be changed or deleted.
    #[error("{0}")]
    Protect(String),
    /// The database failed.
    #[error("failed to use the database")]
    UseDatabase(#[source] Box<redb::Error>),
    /// A record cannot be read or written.
    #[error("failed to read a record of table {0}")]
    ReadRecord(String, #[source] serde_json::Error),
    /// The database is of another version of latchkey.
    #[error("failed to read the database: its format is {0}, not {FORMAT}")]
    ReadFormat(u32),
    /// A key cannot be used.
    #[error(transparent)]
    UseKey(#[from] crypt::Error),
    /// A data key's record is damaged.
    #[error("failed to decode a data key")]
    DecodeDataKey,
}

impl Error {
    fn find(kind: &'static str, name: impl Into<String>) -> Self {
        Self::Find {
            kind,
            name: name.into(),
        }
    }

    fn create(kind: &'static str, name: impl Into<String>) -> Self {
        Self::Create {
            kind,
            name: name.into(),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::UseDatabase(Box::new(error.into()))
    }
}

/// The database with its keys.
pub struct Store {
    database: Database,
    keyring: Keyring,
    /// All tokens, so that a request is authenticated without touching the disk.
    tokens: RwLock<Vec<Token>>,
}

/// The database as it was at one moment.
pub struct Snapshot(ReadTransaction);

impl Store {
    /// Opens the database at `path`, making it and its keys if there is none.
    ///
    /// # Errors
    /// When another process has it open, or the master key is not the one it was made with.
    pub fn open(path: &Path, master: &MasterKeySource) -> Result<Self, Error> {
        let is_new = !path.exists();
        let master = MasterKey::load(master, is_new)?;
        if is_new {
            make_private(path)?;
        }
        let database = Builder::new().set_cache_size(CACHE).create(path)?;
        let transaction = database.begin_write()?;
        match transaction.get(table::META, "format")? {
            None => transaction.put(table::META, "format", &FORMAT)?,
            Some(FORMAT) => {}
            Some(other) => return Err(Error::ReadFormat(other)),
        }
        let keyring = keyring(&transaction, &master)?;
        let tokens = transaction.all(table::TOKENS, "")?;
        transaction.commit()?;
        Ok(Self {
            database,
            keyring,
            tokens: RwLock::new(tokens),
        })
    }

    /// The data keys.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The present state, unmoved by what is written later.
    ///
    /// # Errors
    /// [`Error::UseDatabase`].
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(Snapshot(self.database.begin_read()?))
    }

    /// Makes an organisation unless there is one.
    ///
    /// # Errors
    /// [`Error::ReadName`] or [`Error::UseDatabase`].
    pub fn ensure_organization(&self, name: &str, now: jiff::Timestamp) -> Result<(), Error> {
        check_organization(name)?;
        self.write(|transaction| {
            if transaction
                .get::<Organization>(table::ORGANIZATIONS, name)?
                .is_some()
            {
                return Ok(());
            }
            let organization = Organization {
                name: name.to_owned(),
                created: now,
            };
            transaction.put(table::ORGANIZATIONS, name, &organization)
        })
    }

    /// Does `work` wholly or not at all; it is on disk when this returns.
    fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(redb::Durability::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    fn read_tokens(&self) -> std::sync::RwLockReadGuard<'_, Vec<Token>> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// Names of all organisations, in order.
    ///
    /// # Errors
    /// [`Error::UseDatabase`].
    pub fn organizations(&self) -> Result<Vec<String>, Error> {
        let all: Vec<Organization> = self.0.all(table::ORGANIZATIONS, "")?;
        Ok(all
            .into_iter()
            .map(|organization| organization.name)
            .collect())
    }
}

/// Makes the empty file that only its owner may read.
fn make_private(path: &Path) -> Result<(), Error> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(redb::StorageError::Io)?;
    Ok(())
}

/// Unwraps the data keys; the first start makes one.
fn keyring(transaction: &WriteTransaction, master: &MasterKey) -> Result<Keyring, Error> {
    let mut keys: Vec<DataKey> = transaction.all(table::DATA_KEYS, "")?;
    if keys.is_empty() {
        let key = DataKey {
            id: 1,
            wrapped: STANDARD.encode(Keyring::new_wrapped_key(master, 1)?),
        };
        transaction.put(table::DATA_KEYS, &format!("{:010}", key.id), &key)?;
        keys.push(key);
    }
    let mut wrapped = Vec::new();
    for key in keys {
        let bytes = STANDARD
            .decode(&key.wrapped)
            .map_err(|_| Error::DecodeDataKey)?;
        wrapped.push((key.id, bytes));
    }
    Ok(Keyring::unwrap_keys(master, &wrapped)?)
}

#[cfg(test)]
mod tests;
