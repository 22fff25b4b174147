//! What a key names. Pure.

/// Longest name of an object.
const MAX_NAME: usize = 127;

/// A kind of object in a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Secret,
    Certificate,
    Key,
}

impl Kind {
    /// The kind's part of a path.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Certificate => "certificates",
            Self::Key => "keys",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Certificate => "certificate",
            Self::Key => "key",
        }
    }
}

/// An object of a vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) kind: Kind,
    pub(super) name: String,
}

impl Name {
    pub(super) fn secret(name: &str) -> Self {
        Self {
            kind: Kind::Secret,
            name: name.to_owned(),
        }
    }

    /// Reads `NAME`, `secret/NAME`, `cert/NAME` or `key/NAME`; else tells what is wrong.
    pub(super) fn parse(key: &str) -> Result<Self, String> {
        let (kind, name) = key.split_once('/').unwrap_or(("secret", key));
        let kind = match kind {
            "secret" => Kind::Secret,
            "cert" => Kind::Certificate,
            "key" => Kind::Key,
            _ => {
                return Err(format!("key {key:?}: {kind:?} is not secret, cert or key"));
            }
        };
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_part) {
            return Err(format!(
                "key {key:?}: a name has 1 to {MAX_NAME} letters, digits and hyphens"
            ));
        }
        let name = name.to_owned();
        Ok(Self { kind, name })
    }

    /// For messages.
    pub(super) fn shown(&self) -> String {
        format!("{} {:?}", self.kind.word(), self.name)
    }
}

/// A version, which is part of a path; else tells what is wrong.
pub(super) fn version(version: &str) -> Result<&str, String> {
    if version.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(version);
    }
    Err(format!("version {version:?} has only letters and digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_a_kind_and_nothing_outside_of_it() {
        let parsed = |key| Name::parse(key).map(|name| (name.kind, name.name));
        assert_eq!(parsed("db-1"), Ok((Kind::Secret, "db-1".to_owned())));
        assert_eq!(parsed("secret/db"), Ok((Kind::Secret, "db".to_owned())));
        assert_eq!(
            parsed("cert/web"),
            Ok((Kind::Certificate, "web".to_owned()))
        );
        assert_eq!(parsed("key/sign"), Ok((Kind::Key, "sign".to_owned())));
        for wrong in ["", "cert/", "a/b", "key/../x", "a_b", "a?b", "key/a/b"] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
        assert!(version("0123abcd").is_ok() && version("").is_ok());
        assert!(version("../x").is_err());
    }
}
