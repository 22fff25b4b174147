//! Pods through the webhook: each answer's patch is applied to the object as it came, and the result is
//! sent again.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::admission_world::{annotated, inlined, pod, review, world};
use latchkey::admission::Path;

const DB: (&str, &str) = ("secret.db", "secret://vault/apps/db");

fn name_at<'o>(object: &'o Value, pointer: &str) -> &'o str {
    let name = object.pointer(pointer).and_then(Value::as_str);
    name.unwrap_or_else(|| panic!("nothing at {pointer}: {object}"))
}

const FIRST: &str = "/spec/containers/0/env/0/valueFrom/secretKeyRef/name";

fn variables(object: &Value) -> &Value {
    &object["spec"]["containers"][0]["env"]
}

#[tokio::test]
async fn case_01_a_pod_without_our_annotations_is_untouched() {
    let mut none = annotated(&[]);
    none["metadata"]
        .as_object_mut()
        .expect("it is a map")
        .remove("annotations");
    let mut foreign = annotated(&[]);
    foreign["metadata"]["annotations"] = json!({"example.com/secret.db": "secret://vault/db"});
    for pod in [none, annotated(&[]), foreign] {
        assert_eq!(world().settle(&pod).await.patch, None);
    }
    let message = world().denied(&annotated(&[("secret.db", "")])).await;
    assert!(message.starts_with("latchkey.dev/secret.db"), "{message}");
}

