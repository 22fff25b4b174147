//! Dynamic secrets of Vault. Their leases end by themselves; nothing renews or revokes them, as in ESO, so
//! that pods which hold replaced values keep them until then.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Context, Error, Generator};
use crate::api::generators::{VaultDynamicSecretResult, VaultDynamicSecretSpec};
use crate::providers::VaultCall;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

#[async_trait]
impl Generator for VaultDynamicSecretSpec {
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let query = self.get_parameters.iter();
        let query = query.flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        let call = VaultCall {
            method: self.method.clone().unwrap_or_default(),
            path: self.path.clone(),
            query: query
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            body: self
                .parameters
                .as_ref()
                .map(|parameters| SecretBytes::from(parameters.to_string())),
        };
        let secrets = Arc::clone(&context.secrets);
        let registry = &context.registry;
        let answer = registry.call_vault(&context.namespace, secrets, &self.provider, call);
        let answer = answer.await.map_err(Error::from)?;
        self.values(answer)
    }

    fn class(&self) -> Option<&str> {
        self.controller.as_deref()
    }
}

impl VaultDynamicSecretSpec {
    fn values(&self, answer: Json) -> Result<SecretMap, Error> {
        let member = match self.result_type {
            None | Some(VaultDynamicSecretResult::Data) => "data",
            Some(VaultDynamicSecretResult::Auth) => "auth",
            Some(VaultDynamicSecretResult::Raw) => "",
        };
        let part = match (answer, member) {
            (answer, "") => Some(answer),
            (Json::Object(mut members), member) => members.remove(member),
            _ => None,
        };
        match part {
            Some(Json::Object(members)) => Ok(members
                .into_iter()
                .map(|(key, json)| (key, json.to_content()))
                .collect()),
            None | Some(Json::Null) if self.allow_empty_response == Some(true) => {
                Ok(SecretMap::new())
            }
            _ => Err(Error::unavailable(format!(
                "the answer at {:?} has no object {member:?}; see resultType and allowEmptyResponse",
                self.path
            ))),
        }
    }
}
