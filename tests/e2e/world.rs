//! A cluster with latchkey and an ESC server in it, shared by the tests of this process.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use tokio::sync::OnceCell;

use crate::support::control_plane::ControlPlane;
use crate::support::kubectl::Kubectl;
use crate::support::latchkey::{EscServer, Latchkey, RunOptions};
use crate::support::scenario::{self, Scenario};
use crate::support::{shared, wait};

/// Organisation of the ESC server.
pub(crate) const ORGANIZATION: &str = "acme";
/// Administrator's token of the ESC server.
pub(crate) const TOKEN: &str = "pul-e2e-0123456789";
/// How long anything may take that latchkey does at once: a moment, but much more on a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(2);

/// latchkey's own namespace, and the role that the chart would install.
pub(crate) const FURNITURE: &str = concat!(
    "{apiVersion: v1, kind: Namespace, metadata: {name: latchkey-system}}\n---\n",
    include_str!("../../manifests/webhooks/store-user.yaml"),
);

/// The processes.
pub(crate) struct World {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) esc: EscServer,
    pub(crate) latchkey: Latchkey,
}

/// The shared world; started by the first caller.
pub(crate) async fn world() -> anyhow::Result<&'static World> {
    static SHARED: OnceCell<Result<World, String>> = OnceCell::const_new();
    let started = SHARED
        .get_or_init(async || start().await.map_err(|error| format!("{error:#}")))
        .await;
    started.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

async fn start() -> anyhow::Result<World> {
    let plane = shared::control_plane().await?;
    let logs = plane.workdir().path();
    plane.kubectl().apply(FURNITURE).await?;
    let esc = EscServer::start(logs, ORGANIZATION, TOKEN).await?;
    let options = RunOptions {
        esc_url: Some(esc.url()),
        flags: &[
            "--unsafe-allow-generic-targets",
            "--agent-image=latchkey.test/latchkey:1",
        ],
        ..RunOptions::default()
    };
    let latchkey = Latchkey::start("latchkey", plane.kubeconfig(), logs, &options).await?;
    Ok(World {
        plane,
        esc,
        latchkey,
    })
}

impl World {
    /// Runs `test` in a namespace of its own; the logs are shown when it fails.
    pub(crate) async fn run(
        &self,
        stem: &str,
        test: impl AsyncFnOnce(&Place) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        scenario::run(self.plane, stem, async |scenario| {
            scenario.watch_log(self.latchkey.log());
            scenario.watch_log(self.esc.log());
            let place = Place::new(self.plane, scenario).await?;
            test(&place).await
        })
        .await
    }

    /// Makes an environment of the ESC server from YAML; a second call changes it.
    pub(crate) async fn environment(&self, project: &str, yaml: &str) -> anyhow::Result<()> {
        let name = format!("{ORGANIZATION}/{project}/dev");
        if self.esc.env(&["init", &name], "").await.is_err() {
            self.esc.env(&["get", &name, "--definition"], "").await?;
        }
        self.esc.env(&["edit", &name, "-f", "-"], yaml).await?;
        Ok(())
    }
}

/// A namespace and ways to look into it.
pub(crate) struct Place {
    pub(crate) namespace: String,
    pub(crate) kubectl: Kubectl,
    pub(crate) client: kube::Client,
}

impl Place {
    pub(crate) async fn new(plane: &ControlPlane, scenario: &Scenario) -> anyhow::Result<Self> {
        Ok(Self {
            namespace: scenario.namespace().to_owned(),
            kubectl: scenario.kubectl().clone(),
            client: plane.client().await?,
        })
    }

    /// Applies a manifest in which `NS` stands for the namespace.
    pub(crate) async fn apply(&self, manifest: &str) -> anyhow::Result<String> {
        self.kubectl
            .apply(&manifest.replace("NS", &self.namespace))
            .await
    }

    /// Waits until the condition Ready of an object has this status and its message contains `text`.
    pub(crate) async fn ready(
        &self,
        kind: &str,
        name: &str,
        status: &str,
        text: &str,
    ) -> anyhow::Result<DynamicObject> {
        let api = self.objects(kind);
        wait::until(format!("{kind} {name}"), SOON, async || {
            let object = api.get(name).await?;
            let condition = condition(&object).context("no condition yet")?;
            ensure!(
                condition["status"] == status
                    && condition["message"]
                        .as_str()
                        .unwrap_or_default()
                        .contains(text),
                "want {status} with {text:?}, is {condition}"
            );
            Ok(object)
        })
        .await
    }

    /// Waits until a Secret holds exactly these values.
    pub(crate) async fn holds(
        &self,
        name: &str,
        values: &[(&str, &str)],
    ) -> anyhow::Result<Secret> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        wait::until(format!("Secret {name}"), SOON, async || {
            let secret = api.get(name).await?;
            let data = secret.data.clone().unwrap_or_default();
            let found: Vec<(String, String)> = data
                .into_iter()
                .map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()))
                .collect();
            let wanted: Vec<(String, String)> = values
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            ensure!(found == wanted, "want {wanted:?}, is {found:?}");
            Ok(secret)
        })
        .await
    }

    /// A Secret as it is, if it exists.
    pub(crate) async fn secret(&self, name: &str) -> anyhow::Result<Option<Secret>> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        Ok(api.get_opt(name).await?)
    }

    /// The objects of a kind of `external-secrets.io/v1`.
    pub(crate) fn objects(&self, kind: &str) -> Api<DynamicObject> {
        let resource =
            ApiResource::from_gvk(&GroupVersionKind::gvk("external-secrets.io", "v1", kind));
        if kind.starts_with("Cluster") {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
        }
    }
}

/// The condition Ready of an object.
pub(crate) fn condition(object: &DynamicObject) -> Option<&serde_json::Value> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == "Ready")
}
