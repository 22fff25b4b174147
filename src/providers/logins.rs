//! One login per store, shared by all its objects.
//!
//! Each [`Identity`] has a slot behind a lock, so that concurrent callers wait for one login and share
//! its outcome. Credentials that were refused are not sent again until they change or a pause that
//! grows is over: at most four tries in fifteen minutes, fewer than lock a user out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};
use tokio::sync::Mutex;

use super::slots::Slots;
use super::{ClientContext, Clock, Error, ErrorKind};
use crate::model::secret_store::StoreId;

/// Pauses after the first, second, … refusal of the same credentials.
pub(super) const PAUSES: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
];

/// Longest wait that callers are told, so that a mended Secret is soon noticed: looking costs no login.
pub(super) const ASK_AGAIN: Duration = Duration::from_mins(1);

/// How long an unreachable server is not asked for a login again.
pub(super) const OUTAGE: Duration = Duration::from_secs(5);

/// How long a session is used before its credentials are read again, to notice new ones.
pub(super) const REREAD: Duration = Duration::from_mins(1);

/// A session is not used this short before it expires, or a tenth of its life if that is less.
pub(super) const MARGIN: Duration = Duration::from_secs(30);

/// A session that is refused so soon after its login is not worth another one.
const YOUNG: Duration = Duration::from_secs(5);

/// Whose session it is. Stores never share one: their credentials may differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    store: StoreId,
    uid: String,
    generation: i64,
    /// Namespace of the consumer where the credentials are its own, else empty.
    consumer: String,
}

impl Identity {
    /// The session's owner; `is_referent` tells that credentials are in the consumer's namespace.
    pub(super) fn new(context: &ClientContext, is_referent: bool) -> Self {
        let store = &context.store;
        let consumer = Some(&context.namespace).filter(|_| is_referent);
        Self {
            store: store.id.clone(),
            uid: store.uid.clone(),
            generation: store.generation,
            consumer: consumer.cloned().unwrap_or_default(),
        }
    }
}

/// Tells credentials apart without keeping them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// Of all that a login depends on: credentials, trust settings, client certificate.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        Self(context.finish().as_ref().to_vec())
    }

    /// Its bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// What a login gave.
pub(super) struct Granted<S> {
    /// What calls are made with.
    pub(super) session: S,
    /// How long the server accepts it; `None` is for ever.
    pub(super) life: Option<Duration>,
    /// Whether the server has seen the credentials; not so where they are sent with each call.
    pub(super) is_proven: bool,
}

/// How a provider logs in to one store.
#[async_trait]
pub(super) trait Login: Sync {
    /// What is read from the cluster.
    type Credentials: Send;
    /// What calls are made with.
    type Session: Send + Sync + 'static;

    /// Reads the credentials without a call to the remote.
    ///
    /// # Errors
    /// Why they cannot be read.
    async fn credentials(&self) -> Result<(Fingerprint, Self::Credentials), Error>;

    /// Logs in.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the remote refuses the credentials, else the class of the failure.
    async fn log_in(&self, credentials: Self::Credentials)
    -> Result<Granted<Self::Session>, Error>;
}

/// The sessions of all stores of one provider.
pub(super) struct Logins<S> {
    clock: Clock,
    slots: Slots<Identity, Mutex<Slot<S>>>,
}

struct Slot<S> {
    session: Option<Held<S>>,
    refusal: Option<Refusal>,
    outage: Option<(Error, SystemTime)>,
}

struct Held<S> {
    session: Arc<S>,
    fingerprint: Fingerprint,
    is_proven: bool,
    born: SystemTime,
    reread: SystemTime,
    until: Option<SystemTime>,
}

/// Credentials that did not work.
struct Refusal {
    fingerprint: Fingerprint,
    count: usize,
    until: SystemTime,
    error: Error,
}

