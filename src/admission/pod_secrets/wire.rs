//! Question and answer as JSON.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::Unfetched;
use crate::secret::SecretMap;

/// Names asked for at once, at most.
const NAMES_LIMIT: usize = 256;

/// What became of one Secret.
pub(super) type Outcome = Result<SecretMap, Unfetched>;

/// What an agent asks.
#[derive(Deserialize)]
#[serde(try_from = "Asked")]
pub(super) struct Question {
    /// Names that the agent was told.
    pub(super) secrets: Vec<String>,
}

#[derive(Deserialize)]
struct Asked {
    secrets: Vec<String>,
}

impl TryFrom<Asked> for Question {
    type Error = &'static str;

    fn try_from(asked: Asked) -> Result<Self, Self::Error> {
        if asked.secrets.len() > NAMES_LIMIT {
            return Err("too many names");
        }
        Ok(Self {
            secrets: asked.secrets,
        })
    }
}

/// The uid of a pod.
#[derive(Deserialize)]
pub(super) struct Identity {
    pub(super) metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) uid: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    secrets: BTreeMap<&'a str, Entry<'a>>,
    /// The CAs to trust from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Entry<'a> {
    Data(BTreeMap<&'a str, &'a str>),
    #[serde(rename_all = "camelCase")]
    Error {
        message: &'a str,
        is_missing: bool,
        retry_after_seconds: u64,
    },
}

/// The answer: values in base64, or why there are none.
pub(super) fn answer(outcomes: &[(&str, Outcome)], trust: Option<&str>) -> Vec<u8> {
    let encoded: Vec<Vec<(&str, Zeroizing<String>)>> = outcomes
        .iter()
        .map(|(_, outcome)| encoded(outcome))
        .collect();
    let entries = outcomes
        .iter()
        .zip(&encoded)
        .map(|((name, outcome), encoded)| {
            let entry = match outcome {
                Ok(_) => Entry::Data(encoded.iter().map(|(key, text)| (*key, &***text)).collect()),
                Err(unfetched) => Entry::Error {
                    message: &unfetched.message,
                    is_missing: unfetched.is_missing,
                    retry_after_seconds: unfetched.retry_after.unwrap_or_default().as_secs(),
                },
            };
            (*name, entry)
        });
    let answer = Answer {
        secrets: entries.collect(),
        trust,
    };
    serde_json::to_vec(&answer).expect("an answer must be JSON")
}

fn encoded(outcome: &Outcome) -> Vec<(&str, Zeroizing<String>)> {
    let values = outcome.iter().flat_map(SecretMap::iter);
    values
        .map(|(key, value)| (key, Zeroizing::new(STANDARD.encode(value.expose()))))
        .collect()
}

/// Why there is no answer.
pub(in super::super) fn refusal(why: &str) -> Vec<u8> {
    json!({ "error": why }).to_string().into_bytes()
}
