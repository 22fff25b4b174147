//! Pods that keep values in memory, on a real API server: its tokens, its reviews, and the agent itself,
//! run beside the cluster as the pod says.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::latchkey::binary;
use crate::support::wait;
use crate::world::{Place, SOON, World, world};

const STORE: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: NS}
spec: {provider: {fake: {data: [{key: app, value: '{\"hello\": \"VALUE\"}'}]}}}
";
const PERMISSION: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: store-users, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: latchkey-store-user}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccounts:NS'}]
";
const POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: edge
  namespace: NS
  annotations:
    latchkey.dev/secret.app: secret://fake/app
    latchkey.dev/mode: memory
    latchkey.dev/refresh: 1s
spec:
  containers:
  - {name: web, image: 'test.local/none:1', volumeMounts: [{name: app, mountPath: /app}]}
  volumes: [{name: app, secret: {secretName: app}}]
";

/// The live pod as JSON.
async fn live(place: &Place) -> anyhow::Result<Value> {
    let api: Api<Pod> = Api::namespaced(place.client.clone(), &place.namespace);
    Ok(serde_json::to_value(api.get("edge").await?)?)
}

/// A token of the pod's account with more flags of `kubectl create token`.
async fn token(place: &Place, flags: &[&str]) -> anyhow::Result<String> {
    let create = ["create", "token", "default", "-n", &place.namespace];
    let token = place.kubectl.run(create.iter().chain(flags)).await?;
    Ok(token.trim().to_owned())
}

async fn bound_token(place: &Place, pod: &Value, audience: &str) -> anyhow::Result<String> {
    let uid = pod["metadata"]["uid"].as_str().context("a uid")?;
    let bound = ["--bound-object-kind=Pod", "--bound-object-name=edge"];
    let uid = format!("--bound-object-uid={uid}");
    let audience = format!("--audience={audience}");
    token(place, &[bound[0], bound[1], &uid, &audience]).await
}

/// An agent of the pod, with its folder.
struct Agent {
    daemon: Daemon,
    root: PathBuf,
}

impl Agent {
    /// Runs what the pod's agent would.
    fn start(dir: &Path, pod: &Value, token: &str) -> anyhow::Result<Self> {
        let container = &pod["spec"]["initContainers"][0];
        ensure!(container["name"] == "inj-agent", "{container}");
        let root = dir.join("inj");
        std::fs::create_dir_all(root.join("app"))?;
        let token_file = dir.join("token");
        std::fs::write(&token_file, token)?;
        let args = container["args"].as_array().context("args")?;
        let trust = &container["env"][0];
        let text = |value: &Value| value.as_str().map(str::to_owned).context("text");
        let mut command = Command::new(binary()?);
        for arg in args {
            command.arg(text(arg)?);
        }
        command
            .arg("--root")
            .arg(&root)
            .arg("--token-file")
            .arg(&token_file)
            .env(text(&trust["name"])?, text(&trust["value"])?);
        let daemon = Daemon::start("agent", &command, &dir.join("agent.log"))?;
        Ok(Self { daemon, root })
    }

    async fn holds(&self, value: &str) -> anyhow::Result<()> {
        let file = self.root.join("app/hello");
        wait::until(format!("{value} in the volume"), SOON, async || {
            let held = std::fs::read_to_string(&file)?;
            ensure!(held == value, "it is {held}");
            Ok(())
        })
        .await
    }

    fn is_ready(&self) -> anyhow::Result<bool> {
        let mut ready = Command::new(binary()?);
        let ready = ready.args(["agent", "ready", "--root"]).arg(&self.root);
        Ok(ready.output()?.status.success())
    }
}

async fn admitted(place: &Place) -> anyhow::Result<Value> {
    place.apply(&STORE.replace("VALUE", "world")).await?;
    place.apply(PERMISSION).await?;
    place
        .ready("SecretStore", "fake", "True", "store validated")
        .await?;
    // A fresh RoleBinding takes the API server's authoriser a moment.
    wait::until("the pod to be admitted", SOON, async || {
        place.apply(POD).await.map(drop)
    })
    .await?;
    live(place).await
}

