//! What an object says of a pushed secret: `spec.data[].metadata` of a PushSecret. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Error, MARK, invalid};

/// Of a secret of Secrets Manager.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct SecretSettings {
    pub(super) tags: BTreeMap<String, String>,
    pub(super) description: Option<String>,
    pub(super) secret_push_format: Format,
    #[serde(alias = "kmsKeyID")]
    pub(super) kms_key_id: Option<String>,
    pub(super) resource_policy: Option<ResourcePolicy>,
    pub(super) replication_locations: Vec<Replica>,
}

/// Member of the secret that the value is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// `SecretBinary`, which takes any bytes.
    #[default]
    Binary,
    /// `SecretString`.
    String,
}

/// A policy that stands in the cluster.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ResourcePolicy {
    pub(super) block_public_policy: Option<bool>,
    pub(super) policy_source_ref: PolicySource,
}

/// Where the policy stands, in the namespace of the object.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicySource {
    pub(super) kind: PolicyKind,
    pub(super) name: String,
    pub(super) key: String,
}

/// Kind of the object that holds a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum PolicyKind {
    ConfigMap,
    Secret,
}

/// A region that a secret is copied to.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Replica {
    Region(String),
    Encrypted {
        region: String,
        #[serde(alias = "kmsKeyID", rename = "kmsKeyId")]
        kms_key_id: Option<String>,
    },
}

impl Replica {
    pub(super) fn region(&self) -> &str {
        match self {
            Self::Region(region) | Self::Encrypted { region, .. } => region,
        }
    }

    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Region(_) => None,
            Self::Encrypted { kms_key_id, .. } => kms_key_id.as_deref(),
        }
    }
}

/// Of a parameter.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ParameterSettings {
    pub(super) secret_type: Option<String>,
    #[serde(alias = "kmsKeyID")]
    pub(super) kms_key_id: Option<String>,
    pub(super) tier: Tier,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) description: Option<String>,
    /// Accepted as in ESO, where it turns base64 off: a whole source is always written as text.
    pub(super) encode_as_decoded: bool,
}

/// How much a parameter may hold, and what becomes of it.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tier {
    #[serde(rename = "type")]
    pub(super) type_: Option<String>,
    pub(super) policies: Option<Value>,
}

/// What `metadata.spec` says.
///
/// # Errors
/// When it has a member that is not known.
pub(super) fn read<T: DeserializeOwned + Default>(metadata: Option<&Value>) -> Result<T, Error> {
    let Some(spec) = metadata.and_then(|metadata| metadata.get("spec")) else {
        return Ok(T::default());
    };
    T::deserialize(spec).map_err(|error| invalid(format!("metadata.spec: {error}")))
}

/// Tags that are wanted and missing or different; those of others stay.
pub(super) fn missing_tags<'a>(
    wanted: &BTreeMap<String, String>,
    present: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, String> {
    let present: BTreeMap<_, _> = present.collect();
    let wanted = wanted.iter();
    wanted
        .filter(|(key, value)| present.get(key.as_str()) != Some(&value.as_str()))
        .filter(|(key, _)| key.as_str() != MARK.0)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The tags of a new secret: those that are wanted, and the mark.
pub(super) fn marked(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut tags = tags.clone();
    tags.insert(MARK.0.to_owned(), MARK.1.to_owned());
    tags
}

/// Whether tags say that the secret is ours.
pub(super) fn is_marked<'a>(mut tags: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    tags.any(|tag| tag == MARK)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_read_and_unknown_ones_refused() {
        let metadata = json!({"spec": {"secretPushFormat": "string", "kmsKeyId": "k",
            "tags": {"a": "b"}, "replicationLocations": ["eu-west-1", {"region": "r", "kmsKeyId": "x"}],
            "resourcePolicy": {"policySourceRef": {"kind": "ConfigMap", "name": "n", "key": "p"}}}});
        let settings: SecretSettings = read(Some(&metadata)).unwrap();
        assert_eq!(settings.secret_push_format, Format::String);
        assert_eq!(settings.replication_locations[1].key(), Some("x"));
        let metadata = json!({"spec": {"secretType": "SecureString", "kmsKeyID": "k",
            "tier": {"type": "Advanced", "policies": []}, "encodeAsDecoded": true}});
        let settings: ParameterSettings = read(Some(&metadata)).unwrap();
        assert_eq!(settings.kms_key_id.as_deref(), Some("k"));
        let unknown = json!({"spec": {"secretTyp": "String"}});
        let error = read::<ParameterSettings>(Some(&unknown)).unwrap_err();
        assert!(error.to_string().contains("secretTyp"), "{error}");
    }

    #[test]
    fn only_tags_that_differ_are_set() {
        let wanted = [("a", "1"), ("b", "2"), ("managed-by", "me")];
        let wanted = wanted.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let present = [("a", "1"), ("b", "3"), ("c", "4")];
        let missing = missing_tags(&wanted.into(), present.into_iter());
        assert_eq!(missing, [("b".to_owned(), "2".to_owned())].into());
    }
}
