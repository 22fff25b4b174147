use super::*;
use proptest::prelude::*;
use rstest::rstest;
use serde::Deserialize as _;
use serde_json::json;

use crate::secret::SecretBytes;

fn parsed(annotations: &[(&str, &str)]) -> Result<Injection, Vec<Complaint>> {
    parse("team", annotations.iter().copied())
}

fn spec_of(text: &str) -> ExternalSecretSpec {
    let injection = parsed(&[("latchkey.dev/secret.db", text)]).unwrap();
    match injection.aliases["db"].clone() {
        Source::Spec(spec) => *spec,
        Source::ExternalSecret(name) => panic!("{name} must be a spec"),
    }
}

fn complaint(key: &str, text: &str) -> String {
    crate::model::complaint::join(&parsed(&[(key, text)]).unwrap_err())
}

fn ring(current: &str) -> KeyRing {
    KeyRing::new(&SecretBytes::from(current), None)
}

#[rstest]
#[case(
    "secret://cluster:vault/apps/web/db",
    r#"{"dataFrom":[{"extract":{"key":"apps/web/db"}}],"secretStoreRef":{"kind":"ClusterSecretStore","name":"vault"}}"#
)]
#[case(
    "secret://vault/apps/db?version=12#password",
    r#"{"data":[{"remoteRef":{"key":"apps/db","property":"password","version":"12"},"secretKey":"password"}],"secretStoreRef":{"name":"vault"}}"#
)]
#[case(
    "secret://v/a%23b%3fc%25d",
    r#"{"dataFrom":[{"extract":{"key":"a#b?c%d"}}],"secretStoreRef":{"name":"v"}}"#
)]
fn a_reference_stands_for_a_spec(#[case] text: &str, #[case] expected: &str) {
    let spec = spec_of(text);
    assert_eq!(canonical(&spec), expected);
    let read: ExternalSecretSpec = serde_json::from_str(expected).unwrap();
    assert_eq!(canonical(&read), expected);
}

#[rstest]
#[case::empty("", "neither secret://")]
#[case::words("vault:secret/data", "neither secret://")]
#[case::no_key("secret://vault", "has no key")]
#[case::empty_key("secret://vault/", "empty key")]
#[case::no_store("secret:///key", "the store's name \"\"")]
#[case::store_kind("secret://global:vault/key", "\"global\" is no kind of store")]
#[case::no_property("secret://vault/key#", "without a property")]
#[case::property("secret://vault/key#a/b", "cannot name a key of a Secret")]
#[case::query("secret://vault/key?v=1", "is not version=V")]
#[case::two_queries("secret://vault/key?version=1&x=2", "is not version=V")]
#[case::percent("secret://vault/a%2", "two hexadecimal digits")]
#[case::percent_sign("secret://vault/a%+1", "two hexadecimal digits")]
#[case::not_utf8("secret://vault/%ff", "not UTF-8")]
#[case::external_secret("externalsecret/Not_A_Name", "not the name of an object")]
#[case::not_yaml("a: [", "not YAML")]
#[case::no_map("- a: 1", "a map")]
#[case::unknown_field(
    "secretStoreRef: {name: v}\ndataFrom: [{extract: {key: a}, extrakt: {key: b}}]",
    "nobody reads spec.dataFrom[0].extrakt"
)]
#[case::wrong_type(
    "secretStoreRef: {name: v}\ndata: 3",
    "not the spec of an ExternalSecret"
)]
#[case::nothing_to_fetch("secretStoreRef: {name: v}", "either data or dataFrom")]
#[case::own_name(
    "secretStoreRef: {name: v}\ndataFrom: [{extract: {key: a}}]\ntarget: {name: mine}",
    "spec.target.name: the Secret's name is made by latchkey"
)]
#[case::foreign_secret(
    "secretStoreRef: {name: v}\ndataFrom: [{extract: {key: a}}]\ntarget: {creationPolicy: Merge}",
    "spec.target.creationPolicy"
)]
fn case_29_31_32_a_bad_value_is_refused_with_its_key(#[case] text: &str, #[case] expected: &str) {
    let complaint = complaint("latchkey.dev/secret.db", text);
    assert!(
        complaint.starts_with("latchkey.dev/secret.db"),
        "{complaint}"
    );
    assert!(complaint.contains(expected), "{complaint}");
}

