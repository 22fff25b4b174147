//! The webhook configurations, and the CA that clients must trust in them.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream::{Stream, StreamExt as _, select};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Error;
use crate::cluster::request::{Error as RequestError, bounded};

/// Field manager of the configurations.
const MANAGER: &str = "latchkey";
/// Field manager of the CA in them: another, so that whoever applies the rest leaves it alone.
const CA_MANAGER: &str = "latchkey-ca";

/// Who makes the configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// We do, and keep them as they should be.
    Own,
    /// Somebody else, for example the chart; only the CA is ours.
    CaOnly,
}

/// The configurations as they should be, but for the CA.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Of the webhook for pods.
    pub mutating: MutatingWebhookConfiguration,
    /// Of the webhook for ExternalSecrets.
    pub validating: ValidatingWebhookConfiguration,
    /// Who makes them.
    pub ownership: Ownership,
}

/// A configuration, reduced to how its webhooks are reached.
trait Configuration:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    fn clients(&self) -> Vec<(&str, &WebhookClientConfig)>;
}

impl Configuration for MutatingWebhookConfiguration {
    fn clients(&self) -> Vec<(&str, &WebhookClientConfig)> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks
            .map(|webhook| (webhook.name.as_str(), &webhook.client_config))
            .collect()
    }
}

impl Configuration for ValidatingWebhookConfiguration {
    fn clients(&self) -> Vec<(&str, &WebhookClientConfig)> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks
            .map(|webhook| (webhook.name.as_str(), &webhook.client_config))
            .collect()
    }
}

/// A change of a configuration; `None` when it is gone.
#[derive(Debug)]
pub(super) enum Change {
    /// Of the webhook for pods.
    Mutating(Option<Box<MutatingWebhookConfiguration>>),
    /// Of the webhook for ExternalSecrets.
    Validating(Option<Box<ValidatingWebhookConfiguration>>),
}

/// The configurations as they were last seen, and since when they show what they should.
#[derive(Debug, Default)]
pub(super) struct Watched {
    mutating: Option<Box<MutatingWebhookConfiguration>>,
    validating: Option<Box<ValidatingWebhookConfiguration>>,
    shown: Option<(String, Timestamp)>,
}

impl Watched {
    /// Takes a change in. Each is compared with `wanted`, so that no break in between is missed.
    pub(super) fn notice(&mut self, change: Change, wanted: &str, now: Timestamp) {
        match change {
            Change::Mutating(object) => self.mutating = object,
            Change::Validating(object) => self.validating = object,
        }
        self.compare(wanted, now);
    }

    /// Since when every webhook of ours has had the bundle `wanted`.
    pub(super) fn compare(&mut self, wanted: &str, now: Timestamp) -> Option<Timestamp> {
        let shows =
            shows(self.mutating.as_deref(), wanted) && shows(self.validating.as_deref(), wanted);
        self.shown = match self.shown.take() {
            _ if !shows => None,
            Some((bundle, since)) if bundle == wanted => Some((bundle, since)),
            _ => Some((wanted.to_owned(), now)),
        };
        self.shown.as_ref().map(|(_, since)| *since)
    }

    /// Whether the configurations show `wanted` now, as they were last seen; asks the API server. What was
    /// changed and changed back since was not shown all the time.
    pub(super) async fn is_shown(
        &self,
        client: &Client,
        registration: &Registration,
        wanted: &str,
    ) -> Result<bool, Error> {
        let mutating = get(client, &registration.mutating).await?;
        let validating = get(client, &registration.validating).await?;
        let is_as_seen = version(mutating.as_ref()) == version(self.mutating.as_deref())
            && version(validating.as_ref()) == version(self.validating.as_deref());
        let is_shown = shows(mutating.as_ref(), wanted) && shows(validating.as_ref(), wanted);
        Ok(is_as_seen && is_shown)
    }

    /// Brings the configurations that were seen in line. A configuration that has changed since is left
    /// for the next look: the watch tells.
    pub(super) async fn repair(
        &self,
        client: &Client,
        registration: &Registration,
        wanted: &str,
    ) -> Result<(), Error> {
        if self.mutating.is_none() || self.validating.is_none() {
            register(client, registration).await?;
        }
        let Registration {
            mutating,
            validating,
            ownership: _,
        } = registration;
        patch(client, self.mutating.as_deref(), mutating, wanted).await?;
        patch(client, self.validating.as_deref(), validating, wanted).await
    }
}

/// Makes the configurations, or brings them in line, where they are ours. The CA in them stays as it is.
pub(super) async fn register(client: &Client, registration: &Registration) -> Result<(), Error> {
    if registration.ownership == Ownership::Own {
        apply(client, &registration.mutating).await?;
        apply(client, &registration.validating).await?;
    }
    Ok(())
}

