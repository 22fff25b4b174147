//! An `ExternalSecret`, checked and with its defaults filled in.

mod entry;
mod template;
#[cfg(test)]
mod tests;
mod windows;

use jiff::SignedDuration;

use crate::api::meta::StoreKind;
use crate::api::v1::{
    CreationPolicy, DeletionPolicy, ExternalSecretSpec, ExternalSecretTarget, RefreshPolicy,
};
use crate::model::complaint::Complaint;
use crate::model::duration;
use crate::model::rewrite::Rewrite;
use crate::model::secret_store::StoreId;

pub use entry::{Entry, GeneratorId, Source};
pub use template::{Keys, Origin, Place, Template, TemplateSource};
pub use windows::SyncWindows;

/// Interval of an object that names none.
const DEFAULT_INTERVAL: SignedDuration = SignedDuration::from_hours(1);

/// What to fetch, how often, and which Secret to keep.
#[derive(Clone, Debug)]
pub struct ExternalSecret {
    /// Namespace of the object and of its Secret.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// `dataFrom` in order, then `data` in order: a later entry's keys win.
    pub entries: Vec<Entry>,
    /// When to fetch.
    pub refresh: Refresh,
    /// When periodic refreshes may happen; always, where there are none.
    pub windows: Option<SyncWindows>,
    /// The Secret.
    pub target: Target,
}

/// When to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// On what.
    pub policy: RefreshPolicy,
    /// How often; zero or less is once.
    pub interval: SignedDuration,
}

/// The Secret to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Who owns it.
    pub creation: CreationPolicy,
    /// What happens when the store has nothing any more.
    pub deletion: DeletionPolicy,
    /// Whether its data is written once.
    pub immutable: bool,
    /// How it is made from the fetched values, if not of them as they are.
    pub template: Option<Template>,
    /// The kind of the object, where it is no Secret.
    pub manifest: Option<Manifest>,
}

/// The kind of an object that is kept in place of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// For example `v1`.
    pub api_version: String,
    /// For example `ConfigMap`.
    pub kind: String,
}

impl Manifest {
    /// Whether values stand in it as in a Secret.
    #[must_use]
    pub fn is_config_map(&self) -> bool {
        self.api_version == "v1" && self.kind == "ConfigMap"
    }
}

impl ExternalSecret {
    /// Checks a spec.
    ///
    /// # Errors
    /// Every complaint, in the order of the fields. When all of them are
    /// [`Weight::Unserved`](crate::model::complaint::Weight::Unserved) the object is right but asks for
    /// something latchkey does not do yet.
    pub fn parse(
        namespace: &str,
        name: &str,
        spec: &ExternalSecretSpec,
    ) -> Result<Self, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let entries = entry::parse_all(namespace, spec, &mut complaints);
        let refresh = parse_refresh(spec, &mut complaints);
        let windows = spec.sync_windows.as_ref();
        let windows = windows.map(|windows| SyncWindows::parse(windows, &mut complaints));
        let target = parse_target(name, spec.target.as_ref(), &mut complaints);
        if complaints.is_empty() {
            Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                entries,
                refresh,
                windows,
                target,
            })
        } else {
            Err(complaints)
        }
    }

    /// Every store the object reads, in the order of use and each once.
    #[must_use]
    pub fn stores(&self) -> Vec<&StoreId> {
        let mut stores: Vec<&StoreId> = Vec::new();
        for store in self.entries.iter().filter_map(|entry| entry.store.as_ref()) {
            if !stores.contains(&store) {
                stores.push(store);
            }
        }
        stores
    }

    /// Every template that makes keys, with the path of its field.
    #[must_use]
    pub fn transforms(&self) -> Vec<(String, &str)> {
        let mut texts = Vec::new();
        for entry in &self.entries {
            for (position, rewrite) in entry.rewrite.iter().enumerate() {
                if let Rewrite::Transform(text) = rewrite {
                    let field = &entry.field;
                    texts.push((
                        format!("{field}.rewrite[{position}].transform.template"),
                        text.as_str(),
                    ));
                }
            }
        }
        texts
    }

    /// Whether values are made, not fetched: then asking again changes them.
    #[must_use]
    pub fn generates(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| matches!(entry.source, Source::Generate(_)))
    }
}

