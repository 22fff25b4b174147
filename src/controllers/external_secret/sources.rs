//! The stores that a spec names, as the caches have them, with those that serve in their place.

use std::collections::HashMap;

use super::plan::{StoreState, store_trouble};
use crate::api::meta::StoreKind;
use crate::api::v1::ExternalSecretSpec;
use crate::api::well_known::FALLBACK_STORES_ANNOTATION;
use crate::controllers::Context;
use crate::controllers::caches::{CachedStore, Caches};
use crate::model::external_secret;
use crate::model::failover::{Candidates, Fallback};
use crate::model::secret_store::{StoreId, admits_namespace};

/// The stores that a spec names.
pub(in crate::controllers) struct Sources {
    stores: HashMap<StoreId, Candidates>,
    pub(super) states: Vec<(StoreId, StoreState)>,
}

impl Sources {
    /// Looks the stores of a spec of `namespace` up. A store stands in for another only where an object of
    /// the namespace could name it directly.
    pub(in crate::controllers) fn of(
        context: &Context,
        caches: &Caches,
        namespace: &str,
        spec: &ExternalSecretSpec,
    ) -> Self {
        let mut sources = Self {
            stores: HashMap::new(),
            states: Vec::new(),
        };
        for id in external_secret::stores_named(namespace, spec) {
            let cached = caches.store(&id);
            if let Some(Ok(cached)) = &cached {
                let candidates = candidates(context, caches, namespace, cached);
                sources.stores.insert(id.clone(), candidates);
            }
            let state = store_state(context, caches, namespace, cached);
            sources.states.push((id.clone(), state));
            sources.cover(&id);
        }
        sources
    }

    /// What providers need of the stores.
    pub(in crate::controllers) fn stores(&self) -> &HashMap<StoreId, Candidates> {
        &self.stores
    }

    /// Whether a controller that serves its own class alone leaves the object to another one: it names a
    /// store of that one's, or none at all.
    pub(in crate::controllers) fn are_of_another(&self) -> bool {
        let foreign = |(_, state): &(_, StoreState)| *state == StoreState::Foreign;
        self.states.is_empty() || self.states.iter().any(foreign)
    }

    /// Why nothing can be fetched, if so.
    pub(in crate::controllers) fn trouble(&self) -> Option<String> {
        self.states
            .iter()
            .find_map(|(id, state)| store_trouble(id, state))
    }

    /// Each store that may serve in the place of a named one, behind that one.
    pub(in crate::controllers) fn fallbacks(&self) -> Vec<(StoreId, StoreId)> {
        let pairs = self.stores.iter().flat_map(|(named, candidates)| {
            let fallbacks = candidates.fallbacks.iter();
            fallbacks.filter_map(|fallback| match fallback {
                Fallback::Usable(store) => Some((named.clone(), store.id.clone())),
                Fallback::Barred { .. } => None,
            })
        });
        pairs.collect()
    }

    /// Passes a fallback of `named` over, for whoever reads here may not use it.
    pub(in crate::controllers) fn bar(&mut self, named: &StoreId, barred: &StoreId, why: String) {
        let candidates = self.stores.get_mut(named);
        let mut fallbacks = candidates.into_iter().flat_map(|one| &mut one.fallbacks);
        let is_meant = |fallback: &&mut Fallback| matches!(fallback, Fallback::Usable(store) if store.id == *barred);
        if let Some(fallback) = fallbacks.find(is_meant) {
            *fallback = Fallback::Barred {
                store: barred.clone(),
                why,
            };
        }
        self.cover(named);
    }

    /// A named store that does not work is no obstacle while another may serve in its place. Where none may,
    /// the reasons stand beside its own.
    fn cover(&mut self, named: &StoreId) {
        let state = self.states.iter_mut().find(|(id, _)| id == named);
        let Some(((_, state), candidates)) = state.zip(self.stores.get(named)) else {
            return;
        };
        let (StoreState::NotReady(why) | StoreState::Covered(why)) = state else {
            return;
        };
        let why = std::mem::take(why);
        *state = if candidates.are_several() {
            StoreState::Covered(why)
        } else {
            let barred = candidates.barred().into_iter().map(str::to_owned);
            let texts: Vec<String> = std::iter::once(why).chain(barred).collect();
            StoreState::NotReady(texts.join("; "))
        };
    }
}

/// A store, and those that it says serve in its place.
fn candidates(
    context: &Context,
    caches: &Caches,
    namespace: &str,
    cached: &CachedStore,
) -> Candidates {
    let named = cached.fallbacks().unwrap_or_default().into_iter();
    let fallbacks = named.map(|id| {
        let cached = caches.store(&id);
        let store = cached.as_ref().and_then(|cached| cached.as_ref().ok());
        let store = store.map(|cached| cached.store.clone());
        let state = store_state(context, caches, namespace, cached);
        let trouble = match state {
            StoreState::Missing => Some(format!(
                "{id} is not there; create it or correct {FALLBACK_STORES_ANNOTATION}"
            )),
            state => store_trouble(&id, &state),
        };
        match (store, trouble) {
            (Some(store), None) => Fallback::Usable(store),
            (_, trouble) => Fallback::Barred {
                why: format!("fallback {}", trouble.unwrap_or_else(|| id.to_string())),
                store: id,
            },
        }
    });
    Candidates {
        store: cached.store.clone(),
        fallbacks: fallbacks.collect(),
    }
}

/// What is known of a store that an object of `namespace` names.
pub(in crate::controllers) fn store_state(
    context: &Context,
    caches: &Caches,
    namespace: &str,
    cached: Option<Result<CachedStore, String>>,
) -> StoreState {
    let cached = match cached {
        None => return StoreState::Missing,
        Some(Err(why)) => return StoreState::Unreadable(why),
        Some(Ok(cached)) => cached,
    };
    let class = &context.options.controller_class;
    if !class.serves(cached.spec.controller.as_deref()) {
        return StoreState::Foreign;
    }
    let id = &cached.store.id;
    if id.kind == StoreKind::ClusterSecretStore {
        let labels = caches.namespace_labels(namespace);
        match admits_namespace(&cached.spec.conditions, namespace, &labels) {
            Ok(true) => {}
            Ok(false) => {
                return StoreState::Denied(format!(
                    "using cluster store {:?} is not allowed from namespace {namespace:?}: denied by spec.condition",
                    id.name
                ));
            }
            Err(complaint) => return StoreState::Unreadable(complaint.to_string()),
        }
    }
    match cached.ready() {
        None => StoreState::Unvalidated(cached.created),
        Some(ready) if ready.status == "True" => StoreState::Ready,
        Some(ready) => StoreState::NotReady(ready.message.clone().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests;
