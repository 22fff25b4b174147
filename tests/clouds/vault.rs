//! Azure Key Vault's data plane: secrets with versions, certificates and keys.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::{Answer, Call, World, entra, held};

/// Audience of tokens that vaults accept.
pub(crate) const RESOURCE: &str = "https://vault.azure.net";

/// Entries of a page of a listing.
const PAGE: usize = 25;

/// Objects by kind (`secrets`, `certificates`, `keys`) and name, the newest version last.
#[derive(Default)]
pub(crate) struct Vault {
    objects: BTreeMap<(String, String), Vec<Value>>,
    /// Clients that may do nothing.
    pub(crate) closed_to: Vec<String>,
    made: u32,
}

impl Vault {
    /// Puts a secret there as somebody else would.
    pub(crate) fn put(&mut self, name: &str, value: &str, tags: &Value) -> String {
        self.add(
            "secrets",
            name,
            json!({"value": value, "tags": tags}),
            1_000_000,
        )
    }

    fn add(&mut self, kind: &str, name: &str, mut object: Value, now: u64) -> String {
        self.made += 1;
        let version = format!("{:032x}", self.made);
        let mut attributes = object["attributes"].take();
        if !attributes.is_object() {
            attributes = json!({});
        }
        for (field, value) in [("created", now), ("updated", now)] {
            attributes[field] = value.into();
        }
        if attributes.get("enabled").is_none() {
            attributes["enabled"] = true.into();
        }
        attributes["recoveryLevel"] = "Recoverable+Purgeable".into();
        object["attributes"] = attributes;
        object["version"] = version.clone().into();
        if object["tags"].is_null() {
            object["tags"] = json!({});
        }
        let key = (kind.to_owned(), name.to_owned());
        self.objects.entry(key).or_default().push(object);
        version
    }

    /// How many versions an object has.
    pub(crate) fn versions(&self, kind: &str, name: &str) -> usize {
        let key = (kind.to_owned(), name.to_owned());
        self.objects.get(&key).map_or(0, Vec::len)
    }

    /// The newest version of an object, or null.
    pub(crate) fn newest(&self, kind: &str, name: &str) -> Value {
        let key = (kind.to_owned(), name.to_owned());
        let versions = self.objects.get(&key);
        versions
            .and_then(|all| all.last())
            .cloned()
            .unwrap_or_default()
    }
}

/// Checks the token as the service does, then answers.
pub(crate) fn answer(world: &World, call: &Call) -> Answer {
    let token = call
        .header("authorization")
        .strip_prefix("Bearer ")
        .unwrap_or_default();
    let challenge = format!(
        "Bearer authorization=\"https://login.microsoftonline.com/{}\", resource=\"{RESOURCE}\"",
        entra::TENANT
    );
    let wrong = |why: &str| {
        let told = format!("AKV10032: the token is not accepted: {why}");
        Answer::error(401, "Unauthorized", &told).with("www-authenticate", &challenge)
    };
    let claims = match world.tokens.verified(token, (world.now)()) {
        Ok(claims) => claims,
        Err(why) => return wrong(why),
    };
    if claims["aud"] != RESOURCE {
        return wrong("audience");
    }
    if claims["tid"] != entra::TENANT {
        return wrong("tenant");
    }
    let client = claims["appid"].as_str().unwrap_or_default();
    if held(&world.vault)
        .closed_to
        .iter()
        .any(|closed| closed == client)
    {
        let told = "Caller is not authorized to perform action on resource.";
        return Answer::error(403, "Forbidden", told);
    }
    if call.asked("api-version").is_empty() {
        return Answer::error(400, "BadParameter", "api-version must be specified");
    }
    let (base, now) = (format!("https://{}", call.host), (world.now)());
    let mut vault = held(&world.vault);
    match (call.method.as_str(), call.parts().as_slice()) {
        ("GET", ["secrets"]) => list(&vault, call, &base),
        ("GET", [kind, name]) => read(&vault, &base, kind, name, ""),
        ("GET", [kind, name, version]) => read(&vault, &base, kind, name, version),
        ("PUT", [kind @ ("secrets" | "keys"), name]) => {
            put(&mut vault, call, &base, (kind, name), now)
        }
        ("POST", ["certificates", name, "import"]) => import(&mut vault, call, &base, name, now),
        ("DELETE", [kind, name]) => {
            let answer = read(&vault, &base, kind, name, "");
            vault
                .objects
                .remove(&((*kind).to_owned(), (*name).to_owned()));
            answer
        }
        _ => Answer::error(405, "MethodNotAllowed", "no such operation"),
    }
}

