//! The server, and a store of it.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use latchkey::model::secret_store::Store;
use latchkey::providers::SecretsClient;
use rcgen::{CertificateParams, KeyPair};

use crate::cloud_bench::{CloudBench, azure_store};
use crate::support::daemon::Daemon;
use crate::support::workdir::Workdir;
use crate::support::{pki, ports, script, wait};

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
        let program =
            tokio::task::spawn_blocking(|| script::path_from("tests/azure/build.sh")).await??;
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
        let store = azure_store(&bench);
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

/// A CA, the vault's certificate and its key; PEM.
fn certificates() -> anyhow::Result<(String, String, String)> {
    let authority = pki::authority("latchkey test key vault")?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![HOST.to_owned()])?;
    let leaf = leaf.signed_by(&key, &authority)?;
    Ok((authority.pem(), leaf.pem(), key.serialize_pem()))
}