impl<S: Send + Sync + 'static> Logins<S> {
    /// No session yet; lives by `clock`.
    pub(super) fn new(clock: Clock) -> Self {
        let slots = Slots::new(10_000, Duration::from_hours(2));
        Self { clock, slots }
    }

    /// The store's session, made where there is none that can be used.
    ///
    /// # Errors
    /// That of the login, or of one a while ago with the same credentials.
    pub(super) async fn session<L: Login<Session = S>>(
        &self,
        identity: &Identity,
        login: &L,
    ) -> Result<Arc<S>, Error> {
        let slot = self.slot(identity).await;
        let mut slot = slot.lock().await;
        let now = (self.clock)();
        if let Some(held) = &slot.session
            && held.is_valid(now)
            && now < held.reread
        {
            return Ok(Arc::clone(&held.session));
        }
        if let Some((error, left)) = remaining(slot.outage.as_ref(), now) {
            return Err(waiting(error, left));
        }
        let (fingerprint, credentials) = login.credentials().await?;
        if let Some(held) = &mut slot.session
            && held.is_valid(now)
            && held.fingerprint == fingerprint
        {
            held.reread = now + REREAD;
            return Ok(Arc::clone(&held.session));
        }
        let refusal = slot.refusal.as_ref();
        let refusal = refusal.filter(|refusal| refusal.fingerprint == fingerprint);
        let refusal = refusal.map(|refusal| (refusal.error.clone(), refusal.until));
        if let Some((error, left)) = remaining(refusal.as_ref(), now) {
            return Err(waiting(error, left));
        }
        match login.log_in(credentials).await {
            Ok(granted) => Ok(slot.adopt(granted, fingerprint, now)),
            Err(error) => Err(slot.fail(fingerprint, error, now)),
        }
    }

    /// Tells that the remote no longer accepts `used`. Whether another try with [`Self::session`] is
    /// worth while: not when the session was made a moment ago or its credentials are sent with each
    /// call, for then it is they that are wrong.
    pub(super) async fn rejected(&self, identity: &Identity, used: &Arc<S>, error: &Error) -> bool {
        let slot = self.slot(identity).await;
        let mut slot = slot.lock().await;
        let now = (self.clock)();
        let is_current = |held: &Held<S>| Arc::ptr_eq(&held.session, used);
        if !slot.session.as_ref().is_some_and(is_current) {
            return true;
        }
        let Some(held) = slot.session.take() else {
            return true;
        };
        let is_young = now.duration_since(held.born).unwrap_or_default() < YOUNG;
        if is_young || !held.is_proven {
            slot.refuse(held.fingerprint, error.clone(), now);
            return false;
        }
        true
    }

    async fn slot(&self, identity: &Identity) -> Arc<Mutex<Slot<S>>> {
        let empty = || {
            Mutex::new(Slot {
                session: None,
                refusal: None,
                outage: None,
            })
        };
        self.slots.get(identity, empty).await
    }
}

