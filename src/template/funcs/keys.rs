//! Private keys in the encodings that Go writes: PKCS#8, PKCS#1, SEC1.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _,
};
use pkcs8::der::asn1::{AnyRef, OctetStringRef, UintRef};
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use sec1::{EcParameters, EcPrivateKey};
use zeroize::Zeroizing;

use crate::template::error::Outcome;

/// PKCS#1's `rsaEncryption`.
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// X9.62's `id-ecPublicKey`.
pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 8410's `id-Ed25519`.
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// `prime256v1`
pub(super) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `secp384r1`
pub(super) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// `secp521r1`
pub(super) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// A private key, PKCS#8 as Go writes it.
pub(super) struct PrivateKey {
    algorithm: ObjectIdentifier,
    curve: Option<ObjectIdentifier>,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl PrivateKey {
    /// Reads a key in any of the encodings, in the order in which the operator tries them.
    pub(super) fn from_der(der: &[u8]) -> Outcome<Self> {
        Self::from_pkcs1(der)
            .or_else(|_| Self::from_pkcs8(der))
            .or_else(|_| Self::from_sec1(der))
            .map_err(|_| "unable to parse private key type".to_owned())
    }

    /// Reads PKCS#1: an RSA key.
    pub(super) fn from_pkcs1(der: &[u8]) -> Outcome<Self> {
        let _key: pkcs1::RsaPrivateKey<UintRef<'_>> =
            pkcs1::RsaPrivateKey::from_der(der).map_err(|error| error.to_string())?;
        Self::assembled(RSA, Some(AnyRef::NULL), der)
    }

    /// Reads SEC1: a key on a curve that it names.
    pub(super) fn from_sec1(der: &[u8]) -> Outcome<Self> {
        let key = EcPrivateKey::from_der(der).map_err(|error| error.to_string())?;
        let curve = key.parameters.and_then(EcParameters::named_curve);
        Self::on_curve(
            curve.ok_or_else(|| "the key names no curve".to_owned())?,
            der,
        )
    }

    /// Reads PKCS#8: an RSA, ECDSA or Ed25519 key.
    pub(super) fn from_pkcs8(der: &[u8]) -> Outcome<Self> {
        let key = PrivateKeyInfoRef::from_der(der).map_err(|error| error.to_string())?;
        let inner = key.private_key.as_bytes();
        match key.algorithm.oid {
            RSA => Self::from_pkcs1(inner),
            EC => {
                let curve = key
                    .algorithm
                    .parameters_oid()
                    .map_err(|error| error.to_string())?;
                Self::on_curve(curve, inner)
            }
            ED25519 => Self::assembled(ED25519, None, inner),
            other => Err(format!(
                "x509: PKCS#8 wrapping contained private key with unknown algorithm: {other}"
            )),
        }
    }

    /// A key from its secret number on a curve, in SEC1 or as there without its public half.
    fn on_curve(curve: ObjectIdentifier, der: &[u8]) -> Outcome<Self> {
        let key = EcPrivateKey::from_der(der).map_err(|error| error.to_string())?;
        let named = EcPrivateKey {
            private_key: key.private_key,
            parameters: Some(EcParameters::NamedCurve(curve)),
            public_key: key.public_key,
        };
        let sec1 = Zeroizing::new(named.to_der().map_err(|error| error.to_string())?);
        let pair = EcdsaKeyPair::from_private_key_der(signing(curve)?, &sec1);
        let pair = pair.map_err(|error| error.to_string())?;
        let whole = EcPrivateKey {
            private_key: key.private_key,
            parameters: None,
            public_key: Some(pair.public_key().as_ref()),
        };
        let whole = Zeroizing::new(whole.to_der().map_err(|error| error.to_string())?);
        let key = Self::assembled(EC, Some(AnyRef::from(&curve)), &whole)?;
        Ok(Self {
            curve: Some(curve),
            ..key
        })
    }

    /// A key from its secret number on a curve: `number` in big-endian bytes.
    pub(super) fn from_number(curve: ObjectIdentifier, number: &[u8]) -> Outcome<Self> {
        let key = EcPrivateKey {
            private_key: number,
            parameters: None,
            public_key: None,
        };
        let der = Zeroizing::new(key.to_der().map_err(|error| error.to_string())?);
        Self::on_curve(curve, &der)
    }

    /// An Ed25519 key from its 32 secret bytes.
    pub(super) fn from_seed(seed: &[u8]) -> Outcome<Self> {
        let seed = OctetStringRef::new(seed).and_then(|seed| seed.to_der());
        let seed = Zeroizing::new(seed.map_err(|error| error.to_string())?);
        Self::assembled(ED25519, None, &seed)
    }

    fn assembled(
        oid: ObjectIdentifier,
        parameters: Option<AnyRef<'_>>,
        inner: &[u8],
    ) -> Outcome<Self> {
        let algorithm = AlgorithmIdentifierRef { oid, parameters };
        let inner = OctetStringRef::new(inner).map_err(|error| error.to_string())?;
        let pkcs8 = PrivateKeyInfoRef::new(algorithm, inner).to_der();
        Ok(Self {
            algorithm: oid,
            curve: None,
            pkcs8: Zeroizing::new(pkcs8.map_err(|error| error.to_string())?),
        })
    }

    /// PKCS#8, DER.
    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The block that sprig prints: `RSA PRIVATE KEY`, `EC PRIVATE KEY` or, for others, `PRIVATE KEY`.
    pub(super) fn own_block(&self) -> Outcome<(&'static [u8], Zeroizing<Vec<u8>>)> {
        let info = PrivateKeyInfoRef::from_der(&self.pkcs8).map_err(|error| error.to_string())?;
        let inner = info.private_key.as_bytes();
        if self.algorithm == RSA {
            return Ok((b"RSA PRIVATE KEY", Zeroizing::new(inner.to_vec())));
        }
        let Some(curve) = self.curve else {
            return Ok((b"PRIVATE KEY", self.pkcs8.clone()));
        };
        let key = EcPrivateKey::from_der(inner).map_err(|error| error.to_string())?;
        let named = EcPrivateKey {
            private_key: key.private_key,
            parameters: Some(EcParameters::NamedCurve(curve)),
            public_key: key.public_key,
        };
        let der = named.to_der().map_err(|error| error.to_string())?;
        Ok((b"EC PRIVATE KEY", Zeroizing::new(der)))
    }

    /// Whether this is an RSA key.
    pub(super) fn is_rsa(&self) -> bool {
        self.algorithm == RSA
    }
}

/// Signing on a curve, which is what the library reads keys for.
pub(super) fn signing(curve: ObjectIdentifier) -> Outcome<&'static EcdsaSigningAlgorithm> {
    match curve {
        P256 => Ok(&ECDSA_P256_SHA256_ASN1_SIGNING),
        P384 => Ok(&ECDSA_P384_SHA384_ASN1_SIGNING),
        P521 => Ok(&ECDSA_P521_SHA512_ASN1_SIGNING),
        _ => Err(format!("x509: unknown elliptic curve {curve}")),
    }
}
