//! Whether a pod may read what it asks a store for, as far as the store itself says so: its class, its
//! conditions, its key scope. RBAC is asked apart. The webhook and the reconciler both decide here.

use std::collections::BTreeMap;

use globset::{Glob, GlobBuilder, GlobMatcher};

use crate::api::meta::StoreKind;
use crate::api::v1::{ExternalSecretSpec, SecretStoreSpec, SecretStoreStatus, StoreCondition};
use crate::api::well_known::{CONDITION_READY, KEY_SCOPE_ANNOTATION};
use crate::model::complaint::Complaint;
use crate::model::controller_class::ControllerClass;
use crate::model::failover;
use crate::model::secret_store::{StoreId, admits_namespace};

/// What a store says about its use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreFacts {
    /// `spec.conditions`, which hold for cluster-scoped stores alone.
    pub conditions: Vec<StoreCondition>,
    /// `spec.controller`.
    pub controller: Option<String>,
    /// The annotation `latchkey.dev/key-scope`.
    pub key_scope: Option<String>,
    /// The message of the condition Ready where that is False.
    pub failure: Option<String>,
    /// The stores that the annotation `latchkey.dev/fallback-stores` names; none where it cannot be read.
    pub fallbacks: Vec<StoreId>,
}

impl StoreFacts {
    /// What the store `id` says by its spec, its annotations and its status.
    #[must_use]
    pub fn of(
        id: &StoreId,
        spec: &SecretStoreSpec,
        annotations: &BTreeMap<String, String>,
        status: &SecretStoreStatus,
    ) -> Self {
        let conditions = match id.kind {
            StoreKind::SecretStore => Vec::new(),
            StoreKind::ClusterSecretStore => spec.conditions.clone(),
        };
        let mut told = status.conditions.iter();
        let failed = told
            .find(|condition| condition.type_ == CONDITION_READY && condition.status == "False");
        Self {
            conditions,
            controller: spec.controller.clone(),
            key_scope: annotations.get(KEY_SCOPE_ANNOTATION).cloned(),
            failure: failed.map(|condition| condition.message.clone().unwrap_or_default()),
            fallbacks: failover::of_store(id, annotations).unwrap_or_default(),
        }
    }
}

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Labels of that Namespace; `None` where it is not known.
    pub labels: Option<&'a BTreeMap<String, String>>,
    /// Service account of the pod.
    pub account: &'a str,
}

/// What is read of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// A remote key.
    Key(&'a str),
    /// Whatever a search finds.
    Search,
}

/// Why a pod may not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may not; holds the reason and the remedy.
    Never(String),
    /// It cannot be told yet; holds why.
    Unknown(String),
}

/// All that `spec` reads of `store`.
#[must_use]
pub fn reads<'s>(namespace: &str, store: &StoreId, spec: &'s ExternalSecretSpec) -> Vec<Read<'s>> {
    let of_store = |reference: Option<&crate::api::meta::SecretStoreRef>| {
        let reference = reference.or(spec.secret_store_ref.as_ref());
        reference.is_some_and(|reference| {
            let name = reference.name.as_deref().unwrap_or_default();
            StoreId::new(reference.kind.unwrap_or_default(), namespace, name) == *store
        })
    };
    let own = |source: &'s Option<crate::api::v1::SourceRef>| {
        source.as_ref().and_then(|source| source.store_ref.as_ref())
    };
    let singles = spec.data.iter().filter(|e| of_store(own(&e.source_ref)));
    let singles = singles.map(|entry| Read::Key(&entry.remote_ref.key));
    let maps = spec
        .data_from
        .iter()
        .filter(|e| of_store(own(&e.source_ref)));
    let maps = maps.map(|entry| match &entry.extract {
        Some(extract) => Read::Key(&extract.key),
        None => Read::Search,
    });
    singles.chain(maps).collect()
}

