//! Constraints: alternatives of conditions that must hold together.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

use super::{Version, compare_pre};
use crate::template::error::Outcome;

/// A condition on a version.
pub(super) struct Condition {
    operator: String,
    version: Version,
    /// How many of major, minor and patch are given; a wildcard ends them.
    given: usize,
}

const NUMBERS: &str = concat!(
    r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?",
    r"(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?",
    r"(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?"
);
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern must be right")
}

static ONE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"^\s*({OPERATORS})\s*({NUMBERS})\s*$")));
static FIND: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"({OPERATORS})\s*({NUMBERS})")));
static RANGE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"\s*({NUMBERS})\s+-\s+({NUMBERS})\s*")));
static VALID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"^(\s*({OPERATORS})\s*({NUMBERS})\s*)((?:\s+|,\s*)({OPERATORS})\s*({NUMBERS})\s*)*$"
    ))
});

/// Reads alternatives.
pub(super) fn parse(text: &str) -> Outcome<Vec<Vec<Condition>>> {
    // A version has ten groups, its own and nine within, so the range ends with group 11.
    let text = RANGE.replace_all(text, ">= ${1}, <= ${11} ");
    let alternatives = text.split("||").map(|alternative| {
        if !VALID.is_match(alternative) {
            return Err(format!("improper constraint: {alternative}"));
        }
        FIND.find_iter(alternative)
            .map(|one| condition(one.as_str()))
            .collect()
    });
    alternatives.collect()
}

fn condition(text: &str) -> Outcome<Condition> {
    let parts = ONE
        .captures(text)
        .ok_or_else(|| format!("improper constraint: {text}"))?;
    let part = |at: usize| parts.get(at).map_or("", |part| part.as_str());
    let numbers = [3, 4, 5].map(|at| part(at).trim_start_matches('.'));
    let open = |number: &&str| matches!(*number, "" | "x" | "X" | "*");
    let given = numbers.iter().position(open).unwrap_or(3);
    let mut filled = ["0"; 3];
    filled[..given].copy_from_slice(&numbers[..given]);
    let plain = format!("{}{}", filled.join("."), part(6));
    let version = if given == 3 { part(2) } else { plain.as_str() };
    let version =
        Version::parse(version.as_bytes()).map_err(|_| "constraint parser error".to_owned())?;
    Ok(Condition {
        operator: part(1).to_owned(),
        version,
        given,
    })
}

/// Whether one of the alternatives holds for `version`. A prerelease counts only where the alternative
/// names one itself.
pub(super) fn allow(alternatives: &[Vec<Condition>], version: &Version) -> bool {
    alternatives.iter().any(|conditions| {
        let pre = conditions.iter().any(|one| !one.version.pre.is_empty());
        (pre || version.pre.is_empty()) && conditions.iter().all(|one| one.holds(version))
    })
}

impl Condition {
    fn holds(&self, version: &Version) -> bool {
        let order = version.compare(&self.version);
        match self.operator.as_str() {
            "!=" => self.differs(version),
            ">" => self.exceeded_by(version),
            "<" => order.is_lt(),
            ">=" | "=>" => order.is_ge(),
            "<=" | "=<" => self.reached_by(version, order),
            "~" | "~>" => self.tilde(version),
            "^" => self.caret(version),
            _ if self.given < 3 => self.tilde(version),
            _ => order.is_eq(),
        }
    }

    /// Whether the numbers that are given are the same up to `count`.
    fn same(&self, version: &Version, count: usize) -> bool {
        version.numbers[..count] == self.version.numbers[..count]
    }

    fn differs(&self, version: &Version) -> bool {
        match self.given {
            3 => version.compare(&self.version).is_ne(),
            // A wildcard alone compares as 0.0.0, as with Masterminds.
            0 => version.numbers != self.version.numbers,
            1 => !self.same(version, 1),
            _ if !self.same(version, 2) => true,
            _ if version.pre.is_empty() && self.version.pre.is_empty() => false,
            _ => compare_pre(&version.pre, &self.version.pre).is_ne(),
        }
    }

    fn exceeded_by(&self, version: &Version) -> bool {
        let (given, wanted) = (&version.numbers, &self.version.numbers);
        match self.given {
            1 => given[0] > wanted[0],
            2 => given[..2] > wanted[..2],
            _ => version.compare(&self.version).is_gt(),
        }
    }

    fn reached_by(&self, version: &Version, order: Ordering) -> bool {
        let (given, wanted) = (&version.numbers, &self.version.numbers);
        match self.given {
            3 => order.is_le(),
            1 => given[0] <= wanted[0],
            _ => given[..2] <= wanted[..2],
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        if version.compare(&self.version).is_lt() {
            return false;
        }
        let any = self.version.numbers == [0; 3] && !matches!(self.given, 1 | 2);
        any || self.same(version, if self.given == 1 { 1 } else { 2 })
    }

    fn caret(&self, version: &Version) -> bool {
        if version.compare(&self.version).is_lt() {
            return false;
        }
        let wanted = self.version.numbers;
        if wanted[0] > 0 || self.given == 1 {
            return self.same(version, 1);
        }
        if wanted[1] > 0 || self.given == 2 {
            return self.same(version, 2);
        }
        self.same(version, 3)
    }
}
