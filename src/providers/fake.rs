//! Values that stand in the store itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Capabilities, ClientContext, Error, ErrorKind, Provider, SecretsClient, Validation};
use crate::api::v1::FakeProvider;
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::model::value;
use crate::secret::{SecretBytes, SecretMap};

const NAME: &str = "fake";

/// The provider `fake`.
pub(super) struct Fake;

#[async_trait]
impl Provider for Fake {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadOnly
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let Some(block) = &store.provider.fake else {
            return Err(Error::new(
                ErrorKind::Invalid,
                NAME,
                "spec.provider.fake is missing",
            ));
        };
        match block.data.iter().position(|entry| entry.key.is_empty()) {
            Some(i) => Err(Error::new(
                ErrorKind::Invalid,
                NAME,
                format!("spec.provider.fake.data[{i}].key is empty"),
            )),
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
    fn block(&self) -> Option<&FakeProvider> {
        self.store.provider.fake.as_ref()
    }

    fn entry(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        if reference.metadata {
            return Err(Error::new(
                ErrorKind::Unsupported,
                NAME,
                "metadataPolicy Fetch is not supported",
            ));
        }
        let entries = self
            .block()
            .map(|block| block.data.as_slice())
            .unwrap_or_default();
        let version = |entry: &str| entry == reference.version;
        let found = entries.iter().find(|entry| {
            entry.key == reference.key && version(entry.version.as_deref().unwrap_or_default())
        });
        found
            .map(|entry| SecretBytes::from(entry.value.as_str()))
            .ok_or_else(|| {
                let message = format!(
                    "key {:?} with version {:?} does not exist",
                    reference.key, reference.version
                );
                Error::new(ErrorKind::NotFound, NAME, message)
            })
    }
}

#[async_trait]
impl SecretsClient for FakeClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let value = self.entry(reference)?;
        if reference.property.is_empty() {
            return Ok(value);
        }
        value::property(&value, &reference.property).ok_or_else(|| {
            let message = format!(
                "key {:?} has no property {:?}",
                reference.key, reference.property
            );
            Error::new(ErrorKind::NotFound, NAME, message)
        })
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let value = self.get(reference).await?;
        value::members(&value).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                NAME,
                format!("key {:?}: {error}", reference.key),
            )
        })
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        let entries = self
            .block()
            .map(|block| block.data.as_slice())
            .unwrap_or_default();
        let mut newest: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for entry in entries {
            let version = entry.version.as_deref().unwrap_or_default();
            let matches = find
                .name
                .as_ref()
                .is_none_or(|name| name.is_match(&entry.key));
            let newer = newest
                .get(entry.key.as_str())
                .is_none_or(|(present, _)| *present <= version);
            if matches && newer {
                newest.insert(&entry.key, (version, &entry.value));
            }
        }
        Ok(newest
            .into_iter()
            .map(|(key, (_, value))| (key.to_owned(), SecretBytes::from(value)))
            .collect())
    }

    async fn validate(&self) -> Result<Validation, Error> {
        match self.block().and_then(|block| block.validation_result) {
            None | Some(0) => Ok(Validation::Ready),
            Some(1) => Ok(Validation::Unknown),
            Some(_) => Err(Error::new(
                ErrorKind::Unavailable,
                NAME,
                "unable to validate: spec.provider.fake.validationResult says so",
            )),
        }
    }
}
