//! What of a store can never work, whatever its provider, and which Secrets it names.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use regex::Regex;
use serde_json::Value;

use super::{StoreId, selects, validation_interval};
use crate::api::meta::StoreKind;
use crate::api::v1::SecretStoreSpec;
use crate::model::complaint::Complaint;

/// Members of an object that names a key of a Secret; the last may be absent.
const SELECTOR: [&str; 3] = ["name", "key", "namespace"];

/// A Secret that a store logs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSecret {
    /// Path of the field, for example `spec.provider.vault.auth.tokenSecretRef`.
    pub field: String,
    /// Its namespace; empty where it is that of whoever uses the store.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The namespace that is named without being heeded, in a store of one namespace.
    pub foreign: Option<String>,
}

/// Checks what every store has: its interval, its conditions, the namespaces of its Secrets.
#[must_use]
pub fn check(id: &StoreId, spec: &SecretStoreSpec) -> Vec<Complaint> {
    let mut complaints: Vec<Complaint> = validation_interval(spec).err().into_iter().collect();
    for (i, condition) in spec.conditions.iter().enumerate() {
        let field = format!("spec.conditions[{i}]");
        for (j, expression) in condition.namespace_regexes.iter().enumerate() {
            if let Err(error) = Regex::new(expression) {
                let field = format!("{field}.namespaceRegexes[{j}]");
                let message = format!("not a regular expression: {error}");
                complaints.push(Complaint::error(field, message));
            }
        }
        if let Some(selector) = &condition.namespace_selector {
            complaints.extend(unreadable(&format!("{field}.namespaceSelector"), selector));
        }
    }
    complaints.extend(named_secrets(id, spec).into_iter().filter_map(|named| {
        let foreign = named.foreign?;
        Some(Complaint::error(
            format!("{}.namespace", named.field),
            format!(
                "a SecretStore reads Secrets of its own namespace {:?} only, not of {foreign:?}; \
                 remove the namespace, or use a ClusterSecretStore",
                id.namespace
            ),
        ))
    }));
    complaints
}

/// A complaint for each requirement of a selector that matches nothing because it cannot be read.
#[must_use]
pub fn unreadable(field: &str, selector: &LabelSelector) -> Vec<Complaint> {
    let requirements = selector.match_expressions.iter().flatten().enumerate();
    let wrong = requirements.filter_map(|(i, requirement)| {
        let alone = LabelSelector {
            match_expressions: Some(vec![requirement.clone()]),
            match_labels: None,
        };
        let message = selects(&alone, &BTreeMap::new()).err()?;
        let field = format!("{field}.matchExpressions[{i}].operator");
        Some(Complaint::error(field, message))
    });
    wrong.collect()
}

/// Every Secret that the provider's block names by name and key, as ESO's providers all do.
#[must_use]
pub fn named_secrets(id: &StoreId, spec: &SecretStoreSpec) -> Vec<NamedSecret> {
    let block = serde_json::to_value(&spec.provider).unwrap_or_default();
    let mut found = Vec::new();
    collect(id, "spec.provider", &block, &mut found);
    found
}

fn collect(id: &StoreId, field: &str, value: &Value, found: &mut Vec<NamedSecret>) {
    match value {
        Value::Object(members) => {
            let text = |member: &str| members.get(member).and_then(Value::as_str);
            let is_selector = members.keys().all(|member| SELECTOR.contains(&&**member));
            if let (true, Some(name), Some(_)) = (is_selector, text("name"), text("key")) {
                let named = text("namespace").filter(|namespace| !namespace.is_empty());
                let (namespace, foreign) = match id.kind {
                    StoreKind::ClusterSecretStore => (named.unwrap_or_default(), None),
                    StoreKind::SecretStore => (
                        id.namespace.as_str(),
                        named.filter(|named| *named != id.namespace),
                    ),
                };
                found.push(NamedSecret {
                    field: field.to_owned(),
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    foreign: foreign.map(str::to_owned),
                });
                return;
            }
            for (member, value) in members {
                collect(id, &format!("{field}.{member}"), value, found);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                collect(id, &format!("{field}[{i}]"), item, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(value: &Value) -> SecretStoreSpec {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn fields(kind: StoreKind, value: &Value) -> Vec<String> {
        let id = StoreId::new(kind, "team", "s");
        let complaints = check(&id, &spec(value));
        complaints.into_iter().map(|found| found.field).collect()
    }

    #[test]
    fn each_wrong_field_is_named() {
        let found = fields(
            StoreKind::ClusterSecretStore,
            &json!({
                "provider": {},
                "refreshInterval": "soon",
                "conditions": [
                    {"namespaceRegexes": ["^ok$", "("]},
                    {"namespaceSelector": {
                        "matchLabels": {"a": "b"},
                        "matchExpressions": [{"key": "k", "operator": "Like"}]}},
                ],
            }),
        );
        assert_eq!(
            found,
            [
                "spec.refreshInterval",
                "spec.conditions[0].namespaceRegexes[1]",
                "spec.conditions[1].namespaceSelector.matchExpressions[0].operator",
            ]
        );
    }

    #[test]
    fn a_namespaced_store_names_no_foreign_secret() {
        let with = |namespace: Option<&str>| {
            let mut token = json!({"name": "t", "key": "k"});
            if let Some(namespace) = namespace {
                token["namespace"] = namespace.into();
            }
            json!({"provider": {"vault": {"server": "https://v", "auth": {"tokenSecretRef": token}}}})
        };
        let field = "spec.provider.vault.auth.tokenSecretRef.namespace";
        assert_eq!(
            fields(StoreKind::SecretStore, &with(Some("other"))),
            [field]
        );
        for same in [None, Some("team")] {
            assert!(fields(StoreKind::SecretStore, &with(same)).is_empty());
        }
        assert!(fields(StoreKind::ClusterSecretStore, &with(Some("other"))).is_empty());
    }

    #[test]
    fn secrets_are_found_wherever_a_provider_names_them() {
        let spec = spec(&json!({"provider": {"vault": {
            "server": "https://v",
            "caProvider": {"type": "Secret", "name": "ca", "key": "k", "namespace": "n"},
            "auth": {"appRole": {
                "path": "p",
                "roleRef": {"name": "role", "key": "id"},
                "secretRef": {"name": "role", "key": "secret", "namespace": "n"}}},
        }}}));
        let named = |kind| {
            let found = named_secrets(&StoreId::new(kind, "team", "s"), &spec);
            let places = found.into_iter().map(|named| {
                let field = named.field.replace("spec.provider.vault.auth.", "");
                format!("{field}={}/{}", named.namespace, named.name)
            });
            places.collect::<Vec<_>>()
        };
        assert_eq!(
            named(StoreKind::SecretStore),
            ["appRole.roleRef=team/role", "appRole.secretRef=team/role"]
        );
        assert_eq!(
            named(StoreKind::ClusterSecretStore),
            ["appRole.roleRef=/role", "appRole.secretRef=n/role"]
        );
    }
}
