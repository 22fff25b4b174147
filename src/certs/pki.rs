//! Making certificates: ECDSA P-256, as the API server and rustls both like them.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::Error;
use super::plan::Life;
use crate::secret::SecretBytes;

/// Life of the CA.
const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 365);
/// Life of a leaf.
pub(super) const LEAF_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Certificates begin this long ago, for clients whose clock is late.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// A CA with its key.
#[derive(Debug)]
pub(super) struct Authority {
    /// Its certificate in PEM.
    pub pem: String,
    /// Its key in PEM.
    pub key: SecretBytes,
    /// Names the certificate: SHA-256 of its DER in hex.
    pub fingerprint: String,
    /// When it is valid.
    pub life: Life,
}

/// A leaf with its key.
#[derive(Debug)]
pub(super) struct Leaf {
    /// What a TLS server serves.
    pub key: Arc<CertifiedKey>,
    /// When it is valid.
    pub life: Life,
    /// Fingerprint of the CA that issued it.
    pub issuer: String,
}

fn failed(verb: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Error {
    move |reason| Error::Certificate {
        verb,
        reason: reason.to_string(),
    }
}

/// Reads a certificate with its key from the texts of two files.
pub(super) fn read_pair(chain: &[u8], key: &SecretBytes) -> Result<CertifiedKey, Error> {
    let failed = failed("read the certificate");
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|error| failed(&error))?;
    let signer = any_supported_type(&key).map_err(|error| failed(&error))?;
    let pair = CertifiedKey::new(chain, signer);
    pair.keys_match().map_err(|error| failed(&error))?;
    Ok(pair)
}

impl Authority {
    /// Makes a new CA.
    pub(super) fn new(now: Timestamp) -> Result<Self, Error> {
        let failed = failed("make a CA");
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let mut params = authority_params();
        limit(&mut params, now, AUTHORITY_LIFE);
        let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
        let key = Zeroizing::new(key.serialize_pem());
        Self::read(&certificate.pem(), &SecretBytes::new(key.as_bytes()))
    }

    /// Reads a CA from PEM.
    pub(super) fn read(pem: &str, key: &SecretBytes) -> Result<Self, Error> {
        let failed = failed("read the CA");
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| failed(&error))?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&der).map_err(|error| failed(&error))?;
        let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp());
        let validity = parsed.validity();
        let life = Life {
            begin: moment(validity.not_before).map_err(|error| failed(&error))?,
            end: moment(validity.not_after).map_err(|error| failed(&error))?,
        };
        if key
            .expose_str()
            .is_none_or(|pem| KeyPair::from_pem(pem).is_err())
        {
            return Err(failed(&"its key cannot be read"));
        }
        Ok(Self {
            pem: pem.to_owned(),
            key: key.duplicate(),
            fingerprint: HEXLOWER.encode(digest::digest(&digest::SHA256, &der).as_ref()),
            life,
        })
    }

    fn key_pair(&self) -> Result<KeyPair, rcgen::Error> {
        KeyPair::from_pem(self.key.expose_str().unwrap_or_default())
    }

    /// Certifies the CA `next`, in PEM: with that shown beside a leaf of `next`, who knows this CA alone
    /// trusts the leaf too.
    pub(super) fn certify(&self, next: &Self) -> Result<String, Error> {
        let failed = failed("certify the next CA");
        let issuer = self.key_pair();
        let issuer = issuer.and_then(|key| Issuer::from_ca_cert_pem(&self.pem, key));
        let issuer = issuer.map_err(|error| failed(&error))?;
        let key = next.key_pair().map_err(|error| failed(&error))?;
        let mut params = authority_params();
        params.use_authority_key_identifier_extension = true;
        let length = next.life.end.duration_since(next.life.begin) - BACKDATE;
        limit(&mut params, next.life.begin + BACKDATE, length);
        let certificate = params.signed_by(&key, &issuer);
        Ok(certificate.map_err(|error| failed(&error))?.pem())
    }

    /// Issues a leaf for `names`: DNS names or addresses. It is shown with `bridge`, if there is one: this
    /// CA as the one before has certified it.
    pub(super) fn issue(
        &self,
        names: &[String],
        bridge: Option<&str>,
        now: Timestamp,
    ) -> Result<Leaf, Error> {
        let failed = failed("issue a certificate");
        let authority_key = self.key_pair().map_err(|error| failed(&error))?;
        let issuer =
            Issuer::from_ca_cert_pem(&self.pem, authority_key).map_err(|error| failed(&error))?;
        let mut chain = Vec::new();
        if let Some(bridge) = bridge {
            let bridge = CertificateDer::from_pem_slice(bridge.as_bytes());
            chain.push(bridge.map_err(|error| failed(&error))?);
        }
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let mut params = CertificateParams::new(names).map_err(|error| failed(&error))?;
        params
            .distinguished_name
            .push(DnType::CommonName, "latchkey webhook");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let length = LEAF_LIFE.min(self.life.end.duration_since(now));
        let life = limit(&mut params, now, length);
        let certificate = params
            .signed_by(&key, &issuer)
            .map_err(|error| failed(&error))?;
        chain.insert(0, certificate.der().clone());
        let der = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| failed(&error))?;
        let signer = any_supported_type(&der).map_err(|error| failed(&error))?;
        Ok(Leaf {
            key: Arc::new(CertifiedKey::new(chain, signer)),
            life,
            issuer: self.fingerprint.clone(),
        })
    }
}

