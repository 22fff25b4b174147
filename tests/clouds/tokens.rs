//! Signed tokens, made and checked.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};

/// Who signs tokens.
#[derive(Clone)]
pub(crate) struct Issuer {
    key: Arc<RsaKeyPair>,
    pem: Arc<str>,
}

impl Issuer {
    /// The one that all doubles of this process share.
    pub(crate) fn shared() -> Self {
        static SHARED: LazyLock<Issuer> = LazyLock::new(Issuer::new);
        SHARED.clone()
    }

    /// Another one, whom nobody trusts.
    pub(crate) fn stranger() -> Self {
        static STRANGER: LazyLock<Issuer> = LazyLock::new(Issuer::new);
        STRANGER.clone()
    }

    /// Makes a key.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key must be made");
        Self::of(&key)
    }

    /// Signs with a key that stands.
    pub(crate) fn of(key: &KeyPair) -> Self {
        let pair = RsaKeyPair::from_pkcs8(&key.serialize_der()).expect("the key must be RSA");
        Self {
            key: Arc::new(pair),
            pem: key.serialize_pem().into(),
        }
    }

    /// The private key in PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// The public key in DER (PKCS#1).
    pub(crate) fn public(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let text = format!(
            "{}.{}",
            part(&json!({"alg": "RS256", "typ": "JWT"})),
            part(claims)
        );
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = self
            .key
            .sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature);
        signed.expect("signing must work");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The claims of a token that this issuer signed and that is valid at `now`.
    pub(crate) fn verified(&self, token: &str, now: u64) -> Result<Value, &'static str> {
        verified(token, &self.public(), now).map(|(_, claims)| claims)
    }
}

/// Header and claims of a token that `key` (PKCS#1 in DER) signed and that is valid at `now`.
pub(crate) fn verified(token: &str, key: &[u8], now: u64) -> Result<(Value, Value), &'static str> {
    let (text, signature) = token.rsplit_once('.').ok_or("no token")?;
    let (header, claims) = text.split_once('.').ok_or("no token")?;
    let part = |text: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    };
    let header = part(header).ok_or("no header")?;
    let claims = part(claims).ok_or("no claims")?;
    let algorithm: &'static dyn VerificationAlgorithm = match header["alg"].as_str() {
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        Some("PS256") => &RSA_PSS_2048_8192_SHA256,
        _ => return Err("algorithm"),
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "signature")?;
    UnparsedPublicKey::new(algorithm, key)
        .verify(text.as_bytes(), &signature)
        .map_err(|_| "signature")?;
    // Some clients write fractions of seconds.
    let seconds = |name: &str| -> u64 {
        let text = claims[name].to_string();
        let whole = text.split('.').next().unwrap_or_default();
        whole.parse().unwrap_or(0)
    };
    if seconds("exp") <= now {
        return Err("expired");
    }
    if seconds("nbf") > now + 60 {
        return Err("not yet valid");
    }
    Ok((header, claims))
}
