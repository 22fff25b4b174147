//! The parts of a pod that matter here, borrowed from the text they were read from.
//!
//! Nothing is ever written back from these types, so fields they do not know are safe.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::member::Member;
use super::place::{ContainerPlace, ContainerVariable, Place, Use, VolumePart};

/// Service account of a pod that names none.
const DEFAULT_ACCOUNT: &str = "default";

/// Text that is copied only if it was escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A pod, as far as it matters here.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Pod<'a> {
    /// Its metadata.
    #[serde(borrow, default)]
    pub metadata: Member<Metadata<'a>>,
    #[serde(borrow, default)]
    pub(super) spec: Member<Spec<'a>>,
}

/// Metadata of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata<'a> {
    /// Annotations; `None` where the object has no such member.
    #[serde(borrow, default)]
    pub annotations: Option<BTreeMap<Text<'a>, Text<'a>>>,
    /// Labels; `None` where the object has no such member.
    #[serde(borrow, default)]
    pub labels: Option<BTreeMap<Text<'a>, Text<'a>>>,
}

impl Metadata<'_> {
    /// Annotations in the order of their keys.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let annotations = self.annotations.iter().flatten();
        annotations.map(|(key, value)| (&*key.0, &*value.0))
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        value_of(self.annotations.as_ref(), key)
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        value_of(self.labels.as_ref(), key)
    }
}

fn value_of<'m>(map: Option<&'m BTreeMap<Text<'_>, Text<'_>>>, key: &str) -> Option<&'m str> {
    let mut entries = map.into_iter().flatten();
    entries
        .find(|(name, _)| name.0 == key)
        .map(|(_, value)| &*value.0)
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec<'a> {
    #[serde(borrow, default)]
    service_account_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) init_containers: Option<Vec<Member<Container<'a>>>>,
    #[serde(borrow, default)]
    containers: Option<Vec<Member<Container<'a>>>>,
    #[serde(borrow, default)]
    ephemeral_containers: Option<Vec<Member<Container<'a>>>>,
    #[serde(borrow, default)]
    pub(super) volumes: Option<Vec<Member<Volume<'a>>>>,
    #[serde(borrow, default)]
    image_pull_secrets: Option<Vec<Member<Reference<'a>>>>,
    #[serde(default)]
    pub(super) security_context: Option<Member<SecurityContext>>,
}

/// Of a pod or of a container.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecurityContext {
    #[serde(default)]
    pub(super) run_as_user: Option<i64>,
    #[serde(default)]
    pub(super) fs_group: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) args: Option<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    env: Option<Vec<Member<Variable<'a>>>>,
    #[serde(borrow, default)]
    env_from: Option<Vec<Member<VariablesFrom<'a>>>>,
    #[serde(borrow, default)]
    pub(super) volume_mounts: Option<Vec<Member<Mount<'a>>>>,
    #[serde(default)]
    pub(super) security_context: Option<Member<SecurityContext>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mount<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default, rename = "mountPath")]
    pub(super) path: Text<'a>,
    #[serde(default)]
    pub(super) read_only: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variable<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    value: Option<Text<'a>>,
    #[serde(borrow, default)]
    value_from: Option<Member<ValueFrom<'a>>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValueFrom<'a> {
    #[serde(borrow, default)]
    secret_key_ref: Option<Member<Reference<'a>>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariablesFrom<'a> {
    #[serde(borrow, default)]
    secret_ref: Option<Member<Reference<'a>>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Reference<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    key: Option<Text<'a>>,
    #[serde(default)]
    optional: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Volume<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) secret: Option<Member<SecretVolume<'a>>>,
    #[serde(borrow, default)]
    pub(super) projected: Option<Member<Projected<'a>>>,
    #[serde(borrow, default)]
    csi: Option<Member<Csi<'a>>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretVolume<'a> {
    #[serde(borrow, default)]
    pub(super) secret_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) items: Option<Items<'a>>,
    #[serde(default)]
    pub(super) default_mode: Option<u32>,
    #[serde(default)]
    pub(super) optional: Option<bool>,
}

pub(super) type Items<'a> = Vec<Member<KeyToPath<'a>>>;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct KeyToPath<'a> {
    #[serde(borrow, default)]
    pub(super) key: Text<'a>,
    #[serde(borrow, default)]
    pub(super) path: Text<'a>,
    #[serde(default)]
    pub(super) mode: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Projected<'a> {
    #[serde(borrow, default)]
    pub(super) sources: Option<Vec<Member<Projection<'a>>>>,
    #[serde(default)]
    pub(super) default_mode: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Projection<'a> {
    #[serde(borrow, default)]
    pub(super) secret: Option<Member<ProjectedSecret<'a>>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ProjectedSecret<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) items: Option<Items<'a>>,
    #[serde(default)]
    pub(super) optional: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Csi<'a> {
    #[serde(borrow, default)]
    node_publish_secret_ref: Option<Member<Reference<'a>>>,
}

