//! Writing: only secrets that carry latchkey's mark are changed or removed, one writer at a time.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::access::Request;
use super::settings::{MARK, Settings};
use super::{Asked, Error, ErrorKind, GcpClient, LATEST, NAME, What, document, invalid, name};
use super::{settings, value_error};
use crate::model::push::{Push, Pushed, Target, object};
use crate::providers::cloud_json::member_text;
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Longest value that Secret Manager takes, in bytes.
const MAX_VALUE: usize = 64 << 10;

impl GcpClient {
    /// Writes a value, unless it stands there already in the wanted form.
    pub(super) async fn write(&self, push: &Push<'_>) -> Result<(), Error> {
        let key = &push.target.key;
        let short = name::secret(key).map_err(invalid)?;
        let settings = settings::read(push.metadata).map_err(invalid)?;
        if settings.is_some() && !push.target.property.is_empty() {
            return Err(invalid(format!(
                "push to {key:?}: metadata cannot be given along with property"
            )));
        }
        let full = self.access.secret(short).await?;
        let lock = self.access.engine.writer(&full);
        let held = lock.lock().await;
        self.prepare(short, &full, settings.as_ref()).await?;
        let present = self.value(short, LATEST).await?;
        let wanted = content(push, present.as_ref())?;
        if present.is_none_or(|present| present.expose() != wanted.expose()) {
            self.add(&full, &wanted).await?;
        }
        drop(held);
        self.forget(short).await;
        Ok(())
    }

    /// Makes the secret, or brings its labels and annotations into the wanted form.
    async fn prepare(
        &self,
        short: &str,
        full: &str,
        settings: Option<&Settings>,
    ) -> Result<(), Error> {
        let Some(present) = self.access.find(&Request::secret(full)).await? else {
            let location = self.access.location();
            let body = settings::creation(settings, location).map_err(invalid)?;
            let parent = self.access.parent().await?;
            let request = Request::create(&parent, short, &body);
            self.access.send(&request).await?;
            return Ok(());
        };
        if !settings::is_ours(&present) {
            let message = format!(
                "secret {short:?} is not managed by external-secrets: set its label {}={} to hand it over",
                MARK.0, MARK.1
            );
            return Err(Error::new(ErrorKind::Denied, NAME, message));
        }
        let change = settings::change(settings, &present).map_err(invalid)?;
        if let Some((body, mask)) = change {
            self.access
                .send(&Request::update(full, mask, &body))
                .await?;
        }
        Ok(())
    }

    async fn add(&self, full: &str, value: &SecretBytes) -> Result<(), Error> {
        if value.len() > MAX_VALUE {
            return Err(invalid(format!(
                "the value is longer than {MAX_VALUE} bytes, the most that Secret Manager keeps"
            )));
        }
        let data = SecretBytes::from(STANDARD.encode(value.expose()));
        let payload = BTreeMap::from([("data".to_owned(), Json::Text(data))]);
        let body = BTreeMap::from([("payload".to_owned(), Json::Object(payload))]);
        let request = Request::add(full, &Json::Object(body));
        self.access.send(&request).await?;
        Ok(())
    }

    /// Removes a property, or the secret when none is named or left; what is not ours stays.
    pub(super) async fn remove(&self, target: &Target) -> Result<(), Error> {
        let short = name::secret(&target.key).map_err(invalid)?;
        let full = self.access.secret(short).await?;
        let lock = self.access.engine.writer(&full);
        let held = lock.lock().await;
        let Some(present) = self.access.find(&Request::secret(&full)).await? else {
            return Ok(());
        };
        if !settings::is_ours(&present) {
            return Ok(());
        }
        let left = self.left(short, &target.property).await?;
        match left {
            Left::Same => return Ok(()),
            Left::Some(value) => self.add(&full, &value).await?,
            Left::Nothing => {
                let etag = member_text(&present, "etag").unwrap_or_default();
                self.access.find(&Request::delete(&full, etag)).await?;
            }
        }
        drop(held);
        self.forget(short).await;
        Ok(())
    }

    /// What a secret is without a property.
    async fn left(&self, short: &str, property: &str) -> Result<Left, Error> {
        if property.is_empty() {
            return Ok(Left::Nothing);
        }
        let Some(value) = self.value(short, LATEST).await? else {
            return Ok(Left::Nothing);
        };
        let whole = Json::parse(value.expose());
        let whole = whole.map_err(|error| value_error(NAME, short, &error.into()))?;
        let before = whole.to_bytes();
        let (left, is_empty) = document::without_part(whole, property);
        if is_empty {
            return Ok(Left::Nothing);
        }
        let left = left.to_bytes();
        Ok(if left.expose() == before.expose() {
            Left::Same
        } else {
            Left::Some(left)
        })
    }

    async fn forget(&self, short: &str) {
        let version = What::Version {
            secret: short.to_owned(),
            version: LATEST.to_owned(),
        };
        for what in [version, What::Secret(short.to_owned())] {
            let identity = self.access.identity.clone();
            let window = &self.access.engine.window;
            window.forget(&Asked { identity, what }).await;
        }
    }
}

/// What is left of a secret.
enum Left {
    Same,
    Some(SecretBytes),
    Nothing,
}

/// The bytes to write: a value, or what is there with one part set.
fn content(push: &Push<'_>, present: Option<&SecretBytes>) -> Result<SecretBytes, Error> {
    let Target { key, property } = push.target;
    let missing = |error: crate::model::push::MissingKey| invalid(error.to_string());
    if property.is_empty() {
        return push.content().map_err(missing);
    }
    let value = match push.pushed().map_err(missing)? {
        Pushed::One(value) => Json::Text(value.duplicate()),
        Pushed::Whole(values) => object(values),
    };
    let whole = match present {
        Some(present) => {
            Json::parse(present.expose()).map_err(|error| value_error(NAME, key, &error.into()))?
        }
        None => Json::Object(BTreeMap::new()),
    };
    let new = document::with_part(whole, property, value).ok_or_else(|| {
        invalid(format!(
            "push to {key:?}: property {property:?} leads through a value that is no object"
        ))
    })?;
    Ok(new.to_bytes())
}
