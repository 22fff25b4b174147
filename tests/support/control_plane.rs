//! A real Kubernetes control plane on loopback: etcd, API server, controllers.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::daemon::Daemon;
use super::kubectl::Kubectl;
use super::metrics::Samples;
use super::pki::Pki;
use super::workdir::Workdir;
use super::{ports, script, wait};

/// How long a part may take to become ready: two seconds are usual, a loaded machine needs more.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// Bearer token of an administrator; the API server listens on loopback or in a namespace of its own.
const ADMIN_TOKEN: &str = "control-plane-admin";

/// What to start beyond etcd, the API server and the controller manager.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Start kube-scheduler too.
    pub(crate) scheduler: bool,
    /// Listen on every address and tell nodes to use this one, instead of loopback only.
    pub(crate) node_address: Option<Ipv4Addr>,
}

/// A running control plane; dropping it ends and removes everything.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    // Dropped in this order: each before what it talks to, the folder last.
    daemons: Vec<Daemon>,
    programs: PathBuf,
    kubeconfig: PathBuf,
    url: String,
    http: reqwest::Client,
    workdir: Workdir,
}

impl ControlPlane {
    /// Starts one and waits until it serves requests and has its default namespaces and accounts.
    pub(crate) async fn start(options: Options) -> anyhow::Result<Self> {
        let programs = tokio::task::spawn_blocking(build).await??;
        let workdir = Workdir::new("latchkey-cluster-")?;
        let [etcd_port, etcd_peer_port, port] = ports::free()?;
        let url = format!("https://127.0.0.1:{port}");
        let pki = Pki::generate(options.node_address.as_slice())?;
        let kubeconfig = write_files(&workdir, &pki, &url)?;
        let mut plane = Self {
            daemons: Vec::new(),
            programs,
            kubeconfig,
            url,
            http: http_client(&pki)?,
            workdir,
        };
        plane.start_etcd(etcd_port, etcd_peer_port).await?;
        plane.start_api_server(etcd_port, port, options).await?;
        plane.start_controllers(options)?;
        plane.wait_for_default_account().await?;
        Ok(plane)
    }

    /// kubectl for this control plane.
    pub(crate) fn kubectl(&self) -> Kubectl {
        Kubectl::new(self.programs.join("kubectl"), self.kubeconfig.clone())
    }

    /// A kubeconfig file with every right.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client with every right, for the calling test's runtime.
    pub(crate) async fn client(&self) -> anyhow::Result<kube::Client> {
        client(&self.kubeconfig).await
    }

    /// A program of the control plane's binary, such as `kubelet`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Folder for files that may go when the control plane does.
    pub(crate) fn workdir(&self) -> &Workdir {
        &self.workdir
    }

    /// The API server's own counters, as of now.
    pub(crate) async fn metrics(&self) -> anyhow::Result<Samples> {
        Samples::parse(&self.read("/metrics").await?)
    }

    /// Applies the generated CRDs with client-side apply and waits until each is served.
    pub(crate) async fn install_crds(&self) -> anyhow::Result<()> {
        install_crds(&self.kubectl()).await
    }

