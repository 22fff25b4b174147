//! How many passes may be under way, so that no store holds the others up.
//!
//! A pass that asks a provider enters first. Of each store a few passes are let in at a time, of all
//! together more; those of objects that have no Secret yet go before those of changed ones, then come
//! refreshes, and what failed before comes last and gets at most half of all places. So a store that
//! answers slowly or not at all delays only its own objects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::model::secret_store::StoreId;

/// How soon a pass should begin, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// The object has no Secret yet.
    First,
    /// The object has changed.
    Change,
    /// Its time has come.
    Refresh,
    /// It failed before.
    Retry,
}

/// Lets passes in.
#[derive(Clone)]
pub(crate) struct Lanes(Arc<Mutex<State>>);

struct State {
    queue: Queue,
    doors: HashMap<u64, oneshot::Sender<Place>>,
}

/// A place among the passes under way; it is given back when dropped.
pub(crate) struct Place {
    lanes: Lanes,
    ticket: Ticket,
}

#[derive(Clone, Debug)]
struct Ticket {
    urgency: Urgency,
    stores: Vec<StoreId>,
}

impl Lanes {
    /// Lets `total` passes in at a time, `per_store` of each store.
    pub(crate) fn new(total: usize, per_store: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            queue: Queue::new(total, per_store),
            doors: HashMap::new(),
        })))
    }

    /// Waits for a place. Whoever stops waiting gives the turn to the next.
    pub(crate) async fn enter(&self, urgency: Urgency, stores: Vec<StoreId>) -> Place {
        let ticket = Ticket { urgency, stores };
        let (door, opened) = oneshot::channel();
        let number = self.with(|state| {
            let number = state.queue.wait(&ticket);
            state.doors.insert(number, door);
            number
        });
        let mut waiting = Waiting {
            lanes: self,
            turn: Some((ticket.clone(), number)),
        };
        self.let_in();
        let place = opened.await.unwrap_or_else(|_| Place {
            lanes: self.clone(),
            ticket,
        });
        waiting.turn = None;
        place
    }

    /// Opens the doors of those whose turn it is.
    fn let_in(&self) {
        loop {
            let admitted = self.with(|state| {
                let (number, ticket) = state.queue.admit()?;
                Some((state.doors.remove(&number), ticket))
            });
            let Some((door, ticket)) = admitted else {
                return;
            };
            let place = Place {
                lanes: self.clone(),
                ticket,
            };
            // Where nobody waits any more the place comes back and is dropped.
            drop(door.map(|door| door.send(place)));
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lanes.with(|state| state.queue.leave(&self.ticket));
        self.lanes.let_in();
    }
}

/// One who waits.
struct Waiting<'a> {
    lanes: &'a Lanes,
    turn: Option<(Ticket, u64)>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some((ticket, number)) = &self.turn {
            self.lanes.with(|state| {
                state.queue.forget(ticket, *number);
                drop(state.doors.remove(number));
            });
        }
    }
}

/// Who is in and who waits, in pure form. Those who wait for the same stores stand in one line, so that
/// only its head is looked at.
#[derive(Debug)]
struct Queue {
    total: usize,
    per_store: usize,
    inside: usize,
    retries: usize,
    by_store: HashMap<StoreId, usize>,
    lines: BTreeMap<Vec<StoreId>, BTreeSet<(Urgency, u64)>>,
    last: u64,
}

impl Queue {
    fn new(total: usize, per_store: usize) -> Self {
        Self {
            total: total.max(1),
            per_store: per_store.max(1),
            inside: 0,
            retries: 0,
            by_store: HashMap::new(),
            lines: BTreeMap::new(),
            last: 0,
        }
    }

    fn wait(&mut self, ticket: &Ticket) -> u64 {
        self.last += 1;
        let line = self.lines.entry(ticket.stores.clone()).or_default();
        line.insert((ticket.urgency, self.last));
        self.last
    }

    fn forget(&mut self, ticket: &Ticket, number: u64) {
        if let Some(line) = self.lines.get_mut(&ticket.stores) {
            line.remove(&(ticket.urgency, number));
            if line.is_empty() {
                self.lines.remove(&ticket.stores);
            }
        }
    }

