//! What the API server is told to send here.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations,
    ServiceReference, ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::api::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::v1::GENERATOR_KINDS;
use crate::api::well_known::{GENERATOR_GROUP, GROUP, POD_PREFIX};
use crate::cluster::authorize::{STORE_USER_ROLE, USE_VERB};

use super::Path;

/// Name of both configurations.
pub const NAME: &str = "latchkey.dev";

/// Seconds the API server waits for us.
const TIMEOUT_SECONDS: i32 = 5;
/// Label that the API server puts on every Namespace.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Name and namespace of the Service in the manifests that are committed.
const MANIFEST_SERVICE: (&str, &str) = ("latchkey-webhook", "latchkey-system");

/// How the API server reaches the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Through a Service.
    Service {
        /// Name of the Service.
        name: String,
        /// Its namespace.
        namespace: String,
        /// Its port.
        port: i32,
    },
    /// Directly, for example `https://127.0.0.1:10250`; without a path.
    Url(String),
}

impl Endpoint {
    /// The names that a certificate must have: DNS names or an address.
    #[must_use]
    pub fn certificate_names(&self) -> Vec<String> {
        match self {
            Self::Service {
                name, namespace, ..
            } => vec![
                format!("{name}.{namespace}.svc"),
                format!("{name}.{namespace}.svc.cluster.local"),
            ],
            Self::Url(url) => {
                let rest = url.strip_prefix("https://").unwrap_or(url);
                let authority = rest.split('/').next().unwrap_or_default();
                vec![host(authority).to_owned()]
            }
        }
    }

    /// Address at which pods reach the webhook's server, without a path.
    #[must_use]
    pub fn base_url(&self) -> String {
        match self {
            Self::Service {
                name,
                namespace,
                port,
            } => format!("https://{name}.{namespace}.svc:{port}"),
            Self::Url(url) => url.trim_end_matches('/').to_owned(),
        }
    }

    fn client_config(&self, path: Path) -> WebhookClientConfig {
        match self {
            Self::Service {
                name,
                namespace,
                port,
            } => WebhookClientConfig {
                service: Some(ServiceReference {
                    name: name.clone(),
                    namespace: namespace.clone(),
                    path: Some(path.as_str().to_owned()),
                    port: Some(*port),
                }),
                ..WebhookClientConfig::default()
            },
            Self::Url(url) => WebhookClientConfig {
                url: Some(format!("{}{}", url.trim_end_matches('/'), path.as_str())),
                ..WebhookClientConfig::default()
            },
        }
    }
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

/// The webhooks for pods; `caBundle` is left out.
///
/// Only annotated pods come here at all. At creation a failure refuses the pod, which would otherwise
/// wait for a Secret that nobody makes; an update is never refused, for finalizers of annotated pods
/// must come off also while the webhook is down.
#[must_use]
pub fn mutating(endpoint: &Endpoint, own_namespace: &str) -> MutatingWebhookConfiguration {
    let create = pod_webhook(endpoint, own_namespace);
    let annotated = "has(object.metadata.annotations) && object.metadata.annotations";
    let opted_in = condition(
        "opted-in",
        &format!("{annotated}.exists(k, k.startsWith('{POD_PREFIX}'))"),
    );
    let living = condition("living", "!has(object.metadata.deletionTimestamp)");
    let restore = MutatingWebhook {
        name: format!("restore.pods.{NAME}"),
        failure_policy: Some("Ignore".to_owned()),
        match_conditions: Some(vec![opted_in.clone(), living]),
        rules: Some(vec![rule(
            &["UPDATE"],
            "",
            &["pods", "pods/ephemeralcontainers"],
        )]),
        ..create.clone()
    };
    let create = MutatingWebhook {
        match_conditions: Some(vec![opted_in]),
        ..create
    };
    MutatingWebhookConfiguration {
        metadata: metadata(),
        webhooks: Some(vec![create, restore]),
    }
}

fn pod_webhook(endpoint: &Endpoint, own_namespace: &str) -> MutatingWebhook {
    MutatingWebhook {
        name: format!("pods.{NAME}"),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: endpoint.client_config(Path::Mutate),
        failure_policy: Some("Fail".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        namespace_selector: Some(other_namespaces(own_namespace)),
        reinvocation_policy: Some("IfNeeded".to_owned()),
        rules: Some(vec![rule(&["CREATE"], "", &["pods"])]),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(TIMEOUT_SECONDS),
        ..MutatingWebhook::default()
    }
}

/// Namespaces whose pods must start whatever we do are left out.
pub(super) fn other_namespaces(own_namespace: &str) -> LabelSelector {
    LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: NAMESPACE_NAME_LABEL.to_owned(),
            operator: "NotIn".to_owned(),
            values: Some(vec!["kube-system".to_owned(), own_namespace.to_owned()]),
        }]),
        match_labels: None,
    }
}

