//! Pods that keep values in memory, through the webhook.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::admission_world::{World, annotated, inlined, world};
use latchkey::model::pod_injection::Pod;
use latchkey::model::pod_injection::memory::{Delivery, pinned};
use latchkey::model::store_use::StoreFacts;

const DB: (&str, &str) = ("secret.db", "secret://vault/apps/db");
const MEMORY: (&str, &str) = ("mode", "memory");

/// A pod whose container mounts the alias `db` as volume `db`.
fn mounting(annotations: &[(&str, &str)]) -> Value {
    let mut pod = annotated(annotations);
    pod["spec"] = json!({
        "containers": [{"name": "app", "image": "i", "volumeMounts": [{"name": "db", "mountPath": "/db"}]}],
        "volumes": [{"name": "db", "secret": {"secretName": "db"}}],
    });
    pod
}

fn agent(object: &Value) -> &Value {
    let init = object["spec"]["initContainers"].as_array();
    let mut init = init.expect("there are init containers").iter();
    let found = init.find(|c| c["args"][1] == "serve" && c["restartPolicy"] == "Always");
    found.expect("one is the agent")
}

fn told(object: &Value) -> Vec<Delivery> {
    let args = agent(object)["args"].as_array().expect("it has arguments");
    let texts = args.iter().filter_map(Value::as_str);
    let told = texts.filter_map(|text| text.strip_prefix("--secret="));
    told.map(|text| Delivery::parse(text).expect("it can be read"))
        .collect()
}

fn names_of_secrets(object: &Value) -> usize {
    object.to_string().matches("secretName").count()
        + object.to_string().matches("secretKeyRef").count()
}

#[tokio::test]
async fn a_volume_keeps_its_items_modes_and_optionality_and_gets_read_only() {
    let mut pod = mounting(&[DB, MEMORY, ("refresh", "15m")]);
    pod["spec"]["volumes"][0]["secret"] = json!({"secretName": "db", "defaultMode": 256, "optional": true,
        "items": [{"key": "a", "path": "x/$(A)"}, {"key": "b", "path": "y", "mode": 288}]});
    pod["spec"]["initContainers"] =
        json!([{"name": "migrate", "volumeMounts": [{"name": "db", "mountPath": "/db"}]}]);
    let outcome = world().settle(&pod).await;
    let object = &outcome.object;
    let told = told(object);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].mode, told[0].refresh, told[0].optional),
        (0o400, 900, true)
    );
    assert_eq!(told[0].items[0].path, "x/$(A)");
    assert_eq!(told[0].items[1].mode, Some(0o440));
    assert!(told[0].name.starts_with("inj-db-"), "{told:?}");
    let init = &object["spec"]["initContainers"];
    assert_eq!(init[0]["name"], "inj-agent", "the agent is first");
    assert_eq!(init[1]["name"], "migrate");
    for container in [&init[1], &object["spec"]["containers"][0]] {
        assert_eq!(container["volumeMounts"][0]["readOnly"], true);
    }
    assert_eq!(names_of_secrets(object), 0, "{object}");
    assert!(
        outcome.warnings().contains("only the agent read"),
        "{:?}",
        outcome.warnings()
    );
}

#[tokio::test]
async fn the_agent_runs_as_who_reads_and_never_as_root() {
    let user = async |change: fn(&mut Value)| {
        let mut pod = mounting(&[DB, MEMORY]);
        change(&mut pod);
        let outcome = world().settle(&pod).await;
        agent(&outcome.object)["securityContext"]["runAsUser"].clone()
    };
    assert_eq!(user(|_| {}).await, Value::Null, "the image's own");
    let of_pod = user(|pod| pod["spec"]["securityContext"] = json!({"runAsUser": 1000}));
    assert_eq!(of_pod.await, Value::Null, "the pod's");
    let of_container = user(|pod| {
        pod["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": 2000});
    });
    assert_eq!(of_container.await, 2000);
    let root = user(|pod| pod["spec"]["securityContext"] = json!({"runAsUser": 0}));
    assert_eq!(root.await, 65532);

    let mut grouped = mounting(&[DB, MEMORY]);
    grouped["spec"]["securityContext"] = json!({"fsGroup": 3000});
    grouped["spec"]["volumes"][0]["secret"]["defaultMode"] = 256.into();
    let outcome = world().settle(&grouped).await;
    assert_eq!(told(&outcome.object)[0].mode, 0o440, "as the kubelet would");
    assert_eq!(outcome.warnings(), "null");
}

