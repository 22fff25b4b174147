//! Every kind has ESO's fields, with their types, defaults and constraints (eso.md §1.6 to §1.11 and
//! appendix A, which `tests/fixtures/eso-fields.tsv` holds as a table), and where not, why not.

use std::collections::BTreeMap;

use latchkey::api::crds;
use serde_json::{Map, Value, json};

/// Columns after kind and path: type, required, default, constraints.
type Row = [String; 4];
type Rows = BTreeMap<(String, String), Row>;

const TABLE: &str = include_str!("../fixtures/eso-fields.tsv");
/// Constraints that are compared.
const CONSTRAINTS: [&str; 10] = [
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minProperties",
    "maxProperties",
    "minItems",
    "maxItems",
    "nullable",
];

/// What differs from ESO on purpose: how the path looks, and the reason.
const DEVIATIONS: [(&str, &str, &str); 7] = [
    (
        "*",
        "status.conditions[].type",
        "latchkey tells more conditions than ESO, so that their types are open",
    ),
    (
        "SecretStore",
        "spec.provider.alibaba",
        "v1beta1 had it, and a store that is kept must not lose it",
    ),
    (
        "SecretStore",
        "spec.provider.device42",
        "v1beta1 had it, and a store that is kept must not lose it",
    ),
    (
        "SecretStore",
        "spec.provider.pulumi.apiUrl",
        "the default is a flag, so that a cluster can have an ESC server of its own",
    ),
    (
        "*",
        "selector.generatorRef.apiVersion",
        "its type stands in lists as well, which have no defaults",
    ),
    (
        "PushSecret",
        "status.syncedPushSecrets{}{}.conversionStrategy",
        "its type stands in lists as well, which have no defaults",
    ),
    (
        "GeneratorState",
        "status.conditions",
        "ESO's type has them and its table does not",
    ),
];

fn wanted() -> Rows {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| {
        let mut cells = line.split('\t').map(str::to_owned);
        let mut cell = || cells.next().unwrap_or_default();
        let key = (cell(), cell());
        let (of, required, default, constraints) = (cell(), cell(), cell(), cell());
        // A default is JSON where it can be, and else a bare string.
        let default = match default.as_str() {
            "" => String::new(),
            text => serde_json::from_str::<Value>(text)
                .unwrap_or_else(|_| json!(text))
                .to_string(),
        };
        (key, [of, required, default, normal(&constraints)])
    });
    rows.collect()
}

/// Constraints with their members in order; numbers and lists in a form of their own.
fn normal(constraints: &str) -> String {
    if constraints.is_empty() {
        return String::new();
    }
    let read: Value = serde_json::from_str(constraints).expect("constraints must be JSON");
    sorted(read).to_string()
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> = members
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            json!(members)
        }
        Value::Array(mut items) => {
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Value::Number(number) => json!(number.as_f64()),
        other => other,
    }
}

fn served() -> Rows {
    let mut rows = Rows::new();
    for crd in crds::all() {
        let kind = crd.spec.names.kind.clone();
        // Both scopes of store have one schema, which another test holds.
        if kind == "ClusterSecretStore" {
            continue;
        }
        let stored = crd.spec.versions.iter().find(|version| version.storage);
        let schema = stored.and_then(|version| version.schema.as_ref());
        let schema = serde_json::to_value(schema).expect("a schema must be JSON");
        for part in ["spec", "status"] {
            let schema = &schema["openAPIV3Schema"]["properties"][part];
            if schema.is_object() {
                let constraints = constraints(schema);
                if !constraints.is_empty() {
                    let row = [
                        "object".to_owned(),
                        String::new(),
                        String::new(),
                        constraints,
                    ];
                    rows.insert((kind.clone(), part.to_owned()), row);
                }
                members(&kind, part, schema, &mut rows);
            }
        }
    }
    rows
}

fn members(kind: &str, path: &str, schema: &Value, rows: &mut Rows) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let properties = schema["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        let is_required = required.iter().any(|required| required == name);
        field(kind, &format!("{path}.{name}"), property, is_required, rows);
    }
}

