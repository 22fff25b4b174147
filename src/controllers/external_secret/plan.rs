//! What to do with an ExternalSecret. Pure: all that was observed, and the present, are arguments.

mod step;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_template;
mod write;

pub(super) use step::{Observed, Step, TargetState, next_step, rest_after_success, window_start};
pub(in crate::controllers) use step::{StoreState, store_trouble};
pub(crate) use write::Consent;
pub(crate) use write::{Content, Dress};
pub(super) use write::{Existing, Keeps, Object, Write, dropped, inheritance, plan_write};

/// Why the Secret could not be made, as the user reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controllers) struct Failure {
    /// Reason of the condition.
    pub reason: &'static str,
    /// What failed, in ESO's words; the condition's message begins with it.
    pub summary: &'static str,
    /// The cause, naming field and remedy; holds no secret.
    pub cause: String,
    /// How long the remote asked to wait.
    pub retry_after: Option<std::time::Duration>,
    /// Whether only a change of an object can help, so that a try is rarely worth it.
    pub until_change: bool,
    /// Whether the stores were asked, and nothing is wrong but that they have no such values.
    pub is_missing: bool,
}

impl Failure {
    /// A failure that time may heal.
    pub(super) fn passing(summary: &'static str, cause: impl Into<String>) -> Self {
        Self {
            reason: super::status::SECRET_SYNCED_ERROR,
            summary,
            cause: cause.into(),
            retry_after: None,
            until_change: false,
            is_missing: false,
        }
    }

    /// A failure that only a change of an object can heal.
    pub(super) fn lasting(summary: &'static str, cause: impl Into<String>) -> Self {
        Self {
            until_change: true,
            ..Self::passing(summary, cause)
        }
    }

    /// The condition's message.
    pub(in crate::controllers) fn message(&self) -> String {
        if self.cause.is_empty() {
            self.summary.to_owned()
        } else {
            format!("{}: {}", self.summary, self.cause)
        }
    }
}