#[tokio::test]
async fn case_19_a_projected_volume_holds_aliases_only() {
    let mut pod = mounting(&[DB, ("secret.other", "secret://other/o"), MEMORY]);
    pod["spec"]["volumes"] = json!([{"name": "db", "projected": {"defaultMode": 288, "sources": [
        {"secret": {"name": "db"}}, {"secret": {"name": "other", "optional": true}}]}}]);
    let outcome = world().settle(&pod).await;
    let found = told(&outcome.object);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].mode, found[0].optional), (0o440, false));
    assert!(found[1].name.starts_with("inj-other-") && found[1].optional);
    for source in [
        json!({"configMap": {"name": "c"}}),
        json!({"secret": {"name": "plain"}}),
    ] {
        pod["spec"]["volumes"][0]["projected"]["sources"][1] = source;
        let message = world().denied(&pod).await;
        assert!(
            message.contains("volume db joins an alias with what is no alias"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn what_would_need_a_secret_is_denied_with_its_place_and_a_remedy() {
    let denied = async |change: fn(&mut Value), place: &str| {
        let mut pod = mounting(&[DB, MEMORY]);
        change(&mut pod);
        let message = world().denied(&pod).await;
        assert!(
            message.starts_with("latchkey.dev/mode") && message.contains(place),
            "{message}"
        );
        assert!(
            message.contains("mount") || message.contains("relative path"),
            "{message}"
        );
    };
    denied(
        |pod| {
            pod["spec"]["containers"][0]["env"] =
                json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}]);
        },
        "container app, env A uses alias db",
    )
    .await;
    denied(
        |pod| {
            pod["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "db"}}]);
        },
        "container app, envFrom[0]",
    )
    .await;
    denied(
        |pod| pod["spec"]["imagePullSecrets"] = json!([{"name": "db"}]),
        "imagePullSecrets[0]",
    )
    .await;
    denied(
        |pod| {
            pod["spec"]["volumes"][0] =
                json!({"name": "c", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "db"}}});
        },
        "volume c",
    )
    .await;
    denied(
        |pod| {
            pod["spec"]["volumes"][0]["secret"]["items"] = json!([{"key": "k", "path": "../x"}]);
        },
        "volume db",
    )
    .await;
    let mut inline = inlined(&[("A", "secret://vault/db#p")]);
    inline["metadata"]["annotations"]["latchkey.dev/mode"] = "memory".into();
    let message = world().denied(&inline).await;
    assert!(
        message.contains("container app has a secret:// reference"),
        "{message}"
    );
    let external = mounting(&[("secret.db", "externalsecret/db"), MEMORY]);
    let message = world().denied(&external).await;
    assert!(message.starts_with("latchkey.dev/secret.db"), "{message}");
}

#[tokio::test]
async fn case_05_06_an_unused_alias_is_a_warning_and_an_ordinary_secret_stays() {
    let mut pod = mounting(&[DB, MEMORY]);
    pod["spec"]["volumes"][0]["secret"]["secretName"] = "plain".into();
    pod["spec"]["imagePullSecrets"] = json!([{"name": "regcred"}]);
    let outcome = world().settle(&pod).await;
    assert_eq!(outcome.patch, None);
    assert!(outcome.warnings().contains("nothing in the pod uses"));
}

