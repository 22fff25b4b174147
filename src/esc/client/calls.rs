//! The calls, one method each.

use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::json;

use super::error::accept;
use super::{
    Address, Checked, Client, Definition, Diagnostic, Environment, EnvironmentName, Error,
    ErrorKind, Exchanged, Listed, PropertyPath, Revision, RevisionTag, Session, Updated, User,
    Value, body, decode, header, join,
};
use crate::http;
use crate::secret::SecretBytes;

/// Most pages that are read of one list, against a server that never ends.
const MAX_PAGES: usize = 1000;

const PAGE: &str = "500";

impl Client {
    /// Opens an environment, at `version` (a revision or a tag) or the newest revision. Evaluates it
    /// with all its imports, and is audited; sent once.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the environment or version does not exist or cannot be seen,
    /// [`ErrorKind::Invalid`] with diagnostics when it cannot be evaluated.
    pub async fn open(
        &self,
        name: &EnvironmentName,
        version: Option<&str>,
    ) -> Result<Session, Error> {
        let action = format!("open environment {name}");
        let url = join(&self.versioned(name, version), ["open"]);
        let response = self.write(&action, self.request(Method::POST, url)).await?;
        decode(&action, response).await
    }

    /// Every value of a session.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the session has expired.
    pub async fn read_session(
        &self,
        name: &EnvironmentName,
        session: &Session,
    ) -> Result<Environment, Error> {
        let action = format!("read environment {name}");
        let response = self.read(&action, self.session(name, session)).await?;
        Environment::parse(&action, &body(&action, response).await?)
    }

    /// One value of a session.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such value or the session has expired.
    pub async fn read_property(
        &self,
        name: &EnvironmentName,
        session: &Session,
        path: &PropertyPath,
    ) -> Result<Value, Error> {
        let action = format!("read {path} of environment {name}");
        let mut url = self.session(name, session);
        url.query_pairs_mut()
            .append_pair("property", &path.to_string());
        let response = self.read(&action, url).await?;
        Value::parse(&action, &body(&action, response).await?)
    }

    /// The stored definition; its secrets are ciphertext unless `decrypt`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the environment or version does not exist or cannot be seen.
    pub async fn definition(
        &self,
        name: &EnvironmentName,
        version: Option<&str>,
        decrypt: bool,
    ) -> Result<Definition, Error> {
        let action = format!("read the definition of environment {name}");
        let mut url = self.versioned(name, version);
        if decrypt {
            url = join(&url, ["decrypt"]);
        }
        let response = self.read(&action, url).await?;
        Ok(Definition {
            etag: header(&response, "etag"),
            revision: header(&response, "pulumi-esc-revision"),
            text: body(&action, response).await?,
        })
    }

    /// The ETag of the newest revision; the cheapest call that proves token and environment.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the environment does not exist or cannot be seen.
    pub async fn etag(&self, name: &EnvironmentName) -> Result<Option<String>, Error> {
        let action = format!("look up environment {name}");
        let url = self.versioned(name, None);
        let request = || self.request(Method::HEAD, url.clone());
        let response = accept(&action, self.http.send_idempotent(request).await).await?;
        Ok(header(&response, "etag"))
    }

    /// Replaces the definition; with `etag` only if nobody changed it since.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with diagnostics when the server refuses the document,
    /// [`ErrorKind::Conflict`] when `etag` is stale.
    pub async fn update(
        &self,
        name: &EnvironmentName,
        yaml: &SecretBytes,
        etag: Option<&str>,
    ) -> Result<Updated, Error> {
        #[derive(Default, Deserialize)]
        struct Wire {
            #[serde(default)]
            diagnostics: Option<Vec<Diagnostic>>,
        }
        let action = format!("update environment {name}");
        let mut request = self.request(Method::PATCH, self.versioned(name, None));
        if let Some(etag) = etag {
            request = request.header("ETag", etag).header("If-Match", etag);
        }
        let request = request.body(yaml.expose().to_vec());
        let response = self.write(&action, request).await?;
        let (revision, etag) = (
            header(&response, "pulumi-esc-revision"),
            header(&response, "etag"),
        );
        let body = body(&action, response).await?;
        let wire: Wire = if body.is_empty() {
            Wire::default()
        } else {
            serde_json::from_slice(body.expose()).map_err(|error| Error::decode(&action, &error))?
        };
        Ok(Updated {
            revision,
            etag,
            diagnostics: wire.diagnostics.unwrap_or_default(),
        })
    }