/// The webhooks for the objects that controllers read; `caBundle` is left out. A failure lets the object
/// pass, for its controller repeats every check. Each kind comes to one of them only, so that a webhook
/// that hangs costs its timeout once.
#[must_use]
pub fn validating(endpoint: &Endpoint) -> ValidatingWebhookConfiguration {
    let living = condition("living", "!has(object.metadata.deletionTimestamp)");
    let webhook = |stem: &str, group: &str, version: &str, resources: &[&str]| ValidatingWebhook {
        name: format!("{stem}.{NAME}"),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: endpoint.client_config(Path::Validate),
        failure_policy: Some("Ignore".to_owned()),
        match_conditions: Some(vec![living.clone()]),
        match_policy: Some("Equivalent".to_owned()),
        rules: Some(vec![RuleWithOperations {
            api_versions: Some(vec![version.to_owned()]),
            scope: Some("*".to_owned()),
            ..rule(&["CREATE", "UPDATE"], group, resources)
        }]),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(TIMEOUT_SECONDS),
        ..ValidatingWebhook::default()
    };
    let generators = GENERATOR_KINDS.map(|kind| format!("{}s", kind.to_lowercase()));
    let generators: Vec<&str> = generators.iter().map(String::as_str).collect();
    let external_secrets = ["externalsecrets", "clusterexternalsecrets"];
    let stores = ["secretstores", "clustersecretstores"];
    let pushes = ["pushsecrets", "clusterpushsecrets"];
    ValidatingWebhookConfiguration {
        metadata: metadata(),
        webhooks: Some(vec![
            webhook("externalsecrets", GROUP, "v1", &external_secrets),
            webhook("secretstores", GROUP, "v1", &stores),
            webhook("pushsecrets", GROUP, "v1alpha1", &pushes),
            webhook("generators", GENERATOR_GROUP, "v1alpha1", &generators),
        ]),
    }
}

/// The ClusterRole that permits the use of every store; a RoleBinding gives it to the accounts of one
/// namespace.
#[must_use]
pub fn store_user_role() -> ClusterRole {
    ClusterRole {
        metadata: ObjectMeta {
            name: Some(STORE_USER_ROLE.to_owned()),
            ..ObjectMeta::default()
        },
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec![GROUP.to_owned()]),
            resources: Some(vec![
                "clustersecretstores".to_owned(),
                "secretstores".to_owned(),
            ]),
            verbs: vec![USE_VERB.to_owned()],
            ..PolicyRule::default()
        }]),
        aggregation_rule: None,
    }
}

/// The manifests of `manifests/webhooks`: file names and YAML.
#[must_use]
pub fn render() -> Vec<(&'static str, String)> {
    let (name, namespace) = MANIFEST_SERVICE;
    let endpoint = Endpoint::Service {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        port: 443,
    };
    vec![
        ("mutating.yaml", yaml(&mutating(&endpoint, namespace))),
        ("policies.yaml", policies(namespace)),
        ("store-user.yaml", yaml(&store_user_role())),
        ("validating.yaml", yaml(&validating(&endpoint))),
    ]
}

fn policies(namespace: &str) -> String {
    let policies = super::policy::policies(namespace);
    let documents = policies
        .iter()
        .map(|policy| format!("{}---\n{}", yaml(&policy.policy), yaml(&policy.binding)));
    documents.collect::<Vec<_>>().join("---\n")
}

fn yaml(object: &impl Serialize) -> String {
    let value: Value = json!(object);
    serde_saphyr::to_string(&value).expect("a manifest must be YAML")
}

fn metadata() -> ObjectMeta {
    ObjectMeta {
        name: Some(NAME.to_owned()),
        ..ObjectMeta::default()
    }
}

fn condition(name: &str, expression: &str) -> MatchCondition {
    MatchCondition {
        name: name.to_owned(),
        expression: expression.to_owned(),
    }
}

fn rule(operations: &[&str], group: &str, resources: &[&str]) -> RuleWithOperations {
    let owned = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect());
    RuleWithOperations {
        api_groups: owned(&[group]),
        api_versions: owned(&["v1"]),
        operations: owned(operations),
        resources: owned(resources),
        scope: Some("Namespaced".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_has_the_name_the_api_server_asks_for() {
        let names = |url: &str| Endpoint::Url(url.to_owned()).certificate_names();
        assert_eq!(names("https://127.0.0.1:10250"), ["127.0.0.1"]);
        assert_eq!(names("https://[::1]:10250/"), ["::1"]);
        assert_eq!(names("https://webhook.example"), ["webhook.example"]);
        let service = Endpoint::Service {
            name: "hook".to_owned(),
            namespace: "system".to_owned(),
            port: 443,
        };
        assert_eq!(service.certificate_names()[0], "hook.system.svc");
    }

    #[test]
    fn only_the_creation_of_annotated_pods_depends_on_the_webhook() {
        let endpoint = Endpoint::Url("https://127.0.0.1:1".to_owned());
        let webhooks = mutating(&endpoint, "own").webhooks.unwrap();
        let failing: Vec<&MutatingWebhook> = webhooks
            .iter()
            .filter(|webhook| webhook.failure_policy.as_deref() == Some("Fail"))
            .collect();
        assert_eq!(failing.len(), 1);
        let rules = failing[0].rules.as_ref().unwrap();
        assert_eq!(rules[0].operations.as_ref().unwrap(), &["CREATE"]);
        for webhook in &webhooks {
            let conditions = webhook.match_conditions.as_ref().unwrap();
            assert!(conditions[0].expression.contains("latchkey.dev/"));
        }
        for webhook in validating(&endpoint).webhooks.unwrap() {
            assert_eq!(webhook.failure_policy.as_deref(), Some("Ignore"));
        }
    }
}
