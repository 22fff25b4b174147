//! How many requests latchkey makes, counted by the API server and by the ESC server.

use std::time::Duration;

use anyhow::ensure;

use crate::support::control_plane::{ControlPlane, Options};
use crate::support::latchkey::{EscServer, Latchkey, RunOptions};
use crate::support::metrics::{
    EXTERNAL_SECRET_STATUS, EXTERNAL_SECRETS, Resource, SECRETS, Samples,
};
use crate::support::wait;
use crate::world::{FURNITURE, ORGANIZATION, TOKEN};

const OBJECTS: u64 = 100;
const REFRESHES: u64 = 3;
const EVENTS: Resource<'static> = Resource {
    group: "events.k8s.io",
    plural: "events",
    subresource: "",
};

fn manifest() -> String {
    use std::fmt::Write as _;
    let mut manifest = String::new();
    for i in 0..OBJECTS {
        write!(
            manifest,
            "---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: app-{i}, namespace: default}}
spec:
  refreshInterval: 6s
  secretStoreRef: {{kind: ClusterSecretStore, name: esc}}
  dataFrom: [{{extract: {{key: app}}}}]
  data: [{{secretKey: one, remoteRef: {{key: app.hello}}}}]
"
        )
        .expect("writing to a String must succeed");
    }
    manifest
}

const STORE: &str = "
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: default}
stringData: {token: TOKEN}
---
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: esc}
spec:
  provider:
    pulumi:
      organization: ORG
      project: count
      environment: dev
      accessToken: {secretRef: {name: token, key: token, namespace: default}}
";

struct Counts {
    secrets: u64,
    statuses: u64,
    objects: u64,
    events: u64,
    opens: f64,
    syncs: f64,
}

async fn count(
    plane: &ControlPlane,
    esc: &EscServer,
    latchkey: &Latchkey,
) -> anyhow::Result<Counts> {
    let api = plane.metrics().await?;
    let opens: Samples = esc.metrics().await?;
    ensure!(
        opens.knows("latchkey_esc_requests_total"),
        "the ESC server must count its requests"
    );
    Ok(Counts {
        secrets: api.api_writes(SECRETS),
        statuses: api.api_writes(EXTERNAL_SECRET_STATUS),
        objects: api.api_writes(EXTERNAL_SECRETS),
        events: api.api_writes(EVENTS),
        opens: opens.sum("latchkey_esc_requests_total", &[("operation", "open")]),
        syncs: latchkey
            .metrics()
            .await?
            .sum("externalsecret_sync_calls_total", &[]),
    })
}

/// A cluster of its own, so that nobody else writes while we count.
struct Cluster {
    plane: ControlPlane,
    esc: EscServer,
    latchkey: Latchkey,
}

impl Cluster {
    async fn start() -> anyhow::Result<Self> {
        let plane = ControlPlane::start(Options::default()).await?;
        plane.install_crds().await?;
        plane.kubectl().apply(FURNITURE).await?;
        let logs = plane.workdir().path();
        let esc = EscServer::start(logs, ORGANIZATION, TOKEN).await?;
        let environment = format!("{ORGANIZATION}/count/dev");
        esc.env(&["init", &environment], "").await?;
        let values = "values: {app: {hello: world, token: {fn::secret: t}}}\n";
        esc.env(&["edit", &environment, "-f", "-"], values).await?;
        let options = RunOptions {
            esc_url: Some(esc.url()),
            ..RunOptions::default()
        };
        let latchkey = Latchkey::start("latchkey", plane.kubeconfig(), logs, &options).await?;
        let store = STORE
            .replace("TOKEN}", &format!("{TOKEN}}}"))
            .replace("ORG", ORGANIZATION);
        let kubectl = plane.kubectl();
        kubectl.apply(&store).await?;
        kubectl
            .run(["wait", "css/esc", "--for=condition=Ready", "--timeout=30s"])
            .await?;
        Ok(Self {
            plane,
            esc,
            latchkey,
        })
    }

    async fn count(&self) -> anyhow::Result<Counts> {
        count(&self.plane, &self.esc, &self.latchkey).await
    }
}

#[tokio::test]
async fn a_first_sync_costs_two_writes_and_an_unchanged_refresh_none() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let kubectl = cluster.plane.kubectl();
    let start = cluster.count().await?;
    kubectl.apply(&manifest()).await?;
    let ready = "--for=condition=Ready";
    kubectl
        .run(["wait", "es", "--all", ready, "--timeout=60s"])
        .await?;
    // Each object has had its first sync; the applies themselves are writes of ExternalSecrets.
    let first = cluster.count().await?;
    let (secrets, statuses) = (first.secrets, first.statuses);
    assert_eq!(secrets - start.secrets, OBJECTS, "one write of the Secret");
    assert_eq!(
        statuses - start.statuses,
        OBJECTS,
        "one write of the status"
    );
    let objects = first.objects - start.objects;
    assert_eq!(objects, OBJECTS, "no write of the object but kubectl's");

    let enough = first.syncs + as_float(REFRESHES * OBJECTS);
    wait::until("three refreshes", Duration::from_mins(2), async || {
        let metrics = cluster.latchkey.metrics().await?;
        let syncs = metrics.sum("externalsecret_sync_calls_total", &[]);
        ensure!(syncs >= enough, "{syncs} of {enough} syncs");
        Ok(())
    })
    .await?;
    let last = cluster.count().await?;
    assert_eq!(last.secrets, first.secrets, "no write of a Secret");
    assert_eq!(last.statuses, first.statuses, "no write of a status");
    assert_eq!(last.objects, first.objects, "no write of an object");
    assert_eq!(
        last.events - start.events,
        OBJECTS,
        "one Event an object, and none for a refresh"
    );
    let windows = ((last.syncs - first.syncs) / as_float(OBJECTS)).ceil();
    let opens = last.opens - first.opens;
    assert!(
        opens <= windows,
        "{opens} opens in {windows} refresh windows"
    );
    assert!(opens > 0.0, "the environment must have been opened");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
fn as_float(count: u64) -> f64 {
    count as f64
}
