//! JSON Web Keys (RFC 7517, 7518, 8037) into PEM.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pkcs8::ObjectIdentifier;
use pkcs8::der::Encode as _;
use pkcs8::der::asn1::{AnyRef, BitStringRef, UintRef};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::Function;
use super::keys::{EC, ED25519, P256, P384, P521, PrivateKey, RSA};
use super::pem;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{Type, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("jwkPublicKeyPem", &[Type::String], public_key_pem),
    Function::new("jwkPrivateKeyPem", &[Type::String], private_key_pem),
];

/// A key's members.
struct Jwk(serde_json::Map<String, serde_json::Value>);

impl Jwk {
    fn parse(args: &[Value]) -> Outcome<Self> {
        budget::spend(args[0].bytes().len())?;
        serde_json::from_slice(args[0].bytes())
            .map(Self)
            .map_err(|_| "failed to unmarshal JSON into key hint: not a JSON object".to_owned())
    }

    fn text(&self, member: &str) -> Outcome<&str> {
        let value = self.0.get(member).and_then(serde_json::Value::as_str);
        value.ok_or_else(|| format!("the key has no {member:?}"))
    }

    fn bytes(&self, member: &str) -> Outcome<Zeroizing<Vec<u8>>> {
        let text = self.text(member)?.trim_end_matches('=');
        let bytes = URL_SAFE_NO_PAD.decode(text);
        bytes
            .map(Zeroizing::new)
            .map_err(|_| format!("the key's {member:?} is not base64url"))
    }

    fn is_private(&self) -> bool {
        self.0.contains_key("d")
    }

    fn curve(&self) -> Outcome<(ObjectIdentifier, usize)> {
        match self.text("crv")? {
            "P-256" => Ok((P256, 32)),
            "P-384" => Ok((P384, 48)),
            "P-521" => Ok((P521, 66)),
            other => Err(format!("unsupported curve {other:?}")),
        }
    }

    /// A coordinate or secret number, in `length` bytes.
    fn number(&self, member: &str, length: usize) -> Outcome<Zeroizing<Vec<u8>>> {
        let bytes = self.bytes(member)?;
        let missing = length.checked_sub(bytes.len());
        let missing = missing.ok_or_else(|| format!("the key's {member:?} is too long"))?;
        Ok(Zeroizing::new([vec![0; missing], bytes.to_vec()].concat()))
    }
}

fn public_key_pem(args: &[Value]) -> Outcome {
    let key = Jwk::parse(args)?;
    let kind = key.text("kty")?;
    if key.is_private() {
        let kind = match kind {
            "RSA" => "*rsa.PrivateKey",
            "EC" => "*ecdsa.PrivateKey",
            _ => "ed25519.PrivateKey",
        };
        return Err(format!("x509: unsupported public key type: {kind}"));
    }
    let der = match kind {
        "RSA" => {
            let (modulus, exponent) = (key.bytes("n")?, key.bytes("e")?);
            let inner = pkcs1::RsaPublicKey {
                modulus: uint(&modulus)?,
                public_exponent: uint(&exponent)?,
            };
            let inner = inner.to_der().map_err(|error| error.to_string())?;
            public(RSA, Some(AnyRef::NULL), &inner)?
        }
        "EC" => {
            let (curve, length) = key.curve()?;
            let (x, y) = (key.number("x", length)?, key.number("y", length)?);
            let point = [&[4], x.as_slice(), &y].concat();
            public(EC, Some(AnyRef::from(&curve)), &point)?
        }
        "OKP" => public(ED25519, None, &ed25519(&key, "x")?)?,
        other => return Err(format!("unsupported key type {other:?}")),
    };
    Ok(pem::encode(b"PUBLIC KEY", &der).into())
}

fn private_key_pem(args: &[Value]) -> Outcome {
    let key = Jwk::parse(args)?;
    let kind = key.text("kty")?;
    if !key.is_private() {
        let kind = match kind {
            "RSA" => "*rsa.PublicKey",
            "EC" => "*ecdsa.PublicKey",
            "OKP" => "ed25519.PublicKey",
            _ => return Err(format!("unsupported key type {kind:?}")),
        };
        return Err(format!(
            "x509: unknown key type while marshaling PKCS#8: {kind}"
        ));
    }
    let private = match kind {
        "RSA" => rsa(&key)?,
        "EC" => {
            let (curve, length) = key.curve()?;
            PrivateKey::from_number(curve, &key.number("d", length)?)?
        }
        "OKP" => PrivateKey::from_seed(&ed25519(&key, "d")?)?,
        other => return Err(format!("unsupported key type {other:?}")),
    };
    Ok(pem::encode(b"PRIVATE KEY", private.pkcs8()).into())
}

fn rsa(key: &Jwk) -> Outcome<PrivateKey> {
    let (modulus, public) = (key.bytes("n")?, key.bytes("e")?);
    let (private, prime1, prime2) = (key.bytes("d")?, key.bytes("p")?, key.bytes("q")?);
    let (exponent1, exponent2) = (key.bytes("dp")?, key.bytes("dq")?);
    let coefficient = key.bytes("qi")?;
    let inner = pkcs1::RsaPrivateKey {
        modulus: uint(&modulus)?,
        public_exponent: uint(&public)?,
        private_exponent: uint(&private)?,
        prime1: uint(&prime1)?,
        prime2: uint(&prime2)?,
        exponent1: uint(&exponent1)?,
        exponent2: uint(&exponent2)?,
        coefficient: uint(&coefficient)?,
        other_prime_infos: None,
    };
    let der = Zeroizing::new(inner.to_der().map_err(|error| error.to_string())?);
    PrivateKey::from_pkcs1(&der)
}

fn ed25519(key: &Jwk, member: &str) -> Outcome<Zeroizing<Vec<u8>>> {
    if key.text("crv")? != "Ed25519" {
        return Err(format!("unsupported curve {:?}", key.text("crv")?));
    }
    let bytes = key.bytes(member)?;
    if bytes.len() != 32 {
        return Err(format!("the key's {member:?} must have 32 bytes"));
    }
    Ok(bytes)
}

fn uint(bytes: &[u8]) -> Outcome<UintRef<'_>> {
    UintRef::new(bytes).map_err(|error| error.to_string())
}

/// PKIX, DER.
fn public(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Outcome<Vec<u8>> {
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid, parameters },
        subject_public_key: BitStringRef::from_bytes(key).map_err(|error| error.to_string())?,
    };
    info.to_der().map_err(|error| error.to_string())
}
