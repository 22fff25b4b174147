//! What is wrong with an object, where, and what to do.

use std::fmt;

/// How a complaint weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The object can never work; admission denies it.
    Error,
    /// latchkey does not serve this yet; admission warns, the controller reports it and changes
    /// nothing.
    Unserved,
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Path of the field, for example `spec.data[0].remoteRef.key`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
    /// How it weighs.
    pub weight: Weight,
}

impl Complaint {
    /// A complaint about an object that can never work.
    pub fn error(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            weight: Weight::Error,
        }
    }

    /// A complaint about a field that is not served yet.
    pub fn unserved(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            weight: Weight::Unserved,
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// All complaints as one sentence.
#[must_use]
pub fn join(complaints: &[Complaint]) -> String {
    let texts: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
