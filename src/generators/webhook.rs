//! Values of any HTTP API; each request has connections and settings of its own.

use async_trait::async_trait;

use super::{Context, Error, Generator};
use crate::api::generators::WebhookSpec;
use crate::api::meta::CaProviderKind;
use crate::http;
use crate::providers::webhook::{self, Call};
use crate::providers::{Error as CallError, ErrorKind};
use crate::secret::{SecretBytes, SecretMap};

#[async_trait]
impl Generator for WebhookSpec {
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let filled = |text: &'_ Option<String>| text.clone().filter(|text| !text.is_empty());
        let (method, body, timeout) = (
            filled(&self.method),
            filled(&self.body),
            filled(&self.timeout),
        );
        let json_path = filled(&self.result.json_path);
        let call = Call {
            url: &self.url,
            method: method.as_deref(),
            headers: &self.headers,
            body: body.as_deref(),
            timeout: timeout.as_deref(),
            json_path: json_path.as_deref(),
            auth: self.auth.as_ref(),
        };
        let mut secrets = Vec::new();
        for secret in &self.secrets {
            let name = secret.secret_ref.name.as_deref();
            let (reader, namespace) = (&*context.secrets, &context.namespace);
            let data = webhook::read(reader, namespace, &secret.name, name).await;
            secrets.push((secret.name.clone(), data.map_err(failed)?));
        }
        let ca = ca(self, context).await?;
        let made = webhook::generate(
            &call,
            context.registry.webhooks(),
            ca,
            &secrets,
            context.now,
        )
        .await;
        made.map_err(failed)
    }
}

async fn ca(spec: &WebhookSpec, context: &Context) -> Result<Option<Vec<u8>>, Error> {
    let inline = spec.ca_bundle.as_deref().filter(|text| !text.is_empty());
    let (field, bundle) = match (inline, &spec.ca_provider) {
        (Some(text), _) => ("spec.caBundle", Some(SecretBytes::from(text))),
        (None, Some(ca)) => {
            let (namespace, name) = (&context.namespace, &ca.name);
            let key = ca.key.as_deref().unwrap_or("ca.crt");
            let found = match ca.kind {
                CaProviderKind::Secret => {
                    let data = context.secrets.read_secret(namespace, name).await;
                    data.map(|data| data.and_then(|mut data| data.remove(key)))
                }
                CaProviderKind::ConfigMap => {
                    let data = context.secrets.read_config_map(namespace, name).await;
                    let data = data.map(|data| data.and_then(|mut data| data.remove(key)));
                    data.map(|text| text.map(SecretBytes::from))
                }
            };
            let field = "spec.caProvider";
            let found = found.map_err(|error| Error::unavailable(format!("{field}: {error}")))?;
            (field, found)
        }
        (None, None) => return Ok(None),
    };
    let pem = bundle.and_then(|bundle| http::ca_pem(bundle.expose()));
    let pem = pem.ok_or_else(|| {
        Error::unavailable(format!("{field}: must be there and PEM, or base64 of PEM"))
    });
    pem.map(Some)
}

fn failed(error: CallError) -> Error {
    let is_lasting = matches!(error.kind, ErrorKind::Invalid | ErrorKind::Unsupported);
    let CallError {
        message,
        retry_after,
        ..
    } = error;
    let failed = if is_lasting {
        Error::invalid(message)
    } else {
        Error::unavailable(message)
    };
    Error {
        retry_after,
        ..failed
    }
}
