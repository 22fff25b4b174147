//! Provider `azurekv` against a Key Vault whose protocol is that of Microsoft's own SDK: `tests/azure/build.sh`
//! builds it from the fake servers of the SDK for Go. The token comes from our double of Entra ID.

#[path = "../support.rs"]
mod support;

#[cfg(test)]
#[allow(
    dead_code,
    reason = "another crate includes this module too and each uses a part of it"
)]
#[path = "../it/cloud_bench.rs"]
mod cloud_bench;
#[cfg(test)]
#[path = "../clouds.rs"]
mod clouds;
#[cfg(test)]
#[allow(
    dead_code,
    reason = "another crate includes this module too and each uses a part of it"
)]
#[path = "../it/provider_contract.rs"]
mod provider_contract;
#[cfg(test)]
#[allow(
    dead_code,
    reason = "another crate includes this module too and each uses a part of it"
)]
#[path = "../it/provider_double.rs"]
mod provider_double;

#[cfg(test)]
mod objects;
#[cfg(test)]
mod server;
