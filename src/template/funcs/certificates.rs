//! sprig's keys and certificates. Keys come from the cryptographic library's own source of randomness;
//! serial numbers and times from the engine's environment.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256,
    RsaKeySize, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::Function;
use super::chain;
use super::keys::PrivateKey;
use super::pem;
use crate::template::error::Outcome;
use crate::template::value::{Map, Object, Text, Type, Value};
use crate::template::{Environment, budget};

const NAME: &str = "sprig.certificate";
const PAIR: Type = Type::Named(NAME);
const LIST: Type = crate::template::value::LIST;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("genPrivateKey", &[Type::String], gen_private_key),
    Function::new(
        "buildCustomCert",
        &[Type::String, Type::String],
        build_custom_cert,
    ),
    Function::with_environment("genCA", &[Type::String, Type::Int], |environment, args| {
        let subject = Subject::authority(args)?;
        subject.issued(environment, &generated(RsaKeySize::_2048)?, None)
    }),
    Function::with_environment(
        "genCAWithKey",
        &[Type::String, Type::Int, Type::String],
        |environment, args| {
            Subject::authority(args)?.issued(environment, &given(args[2].bytes())?, None)
        },
    ),
    Function::with_environment(
        "genSelfSignedCert",
        &[Type::String, LIST, LIST, Type::Int],
        |environment, args| {
            let subject = Subject::leaf(args)?;
            subject.issued(environment, &generated(RsaKeySize::_2048)?, None)
        },
    ),
    Function::with_environment(
        "genSelfSignedCertWithKey",
        &[Type::String, LIST, LIST, Type::Int, Type::String],
        |environment, args| {
            Subject::leaf(args)?.issued(environment, &given(args[4].bytes())?, None)
        },
    ),
    Function::with_environment(
        "genSignedCert",
        &[Type::String, LIST, LIST, Type::Int, PAIR],
        |environment, args| {
            let subject = Subject::leaf(args)?;
            subject.issued(environment, &generated(RsaKeySize::_2048)?, Some(&args[4]))
        },
    ),
    Function::with_environment(
        "genSignedCertWithKey",
        &[Type::String, LIST, LIST, Type::Int, PAIR, Type::String],
        |environment, args| {
            let key = given(args[5].bytes())?;
            Subject::leaf(args)?.issued(environment, &key, Some(&args[4]))
        },
    ),
];

/// Work of making a key, in the account's units.
const SLOW: usize = 2_000_000;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// sprig's pair of a certificate and its key, both PEM.
struct Pair {
    cert: Text,
    key: Text,
}

impl Object for Pair {
    fn type_name(&self) -> &'static str {
        NAME
    }

    fn display(&self) -> Vec<u8> {
        [b"{", self.cert.as_bytes(), b" ", self.key.as_bytes(), b"}"].concat()
    }

    fn is_stringer(&self) -> bool {
        false
    }

    fn encoded(&self) -> Value {
        let fields = ["Cert", "Key"].map(|name| (name, self.field(name).unwrap_or(Value::Nil)));
        Map::from_fresh(fields).into()
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(self.cert.clone().into()),
            "Key" => Some(self.key.clone().into()),
            _ => None,
        }
    }
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("error creating certificate: {error}")
}

/// A new RSA key.
fn generated(size: RsaKeySize) -> Outcome<PrivateKey> {
    budget::spend(SLOW)?;
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size)
        .map_err(|error| format!("error generating rsa key: {error}"))?;
    PrivateKey::from_pkcs8(key.serialized_der())
}

/// A key in PEM, as an argument.
fn given(text: &[u8]) -> Outcome<PrivateKey> {
    read_key(text).map_err(|error| format!("parsing private key: {error}"))
}

