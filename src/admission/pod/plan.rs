//! Which names of a pod become which.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::well_known::ALIAS_PREFIX;
use crate::model::complaint::Complaint;
use crate::model::external_secret::stores_named;
use crate::model::pod_injection::{Injection, KeyRing, Place, Pod, Source, Use, is_injected_name};
use crate::model::secret_store::StoreId;

use super::super::targets::TargetNames;

/// What a plan is made in.
pub(super) struct Surroundings<'s> {
    /// Namespace of the pod.
    pub(super) namespace: &'s str,
    /// Keys of names.
    pub(super) keys: &'s KeyRing,
    /// Names of the Secrets of ExternalSecrets.
    pub(super) targets: &'s dyn TargetNames,
}

/// What is done to a pod, and what it needs.
#[derive(Debug, Default)]
pub(super) struct Plan<'p> {
    /// Names that change, in the order they stand in the pod.
    pub(super) rewrites: Vec<(Place<'p>, String)>,
    /// The Secret of each alias that is used.
    pub(super) names: BTreeMap<String, String>,
    /// Stores that the used aliases read.
    pub(super) demands: Vec<Demand<'p>>,
    /// Annotations of the aliases that nothing uses.
    pub(super) unused: Vec<String>,
    /// What to tell.
    pub(super) warnings: Vec<String>,
}

/// A store that an alias reads.
#[derive(Debug)]
pub(super) struct Demand<'p> {
    pub(super) store: StoreId,
    pub(super) alias: String,
    pub(super) place: Place<'p>,
}

/// Plans a new pod, which may have been through here before: what is named already stays.
///
/// # Errors
/// When the aliases of the pod contradict each other.
pub(super) fn create<'p>(
    pod: &'p Pod<'_>,
    injection: &Injection,
    surroundings: &Surroundings<'_>,
) -> Result<Plan<'p>, Complaint> {
    let uses = pod.uses();
    let mut plan = Plan::default();
    for (alias, source) in &injection.aliases {
        let names = candidates(pod, alias, source, surroundings, &mut plan.warnings);
        let is_ours =
            |place: &&Use<'_>| place.secret == alias || names.iter().any(|n| n == place.secret);
        let Some(first) = uses.iter().find(is_ours) else {
            let key = format!("{ALIAS_PREFIX}{alias}");
            plan.warnings
                .push(format!("{key}: nothing in the pod uses the alias"));
            plan.unused.push(key);
            continue;
        };
        let standing = |name: &&String| uses.iter().any(|place| place.secret == **name);
        let name = names.iter().find(standing).unwrap_or(&names[0]).clone();
        refuse_shadowing(injection, alias, &name)?;
        if let Source::Spec(spec) = source {
            let stores = stores_named(surroundings.namespace, spec);
            plan.demands.extend(stores.into_iter().map(|store| Demand {
                store,
                alias: alias.clone(),
                place: first.place,
            }));
        }
        plan.names.insert(alias.clone(), name);
    }
    plan.rewrites = rewrites(&uses, &plan.names);
    Ok(plan)
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
    plan
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
        .targets
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
