//! `external-secrets.io/v1beta1`: what older manifests are written in.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionVersion;

use super::schema;

const PROVIDER: [&str; 2] = ["spec", "provider"];

/// Objects that `v1` asks more of than `v1beta1` of ESO 2.9.0 did, by path below the provider.
const STRICTER: [&[&str]; 6] = [
    &["conjur", "auth"],
    &["kubernetes", "auth", "cert"],
    &["kubernetes", "auth", "token"],
    &["secretserver", "password"],
    &["secretserver", "token"],
    &["secretserver", "username"],
];

/// The older version of `kind` from its stored one.
///
/// Its schema is that of `v1`, so that every field survives being stored, without what `v1` newly
/// demands; without descriptions either, because both versions share one CRD, whose size is
/// limited.
pub(super) fn derive(
    v1: &CustomResourceDefinitionVersion,
    kind: &str,
) -> CustomResourceDefinitionVersion {
    let mut older = v1.clone();
    "v1beta1".clone_into(&mut older.name);
    older.storage = false;
    older.served = true;
    older.selectable_fields = None;
    older.deprecated = Some(true);
    older.deprecation_warning = Some(format!(
        "external-secrets.io/v1beta1 {kind} is deprecated; use external-secrets.io/v1"
    ));
    if let Some(root) = schema::root(&mut older) {
        schema::each(root, &mut |schema| schema.description = None);
        if let Some(provider) = schema::at(root, &PROVIDER) {
            for path in STRICTER {
                if let Some(object) = schema::at(provider, path) {
                    object.required = None;
                    object.min_properties = None;
                    object.max_properties = None;
                    object.x_kubernetes_validations = None;
                }
            }
        }
    }
    older
}