#[rstest]
#[case("latchkey.dev/refresh", "soon")]
#[case("latchkey.dev/refresh", "-5m")]
#[case("latchkey.dev/inline", "yes")]
#[case("latchkey.dev/on-change", "reload")]
#[case("latchkey.dev/on-error", "")]
#[case("latchkey.dev/mode", "Memory")]
fn case_29_a_bad_setting_is_refused_with_its_key(#[case] key: &str, #[case] text: &str) {
    assert!(complaint(key, text).starts_with(key));
}

#[rstest]
#[case("Db")]
#[case("")]
#[case("-db")]
#[case("d.b")]
#[case("a2345678901234567890123456789012345678901")]
fn case_30_an_alias_is_a_short_dns_label(#[case] alias: &str) {
    let key = format!("latchkey.dev/secret.{alias}");
    let complaint = complaint(&key, "secret://vault/key");
    assert!(complaint.contains("is no alias"), "{complaint}");
    assert!(complaint.starts_with(&key), "{complaint}");
}

#[test]
fn every_complaint_is_collected() {
    let complaints = parsed(&[
        ("latchkey.dev/secret.a", "nonsense"),
        ("latchkey.dev/secret.b", "secret://vault"),
        ("latchkey.dev/refresh", "soon"),
        ("other.example/secret.c", "nonsense"),
    ]);
    assert_eq!(complaints.unwrap_err().len(), 3);
}

#[test]
fn an_annotation_that_nobody_reads_is_remarked_and_a_foreign_one_is_not() {
    let annotations = [("latchkey.dev/secrets.db", "x"), ("example.com/y", "z")];
    let remarks = parsed(&annotations).unwrap().remarks;
    assert_eq!(remarks.len(), 1);
    assert_eq!(remarks[0].field, "latchkey.dev/secrets.db");
}

#[test]
fn the_pods_interval_is_the_default_of_its_aliases() {
    let with = |refresh: &str, text: &str| {
        let annotations = [
            ("latchkey.dev/secret.db", text),
            ("latchkey.dev/refresh", refresh),
        ];
        match parsed(&annotations).unwrap().aliases["db"].clone() {
            Source::Spec(spec) => spec.refresh_interval,
            Source::ExternalSecret(_) => None,
        }
    };
    let reference = "secret://vault/key";
    assert_eq!(with("15m", reference).as_deref(), Some("900s"));
    assert_eq!(with("0", reference).as_deref(), Some("0s"));
    assert_eq!(with("1h", reference), None);
    let spec = "secretStoreRef: {name: v}\nrefreshInterval: 5m\ndataFrom: [{extract: {key: a}}]";
    assert_eq!(with("15m", spec).as_deref(), Some("300s"));
}

#[test]
fn specs_that_mean_the_same_have_one_canonical_form() {
    let short = spec_of("secret://cluster:vault/apps/db");
    let long = spec_of(
        "target: {creationPolicy: Owner, deletionPolicy: Retain}\n\
         refreshPolicy: Periodic\n\
         refreshInterval: 60m\n\
         secretStoreRef: {name: vault, kind: ClusterSecretStore}\n\
         dataFrom: [{extract: {decodingStrategy: None, conversionStrategy: Default, key: apps/db}}]",
    );
    assert_eq!(canonical(&short), canonical(&long));
}

