//! `latchkey migrate`: 200 objects of ESO's change hands and come back, and no Secret is written.

mod eso;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::support::control_plane::{ControlPlane, Options};
use crate::support::kubectl::Kubectl;
use crate::support::latchkey::{Latchkey, OWN_NAMESPACE, RunOptions, binary};
use crate::support::metrics::{EXTERNAL_SECRETS, SECRETS};
use crate::support::wait;
use crate::world::FURNITURE;

use eso::{Texts, Wanted};

const SOON: Duration = Duration::from_mins(2);
const OBJECTS: usize = 200;
const TEAMS: [&str; 2] = ["team-a", "team-b"];
/// When ESO looked at the objects last: long enough ago that all of them are due.
const SYNCED_AT: &str = "2026-01-01T00:00:00Z";

const STORES: &str = "
apiVersion: external-secrets.io/v1beta1
kind: SecretStore
metadata: {name: own, namespace: TEAM}
spec:
  provider:
    fake:
      data:
      - {key: db, value: '{\"user\":\"u\",\"password\":\"p\"}'}
      - {key: token-a, value: ta}
      - {key: token-b, value: tb}
      - {key: plain, value: v}
";
const SHARED: &str = "
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: shared}
spec: {provider: {fake: {data: [{key: common, value: c}]}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: probe, namespace: team-a}
spec: {provider: {fake: {data: [{key: k, value: first}]}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: probe, namespace: team-a}
spec:
  secretStoreRef: {name: probe}
  refreshInterval: 2s
  data: [{secretKey: k, remoteRef: {key: k}}]
";
const GENERATOR: &str = "
apiVersion: generators.external-secrets.io/v1alpha1
kind: Password
metadata: {name: strong, namespace: TEAM}
spec: {length: 40}
";

/// One object of a shape.
struct Case {
    namespace: &'static str,
    name: String,
    manifest: String,
    /// A Secret that stands there before.
    before: Option<String>,
    wanted: Wanted,
}

fn texts(pairs: &[(&str, &str)]) -> Texts {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// How each shape is written, and what ESO makes of it: metadata, spec, data.
#[expect(clippy::too_many_lines, reason = "a table of twelve shapes")]
fn shape(i: usize) -> (&'static str, &'static str, &'static str, Wanted) {
    let of = |data: &[(&str, &str)]| Wanted {
        data: texts(data),
        ..Wanted::default()
    };
    let user = [("user", "u"), ("password", "p")];
    match i % 12 {
        0 => (
            "v1beta1",
            "{}",
            "{data: [{secretKey: k, remoteRef: {key: plain}}], STORE}",
            of(&[("k", "v")]),
        ),
        1 => (
            "v1",
            "{}",
            "{dataFrom: [{extract: {key: db}}], STORE}",
            of(&user),
        ),
        2 => (
            "v1",
            "{labels: {team: x, app: 'y'}, annotations: {note: 'a b', external-secrets.io/force-sync: '1'}}",
            "{dataFrom: [{extract: {key: db}}], STORE}",
            of(&user),
        ),
        3 => (
            "v1",
            "{}",
            "{target: {creationPolicy: Orphan}, dataFrom: [{extract: {key: db}}], STORE}",
            of(&user),
        ),
        4 => (
            "v1beta1",
            "{labels: {team: x}}",
            "{target: {name: merged-N, creationPolicy: Merge, deletionPolicy: Merge}, dataFrom: [{extract: {key: db}}], STORE}",
            of(&user),
        ),
        5 => (
            "v1",
            "{labels: {not: copied}}",
            "{target: {template: {type: kubernetes.io/basic-auth, metadata: {labels: {user: '{{ .user }}'}, annotations: \
             {fixed: f}}, data: {username: '{{ .user }}', password: '{{ .password | upper }}'}}}, \
             dataFrom: [{extract: {key: db}}], STORE}",
            Wanted {
                type_: Some("kubernetes.io/basic-auth"),
                dress: Some((texts(&[("user", "u")]), texts(&[("fixed", "f")]))),
                ..of(&[("username", "u"), ("password", "P")])
            },
        ),
        6 => (
            "v1",
            "{}",
            "{target: {template: {mergePolicy: Merge, templateFrom: [{literal: 'url: \"{{ .user }}@db\"'}]}}, \
             dataFrom: [{extract: {key: db}}], STORE}",
            Wanted {
                dress: Some((Texts::new(), Texts::new())),
                ..of(&[("user", "u"), ("password", "p"), ("url", "u@db")])
            },
        ),
        7 => (
            "v1",
            "{}",
            "{dataFrom: [{find: {name: {regexp: ^token}}, rewrite: [{regexp: {source: '-', target: '_'}}]}], STORE}",
            of(&[("token_a", "ta"), ("token_b", "tb")]),
        ),
        8 => (
            "v1",
            "{}",
            "{target: {name: shared-N, creationPolicy: CreateOrMerge}, data: [{secretKey: c, remoteRef: {key: common}, \
             sourceRef: {storeRef: {kind: ClusterSecretStore, name: shared}}}, {secretKey: k, remoteRef: {key: plain}}], STORE}",
            of(&[("c", "c"), ("k", "v")]),
        ),
        9 => (
            "v1",
            "{}",
            "{refreshPolicy: CreatedOnce, dataFrom: [{sourceRef: {generatorRef: {apiVersion: generators.external-secrets.io/v1alpha1, \
             kind: Password, name: strong}}}]}",
            of(&[("password", "made-long-ago")]),
        ),
        10 => (
            "v1",
            "{}",
            "{target: {immutable: true}, refreshInterval: '0', data: [{secretKey: k, remoteRef: {key: plain}}], STORE}",
            of(&[("k", "v")]),
        ),
        _ => (
            "v1",
            "{}",
            "{refreshPolicy: OnChange, data: [{secretKey: k, remoteRef: {key: db, property: user}}], STORE}",
            of(&[("k", "u")]),
        ),
    }
}

fn case(i: usize) -> Case {
    let namespace = TEAMS[i % TEAMS.len()];
    let name = match i % 3 {
        0 => format!("an-object-with-quite-a-long-name-{i}"),
        _ => format!("app-{i}"),
    };
    let (version, metadata, spec, wanted) = shape(i);
    let number = i.to_string();
    let spec = spec
        .replace("STORE", "secretStoreRef: {name: own}")
        .replace("-N", &format!("-{number}"));
    let mut named = format!("name: {name}, namespace: {namespace}");
    let more = metadata.trim_start_matches('{').trim_end_matches('}');
    if !more.is_empty() {
        let inner = &metadata[1..metadata.len() - 1];
        write!(named, ", {inner}").expect("writing to a String must succeed");
    }
    let manifest = format!(
        "---\napiVersion: external-secrets.io/{version}\nkind: ExternalSecret\nmetadata: {{{named}}}\nspec: {spec}\n"
    );
    let before = (i % 12 == 4).then(|| {
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: merged-{number}, namespace: {namespace}, labels: {{theirs: l}}}}\n\
             stringData: {{foreign: f}}\n"
        )
    });
    Case {
        namespace,
        name,
        manifest,
        before,
        wanted,
    }
}