/// Every store a spec names, however wrong the rest of it is.
#[must_use]
pub fn stores_named(namespace: &str, spec: &ExternalSecretSpec) -> Vec<StoreId> {
    let from_data = spec
        .data
        .iter()
        .filter_map(|entry| entry.source_ref.as_ref());
    let from_maps = spec
        .data_from
        .iter()
        .filter_map(|entry| entry.source_ref.as_ref());
    let overriding = from_data
        .chain(from_maps)
        .filter_map(|source| source.store_ref.as_ref());
    let mut stores: Vec<StoreId> = Vec::new();
    for reference in spec.secret_store_ref.iter().chain(overriding) {
        let Some(name) = reference.name.as_deref().filter(|name| !name.is_empty()) else {
            continue;
        };
        let id = StoreId::new(reference.kind.unwrap_or_default(), namespace, name);
        if !stores.contains(&id) {
            stores.push(id);
        }
    }
    stores
}

/// The name of the Secret of a spec, however wrong the rest of it is.
#[must_use]
pub fn target_name<'a>(name: &'a str, spec: &'a ExternalSecretSpec) -> &'a str {
    let named = spec
        .target
        .as_ref()
        .and_then(|target| target.name.as_deref());
    named.filter(|named| !named.is_empty()).unwrap_or(name)
}

fn parse_refresh(spec: &ExternalSecretSpec, complaints: &mut Vec<Complaint>) -> Refresh {
    let interval = match spec.refresh_interval.as_deref() {
        None | Some("") => DEFAULT_INTERVAL,
        Some(text) => duration::parse(text).unwrap_or_else(|message| {
            complaints.push(Complaint::error("spec.refreshInterval", message));
            DEFAULT_INTERVAL
        }),
    };
    Refresh {
        policy: spec.refresh_policy.unwrap_or(RefreshPolicy::Periodic),
        interval,
    }
}

fn parse_target(
    name: &str,
    target: Option<&ExternalSecretTarget>,
    complaints: &mut Vec<Complaint>,
) -> Target {
    let default = ExternalSecretTarget::default();
    let target = target.unwrap_or(&default);
    let creation = target.creation_policy.unwrap_or_default();
    let deletion = target.deletion_policy.unwrap_or_default();
    match (deletion, creation) {
        (DeletionPolicy::Delete, CreationPolicy::Merge | CreationPolicy::None | CreationPolicy::CreateOrMerge) => {
            complaints.push(Complaint::error(
                "spec.target.deletionPolicy",
                "deletionPolicy=Delete must not be used when the controller doesn't own the secret. Please set creationPolicy=Owner",
            ));
        }
        (DeletionPolicy::Merge, CreationPolicy::None) => complaints.push(Complaint::error(
            "spec.target.deletionPolicy",
            "deletionPolicy=Merge must not be used with creationPolicy=None. There is no Secret to merge with",
        )),
        _ => {}
    }
    let manifest = target.manifest.as_ref();
    // A Secret is a Secret, however it is named.
    let manifest = manifest
        .filter(|manifest| {
            (manifest.api_version.as_str(), manifest.kind.as_str()) != ("v1", "Secret")
        })
        .map(|manifest| Manifest {
            api_version: manifest.api_version.clone(),
            kind: manifest.kind.clone(),
        });
    let field = "spec.target.template";
    let template = target.template.as_ref();
    let template = template.map(|template| match manifest {
        Some(_) => Template::parse_for_manifest(field, template, complaints),
        None => Template::parse(field, template, complaints),
    });
    Target {
        name: target
            .name
            .clone()
            .filter(|named| !named.is_empty())
            .unwrap_or_else(|| name.to_owned()),
        creation,
        deletion,
        immutable: target.immutable.unwrap_or(false),
        template,
        manifest,
    }
}

impl std::fmt::Display for StoreId {
    /// Kind and name, as people are told of a store.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.kind.as_str(), self.name)
    }
}

impl StoreId {
    /// Names a store as an object of `namespace` sees it.
    #[must_use]
    pub fn new(kind: StoreKind, namespace: &str, name: &str) -> Self {
        let namespace = match kind {
            StoreKind::SecretStore => namespace.to_owned(),
            StoreKind::ClusterSecretStore => String::new(),
        };
        Self {
            kind,
            namespace,
            name: name.to_owned(),
        }
    }
}
