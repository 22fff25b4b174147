//! Makes changes, one after the other.

use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

use super::change::{Change, Direction, Place, Standing};
use crate::cluster::request::{Error, bounded};

/// Tries when others write the same object at the same time.
const TRIES: usize = 10;
/// Pause between two looks at what is awaited.
const PAUSE: Duration = Duration::from_millis(500);
/// Answer of the API server to a patch whose test fails.
const TEST_FAILED: u16 = 422;

/// What came of a change.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Made {
    /// It was made now.
    Now,
    /// It had been made before.
    Before,
    /// The object is gone.
    Gone,
    /// Somebody else has put something else there, which stays.
    Foreign(Option<Value>),
}

/// How changes are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Forth or back.
    pub(super) direction: Direction,
    /// Whether the API server only says what it would do.
    pub(super) dry_run: bool,
    /// How long Deployments may take to start or stop.
    pub(super) patience: Duration,
}

/// Makes a change, and waits until what it starts or stops has started or stopped.
pub(super) async fn make(client: &Client, change: &Change, way: Way) -> anyhow::Result<Made> {
    let made = write(client, change, way)
        .await
        .with_context(|| format!("failed to change {}", change.place.title()))?;
    let settles = matches!(made, Made::Now | Made::Before) && !way.dry_run;
    if settles && change.place.kind == "Deployment" {
        let replicas = change.wanted(way.direction).and_then(Value::as_i64);
        let settled = settle(client, &change.place, replicas.unwrap_or(1));
        if tokio::time::timeout(way.patience, settled).await.is_err() {
            bail!(
                "{} did not {} within {} s; look at its pods and run this again, nothing is lost",
                change.place.title(),
                if replicas == Some(0) { "stop" } else { "start" },
                way.patience.as_secs()
            );
        }
    }
    Ok(made)
}

async fn write(client: &Client, change: &Change, way: Way) -> anyhow::Result<Made> {
    let api = api(client, &change.place);
    let params = PatchParams {
        dry_run: way.dry_run,
        ..PatchParams::default()
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let Some(object) = bounded(api.get_opt(&change.place.name)).await? else {
            return Ok(Made::Gone);
        };
        let object = serde_json::to_value(object)?;
        match change.standing(&object, way.direction) {
            Standing::Done => return Ok(Made::Before),
            Standing::Foreign(present) => return Ok(Made::Foreign(present)),
            Standing::Open => {}
        }
        let patch = Patch::Json::<()>(change.patch(&object, way.direction));
        match bounded(api.patch(&change.place.name, &params, &patch)).await {
            Ok(_) => return Ok(Made::Now),
            Err(error) if is_race(&error) && tries < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether somebody else may have written in between.
fn is_race(error: &Error) -> bool {
    error.is_conflict() || error.code() == Some(TEST_FAILED)
}

fn api(client: &Client, place: &Place) -> Api<DynamicObject> {
    let (group, version) = place
        .api_version
        .split_once('/')
        .unwrap_or(("", &place.api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &place.kind));
    match &place.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Waits until a Deployment has no pods, or has one that is available.
async fn settle(client: &Client, place: &Place, replicas: i64) {
    let namespace = place.namespace.as_deref().unwrap_or_default();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut ticks = tokio::time::interval(PAUSE);
    loop {
        ticks.tick().await;
        let Ok(deployment) = bounded(deployments.get(&place.name)).await else {
            continue;
        };
        if replicas > 0 {
            let status = deployment.status.unwrap_or_default();
            if status.available_replicas.unwrap_or_default() > 0 {
                return;
            }
            continue;
        }
        let selector = deployment.spec.and_then(|spec| spec.selector.match_labels);
        let selector: Vec<String> = selector
            .unwrap_or_default()
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let page = ListParams::default().labels(&selector.join(",")).limit(1);
        if bounded(pods.list_metadata(&page))
            .await
            .is_ok_and(|pods| pods.items.is_empty())
        {
            return;
        }
    }
}
