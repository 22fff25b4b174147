//! Secrets Manager.

mod write;

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry, Tag};
use aws_smithy_types::Blob;
use futures::StreamExt as _;
use futures::stream;

use super::access::{Access, Session, optional};
use super::batch::Kind;
use super::failure::Failure;
use super::{Error, ErrorKind, Fetched, MAX_FOUND, NAME, What, document, invalid};
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::value;
use crate::providers::{SecretsClient, Validation, value_error};
use crate::secret::{SecretBytes, SecretMap};

/// Stage of the version that is meant unless another is named.
const CURRENT: &str = "AWSCURRENT";

/// Most secrets of one answer of a list.
const PAGE: i32 = 100;

/// A store of service SecretsManager.
pub(super) struct SecretsManager {
    pub(super) access: Access,
}

#[async_trait]
impl Kind for SecretsManager {
    /// The service's limit.
    const MOST: usize = 20;

    async fn one(&self, name: &str) -> Result<Fetched, Error> {
        Ok(self.value(name, "").await?)
    }

    async fn many(&self, names: Vec<String>) -> Result<BTreeMap<String, SecretBytes>, Failure> {
        let action = format!("read {} secrets at once", names.len());
        let send = |session: &Session| {
            let call = session.secrets.batch_get_secret_value();
            call.set_secret_id_list(Some(names.clone())).send()
        };
        let answer = self.access.call(&action, send).await?;
        let mut found = BTreeMap::new();
        for entry in answer.secret_values.unwrap_or_default() {
            let (arn, own) = (
                entry.arn.unwrap_or_default(),
                entry.name.unwrap_or_default(),
            );
            // An ARN may be given without the six letters at its end.
            let asked = |name: &&String| {
                **name == own || **name == arn || name.starts_with("arn:") && arn.starts_with(*name)
            };
            let value = content(entry.secret_string, entry.secret_binary);
            if let (Some(name), Some(value)) = (names.iter().find(asked), value) {
                found.insert(name.clone(), value);
            }
        }
        Ok(found)
    }
}

impl SecretsManager {
    /// A value as the service has it now; `None` where there is none.
    async fn value(&self, name: &str, version: &str) -> Result<Fetched, Failure> {
        let send = |session: &Session| {
            let call = session.secrets.get_secret_value().secret_id(name);
            let call = match version.strip_prefix("uuid/") {
                Some(id) => call.version_id(id),
                None if version.is_empty() => call.version_stage(CURRENT),
                None => call.version_stage(version),
            };
            call.send()
        };
        let answer = self.access.call(&format!("read {name:?}"), send).await;
        Ok(optional(answer)?.and_then(|answer: GetSecretValueOutput| {
            content(answer.secret_string, answer.secret_binary)
        }))
    }

    async fn tags(&self, name: &str) -> Result<Fetched, Error> {
        let send = |session: &Session| session.secrets.describe_secret().secret_id(name).send();
        let answer = self.access.call(&format!("describe {name:?}"), send).await;
        let answer = optional(answer)?;
        Ok(answer.map(|answer| document::tags(pairs(answer.tags()))))
    }

    /// What a reference names, before its property.
    async fn whole(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let name = self.access.name(&reference.key);
        let version = match reference.version.as_str() {
            CURRENT => "",
            version => version,
        };
        let fetched = if reference.metadata {
            let what = What::Tags(name.clone());
            self.access.fetched(what, self.tags(&name)).await?
        } else if version.is_empty() {
            self.current(&name).await?
        } else {
            let what = What::Value(name.clone(), version.to_owned());
            let fetch = async { Ok(self.value(&name, version).await?) };
            self.access.fetched(what, fetch).await?
        };
        match fetched.as_ref() {
            Some(value) => Ok(value.duplicate()),
            None => Err(missing(reference)),
        }
    }

    async fn current(&self, name: &str) -> Result<std::sync::Arc<Fetched>, Error> {
        let what = What::Value(name.to_owned(), String::new());
        let fetch = self.access.shared(self, name);
        self.access.fetched(what, fetch).await
    }

