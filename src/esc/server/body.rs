//! Request bodies, whatever their content type says.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Longest body in bytes: twice the longest definition that is evaluated.
const LIMIT: usize = 2 << 20;

/// A body of text.
pub(super) struct Text(pub(super) String);

/// A body of JSON; an empty one is an empty object.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = axum::body::to_bytes(request.into_body(), LIMIT)
            .await
            .map_err(|error| refusal(&error))?;
        String::from_utf8(bytes.into())
            .map(Self)
            .map_err(|_| Problem::bad_request("the body must be UTF-8"))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Text(text) = Text::from_request(request, state).await?;
        let text = if text.trim().is_empty() { "{}" } else { &text };
        // The text of the error may quote the body: its place alone is told.
        serde_json::from_str(text).map(Self).map_err(|error| {
            Problem::bad_request(format!(
                "the body must be JSON of the documented form; see line {}, column {}",
                error.line(),
                error.column()
            ))
        })
    }
}

fn refusal(error: &axum::Error) -> Problem {
    use std::error::Error as _;
    let is_too_long = error
        .source()
        .is_some_and(|source| source.to_string().contains("length limit"));
    if is_too_long {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body must not be longer than {LIMIT} bytes"),
        )
    } else {
        Problem::bad_request("the body ended early")
    }
}
