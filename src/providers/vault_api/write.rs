//! Writing: only secrets that carry latchkey's mark are changed, and only the version that was read.
//!
//! The mark is ESO's, so that either operator goes on where the other stopped.

use std::collections::BTreeMap;

use reqwest::Method;

use super::answer::{Failure, member, number, take, text};
use super::{Asked, Error, ErrorKind, Request, VaultClient, What, document};
use crate::model::push::{Push, Pushed, Target, object};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Name and value of the mark.
const MARK: (&str, &str) = ("managed-by", "external-secrets");

/// Member that holds the mark where the engine has no metadata.
const MARKS: &str = "custom_metadata";

/// A secret as it stands at the server.
struct State {
    /// Whether there is a secret, deleted versions included.
    is_there: bool,
    is_ours: bool,
    /// Number of the newest version; zero without.
    version: u64,
    values: Option<BTreeMap<String, Json>>,
}

impl VaultClient {
    /// Writes a value, once more if somebody else wrote at the same time.
    pub(super) async fn write(&self, push: &Push<'_>) -> Result<(), Error> {
        match self.write_once(push).await {
            Err(failure) if failure.is_conflict => Ok(self.write_once(push).await?),
            written => Ok(written?),
        }
    }

    async fn write_once(&self, push: &Push<'_>) -> Result<(), Failure> {
        let key = &push.target.key;
        let state = self.state(key).await?;
        if state.is_there && !state.is_ours {
            return Err(self.foreign(key).into());
        }
        let mut wanted = self.wanted(push, &state)?;
        if !self.paths.has_versions() {
            wanted.insert(MARKS.to_owned(), mark());
        }
        if state.values.as_ref() == Some(&wanted) {
            return Ok(());
        }
        if self.paths.has_versions() && !state.is_ours {
            let marks = BTreeMap::from([(MARKS.to_owned(), mark())]);
            self.call(Method::POST, &self.metadata_path(key)?, Some(marks))
                .await?;
        }
        self.put(key, wanted, state.version).await
    }

    /// Removes a property, or the secret when none is named or left; what is not ours stays.
    pub(super) async fn remove(&self, target: &Target) -> Result<(), Error> {
        match self.remove_once(target).await {
            Err(failure) if failure.is_conflict => Ok(self.remove_once(target).await?),
            removed => Ok(removed?),
        }
    }

    async fn remove_once(&self, target: &Target) -> Result<(), Failure> {
        let Target { key, property } = target;
        let state = self.state(key).await?;
        if !state.is_there || !state.is_ours {
            return Ok(());
        }
        if !property.is_empty()
            && let Some(mut values) = state.values
        {
            if values.remove(property).is_none() {
                return Ok(());
            }
            if values.keys().any(|name| name != MARKS) {
                return self.put(key, values, state.version).await;
            }
        }
        self.call(Method::DELETE, &self.data_path(key)?, None)
            .await?;
        if self.paths.has_versions() {
            self.call(Method::DELETE, &self.metadata_path(key)?, None)
                .await?;
        }
        self.forget(key).await?;
        Ok(())
    }

    /// Whether the target holds a value.
    pub(super) async fn holds(&self, target: &Target) -> Result<bool, Error> {
        let request = Request::read(&self.data_path(&target.key)?);
        let answer = self.access.send(&request).await?;
        let values = answer.and_then(|json| document::values(json, self.paths.has_versions()));
        let Some(values) = values else {
            return Ok(false);
        };
        let found = document::single(&values, &target.property);
        Ok(found
            .map_err(|error| super::value_error(self.access.name(), &target.key, &error))?
            .is_some())
    }

    /// Asks the server: what was fetched before may be old.
    async fn state(&self, key: &str) -> Result<State, Failure> {
        let request = Request::read(&self.data_path(key)?);
        let data = self.access.send(&request).await?;
        let values = data.and_then(|json| document::values(json, self.paths.has_versions()));
        let values = values.and_then(|values| match values {
            Json::Object(members) => Some(members),
            _ => None,
        });
        if !self.paths.has_versions() {
            let marks = values.as_ref().and_then(|values| values.get(MARKS));
            return Ok(State {
                is_there: values.is_some(),
                is_ours: marks.is_some_and(is_marked),
                version: 0,
                values,
            });
        }
        let request = Request::read(&self.metadata_path(key)?);
        let metadata = self.access.send(&request).await?;
        let metadata = metadata.and_then(|answer| take(answer, "data"));
        let part = |name: &str| metadata.as_ref().and_then(|json| member(json, name));
        Ok(State {
            is_there: metadata.is_some(),
            is_ours: part(MARKS).is_some_and(is_marked),
            version: part("current_version").and_then(number).unwrap_or(0),
            values,
        })
    }

