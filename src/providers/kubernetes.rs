//! Provider `kubernetes`: Secrets of this or another cluster, with credentials that the store names.
//!
//! The operator's own identity is never used: it may read what the store's author may not.

mod write;

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::cluster_access::{self, ClusterAccess, Referent};
use super::{
    Abilities, ClientContext, Error, ErrorKind, FindBy, Provider, SecretsClient, Validation,
    value_error,
};
use crate::api::v1::KubernetesProvider;
use crate::cluster::remote::{self, RemoteCluster, RemoteSecret};
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::model::value;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

const NAME: &str = "kubernetes";

/// The provider.
pub(super) struct Kubernetes;

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "Secrets of any cluster",
    find: &[FindBy::Name, FindBy::Tags],
    push: "yes",
    version: "",
    metadata: "labels, annotations",
    tested: "a real API server",
};

#[async_trait]
impl Provider for Kubernetes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        cluster_access(block(store)?).check(store)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        let block = block(&context.store)?;
        let access = cluster_access(block);
        access.check(&context.store)?;
        if context.namespace.is_empty() && access.is_referent(context.store.id.kind) {
            return Ok(Box::new(Referent(NAME)));
        }
        let namespace = block.remote_namespace.as_deref();
        let namespace = namespace.filter(|name| !name.is_empty());
        let namespace = namespace.unwrap_or("default").to_owned();
        let cluster = remote::connect(access.read(&context).await?)
            .await
            .map_err(|error| failed(&error))?;
        Ok(Box::new(KubernetesClient { namespace, cluster }))
    }
}

struct KubernetesClient {
    namespace: String,
    cluster: Box<dyn RemoteCluster>,
}

impl KubernetesClient {
    async fn secret(&self, reference: &RemoteRef) -> Result<RemoteSecret, Error> {
        let found = self.present(&reference.key).await?;
        found.ok_or_else(|| self.not_found(reference))
    }

    async fn present(&self, key: &str) -> Result<Option<RemoteSecret>, Error> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if key.is_empty() || !key.bytes().all(is_name) || key.starts_with('.') {
            return Err(invalid(format!("key {key:?} is not the name of a Secret")));
        }
        let secret = self.cluster.secret(&self.namespace, key).await;
        secret.map_err(|error| failed(&error))
    }

    fn not_found(&self, reference: &RemoteRef) -> Error {
        let property = match reference.property.as_str() {
            "" => String::new(),
            property => format!(" with property {property:?}"),
        };
        let message = format!("no Secret {}/{}{property}", self.namespace, reference.key);
        Error::new(ErrorKind::NotFound, NAME, message)
    }

    fn property(&self, secret: &RemoteSecret, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let property = &reference.property;
        if let Some(value) = secret.data.get(property) {
            return Ok(value.duplicate());
        }
        let (key, rest) = property.split_once('.').unwrap_or((property, ""));
        let whole = secret.data.get(key).filter(|_| !rest.is_empty());
        let whole = whole.ok_or_else(|| self.not_found(reference))?;
        value::property(whole, rest)
            .map_err(|error| value_error(NAME, &reference.key, &error))?
            .ok_or_else(|| self.not_found(reference))
    }

    /// `labels.<key>` or `annotations.<key>`, behind which a gjson path may follow.
    fn metadata(&self, secret: &RemoteSecret, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let property = &reference.property;
        let missing = || self.not_found(reference);
        let (kind, key) = property.split_once('.').unwrap_or((property, ""));
        let of_kind = match kind {
            "labels" => &secret.labels,
            "annotations" => &secret.annotations,
            _ => return Err(missing()),
        };
        if key.is_empty() {
            return Ok(texts(of_kind).to_bytes());
        }
        if let Some(value) = of_kind.get(key) {
            return Ok(value.as_str().into());
        }
        let starts = |name: &&String| {
            key.strip_prefix(name.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        };
        let name = of_kind.keys().filter(starts).max_by_key(|name| name.len());
        let name = name.ok_or_else(missing)?;
        value::property(&of_kind[name].as_str().into(), &key[name.len() + 1..])
            .map_err(|error| value_error(NAME, &reference.key, &error))?
            .ok_or_else(missing)
    }
}

