//! Provider `webhook`: any HTTP API, by templates of what to send and a path to what comes back.
//!
//! Keys whose rendered requests are alike share one call a refresh window. Differences to External
//! Secrets Operator, all deliberate: a call has a timeout, numbers keep their digits, a path that finds
//! nothing is told apart, validation sends what the templates cannot change, and servers with
//! link-local addresses are refused.

mod call;
mod outcome;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use reqwest::Method;

use super::logins::{Fingerprint, Granted, Identity, Login};
use super::rest::{Api, Failure, Request};
use super::service::{Service, has_credentials, is_referent};
use super::{
    Abilities, ClientContext, Clock, Error, ErrorKind, Options, Provider, SecretsClient,
    Validation, credential, part,
};
use crate::api::v1::WebhookProvider;
use crate::cluster::secrets::SecretReader;
use crate::http;
use crate::model::duration;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::Store;
use crate::secret::{SecretBytes, SecretMap};

use call::{Dot, Rendered};

pub(crate) use call::Call;

const NAME: &str = "webhook";

/// How its failures are told.
const API: Api = Api {
    name: NAME,
    denied: "; check the credentials that the templates of url, headers and body send",
    missing: "; check url and result.jsonPath",
};

/// Labels of which a Secret that webhooks may use must carry one: that of stores (ESO 2.9.0) and that
/// of generators.
const MARKS: [(&str, &str); 2] = [
    ("external-secrets.io/type", NAME),
    ("generators.external-secrets.io/type", NAME),
];

/// The provider, with what all its stores share.
pub(super) struct Webhook {
    shared: Arc<Shared>,
}

struct Shared {
    service: Service<Session, Fingerprint, Option<SecretBytes>>,
    clock: Clock,
}

/// What requests of one store are made with.
struct Session {
    http: http::Client,
    secrets: Secrets,
}

/// The Secrets that templates may use, by their names there.
type Secrets = Vec<(String, SecretMap)>;

impl Webhook {
    /// Makes the provider.
    pub(super) fn new(options: &Options) -> Self {
        let mut service = Service::new(options);
        service.http.refuses_link_local = !options.allow_link_local;
        let clock = Arc::clone(&options.clock);
        let shared = Arc::new(Shared { service, clock });
        Self { shared }
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "templates of url, headers, body and JSONPath; not NTLM",
    find: &[],
    push: "yes",
    version: "by template",
    metadata: "",
    tested: "a double",
};

#[async_trait]
impl Provider for Webhook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        Call::of(block).check()?;
        credential::check_ca(NAME, "caProvider", block.ca_provider.as_ref(), store)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let selectors = block.secrets.iter().map(|one| &one.secret_ref.namespace);
        let is_referent = is_referent(&context.store, selectors);
        Ok(Box::new(WebhookClient {
            identity: Identity::new(&context, is_referent),
            is_referent,
            shared: Arc::clone(&self.shared),
            context,
            block,
        }))
    }

    fn sweep(&self) {
        self.shared.service.window.sweep();
    }
}

struct WebhookClient {
    shared: Arc<Shared>,
    context: ClientContext,
    block: WebhookProvider,
    identity: Identity,
    is_referent: bool,
}

impl WebhookClient {
    fn now(&self) -> Zoned {
        let now = Timestamp::try_from((self.shared.clock)());
        now.unwrap_or_default().to_zoned(TimeZone::UTC)
    }

    async fn session(&self) -> Result<Arc<Session>, Error> {
        let logins = &self.shared.service.logins;
        logins.session(&self.identity, self).await
    }