#[test]
fn a_template_is_remarked_until_it_is_served() {
    let text = "secretStoreRef: {name: v}\ndataFrom: [{extract: {key: a}}]\n\
                target: {template: {data: {a: '{{ .b }}'}}}";
    let injection = parsed(&[("latchkey.dev/secret.db", text)]).unwrap();
    assert_eq!(injection.aliases.len(), 1);
    for remark in &injection.remarks {
        assert!(
            remark
                .field
                .starts_with("latchkey.dev/secret.db, spec.target")
        );
    }
}

#[test]
fn a_name_depends_on_everything_and_on_nothing_else() {
    let (a, b) = (spec_of("secret://vault/a"), spec_of("secret://vault/b"));
    let name = ring("key").name("team", "web", "db", &a);
    assert_eq!(name, ring("key").name("team", "web", "db", &a));
    assert!(is_injected_name(&name, "db"), "{name}");
    assert!(!is_injected_name(&name, "d"), "{name}");
    let others = [
        ring("other").name("team", "web", "db", &a),
        ring("key").name("teams", "web", "db", &a),
        ring("key").name("teamw", "eb", "db", &a),
        ring("key").name("team", "webd", "b", &a),
        ring("key").name("team", "web", "db", &b),
    ];
    for other in others {
        assert_ne!(name[name.len() - 20..], other[other.len() - 20..]);
    }
}

fn pod(secret: &str, annotation: &str, label: &str) -> serde_json::Value {
    json!({
        "metadata": {
            "annotations": {"latchkey.dev/secret.db": annotation},
            "labels": {"latchkey.dev/injected": label},
        },
        "spec": {
            "serviceAccountName": "web",
            "containers": [{"name": "app", "envFrom": [{"secretRef": {"name": secret}}]}],
        },
    })
}

#[test]
fn a_record_is_believed_only_if_it_reproduces_a_name_that_is_used() {
    let reference = "secret://vault/a";
    let spec = spec_of(reference);
    let old = ring("old").name("team", "web", "db", &spec);
    let keys = KeyRing::new(&SecretBytes::from("new"), Some(&SecretBytes::from("old")));
    let found = |namespace: &str, pod: &serde_json::Value, keys: &KeyRing| {
        recorded(namespace, &Pod::deserialize(pod).unwrap(), keys)
    };
    let admitted = pod(&old, reference, "true");
    let expected = Materialisation {
        secret_name: old.clone(),
        alias: "db".to_owned(),
        account: "web".to_owned(),
        spec,
    };
    assert_eq!(found("team", &admitted, &keys), [expected]);
    assert_eq!(found("team", &admitted, &ring("newest")), []);
    assert_eq!(found("elsewhere", &admitted, &keys), []);
    assert_eq!(
        found("team", &pod(&old, "secret://vault/b", "true"), &keys),
        []
    );
    assert_eq!(found("team", &pod(&old, reference, "false"), &keys), []);
    assert_eq!(found("team", &pod("db", reference, "true"), &keys), []);
}

#[test]
fn every_place_of_a_secrets_name_is_found() {
    let pod = json!({
        "spec": {
            "initContainers": [{"name": "i", "env": [
                {"name": "PLAIN", "value": "x"},
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k", "optional": true}}},
                {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
            ]}],
            "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "m"}}, {"secretRef": {"name": "b"}}]}],
            "ephemeralContainers": [{"name": "e", "envFrom": [{"secretRef": {"name": "c"}}]}],
            "volumes": [
                {"name": "v", "secret": {"secretName": "d"}},
                {"name": "w", "projected": {"sources": [{"configMap": {"name": "m"}}, {"secret": {"name": "e"}}]}},
                {"name": "x", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "f"}}},
            ],
            "imagePullSecrets": [{"name": "g"}],
        },
    });
    assert!(
        names_used(&pod)
            .iter()
            .map(String::as_str)
            .eq(["a", "b", "c", "d", "e", "f", "g"])
    );
    let read = Pod::deserialize(&pod).unwrap();
    for place in read.uses() {
        let pointed = pod.pointer(&place.place.pointer()).and_then(|v| v.as_str());
        assert_eq!(pointed, Some(place.secret));
        assert_eq!(place.optional, place.secret == "a");
    }
    assert_eq!(read.account(), "default");
}