#[async_trait]
impl SecretsClient for KubernetesClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let secret = self.secret(reference).await?;
        match (reference.metadata, reference.property.is_empty()) {
            (true, true) => Ok(Json::Object(metadata_members(&secret)).to_bytes()),
            (true, false) => self.metadata(&secret, reference),
            (false, true) => Ok(document(secret.data)),
            (false, false) => self.property(&secret, reference),
        }
    }

    /// Members of a property stay JSON, strings with their quotes, as ESO gives them.
    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let secret = self.secret(reference).await?;
        let members = match (reference.metadata, reference.property.is_empty()) {
            (false, true) => return Ok(secret.data),
            (true, true) => metadata_members(&secret),
            (is_metadata, false) => {
                let part = if is_metadata {
                    self.metadata(&secret, reference)?
                } else {
                    self.property(&secret, reference)?
                };
                let broken = |error: value::Error| value_error(NAME, &reference.key, &error);
                match Json::parse(part.expose()).map_err(|error| broken(error.into()))? {
                    Json::Object(members) => members,
                    other => return Err(broken(value::Error::ReadMembers(other.kind()))),
                }
            }
        };
        let members = members.into_iter();
        Ok(members.map(|(key, json)| (key, json.to_bytes())).collect())
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        if find.tags.is_empty() && find.name.is_none() {
            return Err(invalid("find needs tags or a name"));
        }
        let secrets = self.cluster.list(&self.namespace, &find.tags).await;
        let name = find.name.as_ref().filter(|_| find.tags.is_empty());
        let found = secrets.map_err(|error| failed(&error))?.into_iter();
        Ok(found
            .filter(|secret| name.is_none_or(|name| name.is_match(&secret.name)))
            .map(|secret| (secret.name, document(secret.data)))
            .collect())
    }

    async fn validate(&self) -> Result<Validation, Error> {
        let allowed = self.cluster.may_read(&self.namespace).await;
        if allowed.map_err(|error| failed(&error))? {
            return Ok(Validation::Ready);
        }
        let message = format!(
            "the credentials may not get Secrets of namespace {:?}; grant them a Role with get on secrets",
            self.namespace
        );
        Err(Error::new(ErrorKind::Denied, NAME, message))
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        let name = &push.target.key;
        let present = self.present(name).await?;
        let Some(change) = write::change(push, present.as_ref())? else {
            return Ok(());
        };
        let exists = present.is_some();
        let written = self.cluster.write(&self.namespace, name, exists, &change);
        written.await.map_err(|error| failed(&error))
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        let Some(present) = self.present(&target.key).await? else {
            return Ok(());
        };
        let (property, name) = (&target.property, &target.key);
        let holds = present.data.get(property).is_some();
        let done = if property.is_empty() || (holds && present.data.len() == 1) {
            self.cluster.delete(&self.namespace, name).await
        } else if holds {
            let change = remote::Change {
                unset: vec![property.clone()],
                ..remote::Change::default()
            };
            self.cluster
                .write(&self.namespace, name, true, &change)
                .await
        } else {
            return Ok(());
        };
        done.map_err(|error| failed(&error))
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        let present = self.present(&target.key).await?;
        Ok(present.is_some_and(|present| {
            target.property.is_empty() || present.data.get(&target.property).is_some()
        }))
    }
}

/// All data as one JSON object of strings.
fn document(data: SecretMap) -> SecretBytes {
    let members = data.into_iter();
    Json::Object(
        members
            .map(|(key, value)| (key, Json::Text(value)))
            .collect(),
    )
    .to_bytes()
}

fn metadata_members(secret: &RemoteSecret) -> BTreeMap<String, Json> {
    let kinds = [
        ("labels", &secret.labels),
        ("annotations", &secret.annotations),
    ];
    let members = kinds.into_iter();
    members
        .map(|(kind, values)| (kind.to_owned(), texts(values)))
        .collect()
}

fn texts(values: &BTreeMap<String, String>) -> Json {
    let text = |(key, value): (&String, &String)| (key.clone(), Json::Text(value.as_str().into()));
    Json::Object(values.iter().map(text).collect())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, NAME, message)
}

fn failed(error: &remote::Error) -> Error {
    cluster_access::failed(NAME, error)
}

fn block(store: &Store) -> Result<&KubernetesProvider, Error> {
    let block = store.provider.kubernetes.as_deref();
    block.ok_or_else(|| invalid("spec.provider.kubernetes is missing"))
}

fn cluster_access(block: &KubernetesProvider) -> ClusterAccess<'_> {
    ClusterAccess {
        provider: NAME,
        auth: block.auth.as_ref(),
        auth_ref: block.auth_ref.as_ref(),
        server: block.server.as_ref(),
    }
}
