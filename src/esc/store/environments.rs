//! Making, listing and deleting environments.

use jiff::Timestamp;

use super::record::Organization;
use super::table::{self, Page, Read as _, Write as _};
use super::{Author, Environment, Error, Label, Revision, RevisionTag, Snapshot, Store, name};
use crate::esc::client::EnvironmentName;

/// What a new environment starts with.
pub struct Copy {
    /// Its id; the ciphertexts of `revisions` were made for it.
    pub id: String,
    /// Numbered from 1 without gaps.
    pub revisions: Vec<Revision>,
    /// Tags of these revisions.
    pub tags: Vec<RevisionTag>,
    /// Tags of the environment.
    pub labels: Vec<Label>,
}

impl Store {
    /// Makes an environment with an empty definition.
    ///
    /// # Errors
    /// [`Error::ReadName`]; [`Error::Create`] when it exists; [`Error::Find`] without its organisation.
    pub fn create(
        &self,
        name: &EnvironmentName,
        author: &Author,
        now: Timestamp,
    ) -> Result<Environment, Error> {
        let first = Revision {
            number: 1,
            yaml: String::new(),
            created: now,
            author: author.clone(),
            retracted: None,
        };
        let copy = Copy {
            id: new_id(),
            revisions: vec![first],
            tags: Vec::new(),
            labels: Vec::new(),
        };
        self.create_copy(name, &copy, now)
    }

    /// Makes an environment with everything in `copy`.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_copy(
        &self,
        name: &EnvironmentName,
        copy: &Copy,
        now: Timestamp,
    ) -> Result<Environment, Error> {
        name::check_environment(name)?;
        let environment = Environment {
            id: copy.id.clone(),
            organization: name.organization.clone(),
            project: name.project.clone(),
            name: name.name.clone(),
            created: now,
            modified: now,
            deletion_protected: false,
            latest: copy.revisions.len() as u64,
        };
        self.write(|transaction| {
            let organization = &name.organization;
            transaction
                .get::<Organization>(table::ORGANIZATIONS, organization)?
                .ok_or_else(|| Error::find("organization", organization))?;
            let key = name.to_string();
            if transaction
                .get::<Environment>(table::ENVIRONMENTS, &key)?
                .is_some()
            {
                return Err(Error::create("environment", key));
            }
            transaction.put(table::ENVIRONMENTS, &key, &environment)?;
            for revision in &copy.revisions {
                let key = revision_key(&copy.id, revision.number);
                transaction.put(table::REVISIONS, &key, revision)?;
            }
            for tag in &copy.tags {
                let key = format!("{}/{}", copy.id, tag.name);
                transaction.put(table::REVISION_TAGS, &key, tag)?;
            }
            for label in &copy.labels {
                let key = format!("{}/{}", copy.id, label.name);
                transaction.put(table::LABELS, &key, label)?;
            }
            Ok(environment.clone())
        })
    }

    /// Deletes an environment with all it has.
    ///
    /// # Errors
    /// [`Error::Find`]; [`Error::Protect`] when it is protected.
    pub fn delete(&self, name: &EnvironmentName) -> Result<(), Error> {
        self.write(|transaction| {
            let environment = find(transaction, name)?;
            if environment.deletion_protected {
                return Err(Error::Protect(format!(
                    "environment '{name}' is protected from deletion"
                )));
            }
            transaction.remove(table::ENVIRONMENTS, &name.to_string())?;
            let prefix = format!("{}/", environment.id);
            for owned in [table::REVISIONS, table::REVISION_TAGS, table::LABELS] {
                transaction.remove_all(owned, &prefix)?;
            }
            Ok(())
        })
    }

    /// Protects an environment from deletion, or stops to.
    ///
    /// # Errors
    /// [`Error::Find`].
    pub fn protect(&self, name: &EnvironmentName, protected: bool) -> Result<(), Error> {
        self.write(|transaction| {
            let mut environment = find(transaction, name)?;
            environment.deletion_protected = protected;
            transaction.put(table::ENVIRONMENTS, &name.to_string(), &environment)
        })
    }
}

impl Snapshot {
    /// An environment.
    ///
    /// # Errors
    /// [`Error::Find`].
    pub fn environment(&self, name: &EnvironmentName) -> Result<Environment, Error> {
        find(&self.0, name)
    }

    /// Up to `limit` environments of one organisation or of all, in order of organisation, project and
    /// name; only those behind `after`, a full name, if it is given.
    ///
    /// # Errors
    /// [`Error::UseDatabase`].
    pub fn environments(
        &self,
        organization: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Environment>, Error> {
        let prefix = organization
            .map(|name| format!("{name}/"))
            .unwrap_or_default();
        let page = Page {
            after: after.filter(|after| after.starts_with(&prefix)),
            limit: Some(limit),
            ..Page::default()
        };
        self.0.page(table::ENVIRONMENTS, &prefix, page)
    }
}

/// A random id for an environment, a tag or a token.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

impl Copy {
    /// An id for the environment that the copy will be.
    #[must_use]
    pub fn new_id() -> String {
        new_id()
    }
}

pub(super) fn find(
    transaction: &impl table::Read,
    name: &EnvironmentName,
) -> Result<Environment, Error> {
    let key = name.to_string();
    transaction
        .get(table::ENVIRONMENTS, &key)?
        .ok_or_else(|| Error::find("environment", key))
}

pub(super) fn revision_key(id: &str, number: u64) -> String {
    format!("{id}/{number:020}")
}
