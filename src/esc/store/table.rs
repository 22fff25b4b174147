//! Tables: text keys, JSON records. A composite key joins its parts by `/`, which no part contains.

use redb::{
    ReadTransaction, ReadableTable, TableDefinition, TableError, TableHandle as _, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;

pub(super) type Table = TableDefinition<'static, &'static str, &'static [u8]>;

pub(super) const META: Table = TableDefinition::new("meta");
/// By id, ten digits.
pub(super) const DATA_KEYS: Table = TableDefinition::new("data-keys");
/// By name.
pub(super) const ORGANIZATIONS: Table = TableDefinition::new("organizations");
/// By organisation, project and name.
pub(super) const ENVIRONMENTS: Table = TableDefinition::new("environments");
/// By environment id and number, 20 digits.
pub(super) const REVISIONS: Table = TableDefinition::new("revisions");
/// By environment id and name.
pub(super) const REVISION_TAGS: Table = TableDefinition::new("revision-tags");
/// By environment id and name.
pub(super) const LABELS: Table = TableDefinition::new("environment-tags");
/// By token id.
pub(super) const TOKENS: Table = TableDefinition::new("tokens");

/// Which records of those whose keys start with a prefix.
#[derive(Clone, Copy, Default)]
pub(super) struct Page<'a> {
    /// Only keys behind this one.
    pub(super) after: Option<&'a str>,
    /// Only keys before this one.
    pub(super) before: Option<&'a str>,
    /// The greatest keys first.
    pub(super) descending: bool,
    /// At most so many.
    pub(super) limit: Option<usize>,
}

/// Reading, in a transaction of either kind.
pub(super) trait Read {
    fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, Error>;

    fn page<T: DeserializeOwned>(
        &self,
        table: Table,
        prefix: &str,
        page: Page<'_>,
    ) -> Result<Vec<T>, Error>;

    fn all<T: DeserializeOwned>(&self, table: Table, prefix: &str) -> Result<Vec<T>, Error> {
        self.page(table, prefix, Page::default())
    }
}

/// Writing.
pub(super) trait Write {
    fn put<T: Serialize>(&self, table: Table, key: &str, record: &T) -> Result<(), Error>;

    /// Whether there was a record.
    fn remove(&self, table: Table, key: &str) -> Result<bool, Error>;

    fn remove_all(&self, table: Table, prefix: &str) -> Result<(), Error>;
}

impl Read for ReadTransaction {
    fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, Error> {
        match self.open_table(table) {
            Ok(open) => get(&open, table, key),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn page<T: DeserializeOwned>(
        &self,
        table: Table,
        prefix: &str,
        page: Page<'_>,
    ) -> Result<Vec<T>, Error> {
        match self.open_table(table) {
            Ok(open) => scan(&open, table, prefix, page),
            Err(TableError::TableDoesNotExist(_)) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Read for WriteTransaction {
    fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, Error> {
        get(&self.open_table(table)?, table, key)
    }

    fn page<T: DeserializeOwned>(
        &self,
        table: Table,
        prefix: &str,
        page: Page<'_>,
    ) -> Result<Vec<T>, Error> {
        scan(&self.open_table(table)?, table, prefix, page)
    }
}

impl Write for WriteTransaction {
    fn put<T: Serialize>(&self, table: Table, key: &str, record: &T) -> Result<(), Error> {
        let bytes = serde_json::to_vec(record)
            .map_err(|error| Error::ReadRecord(table.name().to_owned(), error))?;
        self.open_table(table)?.insert(key, bytes.as_slice())?;
        Ok(())
    }

    fn remove(&self, table: Table, key: &str) -> Result<bool, Error> {
        Ok(self.open_table(table)?.remove(key)?.is_some())
    }

    fn remove_all(&self, table: Table, prefix: &str) -> Result<(), Error> {
        let end = end_of(prefix);
        self.open_table(table)?
            .retain_in(prefix..end.as_str(), |_, _| false)?;
        Ok(())
    }
}

fn get<T: DeserializeOwned>(
    open: &impl ReadableTable<&'static str, &'static [u8]>,
    table: Table,
    key: &str,
) -> Result<Option<T>, Error> {
    match open.get(key)? {
        Some(bytes) => decode(table, bytes.value()).map(Some),
        None => Ok(None),
    }
}

fn scan<T: DeserializeOwned>(
    open: &impl ReadableTable<&'static str, &'static [u8]>,
    table: Table,
    prefix: &str,
    page: Page<'_>,
) -> Result<Vec<T>, Error> {
    let end = page.before.map_or_else(|| end_of(prefix), str::to_owned);
    // The least key behind another one is that key and a zero byte.
    let begin = page
        .after
        .map_or_else(|| prefix.to_owned(), |after| format!("{after}\0"));
    if begin >= end {
        return Ok(Vec::new());
    }
    let mut range = open.range(begin.as_str()..end.as_str())?;
    let limit = page.limit.unwrap_or(usize::MAX);
    let mut records = Vec::new();
    while records.len() < limit {
        let next = if page.descending {
            range.next_back()
        } else {
            range.next()
        };
        let Some(entry) = next else { break };
        records.push(decode(table, entry?.1.value())?);
    }
    Ok(records)
}

/// Behind every key that starts with `prefix`, which is empty or ends in `/`: `0` follows `/`.
fn end_of(prefix: &str) -> String {
    match prefix.strip_suffix('/') {
        Some(stem) => format!("{stem}0"),
        None => "\u{10ffff}".to_owned(),
    }
}

fn decode<T: DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::ReadRecord(table.name().to_owned(), error))
}
