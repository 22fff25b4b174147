//! The chart, installed by Helm: what it installs suffices, upgrades leave the CA, uninstalling leaves data.

use std::net::{IpAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::support::control_plane::{ControlPlane, Options};
use crate::support::daemon::Daemon;
use crate::support::helm::{Helm, chart};
use crate::support::latchkey::binary;
use crate::support::{ports, wait};

const SOON: Duration = Duration::from_mins(1);
const NAMESPACE: &str = "ops";

const WORK: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: default}
spec: {provider: {fake: {data: [{key: app, value: '{\"hello\": \"world\"}'}]}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: app, namespace: default}
spec:
  secretStoreRef: {name: fake}
  dataFrom: [{extract: {key: app}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: store-users, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: latchkey-store-user}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccounts:default'}]
";
const POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: default
  annotations: {latchkey.dev/secret.app: 'secret://fake/app'}
spec:
  containers:
  - name: web
    image: none
    envFrom: [{secretRef: {name: app}}]
";

/// An address of this machine that the API server may be told of: loopback is not allowed in slices.
fn own_address() -> anyhow::Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // Chooses a route; nothing is sent.
    socket
        .connect("192.0.2.1:9")
        .context("this machine has no network")?;
    Ok(socket.local_addr()?.ip())
}

struct Installed {
    plane: ControlPlane,
    helm: Helm,
    values: Vec<String>,
    webhook: u16,
    probes: u16,
}

impl Installed {
    async fn new() -> anyhow::Result<Self> {
        let plane = ControlPlane::start(Options::default()).await?;
        let helm = Helm::new(&plane).await?;
        let [webhook, metrics, probes] = ports::free()?;
        let values = vec![
            format!("webhook.port={webhook}"),
            format!("metrics.listen.port={metrics}"),
            format!("probes.port={probes}"),
        ];
        Ok(Self {
            plane,
            helm,
            values,
            webhook,
            probes,
        })
    }

    async fn helm(&self, command: &[&str], more: &str) -> anyhow::Result<String> {
        let chart = chart()?;
        let values = self.values.join(",") + more;
        let mut args = command.to_vec();
        args.extend([chart.as_str(), "--namespace", NAMESPACE, "--set", &values]);
        self.helm.run(&args).await
    }

    async fn get(&self, args: &[&str]) -> anyhow::Result<Value> {
        let all = ["get", "-o", "json"].iter().chain(args);
        Ok(serde_json::from_str(&self.plane.kubectl().run(all).await?)?)
    }

    /// Runs what the Deployment says, as its account and by its arguments.
    async fn run(&self) -> anyhow::Result<Daemon> {
        let deployment = self
            .get(&["deployment", "latchkey", "-n", NAMESPACE])
            .await?;
        let spec = &deployment["spec"]["template"]["spec"];
        let account = spec["serviceAccountName"].as_str().context("an account")?;
        let args = spec["containers"][0]["args"].as_array().context("args")?;
        let token = ["create", "token", account, "-n", NAMESPACE];
        let token = self.plane.kubectl().run(token).await?;
        let kubeconfig = std::fs::read_to_string(self.plane.kubeconfig())?;
        let mut kubeconfig: Value = serde_json::from_str(&kubeconfig)?;
        kubeconfig["users"][0]["user"] = json!({"token": token.trim()});
        let kubeconfig = self
            .plane
            .workdir()
            .file("account.kubeconfig", kubeconfig.to_string())?;
        let mut command = Command::new(binary()?);
        command
            .args(args.iter().filter_map(Value::as_str))
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAMESPACE", NAMESPACE)
            .env("POD_NAME", "latchkey-0");
        let log = self.plane.workdir().path().join("latchkey.log");
        let mut daemon = Daemon::start("latchkey", &command, &log)?;
        let ready = format!("http://127.0.0.1:{}/readyz", self.probes);
        wait::until("latchkey", SOON, async || {
            daemon.check_running()?;
            reqwest::get(&ready).await?.error_for_status()?;
            Ok(())
        })
        .await?;
        Ok(daemon)
    }

    /// Stands in for the kubelet and the controllers that would have told where the pod is.
    async fn expose(&self) -> anyhow::Result<()> {
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "latchkey-webhook-test",
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": "latchkey-webhook"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [own_address()?], "conditions": {"ready": true}}],
            "ports": [{"name": "webhook", "port": self.webhook, "protocol": "TCP"}],
        });
        self.plane.kubectl().apply(&slice.to_string()).await?;
        Ok(())
    }

    async fn bundle(&self) -> anyhow::Result<String> {
        let kind = "mutatingwebhookconfiguration";
        let configuration = self.get(&[kind, "latchkey.dev"]).await?;
        let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str();
        Ok(bundle.context("no caBundle")?.to_owned())
    }

    async fn secret(&self, namespace: &str, name: &str) -> anyhow::Result<Value> {
        let secret = self.get(&["secret", name, "-n", namespace]).await?;
        Ok(json!([secret["metadata"]["uid"], secret["data"]]))
    }
}

