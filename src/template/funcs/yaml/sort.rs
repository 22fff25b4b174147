//! The order of keys: as people count, so that `a2` comes before `a10`.

use std::cmp::Ordering;

/// Compares two keys as go-yaml does.
pub(super) fn keys(left: &str, right: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else {
        return a.len().cmp(&b.len());
    };
    let (x, y) = (a[at], b[at]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero behind other digits is a digit of their number, not a leading zero.
    let before = a[..at].iter().rev().take_while(|c| c.is_ascii_digit());
    let within = (x == '0' || y == '0') && before.into_iter().any(|c| *c != '0');
    let first = i64::from(within);
    let (left, right) = (number(&a[at..], first), number(&b[at..], first));
    left.cmp(&right).then(x.cmp(&y))
}

/// The number that the leading digits of `text` continue from `first`, and how many they are.
fn number(text: &[char], first: i64) -> (i64, usize) {
    let digits = text.iter().map_while(|c| c.to_digit(10));
    digits.fold((first, 0), |(value, count), digit| {
        let value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        (value, count + 1)
    })
}