fn field(kind: &str, path: &str, schema: &Value, required: bool, rows: &mut Rows) {
    let of = type_of(schema);
    let default = schema.get("default").map(Value::to_string);
    let row = [
        of.clone(),
        if required { "yes" } else { "" }.to_owned(),
        default.unwrap_or_default(),
        constraints(schema),
    ];
    rows.insert((kind.to_owned(), path.to_owned()), row);
    if is_shared(&of) {
        return;
    }
    if let Some(items) = schema
        .get("items")
        .filter(|items| items["properties"].is_object())
    {
        let path = format!("{path}[]");
        let constraints = constraints(items);
        if !constraints.is_empty() {
            let row = [
                "object".to_owned(),
                String::new(),
                String::new(),
                constraints,
            ];
            rows.insert((kind.to_owned(), path.clone()), row);
        }
        members(kind, &path, items, rows);
    } else if let Some(values) = schema["additionalProperties"].as_object() {
        let values = Value::Object(values.clone());
        let told = values["properties"].is_object() || values["additionalProperties"].is_object();
        if told {
            field(kind, &format!("{path}{{}}"), &values, false, rows);
        }
    } else {
        members(kind, path, schema, rows);
    }
}

fn is_shared(of: &str) -> bool {
    let of = of.trim_end_matches("[]");
    matches!(
        of,
        "SecretKeySelector" | "ServiceAccountSelector" | "CAProvider" | "LabelSelector"
    )
}

fn type_of(schema: &Value) -> String {
    if let Some(properties) = schema["properties"].as_object() {
        return object_type(properties, &schema["required"]).to_owned();
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return "int|string".to_owned();
    }
    let Some(of) = schema["type"].as_str() else {
        return "any".to_owned();
    };
    match (of, &schema["additionalProperties"]) {
        ("array", _) => format!("{}[]", type_of(&schema["items"])),
        ("object", values @ Value::Object(_)) => format!("map[string]{}", type_of(values)),
        ("object", _) if schema["x-kubernetes-preserve-unknown-fields"] == true => "any".to_owned(),
        // Go's int is ours of 64 bits; the width is told where ESO's schema tells it.
        ("integer", _) => "integer".to_owned(),
        _ => match schema["format"].as_str() {
            Some(format) => format!("{of}({format})"),
            None => of.to_owned(),
        },
    }
}

fn object_type(properties: &Map<String, Value>, required: &Value) -> &'static str {
    let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
    names.sort_unstable();
    match names.as_slice() {
        ["key", "name", "namespace"] if required.is_null() => "SecretKeySelector",
        ["audiences", "name", "namespace"] => "ServiceAccountSelector",
        ["key", "name", "namespace", "type"] => "CAProvider",
        ["matchExpressions", "matchLabels"] => "LabelSelector",
        _ => "object",
    }
}

fn constraints(schema: &Value) -> String {
    let found = constraints_of(schema);
    if found.is_empty() {
        return String::new();
    }
    sorted(Value::Object(found)).to_string()
}

