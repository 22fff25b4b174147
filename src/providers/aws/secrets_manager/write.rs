//! Writing: only secrets that carry the mark are changed, and only where something differs.

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{ReplicaRegionType, Tag};
use aws_smithy_types::Blob;

use super::{SecretsManager, pairs};
use crate::model::push::{Push, Target};
use crate::providers::aws::access::{Session, optional};
use crate::providers::aws::document::{self, Left};
use crate::providers::aws::failure::Failure;
use crate::providers::aws::settings::{self, Format, PolicyKind, ResourcePolicy, SecretSettings};
use crate::providers::aws::{MARK, NAME, invalid};
use crate::providers::{Error, ErrorKind};
use crate::secret::SecretBytes;

impl SecretsManager {
    /// Writes a value and what the object says of it, once more if somebody else made the secret
    /// meanwhile.
    pub(super) async fn write(&self, push: &Push<'_>) -> Result<(), Error> {
        let settings = settings::read(push.metadata)?;
        let name = self.access.name(&push.target.key);
        let written = match self.write_once(push, &name, &settings).await {
            Err(failure) if failure.code == "ResourceExistsException" => {
                self.write_once(push, &name, &settings).await
            }
            written => written,
        };
        self.access.forget(&name).await;
        Ok(written?)
    }

    async fn write_once(
        &self,
        push: &Push<'_>,
        name: &str,
        settings: &SecretSettings,
    ) -> Result<(), Failure> {
        let Some(state) = self.describe(name).await? else {
            let value = document::pushed(push, None)?.unwrap_or_else(|| "".into());
            self.create(name, &value, settings).await?;
            return self.set_policy(name, settings).await;
        };
        if !settings::is_marked(pairs(state.tags())) {
            return Err(foreign(name).into());
        }
        if state.deleted_date.is_some() {
            let message = format!("secret {name:?} is scheduled for deletion; restore it first");
            return Err(invalid(message).into());
        }
        let present = self.value(name, "").await?;
        if let Some(value) = document::pushed(push, present.as_ref())? {
            self.put(name, &value, settings.secret_push_format).await?;
        }
        self.update(name, &state, settings).await?;
        self.set_policy(name, settings).await
    }

    /// Removes a property, or the secret when none is named or left; what is not ours stays.
    pub(super) async fn remove(&self, target: &Target) -> Result<(), Error> {
        let name = self.access.name(&target.key);
        let removed = self.remove_once(target, &name).await;
        self.access.forget(&name).await;
        Ok(removed?)
    }

    async fn remove_once(&self, target: &Target, name: &str) -> Result<(), Failure> {
        let Some(state) = self.describe(name).await? else {
            return Ok(());
        };
        if !settings::is_marked(pairs(state.tags())) || state.deleted_date.is_some() {
            return Ok(());
        }
        if !target.property.is_empty()
            && let Some(present) = self.value(name, "").await?
        {
            match document::without(&target.key, &present, &target.property)? {
                Left::Same => return Ok(()),
                Left::Rest(rest) => {
                    let format = self.format(name).await?;
                    return self.put(name, &rest, format).await;
                }
                Left::Nothing => {}
            }
        }
        self.delete_whole(name, &state).await
    }

    async fn describe(&self, name: &str) -> Result<Option<DescribeSecretOutput>, Failure> {
        let send = |session: &Session| session.secrets.describe_secret().secret_id(name).send();
        optional(self.access.call(&format!("describe {name:?}"), send).await)
    }

    /// The member in which a secret has its value.
    async fn format(&self, name: &str) -> Result<Format, Failure> {
        let send = |session: &Session| session.secrets.get_secret_value().secret_id(name).send();
        let answer = self.access.call(&format!("read {name:?}"), send).await?;
        let is_text = answer.secret_string.is_some();
        Ok(if is_text {
            Format::String
        } else {
            Format::Binary
        })
    }

    async fn create(
        &self,
        name: &str,
        value: &SecretBytes,
        settings: &SecretSettings,
    ) -> Result<(), Failure> {
        let (text, bytes) = body(name, value, settings.secret_push_format)?;
        let tags = settings::marked(&settings.tags);
        let replicas = settings.replication_locations.iter();
        let replicas: Vec<_> = replicas
            .map(|replica| {
                ReplicaRegionType::builder()
                    .region(replica.region())
                    .set_kms_key_id(replica.key().map(str::to_owned))
                    .build()
            })
            .collect();
        let send = |session: &Session| {
            session
                .secrets
                .create_secret()
                .name(name)
                .set_secret_string(text.clone())
                .set_secret_binary(bytes.clone())
                .set_description(settings.description.clone())
                .set_kms_key_id(settings.kms_key_id.clone())
                .set_tags(Some(tags_of(&tags)))
                .set_add_replica_regions((!replicas.is_empty()).then(|| replicas.clone()))
                .send()
        };
        let made = self.access.call(&format!("create {name:?}"), send).await;
        made.map(drop)
    }

    async fn put(&self, name: &str, value: &SecretBytes, format: Format) -> Result<(), Failure> {
        let (text, bytes) = body(name, value, format)?;
        let send = |session: &Session| {
            session
                .secrets
                .put_secret_value()
                .secret_id(name)
                .set_secret_string(text.clone())
                .set_secret_binary(bytes.clone())
                .send()
        };
        let put = self.access.call(&format!("write {name:?}"), send).await;
        put.map(drop)
    }

