//! Whether a pod that asks for injection was injected. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::well_known::{ALIAS_PREFIX, INJECTED_LABEL, POD_INLINE_ANNOTATION};
use crate::model::pod_injection::{KeyRing, Pod, is_injected_name, recorded};

/// Annotation of a pod that mirrors a static one of a kubelet.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
/// Namespace whose pods the webhook never sees.
const SYSTEM_NAMESPACE: &str = "kube-system";
/// What a reference begins with.
const REFERENCE: &str = "secret://";

/// Where a pod stands, and who knows what.
pub(crate) struct Surroundings<'s> {
    /// Namespace of the pod.
    pub namespace: &'s str,
    /// Namespace of latchkey, whose pods the webhook never sees.
    pub own_namespace: &'s str,
    /// Keys of names; without them names are not checked.
    pub keys: Option<&'s KeyRing>,
}

/// Whether the annotations ask for injection at all.
pub(crate) fn asks<'a>(mut keys: impl Iterator<Item = &'a str>) -> bool {
    keys.any(|key| key.starts_with(ALIAS_PREFIX) || key == POD_INLINE_ANNOTATION)
}

/// Why a pod does not get what it asks for, and what to do; `None` if it was injected, or uses nothing of
/// what it declares. `spec` is the pod's.
pub(crate) fn judge(pod: &Pod<'_>, spec: &Value, around: &Surroundings<'_>) -> Option<String> {
    let unresolved = unresolved(pod, spec);
    if !unresolved.is_empty() {
        let what = unresolved.into_iter().collect::<Vec<_>>().join(", ");
        return Some(format!("{what}: not injected; {}", cause(pod, around)));
    }
    let unknown = unknown_names(pod, around);
    if unknown.is_empty() {
        return None;
    }
    let names = unknown.into_iter().collect::<Vec<_>>().join(", ");
    Some(format!(
        "Secret {names}: nobody refreshes it, for its name is not what the annotations of the pod give; they \
         were edited after it was made, or the key of names was rotated twice: make the pod anew"
    ))
}

/// Aliases and references that stand in the pod as they were written.
fn unresolved(pod: &Pod<'_>, spec: &Value) -> BTreeSet<String> {
    let injected = pod.metadata.label(INJECTED_LABEL) == Some("true");
    let uses = pod.uses();
    let mut found = BTreeSet::new();
    for (key, value) in pod.metadata.annotations() {
        let Some(alias) = key.strip_prefix(ALIAS_PREFIX) else {
            continue;
        };
        // The Secret of an ExternalSecret may well be called like the alias.
        let may_stay = injected && value.trim().starts_with("externalsecret/");
        if !may_stay && uses.iter().any(|used| used.secret == alias) {
            found.insert(format!("alias {alias}"));
        }
    }
    if pod.metadata.annotation(POD_INLINE_ANNOTATION) == Some("true") {
        found.extend(references(spec));
    }
    found
}

/// Variables whose value holds a reference still.
fn references(spec: &Value) -> BTreeSet<String> {
    let lists = ["initContainers", "containers"];
    let containers = lists.iter().filter_map(|list| spec[*list].as_array());
    let variables = containers
        .flatten()
        .filter_map(|container| container["env"].as_array())
        .flatten();
    let holds = |variable: &&Value| {
        let value = variable["value"].as_str();
        value.is_some_and(|value| value.contains(REFERENCE))
    };
    let names = variables.filter(holds).filter_map(|v| v["name"].as_str());
    names.map(|name| format!("variable {name}")).collect()
}

fn cause(pod: &Pod<'_>, around: &Surroundings<'_>) -> String {
    if pod.metadata.annotation(MIRROR_ANNOTATION).is_some() {
        return "a static pod cannot use Secrets".to_owned();
    }
    if around.namespace == SYSTEM_NAMESPACE || around.namespace == around.own_namespace {
        return format!("pods of namespace {} never are; move it", around.namespace);
    }
    "it was made while the webhook was not called, or was annotated later: make the pod anew, and run \
     latchkey doctor"
        .to_owned()
}

