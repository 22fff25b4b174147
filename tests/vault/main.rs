//! Providers `vault` and `openBao` against a real Vault, which `tests/vault/build.sh` builds on first use, and a
//! real OpenBao, which `tests/vault/openbao.sh` installs.

#[path = "../support.rs"]
mod support;

#[cfg(test)]
#[allow(
    dead_code,
    reason = "another crate includes this module too and each uses a part of it"
)]
#[path = "../it/provider_double.rs"]
mod provider_double;

/// Makes two tests of each function that takes a server: one with Vault and one with OpenBao.
#[cfg(test)]
macro_rules! on_both_servers {
    ($($name:ident),+ $(,)?) => { $(
        mod $name {
            #[tokio::test]
            async fn vault() {
                super::$name(crate::server::shared().await).await;
            }

            #[cfg(feature = "provider-openbao")]
            #[tokio::test]
            async fn open_bao() {
                super::$name(crate::server::shared_open_bao().await).await;
            }
        }
    )+ };
}

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
