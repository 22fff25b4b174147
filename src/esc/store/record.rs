//! Records as they are stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::esc::client::EnvironmentName;

/// A wrapped data key.
#[derive(Serialize, Deserialize)]
pub(super) struct DataKey {
    pub(super) id: u32,
    /// Base64.
    pub(super) wrapped: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Organization {
    pub(super) name: String,
    pub(super) created: Timestamp,
}

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// Short name.
    pub login: String,
    /// Name to show.
    pub name: String,
}

/// An environment without its definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Random and never used again; ciphertexts are bound to it.
    pub id: String,
    /// Organisation.
    pub organization: String,
    /// Project.
    pub project: String,
    /// Name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// When its definition last changed.
    pub modified: Timestamp,
    /// Whether deleting it is refused.
    pub deletion_protected: bool,
    /// Number of the newest revision; the first is 1.
    pub latest: u64,
}

impl Environment {
    /// Its name as clients write it.
    #[must_use]
    pub fn full_name(&self) -> EnvironmentName {
        EnvironmentName {
            organization: self.organization.clone(),
            project: self.project.clone(),
            name: self.name.clone(),
        }
    }

    /// Its name as the evaluator and imports write it: the project `default` is left out.
    #[must_use]
    pub fn short_name(&self) -> String {
        if self.project == "default" {
            self.name.clone()
        } else {
            format!("{}/{}", self.project, self.name)
        }
    }

    /// Tag of a revision's content; differs between environments that had the same name.
    #[must_use]
    pub fn etag(&self, revision: u64) -> String {
        let id = self.id.get(..8).unwrap_or(&self.id);
        format!("\"{id}-{revision}\"")
    }
}

/// One saved definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// From 1.
    pub number: u64,
    /// The definition, secrets as ciphertext.
    pub yaml: String,
    /// When it was saved.
    pub created: Timestamp,
    /// By whom.
    pub author: Author,
    /// Set when it was withdrawn.
    pub retracted: Option<Retraction>,
}

/// A withdrawn revision: whoever asks for it gets the replacement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retraction {
    /// The revision served instead.
    pub replacement: u64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Author,
    /// Why, if told.
    pub reason: Option<String>,
}

/// A name for a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionTag {
    /// The name.
    pub name: String,
    /// The revision.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it last moved.
    pub modified: Timestamp,
    /// By whom.
    pub editor: Author,
}

/// A tag of an environment: a name and a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Random.
    pub id: String,
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
    /// By whom.
    pub editor: Author,
}

/// What a token allows; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Definitions with ciphertext, history, tags.
    Read,
    /// Values.
    Open,
    /// Creating and changing.
    Write,
    /// Deleting, protecting, tokens.
    Admin,
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Open => "open",
            Self::Write => "write",
            Self::Admin => "admin",
        })
    }
}

/// A token: its hash, never itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Names it in lists; random.
    pub id: String,
    /// SHA-256 of the token, in hexadecimal.
    pub sha256: String,
    /// What it is for.
    pub name: String,
    /// Whose it is.
    pub login: String,
    /// The only organisation it opens; all if `None`.
    pub organization: Option<String>,
    /// What it allows there.
    pub permission: Permission,
    /// When it was made.
    pub created: Timestamp,
}

impl Token {
    /// As author of a change.
    #[must_use]
    pub fn author(&self) -> Author {
        Author {
            login: self.login.clone(),
            name: self.login.clone(),
        }
    }

    /// Whether it is one for `organization`.
    #[must_use]
    pub fn opens(&self, organization: &str) -> bool {
        self.organization
            .as_deref()
            .is_none_or(|own| own == organization)
    }
}
