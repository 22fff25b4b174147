//! Names of injected Secrets: nobody can guess one, and a record is believed only if it yields its name.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;

use crate::api::v1::ExternalSecretSpec;
use crate::secret::SecretBytes;

use super::canonical;

/// First field of what is authenticated; another meaning of the fields gets another text.
const VERSION: &str = "latchkey injection 1";
/// Characters of base32 kept: 100 bits.
const MAC_LENGTH: usize = 20;
const PREFIX: &str = "inj-";

/// The keys under which names are made: new names under the current one, while pods that were admitted
/// under the one before keep theirs. The keys can be exchanged while the ring is in use.
pub struct KeyRing(ArcSwap<Keys>);

struct Keys {
    current: hmac::Key,
    previous: Option<hmac::Key>,
}

impl KeyRing {
    /// Makes a ring of `current` and the key that was current before, if there is one.
    #[must_use]
    pub fn new(current: &SecretBytes, previous: Option<&SecretBytes>) -> Self {
        Self(ArcSwap::from_pointee(Keys::new(current, previous)))
    }

    /// Puts other keys in the place of those of the ring; answers whether they were others.
    pub fn replace(&self, current: &SecretBytes, previous: Option<&SecretBytes>) -> bool {
        let keys = Keys::new(current, previous);
        let changed = self.0.load().fingerprint() != keys.fingerprint();
        self.0.store(Arc::new(keys));
        changed
    }

    /// Name of the Secret that `account` of `namespace` gets for `spec` under `alias`.
    #[must_use]
    pub fn name(
        &self,
        namespace: &str,
        account: &str,
        alias: &str,
        spec: &ExternalSecretSpec,
    ) -> String {
        let keys = self.0.load();
        name(&keys.current, [namespace, account, alias, &canonical(spec)])
    }

    /// Every name that a live pod may have for it, the current one first.
    pub fn names(
        &self,
        namespace: &str,
        account: &str,
        alias: &str,
        spec: &ExternalSecretSpec,
    ) -> impl Iterator<Item = String> + use<> {
        let text = canonical(spec);
        let keys = self.0.load();
        let keys = std::iter::once(&keys.current).chain(&keys.previous);
        let names: Vec<String> = keys
            .map(|key| name(key, [namespace, account, alias, &text]))
            .collect();
        names.into_iter()
    }
}

impl Keys {
    fn new(current: &SecretBytes, previous: Option<&SecretBytes>) -> Self {
        let key = |bytes: &SecretBytes| hmac::Key::new(hmac::HMAC_SHA256, bytes.expose());
        Self {
            current: key(current),
            previous: previous.map(key),
        }
    }

    /// Tells keys apart without showing them.
    fn fingerprint(&self) -> (String, Option<String>) {
        let of = |key: &hmac::Key| name(key, ["", "", "", ""]);
        (of(&self.current), self.previous.as_ref().map(of))
    }
}

/// Whether `name` has the form of a name made for `alias`. It says nothing about who made it.
#[must_use]
pub fn is_injected_name(name: &str, alias: &str) -> bool {
    let mac = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_prefix(alias))
        .and_then(|rest| rest.strip_prefix('-'));
    mac.is_some_and(|mac| {
        mac.len() == MAC_LENGTH && mac.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
    })
}

/// `fields` are namespace, account, alias and canonical spec. Each is preceded by its length, so that
/// no two lists of fields give one text.
fn name(key: &hmac::Key, fields: [&str; 4]) -> String {
    let mut text = Vec::with_capacity(512);
    for field in std::iter::once(VERSION).chain(fields) {
        text.extend_from_slice(&(field.len() as u64).to_be_bytes());
        text.extend_from_slice(field.as_bytes());
    }
    let mut mac = BASE32_NOPAD.encode(hmac::sign(key, &text).as_ref());
    mac.truncate(MAC_LENGTH);
    mac.make_ascii_lowercase();
    format!("{PREFIX}{}-{mac}", fields[2])
}