proptest! {
    #[test]
    fn no_text_of_an_annotation_panics(text in any::<String>(), alias in any::<String>()) {
        let key = format!("latchkey.dev/secret.{alias}");
        let _parsed = parse("team", [(key.as_str(), text.as_str())].into_iter());
        let reference = format!("secret://{text}");
        let _parsed = parse("team", [("latchkey.dev/secret.a", reference.as_str())].into_iter());
    }

    #[test]
    fn a_reference_keeps_what_was_encoded(key in "[a-z/#?% é]{1,20}") {
        let encoded = key.replace('%', "%25").replace('#', "%23").replace('?', "%3F");
        let spec = reference::parse(&format!("secret://vault/{encoded}")).unwrap();
        let extract = spec.data_from[0].extract.as_ref().unwrap();
        prop_assert_eq!(&extract.key, &key);
    }

    #[test]
    fn a_canonical_form_is_its_own(text in "(secret://[a-z]{1,5}/[a-z]{1,5}(\\?version=[0-9])?(#[a-z]{1,3})?)") {
        let once = canonical(&reference::parse(&text).unwrap());
        let read: ExternalSecretSpec = serde_json::from_str(&once).unwrap();
        prop_assert_eq!(canonical(&read), once);
    }
}

/// [`canonical`] is sorted only as long as this holds.
#[test]
fn every_type_of_a_spec_declares_its_fields_in_the_order_of_their_names() {
    fn check(schema: &serde_json::Value, at: &str, checked: &mut usize) {
        if let Some(properties) = schema["properties"].as_object() {
            let names: Vec<&String> = properties.keys().collect();
            assert!(names.is_sorted(), "{at}: {names:?}");
            *checked += 1;
        }
        match schema {
            serde_json::Value::Object(members) => {
                for (name, member) in members {
                    check(member, &format!("{at}/{name}"), checked);
                }
            }
            serde_json::Value::Array(members) => {
                for member in members {
                    check(member, at, checked);
                }
            }
            _ => {}
        }
    }
    let schema = schemars::schema_for!(ExternalSecretSpec).to_value();
    let mut checked = 0;
    check(&schema, "", &mut checked);
    assert!(checked > 15, "{checked} types");
}

#[test]
fn a_ring_whose_keys_are_exchanged_knows_the_key_before_and_no_older_one() {
    let spec = spec_of("secret://vault/key");
    let ring = ring("first");
    let first = ring.name("team", "web", "db", &spec);
    let bytes = SecretBytes::from;
    assert!(!ring.replace(&bytes("first"), None));
    assert!(ring.replace(&bytes("second"), Some(&bytes("first"))));
    let second = ring.name("team", "web", "db", &spec);
    assert_ne!(first, second);
    let names: Vec<String> = ring.names("team", "web", "db", &spec).collect();
    assert_eq!(names, [second, first.clone()]);
    assert!(ring.replace(&bytes("third"), Some(&bytes("second"))));
    let mut names = ring.names("team", "web", "db", &spec);
    assert!(names.all(|name| name != first));
}

#[rstest]
#[case::csi(json!({"volumes": [{"name": "v", "csi": [{"name": "a"}]}]}))]
#[case::volume(json!({"volumes": [["v", {"secretName": "a"}]]}))]
#[case::container(json!({"containers": [["c", [], []]]}))]
#[case::reference(json!({"imagePullSecrets": [["a"]]}))]
#[case::spec(json!([null, [], []]))]
fn an_array_is_no_object(#[case] spec: serde_json::Value) {
    let told = Pod::deserialize(&json!({"spec": spec})).unwrap_err();
    assert!(told.to_string().contains("expected an object"), "{told}");
}