/// Asks as an agent would; answers the status and the body.
async fn ask(world: &World, pod: &Value, token: &str) -> anyhow::Result<(u16, Value)> {
    let trust = pod["spec"]["initContainers"][0]["env"][0]["value"].as_str();
    let trust = reqwest::Certificate::from_pem_bundle(trust.context("CAs")?.as_bytes())?;
    let client = reqwest::Client::builder()
        .tls_certs_only(trust)
        .no_proxy()
        .build()?;
    let told = pod["spec"]["initContainers"][0]["args"].as_array();
    let told = told.context("args")?.iter().filter_map(Value::as_str);
    let mut told = told.filter_map(|arg| arg.strip_prefix("--secret="));
    let told: Value = serde_json::from_str(told.next_back().context("a delivery")?)?;
    let url = format!("{}/v1/pod-secrets", world.latchkey.webhook_url());
    let request = client.post(url).bearer_auth(token);
    let response = request
        .json(&json!({"secrets": [told["name"]]}))
        .send()
        .await?;
    Ok((response.status().as_u16(), response.json().await?))
}

#[tokio::test]
async fn an_agent_gets_the_values_follows_them_and_keeps_them_when_the_permission_goes()
-> anyhow::Result<()> {
    let world = world().await?;
    let body = async |place: &Place| {
        let pod = admitted(place).await?;
        let dir = world
            .plane
            .workdir()
            .folder(&format!("agent-{}", place.namespace))?;
        let token = bound_token(place, &pod, "latchkey.dev").await?;
        let mut agent = Agent::start(&dir, &pod, &token)?;
        agent.holds("world").await?;
        ensure!(agent.is_ready()?);
        place.apply(&STORE.replace("VALUE", "moon")).await?;
        agent.holds("moon").await?;
        let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
        let made = secrets.list(&ListParams::default()).await?;
        let values = serde_json::to_string(&made)?;
        ensure!(made.items.is_empty(), "nothing is in etcd: {values}");

        let delete = [
            "delete",
            "rolebinding",
            "store-users",
            "-n",
            &place.namespace,
        ];
        place.kubectl.run(delete).await?;
        let events: Api<Event> = Api::namespaced(place.client.clone(), &place.namespace);
        wait::until("an Event about the permission", SOON, async || {
            let events = events.list(&ListParams::default()).await?;
            let told = events.items.iter().any(|event| {
                event.reason.as_deref() == Some("InjectionFailed")
                    && event.involved_object.name.as_deref() == Some("edge")
                    && event
                        .message
                        .as_deref()
                        .is_some_and(|note| note.contains("may not use it"))
            });
            ensure!(told, "not yet");
            Ok(())
        })
        .await?;
        place.apply(&STORE.replace("VALUE", "mars")).await?;
        agent.holds("moon").await?;
        agent.daemon.check_running()?;
        agent.daemon.stop()?;
        Ok(())
    };
    world.run("memory", body).await
}

#[tokio::test]
async fn tokens_that_are_not_the_pods_own_and_for_us_are_refused() -> anyhow::Result<()> {
    let world = world().await?;
    let body = async |place: &Place| {
        let pod = admitted(place).await?;
        let right = bound_token(place, &pod, "latchkey.dev").await?;
        let (status, body) = ask(world, &pod, &right).await?;
        ensure!(status == 200, "{body}");
        ensure!(
            body["trust"]
                .as_str()
                .is_some_and(|pem| pem.contains("BEGIN CERTIFICATE"))
        );

        let unbound = token(place, &["--audience=latchkey.dev"]).await?;
        let elsewhere = bound_token(place, &pod, "https://kubernetes.default.svc").await?;
        let forged = {
            let (head, signature) = right.rsplit_once('.').context("a token has parts")?;
            let flipped: String = signature.chars().rev().collect();
            format!("{head}.{flipped}")
        };
        for (what, token) in [
            ("unbound", unbound),
            ("elsewhere", elsewhere),
            ("forged", forged),
        ] {
            let (status, body) = ask(world, &pod, &token).await?;
            ensure!(status == 401, "{what}: {status} {body}");
        }

        let edited = [
            "annotate",
            "pod",
            "edge",
            "-n",
            &place.namespace,
            "--overwrite",
            "latchkey.dev/secret.app=secret://fake/other",
        ];
        place.kubectl.run(edited).await?;
        let (status, body) = ask(world, &pod, &right).await?;
        ensure!(
            status == 200 && body.to_string().contains("make the pod anew"),
            "{body}"
        );

        let pods: Api<Pod> = Api::namespaced(place.client.clone(), &place.namespace);
        pods.delete("edge", &DeleteParams::default().grace_period(0))
            .await?;
        wait::until("the token to die with its pod", SOON, async || {
            let (status, body) = ask(world, &pod, &right).await?;
            ensure!(matches!(status, 401 | 403), "{status} {body}");
            Ok(())
        })
        .await
    };
    world.run("tokens", body).await
}
