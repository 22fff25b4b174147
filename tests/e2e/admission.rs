//! What the API server says to people who apply objects that controllers read.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::control_plane::{ControlPlane, Options};
use crate::support::latchkey::{Latchkey, RunOptions};
use crate::support::wait;
use crate::world::{FURNITURE, Place, SOON, world};

const WRONG: [(&str, &str); 5] = [
    (
        "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: wrong, namespace: NS}
spec: {provider: {vault: {server: 'https://v', auth: {appRole: {path: p, secretRef: {name: s, key: k}}}}}}
",
        "spec.provider.vault: auth.appRole: roleId or roleRef must be set",
    ),
    (
        "
apiVersion: external-secrets.io/v1beta1
kind: ClusterSecretStore
metadata: {name: wrong-NS}
spec: {provider: {fake: {data: []}}, conditions: [{namespaceRegexes: ['(']}]}
",
        "spec.conditions[0].namespaceRegexes[0]: not a regular expression",
    ),
    (
        "
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: wrong, namespace: NS}
spec: {secretStoreRef: {name: s}, refreshInterval: soon, dataFrom: [{extract: {key: k}}]}
",
        "spec.refreshInterval",
    ),
    (
        "
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {name: wrong, namespace: NS}
spec: {secretStoreRefs: [{name: s}], selector: {secret: {name: a}}, refreshInterval: soon}
",
        "spec.refreshInterval",
    ),
    (
        "
apiVersion: generators.external-secrets.io/v1alpha1
kind: ClusterGenerator
metadata: {name: wrong-NS}
spec: {kind: Password, generator: {uuidSpec: {}}}
",
        "spec.generator.uuidSpec: does not belong to spec.kind Password",
    ),
];
const EARLY: [(&str, &str); 3] = [
    (
        "
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: early, namespace: NS}
spec: {secretStoreRef: {name: later}, dataFrom: [{extract: {key: k}}]}
",
        "SecretStore \"later\" does not exist yet",
    ),
    (
        "
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {name: early, namespace: NS}
spec:
  secretStoreRefs: [{name: later}]
  selector: {generatorRef: {apiVersion: generators.external-secrets.io/v1alpha1, kind: UUID, name: later}}
",
        "UUID \"later\" does not exist yet",
    ),
    (
        "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: early, namespace: NS}
spec: {provider: {vault: {server: 'https://v.invalid', auth: {tokenSecretRef: {name: later, key: k}}}}}
",
        "Secret \"later\" does not exist yet",
    ),
];

async fn refusal(place: &Place, args: &[&str], manifest: &str) -> anyhow::Result<String> {
    let manifest = manifest.replace("NS", &place.namespace);
    let outcome = place.kubectl.run_with_input(args, &manifest).await;
    let refusal = outcome.err().context(manifest)?;
    Ok(format!("{refusal:#}"))
}

#[tokio::test]
async fn what_can_never_work_is_refused_and_what_comes_early_is_warned_of() -> anyhow::Result<()> {
    let world = world().await?;
    world
        .run("admission", async |place| {
            for (manifest, expected) in WRONG {
                let refusal = refusal(place, &["apply", "-f", "-"], manifest).await?;
                ensure!(
                    refusal.contains("denied the request") && refusal.contains(expected),
                    "{refusal}"
                );
            }
            let strict = [
                "apply",
                "--dry-run=server",
                "--warnings-as-errors",
                "-f",
                "-",
            ];
            for (manifest, expected) in EARLY {
                let warned = refusal(place, &strict, manifest).await?;
                ensure!(warned.contains(expected), "{warned}");
                place.apply(manifest).await?;
            }
            Ok(())
        })
        .await
}

const STORE: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: default}
spec: {provider: {fake: {data: [{key: app, value: '{}'}]}}}
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
  - {name: web, image: none, envFrom: [{secretRef: {name: app}}]}
";

/// A review whose body never comes: it holds its place until its own timeout has all but passed.
async fn hold(plane: &ControlPlane, latchkey: &Latchkey) -> anyhow::Result<TlsStream<TcpStream>> {
    let bundle = "jsonpath={.webhooks[0].clientConfig.caBundle}";
    let kind = "mutatingwebhookconfiguration";
    let args = ["get", kind, "latchkey.dev", "-o", bundle];
    let bundle = plane.kubectl().run(args).await?;
    let bundle = base64::engine::general_purpose::STANDARD.decode(bundle.trim())?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bundle) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = latchkey.webhook_url().trim_start_matches("https://");
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("127.0.0.1".try_into()?, stream).await?;
    let head = "POST /mutate?timeout=3s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                Content-Length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    // Until the head has been read.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(stream)
}

#[tokio::test]
async fn a_review_that_is_turned_away_is_sent_again_by_the_api_server() -> anyhow::Result<()> {
    let plane = ControlPlane::start(Options::default()).await?;
    plane.install_crds().await?;
    let kubectl = plane.kubectl();
    kubectl.apply(FURNITURE).await?;
    let options = RunOptions {
        flags: &["--webhook-max-in-flight=1", "--authorization=namespace"],
        ..RunOptions::default()
    };
    let logs = plane.workdir().path();
    let latchkey = Latchkey::start("latchkey", plane.kubeconfig(), logs, &options).await?;
    kubectl.apply(STORE).await?;
    let dry_run = ["apply", "--dry-run=server", "-o", "json", "-f", "-"];
    wait::until("the webhook to be called", SOON, async || {
        let tried = kubectl.run_with_input(dry_run, POD).await?;
        ensure!(tried.contains("inj-app-"), "{tried}");
        Ok(())
    })
    .await?;
    let held = hold(&plane, &latchkey).await?;
    let created = kubectl
        .run_with_input(["apply", "-o", "json", "-f", "-"], POD)
        .await?;
    ensure!(created.contains("inj-app-"), "{created}");
    let metrics = latchkey.metrics().await?;
    let shed = metrics.sum("latchkey_webhook_shed_total", &[("webhook", "/mutate")]);
    ensure!(shed > 0.0, "no review was turned away");
    drop(held);
    Ok(())
}
