//! A server of Vault or OpenBao in development mode on loopback, with a second listener that speaks TLS.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::daemon::Daemon;
use crate::support::workdir::Workdir;
use crate::support::{pki, ports, script, wait};

/// Token with every right.
pub(crate) const ROOT: &str = "root";

/// Name of the log of all requests in the server's folder.
const AUDIT_LOG: &str = "audit.log";

/// How long the server may take to start on a loaded machine.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// What is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Product {
    /// HashiCorp's Vault.
    Vault,
    /// OpenBao, which began as Vault 1.14.
    OpenBao,
}

impl Product {
    /// Key in `spec.provider` of stores of it.
    pub(crate) fn provider(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::OpenBao => "openBao",
        }
    }

    /// Name of its program, and the script that brings it there.
    fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::Vault => ("vault", "tests/vault/build.sh"),
            Self::OpenBao => ("bao", "tests/vault/openbao.sh"),
        }
    }
}

/// A running server; it ends with the process.
pub(crate) struct Server {
    pub(crate) product: Product,
    /// Address without TLS.
    pub(crate) url: String,
    /// Address with TLS.
    pub(crate) tls_url: String,
    /// The CA of the TLS listener and of client certificates, and a client's pair; PEM.
    pub(crate) pki: Pki,
    http: reqwest::Client,
    workdir: Workdir,
    daemon: Daemon,
}

/// Certificates in PEM.
pub(crate) struct Pki {
    pub(crate) ca: String,
    pub(crate) client: String,
    pub(crate) client_key: String,
    server: String,
    server_key: String,
}

/// A server once it has been started, or why it has not.
type Shared = OnceCell<Result<Server, String>>;

/// The Vault that all tests of this process share.
pub(crate) async fn shared() -> &'static Server {
    static SHARED: Shared = OnceCell::const_new();
    shared_in(&SHARED, Product::Vault).await
}

/// The OpenBao that all tests of this process share.
pub(crate) async fn shared_open_bao() -> &'static Server {
    static SHARED: Shared = OnceCell::const_new();
    shared_in(&SHARED, Product::OpenBao).await
}

