//! Objects of any kind of another cluster, as the JSON that its API server gives.

use kube::Client;
use kube::api::{GetParams, ListParams};
use kube::core::Request;

use super::{Access, Error, PAGE, client, failed, rights, sent};
use crate::cluster::request;
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// A kind as users name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty is the core group.
    pub group: String,
    /// Version of the group.
    pub version: String,
    /// Kind, in any case.
    pub kind: String,
}

impl Kind {
    /// Group and version as objects name them.
    #[must_use]
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }
}

/// A kind as a cluster serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Group and version.
    pub api_version: String,
    /// API group; empty is the core group.
    pub group: String,
    /// Kind in its right case.
    pub kind: String,
    /// Name in paths.
    pub plural: String,
    /// Whether its objects are in namespaces.
    pub is_namespaced: bool,
}

impl Resource {
    fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "api" } else { "apis" };
        let (version, plural) = (&self.api_version, &self.plural);
        match namespace {
            Some(namespace) => format!("/{root}/{version}/namespaces/{namespace}/{plural}"),
            None => format!("/{root}/{version}/{plural}"),
        }
    }

    fn shown(&self, namespace: Option<&str>, name: &str) -> String {
        match namespace {
            Some(namespace) => format!("{} {namespace}/{name}", self.kind),
            None => format!("{} {name}", self.kind),
        }
    }
}

/// An object of a list.
#[derive(Debug)]
pub struct Object {
    /// Namespace; empty where its kind has none.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// All of it.
    pub content: Json,
}

/// Reads objects of one cluster.
pub struct Objects {
    client: Client,
}

/// Makes a client of the cluster that `access` names; sends nothing yet.
///
/// # Errors
/// [`Error::ReadAccess`] when address or credentials cannot work.
pub async fn connect_objects(access: Access) -> Result<Objects, Error> {
    let client = client(access).await?;
    Ok(Objects { client })
}

impl Objects {
    /// How the cluster serves a kind, or `None` where it does not.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    pub async fn resource(&self, kind: &Kind) -> Result<Option<Resource>, Error> {
        let api_version = kind.api_version();
        let listed = if kind.group.is_empty() {
            sent(self.client.list_core_api_resources(&api_version)).await
        } else {
            sent(self.client.list_api_group_resources(&api_version)).await
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(failed(&format!("list the kinds of {api_version}"), error)),
        };
        let mut resources = listed.resources.into_iter();
        let found = resources.find(|resource| {
            // The others are parts of objects, as `widgets/status`.
            !resource.name.contains('/') && resource.kind.eq_ignore_ascii_case(&kind.kind)
        });
        Ok(found.map(|found| Resource {
            api_version,
            group: kind.group.clone(),
            kind: found.kind,
            plural: found.name,
            is_namespaced: found.namespaced,
        }))
    }

    /// One object, or `None` where there is none. Namespace and name must be fit for a path.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    pub async fn object(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Json>, Error> {
        let action = format!("read {}", resource.shown(namespace, name));
        let read = Request::new(resource.path(namespace)).get(name, &GetParams::default());
        match self.json(&action, read).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Request { source, .. }) if source.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The objects of a namespace, or of all where `namespace` is `None`; at most `most`.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses, or there are more than `most`.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        most: usize,
    ) -> Result<Vec<Object>, Error> {
        let action = format!("list {} of {}", resource.plural, resource.api_version);
        let mut parameters = ListParams::default().limit(PAGE);
        let mut objects = Vec::new();
        loop {
            let list = Request::new(resource.path(namespace)).list(&parameters);
            let mut page = self.json(&action, list).await?;
            let items = page.take("items").map(Json::into_items).unwrap_or_default();
            objects.extend(items.into_iter().map(|item| resource.listed(item)));
            if objects.len() > most {
                return Err(Error::ReadList { action, most });
            }
            let metadata = page.take("metadata");
            let next = metadata.as_ref().and_then(|one| one.member_str("continue"));
            match next.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(token),
                None => return Ok(objects),
            }
        }
    }

    /// Whether the credentials may get objects of a namespace, or of all where `namespace` is `None`:
    /// each, or some by name.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses to tell.
    pub async fn may_read(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Result<bool, Error> {
        let of = rights::Of {
            group: &resource.group,
            plural: &resource.plural,
        };
        if rights::may_get(&self.client, of, namespace).await? {
            return Ok(true);
        }
        // Permissions for objects by name show in the rules alone, which are those of a namespace.
        let Some(namespace) = namespace else {
            return Ok(false);
        };
        let rules = rights::rules_to_get(&self.client, of, namespace).await?;
        Ok(!rules.is_empty())
    }

    /// The answer is wiped when it is parsed. What is not JSON is told without a word of it.
    async fn json(
        &self,
        action: &str,
        request: Result<axum::http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Json, Error> {
        let request = request.map_err(|error| {
            let source = request::Error::Api(kube::Error::BuildRequest(error));
            failed(action, source)
        })?;
        let text = sent(self.client.request_text(request)).await;
        let text = SecretBytes::from(text.map_err(|error| failed(action, error))?);
        Json::parse(text.expose()).map_err(|error| Error::ReadAnswer {
            action: action.to_owned(),
            message: error.to_string(),
        })
    }
}

impl Resource {
    /// Lists of the API server's own kinds leave out what all their objects have in common.
    fn listed(&self, mut content: Json) -> Object {
        if let Json::Object(members) = &mut content {
            let common = [("apiVersion", &self.api_version), ("kind", &self.kind)];
            for (member, text) in common {
                let text = || Json::Text(text.as_str().into());
                members.entry(member.to_owned()).or_insert_with(text);
            }
        }
        let metadata = content.member("metadata");
        let named = |name| metadata.and_then(|one| one.member_str(name));
        Object {
            namespace: named("namespace").unwrap_or_default().to_owned(),
            name: named("name").unwrap_or_default().to_owned(),
            content,
        }
    }
}
