//! Encrypting and decrypting single values, for those who write definitions.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::evaluation::decrypter;
use super::problem::Problem;
use super::target::Target;
use super::{Shared, blocking, body, wire};
use crate::esc::eval::Decrypter as _;
use crate::esc::store::Permission;

/// Most values in one request.
const MOST: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Plain {
    plaintexts: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Sealed {
    ciphertexts: Vec<String>,
}

/// Texts to what stands behind `ciphertext:` in a definition of this environment.
pub(super) async fn encrypt(
    State(state): State<Shared>,
    target: Target,
    body::Json(plain): body::Json<Plain>,
) -> Result<Response, Problem> {
    target.require(Permission::Write)?;
    refuse_too_many(plain.plaintexts.len())?;
    blocking(&state, move |state| {
        let environment = state.store.snapshot()?.environment(&target.name)?;
        let keyring = state.store.keyring();
        let mut ciphertexts = Vec::new();
        for plaintext in &plain.plaintexts {
            let envelope = keyring
                .encrypt(&environment.id, plaintext.as_bytes())
                .map_err(crate::esc::store::Error::from)?;
            ciphertexts.push(STANDARD.encode(envelope));
        }
        wire::answer(&json!({"ciphertexts": ciphertexts}))
    })
    .await
}

/// The reverse.
pub(super) async fn decrypt(
    State(state): State<Shared>,
    target: Target,
    body::Json(sealed): body::Json<Sealed>,
) -> Result<Response, Problem> {
    target.require(Permission::Open)?;
    refuse_too_many(sealed.ciphertexts.len())?;
    blocking(&state, move |state| {
        let environment = state.store.snapshot()?.environment(&target.name)?;
        let keys = decrypter(state, &environment);
        let mut plaintexts = Vec::new();
        for (index, ciphertext) in sealed.ciphertexts.iter().enumerate() {
            let refused =
                |reason: String| Problem::bad_request(format!("ciphertext {index}: {reason}"));
            let envelope = STANDARD
                .decode(ciphertext)
                .map_err(|_| refused("not base64".to_owned()))?;
            let plaintext = keys.decrypt(&envelope).map_err(refused)?;
            plaintexts.push(String::from_utf8_lossy(plaintext.expose()).into_owned());
        }
        wire::answer(&json!({"plaintexts": plaintexts}))
    })
    .await
}

fn refuse_too_many(count: usize) -> Result<(), Problem> {
    if count <= MOST {
        return Ok(());
    }
    let message = format!("at most {MOST} values in one request");
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message))
}
