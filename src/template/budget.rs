//! How much work one rendering may do, so that no template can hang or exhaust the process.
//!
//! The account belongs to the thread, because values and functions that have no other way to reach the
//! execution must pay into it too: [`spend`] before work that a template can multiply (a byte produced,
//! an element visited, each one unit), [`descend`] in every function that follows a value into itself.
//! Outside of an execution nothing is used up; only a single piece of work that is absurd is refused, so
//! that data can be built and functions be tested alone.

use std::cell::Cell;

use super::error::Outcome;

/// Units that one piece of work may cost outside of an execution.
const OUTSIDE_WORK: u64 = 100_000_000;
/// Levels that one walk may go down outside of an execution.
const OUTSIDE_DEPTH: u32 = 400;

thread_local! {
    static ACCOUNT: Cell<Account> = const {
        Cell::new(Account {
            work: OUTSIDE_WORK,
            metered: false,
            depth: OUTSIDE_DEPTH,
        })
    };
}

#[derive(Clone, Copy)]
struct Account {
    work: u64,
    /// Whether an execution is going on, so that work is used up.
    metered: bool,
    depth: u32,
}

/// Pays for `units` of work before it is done.
///
/// # Errors
/// When less than that is left: the template does too much.
pub fn spend(units: usize) -> Outcome<()> {
    let units = u64::try_from(units).unwrap_or(u64::MAX);
    ACCOUNT.with(|cell| {
        let mut account = cell.get();
        let Some(left) = account.work.checked_sub(units) else {
            account.work = if account.metered { 0 } else { account.work };
            cell.set(account);
            return Err("the template does more work than is allowed".to_owned());
        };
        if account.metered {
            account.work = left;
            cell.set(account);
        }
        Ok(())
    })
}

/// Pays for `units` of work that cannot be refused any more; if the account does not have them, the next
/// [`spend`] fails.
pub(super) fn charge(units: usize) {
    drop(spend(units));
}

/// Goes one level down; the level is given back when the guard is dropped.
///
/// # Errors
/// When the levels are used up: a value or a template is nested too deeply.
pub fn descend() -> Outcome<Level> {
    ACCOUNT.with(|cell| {
        let mut account = cell.get();
        let Some(left) = account.depth.checked_sub(1) else {
            return Err("nested more deeply than is allowed".to_owned());
        };
        account.depth = left;
        cell.set(account);
        Ok(Level(()))
    })
}

/// One level taken by [`descend`].
#[must_use = "the level is given back when this is dropped"]
pub struct Level(());

impl Drop for Level {
    fn drop(&mut self) {
        ACCOUNT.with(|cell| {
            let mut account = cell.get();
            account.depth += 1;
            cell.set(account);
        });
    }
}

/// The account of one execution; the thread's former one comes back when it is dropped.
pub(super) struct Opened(Account);

/// Opens an account of `work` units and `depth` levels for the execution that begins.
pub(super) fn open(work: u64, depth: u32) -> Opened {
    Opened(ACCOUNT.with(|cell| {
        cell.replace(Account {
            work,
            metered: true,
            depth,
        })
    }))
}

impl Drop for Opened {
    fn drop(&mut self) {
        ACCOUNT.with(|cell| cell.set(self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::{descend, open, spend};

    #[test]
    fn work_ends_when_the_account_is_empty() {
        let _account = open(10, 5);
        spend(6).unwrap();
        spend(4).unwrap();
        assert_eq!(
            spend(1).unwrap_err(),
            "the template does more work than is allowed"
        );
    }

    #[test]
    fn nothing_is_used_up_outside_of_an_execution() {
        for _ in 0..10 {
            spend(60_000_000).unwrap();
        }
        assert!(spend(usize::MAX).is_err());
        spend(1).unwrap();
    }

    #[test]
    fn levels_are_given_back() {
        let _account = open(10, 2);
        for _ in 0..10 {
            let _first = descend().unwrap();
            let _second = descend().unwrap();
            assert!(descend().is_err());
        }
    }

    #[test]
    fn the_former_account_comes_back() {
        let outer = open(3, 1);
        {
            let _inner = open(1, 1);
            assert!(spend(2).is_err());
        }
        spend(3).unwrap();
        drop(outer);
    }
}
