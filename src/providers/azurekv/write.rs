//! Writing: only objects that carry latchkey's mark are changed or removed.
//!
//! The mark is ESO's, so that either operator goes on where the other stopped. Other tags of an object
//! stay.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Request;
use super::name::{Kind, Name};
use super::{Asked, AzureClient, Error, ErrorKind, NAME, What, invalid, material};
use crate::model::push::{Push, Pushed, Target};
use crate::providers::cloud_json::{member, member_text, number, texts};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Name and value of the mark.
const MARK: (&str, &str) = ("managed-by", "external-secrets");

/// Longest value that the vault takes, in bytes.
const MAX_VALUE: usize = 25 << 10;

/// What the object may say of the remote one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Settings {
    expiration_date: Option<Timestamp>,
    content_type: Option<String>,
    tags: BTreeMap<String, String>,
}

impl AzureClient {
    /// Writes a value, unless it stands there already in the wanted form.
    pub(super) async fn write(&self, push: &Push<'_>) -> Result<(), Error> {
        let name = Name::parse(&push.target.key).map_err(invalid)?;
        let settings = settings(push.metadata)?;
        let content = content(name.kind, push)?;
        let present = self.access.find(&Request::read(&name, "")).await?;
        if let Some(present) = &present
            && !is_ours(present)
        {
            let message = format!(
                "{} is not managed by external-secrets: set its tag {}={} to hand it over",
                name.shown(),
                MARK.0,
                MARK.1
            );
            return Err(Error::new(ErrorKind::Denied, NAME, message));
        }
        let mut tags = texts(present.as_ref().and_then(|present| member(present, "tags")));
        tags.extend(settings.tags.clone());
        tags.insert(MARK.0.to_owned(), MARK.1.to_owned());
        let Some(body) = body(name.kind, content, &settings, &tags, present.as_ref())? else {
            return Ok(());
        };
        self.access.send(&Request::write(&name, &body)).await?;
        self.forget(&name).await;
        Ok(())
    }

    /// Removes an object; one of somebody else stays.
    pub(super) async fn remove(&self, target: &Target) -> Result<(), Error> {
        let name = Name::parse(&target.key).map_err(invalid)?;
        let present = self.access.find(&Request::read(&name, "")).await?;
        if present.as_ref().is_some_and(is_ours) {
            self.access.find(&Request::delete(&name)).await?;
            self.forget(&name).await;
        }
        Ok(())
    }

    async fn forget(&self, name: &Name) {
        let object = What::Object {
            name: name.clone(),
            version: String::new(),
        };
        for what in [object, What::Listing] {
            let identity = self.access.identity.clone();
            let window = &self.access.engine.window;
            window.forget(&Asked { identity, what }).await;
        }
    }
}

fn is_ours(object: &Json) -> bool {
    let tags = member(object, "tags");
    tags.and_then(|tags| member_text(tags, MARK.0)) == Some(MARK.1)
}

/// The bytes to write; all of a TLS Secret is a certificate with its key.
fn content(kind: Kind, push: &Push<'_>) -> Result<SecretBytes, Error> {
    if kind == Kind::Certificate
        && let Ok(Pushed::Whole(values)) = push.pushed()
        && let (Some(certificate), Some(key)) = (values.get("tls.crt"), values.get("tls.key"))
    {
        let parts = [certificate.expose(), b"\n", key.expose()];
        return Ok(SecretBytes::new(parts.concat()));
    }
    push.content().map_err(|error| invalid(error.to_string()))
}

/// What is sent, or `None` where all of it stands there already.
fn body(
    kind: Kind,
    content: SecretBytes,
    settings: &Settings,
    tags: &BTreeMap<String, String>,
    present: Option<&Json>,
) -> Result<Option<Json>, Error> {
    let part = |name: &str| present.and_then(|present| member(present, name));
    let mut members = BTreeMap::new();
    let stands = match kind {
        Kind::Secret => text_body(content, settings, present, &mut members)?,
        Kind::Certificate => {
            let import = material::certificate(&content).map_err(invalid)?;
            let held = part("cer").and_then(crate::providers::cloud_json::text);
            let held = held.and_then(|text| STANDARD.decode(text).ok());
            members.insert("value".to_owned(), Json::Text(import.value));
            let policy = json!({"secret_props": {"contentType": import.content_type}});
            members.insert("policy".to_owned(), plain(&policy)?);
            held.as_deref() == Some(import.leaf.as_slice())
        }
        Kind::Key => {
            let key = material::key(&content).map_err(invalid)?;
            let held = part("key");
            let same = |name: &&str| member(&key, name) == held.and_then(|key| member(key, name));
            let stands = held.is_some() && ["n", "e", "crv", "x", "y"].iter().all(same);
            members.insert("key".to_owned(), key);
            stands
        }
    };
    let until = settings.expiration_date.map(Timestamp::as_second);
    let held_until = part("attributes")
        .and_then(|of| member(of, "exp"))
        .and_then(number);
    if stands && texts(part("tags")) == *tags && (until.is_none() || until == held_until) {
        return Ok(None);
    }
    let mut attributes = json!({"enabled": true});
    if let Some(until) = until {
        attributes["exp"] = until.into();
    }
    members.insert("attributes".to_owned(), plain(&attributes)?);
    members.insert("tags".to_owned(), plain(&json!(tags))?);
    Ok(Some(Json::Object(members)))
}

/// Adds a secret's value and content type; whether both stand there already.
fn text_body(
    content: SecretBytes,
    settings: &Settings,
    present: Option<&Json>,
    members: &mut BTreeMap<String, Json>,
) -> Result<bool, Error> {
    let part = |name: &str| present.and_then(|present| member(present, name));
    if content.expose_str().is_none() || content.len() > MAX_VALUE {
        return Err(invalid(format!(
            "the value must be UTF-8 of at most {MAX_VALUE} bytes to be kept in a vault"
        )));
    }
    let value = Json::Text(content);
    let stands = part("value") == Some(&value);
    members.insert("value".to_owned(), value);
    let same_type = settings
        .content_type
        .as_deref()
        .is_none_or(|wanted| part("contentType") == Some(&Json::Text(wanted.into())));
    let kept = part("contentType").and_then(crate::providers::cloud_json::text);
    if let Some(shown) = settings.content_type.as_deref().or(kept) {
        members.insert("contentType".to_owned(), Json::Text(shown.into()));
    }
    Ok(stands && same_type)
}

fn plain(value: &Value) -> Result<Json, Error> {
    Json::parse(value.to_string().as_bytes()).map_err(|error| invalid(error.to_string()))
}

fn settings(metadata: Option<&Value>) -> Result<Settings, Error> {
    let Some(spec) = metadata.and_then(|metadata| metadata.get("spec")) else {
        return Ok(Settings::default());
    };
    Settings::deserialize(spec).map_err(|error| {
        invalid(format!(
            "metadata.spec: {error}; expirationDate (RFC 3339), contentType and tags are served"
        ))
    })
}