    fn dot<'a>(&'a self, reference: &'a RemoteRef, secrets: &'a Secrets) -> Dot<'a> {
        Dot {
            remote: vec![
                ("key", &reference.key),
                ("remoteKey", &reference.key),
                ("property", &reference.property),
                ("version", &reference.version),
                ("namespace", &self.context.namespace),
            ],
            pushed: None,
            secrets,
        }
    }

    /// Sends once, or once more with credentials that have changed since.
    async fn send(&self, rendered: &Rendered, action: &str) -> Result<SecretBytes, Failure> {
        let send = |session: Arc<Session>| async move {
            let request = rendered.request(action, &session.secrets);
            let answer = API.send(&session.http, &request).await;
            answer.map(|answer| answer.body)
        };
        if self.block.secrets.is_empty() {
            return send(self.session().await?).await;
        }
        self.shared.service.call(&self.identity, self, send).await
    }

    /// The body of the answer for a reference; `None` where the server says that there is none.
    async fn body(&self, reference: &RemoteRef) -> Result<Arc<Option<SecretBytes>>, Error> {
        part::check(&API, reference, &ABILITIES)?;
        let session = self.session().await?;
        let call = Call::of(&self.block);
        let rendered = call.render(&self.dot(reference, &session.secrets), None, &self.now())?;
        let action = format!("get {:?}", reference.key);
        let fetch = async {
            match self.send(&rendered, &action).await {
                Ok(body) => Ok(Some(body)),
                Err(failure) if failure.is(404) => Ok(None),
                Err(failure) => Err(failure.error),
            }
        };
        let service = &self.shared.service;
        service
            .fetched(&self.context, &self.identity, rendered.fingerprint(), fetch)
            .await
    }

    fn path(&self, reference: &RemoteRef, secrets: &Secrets) -> Result<String, Error> {
        Call::of(&self.block).path(&self.dot(reference, secrets), &self.now())
    }

    /// A call about a target of a push, with a method of its own.
    async fn about(&self, target: &Target, method: Method) -> Result<bool, Error> {
        let reference = RemoteRef {
            key: target.key.clone(),
            property: target.property.clone(),
            ..RemoteRef::default()
        };
        let session = self.session().await?;
        let call = Call {
            body: None,
            ..Call::of(&self.block)
        };
        let dot = self.dot(&reference, &session.secrets);
        let action = format!("{} {:?}", method.as_str().to_lowercase(), target.key);
        let rendered = call.render(&dot, Some(method), &self.now())?;
        match self.send(&rendered, &action).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is(404) => Ok(false),
            Err(failure) => Err(failure.error),
        }
    }
}

#[async_trait]
impl Login for WebhookClient {
    type Credentials = (Secrets, Option<Vec<u8>>);
    type Session = Session;

    async fn credentials(&self) -> Result<(Fingerprint, Self::Credentials), Error> {
        let mut secrets = Secrets::new();
        for secret in &self.block.secrets {
            let namespace = secret.secret_ref.namespace.as_deref();
            let namespace = self.context.selected_namespace(namespace);
            let name = secret.secret_ref.name.as_deref();
            let data = read(&*self.context.secrets, namespace, &secret.name, name).await?;
            secrets.push((secret.name.clone(), data));
        }
        let block = &self.block;
        let (bundle, named) = (block.ca_bundle.as_deref(), block.ca_provider.as_ref());
        let ca = self.context.ca(NAME, "", bundle, named).await?;
        let values = secrets.iter().flat_map(|(name, data)| {
            let data = data.iter();
            let data = data.flat_map(|(key, value)| [key.as_bytes(), value.expose()]);
            std::iter::once(name.as_bytes()).chain(data)
        });
        let fingerprint = Fingerprint::of(values.chain(ca.as_deref()));
        Ok((fingerprint, (secrets, ca)))
    }

    async fn log_in(
        &self,
        (secrets, ca): Self::Credentials,
    ) -> Result<Granted<Self::Session>, Error> {
        let options = Call::of(&self.block).options(&self.shared.service.http)?;
        let http = API.client(&options, ca)?;
        Ok(Granted {
            session: Session { http, secrets },
            life: None,
            is_proven: false,
        })
    }
}

