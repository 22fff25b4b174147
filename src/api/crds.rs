//! The CRDs, made from the types.

mod schema;
mod v1beta1;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

use crate::api::generators as generator;
use crate::api::v1::{ClusterExternalSecret, ClusterSecretStore, ExternalSecret, SecretStore};
use crate::api::v1alpha1::{ClusterPushSecret, PushSecret};

/// Every CRD of latchkey. Kinds of `v1`, which is stored, are served as `v1beta1` beside it, without
/// conversion; the others have `v1alpha1` alone.
///
/// The API server turns one version into the other by pruning what the other's schema lacks, so
/// `v1` holds every field of `v1beta1`.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![
        ExternalSecret::crd(),
        SecretStore::crd(),
        ClusterSecretStore::crd(),
        ClusterExternalSecret::crd(),
        PushSecret::crd(),
        ClusterPushSecret::crd(),
        generator::AcrAccessToken::crd(),
        generator::BeyondtrustWorkloadCredentialsDynamicSecret::crd(),
        generator::CloudsmithAccessToken::crd(),
        generator::ClusterGenerator::crd(),
        generator::EcrAuthorizationToken::crd(),
        generator::Fake::crd(),
        generator::GcrAccessToken::crd(),
        generator::GeneratorState::crd(),
        generator::GithubAccessToken::crd(),
        generator::GitlabDeployToken::crd(),
        generator::Grafana::crd(),
        generator::Mfa::crd(),
        generator::Password::crd(),
        generator::QuayAccessToken::crd(),
        generator::SshKey::crd(),
        generator::StsSessionToken::crd(),
        generator::Uuid::crd(),
        generator::VaultDynamicSecret::crd(),
        generator::Webhook::crd(),
    ]
    .into_iter()
    .map(complete)
    .collect()
}

/// The CRDs as files: name and YAML, always the same bytes for the same types.
///
/// # Panics
///
/// If a CRD cannot be written as YAML, which no type of ours can bring about.
#[must_use]
pub fn render() -> Vec<(String, String)> {
    all()
        .into_iter()
        .map(|crd| {
            let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
            let yaml = serde_saphyr::to_string(&crd).expect("a CRD must be writable as YAML");
            (name, yaml)
        })
        .collect()
}

fn complete(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(root) = schema::root(version) {
            schema::tidy(root);
        }
    }
    let older: Vec<_> = crd
        .spec
        .versions
        .iter()
        .filter(|version| version.name == "v1")
        .map(|version| v1beta1::derive(version, &crd.spec.names.kind))
        .collect();
    crd.spec.versions.extend(older);
    crd
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Making them takes a while, so every test shares them.
    static CRDS: std::sync::LazyLock<Vec<CustomResourceDefinition>> = std::sync::LazyLock::new(all);

    fn schemas(kind: &str) -> serde_json::Value {
        let crd = CRDS.iter().find(|crd| crd.spec.names.kind == kind).unwrap();
        serde_json::to_value(&crd.spec.versions).unwrap()
    }

    #[test]
    fn each_crd_can_be_applied_by_a_client() {
        for crd in CRDS.iter() {
            let bytes = serde_json::to_vec(crd).unwrap().len();
            assert!(bytes < 225_000, "{} has {bytes} bytes", crd.spec.names.kind);
        }
    }

    #[test]
    fn both_scopes_of_store_have_one_schema() {
        for version in [0, 1] {
            let path = format!("/{version}/schema/openAPIV3Schema/properties");
            assert_eq!(
                schemas("SecretStore").pointer(&path),
                schemas("ClusterSecretStore").pointer(&path)
            );
        }
    }

    #[test]
    fn only_the_refresh_time_may_be_null() {
        for kind in ["ExternalSecret", "SecretStore", "ClusterSecretStore"] {
            let mut found = Vec::new();
            collect(&schemas(kind)[0], "nullable", "", &mut found);
            let expected: &[&str] = match kind {
                "ExternalSecret" => {
                    &["/schema/openAPIV3Schema/properties/status/properties/refreshTime"]
                }
                _ => &[],
            };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn items_of_lists_have_no_defaults() {
        for kind in [
            "ExternalSecret",
            "SecretStore",
            "ClusterSecretStore",
            "ClusterExternalSecret",
        ] {
            for version in [0, 1] {
                let mut found = Vec::new();
                collect(&schemas(kind)[version], "default", "", &mut found);
                found.retain(|path| path.contains("/items"));
                assert_eq!(found, [] as [String; 0]);
            }
        }
    }

    #[test]
    fn kinds_have_their_short_names_scopes_and_versions() {
        for (kind, short, scope, versions) in [
            ("ClusterExternalSecret", "ces", "Cluster", 2),
            ("PushSecret", "ps", "Namespaced", 1),
            ("ClusterPushSecret", "", "Cluster", 1),
            ("ClusterGenerator", "", "Cluster", 1),
            ("GeneratorState", "gs", "Namespaced", 1),
            ("ACRAccessToken", "", "Namespaced", 1),
            ("UUID", "", "Namespaced", 1),
        ] {
            let crd = CRDS.iter().find(|crd| crd.spec.names.kind == kind).unwrap();
            let names = &crd.spec.names;
            assert_eq!(
                names.short_names.clone().unwrap_or_default().concat(),
                short
            );
            assert_eq!(
                (crd.spec.scope.as_str(), crd.spec.versions.len()),
                (scope, versions)
            );
            let categories = names.categories.clone().unwrap_or_default();
            let generates = crd.spec.group.starts_with("generators");
            assert_eq!(categories.len(), 1 + usize::from(generates), "{kind}");
        }
        assert_eq!(CRDS.len(), 25);
    }

    #[test]
    fn an_old_store_is_accepted_as_before() {
        let v1beta1 = &schemas("SecretStore")[1];
        let provider = &v1beta1["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["provider"]
            ["properties"];
        let auth = &provider["kubernetes"]["properties"]["auth"]["properties"];
        assert!(auth["cert"]["required"].is_null());
        assert!(auth["token"]["required"].is_null());
        let auth = &provider["conjur"]["properties"]["auth"];
        assert!(auth["maxProperties"].is_null());
        let user = &provider["secretserver"]["properties"]["username"];
        assert!(user["x-kubernetes-validations"].is_null());
    }

    fn collect(value: &serde_json::Value, key: &str, path: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, member) in members {
                    if name == key && !path.ends_with("/properties") {
                        found.push(path.to_owned());
                    } else {
                        collect(member, key, &format!("{path}/{name}"), found);
                    }
                }
            }
            serde_json::Value::Array(items) => {
                for item in items {
                    collect(item, key, path, found);
                }
            }
            _ => {}
        }
    }
}
