//! Parameter Store of Systems Manager.

mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ssm::types::{Parameter, ParameterStringFilter, ResourceTypeForTagging, Tag};
use futures::StreamExt as _;
use futures::stream;

use super::access::{Access, Session, optional};
use super::batch::Kind;
use super::failure::Failure;
use super::{Error, ErrorKind, Fetched, MAX_FOUND, NAME, PARALLEL, What, document, invalid};
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::value;
use crate::providers::{SecretsClient, Validation, value_error};
use crate::secret::{SecretBytes, SecretMap};

/// Most parameters of one answer of a search by path, and of a list.
const PATH_PAGE: i32 = 10;
const LIST_PAGE: i32 = 50;

/// A store of service ParameterStore.
pub(super) struct ParameterStore {
    pub(super) access: Access,
}

#[async_trait]
impl Kind for ParameterStore {
    /// The service's limit.
    const MOST: usize = 10;

    async fn one(&self, name: &str) -> Result<Fetched, Error> {
        let parameter = self.parameter(name).await?;
        Ok(parameter.and_then(|parameter| parameter.value.map(SecretBytes::from)))
    }

    async fn many(&self, names: Vec<String>) -> Result<BTreeMap<String, SecretBytes>, Failure> {
        let action = format!("read {} parameters at once", names.len());
        let send = |session: &Session| {
            let call = session.parameters.get_parameters().with_decryption(true);
            call.set_names(Some(names.clone())).send()
        };
        let answer = self.access.call(&action, send).await?;
        let parameters = answer.parameters.unwrap_or_default().into_iter();
        let found = parameters.filter_map(|parameter| parameter.name.zip(parameter.value));
        Ok(found.map(|(name, value)| (name, value.into())).collect())
    }
}

impl ParameterStore {
    /// A parameter as the service has it now, decrypted; `None` where there is none. The name may end
    /// with a version or a label.
    async fn parameter(&self, name: &str) -> Result<Option<Parameter>, Failure> {
        let send = |session: &Session| {
            let call = session.parameters.get_parameter().name(name);
            call.with_decryption(true).send()
        };
        let answer = self.access.call(&format!("read {name:?}"), send).await;
        Ok(optional(answer)?.and_then(|answer| answer.parameter))
    }

    /// The tags of a parameter; `None` where there is none.
    async fn tags(&self, name: &str) -> Result<Option<Vec<Tag>>, Failure> {
        let send = |session: &Session| {
            let call = session.parameters.list_tags_for_resource();
            let call = call.resource_type(ResourceTypeForTagging::Parameter);
            call.resource_id(name).send()
        };
        let action = format!("list the tags of {name:?}");
        match self.access.call(&action, send).await {
            Ok(answer) => Ok(Some(answer.tag_list.unwrap_or_default())),
            Err(failure) if failure.code == "InvalidResourceId" => Ok(None),
            Err(failure) => optional(Err(failure)),
        }
    }

    /// What a reference names, before its property.
    async fn whole(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let name = self.access.name(&reference.key);
        let fetched = if reference.metadata {
            let fetch = async {
                let tags = self.tags(&name).await?;
                Ok(tags.map(|tags| document::tags(pairs(&tags))))
            };
            self.access.fetched(What::Tags(name.clone()), fetch).await?
        } else {
            self.value(&name, &reference.version).await?
        };
        match fetched.as_ref() {
            Some(value) => Ok(value.duplicate()),
            None => Err(missing(reference)),
        }
    }

    async fn value(&self, name: &str, version: &str) -> Result<Arc<Fetched>, Error> {
        let selected = match version {
            "" => name.to_owned(),
            version => format!("{name}:{version}"),
        };
        let what = What::Value(name.to_owned(), version.to_owned());
        // Answers do not tell apart versions of one name that were asked for together.
        if selected.contains(':') {
            return self.access.fetched(what, self.one(&selected)).await;
        }
        let fetch = self.access.shared(self, &selected);
        self.access.fetched(what, fetch).await
    }

