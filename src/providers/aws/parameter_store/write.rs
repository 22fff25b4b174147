//! Writing: only parameters that carry the mark are changed, and only where something differs.

use std::collections::BTreeMap;

use aws_sdk_ssm::types::{ParameterTier, ParameterType, ResourceTypeForTagging, Tag};

use super::{ParameterStore, pairs};
use crate::model::push::{Push, Target};
use crate::providers::aws::access::{Session, optional};
use crate::providers::aws::document::{self, Left};
use crate::providers::aws::failure::Failure;
use crate::providers::aws::settings::{self, ParameterSettings};
use crate::providers::aws::{MARK, NAME, invalid};
use crate::providers::{Error, ErrorKind};
use crate::secret::SecretBytes;

/// Types of a parameter as ESO names them.
const TYPES: [&str; 3] = ["String", "SecureString", "StringList"];

impl ParameterStore {
    /// Writes a value and what the object says of it.
    pub(super) async fn write(&self, push: &Push<'_>) -> Result<(), Error> {
        let settings: ParameterSettings = settings::read(push.metadata)?;
        let type_ = settings.secret_type.as_deref().unwrap_or("String");
        if !TYPES.contains(&type_) {
            return Err(invalid(format!(
                "metadata.spec.secretType: must be one of {}",
                TYPES.join(", ")
            )));
        }
        let name = self.access.name(&push.target.key);
        let written = self.write_once(push, &name, type_, &settings).await;
        self.access.forget(&name).await;
        Ok(written?)
    }

    async fn write_once(
        &self,
        push: &Push<'_>,
        name: &str,
        type_: &str,
        settings: &ParameterSettings,
    ) -> Result<(), Failure> {
        let Some(present) = self.parameter(name).await? else {
            let value = document::pushed(push, None)?.unwrap_or_else(|| "".into());
            let tags = settings::marked(&settings.tags);
            return self.put(name, &value, type_, settings, Some(&tags)).await;
        };
        let tags = self.tags(name).await?.unwrap_or_default();
        if !settings::is_marked(pairs(&tags)) {
            return Err(foreign(name).into());
        }
        let is_typed = present
            .r#type
            .as_ref()
            .is_some_and(|is| is.as_str() == type_);
        let value = present.value.map(SecretBytes::from);
        match document::pushed(push, value.as_ref())? {
            Some(value) => self.put(name, &value, type_, settings, None).await?,
            None if !is_typed => {
                let value = value.unwrap_or_else(|| "".into());
                self.put(name, &value, type_, settings, None).await?;
            }
            None => {}
        }
        let missing = settings::missing_tags(&settings.tags, pairs(&tags));
        if missing.is_empty() {
            return Ok(());
        }
        let missing = tags_of(&missing)?;
        let send = |session: &Session| {
            let call = session.parameters.add_tags_to_resource().resource_id(name);
            let call = call.resource_type(ResourceTypeForTagging::Parameter);
            call.set_tags(Some(missing.clone())).send()
        };
        let tagged = self.access.call(&format!("tag {name:?}"), send).await;
        tagged.map(drop)
    }

    /// Removes a property, or the parameter when none is named or left; what is not ours stays.
    pub(super) async fn remove(&self, target: &Target) -> Result<(), Error> {
        let name = self.access.name(&target.key);
        let removed = self.remove_once(target, &name).await;
        self.access.forget(&name).await;
        Ok(removed?)
    }

    async fn remove_once(&self, target: &Target, name: &str) -> Result<(), Failure> {
        let Some(present) = self.parameter(name).await? else {
            return Ok(());
        };
        let tags = self.tags(name).await?.unwrap_or_default();
        if !settings::is_marked(pairs(&tags)) {
            return Ok(());
        }
        if !target.property.is_empty()
            && let Some(value) = present.value.map(SecretBytes::from)
        {
            match document::without(&target.key, &value, &target.property)? {
                Left::Same => return Ok(()),
                Left::Rest(rest) => {
                    let type_ = present
                        .r#type
                        .as_ref()
                        .map_or("String", ParameterType::as_str);
                    let settings = ParameterSettings::default();
                    return self.put(name, &rest, type_, &settings, None).await;
                }
                Left::Nothing => {}
            }
        }
        let send = |session: &Session| session.parameters.delete_parameter().name(name).send();
        let deleted = self.access.call(&format!("delete {name:?}"), send).await;
        optional(deleted).map(drop)
    }

    /// Writes a parameter: a new one with its tags, or over the present one.
    async fn put(
        &self,
        name: &str,
        value: &SecretBytes,
        type_: &str,
        settings: &ParameterSettings,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<(), Failure> {
        let not_text = || {
            let message = format!("key {name:?}: the value is not text, and a parameter is");
            invalid(message)
        };
        let text = value.expose_str().ok_or_else(not_text)?;
        let tags = tags.map(tags_of).transpose()?;
        let type_ = ParameterType::from(type_);
        let key = settings.kms_key_id.clone();
        let key = key.filter(|_| type_ == ParameterType::SecureString);
        let tier = settings.tier.type_.as_deref().map(ParameterTier::from);
        let policies = settings.tier.policies.as_ref().map(ToString::to_string);
        let send = |session: &Session| {
            let call = session.parameters.put_parameter().name(name).value(text);
            call.r#type(type_.clone())
                .overwrite(tags.is_none())
                .set_tags(tags.clone())
                .set_key_id(key.clone())
                .set_tier(tier.clone())
                .set_policies(policies.clone())
                .set_description(settings.description.clone())
                .send()
        };
        let put = self.access.call(&format!("write {name:?}"), send).await;
        put.map(drop)
    }
}

fn tags_of(tags: &BTreeMap<String, String>) -> Result<Vec<Tag>, Error> {
    let tags = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tags: Result<_, _> = tags.collect();
    tags.map_err(|_| invalid("metadata.spec.tags: key and value must be set"))
}

fn foreign(name: &str) -> Error {
    let (tag, value) = MARK;
    let message = format!(
        "key {name:?}: parameter not managed by external-secrets; to hand it over set its tag {tag}={value}"
    );
    Error::new(ErrorKind::Denied, NAME, message)
}
