//! Which names of a pod become which.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::v1::ExternalSecretSpec;
use crate::api::well_known::{ALIAS_PREFIX, POD_INLINE_RECORD_ANNOTATION};
use crate::model::complaint::Complaint;
use crate::model::external_secret::stores_named;
use crate::model::pod_injection::{
    INLINE_ALIAS, Injection, KeyRing, Place, Pod, Remote, Source, Use, is_injected_name,
    read_record, recorded_inline,
};
use crate::model::secret_store::StoreId;
use crate::model::store_use::{Read, reads};

use super::super::view::View;
use super::inline::{Edit, References, references};
use super::patch::Operation;

/// What a plan is made in.
pub(super) struct Surroundings<'s> {
    /// Namespace of the pod.
    pub(super) namespace: &'s str,
    /// Keys of names.
    pub(super) keys: &'s KeyRing,
    /// What is known of the cluster.
    pub(super) view: &'s dyn View,
}

/// What is done to a pod, and what it needs.
#[derive(Debug, Default)]
pub(super) struct Plan<'p> {
    /// Names that change, in the order they stand in the pod.
    pub(super) rewrites: Vec<(Place<'p>, String)>,
    /// Variables that change, in the order they stand in the pod.
    pub(super) edits: Vec<Edit<'p>>,
    /// The Secret of each alias that is used.
    pub(super) names: BTreeMap<String, String>,
    /// The Secrets of in-line references.
    pub(super) inline: BTreeMap<String, (Remote, BTreeSet<String>)>,
    /// Stores that are read.
    pub(super) demands: Vec<Demand>,
    /// Annotations of the aliases that nothing uses.
    pub(super) unused: Vec<String>,
    /// What to tell.
    pub(super) warnings: Vec<String>,
    /// Whether the values are kept in the pod's memory; there are no Secrets then, only their names.
    pub(super) is_in_memory: bool,
    /// What that changes in the pod.
    pub(super) memory: Vec<Operation>,
}

/// What one Secret of a pod reads of one store.
#[derive(Debug)]
pub(super) struct Demand {
    pub(super) store: StoreId,
    /// Keys; `None` is a search.
    pub(super) reads: Vec<Option<String>>,
    /// The Secret.
    pub(super) secret: String,
    /// Who asks, for people.
    pub(super) asker: String,
    /// Whether a place would do without the Secret.
    pub(super) is_optional: bool,
}

impl Plan<'_> {
    /// Every Secret that the pod gets.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let aliases = self.names.values().map(String::as_str);
        aliases.chain(self.inline.keys().map(String::as_str))
    }

    /// Notes what a Secret reads.
    pub(super) fn demand(
        &mut self,
        namespace: &str,
        spec: &ExternalSecretSpec,
        secret: &str,
        asker: &str,
        is_optional: bool,
    ) {
        for store in stores_named(namespace, spec) {
            let owned = |read: Read<'_>| match read {
                Read::Key(key) => Some(key.to_owned()),
                Read::Search => None,
            };
            self.demands.push(Demand {
                reads: reads(namespace, &store, spec)
                    .into_iter()
                    .map(owned)
                    .collect(),
                store,
                secret: secret.to_owned(),
                asker: asker.to_owned(),
                is_optional,
            });
        }
    }
}

/// Plans a new pod, which may have been through here before: what is named already stays.
///
/// # Errors
/// When the aliases of the pod contradict each other, or a reference in a value cannot be read.
pub(super) fn create<'p>(
    pod: &'p Pod<'_>,
    injection: &Injection,
    surroundings: &Surroundings<'_>,
) -> Result<Plan<'p>, Vec<Complaint>> {
    let uses = pod.uses();
    let mut plan = Plan::default();
    for (alias, source) in &injection.aliases {
        let names = candidates(pod, alias, source, surroundings, &mut plan.warnings);
        let is_ours =
            |place: &&Use<'_>| place.secret == alias || names.iter().any(|n| n == place.secret);
        let mut places = uses.iter().filter(is_ours).peekable();
        let Some(first) = places.peek() else {
            let key = format!("{ALIAS_PREFIX}{alias}");
            plan.warnings
                .push(format!("{key}: nothing in the pod uses the alias"));
            plan.unused.push(key);
            continue;
        };
        let asker = format!("alias {alias} ({})", first.place);
        let is_optional = places.any(|place| place.optional);
        let standing = |name: &&String| uses.iter().any(|place| place.secret == **name);
        let name = names.iter().find(standing).unwrap_or(&names[0]).clone();
        refuse_shadowing(injection, alias, &name).map_err(|complaint| vec![complaint])?;
        if let Source::Spec(spec) = source {
            plan.demand(surroundings.namespace, spec, &name, &asker, is_optional);
        }
        plan.names.insert(alias.clone(), name);
    }
    plan.rewrites = rewrites(&uses, &plan.names);
    add_inline(&mut plan, pod, &uses, injection, surroundings)?;
    Ok(plan)
}

