//! When a certificate is renewed. Pure.

use jiff::Timestamp;

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

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Keep,
    /// A new leaf of the present CA.
    RenewLeaf,
    /// A new CA; the old one stays in the bundle until its leaves have expired.
    ReplaceAuthority,
}

/// Decides on the certificates of this replica.
pub(super) fn next_step(
    now: Timestamp,
    authority: Life,
    leaf: Life,
    issued_by_present: bool,
) -> Step {
    if now >= authority.renewal() {
        Step::ReplaceAuthority
    } else if now >= leaf.renewal() || !issued_by_present {
        Step::RenewLeaf
    } else {
        Step::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(begin: i64, end: i64) -> Life {
        Life {
            begin: Timestamp::from_second(begin).unwrap(),
            end: Timestamp::from_second(end).unwrap(),
        }
    }

    #[test]
    fn certificates_are_renewed_at_two_thirds_of_their_life() {
        let (authority, leaf) = (life(0, 900), life(0, 30));
        let step =
            |now: i64, same| next_step(Timestamp::from_second(now).unwrap(), authority, leaf, same);
        assert_eq!(step(0, true), Step::Keep);
        assert_eq!(step(19, true), Step::Keep);
        assert_eq!(step(20, true), Step::RenewLeaf);
        assert_eq!(step(0, false), Step::RenewLeaf);
        assert_eq!(step(600, true), Step::ReplaceAuthority);
    }
}
