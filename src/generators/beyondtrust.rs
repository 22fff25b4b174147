//! Dynamic secrets of BeyondTrust Workload Credentials. Their leases end by themselves, as in ESO.

use std::net::IpAddr;

use async_trait::async_trait;
use reqwest::{Method, Url};

use super::call::{address, ca, header, member, request, send, text};
use super::{Context, Error, Generator, credential};
use crate::api::generators::BeyondtrustWorkloadCredentialsDynamicSecretSpec;
use crate::http;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

/// Header that names the version of the API, and the version that ESO 2.9.0 speaks.
const VERSION: (&str, &str) = ("bt-secrets-api-version", "2026-04-28");

/// Keys of a secret for AWS, which ESO knows alone.
const AWS: [&str; 4] = ["accessKeyId", "secretAccessKey", "leaseId", "expiration"];

/// Key that is left out when it is empty.
const SESSION: &str = "sessionToken";

#[async_trait]
impl Generator for BeyondtrustWorkloadCredentialsDynamicSecretSpec {
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let url = self.address()?;
        let provider = &self.provider;
        let field = "spec.provider.auth.apikey.token";
        let token = credential(context, field, &provider.auth.apikey.token).await?;
        let login = header("Bearer ", &token)?;
        let (bundle, named) = (provider.ca_bundle.as_deref(), provider.ca_provider.as_ref());
        let own = match ca(context, "spec.provider", bundle, named).await? {
            None => None,
            Some(pem) => Some(trusting(context, pem)?),
        };
        let http = match &own {
            Some(own) => own,
            None => context.registry.http().map_err(Error::from)?,
        };
        let action = "generate the dynamic secret of BeyondTrust";
        let asked = request(http, Method::POST, url)
            .header(VERSION.0, VERSION.1)
            .header("content-type", "application/json")
            .header("authorization", login);
        let answer = send(http, action, asked).await?.done()?;
        values(member(&answer, "secret")?)
    }

    fn class(&self) -> Option<&str> {
        self.controller.as_deref()
    }
}

impl BeyondtrustWorkloadCredentialsDynamicSecretSpec {
    /// Where the secret named by `folderPath` (`folder/…/name`) is made.
    fn address(&self) -> Result<Url, Error> {
        let provider = &self.provider;
        let path = provider.folder_path.as_deref().unwrap_or_default();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() {
            return Err(Error::invalid(format!(
                "spec.provider.folderPath: {path:?} must end with the name of a dynamic secret"
            )));
        }
        let site = &provider.server.site_id;
        if uuid::Uuid::try_parse(site).is_err() {
            return Err(Error::invalid(format!(
                "spec.provider.server.siteId: {site:?} must be a UUID"
            )));
        }
        let field = "spec.provider.server.apiUrl";
        let segments = [site, "secrets", "dynamic", name, "generate"];
        let named = Some(provider.server.api_url.as_str());
        let mut url = address(field, named, "", segments)?;
        // The token would be read by everybody on the way; a server on this machine has no way.
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err(Error::invalid(format!("{field}: must be https")));
        }
        if !folder.is_empty() {
            url.query_pairs_mut().append_pair("folder", folder);
        }
        Ok(url)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse()
        .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// A client that trusts no authorities but these.
fn trusting(context: &Context, pem: Vec<u8>) -> Result<http::Client, Error> {
    let options = http::Options {
        ca_bundle: Some(pem),
        trust_system: false,
        ..context.registry.options().http.clone()
    };
    http::Client::new(&options).map_err(|error| Error::invalid(error.to_string()))
}

/// The keys that ESO makes of a secret for AWS; of another one, where ESO makes empty values, every
/// member.
fn values(secret: &Json) -> Result<SecretMap, Error> {
    let Json::Object(members) = secret else {
        let message = "\"secret\" in the server's answer is no object";
        return Err(Error::unavailable(message));
    };
    if !members.contains_key(AWS[0]) {
        let values = members.iter();
        return Ok(values
            .map(|(key, value)| (key.clone(), value.duplicate().to_content()))
            .collect());
    }
    let mut made = SecretMap::new();
    for key in AWS {
        made.insert(key, SecretBytes::from(text(secret, key)?));
    }
    if let Ok(session) = text(secret, SESSION)
        && !session.is_empty()
    {
        made.insert(SESSION, SecretBytes::from(session));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SITE: &str = "5f0c3c1e-9d0b-4a3e-8f53-0a4c1f4c7a10";

    fn address(path: &str, url: &str, site: &str) -> Result<String, String> {
        let spec = json!({"provider": {
            "auth": {"apikey": {"token": {"name": "login", "key": "token"}}},
            "server": {"apiUrl": url, "siteId": site}, "folderPath": path,
        }});
        let spec: BeyondtrustWorkloadCredentialsDynamicSecretSpec =
            serde_json::from_value(spec).unwrap();
        let address = spec.address().map(String::from);
        address.map_err(|error| error.message)
    }

    #[test]
    fn a_path_is_a_folder_and_a_name() {
        let base = format!("https://bt.example/site/{SITE}/secrets/dynamic");
        let url = "https://bt.example/site/";
        assert_eq!(
            address("a/b c/deploy", url, SITE).unwrap(),
            format!("{base}/deploy/generate?folder=a%2Fb+c")
        );
        assert_eq!(
            address("deploy", url, SITE).unwrap(),
            format!("{base}/deploy/generate")
        );
    }

    #[test]
    fn what_cannot_work_is_told_by_its_field() {
        let url = "https://bt.example/site";
        for (told, expected) in [
            (address("a/", url, SITE), "spec.provider.folderPath"),
            (address("a", url, "one"), "spec.provider.server.siteId"),
            (
                address("a", "http://bt.example", SITE),
                "spec.provider.server.apiUrl: must be https",
            ),
        ] {
            let told = told.unwrap_err();
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