/// Names that were made for an alias of the pod, and that no key gives for what it asks for now.
fn unknown_names(pod: &Pod<'_>, around: &Surroundings<'_>) -> BTreeSet<String> {
    let Some(keys) = around.keys else {
        return BTreeSet::new();
    };
    let known: BTreeSet<String> = recorded(around.namespace, pod, keys)
        .into_iter()
        .map(|made| made.secret_name)
        .collect();
    let annotations = pod.metadata.annotations();
    let aliases: Vec<&str> = annotations
        .filter(|(_, value)| !value.trim().starts_with("externalsecret/"))
        .filter_map(|(key, _)| key.strip_prefix(ALIAS_PREFIX))
        .collect();
    let uses = pod.uses().into_iter().map(|used| used.secret);
    uses.filter(|name| aliases.iter().any(|alias| is_injected_name(name, alias)))
        .filter(|name| !known.contains(*name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde_json::json;

    use super::*;
    use crate::api::v1::ExternalSecretSpec;
    use crate::secret::SecretBytes;

    fn judged(pod: &Value, keys: Option<&KeyRing>) -> Option<String> {
        let around = Surroundings {
            namespace: "team",
            own_namespace: "latchkey-system",
            keys,
        };
        judge(&Pod::deserialize(pod).unwrap(), &pod["spec"], &around)
    }

    fn pod(labels: &Value, annotations: &Value, env: &Value) -> Value {
        json!({
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"containers": [{"name": "app", "env": [env]}]},
        })
    }

    fn by_name(name: &str) -> Value {
        json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}})
    }

    #[test]
    fn an_alias_that_stands_in_the_pod_was_not_injected() {
        let annotations = json!({"latchkey.dev/secret.db": "secret://vault/db"});
        let told = judged(&pod(&json!({}), &annotations, &by_name("db")), None).unwrap();
        assert!(
            told.contains("alias db: not injected; it was made while"),
            "{told}"
        );
        // A forged label convinces nobody.
        let forged = json!({"latchkey.dev/injected": "true"});
        assert!(judged(&pod(&forged, &annotations, &by_name("db")), None).is_some());
        let unused = pod(&json!({}), &annotations, &by_name("other"));
        assert_eq!(judged(&unused, None), None);
    }

    #[test]
    fn an_external_secret_may_be_called_like_its_alias() {
        let annotations = json!({"latchkey.dev/secret.db": "externalsecret/db"});
        let injected = json!({"latchkey.dev/injected": "true"});
        assert_eq!(
            judged(&pod(&injected, &annotations, &by_name("db")), None),
            None
        );
        assert!(judged(&pod(&json!({}), &annotations, &by_name("db")), None).is_some());
    }

    #[test]
    fn a_reference_in_a_value_was_not_injected_if_it_was_asked_for() {
        let value = json!({"name": "URL", "value": "x://${secret://vault/db#user}@db"});
        let on = json!({"latchkey.dev/inline": "true"});
        let told = judged(&pod(&json!({}), &on, &value), None).unwrap();
        assert!(told.contains("variable URL"), "{told}");
        let off = json!({"latchkey.dev/inline": "false"});
        assert_eq!(judged(&pod(&json!({}), &off, &value), None), None);
    }

    #[test]
    fn a_name_that_no_key_gives_is_refreshed_by_nobody() {
        let keys = KeyRing::new(&SecretBytes::from("key"), None);
        let spec: ExternalSecretSpec = serde_json::from_value(json!({
            "secretStoreRef": {"name": "vault"}, "dataFrom": [{"extract": {"key": "db"}}]}))
        .unwrap();
        let name = keys.name("team", "default", "db", &spec);
        let injected = json!({"latchkey.dev/injected": "true"});
        let annotations = json!({"latchkey.dev/secret.db": "secret://vault/db"});
        let right = pod(&injected, &annotations, &by_name(&name));
        assert_eq!(judged(&right, Some(&keys)), None);
        let edited = json!({"latchkey.dev/secret.db": "secret://vault/admin"});
        let told = judged(&pod(&injected, &edited, &by_name(&name)), Some(&keys)).unwrap();
        assert!(told.contains(&name), "{told}");
        let other = KeyRing::new(&SecretBytes::from("other"), None);
        assert!(judged(&right, Some(&other)).is_some());
    }

    #[test]
    fn a_pod_that_never_is_injected_is_told_so() {
        let annotations = json!({
            "latchkey.dev/secret.db": "secret://vault/db", "kubernetes.io/config.mirror": "x"});
        let told = judged(&pod(&json!({}), &annotations, &by_name("db")), None).unwrap();
        assert!(told.contains("a static pod"), "{told}");
    }
}