fn read_key(text: &[u8]) -> Outcome<PrivateKey> {
    budget::spend(text.len())?;
    let (block, _) = pem::decode(text);
    let block = block.ok_or_else(|| "no PEM data in input".to_owned())?;
    match block.kind {
        b"PRIVATE KEY" => PrivateKey::from_pkcs8(&block.bytes)
            .map_err(|error| format!("decoding PEM as PKCS#8: {error}")),
        b"RSA PRIVATE KEY" => PrivateKey::from_pkcs1(&block.bytes)
            .map_err(|error| format!("parsing RSA private key from PEM: {error}")),
        b"EC PRIVATE KEY" => PrivateKey::from_sec1(&block.bytes)
            .map_err(|error| format!("parsing EC private key from PEM: {error}")),
        other => {
            let kind = String::from_utf8_lossy(other);
            Err(if other.ends_with(b" PRIVATE KEY") {
                format!("invalid private key type {kind}")
            } else {
                format!("no private key data in PEM block of type {kind}")
            })
        }
    }
}

fn own_pem(key: &PrivateKey) -> Outcome<Vec<u8>> {
    let (kind, der) = key.own_block()?;
    Ok(pem::encode(kind, &der))
}

/// A new key in sprig's encoding for its kind.
fn gen_private_key(args: &[Value]) -> Outcome {
    let pair = match args[0].bytes() {
        b"" | b"rsa" => return Ok(own_pem(&generated(RsaKeySize::_4096)?)?.into()),
        b"ecdsa" => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        b"ed25519" => KeyPair::generate_for(&PKCS_ED25519),
        b"dsa" => {
            return Err(
                "DSA keys are obsolete (FIPS 186-5) and not generated; take ecdsa".to_owned(),
            );
        }
        other => return Ok([b"Unknown type ".as_slice(), other].concat().into()),
    };
    budget::spend(SLOW / 10)?;
    let pair = pair.map_err(|error| format!("failed to generate private key: {error}"))?;
    Ok(own_pem(&PrivateKey::from_pkcs8(pair.serialized_der())?)?.into())
}

/// A pair of what base64 holds, both parts checked.
fn build_custom_cert(args: &[Value]) -> Outcome {
    let decoded = |at: usize, what: &str| {
        let bytes = STANDARD.decode(args[at].bytes());
        bytes.map_err(|_| format!("unable to decode base64 {what}"))
    };
    let (cert, key) = (decoded(0, "certificate")?, decoded(1, "private key")?);
    budget::spend(cert.len())?;
    let (block, _) = pem::decode(&cert);
    let block = block.ok_or_else(|| "unable to decode certificate".to_owned())?;
    chain::parsed(&block.bytes)
        .map_err(|error| format!("error parsing certificate: decodedCert.Bytes: {error}"))?;
    read_key(&key).map_err(|error| format!("error parsing private key: {error}"))?;
    Ok(Value::object(Pair {
        cert: cert.into(),
        key: key.into(),
    }))
}

/// What a certificate says of its holder.
struct Subject {
    params: CertificateParams,
    days: i64,
}

impl Subject {
    /// A CA of the name and the days in `args`.
    fn authority(args: &[Value]) -> Outcome<Self> {
        let mut subject = Self::named(args[0].bytes(), args[1].int())?;
        subject.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        subject.params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        Ok(subject)
    }

    /// A server and client of the name, addresses, DNS names and days in `args`.
    fn leaf(args: &[Value]) -> Outcome<Self> {
        let mut subject = Self::named(args[0].bytes(), args[3].int())?;
        for ip in args[1].as_list().iter().flat_map(|list| list.items()) {
            let Value::String(text) = ip else {
                return Err("error parsing ip: an address is not a string".to_owned());
            };
            let ip: IpAddr = text
                .to_str()
                .parse()
                .map_err(|_| format!("error parsing ip: {}", text.to_str()))?;
            subject
                .params
                .subject_alt_names
                .push(SanType::IpAddress(ip));
        }
        for name in args[2].as_list().iter().flat_map(|list| list.items()) {
            let Value::String(text) = name else {
                return Err(
                    "error processing alternate dns name: a name is not a string".to_owned(),
                );
            };
            let name = text.to_str().into_owned().try_into().map_err(failed)?;
            subject
                .params
                .subject_alt_names
                .push(SanType::DnsName(name));
        }
        Ok(subject)
    }

