//! The article's scenario: an environment, a store, a Secret that follows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::cluster::{Cluster, TOKEN_NAMESPACE, WEBHOOK_HOST};
use crate::progress::{self, step};
use crate::support::control_plane::{client, install_crds};
use crate::support::daemon::tail;
use crate::support::latchkey::{EscServer, Latchkey, OWN_NAMESPACE, RunOptions};
use crate::support::node::Node;
use crate::support::{repository, wait};

const ORGANIZATION: &str = "acme";
const ENVIRONMENT: &str = "acme/eso-to-esc-app/dev";
const DEFINITION: &str = "\
values:
  app:
    hello: world
    hello-secret:
      fn::secret: world
";
/// The Secret that the example's ExternalSecret makes, named after it.
const SECRET: &str = "esc-secret-store";
/// Time for the first sync, which waits for no interval.
const SYNC_WITHIN: Duration = Duration::from_secs(30);
/// The example's refresh interval, and as much again for a machine that is busy.
const FOLLOW_WITHIN: Duration = Duration::from_secs(20);

/// The two manifests of the article.
pub(crate) fn example() -> PathBuf {
    repository().join("manifests/examples/esc-article.yaml")
}

/// Everything that runs. Dropped in this order: each before what it talks to.
pub(crate) struct Stage {
    latchkey: Latchkey,
    esc: EscServer,
    client: kube::Client,
    node: Option<Node>,
    cluster: Cluster,
}

impl Stage {
    /// Starts the ESC server and latchkey beside the cluster.
    pub(crate) async fn set(cluster: Cluster, node: Option<Node>) -> anyhow::Result<Self> {
        progress::chapter("latchkey");
        let kubectl = cluster.kubectl();
        let workdir = cluster.workdir().path().to_owned();
        let token = format!("pul-{}", uuid::Uuid::new_v4().simple());
        let esc = EscServer::start(&workdir, ORGANIZATION, &token);
        let esc = step("starting `latchkey esc serve`", esc).await?;
        step("installing the CRDs", install_crds(&kubectl)).await?;
        for namespace in [OWN_NAMESPACE, TOKEN_NAMESPACE] {
            let object =
                format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}");
            kubectl.apply(&object).await?;
        }
        kubectl
            .apply(include_str!("../../manifests/webhooks/store-user.yaml"))
            .await?;
        let secret = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "pulumi-access-token", "namespace": TOKEN_NAMESPACE},
            "stringData": {"PULUMI_ACCESS_TOKEN": token},
        });
        kubectl.apply(&secret.to_string()).await?;
        let host = std::env::var_os(WEBHOOK_HOST).and_then(|host| host.into_string().ok());
        let options = RunOptions {
            esc_url: Some(esc.url()),
            webhook_host: host.as_deref(),
            flags: &[],
            webhook_url: None,
        };
        let kubeconfig = cluster.kubeconfig();
        let latchkey = Latchkey::start("latchkey", &kubeconfig, &workdir, &options);
        let latchkey = step("starting `latchkey run`, operator and webhook", latchkey).await?;
        Ok(Self {
            latchkey,
            esc,
            client: client(&kubeconfig).await?,
            node,
            cluster,
        })
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Whether pods run.
    pub(crate) fn has_node(&self) -> bool {
        self.node.is_some()
    }

    /// A client for the cluster.
    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Creates the environment in the embedded store.
    pub(crate) async fn create_environment(&self) -> anyhow::Result<()> {
        progress::chapter("An environment in the store");
        let file = self.cluster.workdir().file("dev.yaml", DEFINITION)?;
        let file = file
            .to_str()
            .context("the temporary folder's path must be UTF-8")?;
        progress::command(format!("latchkey esc env init {ENVIRONMENT}"));
        self.esc.env(&["init", ENVIRONMENT], "").await?;
        progress::command(format!("latchkey esc env edit {ENVIRONMENT} -f dev.yaml"));
        self.esc.env(&["edit", ENVIRONMENT, "-f", file], "").await?;
        progress::show(DEFINITION);
        Ok(())
    }

    /// Applies the example as it stands and waits for its Secret; returns the seconds that took.
    pub(crate) async fn sync(&self) -> anyhow::Result<f64> {
        progress::chapter("A store and an ExternalSecret, as the article has them");
        let example = example();
        progress::command("kubectl apply -f manifests/examples/esc-article.yaml");
        let file = example
            .to_str()
            .context("the checkout's path must be UTF-8")?;
        let applied = self.cluster.kubectl().run(["apply", "-f", file]).await?;
        progress::show(applied);
        let seconds = self.wait_for("world", SYNC_WITHIN).await?;
        self.show_secret().await?;
        Ok(seconds)
    }

    /// Changes the value in the store and waits until the Secret has it; returns the seconds that took.
    pub(crate) async fn follow(&self, value: &str) -> anyhow::Result<f64> {
        progress::chapter(format!("The value changes in the store: hello={value}"));
        progress::command(format!(
            "latchkey esc env set {ENVIRONMENT} app.hello {value}"
        ));
        self.esc
            .env(&["set", ENVIRONMENT, "app.hello", value], "")
            .await?;
        let seconds = self.wait_for(value, FOLLOW_WITHIN).await?;
        self.show_secret().await?;
        Ok(seconds)
    }

    async fn wait_for(&self, value: &str, limit: Duration) -> anyhow::Result<f64> {
        let started = Instant::now();
        let what = format!("waiting for hello={value} in the Secret {SECRET}");
        let look = wait::until("the Secret", limit, async || {
            let found = read_secret(self.client(), SECRET).await?;
            let hello = found.get("hello").map(String::as_str);
            ensure!(hello == Some(value), "the Secret says hello={hello:?}");
            Ok(())
        });
        step(what, look).await?;
        Ok(started.elapsed().as_secs_f64())
    }

    async fn show_secret(&self) -> anyhow::Result<()> {
        progress::command(format!("kubectl get secret {SECRET}   # decoded"));
        show_pairs(&read_secret(self.client(), SECRET).await?);
        Ok(())
    }

    /// What one wants to see when something went wrong; shows no Secret's content.
    pub(crate) async fn picture(&self) -> String {
        let mut picture = String::new();
        for args in [
            "get clustersecretstores,externalsecrets -A -o yaml",
            "get events,pods,secrets -n default",
        ] {
            let answer = self.cluster.kubectl().run(args.split(' ')).await;
            let text = answer.unwrap_or_else(|error| format!("{error:#}"));
            writeln!(picture, "--- kubectl {args}\n{text}").ok();
        }
        let node = self.node.iter().flat_map(Node::logs);
        for log in [self.latchkey.log(), self.esc.log()]
            .into_iter()
            .chain(node)
        {
            writeln!(picture, "--- end of {}\n{}", log.display(), tail(log, 40)).ok();
        }
        picture
    }
}

/// The decoded content of a Secret of the namespace `default`, read through the Kubernetes API.
pub(crate) async fn read_secret(
    client: kube::Client,
    name: &str,
) -> anyhow::Result<BTreeMap<String, String>> {
    let secret = Api::<Secret>::namespaced(client, "default")
        .get(name)
        .await?;
    let data = secret.data.unwrap_or_default().into_iter();
    data.map(|(key, value)| Ok((key, String::from_utf8(value.0)?)))
        .collect()
}

/// Shows `key=value` lines.
pub(crate) fn show_pairs(pairs: &BTreeMap<String, String>) {
    for (key, value) in pairs {
        progress::show(format!("{key}={value}"));
    }
}
