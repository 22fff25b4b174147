//! What a pod asks for: aliases declared in its annotations and used as the names of Secrets.
//!
//! `latchkey.dev/secret.<alias>` holds a reference `secret://…`, the name of an ExternalSecret as
//! `externalsecret/<name>`, or the spec of an ExternalSecret as YAML. A reference is defined as the spec
//! it stands for, so that there is one meaning to fetch by. The webhook and the reconciler both read
//! pods through this module.

mod canonical;
mod inline;
mod keys;
mod member;
pub mod memory;
mod place;
mod pod;
mod reference;
mod settings;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::api::v1::{CreationPolicy, ExternalSecretSpec};
use crate::api::well_known::{
    ALIAS_PREFIX, INJECTED_LABEL, POD_INLINE_RECORD_ANNOTATION, POD_PREFIX,
};
use crate::model::complaint::{Complaint, Weight};
use crate::model::external_secret::ExternalSecret;

pub use canonical::canonical;
pub use inline::{
    Groups, INLINE_ALIAS, InlineReference, InlineValue, Remote, Segment, literal_before_reference,
    read_record, record, scan,
};
pub use keys::{KeyRing, is_injected_name};
pub use member::Member;
pub use place::{ContainerPlace, ContainerVariable, Place, Use, VolumePart};
pub use pod::{Metadata, Pod, Text, names_used};
pub use settings::Settings;

/// Longest alias in characters.
const ALIAS_LIMIT: usize = 40;
/// Longest name of an object (RFC 1123 subdomain).
const NAME_LIMIT: usize = 253;

/// Everything a pod's annotations declare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Injection {
    /// What each alias stands for.
    pub aliases: BTreeMap<String, Source>,
    /// What holds for all of them.
    pub settings: Settings,
    /// What is right but not served yet, and annotations that nobody reads.
    pub remarks: Vec<Complaint>,
}

/// What an alias stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A Secret made for the pods that ask for exactly this.
    Spec(Box<ExternalSecretSpec>),
    /// The Secret of the ExternalSecret of this name in the pod's namespace.
    ExternalSecret(String),
}

/// A Secret that an admitted pod waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Materialisation {
    /// Name of the Secret.
    pub secret_name: String,
    /// The alias it was declared under.
    pub alias: String,
    /// Service account of the pod, whose permission counts.
    pub account: String,
    /// What it holds.
    pub spec: ExternalSecretSpec,
}

/// Whether any of the annotation `keys` is latchkey's.
pub fn is_opted_in<'a>(mut keys: impl Iterator<Item = &'a str>) -> bool {
    keys.any(|key| key.starts_with(POD_PREFIX))
}

/// Reads the annotations of a pod of `namespace`.
///
/// # Errors
/// Every complaint, each naming its annotation and what to do.
pub fn parse<'a>(
    namespace: &str,
    annotations: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Result<Injection, Vec<Complaint>> {
    let mut injection = Injection::default();
    let mut complaints = Vec::new();
    for (key, value) in annotations.clone().filter(|(key, _)| !is_alias(key)) {
        match injection.settings.read(key, value) {
            Ok(remark) => injection.remarks.extend(remark),
            Err(complaint) => complaints.push(complaint),
        }
    }
    let refresh = injection.settings.refresh;
    for (key, value) in annotations {
        let Some(alias) = key.strip_prefix(ALIAS_PREFIX) else {
            continue;
        };
        match declaration(namespace, alias, value, refresh) {
            Ok((source, remarks)) => {
                injection.aliases.insert(alias.to_owned(), source);
                injection.remarks.extend(remarks);
            }
            Err(found) => complaints.extend(found),
        }
    }
    if complaints.is_empty() {
        Ok(injection)
    } else {
        Err(complaints)
    }
}

/// The Secrets that an admitted pod waits for and that are made for it.
///
/// A declaration is believed only if it reproduces a name that the pod uses: the annotations of a live
/// pod can be edited, the names in its spec cannot.
#[must_use]
pub fn recorded(namespace: &str, pod: &Pod<'_>, keys: &KeyRing) -> Vec<Materialisation> {
    let used: BTreeSet<&str> = pod.uses().iter().map(|place| place.secret).collect();
    if pod.metadata.label(INJECTED_LABEL) != Some("true") {
        return Vec::new();
    }
    let refresh = settings(pod).refresh;
    let mut found = Vec::new();
    for (key, value) in pod.metadata.annotations() {
        let Some(alias) = key.strip_prefix(ALIAS_PREFIX) else {
            continue;
        };
        let Ok((Source::Spec(spec), _)) = declaration(namespace, alias, value, refresh) else {
            continue;
        };
        let names = keys.names(namespace, pod.account(), alias, &spec);
        for secret_name in names.filter(|name| used.contains(name.as_str())) {
            found.push(Materialisation {
                secret_name,
                alias: alias.to_owned(),
                account: pod.account().to_owned(),
                spec: (*spec).clone(),
            });
        }
    }
    let inline = recorded_inline(namespace, pod, keys, refresh).into_iter();
    let inline = inline.filter(|(name, ..)| used.contains(name.as_str()));
    found.extend(
        inline.map(|(secret_name, remote, properties)| Materialisation {
            secret_name,
            alias: INLINE_ALIAS.to_owned(),
            account: pod.account().to_owned(),
            spec: remote.spec(&properties, refresh),
        }),
    );
    found
}

