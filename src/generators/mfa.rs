//! Time-based one-time passwords (RFC 6238).

use async_trait::async_trait;
use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::{Context, Error, Generator, credential};
use crate::api::generators::MfaSpec;
use crate::secret::{SecretBytes, SecretMap};

/// Seconds of a generator that names none (RFC 6238 §4.1).
const DEFAULT_PERIOD: i64 = 30;
/// Digits of a generator that names none.
const DEFAULT_DIGITS: i64 = 6;

#[async_trait]
impl Generator for MfaSpec {
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let period = self.time_period.unwrap_or(DEFAULT_PERIOD);
        if period <= 0 {
            return Err(Error::invalid("spec.timePeriod: must be more than 0"));
        }
        let digits = u32::try_from(self.length.unwrap_or(DEFAULT_DIGITS)).unwrap_or_default();
        if !(1..=10).contains(&digits) {
            return Err(Error::invalid("spec.length: must be from 1 to 10"));
        }
        let algorithm = algorithm(self.algorithm.as_deref().unwrap_or_default())?;
        let seed = seed(&credential(context, "spec.secret", &self.secret).await?)?;
        let when = self
            .when
            .as_ref()
            .map_or(context.now, |when| when.0)
            .as_second();
        let counter = when.div_euclid(period);
        let token = token(algorithm, &seed, counter, digits);
        let left = period - when.rem_euclid(period);
        Ok([
            ("token".to_owned(), token),
            ("timeLeft".to_owned(), SecretBytes::from(left.to_string())),
        ]
        .into_iter()
        .collect())
    }
}

fn algorithm(name: &str) -> Result<hmac::Algorithm, Error> {
    match name.to_ascii_lowercase().replace('-', "").as_str() {
        "" | "sha1" => Ok(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        "sha256" => Ok(hmac::HMAC_SHA256),
        "sha512" => Ok(hmac::HMAC_SHA512),
        _ => Err(Error::invalid(
            "spec.algorithm: must be sha1, sha256 or sha512",
        )),
    }
}

fn seed(encoded: &SecretBytes) -> Result<Zeroizing<Vec<u8>>, Error> {
    let bytes = encoded.expose().iter();
    let plain: Zeroizing<Vec<u8>> = Zeroizing::new(
        bytes
            .filter(|byte| !byte.is_ascii_whitespace() && **byte != b'=')
            .map(u8::to_ascii_uppercase)
            .collect(),
    );
    let decoded = BASE32_NOPAD.decode(&plain);
    decoded
        .map(Zeroizing::new)
        .map_err(|_| Error::invalid("spec.secret: the seed is not base32"))
}

/// The dynamic truncation of RFC 4226 §5.3.
fn token(algorithm: hmac::Algorithm, seed: &[u8], counter: i64, digits: u32) -> SecretBytes {
    let tag = hmac::sign(&hmac::Key::new(algorithm, seed), &counter.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[tag.len() - 1] & 0xf);
    let word = u32::from_be_bytes([
        tag[offset],
        tag[offset + 1],
        tag[offset + 2],
        tag[offset + 3],
    ]);
    let number = u64::from(word & 0x7fff_ffff) % 10_u64.pow(digits);
    SecretBytes::from(format!("{number:0width$}", width = digits as usize))
}
