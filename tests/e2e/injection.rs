//! The life of the Secrets that are made for pods, in a cluster whose latchkey keeps them for seconds only.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use tokio::sync::OnceCell;

use crate::support::control_plane::{ControlPlane, Options};
use crate::support::latchkey::{EscServer, Latchkey, RunOptions, binary};
use crate::support::metrics::SECRETS;
use crate::support::{ports, scenario, wait};
use crate::world::{FURNITURE, ORGANIZATION, Place, SOON, TOKEN, World};

/// Longer than the retention of [`ward`], with room for a loaded machine.
const A_WHILE: Duration = Duration::from_mins(2);

/// A world whose Secrets go seconds after the last pod, or the permission.
async fn ward() -> anyhow::Result<&'static World> {
    static SHARED: OnceCell<Result<World, String>> = OnceCell::const_new();
    let flags = ["--retain=5s", "--on-revoke=delete", "--revoke-grace=1s"];
    let started = SHARED
        .get_or_init(async || start(&flags).await.map_err(|error| format!("{error:#}")))
        .await;
    started.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

/// Nothing drops it: the end of the process ends it.
async fn start(flags: &[&str]) -> anyhow::Result<World> {
    let plane: &'static ControlPlane =
        Box::leak(Box::new(ControlPlane::start(Options::default()).await?));
    plane.install_crds().await?;
    plane.kubectl().apply(FURNITURE).await?;
    let logs = plane.workdir().path();
    let esc = EscServer::start(logs, ORGANIZATION, TOKEN).await?;
    let options = RunOptions {
        esc_url: Some(esc.url()),
        flags,
        ..RunOptions::default()
    };
    let latchkey = Latchkey::start("latchkey", plane.kubeconfig(), logs, &options).await?;
    Ok(World {
        plane,
        esc,
        latchkey,
    })
}

/// An ESC server of one test, which may stop it.
struct OwnEsc {
    port: u16,
    dir: PathBuf,
    server: EscServer,
}

impl OwnEsc {
    async fn start(world: &World, place: &Place) -> anyhow::Result<Self> {
        let [port] = ports::free()?;
        let dir = world.plane.workdir().path().join(&place.namespace);
        std::fs::create_dir_all(&dir)?;
        let server = EscServer::start_on(port, &dir, ORGANIZATION, TOKEN).await?;
        Ok(Self { port, dir, server })
    }

    async fn restart(&mut self) -> anyhow::Result<()> {
        self.server = EscServer::start_on(self.port, &self.dir, ORGANIZATION, TOKEN).await?;
        Ok(())
    }

    async fn set(&self, place: &Place, yaml: &str) -> anyhow::Result<()> {
        let name = format!("{ORGANIZATION}/{}/dev", place.namespace);
        if self.server.env(&["init", &name], "").await.is_err() {
            self.server.env(&["get", &name, "--definition"], "").await?;
        }
        self.server.env(&["edit", &name, "-f", "-"], yaml).await?;
        Ok(())
    }

    async fn opens(&self) -> anyhow::Result<f64> {
        let metrics = self.server.metrics().await?;
        Ok(metrics.sum("latchkey_esc_requests_total", &[("operation", "open")]))
    }
}

const HELLO: &str = "values: {app: {hello: world}}\n";
const WORLD: [(&str, &str); 1] = [("hello", "world")];
const MOON: [(&str, &str); 1] = [("hello", "moon")];

