//! Google Cloud Secret Manager v1 over REST, as its discovery document describes it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Answer, Call, World, held};

/// Secrets by full name, and who may do what.
#[derive(Default)]
pub(crate) struct SecretManager {
    secrets: BTreeMap<String, Secret>,
    /// Principals that may do everything; others may do nothing.
    pub(crate) admins: Vec<String>,
    changes: u32,
}

#[derive(Clone)]
struct Secret {
    body: Value,
    /// Data in base64 and state, the oldest first.
    versions: Vec<(String, &'static str)>,
}

impl SecretManager {
    /// Makes a secret, if need be, and adds a version as somebody else would.
    pub(crate) fn put(&mut self, name: &str, value: &str, labels: &Value) {
        if !self.secrets.contains_key(name) {
            self.create(
                name,
                json!({"labels": labels, "replication": {"automatic": {}}}),
            );
        }
        let secret = self.secrets.get_mut(name).expect("the secret was made");
        secret.versions.push((STANDARD.encode(value), "ENABLED"));
    }

    /// Sets the state of a version, counted from 1.
    pub(crate) fn set_state(&mut self, name: &str, version: usize, state: &'static str) {
        let secret = self
            .secrets
            .get_mut(name)
            .expect("the secret must be there");
        secret.versions[version - 1].1 = state;
    }

    /// How many versions a secret has.
    pub(crate) fn versions(&self, name: &str) -> usize {
        self.secrets
            .get(name)
            .map_or(0, |secret| secret.versions.len())
    }

    /// A secret without its values, or null.
    pub(crate) fn secret(&self, name: &str) -> Value {
        self.secrets
            .get(name)
            .map(|secret| secret.body.clone())
            .unwrap_or_default()
    }

    fn create(&mut self, name: &str, mut body: Value) -> Value {
        body["name"] = name.into();
        body["createTime"] = "2026-01-01T00:00:00Z".into();
        body["etag"] = self.etag().into();
        let versions = Vec::new();
        let secret = Secret { body, versions };
        self.secrets.insert(name.to_owned(), secret.clone());
        secret.body
    }

