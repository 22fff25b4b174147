//! Revisions and their tags.

use jiff::Timestamp;

use super::environments::{find, revision_key};
use super::name::check_tag;
use super::table::{self, Page, Read, Write as _};
use super::{
    Author, Environment, Error, LATEST, Retraction, Revision, RevisionTag, Snapshot, Store,
};
use crate::esc::client::EnvironmentName;

impl Store {
    /// Saves a definition, in which every secret must be ciphertext, as the newest revision.
    /// `read` is the environment as it was when the definition was checked; with `if_latest` the newest
    /// revision must still be that of `read`.
    ///
    /// # Errors
    /// [`Error::Find`] when it was deleted meanwhile; [`Error::Update`] when it has changed.
    pub fn update(
        &self,
        read: &Environment,
        yaml: String,
        if_latest: bool,
        author: &Author,
        now: Timestamp,
    ) -> Result<Environment, Error> {
        let name = read.full_name();
        self.write(|transaction| {
            let mut environment = find(transaction, &name)?;
            if environment.id != read.id || if_latest && environment.latest != read.latest {
                return Err(Error::Update(name.to_string()));
            }
            environment.latest += 1;
            environment.modified = now;
            let revision = Revision {
                number: environment.latest,
                yaml,
                created: now,
                author: author.clone(),
                retracted: None,
            };
            let key = revision_key(&environment.id, revision.number);
            transaction.put(table::REVISIONS, &key, &revision)?;
            transaction.put(table::ENVIRONMENTS, &name.to_string(), &environment)?;
            Ok(environment)
        })
    }

    /// Withdraws a revision: who asks for it gets `replacement`, else the one before it that stands.
    ///
    /// # Errors
    /// [`Error::Find`] when there is no such revision or nothing to replace it; [`Error::Protect`] for
    /// the newest.
    pub fn retract(
        &self,
        name: &EnvironmentName,
        version: &str,
        replacement: Option<u64>,
        reason: Option<String>,
        author: &Author,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(|transaction| {
            let environment = find(transaction, name)?;
            let number = resolve(transaction, &environment, Some(version))?;
            if number == environment.latest {
                return Err(Error::Protect(format!(
                    "revision {number} of '{name}' is protected: it is the newest; save another one first"
                )));
            }
            let replacement = match replacement {
                Some(replacement) => stands(transaction, &environment, replacement)?
                    .filter(|_| replacement != number),
                None => earlier(transaction, &environment, number)?,
            };
            let replacement = replacement
                .ok_or_else(|| Error::find("revision", format!("{name}@ to replace {number}")))?;
            let mut revision = load(transaction, &environment, number)?;
            revision.retracted = Some(Retraction {
                replacement,
                at: now,
                by: author.clone(),
                reason,
            });
            let key = revision_key(&environment.id, number);
            transaction.put(table::REVISIONS, &key, &revision)
        })
    }

    /// Makes a tag, for the newest revision if none is told.
    ///
    /// # Errors
    /// [`Error::ReadName`], [`Error::Find`]; [`Error::Create`] when it exists.
    pub fn create_tag(
        &self,
        name: &EnvironmentName,
        tag: &str,
        revision: Option<u64>,
        author: &Author,
        now: Timestamp,
    ) -> Result<(), Error> {
        check_tag(tag)?;
        self.write(|transaction| {
            let environment = find(transaction, name)?;
            let key = format!("{}/{tag}", environment.id);
            if transaction
                .get::<RevisionTag>(table::REVISION_TAGS, &key)?
                .is_some()
            {
                return Err(Error::create("revision tag", tag));
            }
            let number = revision.unwrap_or(environment.latest);
            load(transaction, &environment, number)?;
            let record = RevisionTag {
                name: tag.to_owned(),
                revision: number,
                created: now,
                modified: now,
                editor: author.clone(),
            };
            transaction.put(table::REVISION_TAGS, &key, &record)
        })
    }

    /// Moves a tag, to the newest revision if none is told.
    ///
    /// # Errors
    /// [`Error::Find`]; [`Error::Protect`] for `latest`.
    pub fn move_tag(
        &self,
        name: &EnvironmentName,
        tag: &str,
        revision: Option<u64>,
        author: &Author,
        now: Timestamp,
    ) -> Result<(), Error> {
        check_tag(tag)?;
        self.write(|transaction| {
            let environment = find(transaction, name)?;
            let key = format!("{}/{tag}", environment.id);
            let mut record: RevisionTag = transaction
                .get(table::REVISION_TAGS, &key)?
                .ok_or_else(|| Error::find("revision tag", tag))?;
            record.revision = revision.unwrap_or(environment.latest);
            load(transaction, &environment, record.revision)?;
            record.modified = now;
            record.editor = author.clone();
            transaction.put(table::REVISION_TAGS, &key, &record)
        })
    }

