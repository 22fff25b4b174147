//! Provider `crd`: values out of objects of one kind, of this or another cluster.
//!
//! As with `kubernetes`, the operator's own identity is never used: what the store's credentials may
//! not read, the store cannot. Differences to External Secrets Operator, all deliberate: a rule's
//! `namespace` holds in stores of a namespace as well, a property beyond a plain path must match its
//! rule in full, rules hold for every call, and what is not served (`metadataPolicy`, versions, search
//! by path or tags) is refused instead of ignored.

mod whitelist;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::cluster_access::{self, ClusterAccess, Referent};
use super::{
    Abilities, ClientContext, Error, ErrorKind, FindBy, Provider, SecretsClient, Validation,
    value_error,
};
use crate::api::meta::StoreKind;
use crate::api::v1::CrdProvider;
use crate::cluster::remote::{self, Kind, Objects, Resource};
use crate::model::push::Target;
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::model::value;
use crate::secret::{SecretBytes, SecretMap};

use whitelist::Whitelist;

const NAME: &str = "crd";

/// Objects that one search may read; more is taken for a mistake in the search.
const MAX_FOUND: usize = 10_000;

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "objects of any kind but Secret, by rules and the rights of the store's credentials",
    find: &[FindBy::Name],
    push: "",
    version: "",
    metadata: "",
    tested: "a real API server",
};

/// The provider.
pub(super) struct Crd;

#[async_trait]
impl Provider for Crd {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        access(block).check(store)?;
        kind(block)?;
        whitelist(block)?;
        Ok(())
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?;
        let access = access(block);
        let store = &context.store.id;
        if context.namespace.is_empty() && access.is_referent(store.kind) {
            return Ok(Box::new(Referent(NAME)));
        }
        let objects = remote::connect_objects(access.read(&context).await?).await;
        Ok(Box::new(CrdClient {
            kind: kind(block)?,
            whitelist: whitelist(block)?,
            namespace: match store.kind {
                StoreKind::SecretStore => Some(store.namespace.clone()),
                StoreKind::ClusterSecretStore => None,
            },
            objects: objects.map_err(|error| failed(&error))?,
            resource: OnceCell::new(),
        }))
    }
}

fn block(store: &Store) -> Result<&CrdProvider, Error> {
    let block = store.provider.crd.as_deref();
    block.ok_or_else(|| invalid("spec.provider.crd is missing"))
}

fn access(block: &CrdProvider) -> ClusterAccess<'_> {
    ClusterAccess {
        provider: NAME,
        auth: block.auth.as_ref(),
        auth_ref: block.auth_ref.as_ref(),
        server: block.server.as_ref(),
    }
}

/// The kind of the store, none of whose parts leads elsewhere in a path.
fn kind(block: &CrdProvider) -> Result<Kind, Error> {
    let resource = &block.resource;
    let named = [
        ("group", resource.group.trim()),
        ("version", resource.version.trim()),
        ("kind", resource.kind.trim()),
    ];
    for (field, text) in named {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if text.is_empty() && field != "group" {
            return Err(invalid(format!("resource.{field} must be set")));
        }
        if !text.bytes().all(is_part) || text.starts_with('.') {
            return Err(invalid(format!("resource.{field}: {text:?} is no {field}")));
        }
    }
    let [(_, group), (_, version), (_, kind)] = named;
    if group.is_empty() && kind.eq_ignore_ascii_case("Secret") {
        return Err(secret());
    }
    Ok(Kind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
    })
}

fn secret() -> Error {
    invalid("resource: Secrets are not read here; use the provider kubernetes")
}

fn whitelist(block: &CrdProvider) -> Result<Whitelist, Error> {
    let rules = block.whitelist.as_ref().map(|one| one.rules.as_slice());
    Whitelist::new(rules.unwrap_or_default()).map_err(invalid)
}

/// Where an object is.
struct Place<'a> {
    namespace: Option<&'a str>,
    name: &'a str,
}

struct CrdClient {
    kind: Kind,
    whitelist: Whitelist,
    /// The store's own; `None` in a cluster-scoped one.
    namespace: Option<String>,
    objects: Objects,
    resource: OnceCell<Resource>,
}

impl CrdClient {
    /// Asked once a refresh.
    async fn resource(&self) -> Result<&Resource, Error> {
        let asked = async || {
            let found = self.objects.resource(&self.kind).await;
            let resource = found.map_err(|error| failed(&error))?.ok_or_else(|| {
                let (kind, version) = (&self.kind.kind, self.kind.api_version());
                invalid(format!(
                    "resource: the cluster serves no kind {kind:?} of {version:?}"
                ))
            })?;
            if resource.group.is_empty() && resource.plural == "secrets" {
                return Err(secret());
            }
            Ok(resource)
        };
        self.resource.get_or_try_init(asked).await
    }

