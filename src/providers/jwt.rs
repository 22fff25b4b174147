//! JSON Web Tokens that a store's own RSA key signs.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

use crate::secret::SecretBytes;

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

/// An RSA key that signs.
pub(super) struct Signer(RsaKeyPair);

impl Signer {
    /// From the first private key of a PEM text; `None` unless that is an RSA key.
    pub(super) fn from_pem(pem: &[u8]) -> Option<Self> {
        Self::from_key(&PrivateKeyDer::from_pem_slice(pem).ok()?)
    }

    /// From a private key in DER; `None` unless it is an RSA key.
    pub(super) fn from_key(key: &PrivateKeyDer<'_>) -> Option<Self> {
        let pair = match key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return None,
        };
        pair.ok().map(Self)
    }

    /// The signed token; `header` is completed by the algorithm.
    pub(super) fn sign(
        &self,
        algorithm: Algorithm,
        mut header: Value,
        claims: &Value,
    ) -> Option<SecretBytes> {
        let (name, encoding) = match algorithm {
            Algorithm::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
            Algorithm::Ps256 => ("PS256", &RSA_PSS_SHA256),
        };
        header["alg"] = name.into();
        header["typ"] = "JWT".into();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = self
            .0
            .sign(encoding, &random, text.as_bytes(), &mut signature);
        signed.ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Some(SecretBytes::from(format!("{text}.{signature}")))
    }
}