#[async_trait]
impl SecretsClient for WebhookClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let body = self.body(reference).await?;
        let body = body.as_ref().as_ref();
        let body = body.ok_or_else(|| part::missing(&API, reference))?;
        let session = self.session().await?;
        outcome::one(body, &self.path(reference, &session.secrets)?, reference)
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let body = self.body(reference).await?;
        let body = body.as_ref().as_ref();
        let body = body.ok_or_else(|| part::missing(&API, reference))?;
        let session = self.session().await?;
        outcome::all(body, &self.path(reference, &session.secrets)?, reference)
    }

    async fn find(&self, _: &Find) -> Result<SecretMap, Error> {
        let message =
            "find is not possible: an HTTP API has no list in common; use data or extract";
        Err(API.unsupported(message))
    }

    async fn validate(&self) -> Result<Validation, Error> {
        let Some(url) = call::fixed_origin(&self.block.url) else {
            return Ok(Validation::Unknown);
        };
        if !has_credentials(&self.context, self.is_referent) {
            return Ok(Validation::Unknown);
        }
        let session = self.session().await?;
        let request = Request {
            method: Method::HEAD,
            ..Request::get("reach the server", url)
        };
        match API.send(&session.http, &request).await {
            Err(failure) if failure.status.is_none() => Err(failure.error),
            _ => Ok(Validation::Ready),
        }
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        let content = push.content();
        let content = content.map_err(|error| API.invalid(error.to_string()))?;
        let reference = RemoteRef {
            key: push.target.key.clone(),
            property: push.target.property.clone(),
            ..RemoteRef::default()
        };
        let session = self.session().await?;
        let mut dot = self.dot(&reference, &session.secrets);
        dot.remote.push(("secretKey", push.secret_key));
        dot.pushed = Some((&push.target.key, &content));
        let call = Call::of(&self.block);
        let method = call.method.is_none().then_some(Method::POST);
        let mut rendered = call.render(&dot, method, &self.now())?;
        if call.body.is_none() {
            rendered.body = Some(content.duplicate());
        }
        let action = format!("push to {:?}", push.target.key);
        self.send(&rendered, &action).await?;
        Ok(())
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        self.about(target, Method::DELETE).await.map(|_| ())
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        self.about(target, Method::GET).await
    }
}

/// Asks once for values of a generator, with connections of its own: generators share nothing.
///
/// # Errors
/// As a get with [`SecretsClient::get_map`].
pub(crate) async fn generate(
    call: &Call<'_>,
    options: &http::Options,
    ca: Option<Vec<u8>>,
    secrets: &[(String, SecretMap)],
    now: Timestamp,
) -> Result<SecretMap, Error> {
    call.check()?;
    let http = API.client(&call.options(options)?, ca)?;
    let reference = RemoteRef::default();
    let now = now.to_zoned(TimeZone::UTC);
    let (rendered, path) = {
        let dot = Dot {
            remote: Vec::new(),
            pushed: None,
            secrets,
        };
        (call.render(&dot, None, &now)?, call.path(&dot, &now)?)
    };
    let request = rendered.request("ask for values", secrets);
    let answer = API.send(&http, &request).await?;
    outcome::all(&answer.body, &path, &reference)
}

/// Reads a Secret that templates may use.
///
/// # Errors
/// [`ErrorKind::Invalid`] when it is missing, [`ErrorKind::Denied`] or [`ErrorKind::Unavailable`] when
/// it cannot be read or lacks the label.
pub(crate) async fn read(
    secrets: &dyn SecretReader,
    namespace: &str,
    alias: &str,
    name: Option<&str>,
) -> Result<SecretMap, Error> {
    let field = format!("secrets[{alias:?}].secretRef");
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| API.invalid(format!("{field}.name is missing")))?;
    if namespace.is_empty() {
        let message = format!("{field}.namespace must be set in a ClusterSecretStore");
        return Err(API.invalid(message));
    }
    let data = secrets.read_marked_secret(namespace, name, &MARKS).await;
    let data = data.map_err(|error| {
        let kind = if error.denied {
            ErrorKind::Denied
        } else {
            ErrorKind::Unavailable
        };
        Error::new(kind, NAME, format!("{field}: {error}"))
    })?;
    data.ok_or_else(|| API.invalid(format!("{field}: no Secret {namespace}/{name}; create it")))
}

fn block(store: &Store) -> Result<&WebhookProvider, Error> {
    let block = store.provider.webhook.as_deref();
    block.ok_or_else(|| API.invalid("spec.provider.webhook is missing"))
}

fn timeout(text: &str) -> Result<Duration, Error> {
    let parsed = duration::parse(text).map_err(|error| API.invalid(format!("timeout: {error}")))?;
    let parsed = Duration::try_from(parsed).unwrap_or_default();
    if parsed.is_zero() {
        return Err(API.invalid("timeout must be more than 0"));
    }
    Ok(parsed)
}