    fn wanted(&self, push: &Push<'_>, state: &State) -> Result<BTreeMap<String, Json>, Error> {
        let Target { key, property } = push.target;
        let pushed = push.pushed().map_err(|error| self.invalid(&error))?;
        if property.is_empty() {
            let whole = match pushed {
                Pushed::Whole(values) => object(values),
                Pushed::One(value) => Json::parse(value.expose())
                    .map_err(|error| super::value_error(self.access.name(), key, &error.into()))?,
            };
            let Json::Object(members) = whole else {
                let kind = whole.kind();
                let message = format!(
                    "key {key:?}: the value is {kind}, not an object; name a property to write it to"
                );
                return Err(self.invalid(&message));
            };
            return Ok(members);
        }
        let values = state.values.iter().flatten();
        let mut members: BTreeMap<_, _> = values
            .map(|(name, json)| (name.clone(), json.duplicate()))
            .collect();
        if let Some(other) = members.get(property).filter(|json| text(json).is_none()) {
            let kind = other.kind();
            let message = format!("key {key:?}: property {property:?} is {kind}, not a string");
            return Err(self.invalid(&message));
        }
        let content = push.content().map_err(|error| self.invalid(&error))?;
        members.insert(property.clone(), Json::Text(content));
        Ok(members)
    }

    async fn put(
        &self,
        key: &str,
        values: BTreeMap<String, Json>,
        version: u64,
    ) -> Result<(), Failure> {
        let body = if self.paths.has_versions() {
            let version = Json::Number(version.to_string().into());
            let options = Json::Object([("cas".to_owned(), version)].into());
            BTreeMap::from([
                ("data".to_owned(), Json::Object(values)),
                ("options".to_owned(), options),
            ])
        } else {
            values
        };
        self.call(Method::POST, &self.data_path(key)?, Some(body))
            .await?;
        self.forget(key).await?;
        Ok(())
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<BTreeMap<String, Json>>,
    ) -> Result<(), Failure> {
        let verb = if body.is_some() { "write" } else { "delete" };
        let request = Request {
            action: format!("{verb} {path:?}"),
            method,
            path: path.to_owned(),
            query: Vec::new(),
            body: body.map(|body| Json::Object(body).to_bytes()),
            is_repeatable: false,
        };
        self.access.send(&request).await.map(drop)
    }

    /// What was fetched before a write is not what is there after it.
    async fn forget(&self, key: &str) -> Result<(), Error> {
        let values = What::Values {
            path: self.data_path(key)?,
            version: String::new(),
        };
        let mut written = vec![values];
        if self.paths.has_versions() {
            written.push(What::Metadata(self.metadata_path(key)?));
        }
        for what in written {
            let identity = self.access.identity.clone();
            self.access
                .engine
                .window
                .forget(&Asked { identity, what })
                .await;
        }
        Ok(())
    }

    fn data_path(&self, key: &str) -> Result<String, Error> {
        self.paths.data(key).map_err(|error| self.invalid(&error))
    }

    fn metadata_path(&self, key: &str) -> Result<String, Error> {
        self.paths
            .metadata(key)
            .map_err(|error| self.invalid(&error))
    }

    fn foreign(&self, key: &str) -> Error {
        let (name, value) = MARK;
        let message = format!(
            "key {key:?}: secret not managed by external-secrets; to hand it over set its custom metadata {name}={value}"
        );
        Error::new(ErrorKind::Denied, self.access.name(), message)
    }
}

fn mark() -> Json {
    let (name, value) = MARK;
    Json::Object([(name.to_owned(), Json::Text(SecretBytes::from(value)))].into())
}

fn is_marked(marks: &Json) -> bool {
    let (name, value) = MARK;
    member(marks, name).and_then(text) == Some(value)
}
