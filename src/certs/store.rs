//! The CA in its Secret, shared by compare-and-swap.

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use super::Error;
use super::pki::{Authority, Leaf};
use crate::cluster::request::{Error as RequestError, bounded};
use crate::secret::SecretBytes;

/// Name of the Secret.
pub const SECRET_NAME: &str = "latchkey-webhook-ca";
/// Annotation of the Secret that asks for a new CA; taken off when the rotation begins.
pub const ROTATE_ANNOTATION: &str = "latchkey.dev/rotate";
const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
const NEXT_CERTIFICATE: &str = "ca-next.crt";
const NEXT_KEY: &str = "ca-next.key";
const BRIDGE: &str = "ca-bridge.crt";
const NEXT_BRIDGE: &str = "ca-next-bridge.crt";
const PREVIOUS_CERTIFICATES: &str = "ca-previous.crt";
const RETIRE: &str = "ca-previous.retire";
/// Tries when replicas write at the same time.
const TRIES: usize = 5;

/// CAs that no longer sign, while leaves of theirs may be served.
#[derive(Debug)]
pub(super) struct Past {
    /// Their certificates in PEM.
    pub pem: String,
    /// When the last leaf has expired.
    pub retire: Timestamp,
}

/// What the Secret holds.
#[derive(Debug)]
pub(super) struct Record {
    /// Signs new leaves.
    pub current: Authority,
    /// Will sign once it is known everywhere.
    pub next: Option<Authority>,
    /// Signed before.
    pub past: Option<Past>,
    /// `current` as the CA before it has certified it, in PEM: for agents in pods, which may hear of a new
    /// CA late.
    bridge: Option<String>,
    /// `next` as `current` has certified it.
    next_bridge: Option<String>,
    metadata: ObjectMeta,
}

