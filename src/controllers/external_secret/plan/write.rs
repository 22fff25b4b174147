//! What the Secret should be, and the one write that makes it so.

use std::collections::{BTreeMap, BTreeSet};

use super::Failure;
use crate::api::v1::{CreationPolicy, DeletionPolicy};
use crate::api::well_known::{
    ADOPT_ANNOTATION, CREATED_BY_LABEL, DATA_HASH_ANNOTATION, FORCE_SYNC_ANNOTATION, GROUP,
    MANAGED_LABEL,
};
use crate::cluster::secret_object::{Desired, Managed, Owner, Version};
use crate::controllers::external_secret::status;
use crate::model::external_secret::{ExternalSecret, Target};
use crate::model::hash;
use crate::secret::SecretMap;

/// The object a Secret is made for.
pub(in crate::controllers::external_secret) struct Object<'a> {
    /// Its checked spec.
    pub spec: &'a ExternalSecret,
    /// Its identity.
    pub uid: &'a str,
    /// Its labels, which the Secret takes over.
    pub labels: &'a BTreeMap<String, String>,
    /// Its annotations, which the Secret takes over.
    pub annotations: &'a BTreeMap<String, String>,
}

/// What is to be in the Secret.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// The values.
    pub data: SecretMap,
    /// Whether the stores gave nothing at all, which deletionPolicy decides on.
    pub is_empty_at_stores: bool,
    /// What a template makes of the rest of the object; without one, it follows the ExternalSecret.
    pub dress: Option<Dress>,
    /// Keys that stay with the value they have where there is no new one.
    pub keeps: Keeps,
}

/// Which keys of a Secret stay although there is no new value for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controllers) enum Keeps {
    /// These.
    Keys(BTreeSet<String>),
    /// All of them.
    All,
}

impl Default for Keeps {
    /// None of them.
    fn default() -> Self {
        Self::Keys(BTreeSet::new())
    }
}

impl Keeps {
    fn contains(&self, key: &str) -> bool {
        match self {
            Self::Keys(keys) => keys.contains(key),
            Self::All => true,
        }
    }
}

/// What a template makes of a Secret besides its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dress {
    /// Type, if the template names one.
    pub type_: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Finalizers to add.
    pub finalizers: Vec<String>,
}

impl Content {
    /// Values as they came from the stores.
    pub(in crate::controllers) fn plain(data: SecretMap) -> Self {
        Self {
            is_empty_at_stores: data.is_empty(),
            data,
            dress: None,
            keeps: Keeps::default(),
        }
    }

    /// A second copy, values included.
    pub(in crate::controllers) fn duplicate(&self) -> Self {
        Self {
            data: self.data.duplicate(),
            is_empty_at_stores: self.is_empty_at_stores,
            dress: self.dress.clone(),
            keeps: self.keeps.clone(),
        }
    }
}

/// The Secret that stands under the target's name.
pub(in crate::controllers::external_secret) struct Existing<'a> {
    /// Identity and version.
    pub version: Version,
    /// What it is.
    pub content: &'a Desired,
    /// What the object's field manager has set.
    pub managed: Managed,
}

/// Whether an existing Secret that nobody owns may be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Only with the annotation `latchkey.dev/adopt` on the ExternalSecret or on the Secret.
    Asked,
    /// Always, as ESO does.
    Given,
}

/// The one write that is needed.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::controllers::external_secret) enum Write {
    /// None: the Secret is as it should be, or is not ours to make. The text is the condition's
    /// reason and message.
    Nothing(&'static str, &'static str),
    /// The Secret is made.
    Create(Desired),
    /// The Secret is replaced.
    Replace(Desired),
    /// The Secret is deleted.
    Delete(Version),
}

/// Decides on the write that brings `content` into the Secret.
pub(in crate::controllers::external_secret) fn plan_write(
    object: &Object<'_>,
    content: Content,
    existing: Option<&Existing<'_>>,
    consent: Consent,
) -> Result<Write, Failure> {
    let target = &object.spec.target;
    if content.is_empty_at_stores && target.deletion != DeletionPolicy::Merge {
        return Ok(without_data(object, existing));
    }
    if target.creation == CreationPolicy::None {
        return Ok(Write::Nothing(status::SECRET_SYNCED, status::SYNCED));
    }
    let Some(existing) = existing else {
        return Ok(if target.creation == CreationPolicy::Merge {
            Write::Nothing(status::SECRET_MISSING, status::NOT_CREATED)
        } else {
            Write::Create(desired(object, content, None))
        });
    };
    refuse_foreign(object, existing, consent)?;
    let wanted = desired(object, content, Some(existing));
    if wanted == *existing.content {
        return Ok(Write::Nothing(status::SECRET_SYNCED, status::SYNCED));
    }
    if existing.content.immutable
        && (wanted.data != existing.content.data || wanted.type_ != existing.content.type_)
    {
        let cause = format!(
            "Secret {:?} is immutable; delete it to let it be made anew",
            target.name
        );
        return Err(Failure::lasting(
            "could not update secret, target is immutable",
            cause,
        ));
    }
    Ok(Write::Replace(wanted))
}