    async fn start_etcd(&mut self, port: u16, peer_port: u16) -> anyhow::Result<()> {
        let client = format!("http://127.0.0.1:{port}");
        let peer = format!("http://127.0.0.1:{peer_port}");
        let mut etcd = Command::new(self.program("etcd"));
        etcd.args(["--name", "only", "--unsafe-no-fsync"])
            .arg("--data-dir")
            .arg(self.workdir.path().join("etcd"))
            .args(["--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("only={peer}")]);
        let etcd = self.start_daemon("etcd", &etcd)?;
        let health = format!("{client}/health");
        wait::until("etcd", READY_WITHIN, async || {
            etcd.check_running()?;
            reqwest::get(&health).await?.error_for_status()?;
            Ok(())
        })
        .await
    }

    async fn start_api_server(
        &mut self,
        etcd_port: u16,
        port: u16,
        options: Options,
    ) -> anyhow::Result<()> {
        let dir = self.workdir.path();
        let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
        let mut server = Command::new(self.program("kube-apiserver"));
        server
            .arg(format!("--etcd-servers=http://127.0.0.1:{etcd_port}"))
            .arg(format!("--secure-port={port}"))
            .arg(file("tls-cert-file", "server.crt"))
            .arg(file("tls-private-key-file", "server.key"))
            .arg(file("token-auth-file", "tokens.csv"))
            .arg(file("service-account-key-file", "accounts.pub"))
            .arg(file("service-account-signing-key-file", "accounts.key"))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg("--service-cluster-ip-range=10.96.0.0/16")
            .arg("--authorization-mode=Node,RBAC")
            .arg("--allow-privileged=true")
            // Webhooks behind a Service are called at their endpoints, without kube-proxy.
            .arg("--enable-aggregator-routing=true");
        match options.node_address {
            Some(address) => server
                .arg("--bind-address=0.0.0.0")
                // Nobody resolves the names of nodes here; logs are read at the address.
                .arg("--kubelet-preferred-address-types=InternalIP")
                .arg(format!("--advertise-address={address}")),
            // Without nodes nobody needs the API server's own Service, and so no address of this machine.
            None => server
                .arg("--bind-address=127.0.0.1")
                .arg("--advertise-address=127.0.0.1")
                .arg("--endpoint-reconciler-type=none"),
        };
        self.start_daemon("kube-apiserver", &server)?;
        let ready = format!("{}/readyz", self.url);
        let http = self.http.clone();
        let daemon = self.daemons.first_mut().context("must be started")?;
        wait::until("the API server", READY_WITHIN, async || {
            daemon.check_running()?;
            http.get(&ready).send().await?.error_for_status()?;
            Ok(())
        })
        .await
    }

    fn start_controllers(&mut self, options: Options) -> anyhow::Result<()> {
        let dir = self.workdir.path();
        let mut controllers = Command::new(self.program("kube-controller-manager"));
        controllers
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .arg(format!(
                "--service-account-private-key-file={}",
                dir.join("accounts.key").display()
            ))
            .arg(format!("--root-ca-file={}", dir.join("ca.crt").display()))
            .args([
                "--use-service-account-credentials=true",
                "--leader-elect=false",
            ])
            .arg("--secure-port=0");
        self.start_daemon("kube-controller-manager", &controllers)?;
        if options.scheduler {
            let mut scheduler = Command::new(self.program("kube-scheduler"));
            scheduler
                .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
                .args(["--leader-elect=false", "--secure-port=0"]);
            self.start_daemon("kube-scheduler", &scheduler)?;
        }
        Ok(())
    }

    /// Pods are refused until the controllers have made the namespace's account.
    async fn wait_for_default_account(&mut self) -> anyhow::Result<()> {
        let (http, daemons) = (self.http.clone(), &mut self.daemons);
        let account = format!(
            "{}/api/v1/namespaces/default/serviceaccounts/default",
            self.url
        );
        wait::until("the default service account", READY_WITHIN, async || {
            daemons.iter_mut().try_for_each(Daemon::check_running)?;
            http.get(&account).send().await?.error_for_status()?;
            Ok(())
        })
        .await
    }

    async fn read(&self, path: &str) -> anyhow::Result<String> {
        let response = self.http.get(format!("{}{path}", self.url)).send().await?;
        Ok(response.error_for_status()?.text().await?)
    }

    /// The newest goes first, so that programs end in the opposite order of their start.
    fn start_daemon(&mut self, name: &str, command: &Command) -> anyhow::Result<&mut Daemon> {
        let log = self.workdir.path().join(format!("{name}.log"));
        self.daemons.insert(0, Daemon::start(name, command, &log)?);
        self.daemons.first_mut().context("must be there")
    }
}

/// A client for the cluster that a kubeconfig file names.
pub(crate) async fn client(kubeconfig: &Path) -> anyhow::Result<kube::Client> {
    let file = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file, &options).await?;
    Ok(kube::Client::try_from(config)?)
}

/// Applies the generated CRDs with client-side apply, as most people do, and waits until each is served.
pub(crate) async fn install_crds(kubectl: &Kubectl) -> anyhow::Result<()> {
    let folder = super::crds();
    let count = std::fs::read_dir(&folder).map_or(0, Iterator::count);
    ensure!(
        count > 0,
        "{} is empty: run `latchkey generate`",
        folder.display()
    );
    let folder = folder
        .to_str()
        .context("the checkout's path must be UTF-8")?;
    kubectl.run(["apply", "-f", folder]).await?;
    let wait = ["wait", "--for=condition=Established", "--timeout=60s"];
    kubectl.run(wait.iter().chain(&["-f", folder])).await?;
    Ok(())
}

/// Builds the programs unless that was done before; progress goes to our stderr.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    script::path_from("tests/controlplane/build.sh")
}

fn http_client(pki: &Pki) -> anyhow::Result<reqwest::Client> {
    let mut authorization = reqwest::header::HeaderMap::new();
    let token = format!("Bearer {ADMIN_TOKEN}").parse()?;
    authorization.insert(reqwest::header::AUTHORIZATION, token);
    let ca = reqwest::Certificate::from_pem(pki.ca.as_bytes())?;
    Ok(reqwest::Client::builder()
        .tls_certs_only([ca])
        .default_headers(authorization)
        .no_proxy()
        .timeout(Duration::from_secs(30))
        // Tests have a runtime each, and an idle connection belongs to the one that opened it.
        .pool_max_idle_per_host(0)
        .build()?)
}

fn write_files(workdir: &Workdir, pki: &Pki, url: &str) -> anyhow::Result<PathBuf> {
    let ca = workdir.file("ca.crt", &pki.ca)?;
    workdir.file("server.crt", &pki.server)?;
    workdir.file("server.key", &pki.server_key)?;
    workdir.file("accounts.key", &pki.accounts_key)?;
    workdir.file("accounts.pub", &pki.accounts_public)?;
    let administrator = format!("{ADMIN_TOKEN},admin,1,\"system:masters\"\n");
    workdir.file("tokens.csv", administrator)?;
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": {"server": url, "certificate-authority": ca}}],
        "users": [{"name": "admin", "user": {"token": ADMIN_TOKEN}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
        "current-context": "local",
    });
    workdir.file("admin.kubeconfig", kubeconfig.to_string())
}
