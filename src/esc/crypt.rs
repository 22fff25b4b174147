//! Encryption at rest: secrets under data keys, data keys under a master key.
//!
//! A secret is stored in an envelope: `escx`, the version (u32), a payload, and the CRC-32 of all that
//! (integers big-endian). The payload is ours: the data key's id (u32), a nonce (12 bytes), then
//! AES-256-GCM ciphertext and tag. The environment's id is authenticated with it, so that a ciphertext
//! opens only in the environment it was made in, under whatever name that has.

mod envelope;
mod master;

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::secret::SecretBytes;

pub use master::{MasterKey, MasterKeySource};

/// Length of a key in bytes.
const KEY_LEN: usize = 32;
/// Length of a data key's id in a payload.
const ID_LEN: usize = 4;

/// A failed cryptographic operation; tells nothing about keys or values.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system gave no randomness, or refused a key.
    #[error("failed to use the cryptography library")]
    UseLibrary,
    /// The master key's text is not 32 bytes in base64.
    #[error("failed to read the master key from {0}: it must be 32 bytes in base64")]
    ReadMasterKey(String),
    /// The master key's file cannot be read or made.
    #[error("failed to open the master key file {path}")]
    OpenMasterKey {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// There is a database, but not the key it was written with.
    #[error(
        "failed to find the master key file {0}: the database next to it cannot be read without it; put the file back"
    )]
    FindMasterKey(String),
    /// The master key does not open a data key.
    #[error("failed to unwrap data key {0}: it was wrapped by another master key")]
    UnwrapDataKey(u32),
    /// The bytes are no envelope.
    #[error("invalid ciphertext: {0}")]
    ReadEnvelope(&'static str),
    /// The data key is unknown, the environment another one, or the bytes were changed.
    #[error("the ciphertext was not made in this environment")]
    Decrypt,
}

/// The data keys; new secrets are encrypted under the newest.
pub struct Keyring {
    keys: BTreeMap<u32, RandomizedNonceKey>,
}

impl Keyring {
    /// Unwraps data keys, given with their ids.
    ///
    /// # Errors
    /// [`Error::UnwrapDataKey`] for a wrong master key; [`Error::UseLibrary`] without any key.
    pub fn unwrap_keys(master: &MasterKey, wrapped: &[(u32, Vec<u8>)]) -> Result<Self, Error> {
        let mut keys = BTreeMap::new();
        for (id, bytes) in wrapped {
            let key = open(&master.key, &wrap_context(*id), bytes.clone())
                .map_err(|_| Error::UnwrapDataKey(*id))?;
            keys.insert(*id, aead_key(&key)?);
        }
        if keys.is_empty() {
            return Err(Error::UseLibrary);
        }
        Ok(Self { keys })
    }

    /// Makes a data key and wraps it for storage.
    ///
    /// # Errors
    /// [`Error::UseLibrary`] when there is no randomness.
    pub fn new_wrapped_key(master: &MasterKey, id: u32) -> Result<Vec<u8>, Error> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        rand::fill(key.as_mut_slice()).map_err(|_| Error::UseLibrary)?;
        seal(&master.key, &wrap_context(id), key.as_slice())
    }

    /// Encrypts a secret of an environment; answers the envelope.
    ///
    /// # Errors
    /// [`Error::UseLibrary`].
    pub fn encrypt(&self, environment: &str, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let (id, key) = self.keys.last_key_value().ok_or(Error::UseLibrary)?;
        let mut payload = id.to_be_bytes().to_vec();
        payload.extend(seal(key, environment.as_bytes(), plaintext)?);
        Ok(envelope::close(&payload))
    }

    /// Decrypts an envelope of an environment.
    ///
    /// # Errors
    /// [`Error::ReadEnvelope`] and [`Error::Decrypt`].
    pub fn decrypt(&self, environment: &str, envelope: &[u8]) -> Result<SecretBytes, Error> {
        let payload = envelope::open(envelope).map_err(Error::ReadEnvelope)?;
        let (id, sealed) = payload
            .split_first_chunk::<ID_LEN>()
            .ok_or(Error::Decrypt)?;
        let key = self
            .keys
            .get(&u32::from_be_bytes(*id))
            .ok_or(Error::Decrypt)?;
        open(key, environment.as_bytes(), sealed.to_vec())
    }
}

/// Names a data key to the master key, so that wrapped keys cannot change places.
fn wrap_context(id: u32) -> Vec<u8> {
    format!("latchkey data key {id}").into_bytes()
}

fn aead_key(bytes: &SecretBytes) -> Result<RandomizedNonceKey, Error> {
    RandomizedNonceKey::new(&AES_256_GCM, bytes.expose()).map_err(|_| Error::UseLibrary)
}

/// `nonce | ciphertext | tag`. Nonces are random: one key is good for 2^32 secrets.
fn seal(key: &RandomizedNonceKey, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    let mut sealed = Vec::with_capacity(plaintext.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(plaintext);
    let nonce = key
        .seal_in_place_append_tag(Aad::from(context), &mut sealed)
        .map_err(|_| Error::UseLibrary)?;
    let mut bytes = nonce.as_ref().to_vec();
    bytes.extend(sealed);
    Ok(bytes)
}

fn open(key: &RandomizedNonceKey, context: &[u8], bytes: Vec<u8>) -> Result<SecretBytes, Error> {
    let mut bytes = Zeroizing::new(bytes);
    let (nonce, sealed) = bytes
        .split_first_chunk_mut::<NONCE_LEN>()
        .ok_or(Error::Decrypt)?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plaintext = key
        .open_in_place(nonce, Aad::from(context), sealed)
        .map_err(|_| Error::Decrypt)?;
    Ok(SecretBytes::new(&*plaintext))
}

#[cfg(test)]
mod tests;
