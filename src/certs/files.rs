//! A certificate from files, for example of cert-manager, mounted by the kubelet.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;

use super::{Error, Served, pki};
use crate::secret::SecretBytes;

/// How often the files are read. Contents are compared, for a mount changes by a symbolic link far from
/// the file.
const INTERVAL: Duration = Duration::from_secs(10);

/// A certificate in one file and its key in another.
#[derive(Debug)]
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
    served: Arc<Served>,
    digest: Vec<u8>,
}

impl Files {
    /// Reads both files.
    ///
    /// # Errors
    /// When a file cannot be read, or the key is not the certificate's.
    pub async fn bind(certificate: PathBuf, key: PathBuf) -> Result<Self, Error> {
        let (pair, digest) = read(&certificate, &key).await?;
        Ok(Self {
            certificate,
            key,
            served: Arc::new(Served::new(Arc::new(pair))),
            digest,
        })
    }

    /// What a TLS server asks at each handshake.
    #[must_use]
    pub fn served(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.served) as _
    }

    /// Follows the files for as long as it is polled. Files that do not fit together, as for a moment
    /// while they are replaced, leave what is served as it is.
    pub async fn run(mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if let Err(error) = self.check().await {
                tracing::warn!(error = %error, "Failed to read the webhook's certificate, keeping the one before");
            }
        }
    }

    async fn check(&mut self) -> Result<(), Error> {
        let (pair, digest) = read(&self.certificate, &self.key).await?;
        if digest != self.digest {
            self.digest = digest;
            self.served.swap(Arc::new(pair));
            tracing::info!("Serving a new certificate of the webhook");
        }
        Ok(())
    }
}

async fn read(certificate: &PathBuf, key: &PathBuf) -> Result<(CertifiedKey, Vec<u8>), Error> {
    let bytes = async |path: &PathBuf| {
        let bytes = tokio::fs::read(path).await;
        bytes.map_err(|source| Error::File {
            path: path.clone(),
            source,
        })
    };
    let chain = bytes(certificate).await?;
    let key = SecretBytes::new(bytes(key).await?);
    let pair = pki::read_pair(&chain, &key)?;
    let mut both = digest(&SHA256, &chain).as_ref().to_vec();
    both.extend_from_slice(digest(&SHA256, key.expose()).as_ref());
    Ok((pair, both))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rcgen::{KeyPair, generate_simple_self_signed};

    use super::*;

    /// As the kubelet does: a folder of its own for each version, and `..data` that points at one.
    fn publish(mount: &Path, version: &str, key: Option<&KeyPair>) {
        let made = generate_simple_self_signed(vec![format!("{version}.example")]).unwrap();
        let folder = mount.join(format!("..{version}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
        let key = key.unwrap_or(&made.signing_key).serialize_pem();
        std::fs::write(folder.join("tls.key"), key).unwrap();
        symlink(format!("..{version}"), mount.join("..data_tmp")).unwrap();
        std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    }

    #[tokio::test]
    async fn case_62_a_mounted_certificate_that_is_swapped_by_symlink_is_served() {
        let mount = tempfile::tempdir().unwrap();
        publish(mount.path(), "first", None);
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), mount.path().join(name)).unwrap();
        }
        let path = |name| mount.path().join(name);
        let mut files = Files::bind(path("tls.crt"), path("tls.key")).await.unwrap();
        let first = files.served.current().cert.clone();
        files.check().await.unwrap();
        assert_eq!(files.served.current().cert, first);

        publish(mount.path(), "broken", Some(&KeyPair::generate().unwrap()));
        files
            .check()
            .await
            .expect_err("the key is of another certificate");
        assert_eq!(files.served.current().cert, first);

        publish(mount.path(), "second", None);
        files.check().await.unwrap();
        assert_ne!(files.served.current().cert, first);
    }
}
