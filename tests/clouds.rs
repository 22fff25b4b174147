//! Doubles of Azure's and Google's services on loopback: what they check, they check for real.
//!
//! Tokens are signed JWTs whose issuer, audience, tenant and end are looked at by whoever receives them.
//! The vendors' own Python clients run against these doubles in `tests/python`.

#![allow(
    dead_code,
    reason = "two crates include this module and each uses a part of it"
)]

#[path = "clouds/entra.rs"]
pub(crate) mod entra;
#[path = "clouds/google.rs"]
pub(crate) mod google;
#[path = "clouds/secret_manager.rs"]
pub(crate) mod secret_manager;
#[path = "clouds/serve.rs"]
pub(crate) mod serve;
#[path = "clouds/tokens.rs"]
pub(crate) mod tokens;
#[path = "clouds/vault.rs"]
pub(crate) mod vault;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

/// Seconds since 1970.
pub(crate) type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// One call that a double answered.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether it came over TLS.
    pub(crate) is_secure: bool,
}

impl Call {
    /// The fields of a form.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        pairs(&self.body)
    }

    /// One field of a form; empty without.
    pub(crate) fn field(&self, name: &str) -> String {
        let found = self.form().into_iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value).unwrap_or_default()
    }

    /// One part of the query; empty without.
    pub(crate) fn asked(&self, name: &str) -> String {
        let found = pairs(self.query.as_bytes()).into_iter();
        let mut found = found.filter(|(field, _)| field == name);
        found.next().map(|(_, value)| value).unwrap_or_default()
    }

    /// The body as JSON, or null.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header as text; empty without.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    fn parts(&self) -> Vec<&str> {
        self.path
            .split('/')
            .filter(|part| !part.is_empty())
            .collect()
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    let mut url = reqwest::Url::parse("http://x/").expect("the address must be one");
    url.set_query(Some(&String::from_utf8_lossy(text)));
    url.query_pairs().into_owned().collect()
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        let body = body.to_string();
        Self {
            status,
            headers,
            body,
        }
    }

    pub(crate) fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    /// Plain text.
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/plain".to_owned())],
            body: body.to_owned(),
        }
    }

    /// An error as Google's APIs spell it.
    pub(crate) fn google(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"code": status, "status": code, "message": message});
        Self::json(status, &json!({"error": error}))
    }

    /// An error as Azure's data planes spell it.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(
            status,
            &json!({"error": {"code": code, "message": message}}),
        )
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn into_response(self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let response = response.body(Body::from(self.body));
        response.expect("a double must answer legally")
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Another answer.
    Answer(Answer),
    /// No answer for a long time.
    Silence,
    /// The connection ends without an answer.
    Reset,
    /// The answer ends in the middle.
    Cut,
}

struct Rule {
    path: String,
    left: usize,
    fault: Fault,
}

/// Every service, with what it holds.
pub(crate) struct World {
    pub(crate) now: Now,
    pub(crate) tokens: tokens::Issuer,
    pub(crate) entra: Mutex<entra::Directory>,
    pub(crate) vault: Mutex<vault::Vault>,
    pub(crate) accounts: Mutex<google::Accounts>,
    pub(crate) secret_manager: Mutex<secret_manager::SecretManager>,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Vec<Rule>>,
}

impl World {
    pub(crate) fn new(now: Now) -> Arc<Self> {
        Arc::new(Self {
            tokens: tokens::Issuer::shared(),
            entra: Mutex::default(),
            vault: Mutex::default(),
            accounts: Mutex::default(),
            secret_manager: Mutex::default(),
            calls: Mutex::default(),
            faults: Mutex::default(),
            now,
        })
    }

    /// Lets the next `times` calls of paths that begin so go wrong.
    pub(crate) fn fail(&self, path: &str, times: usize, fault: Fault) {
        held(&self.faults).push(Rule {
            path: path.to_owned(),
            left: times,
            fault,
        });
    }

    /// Lets everything go right again.
    pub(crate) fn mend(&self) {
        held(&self.faults).clear();
    }

    /// The calls of paths that begin so.
    pub(crate) fn calls(&self, path: &str) -> Vec<Call> {
        let calls = held(&self.calls);
        let calls = calls.iter().filter(|call| call.path.starts_with(path));
        calls.cloned().collect()
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let mut faults = held(&self.faults);
        let rule = faults
            .iter_mut()
            .find(|rule| rule.left > 0 && path.starts_with(&rule.path))?;
        rule.left -= 1;
        Some(rule.fault.clone())
    }

    /// Answers one call, or ends its connection.
    pub(crate) async fn answer(&self, call: Call) -> std::io::Result<Response<Body>> {
        held(&self.calls).push(call.clone());
        let gone = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        match self.fault(&call.path) {
            Some(Fault::Answer(answer)) => return Ok(answer.into_response()),
            Some(Fault::Silence) => tokio::time::sleep(Duration::from_mins(1)).await,
            Some(Fault::Reset) => return Err(gone()),
            Some(Fault::Cut) => {
                let parts = [Ok(Bytes::from_static(b"{\"value\":\"hunt")), Err(gone())];
                let body = Body::from_stream(futures::stream::iter(parts));
                let response = Response::builder().status(StatusCode::OK);
                let response = response.header("content-length", "100").body(body);
                return Ok(response.expect("a double must answer"));
            }
            None => {}
        }
        Ok(self.route(&call).into_response())
    }

    fn route(&self, call: &Call) -> Answer {
        match call.parts().as_slice() {
            ["secrets" | "keys" | "certificates", ..] => vault::answer(self, call),
            ["metadata", "identity", "oauth2", "token"] | ["msi", "token"] => {
                entra::managed(self, call)
            }
            [tenant, "oauth2", "v2.0", "token"] => entra::token(self, call, tenant),
            [tenant, "v2.0", ".well-known", "openid-configuration"] => {
                entra::discovery(call, tenant)
            }
            ["oauth2", endpoint @ ("exchange" | "token")] => entra::registry(self, call, endpoint),
            ["token"] => google::token(self, call),
            ["v1", "token"] => google::exchange(self, call, false),
            ["v1", "identitybindingtoken"] => google::exchange(self, call, true),
            ["v1", "projects", "-", "serviceAccounts", account] => {
                match account.strip_suffix(":signJwt") {
                    Some(email) => google::signature(self, call, email),
                    None => {
                        let email = account.trim_end_matches(":generateAccessToken");
                        google::impersonation(self, call, email)
                    }
                }
            }
            ["computeMetadata", "v1", path @ ..] => google::metadata(self, call, path),
            ["v1", "projects", ..] => secret_manager::answer(self, call),
            _ => Answer::json(404, &json!({"what": "no such service"})),
        }
    }
}

/// What a lock holds, whatever became of who held it before.
pub(crate) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