fn constraints_of(schema: &Value) -> Map<String, Value> {
    let mut found = Map::new();
    for name in CONSTRAINTS {
        if let Some(value) = schema.get(name) {
            found.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        found.insert("enum".to_owned(), json!(values));
    }
    if let Some(rules) = schema["x-kubernetes-validations"].as_array() {
        let rules: Vec<&Value> = rules.iter().map(|rule| &rule["rule"]).collect();
        found.insert("cel".to_owned(), json!(rules));
    }
    let scalars = schema["type"] == "array" && schema["items"]["type"] != "object";
    if scalars {
        let of_items = constraints_of(&schema["items"]);
        if !of_items.is_empty() {
            found.insert("items".to_owned(), Value::Object(of_items));
        }
    }
    found
}

/// Whether a difference is on purpose.
fn is_meant(kind: &str, path: &str, want: Option<&Row>, have: Option<&Row>) -> bool {
    let known = DEVIATIONS.iter().any(|(of, named, _)| {
        let nested = kind == format!("Cluster{of}");
        let path = path == *named
            || path.ends_with(&format!(".{named}"))
            || path.starts_with(&format!("{named}["));
        (*of == "*" || *of == kind || nested) && path
    });
    let (Some(want), Some(have)) = (want, have) else {
        return known;
    };
    // The API server would write defaults into lists, and what GitOps applied would differ for ever.
    let default_in_list = path.contains("[]") && have[2].is_empty();
    // What has a default need not be given.
    let given = want[1] == "yes" && !want[2].is_empty();
    let with = |row: &Row, given: bool, default: bool| {
        let mut row = row.clone();
        if given {
            row[1].clear();
        }
        if default {
            row[2].clear();
        }
        row
    };
    known || with(want, given, default_in_list) == with(have, given, default_in_list)
}

#[test]
fn every_kind_has_the_fields_of_eso() {
    let bare = |row: &Row| {
        let mut row = row.clone();
        for format in ["(int32)", "(int64)"] {
            row[0] = row[0].replace(format, "");
        }
        row
    };
    let want: Rows = wanted()
        .iter()
        .map(|(key, row)| (key.clone(), bare(row)))
        .collect();
    let have = served();
    assert!(want.len() > 1_400, "the table has {} rows", want.len());
    let mut differences = Vec::new();
    let keys: std::collections::BTreeSet<_> = want.keys().chain(have.keys()).collect();
    for key in keys {
        let (want, have) = (want.get(key), have.get(key));
        if want != have && !is_meant(&key.0, &key.1, want, have) {
            differences.push(format!("{} {}: want {want:?}, have {have:?}", key.0, key.1));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_kind_is_in_the_table() {
    let want = wanted();
    for crd in crds::all() {
        let kind = crd.spec.names.kind;
        // A UUID has no fields, and both scopes of store have one schema.
        let told = want.keys().any(|(named, _)| *named == kind);
        assert!(
            told || matches!(kind.as_str(), "UUID" | "ClusterSecretStore"),
            "{kind}"
        );
    }
}

#[test]
fn columns_and_selectable_fields_are_those_of_eso() {
    let columns: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        (
            "ExternalSecret",
            vec![
                "StoreType",
                "Store",
                "Refresh Interval",
                "Status",
                "Ready",
                "Last Sync",
            ],
        ),
        (
            "SecretStore",
            vec!["AGE", "Status", "Capabilities", "Ready"],
        ),
        (
            "ClusterSecretStore",
            vec!["AGE", "Status", "Capabilities", "Ready"],
        ),
        (
            "ClusterExternalSecret",
            vec!["Store", "Refresh Interval", "Ready"],
        ),
        ("PushSecret", vec!["AGE", "Status", "Last Sync"]),
        ("ClusterPushSecret", vec!["AGE", "Status"]),
        ("GeneratorState", vec!["GC Deadline", "Age"]),
    ]);
    for crd in crds::all() {
        let kind = crd.spec.names.kind.as_str();
        let stored = crd.spec.versions.iter().find(|version| version.storage);
        let stored = stored.expect("a version is stored");
        let told = stored.additional_printer_columns.iter().flatten();
        let told: Vec<&str> = told.map(|column| column.name.as_str()).collect();
        assert_eq!(
            told,
            columns.get(kind).cloned().unwrap_or_default(),
            "{kind}"
        );
        let selectable = stored.selectable_fields.iter().flatten();
        let selectable: Vec<&str> = selectable.map(|field| field.json_path.as_str()).collect();
        let wanted: &[&str] = match kind {
            "ExternalSecret" => &[
                ".spec.secretStoreRef.name",
                ".spec.secretStoreRef.kind",
                ".spec.target.name",
                ".spec.refreshInterval",
            ],
            _ => &[],
        };
        assert_eq!(selectable, wanted, "{kind}");
    }
}
