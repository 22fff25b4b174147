//! AdmissionReview as on the wire (Kubernetes `admission.k8s.io`, v1 and v1beta1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::model::pod_injection::Text;

/// Longest warning in characters; the API server cuts longer ones off or drops them.
const WARNING_LIMIT: usize = 120;
/// Characters of all warnings of a review (the API server's limit is 4096).
const WARNINGS_LIMIT: usize = 4000;

/// Versions of the review that can be answered; the answer has the version of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum ApiVersion {
    #[serde(rename = "admission.k8s.io/v1")]
    V1,
    #[serde(rename = "admission.k8s.io/v1beta1")]
    V1Beta1,
}

impl ApiVersion {
    fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "admission.k8s.io/v1",
            Self::V1Beta1 => "admission.k8s.io/v1beta1",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct Review<'a, O> {
    api_version: ApiVersion,
    #[serde(borrow, default = "none")]
    request: Option<RequestBody<'a, O>>,
}

fn none<T>() -> Option<T> {
    None
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct RequestBody<'a, O> {
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow, default)]
    namespace: Option<Text<'a>>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    operation: Text<'a>,
    #[serde(borrow, default)]
    resource: Option<Resource<'a>>,
    #[serde(default = "none")]
    object: Option<O>,
    #[serde(default = "none")]
    old_object: Option<O>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, default)]
    resource: Text<'a>,
}

/// What the API server asks.
pub(crate) struct Request<'a, O> {
    pub(crate) api_version: ApiVersion,
    pub(crate) uid: Text<'a>,
    pub(crate) operation: Operation,
    /// Absent in a DELETE.
    pub(crate) object: Option<O>,
    /// Present in an UPDATE.
    pub(crate) old_object: Option<O>,
    namespace: Option<Text<'a>>,
    name: Option<Text<'a>>,
    resource: Option<Resource<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Other,
}

impl<O> Request<'_, O> {
    /// The namespace of the request: the object's own may be empty.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_ref().map_or("", |text| &text.0)
    }

    /// Empty for a pod that gets its name later.
    pub(crate) fn name(&self) -> &str {
        self.name.as_ref().map_or("", |text| &text.0)
    }

    /// For example `pods`.
    pub(crate) fn resource(&self) -> &str {
        self.resource
            .as_ref()
            .map_or("", |resource| &resource.resource.0)
    }
}

/// Why there is no [`Request`].
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The review is right, its object is not: it can be answered.
    Object {
        api_version: ApiVersion,
        uid: String,
        problem: String,
    },
    /// There is no uid to answer.
    Review(String),
}

/// Reads a review in one pass.
pub(crate) fn read<'a, O: Deserialize<'a>>(body: &'a [u8]) -> Result<Request<'a, O>, Unreadable> {
    // Checked at once, and not again for each string. What is not UTF-8 may stand where nobody reads it.
    let review = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    let review: Review<'a, O> = match review {
        Ok(review) => review,
        Err(error) => return Err(unreadable(body, &error)),
    };
    let request = review
        .request
        .ok_or_else(|| Unreadable::Review("the AdmissionReview has no request".to_owned()))?;
    if request.uid.0.is_empty() {
        return Err(Unreadable::Review("the request has no uid".to_owned()));
    }
    Ok(Request {
        api_version: review.api_version,
        uid: request.uid,
        operation: match &*request.operation.0 {
            "CREATE" => Operation::Create,
            "UPDATE" => Operation::Update,
            _ => Operation::Other,
        },
        object: request.object,
        old_object: request.old_object,
        namespace: request.namespace,
        name: request.name,
        resource: request.resource,
    })
}

/// The object as it was before an update, with all its fields; null where `body` has none.
pub(crate) fn old_object(body: &[u8]) -> serde_json::Value {
    let review: Result<Review<'_, serde_json::Value>, _> = serde_json::from_slice(body);
    let request = review.ok().and_then(|review| review.request);
    request
        .and_then(|request| request.old_object)
        .unwrap_or_default()
}

fn unreadable(body: &[u8], error: &serde_json::Error) -> Unreadable {
    let problem = without_values(error);
    match serde_json::from_slice::<Review<'_, IgnoredAny>>(body) {
        Ok(Review {
            api_version,
            request: Some(request),
        }) if !request.uid.0.is_empty() => Unreadable::Object {
            api_version,
            uid: request.uid.0.into_owned(),
            problem,
        },
        _ => Unreadable::Review(format!("the body is no AdmissionReview: {problem}")),
    }
}