/// The provider said that there is nothing: deletionPolicy Delete or Retain decides.
fn without_data(object: &Object<'_>, existing: Option<&Existing<'_>>) -> Write {
    if object.spec.target.deletion == DeletionPolicy::Retain {
        return Write::Nothing(status::SECRET_SYNCED, status::RETAINED);
    }
    match existing {
        Some(existing) if is_owner(object, &existing.content.owners) => {
            Write::Delete(existing.version.clone())
        }
        _ => Write::Nothing(status::SECRET_DELETED, status::DELETED),
    }
}

/// The keys with values of ours that a write takes from the Secret.
pub(in crate::controllers::external_secret) fn dropped(
    existing: &Existing<'_>,
    write: &Write,
) -> usize {
    let Write::Replace(wanted) = write else {
        return 0;
    };
    let keys = existing.content.data.keys();
    let gone = keys.filter(|key| wanted.data.get(key).is_none());
    gone.filter(|key| existing.managed.data.contains(*key))
        .count()
}

fn is_owner(object: &Object<'_>, owners: &[Owner]) -> bool {
    owners
        .iter()
        .any(|owner| owner.controller && owner.uid == object.uid)
}

fn is_external_secret(owner: &Owner) -> bool {
    let group = owner.api_version.split('/').next().unwrap_or_default();
    owner.kind == "ExternalSecret" && group == GROUP
}

fn refuse_foreign(
    object: &Object<'_>,
    existing: &Existing<'_>,
    consent: Consent,
) -> Result<(), Failure> {
    let spec = object.spec;
    let name = &spec.target.name;
    let merges = matches!(
        spec.target.creation,
        CreationPolicy::Merge | CreationPolicy::CreateOrMerge
    );
    match existing
        .content
        .owners
        .iter()
        .find(|owner| owner.controller)
    {
        Some(owner) if is_external_secret(owner) && owner.name == spec.name => return Ok(()),
        Some(owner) if is_external_secret(owner) => {
            let cause = format!(
                "Secret {name:?} is owned by ExternalSecret {:?}; choose another spec.target.name",
                owner.name
            );
            return Err(Failure::lasting(status::OWNED_BY_ANOTHER, cause));
        }
        Some(owner) if !merges => {
            let cause = format!(
                "Secret {name:?} is controlled by {} {:?}; choose another spec.target.name, or creationPolicy Merge",
                owner.kind, owner.name
            );
            return Err(Failure::lasting(status::NO_OWNERSHIP, cause));
        }
        _ => {}
    }
    let created_by = hash::created_by(&spec.namespace, &spec.name);
    let labels = &existing.content.labels;
    let known = labels
        .get(MANAGED_LABEL)
        .is_some_and(|value| value == "true")
        || labels.get(CREATED_BY_LABEL) == Some(&created_by)
        || !existing.managed.data.is_empty();
    let consents = |annotations: &BTreeMap<String, String>| {
        annotations
            .get(ADOPT_ANNOTATION)
            .is_some_and(|value| value == "true")
    };
    let adopted = consent == Consent::Given
        || consents(object.annotations)
        || consents(&existing.content.annotations);
    if merges || known || adopted {
        return Ok(());
    }
    let cause = format!(
        "Secret {name:?} exists and was not made by an ExternalSecret; to let it be replaced, annotate it or the \
         ExternalSecret with {ADOPT_ANNOTATION}=true, else choose another spec.target.name or creationPolicy Merge"
    );
    Err(Failure::lasting(status::NO_OWNERSHIP, cause))
}