    /// Makes an environment with an empty definition, revision 1.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it exists.
    pub async fn create(&self, name: &EnvironmentName) -> Result<(), Error> {
        let url = self
            .address
            .esc(["environments", name.organization.as_str()]);
        let body = json!({"project": name.project, "name": name.name});
        let request = self.request(Method::POST, url).body(body.to_string());
        self.write(&format!("create environment {name}"), request)
            .await
            .map(drop)
    }

    /// Deletes an environment and its revisions.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it does not exist, [`ErrorKind::Conflict`] when it is protected.
    pub async fn delete(&self, name: &EnvironmentName) -> Result<(), Error> {
        let request = self.request(Method::DELETE, self.versioned(name, None));
        self.write(&format!("delete environment {name}"), request)
            .await
            .map(drop)
    }

    /// The environments of `organization` that the caller can see.
    ///
    /// # Errors
    /// When a page cannot be read.
    pub async fn list(&self, organization: &str) -> Result<Vec<Listed>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            #[serde(default)]
            environments: Option<Vec<Listed>>,
            #[serde(default)]
            next_token: Option<String>,
        }
        let action = format!("list the environments of {organization}");
        let mut listed = Vec::new();
        let mut token = String::new();
        for _ in 0..MAX_PAGES {
            let mut url = self.address.esc(["environments", organization]);
            url.query_pairs_mut()
                .append_pair("maxResults", PAGE)
                .append_pair("continuationToken", &token);
            let page: Page = self.read_json(&action, url).await?;
            listed.extend(page.environments.unwrap_or_default());
            match page.next_token.filter(|next| !next.is_empty()) {
                Some(next) => token = next,
                None => return Ok(listed),
            }
        }
        Err(Error::endless(&action))
    }

    /// Checks a document without storing or opening it; with `show_secrets` its ciphertexts are
    /// decrypted.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with diagnostics when the document cannot be parsed.
    pub async fn check_yaml(
        &self,
        organization: &str,
        yaml: &SecretBytes,
        show_secrets: bool,
    ) -> Result<Checked, Error> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            diagnostics: Option<Vec<Diagnostic>>,
        }
        let action = "check the document";
        let mut url = self
            .address
            .esc(["environments", organization, "yaml", "check"]);
        url.query_pairs_mut()
            .append_pair("showSecrets", if show_secrets { "true" } else { "false" });
        let request = self.request(Method::POST, url).body(yaml.expose().to_vec());
        let body = body(action, self.write(action, request).await?).await?;
        let wire: Wire =
            serde_json::from_slice(body.expose()).map_err(|error| Error::decode(action, &error))?;
        Ok(Checked {
            environment: Environment::parse(action, &body)?,
            diagnostics: wire.diagnostics.unwrap_or_default(),
        })
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] when the token is not valid.
    pub async fn user(&self) -> Result<User, Error> {
        let url = self.address.root_url(["api", "user"]);
        self.read_json("look up the user", url).await
    }

    /// The revisions of an environment, newest first.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the environment does not exist or cannot be seen.
    pub async fn revisions(&self, name: &EnvironmentName) -> Result<Vec<Revision>, Error> {
        let action = format!("list the revisions of environment {name}");
        let mut revisions: Vec<Revision> = Vec::new();
        for _ in 0..MAX_PAGES {
            let before = revisions.last().map_or(0, |oldest| oldest.number);
            let mut url = join(&self.versioned(name, None), ["versions"]);
            url.query_pairs_mut()
                .append_pair("before", &before.to_string())
                .append_pair("count", PAGE);
            let page: Vec<Revision> = self.read_json(&action, url).await?;
            let is_last = page.last().is_none_or(|oldest| oldest.number <= 1);
            revisions.extend(page);
            if is_last {
                return Ok(revisions);
            }
        }
        Err(Error::endless(&action))
    }

    /// The revision tags of an environment by name, `latest` included.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the environment does not exist or cannot be seen.
    pub async fn tags(&self, name: &EnvironmentName) -> Result<Vec<RevisionTag>, Error> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<RevisionTag>>,
        }
        let action = format!("list the revision tags of environment {name}");
        let mut tags: Vec<RevisionTag> = Vec::new();
        for _ in 0..MAX_PAGES {
            let mut url = self.tag_url(name, None);
            url.query_pairs_mut()
                .append_pair("after", tags.last().map_or("", |tag| tag.name.as_str()))
                .append_pair("count", PAGE);
            let page: Page = self.read_json(&action, url).await?;
            let page = page.tags.unwrap_or_default();
            if page.is_empty() {
                return Ok(tags);
            }
            tags.extend(page);
        }
        Err(Error::endless(&action))
    }

    /// Points a revision tag at `revision`, making it if need be.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the environment or revision does not exist.
    pub async fn set_tag(
        &self,
        name: &EnvironmentName,
        tag: &str,
        revision: u64,
    ) -> Result<(), Error> {
        let action = format!("set tag {tag} of environment {name}");
        let request = self
            .request(Method::PATCH, self.tag_url(name, Some(tag)))
            .body(json!({"revision": revision}).to_string());
        match self.write(&action, request).await {
            Err(error) if error.kind == ErrorKind::NotFound => {}
            moved => return moved.map(drop),
        }
        let request = self
            .request(Method::POST, self.tag_url(name, None))
            .body(json!({"name": tag, "revision": revision}).to_string());
        self.write(&action, request).await.map(drop)
    }

    /// Deletes a revision tag.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it does not exist.
    pub async fn delete_tag(&self, name: &EnvironmentName, tag: &str) -> Result<(), Error> {
        let request = self.request(Method::DELETE, self.tag_url(name, Some(tag)));
        self.write(&format!("delete tag {tag} of environment {name}"), request)
            .await
            .map(drop)
    }

    fn versioned(&self, name: &EnvironmentName, version: Option<&str>) -> Url {
        let url = self.address.esc([
            "environments",
            &name.organization,
            &name.project,
            &name.name,
        ]);
        match version {
            Some(version) => join(&url, ["versions", version]),
            None => url,
        }
    }

    fn session(&self, name: &EnvironmentName, session: &Session) -> Url {
        join(&self.versioned(name, None), ["open", &session.id])
    }

    fn tag_url(&self, name: &EnvironmentName, tag: Option<&str>) -> Url {
        join(
            &self.versioned(name, None),
            ["versions", "tags"].into_iter().chain(tag),
        )
    }
}