/// Adds what an earlier pass has made of in-line references, and what this one makes.
fn add_inline<'p>(
    plan: &mut Plan<'p>,
    pod: &'p Pod<'_>,
    uses: &[Use<'p>],
    injection: &Injection,
    surroundings: &Surroundings<'_>,
) -> Result<(), Vec<Complaint>> {
    let Surroundings {
        namespace, keys, ..
    } = *surroundings;
    let refresh = injection.settings.refresh;
    let is_used = |name: &str| uses.iter().any(|place| place.secret == name);
    for (name, remote, properties) in recorded_inline(namespace, pod, keys, refresh) {
        if is_used(&name) {
            let spec = remote.spec(&properties, refresh);
            plan.demand(namespace, &spec, &name, "an in-line reference", false);
            plan.inline.insert(name, (remote, properties));
        }
    }
    if !injection.settings.inline {
        return Ok(());
    }
    let references = references(pod)?.without_sources()?;
    let (groups, places) = references.groups();
    let mut made: BTreeMap<Remote, String> = BTreeMap::new();
    for (remote, properties) in groups {
        let mut present = plan.inline.iter();
        let serving = present.find(|(_, (r, p))| *r == remote && p.is_superset(&properties));
        if let Some((name, _)) = serving {
            made.insert(remote, name.clone());
            continue;
        }
        let spec = remote.spec(&properties, refresh);
        let name = keys.name(namespace, pod.account(), INLINE_ALIAS, &spec);
        let asker = match places.get(&remote) {
            Some(place) => format!("an in-line reference ({place})"),
            None => "an in-line reference".to_owned(),
        };
        plan.demand(namespace, &spec, &name, &asker, false);
        plan.inline
            .insert(name.clone(), (remote.clone(), properties));
        made.insert(remote, name);
    }
    plan.edits = references.edits(|reference| made.get(&reference.remote).cloned());
    Ok(())
}

/// Plans an update: names that a manifest still says by alias become what the live pod says, so that
/// fields that cannot change do not seem to. Nothing new is asked for.
pub(super) fn restore<'p>(
    old: &'p Pod<'_>,
    pod: &'p Pod<'_>,
    surroundings: &Surroundings<'_>,
) -> Plan<'p> {
    let live: BTreeSet<&str> = old.uses().iter().map(|place| place.secret).collect();
    let mut plan = Plan::default();
    for (key, value) in old.metadata.annotations() {
        let Some(alias) = key.strip_prefix(ALIAS_PREFIX) else {
            continue;
        };
        let target = value
            .trim()
            .strip_prefix("externalsecret/")
            .map(|name| target(surroundings, name).unwrap_or_else(|| name.to_owned()));
        let mut injected = live.iter().filter(|name| match &target {
            Some(target) => *name == target,
            None => is_injected_name(name, alias),
        });
        if let (Some(name), None) = (injected.next(), injected.next()) {
            plan.names.insert(alias.to_owned(), (*name).to_owned());
        }
    }
    plan.rewrites = rewrites(&pod.uses(), &plan.names);
    restore_inline(&mut plan, old, pod, &live);
    plan
}

/// What the live pod records of in-line references and uses.
fn restore_inline<'p>(plan: &mut Plan<'p>, old: &Pod<'_>, pod: &'p Pod<'_>, live: &BTreeSet<&str>) {
    let record = old.metadata.annotation(POD_INLINE_RECORD_ANNOTATION);
    for (name, remote, properties) in record.map(read_record).unwrap_or_default() {
        if live.contains(name.as_str()) && is_injected_name(&name, INLINE_ALIAS) {
            plan.inline.insert(name, (remote, properties));
        }
    }
    if plan.inline.is_empty() {
        return;
    }
    let references: References<'p> = references(pod).unwrap_or_default();
    let inline = &plan.inline;
    plan.edits = references.edits(|reference| {
        let mut present = inline.iter();
        let holds = |(_, (remote, properties)): &(&String, &(Remote, BTreeSet<String>))| {
            *remote == reference.remote && properties.contains(&reference.property)
        };
        present.find(holds).map(|(name, _)| name.clone())
    });
}

fn rewrites<'p>(uses: &[Use<'p>], names: &BTreeMap<String, String>) -> Vec<(Place<'p>, String)> {
    let renamed = |place: &Use<'p>| {
        let name = names.get(place.secret)?;
        (name != place.secret).then(|| (place.place, name.clone()))
    };
    uses.iter().filter_map(renamed).collect()
}

/// Every name that the alias may have in the pod; the first is the one a new pod gets.
fn candidates(
    pod: &Pod<'_>,
    alias: &str,
    source: &Source,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Vec<String> {
    match source {
        Source::Spec(spec) => surroundings
            .keys
            .names(surroundings.namespace, pod.account(), alias, spec)
            .collect(),
        Source::ExternalSecret(name) => {
            let known = target(surroundings, name);
            if known.is_none() {
                warnings.push(format!(
                    "{ALIAS_PREFIX}{alias}: no ExternalSecret {name} is known here; using a Secret of that name"
                ));
            }
            vec![known.unwrap_or_else(|| name.clone())]
        }
    }
}

fn target(surroundings: &Surroundings<'_>, external_secret: &str) -> Option<String> {
    surroundings
        .view
        .target_name(surroundings.namespace, external_secret)
}

/// A Secret that is called like another alias would be renamed again on the next pass.
fn refuse_shadowing(injection: &Injection, alias: &str, name: &str) -> Result<(), Complaint> {
    if alias == name || !injection.aliases.contains_key(name) {
        return Ok(());
    }
    Err(Complaint::error(
        format!("{ALIAS_PREFIX}{alias}"),
        format!(
            "its Secret is called {name}, which is also an alias of this pod; rename the alias {name}"
        ),
    ))
}
