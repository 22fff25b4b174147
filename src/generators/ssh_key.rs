//! SSH key pairs in OpenSSH format.

use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use rsa::RsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey as _;
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, EcdsaCurve, LineEnding, PrivateKey};

use super::{Context, Error, Generator};
use crate::api::generators::{SshKeySpec, SshKeyType};
use crate::secret::{SecretBytes, SecretMap};

/// Bits of an RSA key that names none.
const RSA_BITS: u32 = 2048;

#[async_trait]
impl Generator for SshKeySpec {
    async fn generate(&self, _: &Context) -> Result<SecretMap, Error> {
        let kind = self.key_type.unwrap_or(SshKeyType::Rsa);
        let (size, comment) = (self.key_size, self.comment.clone().unwrap_or_default());
        let made = tokio::task::spawn_blocking(move || pair(kind, size, &comment)).await;
        made.map_err(|_| Error::unavailable("failed to make the key pair"))?
    }
}

/// RSA keys take up to seconds to find, so this is not called where others wait.
fn pair(kind: SshKeyType, size: Option<u32>, comment: &str) -> Result<SecretMap, Error> {
    let failed =
        |error: ssh_key::Error| Error::unavailable(format!("failed to make the key pair: {error}"));
    let mut key = match kind {
        SshKeyType::Ed25519 => {
            PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(failed)?
        }
        SshKeyType::Ecdsa => {
            let curve = curve(size)?;
            PrivateKey::random(&mut OsRng, Algorithm::Ecdsa { curve }).map_err(failed)?
        }
        SshKeyType::Rsa => {
            let bits = size.unwrap_or(RSA_BITS);
            if !(RSA_BITS..=8192).contains(&bits) {
                return Err(Error::invalid(
                    "spec.keySize: an RSA key has from 2048 to 8192 bits",
                ));
            }
            let pair = rsa_pair(bits)?;
            PrivateKey::new(KeypairData::Rsa(pair), "").map_err(failed)?
        }
    };
    key.set_comment(comment);
    let private = key.to_openssh(LineEnding::LF).map_err(failed)?;
    let public = key.public_key().to_openssh().map_err(failed)?;
    Ok([
        ("privateKey".to_owned(), SecretBytes::from(private.as_str())),
        ("publicKey".to_owned(), SecretBytes::from(public)),
    ]
    .into_iter()
    .collect())
}

/// Usual sizes come from the library that makes our TLS keys, which finds primes quickly.
fn rsa_pair(bits: u32) -> Result<RsaKeypair, Error> {
    let failed = || Error::unavailable("failed to make an RSA key");
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        8192 => KeySize::Rsa8192,
        _ => return RsaKeypair::random(&mut OsRng, bits as usize).map_err(|_| failed()),
    };
    let made = KeyPair::generate(size).map_err(|_| failed())?;
    let der: Pkcs8V1Der<'static> = made.as_der().map_err(|_| failed())?;
    let parsed = RsaPrivateKey::from_pkcs8_der(der.as_ref()).map_err(|_| failed())?;
    RsaKeypair::try_from(parsed).map_err(|_| failed())
}

fn curve(size: Option<u32>) -> Result<EcdsaCurve, Error> {
    match size {
        None | Some(256) => Ok(EcdsaCurve::NistP256),
        Some(384) => Ok(EcdsaCurve::NistP384),
        Some(521) => Ok(EcdsaCurve::NistP521),
        Some(_) => Err(Error::invalid(
            "spec.keySize: an ECDSA key has 256, 384 or 521 bits",
        )),
    }
}