impl Record {
    fn new(now: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            current: Authority::new(now)?,
            next: None,
            past: None,
            bridge: None,
            next_bridge: None,
            metadata: ObjectMeta {
                name: Some(SECRET_NAME.to_owned()),
                ..ObjectMeta::default()
            },
        })
    }

    /// What clients trust, in PEM.
    pub(super) fn bundle(&self) -> String {
        let mut bundle = self.current.pem.clone();
        bundle.extend(self.next.iter().map(|next| next.pem.as_str()));
        bundle.extend(self.past.iter().map(|past| past.pem.as_str()));
        bundle
    }

    /// Issues a leaf of the CA that signs.
    pub(super) fn issue(&self, names: &[String], now: Timestamp) -> Result<Leaf, Error> {
        self.current.issue(names, self.bridge.as_deref(), now)
    }

    /// Whether somebody asked for a new CA.
    pub(super) fn is_rotation_asked(&self) -> bool {
        let annotations = self.metadata.annotations.as_ref();
        annotations.is_some_and(|annotations| annotations.contains_key(ROTATE_ANNOTATION))
    }

    /// Adds the next CA, which answers a request for one.
    pub(super) fn stage(&mut self, next: Authority) -> Result<(), Error> {
        self.next_bridge = Some(self.current.certify(&next)?);
        self.next = Some(next);
        if let Some(annotations) = &mut self.metadata.annotations {
            annotations.remove(ROTATE_ANNOTATION);
        }
        Ok(())
    }

    /// Lets the next CA sign; leaves of the present one may live until `retire`.
    pub(super) fn promote(&mut self, retire: Timestamp) {
        let Some(next) = self.next.take() else { return };
        self.bridge = self.next_bridge.take();
        let old = std::mem::replace(&mut self.current, next);
        let mut pem = self.past.take().map(|past| past.pem).unwrap_or_default();
        pem.push_str(&old.pem);
        self.past = Some(Past { pem, retire });
    }

    fn to_secret(&self, metadata: ObjectMeta) -> Secret {
        let entry = |key: &str, bytes: &[u8]| (key.to_owned(), ByteString(bytes.to_vec()));
        let mut data = vec![
            entry(CERTIFICATE, self.current.pem.as_bytes()),
            entry(KEY, self.current.key.expose()),
        ];
        if let Some(next) = &self.next {
            data.push(entry(NEXT_CERTIFICATE, next.pem.as_bytes()));
            data.push(entry(NEXT_KEY, next.key.expose()));
        }
        let bridges = [(BRIDGE, &self.bridge), (NEXT_BRIDGE, &self.next_bridge)];
        for (key, pem) in bridges {
            data.extend(pem.iter().map(|pem| entry(key, pem.as_bytes())));
        }
        if let Some(past) = &self.past {
            data.push(entry(PREVIOUS_CERTIFICATES, past.pem.as_bytes()));
            data.push(entry(RETIRE, past.retire.to_string().as_bytes()));
        }
        Secret {
            metadata,
            data: Some(data.into_iter().collect()),
            ..Secret::default()
        }
    }

    fn read(secret: Secret) -> Result<Self, Error> {
        let mut data = secret.data.unwrap_or_default();
        let mut take = |key: &str| data.remove(key).map(|value| SecretBytes::new(value.0));
        let text = |bytes: Option<SecretBytes>| {
            let text = bytes.as_ref().and_then(SecretBytes::expose_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let none = || SecretBytes::from("");
        let current = text(take(CERTIFICATE)).unwrap_or_default();
        let current = Authority::read(&current, &take(KEY).unwrap_or_else(none))?;
        let next = match text(take(NEXT_CERTIFICATE)) {
            Some(pem) => Some(Authority::read(&pem, &take(NEXT_KEY).unwrap_or_else(none))?),
            None => None,
        };
        let past = text(take(PREVIOUS_CERTIFICATES)).map(|pem| Past {
            pem,
            // Without a time it leaves the bundle at the next rotation's end.
            retire: text(take(RETIRE))
                .and_then(|time| time.parse().ok())
                .unwrap_or(Timestamp::MAX),
        });
        Ok(Self {
            current,
            next,
            past,
            bridge: text(take(BRIDGE)),
            next_bridge: text(take(NEXT_BRIDGE)),
            metadata: ObjectMeta {
                managed_fields: None,
                ..secret.metadata
            },
        })
    }
}

fn request(verb: &'static str) -> impl Fn(RequestError) -> Error {
    move |source| Error::Request { verb, source }
}

/// Reads the CAs, or makes the Secret where there is none: of what is `known`, so that a Secret that
/// somebody deleted costs no certificate, or afresh. Whoever creates it first decides.
pub(super) async fn load_or_create(
    client: &Client,
    namespace: &str,
    known: Option<&Record>,
    now: Timestamp,
) -> Result<Record, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut tries = 0;
    loop {
        let read = bounded(api.get_opt(SECRET_NAME))
            .await
            .map_err(request("read the Secret with the webhook's CA"))?;
        if let Some(secret) = read {
            return Record::read(secret);
        }
        let metadata = ObjectMeta {
            name: Some(SECRET_NAME.to_owned()),
            ..ObjectMeta::default()
        };
        let secret = match known {
            Some(known) => known.to_secret(metadata),
            None => Record::new(now)?.to_secret(metadata),
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

/// Writes what was read and changed; does nothing if somebody else wrote in between.
pub(super) async fn write(client: &Client, namespace: &str, record: &Record) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = record.to_secret(record.metadata.clone());
    let params = PostParams::default();
    match bounded(api.replace(SECRET_NAME, &params, &secret)).await {
        Err(error) if !error.is_conflict() && !error.is_not_found() => {
            Err(request("write the Secret with the webhook's CA")(error))
        }
        _ => Ok(()),
    }
}

/// Asks the running replicas for a new CA; they notice at once and need no restart.
///
/// # Errors
/// When the Secret does not exist or cannot be written.
pub async fn request_rotation(client: &Client, namespace: &str) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let patch = json!({"metadata": {"annotations": {ROTATE_ANNOTATION: "asked"}}});
    let params = PatchParams::default();
    bounded(api.patch_metadata(SECRET_NAME, &params, &Patch::Merge(&patch)))
        .await
        .map(drop)
        .map_err(request("ask for a new CA"))
}
