//! A store, checked.

mod check;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use regex::Regex;

use crate::api::meta::StoreKind;
use crate::api::v1::{SecretStoreProvider, SecretStoreSpec, StoreCondition};
use crate::model::complaint::Complaint;
use crate::model::duration;
use crate::model::request_rate::RequestRate;

pub use check::{NamedSecret, check, named_secrets, unreadable};

/// Label that the API server puts on every Namespace.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Names one store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId {
    /// Scope.
    pub kind: StoreKind,
    /// Empty for a cluster-scoped store.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A store as providers see it.
#[derive(Clone, Debug)]
pub struct Store {
    /// Which store it is.
    pub id: StoreId,
    /// Changes when the object is made anew.
    pub uid: String,
    /// Changes with each change of the spec.
    pub generation: i64,
    /// The provider block.
    pub provider: SecretStoreProvider,
    /// How often it is called at most; `None` is the process's default.
    pub rate: Option<RequestRate>,
}

/// How often a store is validated; `None` leaves it to the controller's default.
///
/// # Errors
/// When `spec.refreshInterval` is negative or not a duration.
pub fn validation_interval(spec: &SecretStoreSpec) -> Result<Option<SignedDuration>, Complaint> {
    let interval = match &spec.refresh_interval {
        None => return Ok(None),
        Some(IntOrString::Int(seconds)) => Ok(SignedDuration::from_secs(i64::from(*seconds))),
        Some(IntOrString::String(text)) if text.is_empty() => return Ok(None),
        Some(IntOrString::String(text)) => duration::parse(text),
    };
    let invalid = |message: String| Complaint::error("spec.refreshInterval", message);
    let interval = interval.map_err(invalid)?;
    if interval.is_negative() {
        return Err(invalid(format!("must not be negative, is {interval:#}")));
    }
    Ok(Some(interval).filter(|interval| !interval.is_zero()))
}

/// Whether the conditions of a cluster-scoped store let objects of `namespace` use it; `labels` are the
/// Namespace's own.
///
/// # Errors
/// When a regular expression or a selector of the store cannot be read.
pub fn admits_namespace(
    conditions: &[StoreCondition],
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Result<bool, Complaint> {
    if conditions.is_empty() {
        return Ok(true);
    }
    let name = labels
        .get(NAMESPACE_NAME_LABEL)
        .map_or(namespace, String::as_str);
    for (i, condition) in conditions.iter().enumerate() {
        if condition.namespaces.iter().any(|listed| listed == name) {
            return Ok(true);
        }
        if let Some(selector) = &condition.namespace_selector {
            let field = format!("spec.conditions[{i}].namespaceSelector");
            if selects(selector, labels).map_err(|message| Complaint::error(field, message))? {
                return Ok(true);
            }
        }
        for (j, expression) in condition.namespace_regexes.iter().enumerate() {
            let expression = Regex::new(expression).map_err(|error| {
                let field = format!("spec.conditions[{i}].namespaceRegexes[{j}]");
                Complaint::error(field, format!("not a regular expression: {error}"))
            })?;
            if expression.is_match(namespace) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a selector matches labels, as Kubernetes would decide.
///
/// # Errors
/// When an operator is unknown.
pub fn selects(
    selector: &LabelSelector,
    labels: &BTreeMap<String, String>,
) -> Result<bool, String> {
    let exact = selector.match_labels.iter().flatten();
    if exact
        .into_iter()
        .any(|(key, value)| labels.get(key) != Some(value))
    {
        return Ok(false);
    }
    for requirement in selector.match_expressions.iter().flatten() {
        let value = labels.get(&requirement.key);
        let listed = |value: &String| {
            requirement
                .values
                .iter()
                .flatten()
                .any(|listed| listed == value)
        };
        let holds = match requirement.operator.as_str() {
            "In" => value.is_some_and(listed),
            "NotIn" => !value.is_some_and(listed),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            other => {
                return Err(format!(
                    "unknown operator {other:?}; use In, NotIn, Exists or DoesNotExist"
                ));
            }
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn admits(conditions: serde_json::Value, labels: &[(&str, &str)]) -> bool {
        let conditions: Vec<StoreCondition> = serde_json::from_value(conditions).unwrap();
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        admits_namespace(&conditions, "team-a", &labels).unwrap()
    }

    #[test]
    fn any_matching_condition_admits() {
        assert!(admits(json!([]), &[]));
        assert!(admits(json!([{"namespaces": ["team-a"]}]), &[]));
        assert!(!admits(json!([{"namespaces": ["team"]}]), &[]));
        assert!(admits(
            json!([{"namespaces": ["x"]}, {"namespaceRegexes": ["^team-"]}]),
            &[]
        ));
        let selector = json!([{"namespaceSelector": {"matchLabels": {"env": "prod"}}}]);
        assert!(admits(selector.clone(), &[("env", "prod")]));
        assert!(!admits(selector, &[("env", "dev")]));
    }

    #[test]
    fn match_expressions_follow_kubernetes() {
        let with = |operator: &str, values: &[&str]| {
            json!([{"namespaceSelector": {"matchExpressions": [
                {"key": "env", "operator": operator, "values": values}]}}])
        };
        assert!(admits(with("In", &["a", "b"]), &[("env", "a")]));
        assert!(!admits(with("In", &["a"]), &[]));
        assert!(admits(with("NotIn", &["a"]), &[]));
        assert!(admits(with("Exists", &[]), &[("env", "")]));
        assert!(admits(with("DoesNotExist", &[]), &[]));
    }

    #[test]
    fn the_validation_interval_is_seconds_or_a_duration() {
        let interval = |value: serde_json::Value| {
            let spec = json!({"provider": {}, "refreshInterval": value});
            validation_interval(&serde_json::from_value(spec).unwrap())
        };
        assert_eq!(
            interval(json!(60)).unwrap(),
            Some(SignedDuration::from_mins(1))
        );
        assert_eq!(
            interval(json!("1h")).unwrap(),
            Some(SignedDuration::from_hours(1))
        );
        assert_eq!(interval(json!(0)).unwrap(), None);
        assert!(interval(json!(-1)).is_err());
        assert!(interval(json!("soon")).is_err());
    }
}
