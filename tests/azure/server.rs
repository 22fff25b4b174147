//! The server, and a store of it.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use latchkey::model::secret_store::Store;
use latchkey::providers::SecretsClient;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use serde_json::json;

use crate::cloud_bench::{CloudBench, set};
use crate::clouds::entra::{Application, TENANT};
use crate::clouds::held;
use crate::provider_double::store;
use crate::support::daemon::Daemon;
use crate::support::workdir::Workdir;
use crate::support::{ports, repository, wait};

/// Host of the vault.
const HOST: &str = "main.vault.azure.net";

/// How long the server may take to start on a loaded machine.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// A running server with nothing in it, and a store of it; both end with this.
pub(crate) struct KeyVault {
    pub(crate) bench: CloudBench,
    store: Arc<Store>,
    _daemon: Daemon,
    _workdir: Workdir,
}

impl KeyVault {
    pub(crate) async fn start() -> Self {
        let started = Self::try_start().await;
        started.expect("a server must start")
    }

    async fn try_start() -> anyhow::Result<Self> {
        let program = tokio::task::spawn_blocking(build).await??;
        let workdir = Workdir::new("latchkey-key-vault-")?;
        let (ca, certificate, key) = certificates()?;
        let [port] = ports::free()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(program);
        command.arg(format!("-listen={address}"));
        for (flag, content) in [("certificate", certificate), ("key", key)] {
            let file = workdir.file(flag, content)?;
            command.arg(format!("-{flag}={}", file.display()));
        }
        let log = workdir.path().join("server.log");
        let mut daemon = Daemon::start("key-vault", &command, &log)?;
        wait::until("key-vault", READY_WITHIN, async || {
            daemon.check_running()?;
            tokio::net::TcpStream::connect(address).await?;
            Ok(())
        })
        .await?;
        let bench = CloudBench::with(|options| {
            options.addresses.retain(|(host, _)| host != HOST);
            options.addresses.push((HOST.to_owned(), address));
            let trusted = options.ca_bundle.get_or_insert_default();
            trusted.extend_from_slice(ca.as_bytes());
        })
        .await;
        let store = store_with_login(&bench);
        Ok(Self {
            bench,
            store,
            _daemon: daemon,
            _workdir: workdir,
        })
    }

    pub(crate) async fn client(&self) -> Box<dyn SecretsClient> {
        self.bench.client(&self.store, 0).await
    }
}

/// A store that logs in with a client secret, and an application that has it.
fn store_with_login(bench: &CloudBench) -> Arc<Store> {
    let login = [("id", "app-1"), ("secret", "hunter2-login")];
    set(&bench.cluster.secrets, "team/sp", &login);
    let application = Application {
        secret: Some("hunter2-login".to_owned()),
        ..Application::default()
    };
    held(&bench.world.entra)
        .applications
        .insert("app-1".to_owned(), application);
    store(
        json!({"azurekv": {"vaultUrl": format!("https://{HOST}"), "tenantId": TENANT, "authSecretRef": {
            "clientId": {"name": "sp", "key": "id"},
            "clientSecret": {"name": "sp", "key": "secret"},
        }}}),
    )
}

/// A CA, the vault's certificate and its key; PEM.
fn certificates() -> anyhow::Result<(String, String, String)> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let name = "latchkey test key vault";
    authority.distinguished_name.push(DnType::CommonName, name);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![HOST.to_owned()])?;
    let leaf = leaf.signed_by(&key, &authority)?;
    Ok((authority.pem(), leaf.pem(), key.serialize_pem()))
}

/// Builds the server if needed and returns its path.
fn build() -> anyhow::Result<String> {
    let output = Command::new(repository().join("tests/azure/build.sh"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(
        output.status.success(),
        "tests/azure/build.sh failed; see above"
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
