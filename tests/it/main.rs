//! Integration tests that need no cluster.

#[cfg(test)]
mod architecture;
mod generated;
#[cfg(test)]
mod provider_contract;
#[cfg(test)]
mod provider_double;
#[cfg(all(test, feature = "provider-fake"))]
mod provider_fake;
#[cfg(all(test, feature = "provider-kubernetes"))]
mod provider_kubernetes;
#[cfg(all(test, feature = "provider-pulumi"))]
mod provider_pulumi;
mod template_cli;
#[cfg(test)]
mod template_vectors;
