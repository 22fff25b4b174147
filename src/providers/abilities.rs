//! What each provider can do. The capabilities that stores report, the versions and metadata that a
//! reference may name and the README's matrix are made from it; `tests/it/abilities.rs` holds every provider
//! to it.

use std::fmt::Write as _;

use super::{Capabilities, Provider};

/// By what secrets are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindBy {
    /// An expression for the name.
    Name,
    /// A prefix or a folder.
    Path,
    /// Tags or labels.
    Tags,
}

impl FindBy {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Name, Self::Path, Self::Tags];

    fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Path => "path",
            Self::Tags => "tags",
        }
    }
}

/// What a provider can do. A text is empty where it cannot do a thing, and else says more about it.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// What can be read.
    pub read: &'static str,
    /// By what secrets are found.
    pub find: &'static [FindBy],
    /// What can be pushed, and taken back by whom.
    pub push: &'static str,
    /// Which versions of a secret can be read.
    pub version: &'static str,
    /// Which metadata of a secret can be read in the place of its value.
    pub metadata: &'static str,
    /// What it is tested against.
    pub tested: &'static str,
}

impl Abilities {
    /// As stores report it in `status.capabilities`.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        match (self.read.is_empty(), self.push.is_empty()) {
            (_, true) => Capabilities::ReadOnly,
            (true, false) => Capabilities::WriteOnly,
            (false, false) => Capabilities::ReadWrite,
        }
    }
}

/// Providers of External Secrets Operator 2.9.0 that are not served, and why.
#[rustfmt::skip]
const UNSERVED: [(&str, &[&str]); 5] = [
    ("ESO itself serves them no more", &["alibaba", "device42"]),
    ("its protocol is that of a closed library; `onepassword` reads the same items by Connect", &["onepasswordSDK"]),
    ("values are encrypted end to end by protocols of their own", &["keepersecurity", "passbolt"]),
    ("needs a server with Bitwarden's own library beside it", &["bitwardensecretsmanager"]),
    ("not written yet", &[
        "beyondtrust", "beyondtrustworkloadcredentials", "chef", "cloudrusm", "delinea", "dvls",
        "fortanix", "ibm", "nebiusmysterybox", "ngrok", "onboardbase", "oracle", "ovh", "passworddepot",
        "previder", "scaleway", "secretserver", "senhasegura", "volcengine", "yandexcertificatemanager",
        "yandexlockbox",
    ]),
];

/// The providers that are not served, by their key in `spec.provider`.
pub fn unserved() -> impl Iterator<Item = &'static str> {
    UNSERVED.iter().flat_map(|(_, names)| names.iter().copied())
}

/// The matrix in Markdown.
pub(super) fn matrix<'a>(providers: impl Iterator<Item = &'a dyn Provider>) -> String {
    let mut text =
        "| provider | read | find by | push, delete | versions | metadata | tested against |\n\
                    |---|---|---|---|---|---|---|\n"
            .to_owned();
    for provider in providers {
        let Abilities {
            read,
            find,
            push,
            version,
            metadata,
            tested,
        } = provider.abilities();
        let find: Vec<&str> = find.iter().map(|by| by.as_str()).collect();
        let cells = [
            read,
            find.join(", ").as_str(),
            push,
            version,
            metadata,
            tested,
        ]
        .map(|cell| if cell.is_empty() { "–" } else { cell }.to_owned());
        let cells = cells.join(" | ");
        // Writing to a text cannot fail.
        writeln!(text, "| `{}` | {cells} |", provider.name()).ok();
    }
    text.push_str(
        "\nA store of another provider of ESO is kept, is not Ready, and its condition names the provider:\n\n",
    );
    for (why, names) in UNSERVED {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        writeln!(text, "- {}: {why}", names.join(", ")).ok();
    }
    text
}