async fn shared_in(cell: &'static Shared, product: Product) -> &'static Server {
    let start = async || {
        let started = Server::start(product).await;
        started.map_err(|error| format!("{error:#}"))
    };
    match cell.get_or_init(start).await {
        Ok(server) => server,
        Err(error) => panic!("no {product:?} to test against: {error}"),
    }
}

impl Server {
    async fn start(product: Product) -> anyhow::Result<Self> {
        let (program, brought_by) = product.program();
        let programs = tokio::task::spawn_blocking(|| script::path_from(brought_by)).await??;
        let workdir = Workdir::new(&format!("latchkey-{program}-"))?;
        let [port, cluster_port, tls_port] = ports::free()?;
        let pki = Pki::generate()?;
        let certificate = workdir.file("server.crt", &pki.server)?;
        let key = workdir.file("server.key", &pki.server_key)?;
        let mut config = format!(
            "listener \"tcp\" {{\n address = \"127.0.0.1:{tls_port}\"\n cluster_address = \"127.0.0.1:{cluster_port}\"\n tls_cert_file = \"{}\"\n tls_key_file = \"{}\"\n}}\n",
            certificate.display(),
            key.display()
        );
        if product == Product::OpenBao {
            // Which has a log of requests by its configuration only.
            let log = workdir.path().join(AUDIT_LOG);
            let options = format!("file_path = \"{}\"\n log_raw = \"true\"", log.display());
            write!(
                config,
                "audit \"file\" \"requests\" {{\n options {{\n {options}\n }}\n}}\n"
            )?;
        }
        let config = workdir.file("server.hcl", config)?;
        let mut command = Command::new(programs.join(program));
        command
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={ROOT}"))
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .arg("-config")
            .arg(config)
            .env("HOME", workdir.path());
        let log = workdir.path().join("server.log");
        let mut server = Self {
            product,
            url: format!("http://127.0.0.1:{port}"),
            tls_url: format!("https://127.0.0.1:{tls_port}"),
            pki,
            http: reqwest::Client::builder()
                .no_proxy()
                // Tests have a runtime each, and an idle connection belongs to the one that opened it.
                .pool_max_idle_per_host(0)
                .timeout(Duration::from_secs(30))
                .build()?,
            daemon: Daemon::start(program, &command, &log)?,
            workdir,
        };
        let health = format!("{}/v1/sys/health", server.url);
        wait::until(program, READY_WITHIN, async || {
            server.daemon.check_running()?;
            let answer = server.http.get(&health).send().await?;
            answer.error_for_status()?;
            Ok(())
        })
        .await?;
        server.prepare().await?;
        Ok(server)
    }

    /// Mounts, policies and users that the tests share, and the log of all requests.
    async fn prepare(&self) -> anyhow::Result<()> {
        if self.product == Product::Vault {
            let audit = self.workdir.path().join(AUDIT_LOG);
            let audit = json!({"type": "file", "options": {"file_path": audit, "log_raw": "true"}});
            self.try_post("sys/audit/file", audit).await?;
        }
        self.try_post(
            "sys/mounts/kv1",
            json!({"type": "kv", "options": {"version": "1"}}),
        )
        .await?;
        let policy = "path \"secret/*\" { capabilities = [\"read\", \"list\"] }\n\
                      path \"secret/data/closed/*\" { capabilities = [\"deny\"] }";
        self.try_post("sys/policies/acl/reader", json!({"policy": policy}))
            .await?;
        for method in ["approle", "userpass", "jwt", "cert"] {
            self.try_post(&format!("sys/auth/{method}"), json!({"type": method}))
                .await?;
        }
        let user = json!({"password": "hunter2", "token_policies": "reader"});
        self.try_post("auth/userpass/users/ann", user).await?;
        let certificate = json!({"certificate": self.pki.ca, "token_policies": "reader"});
        self.try_post("auth/cert/certs/app", certificate).await?;
        Ok(())
    }

    /// Calls the server as root; the answer's body, or null.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, body)
            .await
            .expect("the server must accept a call of its administrator")
    }

    async fn try_post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let url = format!("{}/v1/{path}", self.url);
        let call = self.http.post(&url).header("x-vault-token", ROOT);
        let answer = call.json(&body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{path} answered {text}"))
    }

    /// Writes a secret of engine version 2, mounted at `secret`.
    pub(crate) async fn put(&self, name: &str, data: Value) {
        self.post(&format!("secret/data/{name}"), json!({"data": data}))
            .await;
    }

    /// The role and secret ids of a new AppRole that may read, of the method mounted at `mount`.
    pub(crate) async fn role(&self, mount: &str, name: &str) -> (String, String) {
        let at = format!("auth/{mount}/role/{name}");
        let role = json!({"token_policies": "reader", "token_ttl": "1h"});
        self.post(&at, role).await;
        let secret = self.post(&format!("{at}/secret-id"), json!({})).await;
        let url = format!("{}/v1/{at}/role-id", self.url);
        let call = self.http.get(url).header("x-vault-token", ROOT);
        let answer = call.send().await.expect("the role must be readable");
        let role: Value = answer.json().await.expect("the role must be JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            text(&role["data"]["role_id"]),
            text(&secret["data"]["secret_id"]),
        )
    }

    /// How many reads of paths that begin so the server has logged.
    pub(crate) fn logged_reads(&self, path: &str) -> usize {
        let read = |request: &Value| {
            let at = request["path"].as_str().unwrap_or_default();
            request["operation"] == "read" && at.starts_with(path)
        };
        self.logged(read)
    }

    /// How many logins with this role id the server has logged.
    pub(crate) fn logged_logins(&self, role: &str) -> usize {
        self.logged(|request| {
            request["operation"] == "update" && request["data"]["role_id"] == role
        })
    }

    fn logged(&self, matches: impl Fn(&Value) -> bool) -> usize {
        let log = std::fs::read_to_string(self.workdir.path().join(AUDIT_LOG));
        let log = log.expect("the server must have logged requests");
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &Value| line["type"] == "request" && matches(&line["request"]))
            .count()
    }
}

impl Pki {
    fn generate() -> anyhow::Result<Self> {
        let authority = pki::authority("latchkey test vault")?;
        let leaf = |name: &str, usage| -> anyhow::Result<(String, String)> {
            let mut leaf = CertificateParams::default();
            leaf.distinguished_name.push(DnType::CommonName, name);
            leaf.extended_key_usages = vec![usage];
            leaf.subject_alt_names
                .push(SanType::IpAddress([127, 0, 0, 1].into()));
            let key = KeyPair::generate()?;
            Ok((leaf.signed_by(&key, &authority)?.pem(), key.serialize_pem()))
        };
        let (server, server_key) = leaf("vault", ExtendedKeyUsagePurpose::ServerAuth)?;
        let (client, client_key) = leaf("app", ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(Self {
            ca: authority.pem(),
            client,
            client_key,
            server,
            server_key,
        })
    }
}
