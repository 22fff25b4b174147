//! What a push says of the remote secret besides its value. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::providers::cloud_json::{member, texts};
use crate::secret::json::Json;

/// Name and value of the mark, which is ESO's.
pub(super) const MARK: (&str, &str) = ("managed-by", "external-secrets");

/// What the object may say.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Settings {
    annotations: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    topics: Vec<String>,
    merge_policy: MergePolicy,
    cmek_key_name: Option<String>,
    replication_location: Option<String>,
    replication_locations: Vec<String>,
}

/// What becomes of labels and annotations that the object does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum MergePolicy {
    /// They go.
    #[default]
    Replace,
    /// They stay.
    Merge,
}

/// Reads `metadata.spec`; `None` where there is none.
pub(super) fn read(metadata: Option<&Value>) -> Result<Option<Settings>, String> {
    let Some(spec) = metadata.and_then(|metadata| metadata.get("spec")) else {
        return Ok(None);
    };
    let settings =
        Settings::deserialize(spec).map_err(|error| format!("metadata.spec: {error}"))?;
    if settings.labels.contains_key(MARK.0) {
        return Err(format!(
            "metadata.spec.labels: {:?} is kept for latchkey",
            MARK.0
        ));
    }
    Ok(Some(settings))
}

/// Whether a secret is latchkey's to change.
pub(super) fn is_ours(secret: &Json) -> bool {
    texts(member(secret, "labels"))
        .get(MARK.0)
        .map(String::as_str)
        == Some(MARK.1)
}

/// Labels, annotations and topics as they ought to be.
fn wanted(settings: Option<&Settings>, present: Option<&Json>) -> Value {
    let held = |name: &str| texts(present.and_then(|secret| member(secret, name)));
    let (mut labels, mut annotations) = (held("labels"), held("annotations"));
    if let Some(settings) = settings {
        if settings.merge_policy == MergePolicy::Replace {
            labels.clear();
            annotations.clear();
        }
        labels.extend(settings.labels.clone());
        annotations.extend(settings.annotations.clone());
    }
    labels.insert(MARK.0.to_owned(), MARK.1.to_owned());
    let mut wanted = json!({"labels": labels, "annotations": annotations});
    let topics = settings.map(|settings| &settings.topics);
    if let Some(topics) = topics.filter(|topics| !topics.is_empty()) {
        let topics = topics.iter().map(|name| json!({"name": name}));
        wanted["topics"] = topics.collect();
    }
    wanted
}

/// The body that makes a secret.
pub(super) fn creation(settings: Option<&Settings>, location: &str) -> Result<Json, String> {
    let mut body = wanted(settings, None);
    let key = settings.and_then(|settings| settings.cmek_key_name.as_deref());
    let encryption = key.map(|key| json!({"kmsKeyName": key}));
    let one = settings.and_then(|settings| settings.replication_location.clone());
    let many = settings.map(|settings| settings.replication_locations.clone());
    let places: Vec<String> = one.into_iter().chain(many.unwrap_or_default()).collect();
    if !location.is_empty() {
        if !places.is_empty() {
            return Err(
                "metadata.spec.replicationLocation: a regional secret is not replicated".to_owned(),
            );
        }
        if let Some(encryption) = encryption {
            body["customerManagedEncryption"] = encryption;
        }
        return plain(&body);
    }
    let encrypted = |mut place: Value| {
        if let Some(encryption) = &encryption {
            place["customerManagedEncryption"] = encryption.clone();
        }
        place
    };
    body["replication"] = if places.is_empty() {
        json!({"automatic": encrypted(json!({}))})
    } else {
        let replicas = places
            .iter()
            .map(|place| encrypted(json!({"location": place})));
        json!({"userManaged": {"replicas": replicas.collect::<Value>()}})
    };
    plain(&body)
}

/// The body and the mask that change a secret; `None` where it is as it ought to be.
pub(super) fn change(
    settings: Option<&Settings>,
    present: &Json,
) -> Result<Option<(Json, &'static str)>, String> {
    let mut body = wanted(settings, Some(present));
    let same = |name: &str| json!(texts(member(present, name))) == body[name];
    let is_same = same("labels") && same("annotations");
    let held: Value = serde_json::from_slice(present.to_bytes().expose()).unwrap_or_default();
    let names = |topics: &Value| -> Vec<Value> {
        let topics = topics.as_array().into_iter().flatten();
        topics.map(|topic| topic["name"].clone()).collect()
    };
    let has_topics = body.get("topics").is_some();
    let same_topics = !has_topics || names(&held["topics"]) == names(&body["topics"]);
    if is_same && same_topics {
        return Ok(None);
    }
    // Refused by the service if somebody else changed the secret since it was read.
    body["etag"] = held["etag"].clone();
    let mask = if has_topics {
        "labels,annotations,topics"
    } else {
        "labels,annotations"
    };
    Ok(Some((plain(&body)?, mask)))
}

fn plain(value: &Value) -> Result<Json, String> {
    Json::parse(value.to_string().as_bytes()).map_err(|error| error.to_string())
}
