//! The CA in its Secret, shared by compare-and-swap.

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

use super::Error;
use super::pki::Authority;
use crate::cluster::request::{Error as RequestError, bounded};
use crate::secret::SecretBytes;

/// Name of the Secret.
const SECRET_NAME: &str = "latchkey-webhook-ca";
const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
/// The CA before this one: leaves of it may still be served.
const PREVIOUS_CERTIFICATE: &str = "ca-previous.crt";
/// Tries when replicas write at the same time.
const TRIES: usize = 5;

/// The CAs that clients must trust.
#[derive(Debug)]
pub(super) struct Authorities {
    /// Signs new leaves.
    pub current: Authority,
    /// Certificate of the CA before.
    pub previous: Option<String>,
}

impl Authorities {
    /// What clients trust, in PEM.
    pub(super) fn bundle(&self) -> String {
        let mut bundle = self.current.pem.clone();
        bundle.push_str(self.previous.as_deref().unwrap_or_default());
        bundle
    }
}

fn request(verb: &'static str) -> impl Fn(RequestError) -> Error {
    move |source| Error::Request { verb, source }
}

/// Reads the CA, or makes it where there is none. Whoever creates the Secret first decides.
pub(super) async fn load_or_create(
    client: &Client,
    namespace: &str,
    now: Timestamp,
) -> Result<Authorities, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut tries = 0;
    loop {
        let read = bounded(api.get_opt(SECRET_NAME))
            .await
            .map_err(request("read the Secret with the webhook's CA"))?;
        if let Some(secret) = read {
            return authorities(secret);
        }
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(SECRET_NAME.to_owned()),
                ..ObjectMeta::default()
            },
            data: Some(data(&Authority::new(now)?, None).into()),
            ..Secret::default()
        };
        let params = PostParams::default();
        tries += 1;
        match bounded(api.create(&params, &secret)).await {
            Err(error) if !error.is_conflict() || tries >= TRIES => {
                return Err(request("make the Secret with the webhook's CA")(error));
            }
            _ => {}
        }
    }
}

/// Puts a new CA in the place of `old`, whose certificate stays in the bundle. If another replica was
/// faster, its CA is taken.
pub(super) async fn replace(
    client: &Client,
    namespace: &str,
    old: &Authorities,
    now: Timestamp,
) -> Result<Authorities, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let failed = request("replace the webhook's CA");
    let mut secret = bounded(api.get(SECRET_NAME)).await.map_err(&failed)?;
    let present = authorities(secret.clone())?;
    if present.current.fingerprint != old.current.fingerprint {
        return Ok(present);
    }
    secret.data = Some(data(&Authority::new(now)?, Some(&present.current.pem)).into());
    let params = PostParams::default();
    match bounded(api.replace(SECRET_NAME, &params, &secret)).await {
        Ok(secret) => authorities(secret),
        Err(error) if error.is_conflict() => load_or_create(client, namespace, now).await,
        Err(error) => Err(failed(error)),
    }
}

fn data(authority: &Authority, previous: Option<&str>) -> [(String, ByteString); 3] {
    let entry = |key: &str, bytes: &[u8]| (key.to_owned(), ByteString(bytes.to_vec()));
    [
        entry(CERTIFICATE, authority.pem.as_bytes()),
        entry(KEY, authority.key.expose()),
        entry(
            PREVIOUS_CERTIFICATE,
            previous.unwrap_or_default().as_bytes(),
        ),
    ]
}

fn authorities(secret: Secret) -> Result<Authorities, Error> {
    let mut data = secret.data.unwrap_or_default();
    let mut take = |key: &str| {
        data.remove(key)
            .map_or_else(|| SecretBytes::from(""), |value| SecretBytes::new(value.0))
    };
    let certificate = take(CERTIFICATE);
    let previous = take(PREVIOUS_CERTIFICATE);
    Ok(Authorities {
        current: Authority::read(certificate.expose_str().unwrap_or_default(), &take(KEY))?,
        previous: previous
            .expose_str()
            .filter(|pem| !pem.is_empty())
            .map(str::to_owned),
    })
}
