//! Checks ExternalSecrets with the controller's parser.

use serde::Deserialize;
use serde_json::Value;

use crate::api::v1::ExternalSecretSpec;
use crate::model::complaint::{Complaint, Weight, join};
use crate::model::external_secret::ExternalSecret;

use super::review::{Answer, Operation, Request};
use super::templates;

/// An ExternalSecret, as far as it matters here.
#[derive(Deserialize)]
pub(crate) struct Object {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

/// Denies what can never work, warns of what is not served.
///
/// An update that leaves the spec alone, or of an object that is being deleted, always passes:
/// finalizers must come off and labels go on also where an older object is wrong.
pub(crate) fn review(request: &Request<'_, Object>) -> Answer {
    let Some(object) = &request.object else {
        return Answer::allowed("no-object");
    };
    if request.operation == Operation::Other || object.metadata.deletion_timestamp.is_some() {
        return Answer::allowed("not-checked");
    }
    let old = request.old_object.as_ref();
    let is_unchanged = old.is_some_and(|old| old.spec == object.spec);
    let complaints = complaints(request, object);
    let (errors, remarks): (Vec<_>, Vec<_>) = complaints
        .into_iter()
        .partition(|complaint| complaint.weight == Weight::Error);
    let warnings = |complaints: &[Complaint]| complaints.iter().map(ToString::to_string).collect();
    if errors.is_empty() {
        let warnings: Vec<String> = warnings(&remarks);
        return Answer::allowed("valid").warn_all(warnings);
    }
    if is_unchanged {
        let warnings: Vec<String> = warnings(&errors);
        return Answer::allowed("unchanged").warn_all(warnings);
    }
    Answer::denied("invalid", join(&errors))
}

fn complaints(request: &Request<'_, Object>, object: &Object) -> Vec<Complaint> {
    let name = object.metadata.name.as_deref().unwrap_or(request.name());
    let spec = match ExternalSecretSpec::deserialize(&object.spec) {
        Ok(spec) => spec,
        Err(error) => return vec![Complaint::error("spec", error.to_string())],
    };
    match ExternalSecret::parse(request.namespace(), name, &spec) {
        Ok(spec) => templates::complaints(&spec),
        Err(complaints) => complaints,
    }
}
