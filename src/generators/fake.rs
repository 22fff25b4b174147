//! Fixed values.

use async_trait::async_trait;

use super::{Context, Error, Generator};
use crate::api::generators::FakeSpec;
use crate::secret::{SecretBytes, SecretMap};

#[async_trait]
impl Generator for FakeSpec {
    async fn generate(&self, _: &Context) -> Result<SecretMap, Error> {
        let values = self.data.iter();
        Ok(values
            .map(|(key, value)| (key.clone(), SecretBytes::from(value.as_str())))
            .collect())
    }

    fn class(&self) -> Option<&str> {
        self.controller.as_deref()
    }
}