/// What is the same in every CA of ours.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "latchkey webhook CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Sets the time a certificate is valid, in whole seconds.
fn limit(params: &mut CertificateParams, now: Timestamp, length: SignedDuration) -> Life {
    let begin = now - BACKDATE;
    let end = now + length;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds =
        |moment: Timestamp| Duration::from_secs(u64::try_from(moment.as_second()).unwrap_or(0));
    params.not_before = epoch + seconds(begin);
    params.not_after = epoch + seconds(end);
    Life { begin, end }
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls_pki_types::{ServerName, UnixTime};

    use super::*;

    fn accepts(authority: &Authority, leaf: &Leaf, name: &'static str, at: Timestamp) -> bool {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let at =
            UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.as_second()).unwrap()));
        let name = ServerName::try_from(name).unwrap();
        verifier
            .verify_server_cert(&leaf.key.cert[0], &leaf.key.cert[1..], &name, &[], at)
            .is_ok()
    }

    #[test]
    fn a_leaf_is_good_for_its_names_and_its_time() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let authority = Authority::new(now).unwrap();
        let names = ["hook.system.svc".to_owned(), "127.0.0.1".to_owned()];
        let leaf = authority.issue(&names, None, now).unwrap();
        assert!(accepts(&authority, &leaf, "hook.system.svc", now));
        assert!(accepts(&authority, &leaf, "127.0.0.1", now));
        assert!(!accepts(&authority, &leaf, "other.system.svc", now));
        assert!(!accepts(
            &authority,
            &leaf,
            "hook.system.svc",
            now + SignedDuration::from_hours(25)
        ));
        let other = Authority::new(now).unwrap();
        assert!(!accepts(&other, &leaf, "hook.system.svc", now));
    }

    #[test]
    fn who_knows_the_ca_before_trusts_leaves_of_the_next_by_the_bridge() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let old = Authority::new(now).unwrap();
        let next = Authority::new(now + SignedDuration::from_hours(1)).unwrap();
        let names = ["hook.system.svc".to_owned()];
        let bridge = old.certify(&next).unwrap();
        let late = now + SignedDuration::from_hours(2);
        let bare = next.issue(&names, None, late).unwrap();
        assert!(!accepts(&old, &bare, "hook.system.svc", late));
        let leaf = next.issue(&names, Some(&bridge), late).unwrap();
        assert!(accepts(&old, &leaf, "hook.system.svc", late));
        assert!(accepts(&next, &leaf, "hook.system.svc", late));
        let other = Authority::new(now).unwrap();
        assert!(!accepts(&other, &leaf, "hook.system.svc", late));
    }

    #[test]
    fn a_ca_is_read_as_it_was_made() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let made = Authority::new(now).unwrap();
        let read = Authority::read(&made.pem, &made.key).unwrap();
        assert_eq!((read.fingerprint, read.life), (made.fingerprint, made.life));
        assert!(Authority::read(&made.pem, &SecretBytes::from("broken")).is_err());
    }
}
