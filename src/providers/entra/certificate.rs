//! A client certificate and the assertion that its key signs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p12_keystore::Pkcs12Archive;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;

use crate::providers::jwt::{Algorithm, Signer};
use crate::secret::SecretBytes;

/// How long an assertion is valid.
const LIFE: Duration = Duration::from_mins(10);

/// A certificate that an application proves itself with.
pub(crate) struct ClientCertificate {
    signer: Signer,
    leaf: Vec<u8>,
}

impl ClientCertificate {
    /// From PEM with certificate and RSA key in any order, or from PKCS#12 without password; `None`
    /// unless both are there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if let Ok(leaf) = CertificateDer::from_pem_slice(bytes) {
            return Some(Self {
                signer: Signer::from_pem(bytes)?,
                leaf: leaf.to_vec(),
            });
        }
        let archive = Pkcs12Archive::from_pkcs12(bytes, "").ok()?;
        let key = PrivatePkcs8KeyDer::from(archive.keys.first()?.key.as_der());
        Some(Self {
            signer: Signer::from_key(&PrivateKeyDer::Pkcs8(key))?,
            leaf: archive.certs.first()?.cert.as_der().to_vec(),
        })
    }

    /// A signed statement that its bearer is `client`, for the token endpoint `audience` alone.
    ///
    /// Entra ID wants PS256 and the SHA-256 thumbprint; AD FS knows RS256 and the SHA-1 one only.
    pub(super) fn assertion(
        &self,
        client: &str,
        audience: &str,
        now: SystemTime,
    ) -> Option<SecretBytes> {
        let at = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = json!({
            "aud": audience, "iss": client, "sub": client, "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": at.as_secs(), "exp": (at + LIFE).as_secs(),
        });
        let print = |algorithm| URL_SAFE_NO_PAD.encode(digest(algorithm, &self.leaf));
        let (algorithm, header) = if audience.ends_with("/adfs/oauth2/token") {
            (
                Algorithm::Rs256,
                json!({"x5t": print(&SHA1_FOR_LEGACY_USE_ONLY)}),
            )
        } else {
            (Algorithm::Ps256, json!({"x5t#S256": print(&SHA256)}))
        };
        self.signer.sign(algorithm, header, &claims)
    }
}
