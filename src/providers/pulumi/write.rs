//! Writing: one value of a definition, in place, and only the revision that was read.
//!
//! ESO replaces the definition by what an open gave, so that imports, functions, comments and encrypted
//! values are lost. Here the text is edited: what a push does not name stays byte for byte, ciphertext
//! included, and what is pushed is stored encrypted.

use super::failure::Failure;
use super::{PulumiClient, invalid, lookup};
use crate::esc::client::{Edit, PropertyPath};
use crate::model::push::{Push, Pushed, Target};
use crate::model::remote::RemoteRef;
use crate::providers::Error;
use crate::secret::SecretBytes;
use crate::secret::json::Json;

impl PulumiClient {
    /// Writes what is pushed, unless an open shows that it stands there.
    pub(super) async fn write(&self, push: &Push<'_>) -> Result<(), Error> {
        let path = path_of(push.target)?;
        let pushed = push.pushed().map_err(|error| invalid(error.to_string()))?;
        let expression = expression(&path, &pushed)?;
        let values = self.values(&RemoteRef::default()).await?;
        if let Some(value) = values.root().lookup(&path)
            && value.has_secret()
            && !value.has_unknown()
            && is_same(&value.to_json(), &pushed)
        {
            return Ok(());
        }
        self.change(&path, Edit::Set(&expression)).await
    }

    /// Removes what was pushed. Where it stands is known from the object's status alone: values of an
    /// environment carry no mark of who wrote them.
    pub(super) async fn remove(&self, target: &Target) -> Result<(), Error> {
        self.change(&path_of(target)?, Edit::Remove).await
    }

    /// Whether the environment has a value there, null apart.
    pub(super) async fn holds(&self, target: &Target) -> Result<bool, Error> {
        let path = path_of(target)?;
        let values = self.values(&RemoteRef::default()).await?;
        let value = values.root().lookup(&path);
        Ok(value.is_some_and(|value| value.has_unknown() || value.to_json() != Json::Null))
    }

    async fn change(&self, path: &PropertyPath, edit: Edit<'_>) -> Result<(), Error> {
        let name = &self.environment;
        let client = self.access.connect().await?;
        let edited = client.edit(name, path, edit).await;
        edited.map_err(|error| Failure::of_call(name, &error))?;
        self.sessions.forget(&self.place("")).await;
        Ok(())
    }
}

fn path_of(target: &Target) -> Result<PropertyPath, Error> {
    let path = lookup::path(&target.key)?;
    if path.0.is_empty() {
        return Err(invalid("remoteKey must name a value of the environment"));
    }
    Ok(match target.property.as_str() {
        "" => path,
        property => path.join(property),
    })
}

/// The YAML that stores what is pushed, each text of it encrypted.
fn expression(path: &PropertyPath, pushed: &Pushed<'_>) -> Result<SecretBytes, Error> {
    let secret = |value: &SecretBytes| {
        if value.expose_str().is_none() {
            let message = format!(
                "the value for {path} is not UTF-8; an environment holds text, so push it in base64 by a template"
            );
            return Err(invalid(message));
        }
        let text = Json::Text(value.duplicate());
        Ok(Json::Object([("fn::secret".to_owned(), text)].into()))
    };
    let expression = match pushed {
        Pushed::One(value) => secret(value)?,
        Pushed::Whole(values) => {
            let members = values.iter();
            let members = members.map(|(key, value)| Ok((key.to_owned(), secret(value)?)));
            Json::Object(members.collect::<Result<_, Error>>()?)
        }
    };
    // JSON is YAML, and its strings are quoted, so that no text is read as a number.
    Ok(expression.to_bytes())
}

fn is_same(present: &Json, pushed: &Pushed<'_>) -> bool {
    let is_text = |json: &Json, value: &SecretBytes| matches!(json, Json::Text(text) if text.expose() == value.expose());
    match (pushed, present) {
        (Pushed::One(value), json) => is_text(json, value),
        (Pushed::Whole(values), Json::Object(members)) => {
            values.len() == members.len()
                && members
                    .iter()
                    .all(|(key, json)| values.get(key).is_some_and(|value| is_text(json, value)))
        }
        (Pushed::Whole(_), _) => false,
    }
}
