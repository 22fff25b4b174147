//! The status of a PushSecret. Pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::api::v1alpha1::PushSecretStatus;
use crate::model::push_secret::Synced;

/// Longest message of a condition in bytes.
const MESSAGE_LIMIT: usize = 1024;

/// How a pass ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    /// Everything that now stands in stores because of the object.
    pub synced: Synced,
    /// The version that was pushed, or why not all of it was.
    pub result: Result<String, String>,
    /// Whether the source is gone and all of it was taken back.
    pub source_deleted: bool,
    /// Whether what stands in stores already is left alone.
    pub keeps_existing: bool,
}

/// Members of the status to patch; entries that are gone are null. `None` where nothing is new.
pub(super) fn patch(old: &PushSecretStatus, outcome: &Outcome, now: Timestamp) -> Option<Value> {
    let (status, reason, message) = match &outcome.result {
        Ok(_) if outcome.keeps_existing => (
            "True",
            "Synced",
            "PushSecret synced successfully. Existing secrets in providers unchanged.".to_owned(),
        ),
        Ok(_) => (
            "True",
            "Synced",
            "PushSecret synced successfully".to_owned(),
        ),
        Err(_) if outcome.source_deleted => (
            "False",
            "SourceDeleted",
            "source secret deleted; provider secrets cleaned up".to_owned(),
        ),
        Err(error) => {
            let end = error.floor_char_boundary(MESSAGE_LIMIT);
            ("False", "Errored", error[..end].to_owned())
        }
    };
    let present = old
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    let same = present.is_some_and(|present| {
        present.status == status && present.message.as_deref() == Some(&message)
    });
    if outcome.result.is_err() && same && old.synced_push_secrets == outcome.synced {
        return None;
    }
    let since = present.filter(|present| present.status == status);
    let since = since.and_then(|present| present.last_transition_time.as_ref());
    let mut patch = json!({
        "conditions": [{
            "type": "Ready",
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": since.map_or_else(|| now.to_string(), |time| time.0.to_string()),
        }],
        "syncedPushSecrets": replaced(&old.synced_push_secrets, &outcome.synced),
    });
    if let Ok(version) = &outcome.result {
        patch["refreshTime"] = json!(now.to_string());
        patch["syncedResourceVersion"] = json!(version);
    }
    Some(patch)
}

/// The new map, with a null for every entry that only the old one has: a merge patch adds and removes
/// nothing by itself.
fn replaced(old: &Synced, new: &Synced) -> Value {
    let mut stores = Map::new();
    for (store, entries) in old {
        let gone = match new.get(store) {
            None => Value::Null,
            Some(kept) => entries
                .keys()
                .filter(|place| !kept.contains_key(*place))
                .map(|place| (place.clone(), Value::Null))
                .collect(),
        };
        stores.insert(store.clone(), gone);
    }
    for (store, entries) in new {
        let members = stores.entry(store).or_insert_with(|| json!({}));
        for (place, entry) in entries {
            members[place] = json!(entry);
        }
    }
    Value::Object(stores)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synced(places: &[&str]) -> Synced {
        let entry = |place: &str| json!({"match": {"remoteRef": {"remoteKey": place}}});
        let entries: Map<String, Value> = places
            .iter()
            .map(|place| ((*place).to_owned(), entry(place)))
            .collect();
        serde_json::from_value(json!({"SecretStore/s": entries})).unwrap()
    }

    #[test]
    fn entries_that_are_gone_are_removed_from_the_status() {
        let old = PushSecretStatus {
            synced_push_secrets: synced(&["a", "b"]),
            ..PushSecretStatus::default()
        };
        let outcome = Outcome {
            synced: synced(&["b"]),
            result: Ok("1-a".to_owned()),
            source_deleted: false,
            keeps_existing: false,
        };
        let patch = patch(&old, &outcome, Timestamp::UNIX_EPOCH).unwrap();
        let entries = &patch["syncedPushSecrets"]["SecretStore/s"];
        assert!(entries["a"].is_null() && entries["b"].is_object());
        assert_eq!(patch["syncedResourceVersion"], "1-a");
    }

    #[test]
    fn a_source_that_is_gone_is_told_as_such() {
        let outcome = Outcome {
            synced: Synced::new(),
            result: Err(String::new()),
            source_deleted: true,
            keeps_existing: false,
        };
        let old = PushSecretStatus {
            synced_push_secrets: synced(&["a"]),
            ..PushSecretStatus::default()
        };
        let patch = patch(&old, &outcome, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(patch["conditions"][0]["reason"], "SourceDeleted");
        assert!(patch["syncedPushSecrets"]["SecretStore/s"].is_null());
    }

    #[test]
    fn a_failure_keeps_the_moment_and_the_version_and_is_told_once() {
        let old = PushSecretStatus::default();
        let outcome = Outcome {
            synced: Synced::new(),
            result: Err("why".to_owned()),
            source_deleted: false,
            keeps_existing: false,
        };
        let told = patch(&old, &outcome, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(told["conditions"][0]["message"], "why");
        assert!(told["refreshTime"].is_null() && told["syncedResourceVersion"].is_null());
        let old: PushSecretStatus = serde_json::from_value(told).unwrap();
        assert!(patch(&old, &outcome, Timestamp::UNIX_EPOCH).is_none());
    }
}
