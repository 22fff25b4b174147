//! Provider `fake`: values that stand in the store itself, for tests.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Abilities, ClientContext, Error, ErrorKind, FindBy, Provider, SecretsClient, Validation,
    value_error,
};
use crate::api::v1::{FakeProvider, FakeProviderData};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::model::value;
use crate::secret::{SecretBytes, SecretMap};

const NAME: &str = "fake";

/// The provider.
pub(super) struct Fake;

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "what the store itself says",
    find: &[FindBy::Name, FindBy::Path],
    push: "",
    version: "yes",
    metadata: "",
    tested: "itself",
};

#[async_trait]
impl Provider for Fake {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let data = &block(store)?.data;
        match data.iter().position(|entry| entry.key.is_empty()) {
            Some(position) => Err(invalid(format!("data[{position}].key must not be empty"))),
            None => Ok(()),
        }
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        Ok(Box::new(FakeClient {
            store: context.store,
        }))
    }
}

struct FakeClient {
    store: Arc<Store>,
}

impl FakeClient {
    fn entry(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        if reference.metadata {
            let message = "it has no metadata; remove metadataPolicy".to_owned();
            return Err(Error::new(ErrorKind::Unsupported, NAME, message));
        }
        let matches = |entry: &&FakeProviderData| {
            entry.key == reference.key && version(entry) == reference.version
        };
        let found = block(&self.store)?.data.iter().rfind(matches);
        found
            .map(|entry| entry.value.as_str().into())
            .ok_or_else(|| not_found(reference))
    }
}

#[async_trait]
impl SecretsClient for FakeClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let whole = self.entry(reference)?;
        if reference.property.is_empty() {
            return Ok(whole);
        }
        let found = value::property(&whole, &reference.property);
        found
            .map_err(|error| value_error(NAME, &reference.key, &error))?
            .ok_or_else(|| not_found(reference))
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let mut whole = self.entry(reference)?;
        let broken = |error| value_error(NAME, &reference.key, &error);
        if !reference.property.is_empty() {
            whole = value::property_json(&whole, &reference.property)
                .map_err(broken)?
                .ok_or_else(|| not_found(reference))?;
        }
        value::members(&whole).map_err(broken)
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        if !find.tags.is_empty() {
            let message = "it has no tags; find by name".to_owned();
            return Err(Error::new(ErrorKind::Unsupported, NAME, message));
        }
        let mut newest: BTreeMap<&str, &FakeProviderData> = BTreeMap::new();
        for entry in &block(&self.store)?.data {
            let path = find.path.as_deref().unwrap_or_default();
            let named = find.name.as_ref();
            if entry.key.starts_with(path) && named.is_none_or(|name| name.is_match(&entry.key)) {
                let best = newest.entry(&entry.key).or_insert(entry);
                if by_version(version(entry), version(best)).is_ge() {
                    *best = entry;
                }
            }
        }
        let found = newest.into_iter();
        Ok(found
            .map(|(key, entry)| (key.to_owned(), entry.value.as_str().into()))
            .collect())
    }

    async fn validate(&self) -> Result<Validation, Error> {
        match block(&self.store)?.validation_result {
            None | Some(0) => Ok(Validation::Ready),
            Some(1) => Ok(Validation::Unknown),
            Some(_) => Err(invalid("unable to validate, as validationResult says")),
        }
    }
}

fn block(store: &Store) -> Result<&FakeProvider, Error> {
    let block = store.provider.fake.as_deref();
    block.ok_or_else(|| invalid("spec.provider.fake is missing"))
}

fn version(entry: &FakeProviderData) -> &str {
    entry.version.as_deref().unwrap_or_default()
}

/// Runs of digits count as numbers, so that `v10` is newer than `v9`.
fn by_version(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        let ((a, left_rest), (b, right_rest)) = (part(left), part(right));
        let number = |text: &str| text.parse::<u128>().ok();
        let order = match (number(a), number(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.cmp(b),
        };
        if order.is_ne() || (a.is_empty() && b.is_empty()) {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
}

fn part(text: &str) -> (&str, &str) {
    let is_digit = |character: char| character.is_ascii_digit();
    let digits = text.starts_with(is_digit);
    let end = text.find(|character| is_digit(character) != digits);
    text.split_at(end.unwrap_or(text.len()))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, NAME, message)
}

fn not_found(reference: &RemoteRef) -> Error {
    let RemoteRef {
        key,
        property,
        version,
        ..
    } = reference;
    let part = |what: &str, name: &str| match name {
        "" => String::new(),
        _ => format!(" {what} {name:?}"),
    };
    let message = format!(
        "the store has no key {key:?}{}{}",
        part("of version", version),
        part("with property", property)
    );
    Error::new(ErrorKind::NotFound, NAME, message)
}