/// The Secret as it should be, built on what exists (ESO 2.9.0, `mutationFunc`).
fn desired(object: &Object<'_>, content: Content, existing: Option<&Existing<'_>>) -> Desired {
    let spec = object.spec;
    let mut wanted =
        existing.map_or_else(Desired::default, |existing| existing.content.duplicate());
    let frozen = existing.is_some() && spec.target.immutable && wanted.immutable;
    wanted.immutable |= spec.target.immutable;
    if !frozen {
        if let Some(managed) = existing.map(|existing| &existing.managed) {
            let stale = |key: &String, set: &BTreeSet<String>| {
                set.contains(key) && !is_of_object_alone(key)
            };
            wanted.labels.retain(|key, _| !stale(key, &managed.labels));
            wanted
                .annotations
                .retain(|key, _| !stale(key, &managed.annotations));
        }
        match content.dress {
            Some(dress) => {
                put_on(&mut wanted, dress);
                // By it a later pass knows whether new values were asked for.
                let forced = object.annotations.get_key_value(FORCE_SYNC_ANNOTATION);
                let forced = forced.filter(|_| spec.generates());
                wanted
                    .annotations
                    .extend(forced.map(|(key, value)| (key.clone(), value.clone())));
            }
            None => {
                wanted.labels.extend(inherited(object.labels));
                wanted.annotations.extend(inherited(object.annotations));
            }
        }
        wanted.data = merged_data(&spec.target, content.data, &content.keeps, existing);
    }
    set_ownership(&mut wanted, object);
    wanted
        .labels
        .insert(MANAGED_LABEL.to_owned(), "true".to_owned());
    wanted
        .annotations
        .insert(DATA_HASH_ANNOTATION.to_owned(), hash::data(&wanted.data));
    wanted
}

/// Labels and annotations that an object which is made takes from its ExternalSecret.
pub(in crate::controllers::external_secret) fn inheritance(
    object: &Object<'_>,
) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    (
        inherited(object.labels).collect(),
        inherited(object.annotations).collect(),
    )
}

/// Labels and annotations that a Secret takes from its object.
fn inherited(of_object: &BTreeMap<String, String>) -> impl Iterator<Item = (String, String)> + '_ {
    let entries = of_object.iter().filter(|(key, _)| !is_of_object_alone(key));
    entries.map(|(key, value)| (key.clone(), value.clone()))
}

/// Whether a label or annotation is about the ExternalSecret alone: `kubectl apply`'s record of it, the
/// mark by which Argo CD takes an object for its own, our own consent. ESO copies them; where it did,
/// they stay, so that taking its Secrets over needs no write.
fn is_of_object_alone(key: &str) -> bool {
    matches!(
        key,
        "kubectl.kubernetes.io/last-applied-configuration"
            | "argocd.argoproj.io/tracking-id"
            | ADOPT_ANNOTATION
    )
}

fn put_on(wanted: &mut Desired, dress: Dress) {
    wanted.labels.extend(dress.labels);
    wanted.annotations.extend(dress.annotations);
    for finalizer in dress.finalizers {
        if !wanted.finalizers.contains(&finalizer) {
            wanted.finalizers.push(finalizer);
        }
    }
    if dress.type_.is_some() {
        wanted.type_ = dress.type_;
    }
}

fn merged_data(
    target: &Target,
    mut data: SecretMap,
    keeps: &Keeps,
    existing: Option<&Existing<'_>>,
) -> SecretMap {
    let stays = |key: &str| keeps.contains(key);
    for (key, value) in existing
        .iter()
        .flat_map(|existing| existing.content.data.iter())
    {
        if stays(key) && data.get(key).is_none() {
            data.insert(key.to_owned(), value.duplicate());
        }
    }
    let merges = matches!(
        target.creation,
        CreationPolicy::Merge | CreationPolicy::CreateOrMerge
    );
    let Some(existing) = existing.filter(|_| merges) else {
        return data;
    };
    let mut merged = existing.content.data.duplicate();
    for key in &existing.managed.data {
        merged.remove(key);
    }
    merged.extend(data);
    merged
}

fn set_ownership(wanted: &mut Desired, object: &Object<'_>) {
    let spec = object.spec;
    let ours = |owner: &Owner| is_external_secret(owner) && owner.name == spec.name;
    if spec.target.creation == CreationPolicy::Owner {
        let reference = Owner {
            api_version: format!("{GROUP}/v1"),
            kind: "ExternalSecret".to_owned(),
            name: spec.name.clone(),
            uid: object.uid.to_owned(),
            controller: true,
            block_owner_deletion: true,
        };
        match wanted.owners.iter_mut().find(|owner| ours(owner)) {
            Some(owner) => *owner = reference,
            None => wanted.owners.push(reference),
        }
        wanted.labels.insert(
            CREATED_BY_LABEL.to_owned(),
            hash::created_by(&spec.namespace, &spec.name),
        );
    } else {
        wanted
            .owners
            .retain(|owner| !(ours(owner) && owner.uid == object.uid));
        wanted.labels.remove(CREATED_BY_LABEL);
    }
}
