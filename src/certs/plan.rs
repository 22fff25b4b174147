//! When certificates are renewed, and how one CA gives way to the next. Pure.
//!
//! A CA is replaced in steps, none of which leaves a client without a CA that it shares with every
//! replica: the next CA is staged and published beside the present one; only after every API server has
//! had time to learn it does it sign; the old one stays published for as long as its leaves may live.

use jiff::{SignedDuration, Timestamp};

/// Longest pause between two looks. By the wall clock, so that a machine that slept notices.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// Shortest pause, so that a cause for a look that does not go away costs little.
const SHORTEST_PAUSE: SignedDuration = SignedDuration::from_millis(200);
/// Longest wait before a reverted configuration is repaired again.
const LONGEST_REPAIR_WAIT: SignedDuration = SignedDuration::from_mins(5);
/// After this long without a repair the next is made at once again.
const QUIET: SignedDuration = SignedDuration::from_mins(15);

/// The time a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// First moment.
    pub begin: Timestamp,
    /// Last moment.
    pub end: Timestamp,
}

impl Life {
    /// The moment after which the certificate is renewed: two thirds of its life.
    pub(super) fn renewal(self) -> Timestamp {
        let length = self.end.duration_since(self.begin);
        self.begin + length * 2 / 3
    }
}

/// What one replica knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// The present.
    pub now: Timestamp,
    /// Of the CA that signs.
    pub current: Life,
    /// Whether a next CA is staged.
    pub is_staged: bool,
    /// When CAs of the past may leave the bundle, if there are any.
    pub retire: Option<Timestamp>,
    /// Whether somebody asked for a new CA.
    pub is_rotation_asked: bool,
    /// Of the leaf that is served.
    pub leaf: Life,
    /// Whether that leaf was issued by the CA that signs.
    pub is_leaf_of_current: bool,
    /// Since when the watched configurations have shown the wanted bundle, without a break.
    pub shown_since: Option<Timestamp>,
    /// How long API servers may take to learn a bundle.
    pub settle: SignedDuration,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Keep,
    /// A new leaf of the CA that signs.
    RenewLeaf,
    /// Make the next CA; it is published, but signs nothing.
    Stage,
    /// Let the staged CA sign; the one before stays published.
    Promote,
    /// Take CAs of the past out of the bundle: no leaf of theirs is valid any more.
    Retire,
}

/// The first thing to do; asked again after each.
pub(super) fn next_step(situation: &Situation) -> Step {
    let now = situation.now;
    let is_expired = now >= situation.current.end;
    if !situation.is_staged && (now >= situation.current.renewal() || situation.is_rotation_asked) {
        return Step::Stage;
    }
    let is_settled = situation
        .shown_since
        .is_some_and(|since| now.duration_since(since) >= situation.settle);
    // Nobody trusts leaves of an expired CA, so there is nothing to wait for.
    if situation.is_staged && (is_settled || is_expired) {
        return Step::Promote;
    }
    // A CA that was replaced by hand signs only once it is published.
    let is_published = situation.shown_since.is_some() || now >= situation.leaf.end;
    if now >= situation.leaf.renewal() || (!situation.is_leaf_of_current && is_published) {
        return if is_expired {
            Step::Keep
        } else {
            Step::RenewLeaf
        };
    }
    if situation.retire.is_some_and(|retire| now >= retire) {
        return Step::Retire;
    }
    Step::Keep
}

/// How long nothing will have to be done, if nothing changes.
pub(super) fn pause(situation: &Situation, repairs: &Repairs) -> SignedDuration {
    let due = match situation.shown_since {
        None => Some(repairs.due()),
        Some(since) if situation.is_staged => Some(since + situation.settle),
        Some(_) => None,
    };
    let wait = due.map_or(LONGEST_PAUSE, |due| due.duration_since(situation.now));
    wait.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

/// Repairs of the configurations, ever rarer where somebody keeps reverting them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repairs {
    count: u32,
    last: Timestamp,
}

impl Repairs {
    /// From when the next repair may be made.
    pub(super) fn due(&self) -> Timestamp {
        let doublings = self.count.saturating_sub(1).min(16);
        let wait = SignedDuration::from_secs(1_i64 << doublings);
        match self.count {
            0 => self.last,
            _ => self.last + wait.min(LONGEST_REPAIR_WAIT),
        }
    }

    /// Counts a repair; answers how many there were without a quiet time between them.
    pub(super) fn made(&mut self, now: Timestamp) -> u32 {
        if now.duration_since(self.last) > QUIET {
            self.count = 0;
        }
        self.count += 1;
        self.last = now;
        self.count
    }
}

#[cfg(test)]
mod tests;
