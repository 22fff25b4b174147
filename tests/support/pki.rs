//! The control plane's certificate authority and keys.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};

/// A new CA of that name. Its leaves must be named differently: one of the same name would pass for its own issuer.
pub(crate) fn authority(name: &str) -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, name);
    Ok(CertifiedIssuer::self_signed(
        authority,
        KeyPair::generate()?,
    )?)
}

/// A CA, an API server certificate of it, and the key that signs service account tokens; all PEM.
pub(crate) struct Pki {
    /// Certificate of the CA.
    pub(crate) ca: String,
    /// Certificate of the API server.
    pub(crate) server: String,
    /// Private key of the API server.
    pub(crate) server_key: String,
    /// Private key for service account tokens.
    pub(crate) accounts_key: String,
    /// Public key for service account tokens.
    pub(crate) accounts_public: String,
}

impl Pki {
    /// Makes new ones; the server certificate is for loopback, `addresses` and the service's names.
    pub(crate) fn generate(addresses: &[Ipv4Addr]) -> anyhow::Result<Self> {
        let authority = authority("latchkey test cluster")?;

        let mut server = CertificateParams::new(vec![
            "localhost".to_owned(),
            "kubernetes.default.svc".to_owned(),
        ])?;
        server
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for address in [Ipv4Addr::LOCALHOST].iter().chain(addresses) {
            let name = SanType::IpAddress(IpAddr::V4(*address));
            server.subject_alt_names.push(name);
        }
        let server_key = KeyPair::generate()?;
        let accounts = KeyPair::generate()?;
        Ok(Self {
            ca: authority.pem(),
            server: server.signed_by(&server_key, &authority)?.pem(),
            server_key: server_key.serialize_pem(),
            accounts_key: accounts.serialize_pem(),
            accounts_public: accounts.public_key_pem(),
        })
    }
}