#[tokio::test]
async fn the_chart_is_accepted_strictly() -> anyhow::Result<()> {
    let installed = Installed::new().await?;
    installed.helm.run(&["lint", "--strict", &chart()?]).await?;
    let kubectl = installed.plane.kubectl();
    kubectl.run(["create", "namespace", NAMESPACE]).await?;
    let dry_run = [
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "--server-side",
        "-f",
        "-",
    ];
    for more in [
        "",
        ",replicaCount=1,leaderElect=false,webhook.tlsSecretName=tls",
        ",webhook.create=false",
        ",replicaCount=0,installCRDs=false,controllerClass=latchkey,requireControllerClass=true,deploymentAnnotations.a=b",
        ",serviceMonitor.enabled=true",
    ] {
        let rendered = installed.helm(&["template", "latchkey"], more).await?;
        kubectl.run_with_input(dry_run, &rendered).await?;
        // The schemas of CRDs have fields of that name.
        let documents = rendered.split("\n---");
        let mut ours = documents.filter(|text| !text.contains("kind: CustomResourceDefinition"));
        let owns_ca = ours.any(|text| text.contains("caBundle:"));
        ensure!(!owns_ca, "Helm must not own the CA");
    }
    for wrong in [
        ",replicaCount=-1",
        ",replicacount=2",
        ",drainDelaySeconds=25",
        ",leaderElect=false",
        ",serviceMonitor.enabled=true,serviceMonitor.renderMode=failIfMissing",
    ] {
        let outcome = installed.helm(&["template", "latchkey"], wrong).await;
        ensure!(outcome.is_err(), "{wrong} was accepted");
    }
    Ok(())
}

#[tokio::test]
async fn a_service_monitor_is_made_where_its_kind_is_known() -> anyhow::Result<()> {
    let installed = Installed::new().await?;
    let monitor = ",serviceMonitor.enabled=true,serviceMonitor.interval=15s,\
                   serviceMonitor.additionalLabels.team=x,metrics.service.port=9100";
    let rendered = async |known: &[&str], more: &str| -> anyhow::Result<Vec<Value>> {
        let command = [&["template", "latchkey"], known].concat();
        let text = installed.helm(&command, more).await?;
        let documents = text
            .split("\n---")
            .filter(|text| text.contains("kind: ServiceMonitor") || text.contains("-metrics\n"));
        let parsed = documents.map(|text| Ok(serde_saphyr::from_str(text)?));
        parsed.collect()
    };
    ensure!(
        rendered(&[], "").await?.is_empty(),
        "they are off unless asked for"
    );
    ensure!(
        rendered(&[], monitor).await?.len() == 1,
        "the kind is not known"
    );
    let known = ["--api-versions", "monitoring.coreos.com/v1"];
    let [service, monitor] = &rendered(&known, monitor).await?[..] else {
        anyhow::bail!("a Service and a ServiceMonitor");
    };
    ensure!(service["kind"] == "Service" && monitor["kind"] == "ServiceMonitor");
    ensure!(monitor["metadata"]["labels"]["team"] == "x");
    ensure!(monitor["spec"]["endpoints"][0]["interval"] == "15s");
    let port = &service["spec"]["ports"][0];
    ensure!(port["port"] == 9100 && port["name"] == monitor["spec"]["endpoints"][0]["port"]);
    let wanted = monitor["spec"]["selector"]["matchLabels"].as_object();
    for (label, value) in wanted.context("a selector")? {
        ensure!(service["metadata"]["labels"][label] == *value, "{label}");
    }
    Ok(())
}

#[tokio::test]
async fn the_chart_installs_what_suffices_and_uninstalls_no_data() -> anyhow::Result<()> {
    let installed = Installed::new().await?;
    let kubectl = installed.plane.kubectl();
    installed
        .helm(&["install", "latchkey", "--create-namespace"], "")
        .await?;
    let mut daemon = installed.run().await?;
    installed.expose().await?;

    kubectl.apply(WORK).await?;
    wait::until("the ExternalSecret's Secret", SOON, async || {
        installed.secret("default", "app").await
    })
    .await?;
    wait::until("the pod to be admitted", SOON, async || {
        kubectl.apply(POD).await
    })
    .await?;
    let pod = installed.get(&["pod", "web"]).await?;
    let name = pod["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"].as_str();
    let name = name.context("a name")?;
    ensure!(name.starts_with("inj-app-"), "{name}");
    wait::until("the pod's Secret", SOON, async || {
        installed.secret("default", name).await
    })
    .await?;
    let log = std::fs::read_to_string(daemon.log())?;
    // Digits alone would be found in times, too.
    for word in ["code: 403", "HTTP 403", "orbidden"] {
        let line = log.lines().find(|line| line.contains(word));
        ensure!(line.is_none(), "the account lacks a right: {line:?}");
    }

    let kept = async || -> anyhow::Result<Value> {
        let ca = installed.secret(NAMESPACE, "latchkey-webhook-ca").await?;
        let key = installed
            .secret(NAMESPACE, "latchkey-injection-key")
            .await?;
        let app = installed.secret("default", "app").await?;
        let pods = installed.secret("default", name).await?;
        Ok(json!([ca, key, app, pods]))
    };
    let before = (kept().await?, installed.bundle().await?);
    daemon.stop()?;
    // Nobody is there to repair what an upgrade breaks.
    installed
        .helm(
            &["upgrade", "latchkey"],
            ",concurrent=4,webhook.annotations.team=x",
        )
        .await?;
    ensure!(
        (kept().await?, installed.bundle().await?) == before,
        "the upgrade changed data"
    );
    let kind = "mutatingwebhookconfiguration";
    let configuration = installed.get(&[kind, "latchkey.dev"]).await?;
    ensure!(configuration["metadata"]["annotations"]["team"] == "x");

    let uninstall = ["uninstall", "latchkey", "--namespace", NAMESPACE];
    installed.helm.run(&uninstall).await?;
    ensure!(kept().await? == before.0, "uninstalling changed data");
    installed.get(&["externalsecret", "app"]).await?;
    ensure!(installed.get(&[kind, "latchkey.dev"]).await.is_err());
    Ok(())
}
