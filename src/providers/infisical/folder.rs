//! Folders of secrets. Pure.

use crate::model::remote::Find;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

/// Where a secret stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) folder: String,
    pub(super) name: String,
}

impl Place {
    /// Of a name in `root`, a path below `root`, or a path from `/`. `None` without a name.
    pub(super) fn parse(root: &str, key: &str) -> Option<Self> {
        let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
        let folder = match (key.starts_with('/'), folder.trim_matches('/')) {
            (true, folder) => format!("/{folder}"),
            (false, "") => root.to_owned(),
            (false, folder) => format!("{}/{folder}", root.trim_end_matches('/')),
        };
        (!name.is_empty()).then(|| Self {
            folder,
            name: name.to_owned(),
        })
    }
}

/// The secrets of a folder, and what it imports.
#[derive(Default)]
pub(super) struct Folder {
    /// In the order in which the last of one name counts.
    secrets: Vec<Secret>,
}

struct Secret {
    folder: String,
    name: String,
    value: SecretBytes,
}

impl Folder {
    /// Of the answer to a list: imports first, for own secrets go before them, and a later import goes
    /// before an earlier one.
    pub(super) fn parse(mut answer: Json, path: &str) -> Self {
        let mut secrets = Vec::new();
        let imports = answer.take("imports").map(Json::into_items);
        for mut import in imports.unwrap_or_default() {
            secrets.extend(parsed(&mut import, path));
        }
        secrets.extend(parsed(&mut answer, path));
        Self { secrets }
    }

    pub(super) fn value(&self, name: &str) -> Option<&SecretBytes> {
        let mut named = self.secrets.iter().rev();
        let found = named.find(|secret| secret.name == name);
        found.map(|secret| &secret.value)
    }

    /// What a search wants; of one name in two folders the later, as in ESO.
    pub(super) fn found(&self, find: &Find) -> SecretMap {
        let begin = find.path.as_deref().unwrap_or_default();
        let wanted = self.secrets.iter().filter(|secret| {
            let regex = find.name.as_ref();
            secret.folder.starts_with(begin) && regex.is_none_or(|it| it.is_match(&secret.name))
        });
        wanted
            .map(|secret| (secret.name.clone(), secret.value.duplicate()))
            .collect()
    }
}

/// The value in the answer to a read of one secret.
pub(super) fn value(mut answer: Json) -> Option<SecretBytes> {
    let secret = answer.take("secret")?;
    secret.member("secretValue").map(Json::to_content)
}

fn parsed(of: &mut Json, path: &str) -> Vec<Secret> {
    let items = of.take("secrets").map(Json::into_items);
    let items = items.unwrap_or_default();
    let secret = |json: &Json| {
        Some(Secret {
            folder: json.member_str("secretPath").unwrap_or(path).to_owned(),
            name: json.member_str("secretKey")?.to_owned(),
            value: json
                .member("secretValue")
                .map_or_else(|| SecretBytes::new(Vec::new()), Json::to_content),
        })
    };
    items.iter().filter_map(secret).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_name_a_path_below_the_scope_or_one_from_the_root() {
        let at = |root: &str, key: &str| {
            let place = Place::parse(root, key).unwrap();
            (place.folder, place.name)
        };
        let expected = |folder: &str, name: &str| (folder.to_owned(), name.to_owned());
        assert_eq!(at("/app", "A"), expected("/app", "A"));
        assert_eq!(at("/app", "db/A"), expected("/app/db", "A"));
        assert_eq!(at("/", "db/A"), expected("/db", "A"));
        assert_eq!(at("/app", "/A"), expected("/", "A"));
        assert_eq!(at("/app", "/x/y/A"), expected("/x/y", "A"));
        assert_eq!(Place::parse("/", "a/"), None);
    }

    #[test]
    fn own_secrets_go_before_imports() {
        let text = br#"{"secrets": [{"secretKey": "A", "secretValue": "own"}], "imports": [
            {"secrets": [{"secretKey": "A", "secretValue": "1"}, {"secretKey": "B", "secretValue": "1"}]},
            {"secrets": [{"secretKey": "B", "secretValue": "2"}]}]}"#;
        let folder = Folder::parse(Json::parse(text).unwrap(), "/");
        let value = |name| folder.value(name).and_then(SecretBytes::expose_str);
        assert_eq!(
            (value("A"), value("B"), value("C")),
            (Some("own"), Some("2"), None)
        );
    }
}
