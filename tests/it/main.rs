//! Integration tests that need no cluster.

#[path = "../support.rs"]
mod support;

#[cfg(all(test, feature = "default"))]
mod abilities;
#[cfg(test)]
mod admission_access;
#[cfg(test)]
mod admission_cost;
#[cfg(test)]
mod admission_examples;
#[cfg(test)]
mod admission_memory;
#[cfg(all(test, feature = "provider-fake", feature = "provider-vault"))]
mod admission_objects;
#[cfg(test)]
mod admission_pod;
#[cfg(test)]
mod admission_protocol;
#[cfg(test)]
mod admission_serving;
#[cfg(test)]
mod admission_world;
#[cfg(test)]
mod agent_secrets;
#[cfg(test)]
mod agent_world;
#[cfg(test)]
mod architecture;
#[cfg(all(
    test,
    feature = "provider-aws",
    feature = "provider-kubernetes",
    feature = "provider-webhook"
))]
mod budget;
#[cfg(all(test, feature = "provider-azurekv", feature = "provider-gcpsm"))]
mod cloud_bench;
#[cfg(all(test, feature = "provider-azurekv", feature = "provider-gcpsm"))]
#[path = "../clouds.rs"]
mod clouds;
#[cfg(test)]
mod compatibility;
#[cfg(test)]
mod crd_fields;
#[cfg(test)]
mod esc_server;
#[cfg(test)]
mod failover;
#[cfg(test)]
#[path = "../fakes.rs"]
mod fakes;
mod generated;
#[cfg(all(test, feature = "provider-azurekv", feature = "provider-gcpsm"))]
mod generator_cloud;
#[cfg(test)]
mod generators;
#[cfg(all(test, feature = "provider-akeyless"))]
mod provider_akeyless;
#[cfg(all(test, feature = "provider-aws"))]
mod provider_aws;
#[cfg(all(test, feature = "provider-azurekv", feature = "provider-gcpsm"))]
mod provider_azurekv;
#[cfg(all(test, feature = "provider-azurekv", feature = "provider-gcpsm"))]
mod provider_azurekv_faults;
#[cfg(all(test, feature = "provider-barbican"))]
mod provider_barbican;
#[cfg(all(test, feature = "provider-conjur"))]
mod provider_conjur;
#[cfg(test)]
mod provider_contract;
#[cfg(all(test, feature = "provider-crd"))]
mod provider_crd;
#[cfg(all(test, feature = "provider-doppler"))]
mod provider_doppler;
#[cfg(test)]
mod provider_double;
#[cfg(all(test, feature = "provider-fake"))]
mod provider_fake;
#[cfg(test)]
mod provider_faults;
#[cfg(all(test, feature = "provider-azurekv", feature = "provider-gcpsm"))]
mod provider_gcpsm;
#[cfg(all(test, feature = "provider-azurekv", feature = "provider-gcpsm"))]
mod provider_gcpsm_faults;
#[cfg(all(test, feature = "provider-github"))]
mod provider_github;
#[cfg(all(test, feature = "provider-gitlab"))]
mod provider_gitlab;
#[cfg(all(test, feature = "provider-infisical"))]
mod provider_infisical;
#[cfg(all(test, feature = "provider-kubernetes"))]
mod provider_kubernetes;
#[cfg(all(test, feature = "provider-onepassword"))]
mod provider_onepassword;
#[cfg(all(test, feature = "provider-pulumi"))]
mod provider_pulumi;
#[cfg(all(test, feature = "provider-pulumi"))]
mod provider_pulumi_push;
#[cfg(all(test, feature = "provider-vault", feature = "provider-openbao"))]
mod provider_vault;
#[cfg(all(
    test,
    feature = "provider-azurekv",
    feature = "provider-gcpsm",
    feature = "provider-vault"
))]
mod provider_vault_clouds;
#[cfg(all(test, feature = "provider-webhook"))]
mod provider_webhook;
mod template_cli;
#[cfg(test)]
mod template_vectors;