impl<S> Held<S> {
    fn is_valid(&self, now: SystemTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl<S> Slot<S> {
    fn adopt(&mut self, granted: Granted<S>, fingerprint: Fingerprint, now: SystemTime) -> Arc<S> {
        self.refusal.take_if(|_| granted.is_proven);
        self.outage = None;
        let session = Arc::new(granted.session);
        self.session = Some(Held {
            session: Arc::clone(&session),
            fingerprint,
            is_proven: granted.is_proven,
            born: now,
            reread: now + REREAD,
            until: granted.life.map(|life| now + life - MARGIN.min(life / 10)),
        });
        session
    }

    fn fail(&mut self, fingerprint: Fingerprint, error: Error, now: SystemTime) -> Error {
        match error.kind {
            ErrorKind::Throttled | ErrorKind::Unavailable => {
                let life = error.retry_after.unwrap_or(OUTAGE);
                self.outage = Some((error.clone(), now + life));
                error
            }
            ErrorKind::Denied => self.refuse(fingerprint, error, now),
            _ => error,
        }
    }

    fn refuse(&mut self, fingerprint: Fingerprint, mut error: Error, now: SystemTime) -> Error {
        let before = self.refusal.as_ref();
        let before = before.filter(|refusal| refusal.fingerprint == fingerprint);
        let count = before.map_or(0, |refusal| refusal.count);
        let pause = PAUSES[count.min(PAUSES.len() - 1)];
        error.retry_after = Some(pause.min(ASK_AGAIN));
        self.refusal = Some(Refusal {
            fingerprint,
            count: count + 1,
            until: now + pause,
            error: error.clone(),
        });
        error
    }
}

/// A remembered failure that is not over, and the time left.
pub(super) fn remaining(
    failure: Option<&(Error, SystemTime)>,
    now: SystemTime,
) -> Option<(Error, Duration)> {
    let (error, until) = failure?;
    let left = until.duration_since(now).ok();
    let left = left.filter(|left| !left.is_zero());
    left.map(|left| (error.clone(), left))
}

/// A failure that is told again, with the time to wait.
pub(super) fn waiting(mut error: Error, left: Duration) -> Error {
    error.retry_after = Some(left.min(ASK_AGAIN));
    error
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Cell;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;
    use crate::api::meta::StoreKind;

    struct Desk {
        logins: Logins<usize>,
        seconds: Arc<AtomicU64>,
        password: Cell<&'static str>,
        is_proven: bool,
        calls: AtomicUsize,
    }

    #[async_trait]
    impl Login for Desk {
        type Credentials = &'static str;
        type Session = usize;

        async fn credentials(&self) -> Result<(Fingerprint, &'static str), Error> {
            let password = *self.password.lock().unwrap();
            Ok((Fingerprint::of([password.as_bytes()]), password))
        }

        async fn log_in(&self, password: &'static str) -> Result<Granted<usize>, Error> {
            tokio::task::yield_now().await;
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            if password == "wrong" {
                return Err(Error::new(ErrorKind::Denied, "x", "wrong password"));
            }
            Ok(Granted {
                session: call,
                life: Some(Duration::from_mins(10)),
                is_proven: self.is_proven,
            })
        }
    }

    impl Desk {
        fn new(is_proven: bool) -> Self {
            let seconds = Arc::new(AtomicU64::new(0));
            let clock = Arc::clone(&seconds);
            let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + seconds);
            Self {
                logins: Logins::new(Arc::new(move || at(clock.load(Ordering::SeqCst)))),
                seconds,
                password: Cell::new("right"),
                is_proven,
                calls: AtomicUsize::new(0),
            }
        }

        async fn at(&self, seconds: u64) -> Result<Arc<usize>, Error> {
            self.seconds.store(seconds, Ordering::SeqCst);
            self.logins.session(&identity(), self).await
        }
    }

    fn identity() -> Identity {
        Identity {
            store: StoreId {
                kind: StoreKind::SecretStore,
                namespace: "team".to_owned(),
                name: "main".to_owned(),
            },
            uid: "uid".to_owned(),
            generation: 1,
            consumer: String::new(),
        }
    }

    #[tokio::test]
    async fn callers_share_one_login_until_it_ends_or_the_credentials_change() {
        let desk = Desk::new(true);
        let sessions = join_all((0..20).map(|_| desk.at(0))).await;
        assert!(sessions.iter().all(|one| **one.as_ref().unwrap() == 1));
        assert_eq!(*desk.at(100).await.unwrap(), 1, "read again, the same");
        *desk.password.lock().unwrap() = "new";
        assert_eq!(*desk.at(101).await.unwrap(), 1, "not read again yet");
        assert_eq!(*desk.at(161).await.unwrap(), 2);
        assert_eq!(*desk.at(161 + 569).await.unwrap(), 2);
        assert_eq!(*desk.at(161 + 570).await.unwrap(), 3, "30 s before its end");
    }

    #[tokio::test]
    async fn refused_credentials_are_sent_four_times_in_a_quarter_of_an_hour() {
        let desk = Desk::new(true);
        *desk.password.lock().unwrap() = "wrong";
        for second in 0..=15 * 60 {
            let error = desk.at(second).await.unwrap_err();
            let told = error.retry_after.unwrap();
            assert!(told <= ASK_AGAIN && !told.is_zero());
        }
        assert_eq!(desk.calls.load(Ordering::SeqCst), 4);
        *desk.password.lock().unwrap() = "right";
        assert_eq!(*desk.at(901).await.unwrap(), 5, "mended at once");
    }

    #[tokio::test]
    async fn a_session_that_ends_early_is_replaced_once_and_a_wrong_key_is_not() {
        let gone = Error::new(ErrorKind::Denied, "x", "unknown token");
        let desk = Desk::new(true);
        let first = desk.at(0).await.unwrap();
        desk.at(20).await.unwrap();
        assert!(desk.logins.rejected(&identity(), &first, &gone).await);
        let second = desk.at(20).await.unwrap();
        assert_eq!(*second, 2);
        assert!(desk.logins.rejected(&identity(), &first, &gone).await);
        assert_eq!(*desk.at(21).await.unwrap(), 2, "the new one stays");
        assert!(!desk.logins.rejected(&identity(), &second, &gone).await);
        desk.at(22).await.unwrap_err();

        let keyed = Desk::new(false);
        let key = keyed.at(0).await.unwrap();
        keyed.at(50).await.unwrap();
        assert!(!keyed.logins.rejected(&identity(), &key, &gone).await);
        let error = keyed.at(51).await.unwrap_err();
        assert_eq!(error.retry_after, Some(Duration::from_secs(4)));
    }
}
