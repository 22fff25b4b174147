//! Provider `vault` against a real Vault, which `tests/vault/build.sh` builds on first use.

#[path = "../support.rs"]
mod support;

#[cfg(test)]
#[allow(
    dead_code,
    reason = "another crate includes this module too and each uses a part of it"
)]
#[path = "../it/provider_double.rs"]
mod provider_double;

#[cfg(all(test, feature = "provider-aws"))]
mod cloud_logins;
#[cfg(test)]
mod dynamic;
#[cfg(test)]
mod logins;
#[cfg(all(test, feature = "provider-aws"))]
#[allow(
    dead_code,
    reason = "another crate includes this module too and each uses a part of it"
)]
#[path = "../aws/server.rs"]
mod moto;
#[cfg(test)]
mod reads;
mod server;
#[cfg(test)]
mod writes;
