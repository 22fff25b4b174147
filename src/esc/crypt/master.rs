//! The master key: 32 random bytes in a file of its own, or given in the environment.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Error, KEY_LEN};
use crate::secret::SecretBytes;

/// Wraps data keys.
pub struct MasterKey {
    pub(super) key: RandomizedNonceKey,
}

/// Where the master key comes from.
pub enum MasterKeySource {
    /// A file, made with mode 0600 at the first start.
    File(PathBuf),
    /// The key itself in base64.
    Text(SecretBytes),
}

impl MasterKey {
    /// Reads the key; makes its file if there is none and `may_create`.
    ///
    /// # Errors
    /// When the file or the key in it cannot be read, or is missing and may not be made.
    pub fn load(source: &MasterKeySource, may_create: bool) -> Result<Self, Error> {
        match source {
            MasterKeySource::Text(text) => Self::parse(text, "the environment"),
            MasterKeySource::File(path) => {
                let text = read(path, may_create)?;
                Self::parse(&text, &path.display().to_string())
            }
        }
    }

    fn parse(text: &SecretBytes, place: &str) -> Result<Self, Error> {
        let unreadable = || Error::ReadMasterKey(place.to_owned());
        let bytes = STANDARD
            .decode(text.expose().trim_ascii())
            .map_err(|_| unreadable())?;
        let bytes = Zeroizing::new(bytes);
        if bytes.len() != KEY_LEN {
            return Err(unreadable());
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| Error::UseLibrary)?;
        Ok(Self { key })
    }
}

fn read(path: &Path, may_create: bool) -> Result<SecretBytes, Error> {
    let failed = |source| Error::OpenMasterKey {
        path: path.display().to_string(),
        source,
    };
    match File::open(path) {
        Ok(mut file) => {
            let mut text = Vec::new();
            file.read_to_end(&mut text).map_err(failed)?;
            Ok(SecretBytes::new(text))
        }
        Err(error) if error.kind() == ErrorKind::NotFound && may_create => {
            create(path).map_err(failed)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Error::FindMasterKey(path.display().to_string()))
        }
        Err(error) => Err(failed(error)),
    }
}

/// Makes the file durable before any data key is wrapped under its key.
fn create(path: &Path) -> std::io::Result<SecretBytes> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    rand::fill(key.as_mut_slice()).map_err(|_| std::io::Error::other("no randomness"))?;
    let text = Zeroizing::new(STANDARD.encode(key.as_slice()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        File::open(folder)?.sync_all()?;
    }
    Ok(SecretBytes::from(text.as_str()))
}
