//! PKCS#12 (RFC 7292) in and out, and RSA decryption: the operator's functions on keys and certificates.

use aws_lc_rs::digest;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKeyChain};

use super::Function;
use super::chain::{self, Certificate};
use super::keys::PrivateKey;
use super::pem;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{Type, Value};

const ONE: &[Type] = &[Type::String];
const TWO: &[Type] = &[Type::String, Type::String];
const THREE: &[Type] = &[Type::String, Type::String, Type::String];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("pkcs12key", ONE, |args| key_of(b"", args[0].bytes())),
    Function::new("pkcs12keyPass", TWO, |args| {
        key_of(args[0].bytes(), args[1].bytes())
    }),
    Function::new("pkcs12cert", ONE, |args| {
        certificates_of(b"", args[0].bytes())
    }),
    Function::new("pkcs12certPass", TWO, |args| {
        certificates_of(args[0].bytes(), args[1].bytes())
    }),
    Function::new("pemToPkcs12", TWO, |args| key_store(args, b"", false)),
    Function::new("pemToPkcs12Pass", THREE, |args| {
        key_store(args, args[2].bytes(), false)
    }),
    Function::new("fullPemToPkcs12", TWO, |args| key_store(args, b"", true)),
    Function::new("fullPemToPkcs12Pass", THREE, |args| {
        key_store(args, args[2].bytes(), true)
    }),
    Function::new("pemTruststoreToPKCS12", ONE, |args| trust_store(args, b"")),
    Function::new("pemTruststoreToPKCS12Pass", TWO, |args| {
        trust_store(args, args[1].bytes())
    }),
    Function::new(
        "rsaDecrypt",
        &[Type::String, Type::String, Type::String, Type::String],
        rsa_decrypt,
    ),
];

/// Work of opening or sealing an archive, in the account's units.
const SLOW: usize = 200_000;
/// Rounds of the key derivation, as in Go's `Modern2023` profile.
const ROUNDS: u32 = 2048;

/// The only key of an archive, and its certificates in the archive's order.
fn open(password: &[u8], archive: &[u8]) -> Outcome<(PrivateKey, Vec<Vec<u8>>)> {
    budget::spend(SLOW + archive.len())?;
    let opened = Pkcs12Archive::from_pkcs12(archive, text(password)?).map_err(|error| {
        use p12_keystore::error::Error;
        match error {
            Error::MacError(_) => "pkcs12: decryption password incorrect".to_owned(),
            error => format!("pkcs12: error reading P12 data: {error}"),
        }
    })?;
    let certificates: Vec<_> = opened
        .certs
        .iter()
        .map(|bag| bag.cert.as_der().to_vec())
        .collect();
    if opened.keys.len() > 1 {
        return Err("pkcs12: expected exactly one key bag".to_owned());
    }
    if certificates.is_empty() {
        return Err("pkcs12: certificate missing".to_owned());
    }
    let key = opened
        .keys
        .first()
        .ok_or_else(|| "pkcs12: private key missing".to_owned())?;
    let key = PrivateKey::from_pkcs8(key.key.as_der())
        .map_err(|error| format!("pkcs12: error parsing PKCS#8 private key: {error}"))?;
    Ok((key, certificates))
}

fn text(password: &[u8]) -> Outcome<&str> {
    std::str::from_utf8(password).map_err(|_| "pkcs12: the password is not UTF-8".to_owned())
}

fn key_of(password: &[u8], archive: &[u8]) -> Outcome {
    let (key, _) = open(password, archive)
        .map_err(|error| format!("unable to decode pkcs12 with password: {error}"))?;
    Ok(pem::encode(b"PRIVATE KEY", key.pkcs8()).into())
}

/// The certificates from the leaf to the root or, where they are no chain, as they stand.
fn certificates_of(password: &[u8], archive: &[u8]) -> Outcome {
    let (_, certificates) = open(password, archive)
        .map_err(|error| format!("unable to decode pkcs12 certificate with password: {error}"))?;
    let encoded = certificates
        .iter()
        .flat_map(|der| pem::encode(pem::CERTIFICATE, der));
    let encoded: Vec<u8> = encoded.collect();
    let Ok(ordered) = chain::ordered(&encoded) else {
        return Ok(encoded.into());
    };
    let ordered = ordered
        .iter()
        .flat_map(|one| pem::encode(pem::CERTIFICATE, &one.der));
    Ok(ordered.collect::<Vec<u8>>().into())
}