    fn named(name: &[u8], days: i64) -> Outcome<Self> {
        let name = std::str::from_utf8(name).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::DigitalSignature,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        Ok(Self { params, days })
    }

    /// The certificate for `key`, signed by `issuer` or by itself.
    fn issued(
        mut self,
        environment: &Environment<'_>,
        key: &PrivateKey,
        issuer: Option<&Value>,
    ) -> Outcome {
        budget::spend(SLOW / 10)?;
        let now = environment.now.timestamp().as_second();
        let end = self
            .days
            .checked_mul(DAY)
            .and_then(|span| now.checked_add(span));
        self.params.not_before = moment(now)?.into();
        self.params.not_after = moment(end.ok_or_else(|| failed("too many days"))?)?.into();
        let mut serial = [0; 16];
        (environment.random)(&mut serial);
        serial[0] = serial[0] & 0x7f | 0x40;
        self.params.serial_number = Some(SerialNumber::from_slice(&serial));
        let pair = signer(key)?;
        let certificate = match issuer {
            None => self.params.self_signed(&pair),
            Some(issuer) => {
                self.params.use_authority_key_identifier_extension = true;
                let issuer = authority(issuer)?;
                self.params.signed_by(&pair, &issuer)
            }
        };
        let certificate = certificate.map_err(failed)?;
        Ok(Value::object(Pair {
            cert: pem::encode(pem::CERTIFICATE, certificate.der()).into(),
            key: own_pem(key)?.into(),
        }))
    }
}

fn moment(second: i64) -> Outcome<SystemTime> {
    let since = u64::try_from(second).map_err(|_| failed("the time is before 1970"))?;
    // 9999-12-31T23:59:59Z, the last moment a certificate can name (RFC 5280 §4.1.2.5).
    if since > 253_402_300_799 {
        return Err(failed("the time is after the year 9999"));
    }
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(since))
}

fn signer(key: &PrivateKey) -> Outcome<KeyPair> {
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.pkcs8())).map_err(failed)
}