fn version<K: Configuration>(object: Option<&K>) -> Option<String> {
    object.and_then(kube::ResourceExt::resource_version)
}

async fn get<K: Configuration>(client: &Client, wanted: &K) -> Result<Option<K>, Error> {
    let api: Api<K> = Api::all(client.clone());
    bounded(api.get_opt(&wanted.name_any()))
        .await
        .map_err(failed)
}

/// Changes of both configurations; never ends.
pub(super) fn watch(
    client: &Client,
    registration: &Registration,
) -> impl Stream<Item = Change> + use<> {
    let mutating = changes(client, &registration.mutating).map(Change::Mutating);
    let validating = changes(client, &registration.validating).map(Change::Validating);
    select(mutating, validating)
}

fn changes<K: Configuration>(
    client: &Client,
    wanted: &K,
) -> impl Stream<Item = Option<Box<K>>> + use<K> {
    let api: Api<K> = Api::all(client.clone());
    let config = Config::default().fields(&format!("metadata.name={}", wanted.name_any()));
    let mut listed = None;
    let changes = watcher(api, config).default_backoff();
    changes.filter_map(move |change| {
        let seen = match change {
            Ok(Event::Init) => {
                listed = None;
                None
            }
            Ok(Event::InitApply(object)) => {
                listed = Some(Box::new(object));
                None
            }
            Ok(Event::InitDone) => Some(listed.take()),
            Ok(Event::Apply(object)) => Some(Some(Box::new(object))),
            Ok(Event::Delete(_)) => Some(None),
            Err(error) => {
                tracing::warn!(error = %error, "Failed to watch the webhook's configuration, trying again");
                None
            }
        };
        std::future::ready(seen)
    })
}

fn shows<K: Configuration>(present: Option<&K>, wanted: &str) -> bool {
    let Some(present) = present else { return false };
    let clients = present.clients();
    let mut ours = clients.iter().filter(|(name, _)| is_ours(name)).peekable();
    ours.peek().is_some() && ours.all(|(_, client)| has(client, wanted))
}

fn has(client: &WebhookClientConfig, wanted: &str) -> bool {
    let present = client.ca_bundle.as_ref();
    present.is_some_and(|present| present.0 == wanted.as_bytes())
}

/// Webhooks that somebody added to a configuration of ours are not touched.
fn is_ours(webhook: &str) -> bool {
    webhook.ends_with(".latchkey.dev")
}

fn failed(source: RequestError) -> Error {
    Error::Request {
        verb: "register the webhook",
        source,
    }
}

async fn apply<K: Configuration>(client: &Client, wanted: &K) -> Result<(), Error> {
    let api: Api<K> = Api::all(client.clone());
    let params = PatchParams::apply(MANAGER).force();
    bounded(api.patch(&wanted.name_any(), &params, &Patch::Apply(wanted)))
        .await
        .map_err(failed)?;
    Ok(())
}

/// Puts the bundle into the webhooks of ours that lack it, if nothing changed since they were read.
async fn patch<K: Configuration>(
    client: &Client,
    present: Option<&K>,
    wanted: &K,
    bundle: &str,
) -> Result<(), Error> {
    let fetched = match present {
        Some(_) => None,
        None => get(client, wanted).await?,
    };
    let Some(present) = present.or(fetched.as_ref()) else {
        tracing::warn!(
            configuration = wanted.name_any(),
            "The webhook's configuration does not exist; install it, for example with the chart"
        );
        return Ok(());
    };
    let operations = operations(present, bundle);
    if operations.is_empty() {
        return Ok(());
    }
    let operations: json_patch::Patch =
        serde_json::from_value(operations.into()).expect("the operations must be a JSON Patch");
    let api: Api<K> = Api::all(client.clone());
    let params = PatchParams {
        field_manager: Some(CA_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch: Patch<()> = Patch::Json(operations);
    match bounded(api.patch(&present.name_any(), &params, &patch)).await {
        Ok(_) => Ok(()),
        // A test failed: the object is not what was read.
        Err(error) if error.is_conflict() || error.code() == Some(422) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn operations<K: Configuration>(present: &K, bundle: &str) -> Vec<serde_json::Value> {
    let encoded = STANDARD.encode(bundle);
    let clients = present.clients().into_iter().enumerate();
    let mut operations: Vec<serde_json::Value> = clients
        .filter(|(_, (name, client))| is_ours(name) && !has(client, bundle))
        .flat_map(|(index, (name, _))| {
            [
                json!({"op": "test", "path": format!("/webhooks/{index}/name"), "value": name}),
                json!({"op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": encoded}),
            ]
        })
        .collect();
    if !operations.is_empty() {
        let version = present.meta().resource_version.as_deref();
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
        operations.insert(0, test);
    }
    operations
}
