//! One login per store, shared by all its objects.
//!
//! Each [`Identity`] has a slot behind a lock, so that concurrent callers wait for one login and share
//! its outcome. Credentials that were refused are not sent again until they change or a pause that
//! grows is over: at most four tries in fifteen minutes, fewer than lock a user out.

use std::sync::{Arc, Mutex as Cell, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Method;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;

use super::answer::{Failure, member, number, take, text};
use super::login::{self, Login};
use super::{Access, Request};
use crate::http;
use crate::providers::logins::{
    ASK_AGAIN, Identity, MARGIN, OUTAGE, PAUSES, REREAD, remaining, waiting,
};
use crate::providers::slots::Slots;
use crate::providers::{Clock, Error, ErrorKind};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// A token that was found to live is not looked up again for so long.
const ALIVE: Duration = Duration::from_secs(5);

/// What calls are made with.
pub(super) struct Session {
    number: u64,
    pub(super) http: http::Client,
    pub(super) token: Option<SecretBytes>,
    /// State of the server after the last write, for reads that must see it.
    pub(super) index: Cell<Option<HeaderValue>>,
    born: SystemTime,
}

impl Session {
    /// The server's state that reads must have seen.
    pub(super) fn seen(&self) -> Option<HeaderValue> {
        let index = self.index.lock();
        index.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The sessions of all stores.
pub(super) struct Sessions {
    clock: Clock,
    slots: Slots<Identity, Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    session: Option<Arc<Session>>,
    number: u64,
    /// Fingerprints of what the session was made from.
    credentials: Vec<u8>,
    trust: Vec<u8>,
    /// `None` never expires.
    until: Option<SystemTime>,
    renewal: Option<Renewal>,
    alive_until: Option<SystemTime>,
    is_suspect: bool,
    refusal: Option<Refusal>,
    outage: Option<(Error, SystemTime)>,
}

struct Renewal {
    at: SystemTime,
    life: Duration,
}

/// Credentials that did not work.
struct Refusal {
    credentials: Vec<u8>,
    count: usize,
    until: SystemTime,
    error: Error,
}

impl Sessions {
    pub(super) fn new(clock: Clock) -> Self {
        let slots = Slots::new(10_000, Duration::from_hours(2));
        Self { clock, slots }
    }

    /// The store's session, made where there is none.
    pub(super) async fn session(&self, access: &Access) -> Result<Arc<Session>, Error> {
        let slot = self.slot(access).await;
        let mut slot = slot.lock().await;
        let now = (self.clock)();
        if let Some(session) = slot.usable(now) {
            if let Some(renewal) = slot.renewal.take_if(|renewal| now >= renewal.at)
                && let Some(error) = slot.renew(access, &session, renewal.life, now).await
            {
                tracing::debug!(error = %error, "Failed to renew token, logging in");
                slot.session = None;
                return self.log_in(&mut slot, access).await;
            }
            return Ok(session);
        }
        self.log_in(&mut slot, access).await
    }

    /// What to use in place of a session whose call was forbidden: another session, or none when its
    /// token is well and only lacks the permission.
    pub(super) async fn replacement(
        &self,
        access: &Access,
        used: &Session,
    ) -> Result<Option<Arc<Session>>, Error> {
        let slot = self.slot(access).await;
        let mut slot = slot.lock().await;
        let now = (self.clock)();
        if let Some(current) = slot
            .session
            .as_ref()
            .filter(|one| one.number != used.number)
        {
            return Ok(Some(Arc::clone(current)));
        }
        if slot.alive_until.is_some_and(|until| now < until) {
            return Ok(None);
        }
        match access.exchange(used, &Request::lookup()).await {
            Ok(_) => {
                slot.alive_until = Some(now + ALIVE);
                slot.refusal = None;
                return Ok(None);
            }
            Err(failure) if failure.is_forbidden => {
                let is_young = now.duration_since(used.born).unwrap_or_default() < ALIVE;
                let is_given = has_given_token(access);
                if is_young || is_given {
                    let credentials = slot.credentials.clone();
                    slot.refuse(credentials, failure.error, is_given, now);
                }
            }
            Err(failure) => return Err(failure.error),
        }
        slot.session = None;
        self.log_in(&mut slot, access).await.map(Some)
    }

    /// Has CA and client certificate read again before the next call: the server could not be reached.
    pub(super) async fn suspect(&self, access: &Access) {
        let slot = self.slot(access).await;
        slot.lock().await.is_suspect = true;
    }

    async fn slot(&self, access: &Access) -> Arc<Mutex<Slot>> {
        self.slots.of(&access.identity).await
    }

    async fn log_in(&self, slot: &mut Slot, access: &Access) -> Result<Arc<Session>, Error> {
        let now = (self.clock)();
        if let Some((error, left)) = remaining(slot.outage.as_ref(), now) {
            return Err(waiting(error, left));
        }
        let login = login::prepare(access).await?;
        let credentials = login.fingerprint();
        let refusal = slot.refusal.as_ref();
        let refusal = refusal.filter(|refusal| refusal.credentials == credentials);
        let refusal = refusal.map(|refusal| (refusal.error.clone(), refusal.until));
        if let Some((error, left)) = remaining(refusal.as_ref(), now) {
            return Err(waiting(error, left));
        }
        let (options, trust) = access.trust().await?;
        let is_same = slot.credentials == credentials && slot.trust == trust;
        if let Some(session) = slot.session.as_ref().filter(|_| is_same)
            && (matches!(login, Login::Token(_) | Login::Open) || slot.is_valid(now))
        {
            let session = Arc::clone(session);
            if matches!(login, Login::Token(_) | Login::Open) {
                slot.until = Some(now + REREAD);
            }
            slot.is_suspect = false;
            return Ok(session);
        }
        let http =
            http::Client::new(&options).map_err(|error| access.invalid(&error.to_string()))?;
        slot.trust = trust;
        slot.credentials.clone_from(&credentials);
        let can_lock_out = !matches!(login, Login::Call { proof: Some(_), .. });
        let login = access.minted(login).await?;
        match access.call_login(http, login).await {
            Ok(granted) => Ok(slot.adopt(granted, now)),
            Err(failure) => Err(match failure.error {
                error if matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unavailable) => {
                    let life = error.retry_after.unwrap_or(OUTAGE);
                    slot.outage = Some((error.clone(), now + life));
                    error
                }
                error => slot.refuse(credentials, error, can_lock_out, now),
            }),
        }
    }
}

/// A session to be, and how long it lasts.
pub(super) struct Granted {
    pub(super) http: http::Client,
    pub(super) token: Option<SecretBytes>,
    pub(super) life: Option<Duration>,
    pub(super) is_renewable: bool,
    /// Whether the server has seen the credentials.
    is_proven: bool,
}

impl Granted {
    /// What the answer to a login gives; `None` when it gives no token.
    pub(super) fn of_answer(http: http::Client, answer: Json) -> Option<Self> {
        let auth = take(answer, "auth")?;
        let life = member(&auth, "lease_duration")
            .and_then(number)
            .unwrap_or(0);
        let is_renewable = member(&auth, "renewable") == Some(&Json::Bool(true));
        let token = member(&auth, "client_token").and_then(text)?;
        Some(Self {
            token: Some(token.into()).filter(|token: &SecretBytes| !token.is_empty()),
            http,
            life: (life > 0).then(|| Duration::from_secs(life)),
            is_renewable,
            is_proven: true,
        })
    }

    /// A token from elsewhere, or none.
    pub(super) fn given(http: http::Client, token: Option<SecretBytes>) -> Self {
        Self {
            http,
            token,
            life: Some(REREAD + MARGIN),
            is_renewable: false,
            is_proven: false,
        }
    }
}

impl Slot {
    fn is_valid(&self, now: SystemTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    fn usable(&self, now: SystemTime) -> Option<Arc<Session>> {
        let session = self.session.as_ref();
        let session = session.filter(|_| !self.is_suspect && self.is_valid(now));
        session.map(Arc::clone)
    }

    fn adopt(&mut self, granted: Granted, now: SystemTime) -> Arc<Session> {
        self.number += 1;
        self.refusal.take_if(|_| granted.is_proven);
        self.outage = None;
        self.alive_until = None;
        self.is_suspect = false;
        self.set_life(granted.life, granted.is_renewable, now);
        let session = Arc::new(Session {
            number: self.number,
            http: granted.http,
            token: granted.token,
            index: Cell::new(None),
            born: now,
        });
        self.session = Some(Arc::clone(&session));
        session
    }

    fn set_life(&mut self, life: Option<Duration>, is_renewable: bool, now: SystemTime) {
        self.until = life.map(|life| now + life - MARGIN.min(life / 10));
        let renewable = life.filter(|_| is_renewable);
        self.renewal = renewable.map(|life| Renewal {
            at: now + life * 2 / 3,
            life,
        });
    }

    /// Why the token was not renewed, unless it was for at least half of its first life.
    async fn renew(
        &mut self,
        access: &Access,
        session: &Session,
        life: Duration,
        now: SystemTime,
    ) -> Option<Error> {
        let answer = access.exchange(session, &Request::renewal()).await;
        let auth = match answer {
            Ok(answer) => answer.and_then(|answer| take(answer, "auth")),
            Err(failure) => return Some(failure.error),
        };
        let granted = auth
            .as_ref()
            .and_then(|auth| member(auth, "lease_duration"));
        let granted = Duration::from_secs(granted.and_then(number).unwrap_or(0));
        if granted * 2 < life {
            return Some(access.invalid("the token's longest life is near its end"));
        }
        self.set_life(Some(granted), true, now);
        None
    }

    fn refuse(
        &mut self,
        credentials: Vec<u8>,
        mut error: Error,
        can_lock_out: bool,
        now: SystemTime,
    ) -> Error {
        let before = self.refusal.as_ref();
        let before = before.filter(|refusal| refusal.credentials == credentials);
        let count = before.map_or(0, |refusal| refusal.count);
        let longest = if can_lock_out { PAUSES.len() - 1 } else { 1 };
        let pause = PAUSES[count.min(longest)];
        error.retry_after = Some(pause.min(ASK_AGAIN));
        self.refusal = Some(Refusal {
            credentials,
            count: count + 1,
            until: now + pause,
            error: error.clone(),
        });
        error
    }
}

/// Whether the token was given out by somebody else, so that a login gives the same again.
fn has_given_token(access: &Access) -> bool {
    let auth = access.block.auth.as_ref();
    auth.is_none_or(|auth| auth.token_secret_ref.is_some())
}

/// Tells trust settings apart without keeping them.
pub(super) fn trust_fingerprint(options: &http::Options) -> Vec<u8> {
    let ca = options.ca_bundle.as_deref().unwrap_or_default();
    let identity = options.identity.as_ref().map(|pem| pem.expose());
    let text = SecretBytes::new([ca, b"\n", identity.unwrap_or_default()].concat());
    digest(&SHA256, text.expose()).as_ref().to_vec()
}

impl Access {
    async fn call_login(&self, http: http::Client, login: Login) -> Result<Granted, Failure> {
        let (path, body) = match login {
            Login::Open => return Ok(Granted::given(http, None)),
            Login::Token(token) => return Ok(Granted::given(http, Some(token))),
            Login::Call { path, body, .. } => (path, body),
        };
        let request = Request {
            action: "log in".to_owned(),
            method: Method::POST,
            path: format!("auth/{path}"),
            query: Vec::new(),
            body: Some(Json::Object(body).to_bytes()),
            is_repeatable: false,
        };
        let session = Session {
            number: 0,
            http: http.clone(),
            token: None,
            index: Cell::new(None),
            born: (self.engine.clock)(),
        };
        let answer = self.exchange(&session, &request).await;
        let answer = answer.map_err(|mut failure| {
            if failure.error.kind == ErrorKind::Invalid {
                failure.error.kind = ErrorKind::Denied;
            }
            failure
        })?;
        tracing::debug!(store = self.context.store.id.name, "Logged in");
        let granted = answer.and_then(|answer| Granted::of_answer(http, answer));
        let granted = granted.filter(|granted| granted.token.is_some());
        granted.ok_or_else(|| {
            let message = "the server gave no token for the login; it may ask for a second factor";
            Error::new(ErrorKind::Denied, self.name(), message).into()
        })
    }
}