/// Puts into the status of each store what ESO has found.
async fn mark_stores_valid(kubectl: &Kubectl) -> anyhow::Result<()> {
    for (kind, name, namespace) in [
        ("secretstore", "own", "team-a"),
        ("secretstore", "own", "team-b"),
        ("secretstore", "probe", "team-a"),
        ("clustersecretstore", "shared", "default"),
    ] {
        let valid = eso::valid_store(SYNCED_AT).to_string();
        let patch = ["patch", kind, name, "-n", namespace, "--subresource=status"];
        let patch = patch.iter().copied().chain(["--type=merge", "-p", &valid]);
        kubectl.run(patch).await?;
    }
    Ok(())
}

/// A cluster that ESO has looked after.
struct Cluster {
    plane: ControlPlane,
    client: Client,
    cases: Vec<Case>,
}

impl Cluster {
    async fn new(cases: Vec<Case>) -> anyhow::Result<Self> {
        let plane = ControlPlane::start(Options::default()).await?;
        plane.install_crds().await?;
        let kubectl = plane.kubectl();
        kubectl.apply(FURNITURE).await?;
        let owned = ["annotate", "crd", "--all", "meta.helm.sh/release-name=eso"];
        kubectl.run(owned).await?;
        let client = plane.client().await?;
        let mut manifest = eso::installation();
        manifest.push_str(&eso::deployment(
            OWN_NAMESPACE,
            "latchkey",
            "latchkey:1",
            "run",
            0,
        ));
        for team in TEAMS {
            writeln!(
                manifest,
                "---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: {team}}}}}"
            )?;
            write!(
                manifest,
                "---{}---{}",
                STORES.replace("TEAM", team),
                GENERATOR.replace("TEAM", team)
            )?;
        }
        kubectl.apply(&manifest).await?;
        kubectl.apply(SHARED).await?;
        mark_stores_valid(&kubectl).await?;
        let before: String = cases
            .iter()
            .filter_map(|case| case.before.clone())
            .collect();
        if !before.is_empty() {
            kubectl.apply(&before).await?;
        }
        let objects: String = cases.iter().map(|case| case.manifest.as_str()).collect();
        kubectl.apply(&objects).await?;
        let cluster = Self {
            plane,
            client,
            cases,
        };
        let written = cluster.eso_passes().await?;
        ensure!(
            written == cluster.cases.len() + 1,
            "ESO wrote {written} Secrets"
        );
        kubectl.apply(&eso::webhooks()).await?;
        Ok(cluster)
    }