/// The Secrets for in-line references that a pod records and that their names vouch for, whether it
/// uses them or not.
#[must_use]
pub fn recorded_inline(
    namespace: &str,
    pod: &Pod<'_>,
    keys: &KeyRing,
    refresh: Option<SignedDuration>,
) -> Vec<(String, Remote, BTreeSet<String>)> {
    let text = pod.metadata.annotation(POD_INLINE_RECORD_ANNOTATION);
    let mut entries = text.map(read_record).unwrap_or_default();
    entries.retain(|(name, remote, properties)| {
        let spec = remote.spec(properties, refresh);
        let mut names = keys.names(namespace, pod.account(), INLINE_ALIAS, &spec);
        names.any(|made| made == *name)
    });
    entries
}

/// The settings of a pod that was admitted; what cannot be read has its default.
#[must_use]
pub fn settings(pod: &Pod<'_>) -> Settings {
    let mut settings = Settings::default();
    for (key, value) in pod.metadata.annotations() {
        if !is_alias(key) {
            drop(settings.read(key, value));
        }
    }
    settings
}

fn is_alias(key: &str) -> bool {
    key.starts_with(ALIAS_PREFIX)
}

/// Reads one alias and, if it is right, what of it is not served yet.
fn declaration(
    namespace: &str,
    alias: &str,
    text: &str,
    refresh: Option<SignedDuration>,
) -> Result<(Source, Vec<Complaint>), Vec<Complaint>> {
    let key = format!("{ALIAS_PREFIX}{alias}");
    let one = |message: String| vec![Complaint::error(key.clone(), message)];
    check_alias(alias).map_err(one)?;
    let text = text.trim();
    if let Some(name) = text.strip_prefix("externalsecret/") {
        check_name(name)
            .map_err(|problem| one(format!("the ExternalSecret's name {name:?} {problem}")))?;
        return Ok((Source::ExternalSecret(name.to_owned()), Vec::new()));
    }
    let is_reference = text.starts_with("secret://");
    let mut spec = if is_reference {
        reference::parse(text).map_err(one)?
    } else if text.is_empty() || (!text.contains('\n') && !text.contains(": ")) {
        return Err(one(format!(
            "{text:?} is neither secret://[cluster:]STORE/KEY[?version=V][#PROPERTY] nor \
             externalsecret/NAME nor the spec of an ExternalSecret as YAML"
        )));
    } else {
        yaml::parse(text).map_err(one)?
    };
    if spec.refresh_interval.is_none() {
        spec.refresh_interval = refresh.map(|interval| canonical::interval(&interval));
    }
    let mut complaints = target_complaints(&spec);
    if spec.sync_windows.is_some() {
        complaints.push(Complaint::unserved(
            "spec.syncWindows",
            "a pod's Secret is refreshed at any time",
        ));
    }
    if let Err(found) = ExternalSecret::parse(namespace, alias, &spec) {
        complaints.extend(found);
    }
    let errors = complaints.iter().any(|c| c.weight == Weight::Error);
    for complaint in &mut complaints {
        complaint.field = if is_reference {
            key.clone()
        } else {
            format!("{key}, {}", complaint.field)
        };
    }
    if errors {
        return Err(complaints);
    }
    canonical::reduce(&mut spec);
    Ok((Source::Spec(Box::new(spec)), complaints))
}

/// What a spec may say of its target elsewhere but not in a pod, where the Secret is latchkey's.
fn target_complaints(spec: &ExternalSecretSpec) -> Vec<Complaint> {
    let Some(target) = &spec.target else {
        return Vec::new();
    };
    let mut complaints = Vec::new();
    let mut complain = |field: &str, message: &str| {
        complaints.push(Complaint::error(format!("spec.target.{field}"), message));
    };
    if target.name.as_deref().is_some_and(|name| !name.is_empty()) {
        complain(
            "name",
            "the Secret's name is made by latchkey; remove the field",
        );
    }
    if target.creation_policy.unwrap_or_default() != CreationPolicy::Owner {
        complain(
            "creationPolicy",
            "the Secret belongs to latchkey; remove the field, or make an ExternalSecret and write \
             externalsecret/NAME",
        );
    }
    if target.manifest.is_some() {
        complain("manifest", "a pod can only use a Secret; remove the field");
    }
    complaints
}

fn check_alias(alias: &str) -> Result<(), String> {
    if alias == INLINE_ALIAS {
        return Err(format!(
            "{alias:?} is what in-line references are kept under; choose another alias"
        ));
    }
    let remedy = "an alias has lower-case letters, digits and '-', begins and ends with a letter or \
                  digit, and is at most 40 characters long";
    if alias.len() <= ALIAS_LIMIT && is_label(alias) {
        Ok(())
    } else {
        Err(format!("{alias:?} is no alias: {remedy}"))
    }
}

/// Checks the name of an object (RFC 1123 subdomain).
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.len() <= NAME_LIMIT && name.split('.').all(is_label) {
        Ok(())
    } else {
        Err("is not the name of an object: lower-case letters, digits, '-' and '.'")
    }
}

fn is_label(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(legal) && !text.starts_with('-') && !text.ends_with('-')
}