    /// Every parameter below a path, with its value.
    async fn below(&self, path: &str, find: &Find) -> Result<SecretMap, Failure> {
        let mut found = SecretMap::new();
        let mut page = None;
        loop {
            let send = |session: &Session| {
                let call = session.parameters.get_parameters_by_path();
                let call = call.path(path).recursive(true).with_decryption(true);
                let call = call.max_results(PATH_PAGE);
                call.set_next_token(page.clone()).send()
            };
            let action = format!("read the parameters below {path:?}");
            let answer = self.access.call(&action, send).await?;
            for parameter in answer.parameters.unwrap_or_default() {
                if let (Some(name), Some(value)) = (parameter.name, parameter.value)
                    && self.matches(&name, find)
                {
                    found.insert(name, value.into());
                }
            }
            if found.len() > MAX_FOUND {
                return Err(too_many().into());
            }
            page = answer.next_token.filter(|page| !page.is_empty());
            if page.is_none() {
                return Ok(found);
            }
        }
    }

    /// The names of parameters that match, all pages of the list.
    async fn names(&self, find: &Find) -> Result<Vec<String>, Error> {
        let filters = filters(find)?;
        let mut names = Vec::new();
        let mut page = None;
        loop {
            let send = |session: &Session| {
                let call = session.parameters.describe_parameters();
                let call = call.max_results(LIST_PAGE);
                let call =
                    call.set_parameter_filters((!filters.is_empty()).then(|| filters.clone()));
                call.set_next_token(page.clone()).send()
            };
            let answer = self.access.call("list parameters", send).await?;
            let listed = answer.parameters.unwrap_or_default().into_iter();
            let listed = listed.filter_map(|parameter| parameter.name);
            names.extend(listed.filter(|name| self.matches(name, find)));
            if names.len() > MAX_FOUND {
                return Err(too_many());
            }
            page = answer.next_token.filter(|page| !page.is_empty());
            if page.is_none() {
                return Ok(names);
            }
        }
    }

    /// Without a path, a search stays below the store's prefix.
    fn matches(&self, name: &str, find: &Find) -> bool {
        let prefix = self.access.block.prefix.as_deref().unwrap_or_default();
        let is_below = find.path.is_some() || name.starts_with(prefix);
        is_below && find.name.as_ref().is_none_or(|regex| regex.is_match(name))
    }

    async fn listed(&self, find: &Find) -> Result<SecretMap, Error> {
        let names = self.names(find).await?.into_iter();
        let reads = names.map(|name| async move {
            let fetched = self.value(&name, "").await?;
            // Deleted since it was listed.
            let value = fetched.as_ref().as_ref().map(SecretBytes::duplicate);
            Ok::<_, Error>(value.map(|value| (name, value)))
        });
        let read = stream::iter(reads).buffered(PARALLEL.max(2 * Self::MOST));
        let read: Vec<_> = read.collect().await;
        read.into_iter().filter_map(Result::transpose).collect()
    }
}

#[async_trait]
impl SecretsClient for ParameterStore {
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
        if !find.tags.is_empty() {
            return self.listed(find).await;
        }
        let path = find.path.as_deref().filter(|path| !path.is_empty());
        match self.below(path.unwrap_or("/"), find).await {
            // A policy may allow each parameter and not the path above them.
            Err(failure) if failure.error.kind == ErrorKind::Denied && !failure.is_stale => {
                self.listed(find).await
            }
            found => Ok(found?),
        }
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
        let name = self.access.name(&target.key);
        let parameter = self.parameter(&name).await?;
        let value = parameter.and_then(|parameter| parameter.value);
        let Some(value) = value.map(SecretBytes::from) else {
            return Ok(false);
        };
        let found = document::part(&target.key, &value, &target.property)?;
        Ok(found.is_some())
    }
}

fn filters(find: &Find) -> Result<Vec<ParameterStringFilter>, Error> {
    let mut filters = Vec::new();
    for (key, value) in &find.tags {
        let filter = ParameterStringFilter::builder().key(format!("tag:{key}"));
        filters.push(filter.option("Equals").values(value).build());
    }
    if let Some(path) = find.path.as_deref().filter(|path| !path.is_empty()) {
        let filter = ParameterStringFilter::builder().key("Path");
        filters.push(filter.option("Recursive").values(path).build());
    }
    let filters: Result<_, _> = filters.into_iter().collect();
    filters.map_err(|_| invalid("find: tags and path must have values"))
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|tag| (tag.key(), tag.value()))
}

fn too_many() -> Error {
    invalid(format!(
        "find: more than {MAX_FOUND} parameters; name a path"
    ))
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
        "no parameter {key:?}{}{}",
        part("of version", version),
        part("with property", property)
    );
    Error::new(ErrorKind::NotFound, NAME, message)
}