    /// `NAME`, or `NAMESPACE/NAME` for a kind with namespaces in a cluster-scoped store.
    fn place<'a>(&'a self, resource: &Resource, key: &'a str) -> Result<Place<'a>, Error> {
        let refused = |why: &str| Err(invalid(format!("key {key:?} {why}")));
        let kind = &resource.kind;
        let (namespace, name) = match (key.split_once('/'), &self.namespace) {
            (Some(_), Some(_)) => {
                return refused("names a namespace; a SecretStore reads objects of its own");
            }
            (Some(_), None) if !resource.is_namespaced => {
                return refused(&format!(
                    "names a namespace; {kind} has none, so name the object alone"
                ));
            }
            (None, None) if resource.is_namespaced => {
                return refused(&format!(
                    "names no namespace; in a ClusterSecretStore a {kind} is NAMESPACE/NAME"
                ));
            }
            (Some((namespace, name)), None) => (Some(namespace), name),
            (None, own) => (own.as_deref().filter(|_| resource.is_namespaced), key),
        };
        // Anything else could lead elsewhere in a path.
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        let is_name =
            |text: &str| !text.is_empty() && !text.starts_with('.') && text.bytes().all(is_part);
        if !is_name(name) || !namespace.is_none_or(is_name) {
            return refused(&format!("is not the name of a {kind}"));
        }
        Ok(Place { namespace, name })
    }

    /// The object a key names as JSON; the rules are asked before the cluster is.
    async fn read(&self, key: &str, property: &str) -> Result<Option<SecretBytes>, Error> {
        let resource = self.resource().await?;
        let place = self.place(resource, key)?;
        let namespace = place.namespace.unwrap_or_default();
        if !self.whitelist.allows(namespace, place.name, property) {
            let what = match property {
                "" => "without property".to_owned(),
                property => format!("with property {property:?}"),
            };
            let message = format!("key {key:?} {what} matches none of whitelist.rules");
            return Err(Error::new(ErrorKind::Denied, NAME, message));
        }
        let object = self.objects.object(resource, place.namespace, place.name);
        let object = object.await.map_err(|error| failed(&error))?;
        Ok(object.map(|object| object.to_bytes()))
    }

    async fn present(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let key = &reference.key;
        if reference.metadata {
            let message = format!(
                "key {key:?}: labels and annotations are members of the object; remove metadataPolicy"
            );
            return Err(Error::new(ErrorKind::Unsupported, NAME, message));
        }
        if !reference.version.is_empty() {
            let message = format!("key {key:?}: there are no versions of objects; remove version");
            return Err(invalid(message));
        }
        let object = self.read(key, &reference.property).await?;
        object.ok_or_else(|| self.not_found(reference))
    }

    fn not_found(&self, reference: &RemoteRef) -> Error {
        let property = match reference.property.as_str() {
            "" => String::new(),
            property => format!(" with property {property:?}"),
        };
        let message = format!("no {} {:?}{property}", self.kind.kind, reference.key);
        Error::new(ErrorKind::NotFound, NAME, message)
    }
}

#[async_trait]
impl SecretsClient for CrdClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let object = self.present(reference).await?;
        if reference.property.is_empty() {
            return Ok(object);
        }
        value::property(&object, &reference.property)
            .map_err(|error| value_error(NAME, &reference.key, &error))?
            .ok_or_else(|| self.not_found(reference))
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let object = self.present(reference).await?;
        let broken = |error| value_error(NAME, &reference.key, &error);
        if reference.property.is_empty() {
            return value::members(&object).map_err(broken);
        }
        let part = value::property_json(&object, &reference.property).map_err(broken)?;
        let part = part.ok_or_else(|| self.not_found(reference))?;
        value::members(&part).map_err(broken)
    }

    /// Keys are names, and in a cluster-scoped store of a kind with namespaces `NAMESPACE/NAME`.
    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        if !find.tags.is_empty() || find.path.is_some() {
            let message = "find: objects are found by name; remove path and tags";
            return Err(Error::new(ErrorKind::Unsupported, NAME, message));
        }
        let resource = self.resource().await?;
        let namespace = self.namespace.as_deref().filter(|_| resource.is_namespaced);
        let listed = self.objects.list(resource, namespace, MAX_FOUND).await;
        let listed = listed.map_err(|error| failed(&error))?.into_iter();
        let wanted = listed.filter(|object| {
            let regex = find.name.as_ref();
            regex.is_none_or(|regex| regex.is_match(&object.name))
                && self.whitelist.allows(&object.namespace, &object.name, "")
        });
        let is_bare = namespace.is_some() || !resource.is_namespaced;
        let entry = |object: remote::Object| {
            let key = if is_bare {
                object.name
            } else {
                format!("{}/{}", object.namespace, object.name)
            };
            (key, object.content.to_bytes())
        };
        Ok(wanted.map(entry).collect())
    }

    async fn validate(&self) -> Result<Validation, Error> {
        let resource = self.resource().await?;
        let namespace = self.namespace.as_deref().filter(|_| resource.is_namespaced);
        let allowed = self.objects.may_read(resource, namespace).await;
        if allowed.map_err(|error| failed(&error))? {
            return Ok(Validation::Ready);
        }
        if namespace.is_none() {
            // Permissions in single namespaces, or for single objects, suffice and cannot be asked for.
            return Ok(Validation::Unknown);
        }
        let message = format!(
            "the credentials may not get {} of group {:?} in namespace {:?}; grant them a Role with get on {0}",
            resource.plural,
            resource.group,
            namespace.unwrap_or_default()
        );
        Err(Error::new(ErrorKind::Denied, NAME, message))
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        let Some(object) = self.read(&target.key, &target.property).await? else {
            return Ok(false);
        };
        if target.property.is_empty() {
            return Ok(true);
        }
        let found = value::property_json(&object, &target.property);
        let found = found.map_err(|error| value_error(NAME, &target.key, &error))?;
        Ok(found.is_some())
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, NAME, message)
}

fn failed(error: &remote::Error) -> Error {
    cluster_access::failed(NAME, error)
}