fn authority(pair: &Value) -> Outcome<Issuer<'static, KeyPair>> {
    let pair: &Pair = pair
        .as_object()
        .ok_or_else(|| failed("the issuer is no certificate"))?;
    let (block, _) = pem::decode(pair.cert.as_bytes());
    let block = block.ok_or_else(|| "unable to decode certificate".to_owned())?;
    chain::parsed(&block.bytes)
        .map_err(|error| format!("error parsing certificate: decodedSignerCert.Bytes: {error}"))?;
    let key = read_key(pair.key.as_bytes())
        .map_err(|error| format!("error parsing private key: {error}"))?;
    let certificate = CertificateDer::from(block.bytes);
    Issuer::from_ca_cert_der(&certificate, signer(&key)?).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{call, text};
    use super::chain;
    use crate::template::value::{List, Value};

    fn part(pair: &Value, name: &str) -> Vec<u8> {
        let Value::Object(pair) = pair else {
            panic!("must be a pair");
        };
        pair.field(name).unwrap().bytes().to_vec()
    }

    fn leaf(key: &Value, ca: &Value) -> Value {
        let ips = List::new(vec!["10.0.0.1".into()]);
        let names = List::new(vec!["a.example".into()]);
        let args = [
            "leaf".into(),
            ips.into(),
            names.into(),
            Value::Int(10),
            ca.clone(),
            key.clone(),
        ];
        call("genSignedCertWithKey", &args).unwrap()
    }

    #[test]
    fn a_certificate_verifies_against_its_authority() {
        for kind in ["ecdsa", "ed25519"] {
            let key = call("genPrivateKey", &[kind.into()]).unwrap();
            let ca = call("genCAWithKey", &["ca".into(), Value::Int(365), key.clone()]).unwrap();
            let own = call("genPrivateKey", &[kind.into()]).unwrap();
            let leaf = leaf(&own, &ca);
            let [ca, signed] = [&ca, &leaf].map(|pair| part(pair, "Cert"));
            let (issuer, _) = super::pem::decode(&ca);
            let issuer = issuer.unwrap().bytes;
            let (block, _) = super::pem::decode(&signed);
            let block = block.unwrap().bytes;
            let (issuer, signed_cert) = (
                chain::parsed(&issuer).unwrap(),
                chain::parsed(&block).unwrap(),
            );
            assert_eq!(signed_cert.issuer(), issuer.subject());
            assert!(issuer.is_ca() && !signed_cert.is_ca());
            let both = String::from_utf8([signed.clone(), ca].concat()).unwrap();
            let root = text("filterCertChain", &["root", &both]).unwrap();
            let first = text("filterCertChain", &["leaf", &both]).unwrap();
            assert_eq!(first.into_bytes(), signed);
            assert!(!root.is_empty());
            let roots = rustls_roots(&issuer_der(&root));
            let name = rustls_pki_types::ServerName::try_from("a.example").unwrap();
            let moment = rustls_pki_types::UnixTime::since_unix_epoch(
                std::time::Duration::from_secs(1_772_600_800),
            );
            let leaf_der = rustls_pki_types::CertificateDer::from(block.clone());
            roots
                .verify_server_cert(&leaf_der, &[], &name, &[], moment)
                .unwrap();
        }
    }

    fn issuer_der(pem: &str) -> Vec<u8> {
        super::pem::decode(pem.as_bytes()).0.unwrap().bytes
    }

    fn rustls_roots(der: &[u8]) -> std::sync::Arc<dyn rustls::client::danger::ServerCertVerifier> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(der.to_vec().into()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .unwrap()
    }

    #[test]
    fn a_pkcs12_archive_gives_back_key_and_certificate() {
        let key = call("genPrivateKey", &["ecdsa".into()]).unwrap();
        let ca = call("genCAWithKey", &["ca".into(), Value::Int(365), key.clone()]).unwrap();
        let key = call("genPrivateKey", &["ecdsa".into()]).unwrap();
        let leaf = leaf(&key, &ca);
        let chain = [part(&leaf, "Cert"), part(&ca, "Cert")].concat();
        let args = [
            chain.clone().into(),
            part(&leaf, "Key").into(),
            "pass".into(),
        ];
        let archive = call("fullPemToPkcs12Pass", &args).unwrap();
        let archive: Value = data_encoding::BASE64
            .decode(archive.bytes())
            .unwrap()
            .into();
        let certificates = call("pkcs12certPass", &["pass".into(), archive.clone()]).unwrap();
        assert_eq!(certificates.bytes(), chain);
        let opened = call("pkcs12keyPass", &["pass".into(), archive.clone()]).unwrap();
        let again = call("genCAWithKey", &["x".into(), Value::Int(1), opened]).unwrap();
        assert_eq!(part(&again, "Key"), key.bytes());
        let wrong = call("pkcs12keyPass", &["Pass".into(), archive]);
        assert_eq!(
            wrong.unwrap_err(),
            "unable to decode pkcs12 with password: pkcs12: decryption password incorrect"
        );
    }

    #[test]
    fn an_rsa_key_of_the_authority_signs() {
        let ca = call("genCA", &["ca".into(), Value::Int(1)]).unwrap();
        assert!(part(&ca, "Key").starts_with(b"-----BEGIN RSA PRIVATE KEY-----\n"));
        let key = call("genPrivateKey", &["ecdsa".into()]).unwrap();
        let names = text(
            "certSANs",
            &[&String::from_utf8(part(&leaf(&key, &ca), "Cert")).unwrap()],
        );
        assert!(names.is_ok());
    }
}
