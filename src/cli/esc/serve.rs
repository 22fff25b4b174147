//! `latchkey esc serve`.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use tokio::net::TcpListener;

use super::{ADDRESS, TOKEN_FILE, data_dir};
use crate::esc::crypt::MasterKeySource;
use crate::esc::server::{Server, tls_config};
use crate::esc::store::{Store, new_token};
use crate::runtime::{self, Bound};
use crate::secret::SecretBytes;
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;

/// How long requests under way may take after a signal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Flags of `latchkey esc serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = ADDRESS, value_name = "ADDRESS")]
    addr: String,
    /// Folder of the database; made if there is none [default: ~/.local/share/latchkey/esc]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Organisation to have; can be given more than once
    #[arg(long = "organization", default_value = "local", value_name = "NAME")]
    organizations: Vec<String>,
    /// File with the master key, made at the first start; keep it elsewhere than the database if its
    /// disk or its backups may be read by others [default: master.key in the folder]
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// The master key itself in base64, instead of the file
    #[arg(
        long,
        env = "LATCHKEY_ESC_MASTER_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    master_key: Option<String>,
    /// File for the first administrator's token [default: admin-token in the folder]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The first administrator's token itself, instead of a random one in the file
    #[arg(
        long,
        env = "LATCHKEY_ESC_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,
    /// Certificate chain in PEM, for HTTPS
    #[arg(long, requires = "tls_key_file", value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// Key in PEM, for HTTPS
    #[arg(long, requires = "tls_cert_file", value_name = "FILE")]
    tls_key_file: Option<PathBuf>,
    #[command(flatten)]
    log: log::Args,
}

/// Serves until a signal.
#[expect(
    clippy::print_stdout,
    reason = "the person who starts the store reads where it is"
)]
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    log::init(&args.log).map_err(anyhow::Error::msg)?;
    let folder = args.data_dir.clone().map_or_else(data_dir, Ok)?;
    make_private_folder(&folder)?;
    let store = open(&args, &folder)?;
    let now = Timestamp::now();
    for organization in &args.organizations {
        store.ensure_organization(organization, now)?;
    }
    let token_file = args
        .token_file
        .clone()
        .unwrap_or_else(|| folder.join(TOKEN_FILE));
    let told = first_token(&store, args.token.as_deref(), &token_file, now)?;
    let tls = match (&args.tls_cert_file, &args.tls_key_file) {
        (Some(certificate), Some(key)) => Some(Arc::new(tls_config(certificate, key)?)),
        _ => None,
    };
    let listener = TcpListener::bind(&args.addr).await;
    let listener = listener.with_context(|| format!("failed to listen on {}", args.addr))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    println!("listening on {scheme}://{}", listener.local_addr()?);
    println!("{told}");
    let default_organization = args.organizations.first().map_or("local", String::as_str);
    let server = Server::new(
        store,
        Metrics::new(),
        default_organization,
        Arc::new(Timestamp::now),
    );
    let mut process = Bound::new(
        &runtime::Args::without_probes(DRAIN_TIMEOUT),
        Metrics::new(),
    )
    .await?;
    let drain = process.drain();
    process.task("store", async move {
        server.serve(listener, tls, drain.wait()).await;
        Ok(())
    });
    process.run().await?;
    Ok(())
}

fn open(args: &Args, folder: &Path) -> anyhow::Result<Store> {
    let master = match &args.master_key {
        Some(key) => MasterKeySource::Text(SecretBytes::from(key.as_str())),
        None => {
            let file = args.master_key_file.clone();
            MasterKeySource::File(file.unwrap_or_else(|| folder.join("master.key")))
        }
    };
    let database = folder.join("esc.redb");
    Store::open(&database, &master)
        .with_context(|| format!("failed to open {}", database.display()))
}

/// Makes the first administrator's token known to the store: the given one, the file's, or a new one in
/// the file. Answers what to tell, which is never the token.
fn first_token(
    store: &Store,
    given: Option<&str>,
    file: &Path,
    now: Timestamp,
) -> anyhow::Result<String> {
    if let Some(token) = given {
        ensure!(!token.trim().is_empty(), "LATCHKEY_ESC_TOKEN is empty");
        store.ensure_first_token(&SecretBytes::from(token.trim()), now)?;
        return Ok("the administrator's token is the one of LATCHKEY_ESC_TOKEN".to_owned());
    }
    let token = match std::fs::read(file) {
        Ok(token) => SecretBytes::new(token.trim_ascii()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let token = new_token()?;
            let mut options = OpenOptions::new();
            let written = options.write(true).create_new(true).mode(0o600).open(file);
            let written = written.and_then(|mut file| file.write_all(token.expose()));
            written.with_context(|| format!("failed to write {}", file.display()))?;
            token
        }
        Err(error) => {
            return Err(error).with_context(|| format!("failed to read {}", file.display()));
        }
    };
    ensure!(
        !token.is_empty(),
        "{} is empty; delete it to get a new token",
        file.display()
    );
    store.ensure_first_token(&token, now)?;
    Ok(format!(
        "the administrator's token is in {}",
        file.display()
    ))
}

fn make_private_folder(folder: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("failed to make {}", folder.display()))
}