    /// ESO looks at every object; answers how many Secrets it wrote.
    async fn eso_passes(&self) -> anyhow::Result<usize> {
        let probe = Wanted {
            data: texts(&[("k", "first")]),
            ..Wanted::default()
        };
        let cases = self.cases.iter();
        let cases = cases.map(|case| (case.namespace, case.name.clone(), case.wanted.clone()));
        let all = cases.chain([("team-a", "probe".to_owned(), probe)]);
        let passes = futures::stream::iter(all).map(|(namespace, name, wanted)| async move {
            eso::reconcile(&self.client, namespace, &name, &wanted, SYNCED_AT).await
        });
        let written: Vec<bool> = passes.buffered(16).try_collect().await?;
        Ok(written.into_iter().filter(|written| *written).count())
    }

    /// Runs `latchkey migrate` and answers its exit code and its outputs.
    async fn migrate(&self, args: &[&str]) -> anyhow::Result<(i32, String, String)> {
        let output = tokio::process::Command::new(binary()?)
            .arg("migrate")
            .args(args)
            .env("KUBECONFIG", self.plane.kubeconfig())
            .kill_on_drop(true)
            .output()
            .await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = output.status.code().context("latchkey was killed")?;
        Ok((code, text(output.stdout), text(output.stderr)))
    }

    /// As [`Self::migrate`], while somebody plays the kubelet; must end with 0.
    async fn migrate_for_real(&self, args: &[&str]) -> anyhow::Result<String> {
        let (code, stdout, stderr) = tokio::select! {
            done = self.migrate(args) => done?,
            () = eso::keep_pods_ready(&self.client, &[eso::NAMESPACE, OWN_NAMESPACE]) => unreachable!(),
        };
        ensure!(code == 0, "{args:?} ended with {code}:\n{stdout}\n{stderr}");
        Ok(stdout)
    }

    async fn latchkey(&self, name: &str, more: &[&str]) -> anyhow::Result<Latchkey> {
        let mut flags = vec!["--no-webhook"];
        flags.extend(more);
        let options = RunOptions {
            flags: &flags,
            ..RunOptions::default()
        };
        let logs = self.plane.workdir().path();
        Latchkey::start(name, self.plane.kubeconfig(), logs, &options).await
    }

    async fn secret_writes(&self) -> anyhow::Result<u64> {
        Ok(self.plane.metrics().await?.api_writes(SECRETS))
    }

