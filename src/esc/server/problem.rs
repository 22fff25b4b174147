//! Answers that tell what is wrong.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::wire;
use crate::esc::eval::Diagnostic;
use crate::esc::store;
use crate::http::chain;

/// An error as the API tells it: the code stands in the body too, where clients look for it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    message: String,
    diagnostics: Vec<Diagnostic>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            diagnostics: Vec::new(),
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// A definition that cannot be saved or opened.
    pub(super) fn diagnostics(diagnostics: Vec<Diagnostic>) -> Self {
        let first = diagnostics
            .first()
            .map_or("the definition has errors", |first| &first.summary);
        Self {
            status: StatusCode::BAD_REQUEST,
            message: format!("Bad Request: {first}"),
            diagnostics,
        }
    }

    /// Something that only the log may tell.
    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        use store::Error;
        let status = match &error {
            Error::Find { .. } => StatusCode::NOT_FOUND,
            Error::Create { .. } | Error::Update(_) | Error::Protect(_) => StatusCode::CONFLICT,
            Error::ReadName { .. } => StatusCode::BAD_REQUEST,
            Error::UseDatabase(_)
            | Error::ReadRecord(..)
            | Error::ReadFormat(_)
            | Error::UseKey(_)
            | Error::DecodeDataKey => {
                tracing::error!(error = chain(&error), "Failed to use the store");
                return Self::internal();
            }
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({"code": self.status.as_u16(), "message": self.message});
        if !self.diagnostics.is_empty() {
            body["diagnostics"] = wire::diagnostics(&self.diagnostics);
        }
        (self.status, Json(body)).into_response()
    }
}
