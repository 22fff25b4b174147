//! Tags of environments.

use jiff::Timestamp;

use super::environments::{find, new_id};
use super::name::check_label;
use super::table::{self, Page, Read, Write as _};
use super::{Author, Environment, Error, Label, Snapshot, Store};
use crate::esc::client::EnvironmentName;

impl Store {
    /// Makes a tag.
    ///
    /// # Errors
    /// [`Error::ReadName`], [`Error::Find`]; [`Error::Create`] when it exists.
    pub fn create_label(
        &self,
        name: &EnvironmentName,
        label: &str,
        value: &str,
        author: &Author,
        now: Timestamp,
    ) -> Result<Label, Error> {
        check_label(label, value)?;
        self.write(|transaction| {
            let environment = find(transaction, name)?;
            refuse_existing(transaction, &environment, label)?;
            let record = Label {
                id: new_id(),
                name: label.to_owned(),
                value: value.to_owned(),
                created: now,
                modified: now,
                editor: author.clone(),
            };
            transaction.put(table::LABELS, &key(&environment, label), &record)?;
            Ok(record)
        })
    }

    /// Renames a tag, gives it another value, or both; `None` keeps. `value_was`, if given, must be the
    /// present value.
    ///
    /// # Errors
    /// [`Error::ReadName`], [`Error::Find`]; [`Error::Create`] when the new name is taken;
    /// [`Error::Update`] when the value is another one.
    pub fn change_label(
        &self,
        name: &EnvironmentName,
        label: &str,
        value_was: Option<&str>,
        change: (Option<&str>, Option<&str>),
        by: (&Author, Timestamp),
    ) -> Result<Label, Error> {
        self.write(|transaction| {
            let environment = find(transaction, name)?;
            let mut record = load(transaction, &environment, label)?;
            if value_was.is_some_and(|was| was != record.value) {
                return Err(Error::Update(name.to_string()));
            }
            let (new_name, new_value) = change;
            if let Some(value) = new_value {
                value.clone_into(&mut record.value);
            }
            if let Some(new_name) = new_name.filter(|new_name| *new_name != label) {
                refuse_existing(transaction, &environment, new_name)?;
                new_name.clone_into(&mut record.name);
                transaction.remove(table::LABELS, &key(&environment, label))?;
            }
            check_label(&record.name, &record.value)?;
            let (author, now) = by;
            record.modified = now;
            record.editor = author.clone();
            transaction.put(table::LABELS, &key(&environment, &record.name), &record)?;
            Ok(record)
        })
    }

    /// Deletes a tag.
    ///
    /// # Errors
    /// [`Error::Find`].
    pub fn delete_label(&self, name: &EnvironmentName, label: &str) -> Result<(), Error> {
        self.write(|transaction| {
            let environment = find(transaction, name)?;
            if transaction.remove(table::LABELS, &key(&environment, label))? {
                Ok(())
            } else {
                Err(Error::find("tag", label))
            }
        })
    }
}

impl Snapshot {
    /// Up to `limit` tags by name, only those behind `after`.
    ///
    /// # Errors
    /// [`Error::UseDatabase`].
    pub fn labels(
        &self,
        environment: &Environment,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Label>, Error> {
        let after = after.map(|after| key(environment, after));
        let page = Page {
            after: after.as_deref(),
            limit: Some(limit),
            ..Page::default()
        };
        self.0.page(table::LABELS, &key(environment, ""), page)
    }

    /// A tag.
    ///
    /// # Errors
    /// [`Error::Find`].
    pub fn label(&self, environment: &Environment, label: &str) -> Result<Label, Error> {
        load(&self.0, environment, label)
    }
}

fn key(environment: &Environment, label: &str) -> String {
    format!("{}/{label}", environment.id)
}

fn load(transaction: &impl Read, environment: &Environment, label: &str) -> Result<Label, Error> {
    transaction
        .get(table::LABELS, &key(environment, label))?
        .ok_or_else(|| Error::find("tag", label))
}

fn refuse_existing(
    transaction: &impl Read,
    environment: &Environment,
    label: &str,
) -> Result<(), Error> {
    match transaction.get::<Label>(table::LABELS, &key(environment, label))? {
        Some(_) => Err(Error::create("tag", label)),
        None => Ok(()),
    }
}