    /// Every object that the hand-over may touch, but for what counts writes.
    async fn picture(&self) -> anyhow::Result<BTreeMap<String, Value>> {
        let mut picture = BTreeMap::new();
        for kind in [
            "secrets,externalsecrets,secretstores,clustersecretstores,deployments",
            "crds,validatingwebhookconfigurations",
        ] {
            let text = self
                .plane
                .kubectl()
                .run(["get", kind, "-A", "-o", "json"])
                .await?;
            let list: Value = serde_json::from_str(&text)?;
            for mut object in list["items"].as_array().context("items")?.clone() {
                let kind = object["kind"].as_str().unwrap_or_default().to_owned();
                let metadata = object["metadata"].as_object_mut().context("metadata")?;
                metadata.remove("managedFields");
                let title = format!(
                    "{kind} {}/{}",
                    metadata.get("namespace").unwrap_or(&json!("")),
                    metadata["name"]
                );
                if kind != "Secret" {
                    metadata.remove("resourceVersion");
                    metadata.remove("generation");
                }
                if matches!(
                    kind.as_str(),
                    "Deployment"
                        | "CustomResourceDefinition"
                        | "SecretStore"
                        | "ClusterSecretStore"
                ) {
                    object["status"].take();
                }
                picture.insert(title, object);
            }
        }
        Ok(picture)
    }

    async fn probe_holds(&self, value: &str) -> anyhow::Result<()> {
        let api: Api<k8s_openapi::api::core::v1::Secret> =
            Api::namespaced(self.client.clone(), "team-a");
        wait::until("the probe's Secret", SOON, async || {
            let data = api.get("probe").await?.data.unwrap_or_default();
            let found = data
                .get("k")
                .map(|value| value.0.clone())
                .unwrap_or_default();
            ensure!(
                found == value.as_bytes(),
                "is {:?}",
                String::from_utf8_lossy(&found)
            );
            Ok(())
        })
        .await
    }

    /// Changes what the probe's store says.
    async fn set_probe(&self, value: &str) -> anyhow::Result<()> {
        let patch =
            json!({"spec": {"provider": {"fake": {"data": [{"key": "k", "value": value}]}}}});
        let kubectl = self.plane.kubectl();
        let args = [
            "patch",
            "secretstore",
            "probe",
            "-n",
            "team-a",
            "--type=merge",
            "-p",
        ];
        kubectl
            .run(args.iter().copied().chain([patch.to_string().as_str()]))
            .await?;
        Ok(())
    }
}