    /// Deletes a tag.
    ///
    /// # Errors
    /// [`Error::Find`]; [`Error::Protect`] for `latest`.
    pub fn delete_tag(&self, name: &EnvironmentName, tag: &str) -> Result<(), Error> {
        check_tag(tag)?;
        self.write(|transaction| {
            let environment = find(transaction, name)?;
            let key = format!("{}/{tag}", environment.id);
            if transaction.remove(table::REVISION_TAGS, &key)? {
                Ok(())
            } else {
                Err(Error::find("revision tag", tag))
            }
        })
    }
}

impl Snapshot {
    /// The revision that `version` names: a number, a tag, or the newest if it is `None`. For a
    /// retracted one the answer is its replacement.
    ///
    /// # Errors
    /// [`Error::Find`].
    pub fn revision(
        &self,
        environment: &Environment,
        version: Option<&str>,
    ) -> Result<Revision, Error> {
        let number = resolve(&self.0, environment, version)?;
        let mut revision = load(&self.0, environment, number)?;
        while let Some(retraction) = &revision.retracted {
            revision = load(&self.0, environment, retraction.replacement)?;
        }
        Ok(revision)
    }

    /// Up to `limit` revisions, newest first; only those before `before` unless it is 0.
    ///
    /// # Errors
    /// [`Error::UseDatabase`].
    pub fn history(
        &self,
        environment: &Environment,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Revision>, Error> {
        let bound = revision_key(&environment.id, before);
        let page = Page {
            before: (before != 0).then_some(bound.as_str()),
            descending: true,
            limit: Some(limit),
            ..Page::default()
        };
        self.0
            .page(table::REVISIONS, &format!("{}/", environment.id), page)
    }

    /// All revision tags by name, `latest` among them.
    ///
    /// # Errors
    /// [`Error::UseDatabase`].
    pub fn tags(&self, environment: &Environment) -> Result<Vec<RevisionTag>, Error> {
        let mut tags: Vec<RevisionTag> = self
            .0
            .all(table::REVISION_TAGS, &format!("{}/", environment.id))?;
        tags.push(self.latest_tag(environment)?);
        tags.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(tags)
    }

    /// A revision tag.
    ///
    /// # Errors
    /// [`Error::Find`].
    pub fn tag(&self, environment: &Environment, tag: &str) -> Result<RevisionTag, Error> {
        if tag == LATEST {
            return self.latest_tag(environment);
        }
        self.0
            .get(table::REVISION_TAGS, &format!("{}/{tag}", environment.id))?
            .ok_or_else(|| Error::find("revision tag", tag))
    }

    fn latest_tag(&self, environment: &Environment) -> Result<RevisionTag, Error> {
        let newest = load(&self.0, environment, environment.latest)?;
        Ok(RevisionTag {
            name: LATEST.to_owned(),
            revision: newest.number,
            created: environment.created,
            modified: newest.created,
            editor: newest.author,
        })
    }
}

fn resolve(
    transaction: &impl Read,
    environment: &Environment,
    version: Option<&str>,
) -> Result<u64, Error> {
    let Some(version) = version.filter(|version| *version != LATEST) else {
        return Ok(environment.latest);
    };
    let unknown = || Error::find("revision", format!("{}@{version}", environment.full_name()));
    if version.starts_with(|first: char| first.is_ascii_digit()) {
        return version.parse().map_err(|_| unknown());
    }
    let key = format!("{}/{version}", environment.id);
    let tag: Option<RevisionTag> = transaction.get(table::REVISION_TAGS, &key)?;
    Ok(tag.ok_or_else(unknown)?.revision)
}

fn load(
    transaction: &impl Read,
    environment: &Environment,
    number: u64,
) -> Result<Revision, Error> {
    transaction
        .get(table::REVISIONS, &revision_key(&environment.id, number))?
        .ok_or_else(|| Error::find("revision", format!("{}@{number}", environment.full_name())))
}

/// `number` if that revision is not retracted.
fn stands(
    transaction: &impl Read,
    environment: &Environment,
    number: u64,
) -> Result<Option<u64>, Error> {
    let revision = load(transaction, environment, number)?;
    Ok(revision.retracted.is_none().then_some(number))
}

fn earlier(
    transaction: &impl Read,
    environment: &Environment,
    number: u64,
) -> Result<Option<u64>, Error> {
    for candidate in (1..number).rev() {
        if let Some(found) = stands(transaction, environment, candidate)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