/// An environment, a store that reads it, and the permission to use it.
async fn furnish(world: &World, place: &Place) -> anyhow::Result<OwnEsc> {
    let esc = OwnEsc::start(world, place).await?;
    esc.set(place, HELLO).await?;
    let url = esc.server.url();
    place
        .apply(&format!(
            "
apiVersion: v1
kind: Secret
metadata: {{name: token, namespace: NS}}
stringData: {{token: {TOKEN}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: esc, namespace: NS}}
spec:
  provider:
    pulumi:
      apiUrl: {url}
      organization: {ORGANIZATION}
      project: NS
      environment: dev
      accessToken: {{secretRef: {{name: token, key: token}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: store-users, namespace: NS}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: latchkey-store-user}}
subjects: [{{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccounts:NS'}}]
"
        ))
        .await?;
    place
        .ready("SecretStore", "esc", "True", "store validated")
        .await?;
    Ok(esc)
}

/// A pod template that takes `app` from the store.
fn template(indent: usize, annotations: &str, body: &str) -> String {
    let text = format!(
        "metadata:
  labels: {{app: web}}
  annotations:
    latchkey.dev/secret.app: secret://esc/app
{annotations}spec:
{body}"
    );
    let pad = " ".repeat(indent);
    let lines: Vec<String> = text.lines().map(|line| format!("{pad}{line}")).collect();
    lines.join("\n")
}

const QUICK: &str = "    latchkey.dev/refresh: 2s\n";
const BY_ENV: &str = "  containers:
  - name: web
    image: test.local/none:1
    env: [{name: HELLO, valueFrom: {secretKeyRef: {name: app, key: hello}}}]
";
const BY_FILE: &str = "  containers:
  - name: web
    image: test.local/none:1
    volumeMounts: [{name: app, mountPath: /app}]
  volumes: [{name: app, secret: {secretName: app}}]
";

fn pod(name: &str, annotations: &str) -> String {
    let template = template(0, annotations, BY_ENV);
    let named = format!("metadata:\n  name: {name}\n  namespace: NS\n");
    format!(
        "apiVersion: v1\nkind: Pod\n{}",
        template.replacen("metadata:\n", &named, 1)
    )
}

fn deployment(name: &str, replicas: u32, annotations: &str, body: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: NS}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
{}
",
        template(4, annotations, body)
    )
}

/// Applies a manifest until the API server's authoriser has seen the fresh RoleBinding.
async fn admitted(place: &Place, manifest: &str) -> anyhow::Result<()> {
    wait::until("the object to be admitted", SOON, async || {
        place.apply(manifest).await?;
        Ok(())
    })
    .await
}

impl Place {
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The names of the Secrets made for pods here.
    async fn made(&self) -> anyhow::Result<Vec<String>> {
        let list = ListParams::default().labels("latchkey.dev/managed=true");
        let secrets = self.api::<Secret>().list(&list).await?;
        let names = secrets.items.into_iter().map(|s| s.metadata.name);
        Ok(names.flatten().collect())
    }

    /// Waits until exactly one Secret is made for pods here and holds `values`.
    async fn makes(&self, values: &[(&str, &str)]) -> anyhow::Result<Secret> {
        let name = wait::until("a Secret for pods", A_WHILE, async || {
            let made = self.made().await?;
            ensure!(made.len() == 1, "want one, are {made:?}");
            Ok(made[0].clone())
        })
        .await?;
        self.holds(&name, values).await
    }

    async fn gone(&self, name: &str) -> anyhow::Result<()> {
        wait::until(format!("Secret {name} to go"), A_WHILE, async || {
            ensure!(self.secret(name).await?.is_none(), "it is there");
            Ok(())
        })
        .await
    }

    /// Waits for an Event of `reason` on the object whose note has `text`.
    async fn told(&self, object: &str, reason: &str, text: &str) -> anyhow::Result<()> {
        wait::until(format!("Event {reason} on {object}"), A_WHILE, async || {
            let events = self.api::<Event>().list(&ListParams::default()).await?;
            let notes: Vec<String> = events
                .items
                .into_iter()
                .filter(|event| event.involved_object.name.as_deref() == Some(object))
                .map(|event| {
                    let note = event.message.unwrap_or_default();
                    format!("{}: {note}", event.reason.unwrap_or_default())
                })
                .collect();
            let found = |note: &String| note.starts_with(reason) && note.contains(text);
            ensure!(notes.iter().any(found), "want {text:?}, are {notes:?}");
            Ok(())
        })
        .await
    }
}

fn version(secret: &Secret) -> Option<String> {
    secret.metadata.resource_version.clone()
}

fn name_of(secret: &Secret) -> anyhow::Result<String> {
    secret.metadata.name.clone().context("it must have a name")
}

#[tokio::test]
async fn case_47_a_secret_that_was_planted_under_the_name_is_replaced_and_not_merged()
-> anyhow::Result<()> {
    let world = ward().await?;
    world
        .run("planted", async |place| {
            let _esc = furnish(world, place).await?;
            // Whoever may create pods learns the name from a pod of the same account that is not kept.
            let manifest = pod("web", "").replace("NS", &place.namespace);
            let try_out = ["apply", "--dry-run=server", "-f", "-", "-o", "json"];
            let name = wait::until("the pod to be admitted", SOON, async || {
                let tried = place.kubectl.run_with_input(try_out, &manifest).await?;
                let tried: Pod = serde_json::from_str(&tried)?;
                let spec = tried.spec.context("a spec")?;
                let env = spec.containers[0].env.clone().unwrap_or_default();
                let source = env[0]
                    .value_from
                    .clone()
                    .and_then(|from| from.secret_key_ref);
                let name = source.context("a reference")?.name;
                ensure!(name.starts_with("inj-app-"), "{name}");
                Ok(name)
            })
            .await?;
            let data = [("hello", "planted"), ("LD_PRELOAD", "/tmp/evil.so")];
            let planted = Secret {
                metadata: ObjectMeta {
                    name: Some(name.clone()),
                    ..ObjectMeta::default()
                },
                string_data: Some(data.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
                ..Secret::default()
            };
            let api = place.api::<Secret>();
            api.create(&PostParams::default(), &planted).await?;
            admitted(place, &pod("web", "")).await?;
            let made = place.makes(&WORLD).await?;
            ensure!(name_of(&made)? == name, "another Secret was made");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn case_48_a_revoked_permission_ends_the_refreshes_and_then_the_secret() -> anyhow::Result<()>
{
    let world = ward().await?;
    world
        .run("revoked", async |place| {
            let esc = furnish(world, place).await?;
            admitted(place, &pod("web", QUICK)).await?;
            let secret = name_of(&place.makes(&WORLD).await?)?;
            let binding = [
                "delete",
                "rolebinding",
                "store-users",
                "-n",
                &place.namespace,
            ];
            place.kubectl.run(binding).await?;
            place.gone(&secret).await?;
            place
                .told("web", "InjectionRevoked", "grant the verb \"use\"")
                .await?;
            esc.set(place, "values: {app: {hello: moon}}\n").await?;
            tokio::time::sleep(Duration::from_secs(5)).await;
            ensure!(place.made().await?.is_empty(), "it came back");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn case_53_three_hundred_first_creates_cost_one_read() -> anyhow::Result<()> {
    let world = ward().await?;
    world
        .run("crowd", async |place| {
            let esc = furnish(world, place).await?;
            // The permission is seen before the crowd comes.
            admitted(place, &pod("scout", "    latchkey.dev/refresh: 1h\n")).await?;
            place.makes(&WORLD).await?;
            let before = esc.opens().await?;
            // Another interval is another request, so nothing of the scout's can be shared.
            let manifest = deployment("web", 300, "    latchkey.dev/refresh: 2h\n", BY_ENV);
            tokio::time::sleep(Duration::from_secs(31)).await;
            place.apply(&manifest).await?;
            let pods = place.api::<Pod>();
            let injected = ListParams::default().labels("latchkey.dev/injected=true");
            wait::until("300 pods", Duration::from_mins(4), async || {
                let count = pods.list_metadata(&injected).await?.items.len();
                ensure!(count == 301, "{count} pods");
                Ok(())
            })
            .await?;
            wait::until("the Secret", SOON, async || {
                let made = place.made().await?.len();
                ensure!(made == 2, "{made} Secrets");
                Ok(())
            })
            .await?;
            let opens = esc.opens().await? - before;
            ensure!((opens - 1.0).abs() < f64::EPSILON, "{opens} reads");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn case_54_a_store_that_is_down_lets_new_pods_wait_and_its_return_is_seen()
-> anyhow::Result<()> {
    let world = ward().await?;
    world
        .run("cold", async |place| {
            let mut esc = furnish(world, place).await?;
            esc.server.daemon().stop()?;
            admitted(place, &pod("web", "")).await?;
            place
                .told("web", "InjectionFailed", "no Secret for alias \"app\"")
                .await?;
            ensure!(place.made().await?.is_empty(), "made of nothing");
            esc.restart().await?;
            place.makes(&WORLD).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn case_55_a_store_that_goes_down_leaves_the_last_known_values() -> anyhow::Result<()> {
    let world = ward().await?;
    world
        .run("warm", async |place| {
            let mut esc = furnish(world, place).await?;
            admitted(place, &pod("web", QUICK)).await?;
            let before = place.makes(&WORLD).await?;
            esc.server.daemon().stop()?;
            place
                .told("web", "InjectionStale", "the last known values are kept")
                .await?;
            place.apply(&pod("late", QUICK)).await?;
            place
                .told("late", "InjectionStale", "the last known values are kept")
                .await?;
            let after = place.makes(&WORLD).await?;
            ensure!(before.data == after.data, "the values changed");
            let namespace = place.namespace.as_str();
            let stale = world.latchkey.metrics().await?;
            let stale = stale.sum(
                "latchkey_injection_stale_seconds",
                &[("namespace", namespace)],
            );
            ensure!(stale > 0.0, "the staleness must be told");
            esc.restart().await?;
            esc.set(place, "values: {app: {hello: moon}}\n").await?;
            place.makes(&MOON).await?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn case_56_a_secret_whose_pod_never_came_goes_and_a_forged_record_is_left_alone()
-> anyhow::Result<()> {
    let world = ward().await?;
    world
        .run("never", async |place| {
            let _esc = furnish(world, place).await?;
            admitted(place, &pod("web", "")).await?;
            let made = place.makes(&WORLD).await?;
            let name = name_of(&made)?;
            place
                .api::<Pod>()
                .delete("web", &DeleteParams::default().grace_period(0))
                .await?;
            place.gone(&name).await?;
            let mut orphan = Secret {
                metadata: ObjectMeta {
                    name: Some(name.clone()),
                    labels: made.metadata.labels.clone(),
                    annotations: made.metadata.annotations.clone(),
                    ..ObjectMeta::default()
                },
                data: made.data.clone(),
                ..Secret::default()
            };
            let api = place.api::<Secret>();
            api.create(&PostParams::default(), &orphan).await?;
            orphan.metadata.name = Some("inj-app-aaaaaaaaaaaaaaaaaaaa".to_owned());
            api.create(&PostParams::default(), &orphan).await?;
            place.gone(&name).await?;
            ensure!(
                place
                    .secret("inj-app-aaaaaaaaaaaaaaaaaaaa")
                    .await?
                    .is_some(),
                "it was not made by latchkey"
            );
            Ok(())
        })
        .await
}

#[tokio::test]
async fn case_57_the_secret_follows_its_deployment() -> anyhow::Result<()> {
    let world = ward().await?;
    world
        .run("rollback", async |place| {
            let _esc = furnish(world, place).await?;
            admitted(place, &pod("scout", "")).await?;
            place
                .api::<Pod>()
                .delete("scout", &DeleteParams::default().grace_period(0))
                .await?;
            let first = deployment("web", 1, "    latchkey.dev/refresh: 3h\n", BY_ENV);
            place.apply(&first).await?;
            let made = place.makes(&WORLD).await?;
            let owner = &made
                .metadata
                .owner_references
                .clone()
                .context("it must be owned")?[0];
            assert_eq!(owner.kind, "ReplicaSet");
            assert_eq!((owner.controller, owner.block_owner_deletion), (None, None));
            let old = name_of(&made)?;

            // Scaled to zero: gone after the retention, back with the pods.
            let scale = |count: &str| {
                ["scale", "deploy/web", count, "-n", &place.namespace].map(str::to_owned)
            };
            place.kubectl.run(scale("--replicas=0")).await?;
            place.gone(&old).await?;
            place.kubectl.run(scale("--replicas=1")).await?;
            place.holds(&old, &WORLD).await?;

            // Another annotation is another Secret; the rollback needs the first again.
            place
                .apply(&first.replace("refresh: 3h", "refresh: 4h"))
                .await?;
            wait::until("the second Secret", SOON, async || {
                let made = place.made().await?;
                ensure!(made.iter().any(|name| *name != old), "{made:?}");
                Ok(())
            })
            .await?;
            let undo = ["rollout", "undo", "deploy/web", "-n", &place.namespace];
            place.kubectl.run(undo).await?;
            place.holds(&old, &WORLD).await?;

            place
                .kubectl
                .run(["delete", "deploy/web", "-n", &place.namespace])
                .await?;
            place.gone(&old).await
        })
        .await
}

/// The annotation of a Deployment's template, and how often its spec has changed.
async fn restarted(place: &Place, name: &str) -> anyhow::Result<(Option<String>, i64)> {
    let deployment = place.api::<Deployment>().get(name).await?;
    let template = deployment.spec.context("it must have a spec")?.template;
    let annotations = template
        .metadata
        .and_then(|m| m.annotations)
        .unwrap_or_default();
    let digest = annotations.get("latchkey.dev/restarted-for").cloned();
    Ok((digest, deployment.metadata.generation.unwrap_or_default()))
}

#[tokio::test]
async fn case_58_a_rotation_rolls_out_once_and_not_for_files() -> anyhow::Result<()> {
    let world = ward().await?;
    world
        .run("rotation", async |place| {
            let esc = furnish(world, place).await?;
            admitted(place, &pod("scout", QUICK)).await?;
            let settings = format!("{QUICK}    latchkey.dev/on-change: restart\n");
            let settings = settings.as_str();
            place.apply(&deployment("env", 2, settings, BY_ENV)).await?;
            let files =
                deployment("files", 1, settings, BY_FILE).replace("app: web}", "app: files}");
            place.apply(&files).await?;
            place.makes(&WORLD).await?;
            let before = restarted(place, "env").await?;
            ensure!(before.0.is_none(), "nothing has changed yet");
            // The pods must be older than the change.
            tokio::time::sleep(Duration::from_secs(3)).await;
            esc.set(place, "values: {app: {hello: moon}}\n").await?;
            place.makes(&MOON).await?;
            let (digest, generation) = wait::until("the rollout", A_WHILE, async || {
                let (digest, generation) = restarted(place, "env").await?;
                Ok((digest.context("not restarted")?, generation))
            })
            .await?;
            place.told("env", "RestartedForSecret", "inj-app-").await?;
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert_eq!(restarted(place, "env").await?, (Some(digest), generation));
            let sets = place
                .api::<ReplicaSet>()
                .list(&ListParams::default())
                .await?;
            assert_eq!(sets.items.len(), 3, "two of env and one of files");
            assert_eq!(restarted(place, "files").await?.0, None);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn an_eviction_replaces_the_pod_alone_and_a_new_process_restarts_nothing()
-> anyhow::Result<()> {
    let mut world = start(&["--restart=evict"]).await?;
    let plane = world.plane;
    scenario::run(plane, "evicted", async |scenario| {
        scenario.watch_log(world.latchkey.log());
        let place = &Place::new(plane, scenario).await?;
        let esc = furnish(&world, place).await?;
        admitted(place, &pod("scout", QUICK)).await?;
        let settings = format!("{QUICK}    latchkey.dev/on-change: restart\n");
        place
            .apply(&deployment("web", 1, &settings, BY_ENV))
            .await?;
        let uids = async || {
            let members = ListParams::default().labels("pod-template-hash");
            let pods = place.api::<Pod>().list(&members).await?;
            let uids = pods.items.into_iter().filter_map(|pod| pod.metadata.uid);
            anyhow::Ok(uids.collect::<Vec<_>>())
        };
        let before = wait::until("the pod", SOON, async || {
            let uids = uids().await?;
            ensure!(uids.len() == 1, "{uids:?}");
            Ok(uids)
        })
        .await?;
        place.makes(&WORLD).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        esc.set(place, "values: {app: {hello: moon}}\n").await?;
        let after = wait::until("its successor", A_WHILE, async || {
            let uids = uids().await?;
            ensure!(uids.len() == 1 && uids != before, "{uids:?}");
            Ok(uids)
        })
        .await?;
        let untouched = restarted(place, "web").await?;
        assert_eq!(untouched.0, None, "the template is the user's");

        world.latchkey.daemon().stop()?;
        let logs = plane.workdir().path();
        let options = RunOptions {
            esc_url: Some(world.esc.url()),
            ..RunOptions::default()
        };
        let _next = Latchkey::start("next", plane.kubeconfig(), logs, &options).await?;
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(restarted(place, "web").await?, untouched);
        assert_eq!(uids().await?, after);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_turned_key_gives_new_names_and_leaves_old_pods_theirs() -> anyhow::Result<()> {
    let world = ward().await?;
    world
        .run("turned", async |place| {
            let esc = furnish(world, place).await?;
            admitted(place, &pod("old", QUICK)).await?;
            let old = name_of(&place.makes(&WORLD).await?)?;
            let mut rotate = tokio::process::Command::new(binary()?);
            rotate
                .args(["rotate-key", "--own-namespace=latchkey-system"])
                .env("KUBECONFIG", world.plane.kubeconfig());
            let rotated = rotate.output().await?;
            ensure!(rotated.status.success(), "{rotated:?}");
            // Each replica follows the Secret with the keys by a watch.
            let new = wait::until("a name under the new key", SOON, async || {
                let pods = place.api::<Pod>();
                pods.delete("new", &DeleteParams::default().grace_period(0))
                    .await
                    .ok();
                place.apply(&pod("new", QUICK)).await?;
                let made = place.made().await?;
                made.into_iter()
                    .find(|name| *name != old)
                    .context("only the old name")
            })
            .await?;
            esc.set(place, "values: {app: {hello: moon}}\n").await?;
            place.holds(&old, &MOON).await?;
            place.holds(&new, &MOON).await?;
            Ok(())
        })
        .await
}

/// The report of `latchkey doctor`, and whether it found nothing that fails.
async fn doctor(world: &World, flags: &[&str]) -> anyhow::Result<(bool, Vec<serde_json::Value>)> {
    let mut doctor = tokio::process::Command::new(binary()?);
    doctor
        .args(["doctor", "--output=json"])
        .args(flags)
        .env("KUBECONFIG", world.plane.kubeconfig());
    let output = doctor.output().await?;
    let report = serde_json::from_slice(&output.stdout);
    let report = report.with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output.status.success(), report))
}

#[tokio::test]
async fn a_pod_that_was_not_injected_is_told_and_the_doctor_finds_it() -> anyhow::Result<()> {
    let world = ward().await?;
    world
        .run("late", async |place| {
            let plain = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: NS}\nspec:\n";
            place.apply(&format!("{plain}{BY_ENV}")).await?;
            let late = "latchkey.dev/secret.app=secret://esc/app";
            let namespace = place.namespace.as_str();
            place
                .kubectl
                .run(["annotate", "pod", "web", late, "-n", namespace])
                .await?;
            place
                .told("web", "NotInjected", "alias app: not injected")
                .await?;
            let uninjected = world.latchkey.metrics().await?;
            let uninjected =
                uninjected.sum("latchkey_uninjected_pods", &[("namespace", namespace)]);
            ensure!((uninjected - 1.0).abs() < f64::EPSILON, "{uninjected} pods");

            let (healthy, report) = doctor(world, &["--rights"]).await?;
            let text = serde_json::to_string_pretty(&report)?;
            ensure!(healthy, "nothing fails here: {text}");
            let pods = report
                .iter()
                .filter(|check| check["check"] == "Injected pods");
            let mut found = pods.filter_map(|check| check["detail"].as_str());
            ensure!(
                found.any(|detail| detail.contains(&format!("{namespace}/web"))),
                "{text}"
            );
            for check in ["API server", "Key of names", "Webhook answers", "Rights"] {
                let good =
                    |found: &serde_json::Value| found["check"] == check && found["status"] == "OK";
                ensure!(report.iter().any(good), "{check} must be OK: {text}");
            }
            let crds = report
                .iter()
                .filter(|check| check["detail"] == "as built in");
            assert_eq!(crds.count(), latchkey::api::crds::all().len(), "{text}");

            // The webhook never sees pods of this namespace, and the doctor must notice.
            let (healthy, _) = doctor(world, &["--namespace=kube-system"]).await?;
            ensure!(!healthy, "a namespace without the webhook must fail");

            place
                .kubectl
                .run(["delete", "pod", "web", "-n", namespace, "--now"])
                .await?;
            wait::until("the pod to be forgotten", SOON, async || {
                let metrics = world.latchkey.metrics().await?;
                let left = metrics.sum("latchkey_uninjected_pods", &[("namespace", namespace)]);
                ensure!(left < 1.0, "{left} pods");
                Ok(())
            })
            .await
        })
        .await
}

#[tokio::test]
async fn a_first_secret_costs_one_write_and_an_unchanged_refresh_none() -> anyhow::Result<()> {
    const PODS: u64 = 20;
    // A control plane of its own: nobody else may write while we count.
    let world = start(&[]).await?;
    world
        .run("count", async |place| {
            let esc = furnish(&world, place).await?;
            admitted(place, &pod("scout", "    latchkey.dev/refresh: '0'\n")).await?;
            let first = place.makes(&WORLD).await?;
            let before = world.plane.metrics().await?.api_writes(SECRETS);
            for i in 0..PODS {
                let interval = format!("    latchkey.dev/refresh: {}ms\n", 2000 + i);
                place.apply(&pod(&format!("web-{i}"), &interval)).await?;
            }
            wait::until("the Secrets", A_WHILE, async || {
                let made = place.made().await?.len();
                ensure!(made == 21, "{made} Secrets");
                Ok(())
            })
            .await?;
            let made = world.plane.metrics().await?.api_writes(SECRETS);
            assert_eq!(made - before, PODS, "one write a Secret");
            let opens = esc.opens().await?;
            wait::until("some refreshes", A_WHILE, async || {
                let now = esc.opens().await?;
                ensure!(now >= opens + 5.0, "{opens} became {now}");
                Ok(())
            })
            .await?;
            let refreshed = world.plane.metrics().await?.api_writes(SECRETS);
            assert_eq!(refreshed, made, "no write for a refresh");
            let scout = place.secret(&name_of(&first)?).await?;
            assert_eq!(scout.as_ref().and_then(version), version(&first));
            Ok(())
        })
        .await
}
