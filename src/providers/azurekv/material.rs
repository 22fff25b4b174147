//! Certificates and private keys in the forms that a vault imports. Pure.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p12_keystore::Pkcs12Archive;
use pkcs8::der::Decode as _;
use pkcs8::der::asn1::UintRef;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::secret::SecretBytes;
use crate::secret::json::Json;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// A certificate to import.
pub(super) struct Import {
    /// PEM, or base64 of PKCS#12.
    pub(super) value: SecretBytes,
    pub(super) content_type: &'static str,
    /// The certificate itself, in DER.
    pub(super) leaf: Vec<u8>,
}

/// Reads PEM with certificate and key, or PKCS#12 without password (also as base64).
pub(super) fn certificate(content: &SecretBytes) -> Result<Import, String> {
    let bytes = content.expose();
    if let Ok(leaf) = CertificateDer::from_pem_slice(bytes) {
        let key = PrivateKeyDer::from_pem_slice(bytes)
            .map_err(|_| "the certificate comes without its private key in PEM".to_owned())?;
        if matches!(key, PrivateKeyDer::Pkcs8(_)) {
            return Ok(Import {
                value: content.duplicate(),
                content_type: "application/x-pem-file",
                leaf: leaf.to_vec(),
            });
        }
        return Err(
            "the private key must be PKCS#8 (BEGIN PRIVATE KEY) for a vault to import it"
                .to_owned(),
        );
    }
    let decoded = content
        .expose_str()
        .and_then(|text| STANDARD.decode(text.trim()).ok())
        .map(SecretBytes::new);
    let archive = decoded.as_ref().unwrap_or(content);
    let opened = Pkcs12Archive::from_pkcs12(archive.expose(), "").map_err(|_| {
        "a certificate must be PEM with its key, or PKCS#12 without password".to_owned()
    })?;
    let leaf = opened.certs.first();
    let leaf = leaf.ok_or_else(|| "the PKCS#12 archive holds no certificate".to_owned())?;
    Ok(Import {
        value: STANDARD.encode(archive.expose()).into(),
        content_type: "application/x-pkcs12",
        leaf: leaf.cert.as_der().to_vec(),
    })
}

/// The JSON web key (RFC 7518) of a private RSA or EC key in PEM, with the operations that such keys
/// are for.
pub(super) fn key(content: &SecretBytes) -> Result<Json, String> {
    let key = PrivateKeyDer::from_pem_slice(content.expose())
        .map_err(|_| "a key must be a private RSA or EC key in PEM".to_owned())?;
    let unusable =
        || "the private key is damaged or of a kind that vaults do not import".to_owned();
    match &key {
        PrivateKeyDer::Pkcs1(key) => rsa(key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => ec(key.secret_sec1_der(), None, key.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(key) => {
            let der = key.secret_pkcs8_der();
            let info = PrivateKeyInfoRef::from_der(der).ok().ok_or_else(unusable)?;
            let inner = info.private_key.as_bytes();
            match info.algorithm.oid {
                RSA => rsa(inner),
                EC => ec(inner, info.algorithm.parameters_oid().ok(), der),
                _ => None,
            }
        }
        _ => None,
    }
    .ok_or_else(unusable)
}

fn rsa(der: &[u8]) -> Option<Json> {
    let key = pkcs1::RsaPrivateKey::<UintRef<'_>>::from_der(der).ok()?;
    let numbers = [
        ("n", key.modulus),
        ("e", key.public_exponent),
        ("d", key.private_exponent),
        ("p", key.prime1),
        ("q", key.prime2),
        ("dp", key.exponent1),
        ("dq", key.exponent2),
        ("qi", key.coefficient),
    ];
    let numbers = numbers.map(|(name, number)| (name, number.as_bytes()));
    let operations = [
        "encrypt",
        "decrypt",
        "sign",
        "verify",
        "wrapKey",
        "unwrapKey",
    ];
    Some(web_key("RSA", &operations, &numbers))
}

fn ec(inner: &[u8], curve: Option<ObjectIdentifier>, whole: &[u8]) -> Option<Json> {
    let key = sec1::EcPrivateKey::from_der(inner).ok()?;
    let named = key.parameters.and_then(sec1::EcParameters::named_curve);
    let (curve, algorithm) = match curve.or(named)? {
        P256 => ("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
        P384 => ("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
        P521 => ("P-521", &ECDSA_P521_SHA512_FIXED_SIGNING),
        _ => return None,
    };
    let pair = EcdsaKeyPair::from_private_key_der(algorithm, whole).ok()?;
    let point = pair.public_key().as_ref().strip_prefix(&[4])?;
    let (x, y) = point.split_at(point.len() / 2);
    let numbers = [("x", x), ("y", y), ("d", key.private_key)];
    let mut json = web_key("EC", &["sign", "verify"], &numbers);
    if let Json::Object(members) = &mut json {
        members.insert("crv".to_owned(), Json::Text(curve.into()));
    }
    Some(json)
}

fn web_key(kind: &str, operations: &[&str], numbers: &[(&str, &[u8])]) -> Json {
    let text = |bytes: &[u8]| Json::Text(URL_SAFE_NO_PAD.encode(bytes).into());
    let mut members: BTreeMap<String, Json> = numbers
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), text(bytes)))
        .collect();
    members.insert("kty".to_owned(), Json::Text(kind.into()));
    let operations = operations.iter().map(|one| Json::Text((*one).into()));
    members.insert("key_ops".to_owned(), Json::List(operations.collect()));
    Json::Object(members)
}