    fn etag(&mut self) -> String {
        self.changes += 1;
        format!("\"{:x}\"", self.changes)
    }
}

/// Checks the token, then answers.
pub(crate) fn answer(world: &World, call: &Call) -> Answer {
    let bearer = call
        .header("authorization")
        .strip_prefix("Bearer ")
        .unwrap_or_default();
    let claims = match world.tokens.verified(bearer, (world.now)()) {
        Ok(claims) if claims["aud"] == "google" => claims,
        _ => {
            let told =
                "Request had invalid authentication credentials. Expected OAuth 2 access token.";
            return Answer::google(401, "UNAUTHENTICATED", told);
        }
    };
    let principal = claims["sub"].as_str().unwrap_or_default();
    let mut service = held(&world.secret_manager);
    if !service.admins.iter().any(|admin| admin == principal) {
        let told = format!("Permission 'secretmanager.versions.access' denied for {principal}.");
        return Answer::google(403, "PERMISSION_DENIED", &told);
    }
    let path = call.path.trim_start_matches("/v1/");
    let is_regional = call.host.contains(".rep.googleapis.com");
    if is_regional != path.contains("/locations/") {
        return Answer::google(
            400,
            "INVALID_ARGUMENT",
            "The location does not fit the endpoint.",
        );
    }
    route(&mut service, call, path)
}

fn route(service: &mut SecretManager, call: &Call, path: &str) -> Answer {
    if let Some(parent) = path.strip_suffix("/secrets") {
        return match call.method.as_str() {
            "GET" => list(service, call, parent),
            "POST" => {
                let name = format!("{path}/{}", call.asked("secretId"));
                if service.secrets.contains_key(&name) {
                    return Answer::google(409, "ALREADY_EXISTS", "Secret already exists.");
                }
                let body = call.json();
                if body["replication"].is_null() != path.contains("/locations/") {
                    return Answer::google(400, "INVALID_ARGUMENT", "replication");
                }
                Answer::ok(&service.create(&name, body))
            }
            _ => Answer::google(405, "UNIMPLEMENTED", "method"),
        };
    }
    let full = path.split("/versions").next().unwrap_or_default();
    let full = full.split(':').next().unwrap_or_default();
    let etag = service.etag();
    let Some(secret) = service.secrets.get_mut(full) else {
        return Answer::google(404, "NOT_FOUND", &format!("Secret [{full}] not found."));
    };
    let rest = &path[full.len()..];
    match (call.method.as_str(), rest) {
        ("GET", "") => Answer::ok(&secret.body),
        ("POST", ":addVersion") => add(secret, call, full),
        ("PATCH", "") => patch(secret, call, etag),
        ("DELETE", "") => {
            let sent = call.asked("etag");
            if !sent.is_empty() && secret.body["etag"] != sent {
                return Answer::google(409, "ABORTED", "The etag does not match.");
            }
            service.secrets.remove(full);
            Answer::ok(&json!({}))
        }
        ("GET", "/versions") => versions(secret, call, full),
        ("GET", rest) => access(secret, full, rest),
        _ => Answer::google(405, "UNIMPLEMENTED", "method"),
    }
}

fn list(service: &SecretManager, call: &Call, parent: &str) -> Answer {
    let filter = call.asked("filter");
    let begin = format!("{parent}/secrets/");
    let passes = |secret: &Secret| {
        let short = secret.body["name"].as_str().unwrap_or_default();
        let short = short.trim_start_matches(&begin);
        filter
            .split(" AND ")
            .filter(|term| !term.is_empty())
            .all(|term| {
                if let Some(part) = term.strip_prefix("name:") {
                    return short.contains(part);
                }
                let label = term
                    .strip_prefix("labels.")
                    .and_then(|term| term.split_once('='));
                label.is_some_and(|(label, value)| secret.body["labels"][label] == value)
            })
    };
    let of_parent = service
        .secrets
        .iter()
        .filter(|(name, _)| name.starts_with(&begin));
    let all: Vec<Value> = of_parent
        .filter(|(_, secret)| passes(secret))
        .map(|(_, secret)| secret.body.clone())
        .collect();
    let from: usize = call.asked("pageToken").parse().unwrap_or(0);
    let size = call.asked("pageSize").parse().unwrap_or(25_usize).min(20);
    let page: Vec<_> = all.iter().skip(from).take(size).cloned().collect();
    let next = from + page.len();
    let mut answer = json!({"secrets": page, "totalSize": all.len()});
    if next < all.len() {
        answer["nextPageToken"] = next.to_string().into();
    }
    Answer::ok(&answer)
}

fn add(secret: &mut Secret, call: &Call, full: &str) -> Answer {
    let data = call.json()["payload"]["data"].as_str().map(str::to_owned);
    let Some(data) = data.filter(|data| STANDARD.decode(data).is_ok()) else {
        return Answer::google(400, "INVALID_ARGUMENT", "payload.data");
    };
    secret.versions.push((data, "ENABLED"));
    Answer::ok(&shown(secret, full, secret.versions.len()))
}

fn shown(secret: &Secret, full: &str, number: usize) -> Value {
    let state = secret.versions[number - 1].1;
    json!({"name": format!("{full}/versions/{number}"), "state": state, "createTime": "2026-01-01T00:00:00Z", "etag": "\"1\""})
}

fn patch(secret: &mut Secret, call: &Call, etag: String) -> Answer {
    let body = call.json();
    if body["etag"].is_string() && body["etag"] != secret.body["etag"] {
        return Answer::google(409, "ABORTED", "The etag does not match.");
    }
    let mask = call.asked("updateMask");
    if mask.is_empty() {
        return Answer::google(400, "INVALID_ARGUMENT", "updateMask");
    }
    for field in mask.split(',') {
        secret.body[field] = body[field].clone();
    }
    secret.body["etag"] = etag.into();
    Answer::ok(&secret.body)
}

fn versions(secret: &Secret, call: &Call, full: &str) -> Answer {
    let state = call.asked("filter");
    let state = state.strip_prefix("state:").unwrap_or_default();
    let numbers = (1..=secret.versions.len()).rev();
    let wanted =
        numbers.filter(|number| state.is_empty() || secret.versions[number - 1].1 == state);
    let listed: Vec<_> = wanted.map(|number| shown(secret, full, number)).collect();
    Answer::ok(&json!({"versions": listed, "totalSize": listed.len()}))
}

fn access(secret: &Secret, full: &str, rest: &str) -> Answer {
    let version = rest
        .trim_start_matches("/versions/")
        .trim_end_matches(":access");
    let newest = secret.versions.len();
    let number = match version {
        "latest" => newest,
        version => version.parse().unwrap_or(0),
    };
    if number == 0 || number > newest {
        let told = format!("Secret Version [{full}/versions/{version}] not found.");
        return Answer::google(404, "NOT_FOUND", &told);
    }
    let (data, state) = &secret.versions[number - 1];
    if *state != "ENABLED" {
        let told = format!("Secret Version [{full}/versions/{number}] is in {state} state.");
        return Answer::google(400, "FAILED_PRECONDITION", &told);
    }
    Answer::ok(&json!({"name": format!("{full}/versions/{number}"), "payload": {"data": data}}))
}
