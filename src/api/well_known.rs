//! Every label, annotation, finalizer, condition and reason that other programs may depend on.
//!
//! The `external-secrets.io` names are those of External Secrets Operator 2.9.0; the `latchkey.dev`
//! names are ours.

/// API group of the stores and ExternalSecrets.
pub const GROUP: &str = "external-secrets.io";
/// API group of the generators.
pub const GENERATOR_GROUP: &str = "generators.external-secrets.io";

/// Label on a Secret that latchkey (or ESO) writes.
pub const MANAGED_LABEL: &str = "reconcile.external-secrets.io/managed";
/// Label on an owned Secret: SHA3-224 of `<namespace>/<ExternalSecret>` in hex.
pub const CREATED_BY_LABEL: &str = "reconcile.external-secrets.io/created-by";
/// Annotation on a Secret: SHA3-224 over its data, for drift detection.
pub const DATA_HASH_ANNOTATION: &str = "reconcile.external-secrets.io/data-hash";
/// Prefix of the field manager under which an ExternalSecret writes its Secret.
pub const FIELD_MANAGER_PREFIX: &str = "externalsecrets.external-secrets.io/";
/// Annotation that people change to ask for a refresh.
pub const FORCE_SYNC_ANNOTATION: &str = "external-secrets.io/force-sync";
/// Finalizer that ESO puts on ExternalSecrets; latchkey removes it where it meets a deleted object.
pub const EXTERNAL_SECRET_FINALIZER: &str =
    "externalsecrets.external-secrets.io/externalsecret-cleanup";
/// Finalizer that ESO puts on ClusterExternalSecrets; latchkey removes it.
pub const CLUSTER_EXTERNAL_SECRET_FINALIZER: &str =
    "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup";
/// Finalizer, before the name, that a ClusterExternalSecret of ESO puts on Namespaces; latchkey removes
/// it.
pub const CES_NAMESPACE_FINALIZER_PREFIX: &str = "externalsecrets.external-secrets.io/ces-";
/// Finalizer that ESO puts on stores from which a PushSecret will remove what it pushed; latchkey removes it
/// where it meets a deleted store that no PushSecret needs any more.
pub const SECRET_STORE_FINALIZER: &str = "secretstore.externalsecrets.io/finalizer";
/// Finalizer on GeneratorStates: what was made is taken back before they go.
pub const GENERATOR_STATE_FINALIZER: &str = "generatorstate.externalsecrets.io/finalizer";
/// Label on a GeneratorState: SHA3-224 of `<Kind>-<namespace>-<name>-<place>` in hex.
pub const GENERATOR_OWNER_LABEL: &str = "generators.external-secrets.io/owner-key";
/// Finalizer on PushSecrets whose remote values go with them.
pub const PUSH_SECRET_FINALIZER: &str = "pushsecret.externalsecrets.io/finalizer";
/// Annotation, on an ExternalSecret or on the Secret, that lets an un-owned Secret be taken over.
pub const ADOPT_ANNOTATION: &str = "latchkey.dev/adopt";

/// Annotation on an ExternalSecret that lets what could be read be written while other entries fail;
/// their keys keep the last value.
pub const PARTIAL_SYNC_ANNOTATION: &str = "latchkey.dev/partial-sync";
/// Annotation on an ExternalSecret that lets its Secret or keys of it be deleted however many others
/// would lose theirs.
pub const ALLOW_DELETION_ANNOTATION: &str = "latchkey.dev/allow-deletion";

/// Condition type of every kind.
pub const CONDITION_READY: &str = "Ready";

/// Prefix of every annotation of a pod that latchkey reads.
pub const POD_PREFIX: &str = "latchkey.dev/";
/// Prefix of the annotation that declares an alias: `latchkey.dev/secret.<alias>`.
pub const ALIAS_PREFIX: &str = "latchkey.dev/secret.";
/// Annotation with the refresh interval of a pod's aliases.
pub const POD_REFRESH_ANNOTATION: &str = "latchkey.dev/refresh";
/// Annotation that turns references in environment values on.
pub const POD_INLINE_ANNOTATION: &str = "latchkey.dev/inline";
/// Annotation with what happens when a value changes.
pub const POD_ON_CHANGE_ANNOTATION: &str = "latchkey.dev/on-change";
/// Annotation with what happens when a store is down at admission.
pub const POD_ON_ERROR_ANNOTATION: &str = "latchkey.dev/on-error";
/// Annotation with where values are kept.
pub const POD_MODE_ANNOTATION: &str = "latchkey.dev/mode";
/// Annotation written on an injected pod: alias to Secret name as JSON; never trusted.
pub const POD_STATUS_ANNOTATION: &str = "latchkey.dev/status";
/// Annotation written on a pod with in-line references: Secret name to references as JSON. An entry is
/// believed only if it reproduces its name.
pub const POD_INLINE_RECORD_ANNOTATION: &str = "latchkey.dev/inline-references";
/// Annotation of a store with the remote keys that pods may read, by namespace and service account.
pub const KEY_SCOPE_ANNOTATION: &str = "latchkey.dev/key-scope";
/// Annotation of a store with the stores that serve in its place while it is down, in order.
pub const FALLBACK_STORES_ANNOTATION: &str = "latchkey.dev/fallback-stores";
/// Annotation of a store with the requests a second that are sent to it at most.
pub const MAX_REQUESTS_ANNOTATION: &str = "latchkey.dev/max-requests-per-second";
/// Label written on an injected pod.
pub const INJECTED_LABEL: &str = "latchkey.dev/injected";
/// Label on a Secret that was materialised for pods.
pub const MATERIALISED_LABEL: &str = "latchkey.dev/managed";
/// Annotation on a materialised Secret: the canonical ExternalSecret spec it was made from.
pub const MATERIALISED_SPEC_ANNOTATION: &str = "latchkey.dev/spec";
/// Annotation on a materialised Secret: the service account it was made for.
pub const MATERIALISED_ACCOUNT_ANNOTATION: &str = "latchkey.dev/service-account";
/// Annotation on a materialised Secret: the alias it was made for.
pub const MATERIALISED_ALIAS_ANNOTATION: &str = "latchkey.dev/alias";
/// Annotation on a materialised Secret: when its data last became other data, as RFC 3339. It is absent
/// until then, and never changes alone.
pub const MATERIALISED_CHANGED_ANNOTATION: &str = "latchkey.dev/changed";
/// Annotation on the pod template of a workload that was restarted: digest of the values it was restarted
/// for.
pub const RESTARTED_FOR_ANNOTATION: &str = "latchkey.dev/restarted-for";
/// Annotation on a workload that was restarted: when, as RFC 3339.
pub const RESTARTED_AT_ANNOTATION: &str = "latchkey.dev/restarted-at";