#[tokio::test]
async fn case_21_a_container_or_a_volume_that_is_called_like_ours_is_left_alone() {
    let mut pod = mounting(&[DB, MEMORY]);
    let theirs = json!({"name": "inj-agent", "image": "i", "args": ["agent", "serve"]});
    pod["spec"]["initContainers"] = json!([theirs]);
    let volumes = pod["spec"]["volumes"].as_array_mut();
    let volumes = volumes.expect("there are some");
    volumes.push(json!({"name": "inj-token", "emptyDir": {}}));
    let outcome = world().settle(&pod).await;
    let init = &outcome.object["spec"]["initContainers"];
    assert_eq!(init[0]["name"], "inj-agent-2");
    assert_eq!(init[1], theirs);
    let volumes = &outcome.object["spec"]["volumes"];
    assert_eq!(volumes[1], pod["spec"]["volumes"][1]);
    assert_eq!(volumes[2]["name"], "inj-token-2");
    assert_eq!(init[0]["volumeMounts"][1]["name"], "inj-token-2");
}

#[tokio::test]
async fn case_50_what_another_webhook_adds_is_served_by_the_same_agent() {
    let world = world();
    let mut object = world.settle(&mounting(&[DB, MEMORY])).await.object;
    let late = json!({"name": "late", "volumeMounts": [
        {"name": "db", "mountPath": "/a"}, {"name": "more", "mountPath": "/b"}]});
    let list = |object: &mut Value, name: &str, item: Value| {
        let list = object["spec"][name].as_array_mut();
        list.expect("there are some").push(item);
    };
    list(&mut object, "containers", late);
    let more = json!({"name": "more", "secret": {"secretName": "db"}});
    list(&mut object, "volumes", more);
    let outcome = world.settle(&object).await;
    let init = outcome.object["spec"]["initContainers"].as_array();
    assert_eq!(init.map(Vec::len), Some(1));
    let volumes: Vec<String> = told(&outcome.object)
        .into_iter()
        .map(|d| d.volume)
        .collect();
    assert_eq!(volumes, ["db", "more"]);
    let mounts = &outcome.object["spec"]["containers"][1]["volumeMounts"];
    assert_eq!(
        (&mounts[0]["readOnly"], &mounts[1]["readOnly"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test]
async fn case_02_a_forged_agent_gets_no_name_that_the_pod_may_not_have() {
    let world = world();
    let mut object = world.settle(&mounting(&[DB, MEMORY])).await.object;
    let forged =
        r#"--secret={"name":"inj-db-aaaaaaaaaaaaaaaaaaaa","volume":"db","mode":420,"refresh":1}"#;
    object["spec"]["initContainers"][0]["args"][3] = forged.into();
    let outcome = world.create(&object).await;
    assert!(outcome.is_allowed());
    let pod = outcome.object.to_string();
    let pod: Pod<'_> = serde_json::from_str(&pod).expect("it is a pod");
    assert_eq!(pinned("team", &pod, &world.webhook.keys), []);
}

#[tokio::test]
async fn case_51_52_an_update_keeps_what_the_live_pod_has() {
    let world = world();
    let manifest = mounting(&[DB, MEMORY]);
    let live = world.settle(&manifest).await.object;
    assert_eq!(world.update(&live, &live).await.patch, None);
    let again = world.update(&live, &manifest).await;
    assert!(again.is_allowed());
    assert_eq!(again.object, live, "a manifest that replaces the pod");
    let mut patched = live.clone();
    patched["spec"]["volumes"][0] = manifest["spec"]["volumes"][0].clone();
    assert_eq!(
        world.update(&live, &patched).await.object,
        live,
        "one that is merged"
    );

    let mut debugged = live.clone();
    debugged["spec"]["ephemeralContainers"] =
        json!([{"name": "debug", "volumeMounts": [{"name": "db", "mountPath": "/db"}]}]);
    let outcome = world.update(&live, &debugged).await;
    let mount = &outcome.object["spec"]["ephemeralContainers"][0]["volumeMounts"][0];
    assert_eq!(mount["readOnly"], true);
    debugged = outcome.object;
    assert_eq!(world.update(&live, &debugged).await.patch, None);
}

#[tokio::test]
async fn case_54_on_error_deny_refuses_while_the_store_is_down_and_wait_does_not() {
    let down = |world: &World| {
        world.know(|tables| {
            let failure = Some("sealed".to_owned());
            let facts = StoreFacts {
                failure,
                ..StoreFacts::default()
            };
            tables.stores.insert("team:vault".to_owned(), facts);
        });
    };
    let world = world();
    down(&world);
    world.settle(&mounting(&[DB, MEMORY])).await;
    let message = world
        .denied(&mounting(&[DB, MEMORY, ("on-error", "deny")]))
        .await;
    assert!(message.contains("sealed"), "{message}");
}

#[tokio::test]
async fn an_installation_that_cannot_serve_it_says_why() {
    let mut world = world();
    world.webhook.memory = Err("\"memory\" is not served here: no image".to_owned());
    let message = world.denied(&mounting(&[DB, MEMORY])).await;
    assert!(
        message.contains("latchkey.dev/mode: \"memory\" is not served here"),
        "{message}"
    );
    world.settle(&mounting(&[DB])).await;
}

prop_compose! {
    fn mount()(name in prop::sample::select(vec!["v", "w", "u"]), only in prop::option::of(any::<bool>())) -> Value {
        match only {
            Some(only) => json!({"name": name, "mountPath": "/m", "readOnly": only, "x": 1}),
            None => json!({"name": name, "mountPath": "/m", "x": 1}),
        }
    }
}

prop_compose! {
    fn container()(mounts in prop::option::of(prop::collection::vec(mount(), 0..3)), x in any::<i32>()) -> Value {
        let mut container = json!({"name": "c", "x": x});
        if let Some(mounts) = mounts {
            container["volumeMounts"] = mounts.into();
        }
        container
    }
}

prop_compose! {
    fn any_pod()(
        containers in prop::collection::vec(container(), 0..3),
        inits in prop::option::of(prop::collection::vec(container(), 0..3)),
        secret in prop::sample::select(vec!["db", "plain"]),
        projected in prop::sample::select(vec!["db", "other"]),
        x in any::<i32>(),
    ) -> Value {
        let mut pod = annotated(&[DB, ("secret.other", "secret://other/o"), MEMORY]);
        pod["spec"] = json!({"x": x, "containers": containers, "volumes": [
            {"name": "u", "emptyDir": {}, "x": x},
            {"name": "v", "x": x, "secret": {"secretName": secret}},
            {"name": "w", "projected": {"sources": [{"secret": {"name": projected, "x": x}}]}}]});
        if let Some(inits) = inits {
            pod["spec"]["initContainers"] = inits.into();
        }
        pod
    }
}

/// The pod without what is ours, so that all else can be compared.
fn skeleton(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("labels");
        metadata["annotations"]
            .as_object_mut()
            .expect("it has some")
            .remove("latchkey.dev/status");
    }
    let spec = object["spec"].as_object_mut().expect("it is a map");
    for list in ["containers", "initContainers"] {
        let Some(containers) = spec.get_mut(list).and_then(Value::as_array_mut) else {
            continue;
        };
        containers.retain(|container| container["name"] != "inj-agent");
        for container in containers.iter_mut() {
            for mount in container["volumeMounts"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                mount
                    .as_object_mut()
                    .expect("it is a map")
                    .remove("readOnly");
            }
            if container["volumeMounts"].is_null() {
                container
                    .as_object_mut()
                    .expect("it is a map")
                    .remove("volumeMounts");
            }
        }
    }
    if spec.get("initContainers") == Some(&json!([])) {
        spec.remove("initContainers");
    }
    let volumes = spec["volumes"].as_array_mut().expect("there are some");
    volumes.retain(|volume| volume["name"] != "inj-token");
    for volume in volumes.iter_mut().filter(|volume| volume["name"] != "u") {
        let volume = volume.as_object_mut().expect("it is a map");
        for member in ["secret", "projected", "emptyDir"] {
            volume.remove(member);
        }
    }
    object
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn only_volumes_of_aliases_and_their_mounts_ever_change(pod in any_pod()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime can be made");
        let outcome = runtime.block_on(world().settle(&pod));
        let uses_plain = pod["spec"]["volumes"][1]["secret"]["secretName"] == "plain";
        let named = outcome.object.to_string().matches("secretName").count();
        prop_assert_eq!(named, usize::from(uses_plain));
        prop_assert!(!outcome.object["spec"]["volumes"].to_string().contains("\"other\""));
        prop_assert_eq!(skeleton(outcome.object), skeleton(pod));
    }
}
