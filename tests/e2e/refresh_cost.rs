//! What a refresh of a thousand ExternalSecrets on fifty remote secrets costs, counted by the stores' own
//! logs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::ensure;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::aws_proxy::Proxy;
use crate::aws_server;
use crate::support::control_plane::{ControlPlane, Options};
use crate::support::latchkey::{EscServer, Latchkey, RunOptions};
use crate::support::wait;
use crate::vault_server;
use crate::world::{FURNITURE, ORGANIZATION, TOKEN};

const OBJECTS: u32 = 1_000;
const REMOTE_SECRETS: u32 = 50;
/// Objects refresh within the first tenth of an interval: nine tenths of it are quiet.
const INTERVAL: &str = "60s";
/// How long nothing must happen until a refresh counts as over.
const QUIET: Duration = Duration::from_secs(12);
const STORES: [&str; 3] = ["vault", "aws", "esc"];

/// The stores' servers, which count.
struct Servers {
    vault: &'static vault_server::Server,
    vault_role: String,
    aws: Proxy,
    esc: EscServer,
}

/// What a store was asked for since it is there.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    reads: usize,
    logins: usize,
}

impl Servers {
    async fn asked(&self, store: &str) -> anyhow::Result<Asked> {
        Ok(match store {
            "vault" => Asked {
                reads: self.vault.logged_reads("secret/data/thousand/"),
                logins: self.vault.logged_logins(&self.vault_role),
            },
            "aws" => Asked {
                reads: self.aws.count("GetSecretValue").await
                    + self.aws.count("BatchGetSecretValue").await,
                logins: self.aws.count("AssumeRole").await,
            },
            _ => {
                let metrics = self.esc.metrics().await?;
                let opens = metrics.sum("latchkey_esc_requests_total", &[("operation", "open")]);
                Asked {
                    reads: format!("{opens:.0}").parse()?,
                    logins: 1,
                }
            }
        })
    }
}

/// The namespace of a store, its credentials and itself.
fn furniture(store: &str, credentials: &[(&str, &str)], provider: &Value) -> String {
    let keys: serde_json::Map<String, Value> = credentials
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()))
        .collect();
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": store}}),
        json!({"apiVersion": "v1", "kind": "Secret", "stringData": keys,
            "metadata": {"name": "login", "namespace": store}}),
        json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "store", "namespace": store}, "spec": {"provider": provider}}),
    ];
    objects.iter().fold(String::new(), |mut text, object| {
        writeln!(text, "---\n{object}").expect("writing to a String must succeed");
        text
    })
}

fn selector(key: &str) -> Value {
    json!({"name": "login", "key": key})
}

/// One of the objects; each remote secret is asked for by twenty of them.
fn external_secret(store: &str, number: u32) -> Value {
    let key = match store {
        "esc" => format!("remote-{}", number % REMOTE_SECRETS),
        _ => format!("thousand/{}", number % REMOTE_SECRETS),
    };
    json!({
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": format!("app-{number}")},
        "spec": {
            "refreshInterval": INTERVAL,
            "secretStoreRef": {"name": "store"},
            "data": [{"secretKey": "value", "remoteRef": {"key": key}}],
        },
    })
}

/// Starts the stores' servers, fills them and registers them.
async fn servers(plane: &ControlPlane) -> anyhow::Result<Servers> {
    let vault = vault_server::shared().await;
    let aws = aws_server::shared().await;
    let esc = EscServer::start(plane.workdir().path(), ORGANIZATION, TOKEN).await?;
    let mut values = "values:\n".to_owned();
    for number in 0..REMOTE_SECRETS {
        let data = json!({"value": number});
        vault.put(&format!("thousand/{number}"), data).await;
        aws.put(&format!("thousand/{number}"), "value").await;
        writeln!(values, "  remote-{number}: {{fn::secret: value}}")?;
    }
    let environment = format!("{ORGANIZATION}/thousand/dev");
    esc.env(&["init", &environment], "").await?;
    esc.env(&["edit", &environment, "-f", "-"], &values).await?;
    let proxy = Proxy::start(&aws.address).await;
    let (vault_role, secret) = vault.role("approle", "thousand").await;
    let role = format!("arn:aws:iam::{}:role/far", aws_server::ACCOUNT);
    let manifests = [
        furniture(
            "vault",
            &[("secret", &secret)],
            &json!({"vault": {"server": vault.url, "path": "secret", "auth": {"appRole":
                {"path": "approle", "roleId": vault_role, "secretRef": selector("secret")}}}}),
        ),
        furniture(
            "aws",
            &[("id", &aws.chained.id), ("key", &aws.chained.secret)],
            &json!({"aws": {"service": "SecretsManager", "region": aws_server::REGION, "role": role,
                "auth": {"secretRef": {"accessKeyIDSecretRef": selector("id"),
                "secretAccessKeySecretRef": selector("key")}}}}),
        ),
        furniture(
            "esc",
            &[("token", TOKEN)],
            &json!({"pulumi": {"apiUrl": esc.url(), "organization": ORGANIZATION,
                "project": "thousand", "environment": "dev",
                "accessToken": {"secretRef": selector("token")}}}),
        ),
    ];
    plane.kubectl().apply(&manifests.concat()).await?;
    Ok(Servers {
        vault,
        vault_role,
        aws: proxy,
        esc,
    })
}

