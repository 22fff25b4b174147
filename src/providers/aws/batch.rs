//! Reads that come at the same time share calls.
//!
//! One call of a store is under way; what is asked for meanwhile waits and goes with the next one, so
//! that nobody waits for a timer. What a shared call does not answer is asked for alone, so that every
//! caller gets the failure of its own secret. A caller that gives up takes nobody with it.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::{Mutex as Cell, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::{Mutex, oneshot};

use super::failure::Failure;
use super::{Clock, Error, ErrorKind, Fetched};
use crate::providers::slots::Slots;
use crate::secret::SecretBytes;

/// How long a store whose policies forbid shared calls is not asked for them again.
const ALONE: Duration = Duration::from_mins(10);

/// A service that gives several values in one call.
#[async_trait]
pub(super) trait Kind: Sync {
    /// Most values of one call.
    const MOST: usize;

    /// One value.
    ///
    /// # Errors
    /// The class of the failure.
    async fn one(&self, name: &str) -> Result<Fetched, Error>;

    /// Those of the values that the call gives, by the name that was asked for.
    ///
    /// # Errors
    /// The class of the failure of the whole call.
    async fn many(&self, names: Vec<String>) -> Result<BTreeMap<String, SecretBytes>, Failure>;
}

/// Who waits for values, by store.
pub(super) struct Batches<I> {
    clock: Clock,
    lines: Slots<I, Line>,
}

#[derive(Default)]
struct Line {
    waiting: Cell<Vec<Waiting>>,
    /// Held while a call is under way.
    turn: Mutex<()>,
    alone_until: Cell<Option<SystemTime>>,
}

struct Waiting {
    name: String,
    answer: oneshot::Sender<Outcome>,
}

enum Outcome {
    Answered(Result<Fetched, Error>),
    /// Ask for it alone.
    Alone,
}

impl<I: Hash + Eq + Clone + Send + Sync + 'static> Batches<I> {
    pub(super) fn new(clock: Clock) -> Self {
        let lines = Slots::new(10_000, Duration::from_hours(2));
        Self { clock, lines }
    }

    /// One value, together with what else `identity` is asked for.
    ///
    /// # Errors
    /// Those of [`Kind::one`].
    pub(super) async fn get<K: Kind>(
        &self,
        identity: &I,
        kind: &K,
        name: &str,
    ) -> Result<Fetched, Error> {
        let line = self.lines.of(identity).await;
        if line.is_alone((self.clock)()) {
            return kind.one(name).await;
        }
        loop {
            let (answer, mut wait) = oneshot::channel();
            line.push(name, answer);
            let outcome = tokio::select! {
                biased;
                outcome = &mut wait => outcome.ok(),
                _turn = line.turn.lock() => loop {
                    match wait.try_recv() {
                        Ok(outcome) => break Some(outcome),
                        Err(oneshot::error::TryRecvError::Closed) => break None,
                        Err(oneshot::error::TryRecvError::Empty) => {
                            line.lead(kind, (self.clock)()).await;
                        }
                    }
                },
            };
            match outcome {
                Some(Outcome::Answered(answer)) => return answer,
                Some(Outcome::Alone) => return kind.one(name).await,
                // Whoever made the call gave up.
                None => {}
            }
        }
    }
}

impl Line {
    fn is_alone(&self, now: SystemTime) -> bool {
        let until = *self
            .alone_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| now < until)
    }

    fn push(&self, name: &str, answer: oneshot::Sender<Outcome>) {
        let name = name.to_owned();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(Waiting { name, answer });
    }

    /// The first `most` of those who still wait.
    fn take(&self, most: usize) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| !one.answer.is_closed());
        let most = waiting.len().min(most);
        waiting.drain(..most).collect()
    }

    /// Makes the next call and answers those whose values it was for.
    async fn lead<K: Kind>(&self, kind: &K, now: SystemTime) {
        let mut batch = self.take(K::MOST);
        if batch.len() == 1
            && let Some(only) = batch.pop()
        {
            let answer = kind.one(&only.name).await;
            self.pass_on(&answer);
            only.tell(Outcome::Answered(answer));
            return;
        }
        let names = batch.iter().map(|one| one.name.clone()).collect();
        match kind.many(names).await {
            Ok(mut found) => {
                for one in batch {
                    let value = found.remove(&one.name);
                    one.tell(
                        value.map_or(Outcome::Alone, |value| Outcome::Answered(Ok(Some(value)))),
                    );
                }
            }
            Err(failure) => {
                let error = failure.error;
                let is_of_all = failure.is_stale || is_outage(&error);
                if error.kind == ErrorKind::Denied && !failure.is_stale {
                    let mut until = self
                        .alone_until
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    *until = Some(now + ALONE);
                }
                for one in batch {
                    one.tell(if is_of_all {
                        Outcome::Answered(Err(error.clone()))
                    } else {
                        Outcome::Alone
                    });
                }
                self.pass_on(&Err(error));
            }
        }
    }

    /// An outage answers all who wait: they would wait for the same one after the other.
    fn pass_on(&self, answer: &Result<Fetched, Error>) {
        if let Err(error) = answer
            && is_outage(error)
        {
            for one in self.take(usize::MAX) {
                one.tell(Outcome::Answered(Err(error.clone())));
            }
        }
    }
}

