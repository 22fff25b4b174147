//! Where a key of an object stands at the server (eso.md §7.3). Pure.

/// Rules of one KV engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paths {
    mount: Option<String>,
    has_versions: bool,
}

/// A key that names no secret; the text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Error(String);

impl Paths {
    pub(super) fn new(mount: Option<&str>, has_versions: bool) -> Result<Self, Error> {
        let mount = mount.map(|mount| mount.trim_matches('/'));
        let mount = mount.filter(|mount| !mount.is_empty());
        Ok(Self {
            mount: mount.map(checked).transpose()?,
            has_versions,
        })
    }

    pub(super) fn has_versions(&self) -> bool {
        self.has_versions
    }

    /// Path of a secret's values.
    pub(super) fn data(&self, key: &str) -> Result<String, Error> {
        let key = checked(key.trim_start_matches('/'))?;
        match (&self.mount, self.has_versions) {
            (Some(mount), true) => Ok(format!("{mount}/data/{}", rest(mount, &key, "data/"))),
            (Some(mount), false) => Ok(format!("{mount}/{}", rest(mount, &key, ""))),
            (None, false) => Ok(key),
            (None, true) if key.contains("/data/") => Ok(key),
            (None, true) => {
                let (mount, name) = key.split_once('/').ok_or_else(|| {
                    Error(format!(
                        "key {key:?} names no mount; set path in the store or write <mount>/<name>"
                    ))
                })?;
                Ok(format!("{mount}/data/{name}"))
            }
        }
    }

    /// Path of a secret's metadata; engines without versions have none.
    pub(super) fn metadata(&self, key: &str) -> Result<String, Error> {
        let data = self.data(key)?;
        let mount = self.mount.as_deref().unwrap_or_default();
        let (before, after) = data.split_at(mount.len());
        Ok(before.to_owned() + &after.replacen("/data/", "/metadata/", 1))
    }

    /// Path by which a folder is listed; the mount itself is the empty folder.
    pub(super) fn names(&self, folder: &str) -> String {
        let mount = self.mount.as_deref().unwrap_or_default();
        let kind = if self.has_versions { "/metadata" } else { "" };
        let folder = folder.trim_matches('/');
        let path = match folder {
            "" => format!("{mount}{kind}"),
            _ => format!("{mount}{kind}/{folder}"),
        };
        path.trim_start_matches('/').to_owned()
    }

    /// The rules and the folder of a search below `path`; without a mount in the store its first part
    /// names one.
    pub(super) fn search(&self, path: Option<&str>) -> Result<(Self, String), Error> {
        let path = path.unwrap_or_default().trim_matches('/');
        let path = if path.is_empty() {
            String::new()
        } else {
            checked(path)?
        };
        if self.mount.is_some() {
            return Ok((self.clone(), path));
        }
        if path.is_empty() {
            let why =
                "find without path: set path in the store or find.path, so that a mount is named";
            return Err(Error(why.to_owned()));
        }
        let marked = path
            .split_once("/data/")
            .or_else(|| path.split_once("/metadata/"));
        let marked = marked.filter(|_| self.has_versions);
        let (mount, folder) = marked
            .or_else(|| path.split_once('/'))
            .unwrap_or((&path, ""));
        Ok((
            Self::new(Some(mount), self.has_versions)?,
            folder.to_owned(),
        ))
    }
}

/// What follows the mount and the engine's own word, which a key may repeat.
fn rest<'a>(mount: &str, key: &'a str, word: &str) -> &'a str {
    let own = key.strip_prefix(mount);
    let own = own.and_then(|rest| rest.strip_prefix('/')).unwrap_or(key);
    own.strip_prefix(word).unwrap_or(own)
}

/// A name must not step out of the place where it stands.
fn checked(path: &str) -> Result<String, Error> {
    let is_name = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control)
    };
    if path.split('/').all(is_name) {
        Ok(path.to_owned())
    } else {
        Err(Error(format!(
            "{path:?} is no path: each part between slashes must be a name"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(mount: Option<&str>, has_versions: bool) -> Paths {
        Paths::new(mount, has_versions).unwrap()
    }

    #[test]
    fn keys_lead_to_values_as_in_eso() {
        for (mount, has_versions, key, data) in [
            (Some("secret"), true, "app/db", "secret/data/app/db"),
            (Some("/secret/"), true, "/app/db", "secret/data/app/db"),
            (Some("secret"), true, "secret/app", "secret/data/app"),
            (Some("secret"), true, "secret/data/app", "secret/data/app"),
            (Some("secret"), true, "data/app", "secret/data/app"),
            (
                Some("secret"),
                true,
                "secrets/app",
                "secret/data/secrets/app",
            ),
            (Some("a/b"), true, "c", "a/b/data/c"),
            (None, true, "secret/app/db", "secret/data/app/db"),
            (None, true, "a/b/data/c", "a/b/data/c"),
            (Some("kv"), false, "app", "kv/app"),
            (Some("kv"), false, "kv/app", "kv/app"),
            (None, false, "kv/app", "kv/app"),
        ] {
            let found = paths(mount, has_versions).data(key);
            assert_eq!(found.as_deref(), Ok(data), "{mount:?} {key}");
        }
        assert!(paths(None, true).data("app").is_err());
    }

    #[test]
    fn a_key_cannot_step_out_of_its_mount() {
        for key in ["../sys/mounts", "a/../../b", "a//b", "a/", "", ".", "a\nb"] {
            assert!(paths(Some("kv"), true).data(key).is_err(), "{key:?}");
        }
        assert!(Paths::new(Some("kv/../sys"), true).is_err());
    }

    #[test]
    fn metadata_and_names_stand_beside_the_values() {
        let kv = paths(Some("data/data"), true);
        assert_eq!(kv.metadata("x").unwrap(), "data/data/metadata/x");
        assert_eq!(kv.names("x/"), "data/data/metadata/x");
        assert_eq!(paths(Some("kv"), false).names(""), "kv");
        let (found, folder) = paths(None, true).search(Some("a/b/data/c/d")).unwrap();
        assert_eq!(
            (found.names(&folder), folder),
            ("a/b/metadata/c/d".to_owned(), "c/d".to_owned())
        );
        let (found, folder) = paths(None, false).search(Some("kv")).unwrap();
        assert_eq!(
            (found.names(&folder), found.data("x").unwrap()),
            ("kv".to_owned(), "kv/x".to_owned())
        );
        assert!(paths(None, true).search(None).is_err());
    }
}