/// The text of an error of serde may quote the value it has met.
fn without_values(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a field has the wrong type",
        serde_json::error::Category::Eof => "it ends too early",
        _ => "it is not JSON",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// One word from a closed set, for the audit log.
    pub(crate) reason: &'static str,
    denial: Option<(u16, String)>,
    warnings: Vec<String>,
    patch: Option<Vec<u8>>,
    secrets: Option<String>,
}

impl Answer {
    /// The object may pass.
    pub(crate) fn allowed(reason: &'static str) -> Self {
        Self {
            reason,
            denial: None,
            warnings: Vec::new(),
            patch: None,
            secrets: None,
        }
    }

    /// The object can never work, or may not.
    pub(crate) fn denied(reason: &'static str, message: String) -> Self {
        let mut answer = Self::allowed(reason);
        answer.denial = Some((403, message));
        answer
    }

    /// The object cannot work now.
    pub(crate) fn unavailable(reason: &'static str, message: String) -> Self {
        let mut answer = Self::allowed(reason);
        answer.denial = Some((503, message));
        answer
    }

    /// The object cannot be read.
    pub(crate) fn invalid(message: String) -> Self {
        let mut answer = Self::allowed("unreadable");
        answer.denial = Some((400, message));
        answer
    }

    /// We failed.
    pub(crate) fn failed(message: &str) -> Self {
        let mut answer = Self::allowed("panic");
        answer.denial = Some((500, message.to_owned()));
        answer
    }

    /// Adds a warning for the person who sent the object.
    pub(crate) fn warn(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }

    /// Adds warnings.
    pub(crate) fn warn_all(mut self, texts: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(texts);
        self
    }

    /// Changes the object by a JSON Patch.
    pub(crate) fn patched(mut self, patch: Vec<u8>) -> Self {
        self.patch = Some(patch);
        self
    }

    /// Names the Secrets for the audit log.
    pub(crate) fn audit_secrets(mut self, names: String) -> Self {
        self.secrets = Some(names).filter(|names| !names.is_empty());
        self
    }

    /// The status code inside of the review.
    pub(crate) fn code(&self) -> u16 {
        self.denial.as_ref().map_or(200, |(code, _)| *code)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reviewed<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ShortStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    audit_annotations: AuditAnnotations,
}

#[derive(Serialize)]
struct ShortStatus {
    code: u16,
    message: String,
}

#[derive(Serialize)]
struct AuditAnnotations {
    decision: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<String>,
}

/// The review that answers `uid`.
pub(crate) fn write(api_version: ApiVersion, uid: &str, answer: Answer) -> Vec<u8> {
    let is_allowed = answer.denial.is_none();
    let audit_annotations = AuditAnnotations {
        decision: if is_allowed { "allowed" } else { "denied" },
        reason: answer.reason,
        secrets: answer.secrets,
    };
    let response = Response {
        uid,
        allowed: is_allowed,
        status: answer
            .denial
            .map(|(code, message)| ShortStatus { code, message }),
        patch_type: answer.patch.as_ref().map(|_| "JSONPatch"),
        patch: answer.patch.map(|patch| STANDARD.encode(patch)),
        warnings: bounded(answer.warnings),
        audit_annotations,
    };
    let review = Reviewed {
        api_version: api_version.as_str(),
        kind: "AdmissionReview",
        response,
    };
    let patch = review.response.patch.as_ref().map_or(0, String::len);
    let mut body = Vec::with_capacity(patch + 512);
    serde_json::to_writer(&mut body, &review).expect("a review has nothing that JSON cannot say");
    body
}

/// A `Status` for a body that is no review.
pub(crate) fn status(code: u16, message: &str) -> Vec<u8> {
    let status = json!({
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "message": message,
    });
    status.to_string().into_bytes()
}

fn bounded(warnings: Vec<String>) -> Vec<String> {
    let mut left = WARNINGS_LIMIT;
    let mut kept = Vec::with_capacity(warnings.len());
    for warning in warnings {
        let warning = shortened(warning);
        let Some(rest) = left.checked_sub(warning.len()) else {
            break;
        };
        left = rest;
        kept.push(warning);
    }
    kept
}

fn shortened(text: String) -> String {
    if text.chars().count() <= WARNING_LIMIT {
        return text;
    }
    let mut short: String = text.chars().take(WARNING_LIMIT - 1).collect();
    short.push('…');
    short
}
