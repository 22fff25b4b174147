//! The webhook's server, asked over HTTPS with the pod's token.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::json;

use super::{Answers, Server, Unserved};
use crate::http;
use crate::model::pod_injection::memory::SECRETS_PATH;
use crate::secret::{SecretBytes, SecretMap};

/// A server and how it is trusted.
pub struct Https {
    url: Url,
    token_file: PathBuf,
    trust: String,
    client: http::Client,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    secrets: BTreeMap<&'a str, Entry<'a>>,
    #[serde(default)]
    trust: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Entry<'a> {
    #[serde(borrow)]
    Data(BTreeMap<&'a str, &'a str>),
    #[serde(rename_all = "camelCase")]
    Error {
        message: String,
        is_missing: bool,
        retry_after_seconds: u64,
    },
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Https {
    /// Asks the server at `address`, which must show a certificate of a CA in `trust`, and shows the token
    /// in `token_file`, which is read each time.
    ///
    /// # Errors
    /// When the address or the CAs cannot be read.
    pub fn new(address: &str, token_file: PathBuf, trust: String) -> Result<Self, String> {
        let url = Url::parse(address).and_then(|url| url.join(SECRETS_PATH));
        let url = url.map_err(|error| format!("the server's address {address:?}: {error}"))?;
        if url.scheme() != "https" {
            return Err(format!("the server's address {address:?} must be https"));
        }
        Ok(Self {
            url,
            token_file,
            client: client(&trust)?,
            trust,
        })
    }

    /// Trusts other CAs from now on, if they can be read.
    fn follow(&mut self, trust: String) {
        if trust == self.trust {
            return;
        }
        match client(&trust) {
            Ok(client) => {
                tracing::info!("The server's CAs have changed");
                self.client = client;
                self.trust = trust;
            }
            Err(error) => tracing::warn!(error, "Failed to read the server's new CAs"),
        }
    }
}

fn client(trust: &str) -> Result<http::Client, String> {
    let options = http::Options {
        ca_bundle: Some(trust.as_bytes().to_vec()),
        trust_system: false,
        retries: 0,
        ..http::Options::default()
    };
    http::Client::new(&options).map_err(|error| error.to_string())
}

#[async_trait]
impl Server for Https {
    async fn ask(&mut self, names: &BTreeSet<&str>) -> Result<Answers, String> {
        let token = tokio::fs::read(&self.token_file).await;
        let token = token
            .map(SecretBytes::new)
            .map_err(|error| format!("failed to read {}: {error}", self.token_file.display()))?;
        let authorization = http::authorization("Bearer", &token)
            .ok_or_else(|| format!("{} holds no token", self.token_file.display()))?;
        let request = self
            .client
            .request(Method::POST, self.url.clone())
            .header(reqwest::header::AUTHORIZATION, authorization)
            .json(&json!({ "secrets": names }));
        let response = self.client.send(request).await;
        let response = response.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = http::read_body(response).await;
        let body = body.map_err(|error| error.to_string())?;
        if !status.is_success() {
            let refusal: Option<Refusal> = serde_json::from_slice(body.expose()).ok();
            let why = refusal.map_or_else(String::new, |refusal| format!(": {}", refusal.error));
            return Err(format!("the server answered {}{why}", status.as_u16()));
        }
        let answer: Answer<'_> = serde_json::from_slice(body.expose())
            .map_err(|_| "the server's answer cannot be read".to_owned())?;
        let answers = answer.secrets.into_iter();
        let answers = answers.map(|(name, entry)| (name.to_owned(), read(entry)));
        let answers = answers.collect();
        if let Some(trust) = answer.trust {
            self.follow(trust);
        }
        Ok(answers)
    }
}

fn read(entry: Entry<'_>) -> Result<SecretMap, Unserved> {
    match entry {
        Entry::Data(values) => {
            let decoded = values.into_iter().map(|(key, text)| {
                let value = STANDARD.decode(text).map_err(|_| Unserved {
                    message: format!("the value of key {key:?} is not base64"),
                    ..Unserved::default()
                })?;
                Ok((key.to_owned(), SecretBytes::new(value)))
            });
            decoded.collect()
        }
        Entry::Error {
            message,
            is_missing,
            retry_after_seconds,
        } => Err(Unserved {
            message,
            is_missing,
            retry_after: Duration::from_secs(retry_after_seconds),
        }),
    }
}