#[tokio::test]
async fn case_02_a_forged_status_and_label_do_not_stop_injection() {
    let mut forged = annotated(&[
        DB,
        ("status", r#"{"db":"inj-db-aaaaaaaaaaaaaaaaaaaa"}"#),
        (
            "inline-references",
            r#"{"inj-inline-aaaaaaaaaaaaaaaaaaaa":["secret://vault/x#y"]}"#,
        ),
    ]);
    forged["metadata"]["labels"] = json!({"latchkey.dev/injected": "true"});
    let outcome = world().settle(&forged).await;
    let name = name_at(&outcome.object, FIRST);
    assert!(
        name.starts_with("inj-db-") && !name.ends_with("aaaaaaaa"),
        "{name}"
    );
    let status = name_at(
        &outcome.object,
        "/metadata/annotations/latchkey.dev~1status",
    );
    assert_eq!(status, json!({ "db": name }).to_string());
}

#[tokio::test]
async fn case_03_a_mirror_pod_is_untouched() {
    let mut mirror = annotated(&[DB]);
    mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "x".into();
    assert_eq!(world().settle(&mirror).await.patch, None);
}

#[tokio::test]
async fn case_04_the_systems_own_namespaces_are_untouched() {
    for namespace in ["kube-system", "latchkey-system"] {
        let mut review = review("CREATE", &annotated(&[DB]), &Value::Null);
        review["request"]["namespace"] = namespace.into();
        let outcome = world().send(Path::Mutate, &review).await;
        assert!(outcome.is_allowed() && outcome.patch.is_none());
    }
}

#[tokio::test]
async fn case_05_an_alias_that_nothing_uses_is_a_warning() {
    let world = world();
    let outcome = world
        .settle(&annotated(&[("secret.unused", "secret://vault/a")]))
        .await;
    assert_eq!(outcome.patch, None);
    assert!(outcome.warnings().contains("nothing in the pod uses"));
    assert_eq!(
        world
            .permissions
            .asked
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

#[tokio::test]
async fn case_06_07_a_name_that_is_no_alias_stays_and_a_phase_does_not_matter() {
    let mut pod = annotated(&[DB]);
    pod["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "plain"}}]);
    pod["status"] = json!({"phase": "Running"});
    let outcome = world().settle(&pod).await;
    assert_eq!(
        name_at(
            &outcome.object,
            "/spec/containers/0/envFrom/0/secretRef/name"
        ),
        "plain"
    );
    assert!(name_at(&outcome.object, FIRST).starts_with("inj-db-"));
}

#[tokio::test]
async fn case_08_11_12_13_absent_members_are_no_trouble() {
    let mut pod = annotated(&[DB]);
    let outcome = world().settle(&pod).await;
    assert_eq!(
        outcome.object["metadata"]["labels"],
        json!({"latchkey.dev/injected": "true"})
    );
    let unnamed = name_at(&outcome.object, FIRST).to_owned();

    pod["metadata"]["namespace"] = "".into();
    pod["metadata"]["labels"] = json!({"a": "b"});
    pod["spec"]["serviceAccountName"] = "default".into();
    pod["spec"]["volumes"] = Value::Null;
    let outcome = world().settle(&pod).await;
    assert_eq!(outcome.object["metadata"]["labels"]["a"], "b");
    assert_eq!(
        name_at(&outcome.object, FIRST),
        unnamed,
        "no account is the default one"
    );

    pod["metadata"]["labels"] = Value::Null;
    let outcome = world().create(&pod).await;
    assert!(outcome.is_allowed());
    assert_eq!(
        outcome.object["metadata"]["labels"],
        json!({"latchkey.dev/injected": "true"})
    );
}

/// Puts back what the patch may change, so that all else can be compared.
fn without_changes(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("labels");
        if let Some(annotations) = metadata["annotations"].as_object_mut() {
            annotations.remove("latchkey.dev/status");
            annotations.remove("latchkey.dev/inline-references");
        }
    }
    let text = regex::Regex::new("inj-([a-z]+)-[a-z2-7]{20}").expect("the expression is legal");
    let text = text.replace_all(&object.to_string(), "$1").into_owned();
    serde_json::from_str(&text).expect("it is still JSON")
}

#[tokio::test]
async fn case_09_10_21_what_is_not_known_stays_as_it_was() {
    let pod = pod("
metadata:
  annotations: {latchkey.dev/secret.db: 'secret://vault/db', 'a~b/c~1d': 'x'}
  managedFields: [{manager: m, fieldsV1: {'f:spec': {}}}]
  invented: {deep: [1, 2.50, null]}
spec:
  invented: true
  initContainers:
  - {name: inj-agent, restartPolicy: Always, invented: 1, envFrom: [{secretRef: {name: db}, invented: 2}]}
  - {name: second}
  containers:
  - name: app
    invented: [{}]
    env: [{name: A, invented: x, valueFrom: {secretKeyRef: {name: db, key: k, invented: y}}}]
  - {name: other, resources: {limits: {cpu: 1}}}
  volumes: [{name: v, invented: {a: b}, secret: {secretName: db, invented: 3}}]
");
    let outcome = world().settle(&pod).await;
    assert_eq!(without_changes(outcome.object), without_changes(pod));
}

#[tokio::test]
async fn case_14_15_19_20_every_place_of_an_alias_gets_one_secret() {
    let pod = pod("
metadata: {annotations: {latchkey.dev/secret.db: 'secret://vault/db'}}
spec:
  initContainers: [{name: i, envFrom: [{secretRef: {name: db}}]}]
  containers:
  - {name: app, env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: k}}}]}
  - {name: other, env: [{name: A, value: db}]}
  volumes:
  - {name: v, secret: {secretName: db}}
  - {name: w, projected: {sources: [{secret: {name: plain}}, {secret: {name: db}}]}}
  - {name: x, csi: {driver: d, nodePublishSecretRef: {name: db}}}
  imagePullSecrets: [{name: db}, {name: plain}]
");
    let outcome = world().settle(&pod).await;
    let made = name_at(&outcome.object, FIRST);
    for pointer in [
        "/spec/initContainers/0/envFrom/0/secretRef/name",
        "/spec/volumes/0/secret/secretName",
        "/spec/volumes/1/projected/sources/1/secret/name",
        "/spec/volumes/2/csi/nodePublishSecretRef/name",
        "/spec/imagePullSecrets/0/name",
    ] {
        assert_eq!(name_at(&outcome.object, pointer), made);
    }
    assert_eq!(
        outcome.object["spec"]["containers"][1],
        pod["spec"]["containers"][1]
    );
    assert_eq!(without_changes(outcome.object), without_changes(pod));
}

#[tokio::test]
async fn case_16_17_18_large_and_repetitive_pods_pass() {
    let mut pod = annotated(&[DB]);
    let variable = |i: usize| {
        if i.is_multiple_of(100) {
            json!({"name": "SAME", "valueFrom": {"secretKeyRef": {"name": "db", "key": format!("k{i}")}}})
        } else {
            json!({"name": format!("V{}", i % 7), "value": format!("{i}")})
        }
    };
    pod["spec"]["containers"][0]["env"] = (0..2000).map(variable).collect();
    pod["metadata"]["managedFields"] = json!([{"fieldsV1": {"f:x": "y".repeat(500_000)}}]);
    let outcome = world().settle(&pod).await;
    let operations = outcome
        .patch
        .as_ref()
        .and_then(Value::as_array)
        .map(Vec::len);
    assert_eq!(operations, Some(22));
    assert_eq!(without_changes(outcome.object), without_changes(pod));
}

#[tokio::test]
async fn case_22_27_references_in_values_are_read_from_secrets() {
    let mut pod = inlined(&[
        ("WHOLE", "secret://vault/db#password"),
        (
            "URL",
            "a:${secret://vault/db#user}:${secret://vault/db#password}@h",
        ),
        (
            "TWICE",
            "${secret://vault/db#user}${secret://vault/db#user}",
        ),
        (
            "JSON",
            r#"{"p":"${secret://cluster:vault/x?version=2#p.q}"}"#,
        ),
        ("PLAIN", "text"),
    ]);
    pod["spec"]["initContainers"] =
        json!([{"name": "i", "env": [{"name": "T", "value": "secret://vault/db#password"}]}]);
    let outcome = world().settle(&pod).await;
    let variables = variables(&outcome.object)
        .as_array()
        .expect("there are some");
    let names: Vec<&str> = variables
        .iter()
        .filter_map(|v| v["name"].as_str())
        .collect();
    let of_db = variables[0]["valueFrom"]["secretKeyRef"]["name"]
        .as_str()
        .expect("it is read");
    let tag = of_db[of_db.len() - 6..].to_uppercase();
    let (user, password) = (format!("INJ_{tag}_USER"), format!("INJ_{tag}_PASSWORD"));
    assert_eq!(names[..4], ["WHOLE", &user, &password, "URL"]);
    assert_eq!(names[4], "TWICE");
    assert!(
        names[5].starts_with("INJ_") && names[5].ends_with("_P_Q"),
        "{names:?}"
    );
    assert_eq!(names[6..], ["JSON", "PLAIN"]);
    assert_eq!(
        variables[3]["value"],
        format!("a:$({user}):$({password})@h")
    );
    assert_eq!(variables[4]["value"], format!("$({user})$({user})"));
    let init = &outcome.object["spec"]["initContainers"][0]["env"][0];
    assert_eq!(
        init["valueFrom"]["secretKeyRef"],
        json!({"name": of_db, "key": "password"})
    );
    assert_eq!(init.get("value"), None);
}

#[tokio::test]
async fn case_23_24_other_expansions_keep_their_meaning() {
    let pod = inlined(&[
        ("OTHER", "o"),
        (
            "A",
            "$(OTHER) $$(X) 5$ ${secret://vault/db#p} $(OTHER) $$(Y)",
        ),
        ("B", "$${secret://vault/db#p}"),
    ]);
    let outcome = world().settle(&pod).await;
    let variables = variables(&outcome.object);
    let made = variables[1]["name"].as_str().expect("a variable was added");
    assert_eq!(
        variables[2]["value"],
        format!("$(OTHER) $$(X) 5$ $({made}) $(OTHER) $$(Y)")
    );
    assert_eq!(variables[3]["value"], format!("$$$({made})"));
    let source = &variables[1]["valueFrom"]["secretKeyRef"]["key"];
    assert_eq!(
        source, "p",
        "the value is read by a variable, whose text the kubelet does not expand"
    );
}

#[tokio::test]
async fn a_variable_with_a_source_keeps_it_though_its_value_is_a_reference() {
    let mut pod = inlined(&[("A", "secret://vault/db#user")]);
    let source = json!({"configMapKeyRef": {"name": "c", "key": "k"}});
    pod["spec"]["containers"][0]["env"][0]["valueFrom"] = source;
    let message = world().denied(&pod).await;
    assert!(
        message.contains("env A: has a reference as its value and valueFrom"),
        "{message}"
    );
}

#[tokio::test]
async fn case_25_26_28_unclosed_is_denied_and_off_is_left_alone() {
    let message = world()
        .denied(&inlined(&[("A", "x ${secret://vault/db#p")]))
        .await;
    assert!(message.contains("container app, env A"), "{message}");
    assert!(message.contains("position 2"), "{message}");
    let message = world().denied(&inlined(&[("A", "secret://")])).await;
    assert!(message.contains("env A"), "{message}");
    let mut off = inlined(&[("A", "secret://vault/db#p"), ("B", "${secret://")]);
    off["metadata"]["annotations"]["latchkey.dev/inline"] = "false".into();
    assert_eq!(world().settle(&off).await.patch, None);
}

#[tokio::test]
async fn a_variable_of_the_pod_that_has_our_name_is_not_taken_for_ours() {
    let first = world()
        .settle(&inlined(&[("A", "x${secret://vault/db#p}")]))
        .await;
    let made = name_at(&first.object, "/spec/containers/0/env/0/name").to_owned();
    let pod = inlined(&[(&made, "the user's own"), ("A", "x${secret://vault/db#p}")]);
    let outcome = world().settle(&pod).await;
    assert_eq!(
        variables(&outcome.object)[2]["value"],
        format!("x$({made}_2)")
    );
}

#[tokio::test]
async fn case_32_a_template_that_does_not_compile_is_denied_by_field() {
    let spec = "{secretStoreRef: {name: vault}, dataFrom: [{extract: {key: a}}], \
                target: {template: {data: {url: '{{ .user'}}}}";
    let message = world().denied(&annotated(&[("secret.db", spec)])).await;
    for part in [
        "latchkey.dev/secret.db",
        "template.data[\"url\"]",
        "unclosed action",
    ] {
        assert!(message.contains(part), "{part:?} is missing in {message}");
    }
}

#[tokio::test]
async fn case_33_a_property_that_is_no_key_is_denied() {
    for pod in [
        annotated(&[("secret.db", "secret://vault/a#b/c")]),
        inlined(&[("A", "secret://vault/a#b/c")]),
    ] {
        let message = world().denied(&pod).await;
        assert!(
            message.contains("cannot name a key of a Secret"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn case_49_a_dry_run_gets_the_same_patch() {
    let mut dry = review("CREATE", &annotated(&[DB]), &Value::Null);
    dry["request"]["dryRun"] = true.into();
    let (wet, dry) = (
        world().create(&annotated(&[DB])).await,
        world().send(Path::Mutate, &dry).await,
    );
    assert!(wet.patch.is_some());
    assert_eq!(wet.patch, dry.patch);
}

#[tokio::test]
async fn case_50_a_container_that_another_webhook_adds_is_served_too() {
    let world = world();
    let mut pod = inlined(&[("A", "x${secret://vault/db#p}${secret://vault/db#q}")]);
    pod["metadata"]["annotations"]["latchkey.dev/secret.db"] = "secret://vault/db".into();
    let mut object = world.settle(&pod).await.object;
    let containers = object["spec"]["containers"]
        .as_array_mut()
        .expect("there is one");
    containers.push(json!({"name": "late", "env": [
        {"name": "A", "value": "${secret://vault/db#q}."},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}},
        {"name": "C", "value": "secret://vault/db#new"}]}));
    let before = object.clone();
    let object = world.settle(&object).await.object;
    assert_eq!(
        object["spec"]["containers"][0],
        before["spec"]["containers"][0]
    );
    let late = &object["spec"]["containers"][1]["env"];
    assert!(name_at(late, "/2/valueFrom/secretKeyRef/name").starts_with("inj-db-"));
    let record: Value = serde_json::from_str(name_at(
        &object,
        "/metadata/annotations/latchkey.dev~1inline-references",
    ))
    .expect("the record is JSON");
    let used = [
        name_at(
            &object,
            "/spec/containers/0/env/0/valueFrom/secretKeyRef/name",
        ),
        name_at(late, "/0/valueFrom/secretKeyRef/name"),
        name_at(late, "/3/valueFrom/secretKeyRef/name"),
    ];
    for name in used {
        assert!(record.get(name).is_some(), "{name} is not in {record}");
    }
}

#[tokio::test]
async fn case_51_a_pod_that_is_applied_again_keeps_its_names() {
    let world = world();
    let mut manifest = inlined(&[
        ("A", "x${secret://vault/db#p}"),
        ("B", "secret://vault/db#p"),
    ]);
    manifest["metadata"]["annotations"]["latchkey.dev/secret.db"] = "secret://vault/db".into();
    manifest["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "db"}}]);
    let live = world.settle(&manifest).await.object;
    assert_eq!(world.update(&live, &live).await.patch, None);
    let again = world.update(&live, &manifest).await;
    assert!(again.is_allowed());
    assert_eq!(again.object, live);
    assert_eq!(world.update(&live, &again.object).await.patch, None);
    let asked = world
        .permissions
        .asked
        .load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(asked, 2, "only the two passes of the creation ask");
}

#[tokio::test]
async fn case_52_an_ephemeral_container_gets_the_live_name() {
    let world = world();
    let live = world.settle(&annotated(&[DB])).await.object;
    let mut next = live.clone();
    next["spec"]["ephemeralContainers"] =
        json!([{"name": "debug", "envFrom": [{"secretRef": {"name": "db"}}]}]);
    let outcome = world.update(&live, &next).await;
    let pointer = "/spec/ephemeralContainers/0/envFrom/0/secretRef/name";
    assert_eq!(name_at(&outcome.object, pointer), name_at(&live, FIRST));
    assert_eq!(
        outcome.patch.and_then(|p| p.as_array().map(Vec::len)),
        Some(1)
    );
}

/// JSON without a meaning to anybody.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z$(){}~/ \"é]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("x[a-z~/]{0,4}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn variable() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["A", "B", "INJ_X", "C"]);
    let value = prop_oneof![
        "[$(){} a-z]{0,10}".prop_map(Value::from),
        "[$()a-z]{0,5}".prop_map(|text| format!("{text}${{secret://vault/k#p}}$(A)").into()),
        "[$()a-z]{0,5}"
            .prop_map(|t| format!("${{secret://vault/k#q}}{t}${{secret://vault/l#p}}").into()),
        Just(Value::from("secret://cluster:vault/k#p")),
    ];
    let secret = prop::sample::select(vec!["db", "plain", "other"]);
    prop_oneof![
        (name.clone(), value, anything())
            .prop_map(|(name, value, x)| json!({"name": name, "value": value, "x": x})),
        (name, secret, anything()).prop_map(|(name, secret, x)| json!({
            "name": name, "x": x, "valueFrom": {"secretKeyRef": {"name": secret, "key": "k", "x": x}}
        })),
    ]
}

prop_compose! {
    fn container()(
        env in prop::option::of(prop::collection::vec(variable(), 0..5)),
        from in prop::option::of(prop::sample::select(vec!["db", "plain"])),
        x in anything(),
    ) -> Value {
        let mut container = json!({"name": "c", "x": x});
        if let Some(env) = env {
            container["env"] = env.into();
        }
        if let Some(from) = from {
            container["envFrom"] = json!([{"x": x, "secretRef": {"name": from}}, {"configMapRef": {"name": "db"}}]);
        }
        container
    }
}

prop_compose! {
    fn any_pod()(
        containers in prop::collection::vec(container(), 0..3),
        inits in prop::option::of(prop::collection::vec(container(), 0..3)),
        volume in prop::sample::select(vec!["db", "plain", "other"]),
        labels in prop::option::of(Just(json!({"a": "b"}))),
        x in anything(),
    ) -> Value {
        let mut pod = annotated(&[("inline", "true"), DB, ("secret.other", "secret://other/o")]);
        pod["spec"] = json!({"x": x, "containers": containers, "volumes": [
            {"name": "v", "x": x, "secret": {"secretName": volume}},
            {"name": "w", "projected": {"sources": [{"secret": {"name": volume, "x": x}}, {"x": x}]}}]});
        if let Some(inits) = inits {
            pod["spec"]["initContainers"] = inits.into();
        }
        if let Some(labels) = labels {
            pod["metadata"]["labels"] = labels;
        }
        pod["x"] = x;
        pod
    }
}

/// The pod without variables that were added and with placeholders for what may be rewritten.
fn skeleton(object: Value) -> Value {
    let mut object = without_changes(object);
    for list in ["containers", "initContainers"] {
        for container in object["spec"][list].as_array_mut().into_iter().flatten() {
            let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) else {
                continue;
            };
            env.retain(|v| {
                !v["name"]
                    .as_str()
                    .is_some_and(|n| n.starts_with("INJ_") && n != "INJ_X")
            });
            let plain = |v: &&mut Value| v.pointer("/valueFrom/secretKeyRef/x").is_none();
            for variable in env.iter_mut().filter(plain) {
                let variable = variable.as_object_mut().expect("a variable is a map");
                variable.remove("value");
                variable.remove("valueFrom");
            }
        }
    }
    object
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn only_names_and_values_with_references_ever_change(pod in any_pod()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime can be made");
        let outcome = runtime.block_on(world().settle(&pod));
        prop_assert_eq!(skeleton(outcome.object), skeleton(pod));
    }
}