    /// Sets what differs of description, key, tags and replicas.
    async fn update(
        &self,
        name: &str,
        state: &DescribeSecretOutput,
        settings: &SecretSettings,
    ) -> Result<(), Failure> {
        let differs = |wanted: &Option<String>, present: Option<&str>| {
            wanted.as_deref().is_some_and(|text| Some(text) != present)
        };
        if differs(&settings.description, state.description())
            || differs(&settings.kms_key_id, state.kms_key_id())
        {
            let send = |session: &Session| {
                let call = session.secrets.update_secret().secret_id(name);
                let call = call.set_description(settings.description.clone());
                call.set_kms_key_id(settings.kms_key_id.clone()).send()
            };
            self.access.call(&format!("update {name:?}"), send).await?;
        }
        let tags = settings::missing_tags(&settings.tags, pairs(state.tags()));
        if !tags.is_empty() {
            let send = |session: &Session| {
                let call = session.secrets.tag_resource().secret_id(name);
                call.set_tags(Some(tags_of(&tags))).send()
            };
            self.access.call(&format!("tag {name:?}"), send).await?;
        }
        let present = state.replication_status();
        let is_there = |region: &str| present.iter().any(|one| one.region() == Some(region));
        let replicas = settings.replication_locations.iter();
        let replicas: Vec<_> = replicas
            .filter(|replica| !is_there(replica.region()))
            .map(|replica| {
                let made = ReplicaRegionType::builder().region(replica.region());
                made.set_kms_key_id(replica.key().map(str::to_owned))
                    .build()
            })
            .collect();
        if !replicas.is_empty() {
            let send = |session: &Session| {
                let call = session
                    .secrets
                    .replicate_secret_to_regions()
                    .secret_id(name);
                call.set_add_replica_regions(Some(replicas.clone())).send()
            };
            self.access
                .call(&format!("replicate {name:?}"), send)
                .await?;
        }
        Ok(())
    }

    async fn set_policy(&self, name: &str, settings: &SecretSettings) -> Result<(), Failure> {
        let Some(wanted) = &settings.resource_policy else {
            return Ok(());
        };
        let policy = self.policy(wanted).await?;
        let send = |session: &Session| session.secrets.get_resource_policy().secret_id(name).send();
        let action = format!("read the resource policy of {name:?}");
        let present = self.access.call(&action, send).await?.resource_policy;
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        if present.is_some_and(|present| json(&present) == json(&policy)) {
            return Ok(());
        }
        let send = |session: &Session| {
            let call = session.secrets.put_resource_policy().secret_id(name);
            let call = call.resource_policy(&policy);
            call.set_block_public_policy(wanted.block_public_policy)
                .send()
        };
        let action = format!("write the resource policy of {name:?}");
        self.access.call(&action, send).await.map(drop)
    }

    /// The text of a policy that stands in the namespace of the object.
    async fn policy(&self, wanted: &ResourcePolicy) -> Result<String, Error> {
        let source = &wanted.policy_source_ref;
        let context = &self.access.context;
        let (namespace, name, key) = (&context.namespace, &source.name, &source.key);
        let found = match source.kind {
            PolicyKind::ConfigMap => {
                let map = context.secrets.read_config_map(namespace, name).await;
                map.map(|map| map.and_then(|mut map| map.remove(key)))
            }
            PolicyKind::Secret => {
                let secret = context.secrets.read_secret(namespace, name).await;
                let text = |value: SecretBytes| value.expose_str().map(str::to_owned);
                secret.map(|secret| secret.and_then(|mut data| data.remove(key)).and_then(text))
            }
        };
        let field = "metadata.spec.resourcePolicy.policySourceRef";
        let found = found.map_err(|error| {
            let kind = if error.denied {
                ErrorKind::Denied
            } else {
                ErrorKind::Unavailable
            };
            Error::new(kind, NAME, format!("{field}: {error}"))
        })?;
        found.ok_or_else(|| {
            let kind = source.kind;
            invalid(format!(
                "{field}: no key {key:?} in {kind:?} {namespace}/{name}"
            ))
        })
    }

    async fn delete_whole(&self, name: &str, state: &DescribeSecretOutput) -> Result<(), Failure> {
        let replicas = state.replication_status().iter();
        let replicas: Vec<_> = replicas
            .filter_map(|replica| replica.region().map(str::to_owned))
            .collect();
        if !replicas.is_empty() {
            let send = |session: &Session| {
                let call = session.secrets.remove_regions_from_replication();
                let call = call.secret_id(name);
                call.set_remove_replica_regions(Some(replicas.clone()))
                    .send()
            };
            let action = format!("remove the replicas of {name:?}");
            self.access.call(&action, send).await?;
        }
        let deletion = self
            .access
            .block
            .secrets_manager
            .clone()
            .unwrap_or_default();
        let send = |session: &Session| {
            let call = session.secrets.delete_secret().secret_id(name);
            let call =
                call.set_force_delete_without_recovery(deletion.force_delete_without_recovery);
            call.set_recovery_window_in_days(deletion.recovery_window_in_days)
                .send()
        };
        let deleted = self.access.call(&format!("delete {name:?}"), send).await;
        optional(deleted).map(drop)
    }
}

type Body = (Option<String>, Option<Blob>);

fn body(name: &str, value: &SecretBytes, format: Format) -> Result<Body, Error> {
    match format {
        Format::Binary => Ok((None, Some(Blob::new(value.expose())))),
        Format::String => match value.expose_str() {
            Some(text) => Ok((Some(text.to_owned()), None)),
            None => Err(invalid(format!(
                "key {name:?}: the value is not text; use secretPushFormat binary"
            ))),
        },
    }
}

fn tags_of(tags: &std::collections::BTreeMap<String, String>) -> Vec<Tag> {
    let tags = tags.iter();
    tags.map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

fn foreign(name: &str) -> Error {
    let (tag, value) = MARK;
    let message = format!(
        "key {name:?}: secret not managed by external-secrets; to hand it over set its tag {tag}={value}"
    );
    Error::new(ErrorKind::Denied, NAME, message)
}
