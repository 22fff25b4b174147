//! Provider `aws` and the generators of AWS against moto, a double of AWS that checks signatures and
//! policies; `tests/aws/build.sh` installs it on first use.

#[path = "../support.rs"]
mod support;

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
mod generators;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod parameters;
mod proxy;
#[cfg(test)]
mod secrets;
#[allow(
    dead_code,
    reason = "other crates include this module too and each uses a part of it"
)]
mod server;
#[cfg(test)]
mod writes;