    /// The names of secrets that match, all pages of the list.
    async fn names(&self, find: &Find) -> Result<Vec<String>, Error> {
        let prefix = self.access.block.prefix.as_deref().unwrap_or_default();
        let begin = find.path.as_deref().unwrap_or(prefix);
        let mut filters = Vec::new();
        let mut filter = |name, value: &str| {
            filters.push(Filter::builder().key(name).values(value).build());
        };
        if !begin.is_empty() {
            filter(FilterNameStringType::Name, begin);
        }
        for (key, value) in &find.tags {
            filter(FilterNameStringType::TagKey, key);
            if !value.is_empty() {
                filter(FilterNameStringType::TagValue, value);
            }
        }
        let mut names = Vec::new();
        let mut page = None;
        loop {
            let send = |session: &Session| {
                let call = session.secrets.list_secrets().max_results(PAGE);
                let call = call.set_filters((!filters.is_empty()).then(|| filters.clone()));
                call.set_next_token(page.clone()).send()
            };
            let answer = self.access.call("list secrets", send).await?;
            let listed = answer.secret_list.unwrap_or_default();
            let wanted = listed
                .into_iter()
                .filter(|entry| matches(entry, find, begin));
            names.extend(wanted.filter_map(|entry| entry.name));
            if names.len() > MAX_FOUND {
                let message = format!("find: more than {MAX_FOUND} secrets; name a path");
                return Err(invalid(message));
            }
            page = answer.next_token.filter(|page| !page.is_empty());
            if page.is_none() {
                return Ok(names);
            }
        }
    }
}

#[async_trait]
impl SecretsClient for SecretsManager {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let whole = self.whole(reference).await?;
        let found = document::part(&reference.key, &whole, &reference.property)?;
        found.ok_or_else(|| missing(reference))
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let value = self.get(reference).await?;
        value::members(&value).map_err(|error| value_error(NAME, &reference.key, &error))
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        let names = self.names(find).await?.into_iter();
        let reads = names.map(|name| async move {
            let fetched = self.current(&name).await?;
            // Without a value, or deleted since it was listed.
            let value = fetched.as_ref().as_ref().map(SecretBytes::duplicate);
            Ok::<_, Error>(value.map(|value| (name, value)))
        });
        let read = stream::iter(reads).buffered(2 * Self::MOST);
        let read: Vec<_> = read.collect().await;
        read.into_iter().filter_map(Result::transpose).collect()
    }

    async fn validate(&self) -> Result<Validation, Error> {
        self.access.validate().await
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        self.write(push).await
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        self.remove(target).await
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        let value = self.value(&self.access.name(&target.key), "").await?;
        let Some(value) = value else {
            return Ok(false);
        };
        let found = document::part(&target.key, &value, &target.property)?;
        Ok(found.is_some())
    }
}

fn matches(entry: &SecretListEntry, find: &Find, begin: &str) -> bool {
    let name = entry.name.as_deref().unwrap_or_default();
    let tagged = |(key, value): (&String, &String)| {
        pairs(entry.tags()).any(|(tag, of)| tag == key && of == value)
    };
    !name.is_empty()
        && name.starts_with(begin)
        && find.name.as_ref().is_none_or(|regex| regex.is_match(name))
        && find.tags.iter().all(tagged)
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    let tags = tags.iter();
    tags.map(|tag| {
        let (key, value) = (tag.key(), tag.value());
        (key.unwrap_or_default(), value.unwrap_or_default())
    })
}

/// The text of a secret, else its bytes.
fn content(text: Option<String>, bytes: Option<Blob>) -> Fetched {
    let text = text.map(SecretBytes::from);
    text.or_else(|| bytes.map(|bytes| SecretBytes::new(bytes.into_inner())))
}

fn missing(reference: &RemoteRef) -> Error {
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
        "no secret {key:?}{}{}; it may be scheduled for deletion",
        part("of version", version),
        part("with property", property)
    );
    Error::new(ErrorKind::NotFound, NAME, message)
}
