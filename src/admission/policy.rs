//! Policies that the API server applies by itself, so that they hold while the webhook is down.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec, Validation, Variable,
};
use kube::api::ObjectMeta;

use super::registration::{NAME, other_namespaces};
use crate::api::well_known::{INJECTED_LABEL, POD_INLINE_ANNOTATION};

/// Volumes with a field that names a Secret, and that field.
const VOLUMES: [(&str, &str); 10] = [
    ("secret", "secretName"),
    ("azureFile", "secretName"),
    ("csi", "nodePublishSecretRef.name"),
    ("cephfs", "secretRef.name"),
    ("cinder", "secretRef.name"),
    ("flexVolume", "secretRef.name"),
    ("iscsi", "secretRef.name"),
    ("rbd", "secretRef.name"),
    ("scaleIO", "secretRef.name"),
    ("storageos", "secretRef.name"),
];

/// A policy and what puts it into force.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What is checked.
    pub policy: ValidatingAdmissionPolicy,
    /// Where: everywhere the policy matches.
    pub binding: ValidatingAdmissionPolicyBinding,
}

/// Every policy.
///
/// The first refuses a pod in which a reference would reach the application as text. The second refuses
/// a pod that names a Secret made for pods without having passed the webhook; it looks at every pod, so an
/// expression that cannot be evaluated lets the pod pass rather than freeze the cluster.
#[must_use]
pub fn policies(own_namespace: &str) -> [Policy; 2] {
    [inline(own_namespace), names(own_namespace)]
}