/// Decides what the store says.
///
/// # Errors
/// Why not, or why nobody can tell yet.
pub fn check(
    facts: &StoreFacts,
    class: &ControllerClass,
    reader: &Reader<'_>,
    reads: &[Read<'_>],
) -> Result<(), Refusal> {
    let named = facts.controller.as_deref().unwrap_or_default();
    if !class.serves(Some(named)) && named.is_empty() {
        return Err(Refusal::Never(format!(
            "it names no controller class, and this controller serves class {:?} alone; set its \
             spec.controller, or use another store",
            class.name()
        )));
    }
    if !class.serves(Some(named)) {
        return Err(Refusal::Never(format!(
            "it is served by the controller of class {named:?} and not by this one; remove its \
             spec.controller, or use another store"
        )));
    }
    check_conditions(facts, reader)?;
    let Some(scope) = &facts.key_scope else {
        return Ok(());
    };
    let scope =
        KeyScope::parse(scope).map_err(|complaint| Refusal::Never(complaint.to_string()))?;
    reads
        .iter()
        .try_for_each(|read| scope.permit(reader, *read))
}

fn check_conditions(facts: &StoreFacts, reader: &Reader<'_>) -> Result<(), Refusal> {
    let none = BTreeMap::new();
    let labels = reader.labels.unwrap_or(&none);
    match admits_namespace(&facts.conditions, reader.namespace, labels) {
        Ok(true) => Ok(()),
        Ok(false) if reader.labels.is_none() => Err(Refusal::Unknown(format!(
            "the labels of namespace {} are not known yet",
            reader.namespace
        ))),
        Ok(false) => Err(Refusal::Never(format!(
            "its spec.conditions do not admit namespace {}; add the namespace there",
            reader.namespace
        ))),
        Err(complaint) => Err(Refusal::Never(complaint.to_string())),
    }
}

/// The remote keys that pods may read: globs in which `*` stands for text without `/` and `**` for any,
/// `{namespace}` and `{serviceaccount}` for the pod's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyScope(Vec<String>);

impl KeyScope {
    /// Reads the annotation of a store.
    ///
    /// # Errors
    /// When there is no glob in it or one cannot be read.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let wrong = |message: String| {
            Complaint::error(
                format!("metadata.annotations[{KEY_SCOPE_ANNOTATION}]"),
                message,
            )
        };
        let globs: Vec<String> = text.split(',').map(|glob| glob.trim().to_owned()).collect();
        for glob in &globs {
            if glob.is_empty() {
                return Err(wrong(
                    "is empty or has an empty glob; write for example \"apps/{namespace}/**, shared/*\""
                        .to_owned(),
                ));
            }
            let bare = glob
                .replace("{namespace}", "")
                .replace("{serviceaccount}", "");
            if bare.contains(['{', '}', '[', ']', '!', '\\']) {
                return Err(wrong(format!(
                    "{glob:?}: only *, **, ?, {{namespace}} and {{serviceaccount}} have a meaning"
                )));
            }
            compile(&bare).map_err(|error| wrong(format!("{glob:?}: {error}")))?;
        }
        Ok(Self(globs))
    }

    /// Permits a read or says why not. A key that a backend may read as another one is never permitted.
    fn permit(&self, reader: &Reader<'_>, read: Read<'_>) -> Result<(), Refusal> {
        let allowed = || self.0.join(", ");
        let Read::Key(key) = read else {
            return Err(Refusal::Never(format!(
                "a search (dataFrom.find) may find keys outside of its key scope {:?}; name the keys",
                allowed()
            )));
        };
        if let Some(trick) = ["..", "//", "/./", "%", "\\"]
            .iter()
            .find(|t| key.contains(**t))
        {
            return Err(Refusal::Never(format!(
                "key {key:?} has {trick:?}, which a store with a key scope does not permit; write the \
                 key plainly"
            )));
        }
        for glob in &self.0 {
            let own = glob
                .replace("{namespace}", reader.namespace)
                .replace("{serviceaccount}", reader.account);
            if compile(&own).is_ok_and(|glob| glob.is_match(key)) {
                return Ok(());
            }
        }
        Err(Refusal::Never(format!(
            "key {key:?} is outside of its key scope {:?} (annotation {KEY_SCOPE_ANNOTATION}) for \
             service account {} of namespace {}",
            allowed(),
            reader.account,
            reader.namespace
        )))
    }
}

