//! Reading and replacing definitions.

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::body::Text;
use super::evaluation::{Evaluator, decrypter};
use super::problem::Problem;
use super::target::Target;
use super::{Shared, blocking, evaluating, wire};
use crate::esc::crypt;
use crate::esc::eval::{self, Decrypter as _, Diagnostic, Mode};
use crate::esc::store::{Environment, Permission, Revision};

/// The revision that an answer is about. Clients fail without it.
const REVISION: HeaderName = HeaderName::from_static("pulumi-esc-revision");
const YAML: &str = "application/x-yaml";

pub(super) async fn read(State(state): State<Shared>, target: Target) -> Result<Response, Problem> {
    target.require(Permission::Read)?;
    blocking(&state, move |state| {
        let (environment, revision) = find(state, &target)?;
        Ok(definition(&environment, revision.number, revision.yaml))
    })
    .await
}

/// As [`read`], with secrets in clear.
pub(super) async fn decrypt(
    State(state): State<Shared>,
    target: Target,
) -> Result<Response, Problem> {
    target.require(Permission::Open)?;
    blocking(&state, move |state| {
        let (environment, revision) = find(state, &target)?;
        let plain = decrypted(state, &environment, &revision.yaml)?;
        Ok(definition(&environment, revision.number, plain))
    })
    .await
}

fn find(state: &Shared, target: &Target) -> Result<(Environment, Revision), Problem> {
    let snapshot = state.store.snapshot()?;
    let environment = snapshot.environment(&target.name)?;
    let revision = snapshot.revision(&environment, target.version.as_deref())?;
    Ok((environment, revision))
}

fn definition(environment: &Environment, revision: u64, yaml: String) -> Response {
    let headers = [
        (CONTENT_TYPE, YAML.to_owned()),
        (ETAG, environment.etag(revision)),
        (REVISION, revision.to_string()),
    ];
    (headers, yaml).into_response()
}

/// Replaces the definition: only if it has no error, and only if it is still the one that the
/// request's `ETag` or `If-Match` names, if it has one.
pub(super) async fn update(
    State(state): State<Shared>,
    target: Target,
    headers: HeaderMap,
    Text(yaml): Text,
) -> Result<Response, Problem> {
    target.require(Permission::Write)?;
    let condition = condition(&headers)?;
    evaluating(&state, move |state| {
        let token = &target.identity.0;
        let evaluator = Evaluator::new(state, &target.name.organization, token)?;
        let environment = evaluator.snapshot().environment(&target.name)?;
        if let Some(condition) = &condition
            && !matches(condition, &environment.etag(environment.latest))
        {
            let message = format!(
                "environment '{}' has changed since it was read; read it again",
                target.name
            );
            return Err(Problem::new(StatusCode::CONFLICT, message));
        }
        let mode = Mode::Check {
            show_secrets: false,
        };
        let evaluation = evaluator.evaluate(&environment, &yaml, mode);
        if evaluation.has_errors() {
            return Err(Problem::diagnostics(evaluation.diagnostics));
        }
        let sealed = encrypted(state, &environment, &yaml)?;
        // A ciphertext of another environment would only be found out when this one is opened.
        decrypted(state, &environment, &sealed)?;
        let author = token.author();
        let saved = state.store.update(
            &environment,
            sealed,
            condition.is_some(),
            &author,
            state.now(),
        )?;
        Ok(updated(&saved, &evaluation.diagnostics))
    })
    .await
}

fn updated(environment: &Environment, warnings: &[Diagnostic]) -> Response {
    let mut body = json!({});
    if !warnings.is_empty() {
        body["diagnostics"] = wire::diagnostics(warnings);
    }
    let headers = [
        (ETAG, environment.etag(environment.latest)),
        (REVISION, environment.latest.to_string()),
    ];
    (headers, axum::Json(body)).into_response()
}

/// The tag that the definition must still have. The CLI sends it as `ETag`, a response header.
fn condition(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IF_MATCH).or_else(|| headers.get(ETAG)) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| Problem::bad_request("the header ETag cannot be read"))?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

fn matches(condition: &str, etag: &str) -> bool {
    let bare = |tag: &str| tag.trim_start_matches("W/").trim_matches('"').to_owned();
    condition == "*" || bare(condition) == bare(etag)
}

/// `yaml` with every secret as ciphertext of `environment`.
pub(super) fn encrypted(
    state: &Shared,
    environment: &Environment,
    yaml: &str,
) -> Result<String, Problem> {
    encrypted_for(state, &environment.id, yaml)
}

/// As [`encrypted`], for an environment that may not exist yet.
pub(super) fn encrypted_for(state: &Shared, id: &str, yaml: &str) -> Result<String, Problem> {
    use base64::Engine as _;
    let mut failure: Option<crypt::Error> = None;
    let mut encrypt = |plaintext: &str| {
        let sealed = state.store.keyring().encrypt(id, plaintext.as_bytes());
        match sealed {
            Ok(envelope) => base64::engine::general_purpose::STANDARD.encode(envelope),
            Err(error) => {
                failure = Some(error);
                String::new()
            }
        }
    };
    let sealed = eval::encrypt_secrets(yaml, &mut encrypt).map_err(Problem::diagnostics)?;
    match failure {
        Some(error) => {
            tracing::error!(error = %error, "Failed to encrypt a secret");
            Err(Problem::internal())
        }
        None => Ok(sealed),
    }
}

/// `yaml` with every ciphertext as plain secret.
pub(super) fn decrypted(
    state: &Shared,
    environment: &Environment,
    yaml: &str,
) -> Result<String, Problem> {
    let keys = decrypter(state, environment);
    eval::decrypt_secrets(yaml, &mut |envelope| keys.decrypt(envelope))
        .map_err(Problem::diagnostics)
}
