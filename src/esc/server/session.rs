//! Open environments: in memory only, wiped when they end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use crate::esc::eval::{Content, Value};

/// Bytes that all sessions together may hold; beyond, those that end soonest are ended.
const BUDGET: usize = 256 << 20;
/// Bytes counted for a value besides its text.
const OVERHEAD: usize = 160;

/// What an environment held when it was opened.
pub(super) type Properties = Arc<BTreeMap<String, Value>>;

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    sessions: HashMap<String, Session>,
    weight: usize,
}

struct Session {
    /// Id of the token that opened it; no other may read it.
    owner: String,
    /// Id of the environment, or the organisation of an anonymous one.
    place: String,
    properties: Properties,
    ends: Timestamp,
    weight: usize,
}

impl Sessions {
    /// Keeps `properties` for `lifetime`; answers the session's id of 128 random bits, or `None` when
    /// there is no randomness.
    pub(super) fn open(
        &self,
        owner: &str,
        place: &str,
        properties: BTreeMap<String, Value>,
        now: Timestamp,
        lifetime: Duration,
    ) -> Option<String> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        let id = HEXLOWER.encode(&bytes);
        let weight = weight(&properties);
        let session = Session {
            owner: owner.to_owned(),
            place: place.to_owned(),
            properties: Arc::new(properties),
            ends: now.checked_add(lifetime).unwrap_or(Timestamp::MAX),
            weight,
        };
        let mut table = self.lock();
        table.sweep(now);
        table.make_room(weight);
        table.weight += weight;
        table.sessions.insert(id.clone(), session);
        Some(id)
    }

    /// What a session holds, for the token and in the place that it was opened with.
    pub(super) fn read(
        &self,
        id: &str,
        owner: &str,
        place: &str,
        now: Timestamp,
    ) -> Option<Properties> {
        let table = self.lock();
        let session = table.sessions.get(id)?;
        let is_readable = session.owner == owner && session.place == place && now < session.ends;
        is_readable.then(|| Arc::clone(&session.properties))
    }

    /// Ends what has expired.
    pub(super) fn sweep(&self, now: Timestamp) {
        self.lock().sweep(now);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn sweep(&mut self, now: Timestamp) {
        self.sessions.retain(|_, session| now < session.ends);
        self.weight = self.sessions.values().map(|session| session.weight).sum();
    }

    fn make_room(&mut self, weight: usize) {
        if self.weight + weight <= BUDGET {
            return;
        }
        let mut by_end: Vec<(Timestamp, String)> = self
            .sessions
            .iter()
            .map(|(id, session)| (session.ends, id.clone()))
            .collect();
        by_end.sort_unstable();
        for (_, id) in by_end {
            if self.weight + weight <= BUDGET {
                return;
            }
            if let Some(session) = self.sessions.remove(&id) {
                self.weight -= session.weight;
            }
        }
    }
}

fn weight(properties: &BTreeMap<String, Value>) -> usize {
    let members = properties.iter();
    members
        .map(|(key, value)| key.len() + value_weight(value))
        .sum::<usize>()
        + OVERHEAD
}

fn value_weight(value: &Value) -> usize {
    let content = match &value.content {
        Content::Null | Content::Bool(_) => 0,
        Content::Number(text) => text.len(),
        Content::String(text) => text.len(),
        Content::List(elements) => elements.iter().map(value_weight).sum(),
        Content::Object(members) => weight(members),
    };
    content + value.def.environment.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esc::eval::Range;
    use crate::secret::SecretBytes;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn properties(bytes: usize) -> BTreeMap<String, Value> {
        let value = Value {
            content: Content::String(SecretBytes::new(vec![b'x'; bytes])),
            secret: true,
            unknown: false,
            def: Range::default(),
        };
        [("key".to_owned(), value)].into()
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_session_is_for_its_token_its_environment_and_its_time() {
        let sessions = Sessions::default();
        let minute = Duration::from_mins(1);
        let id = sessions
            .open("token", "env", properties(1), NOW, minute)
            .unwrap();
        assert_eq!(id.len(), 32);
        assert!(sessions.read(&id, "token", "env", after(59)).is_some());
        assert!(sessions.read(&id, "other", "env", after(59)).is_none());
        assert!(sessions.read(&id, "token", "other", after(59)).is_none());
        assert!(sessions.read(&id, "token", "env", after(60)).is_none());
        sessions.sweep(after(60));
        assert_eq!(sessions.lock().weight, 0);
    }

    #[test]
    fn beyond_the_budget_the_session_that_ends_first_gives_way() {
        let sessions = Sessions::default();
        let third = || properties(BUDGET / 3);
        let open = |seconds| {
            let lifetime = Duration::from_secs(seconds);
            sessions
                .open("token", "env", third(), NOW, lifetime)
                .unwrap()
        };
        let (long, short, longer) = (open(200), open(100), open(300));
        let is_open = |id: &str| sessions.read(id, "token", "env", NOW).is_some();
        assert!(is_open(&long) && !is_open(&short) && is_open(&longer));
    }
}