fn compile(glob: &str) -> Result<GlobMatcher, globset::Error> {
    let glob: Result<Glob, _> = GlobBuilder::new(glob).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::well_known::FALLBACK_STORES_ANNOTATION;
    use rstest::rstest;

    fn facts(value: &serde_json::Value) -> StoreFacts {
        StoreFacts {
            conditions: serde_json::from_value(value["conditions"].clone()).unwrap_or_default(),
            key_scope: value["scope"].as_str().map(str::to_owned),
            controller: value["controller"].as_str().map(str::to_owned),
            ..StoreFacts::default()
        }
    }

    fn decide(
        value: &serde_json::Value,
        labels: Option<&BTreeMap<String, String>>,
        read: Read<'_>,
    ) -> Result<(), Refusal> {
        let reader = Reader {
            namespace: "team-a",
            labels,
            account: "web",
        };
        check(&facts(value), &ControllerClass::default(), &reader, &[read])
    }

    #[rstest]
    #[case("apps/team-a/db", true)]
    #[case("apps/team-a/web/deep/db", true)]
    #[case("shared/ca", true)]
    #[case("shared/deep/ca", false)]
    #[case("apps/team-b/db", false)]
    #[case("accounts/web", true)]
    #[case("accounts/other", false)]
    #[case("apps/team-a", false)]
    #[case("/apps/team-a/db", false)]
    #[case("apps/team-a/../team-b/db", false)]
    #[case("apps/team-a/%2e%2e/team-b/db", false)]
    #[case("apps/team-a/%252e/db", false)]
    #[case("apps/team-a//db", false)]
    #[case("apps/team-a/./db", false)]
    #[case("apps/team-a/..\\team-b", false)]
    fn case_43_a_key_scope_permits_what_it_names(#[case] key: &str, #[case] permitted: bool) {
        let scope = serde_json::json!({
            "scope": "apps/{namespace}/**, shared/*, accounts/{serviceaccount}"
        });
        let decision = decide(&scope, None, Read::Key(key));
        assert_eq!(decision.is_ok(), permitted, "{decision:?}");
        assert!(decide(&scope, None, Read::Search).is_err());
        assert!(decide(&serde_json::json!({}), None, Read::Search).is_ok());
    }

    #[rstest]
    #[case("")]
    #[case("a,,b")]
    #[case("a/{team}/b")]
    #[case("[a")]
    fn a_key_scope_that_cannot_be_read_permits_nothing(#[case] scope: &str) {
        assert!(KeyScope::parse(scope).is_err());
        let value = serde_json::json!({ "scope": scope });
        assert!(matches!(
            decide(&value, None, Read::Key("a")),
            Err(Refusal::Never(_))
        ));
    }

    #[test]
    fn case_41_conditions_decide_by_name_label_and_expression() {
        let by = |condition: serde_json::Value| serde_json::json!({"conditions": [condition]});
        let labels = |env: &str| BTreeMap::from([("env".to_owned(), env.to_owned())]);
        let read = Read::Key("k");
        let none = BTreeMap::new();
        let name = by(serde_json::json!({"namespaces": ["team-a"]}));
        assert_eq!(decide(&name, None, read), Ok(()));
        let expression = by(serde_json::json!({"namespaceRegexes": ["^team-"]}));
        assert_eq!(decide(&expression, None, read), Ok(()));
        let label = by(serde_json::json!({"namespaceSelector": {"matchLabels": {"env": "prod"}}}));
        assert_eq!(decide(&label, Some(&labels("prod")), read), Ok(()));
        let refused = decide(&label, Some(&labels("dev")), read);
        assert!(matches!(refused, Err(Refusal::Never(why)) if why.contains("team-a")));
        assert!(matches!(
            decide(&label, None, read),
            Err(Refusal::Unknown(_))
        ));
        let other = by(serde_json::json!({"namespaces": ["team-b"]}));
        assert!(matches!(
            decide(&other, Some(&none), read),
            Err(Refusal::Never(_))
        ));
    }

    #[test]
    fn a_store_of_another_class_is_refused() {
        let of = |class: &str| {
            decide(
                &serde_json::json!({"controller": class}),
                None,
                Read::Search,
            )
        };
        assert!(of("default").is_ok() && of("").is_ok());
        assert!(matches!(of("other"), Err(Refusal::Never(why)) if why.contains("\"other\"")));
    }

    #[test]
    fn each_store_is_asked_for_what_is_read_of_it() {
        let spec: ExternalSecretSpec = serde_json::from_value(serde_json::json!({
            "secretStoreRef": {"name": "a"},
            "data": [
                {"secretKey": "x", "remoteRef": {"key": "one"}},
                {"secretKey": "y", "remoteRef": {"key": "two"},
                 "sourceRef": {"storeRef": {"name": "b", "kind": "ClusterSecretStore"}}}],
            "dataFrom": [{"extract": {"key": "three"}}, {"find": {"name": {"regexp": "."}}}],
        }))
        .unwrap();
        let of = |kind, name| reads("team", &StoreId::new(kind, "team", name), &spec);
        assert_eq!(
            of(StoreKind::SecretStore, "a"),
            [Read::Key("one"), Read::Key("three"), Read::Search]
        );
        assert_eq!(of(StoreKind::ClusterSecretStore, "b"), [Read::Key("two")]);
        assert_eq!(of(StoreKind::SecretStore, "b"), []);
    }

    #[test]
    fn a_store_says_the_same_to_the_webhook_and_to_the_reconciler() {
        let spec = serde_json::json!({"provider": {}, "controller": "c", "conditions": [{"namespaces": ["a"]}]});
        let spec: SecretStoreSpec = serde_json::from_value(spec).unwrap();
        let status = |ready: &str| -> SecretStoreStatus {
            let ready = serde_json::json!({"type": "Ready", "status": ready, "message": "why"});
            serde_json::from_value(serde_json::json!({"conditions": [ready]})).unwrap()
        };
        let annotations = BTreeMap::from([
            (KEY_SCOPE_ANNOTATION.to_owned(), "a/*".to_owned()),
            (FALLBACK_STORES_ANNOTATION.to_owned(), "copy".to_owned()),
        ]);
        let facts = |kind, ready| {
            let id = StoreId::new(kind, "team", "main");
            StoreFacts::of(&id, &spec, &annotations, &status(ready))
        };
        let cluster = facts(StoreKind::ClusterSecretStore, "False");
        assert_eq!(cluster.conditions, spec.conditions);
        assert_eq!(cluster.failure.as_deref(), Some("why"));
        assert_eq!(cluster.key_scope.as_deref(), Some("a/*"));
        assert_eq!(cluster.controller.as_deref(), Some("c"));
        let copy = |kind| StoreId::new(kind, "team", "copy");
        assert_eq!(cluster.fallbacks, [copy(StoreKind::ClusterSecretStore)]);
        let namespaced = facts(StoreKind::SecretStore, "True");
        assert_eq!(namespaced.fallbacks, [copy(StoreKind::SecretStore)]);
        assert!(namespaced.conditions.is_empty() && namespaced.failure.is_none());
    }
}
