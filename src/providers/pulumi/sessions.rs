//! One open per environment and refresh window, shared by all keys and objects.
//!
//! Each [`Place`] has a slot behind a lock, so that concurrent callers wait for one call and share its
//! outcome, a failure included. A session outlives what was read from it: values are held for 30 s
//! at most, and read again from the same session while that is new enough for the caller.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use super::access::Access;
use super::failure::Failure;
use crate::esc::client::{
    Address, Client, Environment, EnvironmentName, Error as CallError, ErrorKind as Call, Session,
};
use crate::model::secret_store::StoreId;
use crate::providers::slots::Slots;
use crate::providers::{Clock, Error, ErrorKind};

/// How long values are held after they were read.
const HOLD: Duration = Duration::from_secs(30);

/// How long a session is used; servers keep one for an hour or more.
const SESSION_LIFE: Duration = Duration::from_mins(50);

/// How long a failure answers callers in place of another call, unless the server asked for less.
const FAILURE_LIFE: Duration = Duration::from_secs(5);

/// What a session is of. The store is part of it, so that two stores never share one by credentials
/// that differ.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) store: StoreId,
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) address: Address,
    pub(super) environment: EnvironmentName,
    pub(super) version: String,
}

/// The sessions of all stores.
pub(super) struct Sessions {
    clock: Clock,
    slots: Slots<Place, Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    opened: Option<Opened>,
    failure: Option<(Error, SystemTime)>,
}

struct Opened {
    session: Session,
    /// Before the open was sent: the values are at least as new.
    at: SystemTime,
    held: Option<(Arc<Environment>, SystemTime)>,
}

impl Sessions {
    pub(super) fn new(clock: Clock) -> Self {
        let slots = Slots::new(10_000, SESSION_LIFE);
        Self { clock, slots }
    }

    /// The values of an environment, opened no earlier than the caller's `not_before`.
    pub(super) async fn values(
        &self,
        place: Place,
        access: &Access,
    ) -> Result<Arc<Environment>, Error> {
        let slot = self.slots.of(&place).await;
        let mut state = slot.lock().await;
        let (now, not_before) = ((self.clock)(), access.context.not_before);
        if let Some(values) = state.held(not_before, now) {
            return Ok(values);
        }
        if let Some(error) = state.failure(now) {
            return Err(error);
        }
        match self.fetch(&mut state, &place, access).await {
            Ok(values) => {
                state.failure = None;
                Ok(values)
            }
            Err(failure) => Err(self.remember(&mut state, failure, access).await),
        }
    }

    /// Whether token and environment work, by what is known or else by a look-up that opens nothing.
    pub(super) async fn validate(&self, place: Place, access: &Access) -> Result<(), Error> {
        let slot = self.slots.of(&place).await;
        let mut state = slot.lock().await;
        let (now, not_before) = ((self.clock)(), access.context.not_before);
        if let Some(error) = state.failure(now) {
            return Err(error);
        }
        if state.session(not_before, now).is_some() {
            return Ok(());
        }
        match look_up(&place, access).await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.remember(&mut state, failure, access).await),
        }
    }

    /// Forgets what was opened, after a write.
    pub(super) async fn forget(&self, place: &Place) {
        self.slots.forget(place).await;
    }

    /// Drops values that were held long enough, asked for or not. A slot in use is left for the next
    /// time.
    pub(super) fn sweep(&self) {
        let now = (self.clock)();
        for slot in self.slots.values() {
            let Ok(mut slot) = slot.try_lock() else {
                continue;
            };
            if let Some(opened) = &mut slot.opened {
                let is_over = |(_, read_at): &mut (_, SystemTime)| has_passed(*read_at, HOLD, now);
                opened.held.take_if(is_over);
            }
        }
    }

    async fn fetch(
        &self,
        slot: &mut Slot,
        place: &Place,
        access: &Access,
    ) -> Result<Arc<Environment>, Failure> {
        let client = access.connect().await?;
        let failed = |error: CallError| Failure::of_call(&place.environment, &error);
        let now = (self.clock)();
        if let Some(opened) = slot.session(access.context.not_before, now) {
            match opened.read(&client, place, now).await {
                Err(error) if error.kind == Call::NotFound => {}
                read => return read.map_err(failed),
            }
        }
        slot.opened = None;
        let version = Some(place.version.as_str()).filter(|version| !version.is_empty());
        let session = client.open(&place.environment, version).await;
        let opened = slot.opened.insert(Opened {
            session: session.map_err(failed)?,
            at: now,
            held: None,
        });
        tracing::debug!(environment = %place.environment, "Opened environment");
        let read = opened.read(&client, place, (self.clock)()).await;
        read.map_err(failed)
    }

    async fn remember(&self, slot: &mut Slot, failure: Failure, access: &Access) -> Error {
        match failure {
            Failure::Local(error) => error,
            Failure::Remote(error) => {
                if error.kind == ErrorKind::Denied {
                    access.forget_token().await;
                }
                let life = error.retry_after.unwrap_or(FAILURE_LIFE).min(FAILURE_LIFE);
                slot.failure = Some((error.clone(), (self.clock)() + life));
                error
            }
        }
    }
}

impl Slot {
    fn session(&mut self, not_before: SystemTime, now: SystemTime) -> Option<&mut Opened> {
        self.opened
            .as_mut()
            .filter(|opened| opened.at >= not_before && !has_passed(opened.at, SESSION_LIFE, now))
    }

    fn held(&mut self, not_before: SystemTime, now: SystemTime) -> Option<Arc<Environment>> {
        let opened = self.session(not_before, now)?;
        let (values, read_at) = opened.held.as_ref()?;
        (!has_passed(*read_at, HOLD, now)).then(|| Arc::clone(values))
    }

    fn failure(&self, now: SystemTime) -> Option<Error> {
        let remembered = self.failure.as_ref();
        remembered
            .filter(|(_, until)| now < *until)
            .map(|(error, _)| error.clone())
    }
}

impl Opened {
    async fn read(
        &mut self,
        client: &Client,
        place: &Place,
        now: SystemTime,
    ) -> Result<Arc<Environment>, CallError> {
        self.held = None;
        let values = client.read_session(&place.environment, &self.session);
        let values = Arc::new(values.await?);
        self.held = Some((Arc::clone(&values), now));
        Ok(values)
    }
}

fn has_passed(since: SystemTime, life: Duration, now: SystemTime) -> bool {
    now.duration_since(since).unwrap_or_default() >= life
}

async fn look_up(place: &Place, access: &Access) -> Result<(), Failure> {
    let client = access.connect().await?;
    let name = &place.environment;
    let looked_up = match client.etag(name).await {
        Err(error) if matches!(error.status, Some(405 | 501)) => {
            client.definition(name, None, false).await.map(drop)
        }
        answered => answered.map(drop),
    };
    looked_up.map_err(|error| Failure::of_call(name, &error))
}
