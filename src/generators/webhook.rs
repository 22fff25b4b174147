//! Values of any HTTP API; each request has connections and settings of its own.

use async_trait::async_trait;

use super::call::ca;
use super::{Context, Error, Generator};
use crate::api::generators::WebhookSpec;
use crate::providers::webhook::{self, Call};
use crate::providers::{Error as CallError, ErrorKind};
use crate::secret::SecretMap;

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
        let (bundle, named) = (self.ca_bundle.as_deref(), self.ca_provider.as_ref());
        let ca = ca(context, "spec", bundle, named).await?;
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