    /// Lets the next in, by urgency and then by arrival.
    fn admit(&mut self) -> Option<(u64, Ticket)> {
        if self.inside >= self.total {
            return None;
        }
        let retries_full = self.retries >= self.total.div_ceil(2);
        let full = |store: &StoreId| {
            let inside = self.by_store.get(store);
            inside.is_some_and(|inside| *inside >= self.per_store)
        };
        let open = self
            .lines
            .iter()
            .filter(|(stores, _)| !stores.iter().any(full));
        let heads = open.filter_map(|(stores, line)| Some((*line.first()?, stores)));
        let ready = heads.filter(|((urgency, _), _)| *urgency != Urgency::Retry || !retries_full);
        let ((urgency, number), stores) = ready.min_by_key(|(head, _)| *head)?;
        let ticket = Ticket {
            urgency,
            stores: stores.clone(),
        };
        self.forget(&ticket, number);
        for store in &ticket.stores {
            *self.by_store.entry(store.clone()).or_default() += 1;
        }
        self.inside += 1;
        self.retries += usize::from(urgency == Urgency::Retry);
        Some((number, ticket))
    }

    fn leave(&mut self, ticket: &Ticket) {
        self.inside = self.inside.saturating_sub(1);
        if ticket.urgency == Urgency::Retry {
            self.retries = self.retries.saturating_sub(1);
        }
        for store in &ticket.stores {
            if let Some(inside) = self.by_store.get_mut(store) {
                *inside = inside.saturating_sub(1);
                if *inside == 0 {
                    self.by_store.remove(store);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::meta::StoreKind;

    fn store(name: &str) -> StoreId {
        StoreId::new(StoreKind::SecretStore, "team", name)
    }

    fn ticket(urgency: Urgency, name: &str) -> Ticket {
        Ticket {
            urgency,
            stores: vec![store(name)],
        }
    }

    fn admitted(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.admit())
            .map(|(number, _)| number)
            .collect()
    }

    #[test]
    fn a_store_that_never_answers_leaves_room_for_the_others() {
        let mut queue = Queue::new(4, 2);
        for _ in 0..100 {
            queue.wait(&ticket(Urgency::Refresh, "broken"));
        }
        assert_eq!(admitted(&mut queue), [1, 2]);
        let healthy = queue.wait(&ticket(Urgency::Refresh, "healthy"));
        assert_eq!(admitted(&mut queue), [healthy]);
        queue.leave(&ticket(Urgency::Refresh, "healthy"));
        assert!(admitted(&mut queue).is_empty());
    }

    #[test]
    fn first_syncs_go_before_changes_refreshes_and_retries() {
        let mut queue = Queue::new(1, 1);
        let order = [
            Urgency::Retry,
            Urgency::Refresh,
            Urgency::Change,
            Urgency::First,
        ];
        for urgency in order {
            queue.wait(&ticket(urgency, "s"));
        }
        for (number, urgency) in [4, 3, 2, 1].into_iter().zip(order.into_iter().rev()) {
            assert_eq!(admitted(&mut queue), [number]);
            queue.leave(&ticket(urgency, "s"));
        }
    }

    #[test]
    fn retries_get_half_of_the_places() {
        let mut queue = Queue::new(4, 1);
        for name in ["a", "b", "c", "d"] {
            queue.wait(&ticket(Urgency::Retry, name));
        }
        assert_eq!(admitted(&mut queue), [1, 2]);
        let fresh = queue.wait(&ticket(Urgency::Refresh, "e"));
        assert_eq!(admitted(&mut queue), [fresh]);
    }

    #[tokio::test]
    async fn a_place_that_is_given_back_goes_to_who_waits_still() {
        let lanes = Lanes::new(1, 1);
        let first = lanes.enter(Urgency::First, vec![store("s")]).await;
        let mut impatient = Box::pin(lanes.enter(Urgency::First, Vec::new()));
        let mut patient = Box::pin(lanes.enter(Urgency::Retry, vec![store("s")]));
        assert!(futures::poll!(&mut impatient).is_pending());
        assert!(futures::poll!(&mut patient).is_pending());
        drop(impatient);
        drop(first);
        assert!(futures::poll!(&mut patient).is_ready());
    }
}
