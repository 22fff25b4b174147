//! Kubernetes Events: what happened to an object, for people who describe it.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::cluster::reference::ObjectRef;

/// Longest note of an Event in bytes (Kubernetes API, `events.k8s.io/v1`).
const NOTE_LIMIT: usize = 1024;

/// Publishes Events under one source.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Whether it asks for attention.
    pub warning: bool,
    /// One word, for example `Created`.
    pub reason: &'static str,
    /// A sentence; holds no secret.
    pub note: String,
}

impl Occurrence {
    /// Something as expected.
    pub fn normal(reason: &'static str, note: impl Into<String>) -> Self {
        Self {
            warning: false,
            reason,
            note: note.into(),
        }
    }

    /// Something that asks for attention.
    pub fn warning(reason: &'static str, note: impl Into<String>) -> Self {
        Self {
            warning: true,
            reason,
            note: note.into(),
        }
    }
}

impl Events {
    /// Publishes as `source`; `instance` is this process, for example its pod's name.
    #[must_use]
    pub fn new(client: Client, source: &str, instance: &str) -> Self {
        let reporter = Reporter {
            controller: source.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Publishes `occurrence`. A failure is logged and no more: an Event is never worth a retry.
    pub async fn publish(&self, object: &ObjectReference, occurrence: Occurrence) {
        let event = Event {
            type_: if occurrence.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: occurrence.reason.to_owned(),
            note: Some(shortened(occurrence.note)),
            action: occurrence.reason.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, object).await {
            let name = ObjectRef::new(
                object.kind.clone().unwrap_or_default(),
                object.namespace.clone().unwrap_or_default(),
                object.name.clone().unwrap_or_default(),
            );
            tracing::warn!(object = %name, reason = occurrence.reason, error = %error, "Failed to publish event");
        }
    }
}

fn shortened(mut note: String) -> String {
    if note.len() > NOTE_LIMIT {
        let end = note.floor_char_boundary(NOTE_LIMIT - '…'.len_utf8());
        note.truncate(end);
        note.push('…');
    }
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_shortened_at_a_character() {
        let note = shortened("é".repeat(1000));
        assert!(note.len() <= NOTE_LIMIT && note.ends_with("é…"));
        assert_eq!(shortened("short".to_owned()), "short");
    }
}