fn inline(own_namespace: &str) -> Policy {
    let annotations = "object.metadata.annotations";
    let opted_in = format!(
        "has({annotations}) && '{POD_INLINE_ANNOTATION}' in {annotations} && \
         {annotations}['{POD_INLINE_ANNOTATION}'] == 'true'"
    );
    let free = |list: &str| {
        format!(
            "(!has(object.spec.{list}) || object.spec.{list}.all(c, !has(c.env) || c.env.all(e, \
             !has(e.value) || !(e.value.startsWith('secret://') || e.value.contains('${{secret://')))))"
        )
    };
    let expression = format!("{} && {}", free("containers"), free("initContainers"));
    let message = "an environment value still holds a secret:// reference: latchkey's webhook has not \
                   answered, or the reference is not closed";
    let spec = ValidatingAdmissionPolicySpec {
        failure_policy: Some("Fail".to_owned()),
        match_conditions: Some(vec![MatchCondition {
            name: "inline".to_owned(),
            expression: opted_in,
        }]),
        match_constraints: Some(pods(own_namespace, &[("CREATE", "pods")])),
        validations: Some(vec![validation(expression, message)]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    policy("inline", spec)
}

fn names(own_namespace: &str) -> Policy {
    // Only what brings a name in, or takes the label off, is refused: a pod that was there before must
    // still lose its finalizers.
    let expression = "variables.labelled || (request.operation == 'CREATE' ? !variables.named : \
                      (has(request.subResource) && request.subResource == 'ephemeralcontainers' ? \
                      !variables.debugged : !variables.wasLabelled || !variables.named))";
    let message = format!(
        "a Secret whose name starts with inj- is made for the pods of one service account: use an alias \
         (annotation latchkey.dev/secret.<alias>) instead, and leave the label {INJECTED_LABEL} alone"
    );
    let spec = ValidatingAdmissionPolicySpec {
        failure_policy: Some("Ignore".to_owned()),
        match_conditions: Some(vec![MatchCondition {
            name: "living".to_owned(),
            expression: "!has(object.metadata.deletionTimestamp)".to_owned(),
        }]),
        match_constraints: Some(pods(
            own_namespace,
            &[
                ("CREATE", "pods"),
                ("UPDATE", "pods"),
                ("UPDATE", "pods/ephemeralcontainers"),
            ],
        )),
        variables: Some(name_variables()),
        validations: Some(vec![validation(expression.to_owned(), &message)]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    policy("names", spec)
}

/// What the pod names and bears, as expressions.
fn name_variables() -> Vec<Variable> {
    let labelled = |object: &str| {
        format!("has({object}.metadata.labels) && '{INJECTED_LABEL}' in {object}.metadata.labels")
    };
    let containers = |list: &str| {
        format!(
            "(has(object.spec.{list}) && object.spec.{list}.exists(c, \
             (has(c.env) && c.env.exists(e, has(e.valueFrom) && {})) || \
             (has(c.envFrom) && c.envFrom.exists(s, {}))))",
            injected("e.valueFrom", "secretKeyRef.name"),
            injected("s", "secretRef.name")
        )
    };
    let volumes: Vec<String> = VOLUMES
        .iter()
        .map(|(volume, field)| injected("v", &format!("{volume}.{field}")))
        .collect();
    let volumes = format!(
        "has(object.spec.volumes) && object.spec.volumes.exists(v, {} || (has(v.projected) && \
         has(v.projected.sources) && v.projected.sources.exists(s, {})))",
        volumes.join(" || "),
        injected("s", "secret.name")
    );
    let pulled = format!(
        "has(object.spec.imagePullSecrets) && object.spec.imagePullSecrets.exists(p, {})",
        injected("p", "name")
    );
    let variable = |name: &str, expression: String| Variable {
        name: name.to_owned(),
        expression,
    };
    let named = format!(
        "{} || {} || variables.debugged || ({volumes}) || ({pulled})",
        containers("containers"),
        containers("initContainers"),
    );
    let was_labelled = format!("oldObject != null && {}", labelled("oldObject"));
    vec![
        variable("labelled", labelled("object")),
        variable("wasLabelled", was_labelled),
        variable("debugged", containers("ephemeralContainers")),
        variable("named", named),
    ]
}

/// Whether the field `path` below `of` is there and holds the name of a Secret made for pods.
fn injected(of: &str, path: &str) -> String {
    let mut present = Vec::new();
    let mut whole = of.to_owned();
    for part in path.split('.') {
        whole.push('.');
        whole.push_str(part);
        present.push(format!("has({whole})"));
    }
    format!(
        "({} && {whole}.startsWith('inj-') && {whole}.matches('^inj-[a-z0-9-]+-[a-z2-7]{{20}}$'))",
        present.join(" && ")
    )
}

fn pods(own_namespace: &str, operations: &[(&str, &str)]) -> MatchResources {
    let rules = operations.iter().map(|(operation, resource)| {
        let one = |text: &str| Some(vec![text.to_owned()]);
        NamedRuleWithOperations {
            api_groups: one(""),
            api_versions: one("v1"),
            operations: one(operation),
            resources: one(resource),
            scope: Some("Namespaced".to_owned()),
            ..NamedRuleWithOperations::default()
        }
    });
    MatchResources {
        match_policy: Some("Equivalent".to_owned()),
        namespace_selector: Some(other_namespaces(own_namespace)),
        resource_rules: Some(rules.collect()),
        ..MatchResources::default()
    }
}

fn validation(expression: String, message: &str) -> Validation {
    Validation {
        expression,
        message: Some(message.to_owned()),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    }
}

fn policy(stem: &str, spec: ValidatingAdmissionPolicySpec) -> Policy {
    let name = format!("{stem}.pods.{NAME}");
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        ..ObjectMeta::default()
    };
    let binding = ValidatingAdmissionPolicyBindingSpec {
        policy_name: Some(name),
        validation_actions: Some(vec!["Deny".to_owned()]),
        ..ValidatingAdmissionPolicyBindingSpec::default()
    };
    Policy {
        policy: ValidatingAdmissionPolicy {
            metadata: metadata.clone(),
            spec: Some(spec),
            status: None,
        },
        binding: ValidatingAdmissionPolicyBinding {
            metadata,
            spec: Some(binding),
        },
    }
}