/// Exchanges an identity token for an access token of `organization`, valid for `seconds`.
///
/// # Errors
/// When the server refuses the identity or its answer holds no token.
pub async fn exchange_token(
    http: &http::Client,
    address: &Address,
    organization: &str,
    identity: &SecretBytes,
    seconds: i64,
) -> Result<Exchanged, Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default)]
        access_token: String,
        #[serde(default)]
        expires_in: u64,
    }
    let action =
        format!("exchange the ServiceAccount token for one of organization {organization}");
    let request = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": format!("urn:pulumi:org:{organization}"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "requested_token_type": "urn:pulumi:token-type:access_token:organization",
        "subject_token": identity.expose_str().unwrap_or_default(),
        "expiration": seconds,
        "scope": "",
    });
    let request = http
        .request(Method::POST, address.root_url(["api", "oauth", "token"]))
        .json(&request);
    let response = accept(&action, http.send(request).await).await?;
    let wire: Wire = decode(&action, response).await?;
    let token = SecretBytes::from(wire.access_token);
    if token.is_empty() || wire.expires_in == 0 {
        let why = "the answer holds no token or no time of validity".to_owned();
        return Err(Error::new(ErrorKind::Unavailable, &action, why));
    }
    Ok(Exchanged {
        token,
        expires_in: wire.expires_in,
    })
}