fn same(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> anyhow::Result<()> {
    for (title, object) in before {
        let now = after.get(title);
        ensure!(
            now == Some(object),
            "{title} was\n{object:#}\nand is\n{now:#?}"
        );
    }
    ensure!(before.len() == after.len(), "there is something new");
    Ok(())
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_cluster_of_200_objects_changes_hands_and_back_without_a_write_of_a_secret()
-> anyhow::Result<()> {
    let cluster = Cluster::new((0..OBJECTS).map(case).collect()).await?;
    // Its own key is made at the first start; later writes are about the objects.
    let mut first = cluster.latchkey("first", &["--no-operator"]).await?;
    first.daemon().stop()?;
    let before = cluster.picture().await?;
    let refused = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: new, namespace: team-a}\n\
                   spec: {secretStoreRef: {name: own}, dataFrom: [{extract: {key: db}}]}\n";
    let try_to_create = ["create", "--dry-run=server", "-f", "-"];
    let kubectl = cluster.plane.kubectl();
    ensure!(
        kubectl
            .run_with_input(try_to_create, refused)
            .await
            .is_err(),
        "ESO's webhook must refuse"
    );

    let (code, plan, stderr) = cluster
        .migrate(&["plan", "-A", "--fetch", "--output", "json"])
        .await?;
    ensure!(code == 0, "plan ended with {code}:\n{plan}\n{stderr}");
    let plan: Value = serde_json::from_str(&plan)?;
    ensure!(
        plan["summary"]["unchanged"] == OBJECTS + 1,
        "{}",
        plan["summary"]
    );
    same(&before, &cluster.picture().await?)?;
    cluster
        .migrate_for_real(&["apply", "-A", "--dry-run"])
        .await?;
    same(&before, &cluster.picture().await?)?;

    let writes = cluster.secret_writes().await?;
    let object_writes = cluster.plane.metrics().await?.api_writes(EXTERNAL_SECRETS);
    cluster
        .migrate_for_real(&["apply", "-A", "--yes", "--replicas", "1"])
        .await?;
    let running: Value = serde_json::from_str(
        &kubectl
            .run(["get", "deployments", "-A", "-o", "json"])
            .await?,
    )?;
    for deployment in running["items"].as_array().context("items")? {
        let ours = deployment["metadata"]["name"] == "latchkey";
        ensure!(
            deployment["spec"]["replicas"] == i32::from(ours),
            "{deployment:#}"
        );
    }
    let mut latchkey = cluster.latchkey("taking-over", &[]).await?;
    // Those that are refreshed once, or by a change alone, are only compared.
    let due = (0..OBJECTS).filter(|i| i % 12 < 9).count();
    wait::until(
        "latchkey to refresh every object that is due",
        SOON,
        async || {
            let counters = latchkey.metrics().await?;
            let refreshes =
                |labels: &[(&str, &str)]| counters.sum("externalsecret_sync_calls_total", labels);
            let passes = refreshes(&[]) - refreshes(&[("name", "probe")]);
            ensure!(passes >= as_float(due), "{passes} of {due} refreshes");
            Ok(())
        },
    )
    .await?;
    assert_eq!(
        cluster.secret_writes().await? - writes,
        0,
        "Secrets written by taking over"
    );
    let now = cluster.plane.metrics().await?.api_writes(EXTERNAL_SECRETS);
    assert_eq!(now - object_writes, 0, "objects written by taking over");
    // Nobody is refused for want of ESO's webhook.
    kubectl.run_with_input(try_to_create, refused).await?;
    cluster.set_probe("second").await?;
    cluster.probe_holds("second").await?;
    cluster.set_probe("first").await?;
    cluster.probe_holds("first").await?;
    latchkey.daemon().stop()?;

    // Once more changes nothing, and loses nothing of what is to be undone.
    cluster.migrate_for_real(&["apply", "-A", "--yes"]).await?;
    let writes = cluster.secret_writes().await?;
    cluster.migrate_for_real(&["undo", "-A", "--yes"]).await?;
    let rewritten = cluster.eso_passes().await?;
    assert_eq!(rewritten, 0, "Secrets that ESO would write");
    assert_eq!(
        cluster.secret_writes().await? - writes,
        0,
        "Secrets written by handing back"
    );
    let mut after = cluster.picture().await?;
    let mut before = before;
    for picture in [&mut before, &mut after] {
        // The probe was changed on purpose.
        picture.retain(|title, _| !title.contains("probe"));
    }
    same(&before, &after)?;
    let (code, _, stderr) = cluster.migrate(&["undo", "-A", "--yes"]).await?;
    ensure!(code == 1 && stderr.contains("no record"), "{stderr}");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
fn as_float(count: usize) -> f64 {
    count as f64
}

const UNSERVED: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: elsewhere, namespace: team-b}
spec: {provider: {yandexlockbox: {auth: {authorizedKeySecretRef: {name: a, key: b}}}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: elsewhere, namespace: team-b}
spec: {secretStoreRef: {name: elsewhere}, dataFrom: [{extract: {key: db}}]}
";

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn one_namespace_changes_hands_beside_eso_and_the_others_stay() -> anyhow::Result<()> {
    let cases = [1, 3].map(case).into_iter().collect();
    let cluster = Cluster::new(cases).await?;
    let kubectl = cluster.plane.kubectl();
    let gates = ["delete", "validatingwebhookconfigurations", "--all"];
    kubectl.run(gates).await?;
    kubectl.apply(UNSERVED).await?;
    let before = cluster.picture().await?;
    let mut latchkey = cluster
        .latchkey(
            "beside",
            &["--controller-class=latchkey", "--require-controller-class"],
        )
        .await?;

    let (code, text, _) = cluster.migrate(&["plan", "-n", "team-b"]).await?;
    ensure!(
        code == 4 && text.contains("yandexlockbox is not served"),
        "{code}: {text}"
    );
    let (code, _, stderr) = cluster.migrate(&["apply", "-n", "team-b", "--yes"]).await?;
    ensure!(
        code == 4 && stderr.contains("nothing was changed"),
        "{code}: {stderr}"
    );
    cluster
        .migrate_for_real(&["apply", "-n", "team-a", "--yes"])
        .await?;
    let class = async |name: &str, namespace: &str| {
        let path = ["-o", "jsonpath={.spec.controller}"];
        kubectl
            .run(
                ["get", "secretstore", name, "-n", namespace]
                    .iter()
                    .chain(&path),
            )
            .await
    };
    ensure!(
        class("own", "team-a").await? == "latchkey" && class("own", "team-b").await?.is_empty()
    );

    cluster.set_probe("second").await?;
    cluster.probe_holds("second").await?;
    cluster.set_probe("first").await?;
    cluster.probe_holds("first").await?;
    let path = "jsonpath={.status.conditions[0].lastTransitionTime} {.status.capabilities}";
    let status = kubectl
        .run(["get", "secretstore", "own", "-n", "team-b", "-o", path])
        .await?;
    ensure!(
        status == format!("{SYNCED_AT} ReadWrite"),
        "latchkey looked at a store of ESO's: {status}"
    );
    latchkey.daemon().stop()?;
    cluster
        .migrate_for_real(&["undo", "-n", "team-a", "--yes"])
        .await?;
    let mut after = cluster.picture().await?;
    let mut before = before;
    for picture in [&mut before, &mut after] {
        picture.retain(|title, _| {
            !title.contains("probe") && !title.contains("latchkey-injection-key")
        });
    }
    same(&before, &after)?;

    cluster
        .migrate_for_real(&["apply", "-n", "team-b", "--yes", "--skip-blocked"])
        .await?;
    ensure!(
        class("own", "team-b").await? == "latchkey"
            && class("elsewhere", "team-b").await?.is_empty()
    );
    Ok(())
}

#[tokio::test]
async fn a_plan_tells_what_would_be_written_and_why() -> anyhow::Result<()> {
    let cluster = Cluster::new([0, 1, 3].map(case).into_iter().collect()).await?;
    let kubectl = cluster.plane.kubectl();
    let tampered = json!({"data": {"k": "eA=="}}).to_string();
    let name = case(0).name;
    kubectl
        .run(["patch", "secret", &name, "-n", "team-a", "-p", &tampered])
        .await?;
    let (code, text, _) = cluster.migrate(&["plan", "-A"]).await?;
    ensure!(
        code == 3 && text.contains("somebody has changed it"),
        "{code}: {text}"
    );
    let (code, text, _) = cluster.migrate(&["plan", "-A", "--fetch"]).await?;
    ensure!(
        code == 3 && text.contains("data \"k\" changes"),
        "{code}: {text}"
    );
    ensure!(!text.contains("eA=="), "a plan shows no value");
    let unlabelled = [
        "reconcile.external-secrets.io/managed-",
        "reconcile.external-secrets.io/created-by-",
    ];
    let base = ["label", "secret", "app-1", "-n", "team-b"];
    kubectl.run(base.iter().chain(&unlabelled)).await?;
    let (code, text, _) = cluster.migrate(&["plan", "-A", "--output", "json"]).await?;
    let plan: Value = serde_json::from_str(&text)?;
    ensure!(
        code == 3 && plan["summary"]["rewritten"] == 2,
        "{code}: {text}"
    );
    let page = ListParams::default();
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(cluster.client.clone(), "team-a");
    ensure!(
        secrets
            .list(&page)
            .await?
            .items
            .iter()
            .any(|secret| secret.metadata.name.as_deref() == Some(&name))
    );
    Ok(())
}
