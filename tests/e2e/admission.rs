//! What the API server says to people who apply objects that controllers read.

use anyhow::{Context as _, ensure};

use crate::world::{Place, world};

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
