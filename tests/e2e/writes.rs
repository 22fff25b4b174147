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

#[tokio::test]
async fn a_first_sync_costs_two_writes_and_an_unchanged_refresh_none() -> anyhow::Result<()> {
    // A control plane of its own: nobody else may write while we count.
    let plane = ControlPlane::start(Options::default()).await?;
    plane.install_crds().await?;
    plane.kubectl().apply(FURNITURE).await?;
    let logs = plane.workdir().path();
    let esc = EscServer::start(logs, ORGANIZATION, TOKEN).await?;
    esc.env(&["init", &format!("{ORGANIZATION}/count/dev")], "")
        .await?;
    let values = "values: {app: {hello: world, token: {fn::secret: t}}}\n";
    esc.env(
        &["edit", &format!("{ORGANIZATION}/count/dev"), "-f", "-"],
        values,
    )
    .await?;
    let options = RunOptions {
        esc_url: Some(esc.url()),
        ..RunOptions::default()
    };
    let latchkey = Latchkey::start("latchkey", plane.kubeconfig(), logs, &options).await?;
    let kubectl = plane.kubectl();
    kubectl
        .apply(
            &STORE
                .replace("TOKEN}", &format!("{TOKEN}}}"))
                .replace("ORG", ORGANIZATION),
        )
        .await?;
    kubectl
        .run(["wait", "css/esc", "--for=condition=Ready", "--timeout=30s"])
        .await?;

    let start = count(&plane, &esc, &latchkey).await?;
    kubectl.apply(&manifest()).await?;
    kubectl
        .run([
            "wait",
            "es",
            "--all",
            "--for=condition=Ready",
            "--timeout=60s",
        ])
        .await?;
    // Each object has had its first sync; the applies themselves are writes of ExternalSecrets.
    let first = count(&plane, &esc, &latchkey).await?;
    assert_eq!(
        first.secrets - start.secrets,
        OBJECTS,
        "one write of the Secret"
    );
    assert_eq!(
        first.statuses - start.statuses,
        OBJECTS,
        "one write of the status"
    );
    assert_eq!(
        first.objects - start.objects,
        OBJECTS,
        "no write of the object but kubectl's"
    );

    let enough = first.syncs + as_float(REFRESHES * OBJECTS);
    wait::until("three refreshes", Duration::from_mins(2), async || {
        let syncs = latchkey
            .metrics()
            .await?
            .sum("externalsecret_sync_calls_total", &[]);
        ensure!(syncs >= enough, "{syncs} of {enough} syncs");
        Ok(())
    })
    .await?;
    let last = count(&plane, &esc, &latchkey).await?;
    assert_eq!(last.secrets - first.secrets, 0, "no write of a Secret");
    assert_eq!(last.statuses - first.statuses, 0, "no write of a status");
    assert_eq!(last.objects - first.objects, 0, "no write of an object");
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