async fn create(client: &kube::Client, store: &str) -> anyhow::Result<()> {
    let kind = GroupVersionKind::gvk("external-secrets.io", "v1", "ExternalSecret");
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), store, &ApiResource::from_gvk(&kind));
    let creations = (0..OBJECTS).map(|number| {
        let api = api.clone();
        async move {
            let object = serde_json::from_value(external_secret(store, number))?;
            api.create(&PostParams::default(), &object).await?;
            anyhow::Ok(())
        }
    });
    futures::stream::iter(creations)
        .buffer_unordered(16)
        .try_collect::<()>()
        .await
}

/// Refreshes of the objects of a store.
async fn syncs(latchkey: &Latchkey, store: &str) -> anyhow::Result<u32> {
    let metrics = latchkey.metrics().await?;
    let syncs = metrics.sum("externalsecret_sync_calls_total", &[("namespace", store)]);
    Ok(format!("{syncs:.0}").parse()?)
}

/// Waits until the objects of a store have been refreshed `times` each, and nothing goes on.
async fn refreshed(latchkey: &Latchkey, store: &str, times: u32) -> anyhow::Result<u32> {
    let title = format!("{times} refreshes of every object of {store}");
    wait::until(title, Duration::from_mins(6), async || {
        let before = syncs(latchkey, store).await?;
        ensure!(before >= times * OBJECTS, "{before} refreshes");
        tokio::time::sleep(QUIET).await;
        let after = syncs(latchkey, store).await?;
        ensure!(before == after, "still refreshing");
        Ok(after)
    })
    .await
}

#[tokio::test]
async fn a_thousand_objects_on_fifty_remote_secrets_cost_fifty_reads_and_one_login()
-> anyhow::Result<()> {
    // A control plane of its own, for three thousand objects would slow the other tests.
    let plane = ControlPlane::start(Options::default()).await?;
    plane.install_crds().await?;
    plane.kubectl().apply(FURNITURE).await?;
    let servers = servers(&plane).await?;
    let aws = format!("--aws-secretsmanager-endpoint={}", servers.aws.url());
    let sts = format!("--aws-sts-endpoint={}", servers.aws.url());
    let options = RunOptions {
        flags: &[&aws, &sts, "--no-webhook"],
        ..RunOptions::default()
    };
    let logs = plane.workdir().path();
    let latchkey = Latchkey::start("latchkey", plane.kubeconfig(), logs, &options).await?;
    let client = plane.client().await?;
    for store in STORES {
        create(&client, store).await?;
    }
    let refreshes = STORES.map(|store| one_refresh(&latchkey, &servers, &client, store));
    futures::future::try_join_all(refreshes).await?;
    Ok(())
}

/// Counts what a store is asked for while its objects are refreshed.
async fn one_refresh(
    latchkey: &Latchkey,
    servers: &Servers,
    client: &kube::Client,
    store: &str,
) -> anyhow::Result<()> {
    let synced = refreshed(latchkey, store, 1).await?;
    let before = servers.asked(store).await?;
    let after = refreshed(latchkey, store, synced / OBJECTS + 1).await?;
    let refreshes = (after - synced).div_ceil(OBJECTS);
    let asked = servers.asked(store).await?;
    let reads = asked.reads - before.reads;
    let most = usize::try_from(refreshes * REMOTE_SECRETS)?;
    ensure!(
        reads > 0 && reads <= most,
        "{store}: {reads} reads in {refreshes} refreshes of {OBJECTS} objects"
    );
    ensure!(asked.logins == 1, "{store}: {} logins", asked.logins);
    holds_the_value(client, store).await
}

/// Every Secret of a store is there.
async fn holds_the_value(client: &kube::Client, store: &str) -> anyhow::Result<()> {
    let api: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(client.clone(), store);
    let listed = api.list(&kube::api::ListParams::default()).await?;
    let names: BTreeSet<String> = listed
        .items
        .into_iter()
        .filter(|secret| {
            let data = secret.data.as_ref();
            data.is_some_and(|data| data.contains_key("value"))
        })
        .filter_map(|secret| secret.metadata.name)
        .collect();
    ensure!(
        names.len() == OBJECTS as usize,
        "{store}: {} Secrets hold the value",
        names.len()
    );
    Ok(())
}
