//! Serves the doubles of the clouds and of other vendors on loopback for clients that others wrote, until stdin ends.
//!
//! Says on stdout, as one line of JSON, where it is and who may log in.

#[path = "../clouds.rs"]
mod clouds;
#[path = "../fakes.rs"]
mod fakes;

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use clouds::entra::{Application, TENANT};
use clouds::serve::Server;
use clouds::tokens::Issuer;
use clouds::{World, held};
use fakes::{Fake, akeyless, barbican, conjur, doppler, github, gitlab, infisical, onepassword};

const EMAIL: &str = "app@main.iam.gserviceaccount.com";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    let world = World::new(Arc::new(move || now().map_or(0, |now| now.as_secs())));
    let secure = Server::secure(Arc::clone(&world)).await;
    let plain = Server::plain(Arc::clone(&world)).await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)?;
    let certificate = rcgen::CertificateParams::new(vec!["app".to_owned()])?.self_signed(&key)?;
    let application = Application {
        secret: Some("hunter2".to_owned()),
        certificates: vec![certificate.der().to_vec()],
        ..Application::default()
    };
    let applications = [("app-1".to_owned(), application)];
    held(&world.entra).applications.extend(applications);
    held(&world.entra).identities.push("id-1".to_owned());
    let account = Issuer::shared();
    held(&world.accounts)
        .keys
        .insert(EMAIL.to_owned(), account.public());
    held(&world.accounts).machine = Some(EMAIL.to_owned());
    held(&world.secret_manager).admins.push(EMAIL.to_owned());
    let port = secure.address.port();
    let (_doubles, vendors) = vendors().await;
    let said = json!({
        "azure": {
            "authority": format!("https://localhost:{port}"),
            "vault": format!("https://localhost:{port}"),
            "tenant": TENANT, "client": "app-1", "secret": "hunter2",
            "certificate": format!("{}{}", key.serialize_pem(), certificate.pem()),
            "identity": "id-1",
            "machine": format!("http://{}", plain.address),
        },
        "google": {
            "endpoint": format!("localhost:{port}"),
            "machine": plain.address.to_string(),
            "key": {
                "type": "service_account", "project_id": "main", "private_key_id": "k1",
                "private_key": account.pem(), "client_email": EMAIL, "client_id": "1",
                "token_uri": format!("https://localhost:{port}/token"),
            },
            "stranger": Issuer::stranger().pem(),
        },
        "vendors": vendors,
        "ca": secure.ca,
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{said}")?;
    out.flush()?;
    drop(out);
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

/// The doubles of vendors that are no clouds: where they are, and who may log in.
async fn vendors() -> (Vec<Fake>, Value) {
    let app = Issuer::shared();
    let doubles = [
        (
            "onepassword",
            onepassword::router(),
            json!({"token": onepassword::TOKEN, "vaults": onepassword::VAULTS}),
        ),
        (
            "doppler",
            doppler::router(),
            json!({"token": doppler::TOKEN}),
        ),
        (
            "infisical",
            infisical::router(),
            json!({"login": infisical::CLIENT}),
        ),
        (
            "github",
            github::Store::new(&app.public()).router(),
            json!({"key": app.pem()}),
        ),
        ("gitlab", gitlab::router(), json!({"token": gitlab::TOKEN})),
        ("conjur", conjur::router(), json!({"login": conjur::LOGIN})),
        (
            "akeyless",
            akeyless::router(),
            json!({"login": akeyless::LOGIN}),
        ),
        (
            "barbican",
            barbican::router(),
            json!({"login": barbican::LOGIN, "id": barbican::WORD_ID}),
        ),
    ];
    let (mut running, mut told) = (Vec::new(), json!({}));
    for (vendor, router, login) in doubles {
        let double = Fake::start(router).await;
        told[vendor] = login;
        told[vendor]["url"] = json!(double.uri);
        running.push(double);
    }
    (running, told)
}
