//! The certificates in a caBundle.

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// What is wrong with the bundle that clients of the webhook trust, if anything: `ca` is the CA that
/// signs now, where it is known.
pub(super) fn trouble(bundle: &[u8], ca: Option<&[u8]>, now: Timestamp) -> Option<String> {
    if bundle.is_empty() {
        return Some("has no caBundle".to_owned());
    }
    let Ok(trusted) = certificates(bundle) else {
        return Some("has a caBundle that is not PEM".to_owned());
    };
    let valid = |certificate: &CertificateDer<'_>| {
        let parsed = x509_parser::parse_x509_certificate(certificate);
        parsed.is_ok_and(|(_, parsed)| {
            let validity = parsed.validity();
            let now = now.as_second();
            (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
        })
    };
    if !trusted.iter().any(valid) {
        return Some("has no certificate in its caBundle that is valid now".to_owned());
    }
    let signing = ca.and_then(|pem| certificates(pem).ok());
    let missing = signing.is_some_and(|signing| !signing.iter().all(|ca| trusted.contains(ca)));
    missing.then(|| "does not trust the CA in latchkey's Secret".to_owned())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ()> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.ok().filter(|read| !read.is_empty()).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ca() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        params.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn a_bundle_must_be_valid_and_hold_the_signing_ca() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let (ours, other) = (ca(), ca());
        let both = format!("{other}{ours}");
        assert_eq!(trouble(both.as_bytes(), Some(ours.as_bytes()), now), None);
        assert_eq!(trouble(other.as_bytes(), None, now), None);
        let told = |bundle: &[u8], now| trouble(bundle, Some(ours.as_bytes()), now).unwrap();
        assert!(told(other.as_bytes(), now).contains("does not trust"));
        assert!(told(b"", now).contains("no caBundle"));
        assert!(told(b"x", now).contains("not PEM"));
        let later: Timestamp = "2031-01-01T00:00:00Z".parse().unwrap();
        assert!(told(both.as_bytes(), later).contains("valid now"));
    }
}