impl Waiting {
    fn tell(self, outcome: Outcome) {
        // Whoever asked may have given up.
        drop(self.answer.send(outcome));
    }
}

fn is_outage(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unavailable)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    #[derive(Default)]
    struct Shelf {
        ones: AtomicUsize,
        calls: Cell<Vec<usize>>,
        failure: Option<ErrorKind>,
    }

    #[async_trait]
    impl Kind for Shelf {
        const MOST: usize = 20;

        async fn one(&self, name: &str) -> Result<Fetched, Error> {
            self.ones.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok((name != "missing").then(|| name.into()))
        }

        async fn many(&self, names: Vec<String>) -> Result<BTreeMap<String, SecretBytes>, Failure> {
            self.calls.lock().unwrap().push(names.len());
            tokio::task::yield_now().await;
            if let Some(kind) = self.failure {
                return Err(Error::new(kind, "x", "no").into());
            }
            let found = names.into_iter().filter(|name| name != "missing");
            Ok(found
                .map(|name| (name.clone(), name.as_str().into()))
                .collect())
        }
    }

    fn batches() -> Batches<u8> {
        Batches::new(Arc::new(|| SystemTime::UNIX_EPOCH))
    }

    async fn read(
        batches: &Batches<u8>,
        shelf: &Shelf,
        count: usize,
    ) -> Vec<Result<Fetched, Error>> {
        let names: Vec<_> = (0..count).map(|number| format!("n{number}")).collect();
        join_all(names.iter().map(|name| batches.get(&1, shelf, name))).await
    }

    #[tokio::test]
    async fn what_is_asked_for_meanwhile_goes_with_the_next_call() {
        let (batches, shelf) = (batches(), Shelf::default());
        for (number, value) in read(&batches, &shelf, 50).await.into_iter().enumerate() {
            let value = value.unwrap().unwrap();
            assert_eq!(value.expose_str().unwrap(), format!("n{number}"));
        }
        let calls = shelf.calls.lock().unwrap().clone();
        assert!(calls.len() <= 3, "{calls:?}");
        assert!(shelf.ones.load(Ordering::SeqCst) <= 1);
    }

    #[tokio::test]
    async fn a_missing_value_is_asked_for_alone_and_hides_no_other() {
        let (batches, shelf) = (batches(), Shelf::default());
        let names = ["a", "missing", "b"];
        let found = join_all(names.map(|name| batches.get(&1, &shelf, name))).await;
        let found: Vec<_> = found
            .into_iter()
            .map(|one| one.unwrap().is_some())
            .collect();
        assert_eq!(found, [true, false, true]);
    }

    #[tokio::test]
    async fn a_store_that_may_not_share_calls_asks_one_by_one() {
        let batches = batches();
        let shelf = Shelf {
            failure: Some(ErrorKind::Denied),
            ..Shelf::default()
        };
        assert!(read(&batches, &shelf, 30).await.iter().all(Result::is_ok));
        assert!(read(&batches, &shelf, 30).await.iter().all(Result::is_ok));
        assert!(shelf.calls.lock().unwrap().len() <= 2);
    }

    #[tokio::test]
    async fn an_outage_answers_all_at_once() {
        let batches = batches();
        let shelf = Shelf {
            failure: Some(ErrorKind::Unavailable),
            ..Shelf::default()
        };
        let answers = read(&batches, &shelf, 100).await;
        let failed = answers.iter().filter(|answer| answer.is_err()).count();
        assert!(failed >= 80, "{failed}");
        assert!(shelf.calls.lock().unwrap().len() <= 1);
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_takes_nobody_with_it() {
        let (batches, shelf) = (batches(), Shelf::default());
        let mut leader = Box::pin(batches.get(&1, &shelf, "a"));
        let mut follower = Box::pin(batches.get(&1, &shelf, "b"));
        assert!(futures::poll!(&mut leader).is_pending());
        assert!(futures::poll!(&mut follower).is_pending());
        drop(leader);
        let value = follower.await.unwrap().unwrap();
        assert_eq!(value.expose_str(), Some("b"));
    }
}
