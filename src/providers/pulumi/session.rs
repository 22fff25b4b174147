//! Open sessions, shared by all who ask.
//!
//! A session is opened once a refresh window for each store and version, however many objects and keys
//! ask, and however many at once. Its values are kept in memory only as long as a burst of refreshes
//! lasts; who comes later in the window reads the same session again, which costs no open.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use moka::future::Cache;
use tokio::sync::Mutex;

use super::auth::Connection;
use super::error::classify;
use crate::esc::client::{Client, EnvironmentName, Error as CallError, Value};
use crate::model::secret_store::StoreId;
use crate::providers::Error;

/// How long values stay in memory after they were read.
const VALUES_KEPT: Duration = Duration::from_secs(30);
/// How long a failed open is remembered, so that a wrong token costs one call and not one an object.
const FAILURE_KEPT: Duration = Duration::from_secs(5);
/// Sessions that nobody asked for so long are dropped.
const IDLE: Duration = Duration::from_hours(2);
/// Environments and versions whose sessions are kept.
const CAPACITY: u64 = 10_000;

/// Which session is meant.
pub(super) struct Wanted<'a> {
    /// The environment.
    pub environment: &'a EnvironmentName,
    /// Revision or tag; empty is the newest.
    pub version: &'a str,
    /// How to reach the server, and how old values may be.
    pub connection: &'a Connection,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    store: StoreId,
    uid: String,
    generation: i64,
    version: String,
}

#[derive(Default)]
struct Slot {
    session: Option<Session>,
    failure: Option<(SystemTime, Error)>,
}

struct Session {
    id: String,
    opened: SystemTime,
    values: Option<(SystemTime, Arc<Value>)>,
}

/// The sessions of the process.
pub(super) struct Sessions {
    slots: Cache<Key, Arc<Mutex<Slot>>>,
    clock: fn() -> SystemTime,
}

impl Sessions {
    /// No sessions yet.
    pub(super) fn new(clock: fn() -> SystemTime) -> Self {
        Self {
            slots: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_idle(IDLE)
                .build(),
            clock,
        }
    }

    /// The values of an environment, at least as new as the connection's context asks.
    ///
    /// # Errors
    /// Why they cannot be had; for some seconds the same to everybody who asks.
    pub(super) async fn snapshot(&self, wanted: &Wanted<'_>) -> Result<Arc<Value>, Error> {
        let key = key(wanted);
        let slot = self.slots.get_with(key, async { Arc::default() }).await;
        let mut slot = slot.lock().await;
        let now = (self.clock)();
        if let Some((at, error)) = &slot.failure {
            let kept = error.retry_after.unwrap_or(FAILURE_KEPT).max(FAILURE_KEPT);
            if elapsed(*at, now) < kept {
                return Err(error.clone());
            }
        }
        slot.failure = None;
        let answer = self.fill(&mut slot, wanted, now).await;
        if let Err(error) = &answer {
            slot.failure = Some((now, error.clone()));
        }
        answer
    }

    async fn fill(
        &self,
        slot: &mut Slot,
        wanted: &Wanted<'_>,
        now: SystemTime,
    ) -> Result<Arc<Value>, Error> {
        let not_before = wanted.connection.context.not_before;
        let client = wanted.connection.client();
        if let Some(session) = slot
            .session
            .as_mut()
            .filter(|session| session.opened >= not_before)
        {
            if let Some((read, values)) = &session.values
                && elapsed(*read, now) < VALUES_KEPT
            {
                return Ok(Arc::clone(values));
            }
            match read(&client.await?, wanted, &session.id).await {
                Ok(values) => {
                    session.values = Some((now, Arc::clone(&values)));
                    return Ok(values);
                }
                Err(CallError::Answer {
                    status: 401 | 403 | 404,
                    ..
                }) => {}
                Err(error) => return Err(wanted.failed(&error)),
            }
        }
        slot.session = None;
        let client = wanted.connection.client().await?;
        let version = Some(wanted.version).filter(|version| !version.is_empty());
        let id = client
            .open(wanted.environment, version)
            .await
            .map_err(|error| wanted.failed(&error))?;
        let values = read(&client, wanted, &id)
            .await
            .map_err(|error| wanted.failed(&error))?;
        slot.session = Some(Session {
            id,
            opened: now,
            values: Some((now, Arc::clone(&values))),
        });
        Ok(values)
    }

    /// Drops values that were kept long enough.
    pub(super) fn sweep(&self) {
        let now = (self.clock)();
        for (_, slot) in &self.slots {
            let Ok(mut slot) = slot.try_lock() else {
                continue;
            };
            if let Some(session) = &mut slot.session {
                let stale = session
                    .values
                    .as_ref()
                    .is_some_and(|(read, _)| elapsed(*read, now) >= VALUES_KEPT);
                if stale {
                    session.values = None;
                }
            }
        }
    }
}

async fn read(
    client: &Client,
    wanted: &Wanted<'_>,
    session: &str,
) -> Result<Arc<Value>, CallError> {
    client
        .read_session(wanted.environment, session)
        .await
        .map(Arc::new)
}

impl Wanted<'_> {
    fn failed(&self, error: &CallError) -> Error {
        classify(error, self.environment, &self.connection.url)
    }
}

fn key(wanted: &Wanted<'_>) -> Key {
    let context = &wanted.connection.context;
    Key {
        store: context.store.id.clone(),
        uid: context.store.uid.clone(),
        generation: context.store.generation,
        version: wanted.version.to_owned(),
    }
}

fn elapsed(since: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(since).unwrap_or(Duration::ZERO)
}
