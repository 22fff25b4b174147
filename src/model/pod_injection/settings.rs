//! The annotations of a pod that are no aliases.

use jiff::SignedDuration;

use crate::api::well_known::{
    POD_INLINE_ANNOTATION, POD_INLINE_RECORD_ANNOTATION, POD_MODE_ANNOTATION,
    POD_ON_CHANGE_ANNOTATION, POD_ON_ERROR_ANNOTATION, POD_PREFIX, POD_REFRESH_ANNOTATION,
    POD_STATUS_ANNOTATION,
};
use crate::model::complaint::Complaint;
use crate::model::duration;

/// What a pod says of all its aliases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one annotation with two words"
)]
pub struct Settings {
    /// Whether references in the values of variables are resolved.
    pub inline: bool,
    /// How often values are fetched; `None` is the default of a spec.
    pub refresh: Option<SignedDuration>,
    /// Whether the workload restarts when a value changes that it cannot see change.
    pub restart_on_change: bool,
    /// Whether the pod is refused, rather than waiting, where its store is known to be down.
    pub deny_on_error: bool,
    /// Whether values are kept in the pod's memory and in no Secret.
    pub in_memory: bool,
}

impl Settings {
    /// Reads one annotation; the answer is a remark on an annotation that nobody reads.
    pub(super) fn read(&mut self, key: &str, value: &str) -> Result<Option<Complaint>, Complaint> {
        match key {
            POD_REFRESH_ANNOTATION => self.refresh = Some(interval(value)?),
            POD_INLINE_ANNOTATION => self.inline = chosen(key, value, ["false", "true"])?,
            POD_ON_CHANGE_ANNOTATION => {
                self.restart_on_change = chosen(key, value, ["none", "restart"])?;
            }
            POD_ON_ERROR_ANNOTATION => self.deny_on_error = chosen(key, value, ["wait", "deny"])?,
            POD_MODE_ANNOTATION => self.in_memory = chosen(key, value, ["secret", "memory"])?,
            POD_STATUS_ANNOTATION | POD_INLINE_RECORD_ANNOTATION => {}
            _ if key.starts_with(POD_PREFIX) => {
                return Ok(Some(Complaint::unserved(
                    key,
                    "nothing reads this annotation",
                )));
            }
            _ => {}
        }
        Ok(None)
    }
}

/// Whether the second of two words is written.
fn chosen(key: &str, value: &str, words: [&str; 2]) -> Result<bool, Complaint> {
    match words.iter().position(|word| *word == value) {
        Some(position) => Ok(position == 1),
        None => {
            let [first, second] = words;
            let message = format!("{value:?} must be {first:?} or {second:?}");
            Err(Complaint::error(key, message))
        }
    }
}

fn interval(text: &str) -> Result<SignedDuration, Complaint> {
    let key = POD_REFRESH_ANNOTATION;
    let interval = duration::parse(text.trim()).map_err(|text| Complaint::error(key, text))?;
    if interval.is_negative() {
        return Err(Complaint::error(
            key,
            format!("{text:?} is negative; write \"0\" to fetch once"),
        ));
    }
    Ok(interval)
}