/// The first certificate of the first argument, with those that follow if `full`, and the key of the
/// second.
fn key_store(args: &[Value], password: &[u8], full: bool) -> Outcome {
    budget::spend(SLOW + args[0].bytes().len().saturating_mul(4))?;
    let (first, rest) = pem::decode(args[0].bytes());
    let first = first.ok_or_else(|| "the certificate is not PEM".to_owned())?;
    let mut certificates = vec![Certificate::parse(&first.bytes)?];
    if full {
        certificates.extend(all_certificates(rest)?);
    }
    let (key, _) = pem::decode(args[1].bytes());
    let key = PrivateKey::from_der(
        &key.ok_or_else(|| "the private key is not PEM".to_owned())?
            .bytes,
    )?;
    let id = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &first.bytes);
    let key = p12_keystore::PrivateKey::from_der(key.pkcs8()).map_err(|error| error.to_string())?;
    let chain = certificates
        .iter()
        .map(stored)
        .collect::<Outcome<Vec<_>>>()?;
    let alias = chain[0].subject().to_owned();
    let mut store = KeyStore::new();
    let chain = PrivateKeyChain::new(id.as_ref(), key, chain);
    store.add_entry(&alias, KeyStoreEntry::PrivateKeyChain(chain));
    sealed(&store, password)
}

/// The certificates as trust anchors, in the way Java marks them.
fn trust_store(args: &[Value], password: &[u8]) -> Outcome {
    budget::spend(SLOW + args[0].bytes().len().saturating_mul(4))?;
    let mut store = KeyStore::new();
    for certificate in all_certificates(args[0].bytes())? {
        let stored = stored(&certificate)?;
        let mut alias = stored.subject().to_owned();
        let mut count = 1;
        while store.entry(&alias).is_some() {
            count += 1;
            alias = format!("{}#{count}", stored.subject());
        }
        store.add_entry(&alias, KeyStoreEntry::Certificate(stored));
    }
    sealed(&store, password)
}

/// Every block of `text`, to its end.
fn all_certificates(text: &[u8]) -> Outcome<Vec<Certificate>> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (block, after) = pem::decode(rest);
        let Some(block) = block else {
            if rest.trim_ascii().is_empty() {
                break;
            }
            return Err("what follows the certificates is not PEM".to_owned());
        };
        found.push(Certificate::parse(&block.bytes)?);
        rest = after;
    }
    Ok(found)
}

fn stored(certificate: &Certificate) -> Outcome<p12_keystore::Certificate> {
    p12_keystore::Certificate::from_der(&certificate.der).map_err(|error| error.to_string())
}

/// Base64 of the archive: AES-256 under PBKDF2 with SHA-256.
fn sealed(store: &KeyStore, password: &[u8]) -> Outcome {
    let writer = store.writer(text(password)?);
    let archive = writer
        .encryption_iterations(ROUNDS)
        .mac_iterations(ROUNDS)
        .write();
    Ok(STANDARD
        .encode(archive.map_err(|error| format!("pkcs12: {error}"))?)
        .into())
}

/// Scheme, hash, ciphertext, PEM key.
fn rsa_decrypt(args: &[Value]) -> Outcome {
    match args[0].bytes() {
        b"None" => return Ok(args[2].clone()),
        b"RSA-OAEP" => {}
        other => {
            let scheme = String::from_utf8_lossy(other);
            return Err(format!("decryption scheme {scheme} is not supported"));
        }
    }
    budget::spend(SLOW)?;
    let (block, _) = pem::decode(args[3].bytes());
    let block = block.ok_or_else(|| "failed to decode PEM block".to_owned())?;
    let key = PrivateKey::from_der(&block.bytes)
        .map_err(|error| format!("could not parse private key: {error}"))?;
    if !key.is_rsa() {
        return Err("could not parse RSA private key".to_owned());
    }
    let algorithm = match args[1].bytes() {
        b"SHA1" => &OAEP_SHA1_MGF1SHA1,
        b"SHA384" => &OAEP_SHA384_MGF1SHA384,
        b"SHA512" => &OAEP_SHA512_MGF1SHA512,
        b"SHA224" => return Err("decryption with the hash SHA224 is not supported".to_owned()),
        _ => &OAEP_SHA256_MGF1SHA256,
    };
    let key = PrivateDecryptingKey::from_pkcs8(key.pkcs8())
        .map_err(|error| format!("could not parse private key: {error}"))?;
    let wrong = |_| "error decrypting data with RSA: crypto/rsa: decryption error".to_owned();
    let key = OaepPrivateDecryptingKey::new(key).map_err(wrong)?;
    let mut plain = zeroize::Zeroizing::new(vec![0; key.min_output_size()]);
    let plain = key
        .decrypt(algorithm, args[2].bytes(), &mut plain, None)
        .map_err(wrong)?;
    Ok((&*plain).into())
}