fn put(vault: &mut Vault, call: &Call, base: &str, (kind, name): (&str, &str), now: u64) -> Answer {
    let mut object = call.json();
    if kind == "keys" {
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            if let Some(key) = object["key"].as_object_mut() {
                key.remove(private);
            }
        }
    } else if !object["value"].is_string() {
        return Answer::error(400, "BadParameter", "value must be specified");
    }
    let version = vault.add(kind, name, object, now);
    read(vault, base, kind, name, &version)
}

fn import(vault: &mut Vault, call: &Call, base: &str, name: &str, now: u64) -> Answer {
    let mut object = call.json();
    let value = object["value"].take();
    let value = value.as_str().unwrap_or_default();
    let kind = object["policy"]["secret_props"]["contentType"].clone();
    let leaf = match kind.as_str() {
        Some("application/x-pem-file") => CertificateDer::from_pem_slice(value.as_bytes())
            .ok()
            .map(|der| der.to_vec()),
        _ => STANDARD.decode(value).ok().and_then(|archive| {
            let opened = p12_keystore::Pkcs12Archive::from_pkcs12(&archive, "").ok()?;
            Some(opened.certs.first()?.cert.as_der().to_vec())
        }),
    };
    let Some(leaf) = leaf else {
        return Answer::error(400, "BadParameter", "the certificate cannot be read");
    };
    object["cer"] = STANDARD.encode(leaf).into();
    let version = vault.add("certificates", name, object, now);
    read(vault, base, "certificates", name, &version)
}

fn read(vault: &Vault, base: &str, kind: &str, name: &str, version: &str) -> Answer {
    let key = (kind.to_owned(), name.to_owned());
    let versions = vault
        .objects
        .get(&key)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let found = versions
        .iter()
        .rev()
        .find(|one| version.is_empty() || one["version"] == version);
    let (code, word) = match kind {
        "secrets" => ("SecretNotFound", "A secret"),
        "keys" => ("KeyNotFound", "A key"),
        _ => ("CertificateNotFound", "A certificate"),
    };
    let Some(object) = found else {
        let told = format!("{word} with (name/id) {name} was not found in this key vault.");
        return Answer::error(404, code, &told);
    };
    if object["attributes"]["enabled"] == false {
        let told = "Operation get is not allowed on a disabled secret.";
        return Answer::error(403, "Forbidden", told);
    }
    let mut object = object.clone();
    let id = format!(
        "{base}/{kind}/{name}/{}",
        object["version"].as_str().unwrap_or_default()
    );
    if kind == "keys" {
        object["key"]["kid"] = id.into();
    } else {
        object["id"] = id.into();
    }
    Answer::ok(&object)
}

fn list(vault: &Vault, call: &Call, base: &str) -> Answer {
    let from: usize = call.asked("$skiptoken").parse().unwrap_or(0);
    let secrets = vault
        .objects
        .iter()
        .filter(|((kind, _), _)| kind == "secrets");
    let all: Vec<Value> = secrets
        .filter_map(|((_, name), versions)| {
            let newest = versions.last()?;
            Some(json!({"id": format!("{base}/secrets/{name}"), "attributes": newest["attributes"], "tags": newest["tags"]}))
        })
        .collect();
    let page: Vec<_> = all.iter().skip(from).take(PAGE).cloned().collect();
    let next = from + page.len();
    let more = (next < all.len()).then(|| {
        let version = call.asked("api-version");
        format!("{base}/secrets?api-version={version}&$skiptoken={next}")
    });
    Answer::ok(&json!({"value": page, "nextLink": more}))
}
