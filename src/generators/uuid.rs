//! Random UUIDs of version 4.

use async_trait::async_trait;

use super::{Context, Error, Generator};
use crate::api::generators::UuidSpec;
use crate::secret::{SecretBytes, SecretMap};

#[async_trait]
impl Generator for UuidSpec {
    async fn generate(&self, _: &Context) -> Result<SecretMap, Error> {
        let uuid = ::uuid::Uuid::new_v4().to_string();
        Ok([("uuid".to_owned(), SecretBytes::from(uuid))]
            .into_iter()
            .collect())
    }
}
