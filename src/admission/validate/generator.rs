//! Generators.

use serde_json::{Map, Value};

use super::{Findings, Object};
use crate::admission::Webhook;
use crate::api::v1::GENERATOR_KINDS;
use crate::generators;
use crate::model::complaint::Complaint;

/// Looks at a generator; `None` where it is of another class, or no generator at all.
pub(super) fn find(webhook: &Webhook, object: &Object) -> Option<Findings> {
    if !GENERATOR_KINDS.contains(&object.kind.as_str()) {
        return None;
    }
    let spec = match &object.spec {
        Value::Null => Value::Object(Map::new()),
        spec => spec.clone(),
    };
    let complaint = match generators::parse(&object.kind, spec) {
        Ok(generator) => {
            let class = generator.class().filter(|class| !class.is_empty());
            return class
                .is_none_or(|class| class == webhook.controller_class)
                .then(Findings::default);
        }
        Err(error) if error.is_unserved => Complaint::unserved("spec", error.message),
        Err(error) => Complaint::error("spec", error.message),
    };
    Some(Findings::of(vec![complaint]))
}
