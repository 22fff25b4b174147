//! Writing a field of an item.

use reqwest::Method;
use serde::Deserialize;

use super::item::{self, DEFAULT_FIELD, Left};
use super::{API, ConnectClient, Fetched, What};
use crate::model::push::{Push, Target};
use crate::providers::Error;

/// What the object may say of an item that is made.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Settings {
    vault: Option<String>,
    tags: Vec<String>,
}

fn label(target: &Target) -> &str {
    match target.property.as_str() {
        "" => DEFAULT_FIELD,
        property => property.strip_prefix("field/").unwrap_or(property),
    }
}

impl ConnectClient {
    /// Sets a field, making the item in the first vault where there is none.
    pub(super) async fn write(&self, push: &Push<'_>) -> Result<(), Error> {
        let content = push.content();
        let content = content.map_err(|error| API.invalid(error.to_string()))?;
        let title = &push.target.key;
        if content.expose_str().is_none() {
            let message =
                format!("{title:?}: the value is not text; encode it, for example base64");
            return Err(API.invalid(message));
        }
        let action = format!("write item {title:?}");
        let label = label(push.target);
        if let Some((vault, id)) = self.located(title).await? {
            let fetched = self.item(&vault, &id).await?;
            let Fetched::Item(item) = fetched.as_ref() else {
                return Ok(());
            };
            let Some(wanted) = item.with_field(label, &content) else {
                return Ok(());
            };
            let url = self.path([vault.as_str(), "items", &id]);
            self.call(&action, Method::PUT, url, Some(&wanted)).await?;
            self.forget(&vault, Some(&id)).await;
            return Ok(());
        }
        let settings = settings(push.metadata)?;
        let vaults = self.vaults().await?;
        let vault = match &settings.vault {
            Some(name) => self.vault_called(name, &vaults).await?,
            None => vaults.into_iter().next().unwrap_or_default(),
        };
        let wanted = item::new(&vault, title, &settings.tags, label, &content);
        let url = self.path([vault.as_str(), "items"]);
        self.call(&action, Method::POST, url, Some(&wanted)).await?;
        self.forget(&vault, None).await;
        Ok(())
    }

    /// Takes a field away, and the item with its last.
    pub(super) async fn remove(&self, target: &Target) -> Result<(), Error> {
        let Some((vault, id)) = self.located(&target.key).await? else {
            return Ok(());
        };
        let fetched = self.item(&vault, &id).await?;
        let Fetched::Item(item) = fetched.as_ref() else {
            return Ok(());
        };
        let left = item.without_field(label(target));
        let action = format!("delete from item {:?}", target.key);
        let url = self.path([vault.as_str(), "items", &id]);
        match left {
            Left::All => return Ok(()),
            Left::Item(left) => self.call(&action, Method::PUT, url, Some(&left)).await?,
            Left::Nothing => self.call(&action, Method::DELETE, url, None).await?,
        }
        self.forget(&vault, Some(&id)).await;
        Ok(())
    }

    async fn forget(&self, vault: &str, item: Option<&str>) {
        let entries = What::Entries(vault.to_owned());
        self.service.forget(&self.identity, entries).await;
        if let Some(item) = item {
            let item = What::Item(vault.to_owned(), item.to_owned());
            self.service.forget(&self.identity, item).await;
        }
    }

    /// One of the store's vaults by name or id.
    async fn vault_called(&self, name: &str, vaults: &[String]) -> Result<String, Error> {
        let fetched = self.fetched(What::Vaults).await?;
        let Fetched::Vaults(known) = fetched.as_ref() else {
            return Err(API.invalid("metadata.spec.vault: no vaults"));
        };
        let mut known = known.iter();
        let found = known
            .find(|vault| vaults.contains(&vault.id) && (vault.name == name || vault.id == name));
        found.map(|vault| vault.id.clone()).ok_or_else(|| {
            let message = format!("metadata.spec.vault: the store does not name vault {name:?}");
            API.invalid(message)
        })
    }
}

fn settings(metadata: Option<&serde_json::Value>) -> Result<Settings, Error> {
    let Some(spec) = metadata.and_then(|metadata| metadata.get("spec")) else {
        return Ok(Settings::default());
    };
    Settings::deserialize(spec).map_err(|error| {
        API.invalid(format!(
            "metadata.spec: {error}; only vault and tags are served"
        ))
    })
}