impl Pod<'_> {
    /// The service account the pod runs as.
    #[must_use]
    pub fn account(&self) -> &str {
        let named = self.spec.service_account_name.as_ref();
        named
            .map(|name| &*name.0)
            .filter(|name| !name.is_empty())
            .unwrap_or(DEFAULT_ACCOUNT)
    }

    /// Every place that names a Secret: init containers, containers, ephemeral containers, volumes,
    /// pull secrets.
    #[must_use]
    pub fn uses(&self) -> Vec<Use<'_>> {
        let mut uses = Vec::new();
        let spec = &self.spec;
        for (place, container) in self.containers() {
            container.uses(place, &mut uses);
        }
        for (index, volume) in spec.volumes.iter().flatten().enumerate() {
            volume.uses(index, &mut uses);
        }
        for (index, reference) in spec.image_pull_secrets.iter().flatten().enumerate() {
            reference.at(Place::PullSecret { index }, &mut uses);
        }
        uses
    }

    /// The variables of every container that has any, in the order of [`Self::uses`].
    pub fn variables(
        &self,
    ) -> impl Iterator<Item = (ContainerPlace<'_>, Vec<ContainerVariable<'_>>)> {
        self.containers().filter_map(|(place, container)| {
            let variables = container.env.as_ref()?;
            Some((
                place,
                variables.iter().map(|variable| variable.view()).collect(),
            ))
        })
    }

    pub(super) fn containers(&self) -> impl Iterator<Item = (ContainerPlace<'_>, &Container<'_>)> {
        let spec = &self.spec;
        let lists = [
            ("initContainers", &spec.init_containers),
            ("containers", &spec.containers),
            ("ephemeralContainers", &spec.ephemeral_containers),
        ];
        lists.into_iter().flat_map(|(list, containers)| {
            let containers = containers.iter().flatten().enumerate();
            containers.map(move |(index, container)| {
                let name = &*container.name.0;
                (ContainerPlace { list, index, name }, &**container)
            })
        })
    }
}

impl Variable<'_> {
    fn view(&self) -> ContainerVariable<'_> {
        let source = self.value_from.as_ref();
        let reference = source.and_then(|source| source.secret_key_ref.as_ref());
        let secret = reference.and_then(|reference| {
            let (name, key) = (reference.name.as_ref()?, reference.key.as_ref()?);
            Some((&*name.0, &*key.0))
        });
        ContainerVariable {
            name: &self.name.0,
            value: self.value.as_ref().map(|value| &*value.0),
            secret,
            has_source: source.is_some(),
        }
    }
}

impl Container<'_> {
    fn uses<'p>(&'p self, container: ContainerPlace<'p>, uses: &mut Vec<Use<'p>>) {
        for (index, variable) in self.env.iter().flatten().enumerate() {
            let source = variable.value_from.as_ref();
            if let Some(reference) = source.and_then(|source| source.secret_key_ref.as_ref()) {
                let name = &variable.name.0;
                let place = Place::Variable {
                    container,
                    index,
                    name,
                };
                reference.at(place, uses);
            }
        }
        for (index, source) in self.env_from.iter().flatten().enumerate() {
            if let Some(reference) = &source.secret_ref {
                reference.at(Place::Variables { container, index }, uses);
            }
        }
    }
}

impl Volume<'_> {
    fn uses<'p>(&'p self, index: usize, uses: &mut Vec<Use<'p>>) {
        let name = &*self.name.0;
        let place = |part| Place::Volume { index, name, part };
        if let Some(volume) = &self.secret {
            add(
                place(VolumePart::Secret),
                volume.secret_name.as_ref(),
                volume.optional,
                uses,
            );
        }
        let sources = self
            .projected
            .iter()
            .flat_map(|p| p.sources.iter().flatten());
        for (i, source) in sources.enumerate() {
            if let Some(reference) = &source.secret {
                add(
                    place(VolumePart::Projected(i)),
                    reference.name.as_ref(),
                    reference.optional,
                    uses,
                );
            }
        }
        if let Some(reference) = self
            .csi
            .as_ref()
            .and_then(|c| c.node_publish_secret_ref.as_ref())
        {
            reference.at(place(VolumePart::Csi), uses);
        }
    }
}

impl Reference<'_> {
    fn at<'p>(&'p self, place: Place<'p>, uses: &mut Vec<Use<'p>>) {
        add(place, self.name.as_ref(), self.optional, uses);
    }
}

fn add<'p>(
    place: Place<'p>,
    name: Option<&'p Text<'_>>,
    optional: Option<bool>,
    uses: &mut Vec<Use<'p>>,
) {
    uses.extend(name.map(|name| Use {
        place,
        secret: &name.0,
        optional: optional.unwrap_or(false),
    }));
}

/// Names of all Secrets that a pod uses; empty if the object is no pod.
#[must_use]
pub fn names_used(pod: &Value) -> BTreeSet<String> {
    let Ok(pod) = Pod::deserialize(pod) else {
        return BTreeSet::new();
    };
    let uses = pod.uses();
    uses.iter().map(|place| place.secret.to_owned()).collect()
}
