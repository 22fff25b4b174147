//! sprig's semantic versions, with Masterminds' lenient versions and constraints.

mod constraint;

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

use super::Function;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{Kind, Object, Type, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("semver", &[Type::String], |args| {
        Ok(Value::object(Version::parse(args[0].bytes())?))
    }),
    Function::new("semverCompare", &[Type::String, Type::String], |args| {
        budget::spend(args[0].bytes().len().saturating_mul(16))?;
        let wanted = constraint::parse(&String::from_utf8_lossy(args[0].bytes()))?;
        let version = Version::parse(args[1].bytes())?;
        Ok(Value::Bool(constraint::allow(&wanted, &version)))
    }),
];

const NAME: &str = "*semver.Version";
const VERSION: Type = Type::Named(NAME);

/// A version, of which minor and patch may have been left out.
#[derive(Clone)]
struct Version {
    numbers: [u64; 3],
    pre: String,
    metadata: String,
    original: String,
}

static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = concat!(
        r"^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?",
        r"(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?",
        r"(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?$"
    );
    Regex::new(pattern).expect("the pattern must be right")
});

impl Version {
    fn parse(text: &[u8]) -> Outcome<Self> {
        budget::spend(text.len())?;
        let invalid = || "invalid semantic version".to_owned();
        let text = std::str::from_utf8(text).map_err(|_| invalid())?;
        let parts = PATTERN.captures(text).ok_or_else(invalid)?;
        let part = |at: usize| parts.get(at).map_or("", |part| part.as_str());
        let mut numbers = [0; 3];
        for (at, number) in numbers.iter_mut().enumerate() {
            let digits = part(at + 1).trim_start_matches('.');
            if !digits.is_empty() {
                // Go's words of ParseUint; of digits alone nothing else can be wrong.
                *number = digits.parse().map_err(|_| {
                    format!(
                        "error parsing version segment: strconv.ParseUint: parsing \"{digits}\": \
                         value out of range"
                    )
                })?;
            }
        }
        let numeric = |id: &str| id.bytes().all(|byte| byte.is_ascii_digit());
        if part(5)
            .split('.')
            .any(|id| id.len() > 1 && id.starts_with('0') && numeric(id))
        {
            return Err("version segment starts with 0".to_owned());
        }
        Ok(Self {
            numbers,
            pre: part(5).to_owned(),
            metadata: part(8).to_owned(),
            original: text.to_owned(),
        })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let numbers = self.numbers.cmp(&other.numbers);
        numbers.then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(&self.pre, &other.pre),
        })
    }
}

/// The order of prereleases, SemVer §11.
fn compare_pre(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let (a, b) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => (a, b),
        };
        let order = match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn receiver(value: &Value) -> Outcome<&Version> {
    value
        .as_object()
        .ok_or_else(|| "the argument is no version".to_owned())
}

/// A number of the version that is the receiver.
fn number(args: &[Value], at: usize) -> Outcome {
    Ok(Value::Uint64(receiver(&args[0])?.numbers[at]))
}

/// The next version in one number; the next patch of a prerelease is its release.
fn raised(args: &[Value], at: usize) -> Outcome {
    let version = receiver(&args[0])?;
    let mut numbers = version.numbers;
    if at < 2 || version.pre.is_empty() {
        numbers[at] = numbers[at].saturating_add(1);
    }
    numbers[at + 1..].fill(0);
    let mut next = Version {
        numbers,
        pre: String::new(),
        metadata: String::new(),
        original: String::new(),
    };
    next.original = String::from_utf8_lossy(&next.display()).into_owned();
    Ok(Value::object(next))
}

static METHODS: &[Function] = &[
    Function::new("Major", &[], |args| number(args, 0)),
    Function::new("Minor", &[], |args| number(args, 1)),
    Function::new("Patch", &[], |args| number(args, 2)),
    Function::new("Prerelease", &[], |args| {
        Ok(receiver(&args[0])?.pre.as_str().into())
    }),
    Function::new("Metadata", &[], |args| {
        Ok(receiver(&args[0])?.metadata.as_str().into())
    }),
    Function::new("Original", &[], |args| {
        Ok(receiver(&args[0])?.original.as_str().into())
    }),
    Function::new("String", &[], |args| {
        Ok(receiver(&args[0])?.display().into())
    }),
    Function::new("IncMajor", &[], |args| raised(args, 0)),
    Function::new("IncMinor", &[], |args| raised(args, 1)),
    Function::new("IncPatch", &[], |args| raised(args, 2)),
    Function::new("Compare", &[VERSION], |args| {
        let order = receiver(&args[0])?.compare(receiver(&args[1])?);
        Ok(Value::Int(order as i64))
    }),
    Function::new("Equal", &[VERSION], |args| {
        Ok(Value::Bool(
            receiver(&args[0])?.compare(receiver(&args[1])?).is_eq(),
        ))
    }),
    Function::new("LessThan", &[VERSION], |args| {
        Ok(Value::Bool(
            receiver(&args[0])?.compare(receiver(&args[1])?).is_lt(),
        ))
    }),
    Function::new("GreaterThan", &[VERSION], |args| {
        Ok(Value::Bool(
            receiver(&args[0])?.compare(receiver(&args[1])?).is_gt(),
        ))
    }),
];

impl Object for Version {
    fn type_name(&self) -> &'static str {
        NAME
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn display(&self) -> Vec<u8> {
        let [major, minor, patch] = self.numbers;
        let mut text = format!("{major}.{minor}.{patch}");
        for (mark, part) in [('-', &self.pre), ('+', &self.metadata)] {
            if !part.is_empty() {
                text.push(mark);
                text.push_str(part);
            }
        }
        text.into_bytes()
    }

    fn deep_copy(&self) -> Option<Value> {
        Some(Value::object(Self {
            numbers: [0; 3],
            pre: String::new(),
            metadata: String::new(),
            original: String::new(),
        }))
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        METHODS.iter().find(|method| method.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{call, text};
    use crate::template::Value;

    #[test]
    fn constraints_hold_as_with_masterminds() {
        for (constraint, version, expected) in [
            ("1.2.3", "1.2.3", true),
            ("^1.2", "v1.9", true),
            ("^1.2", "2.0.0", false),
            ("^0.2.3", "0.2.9", true),
            ("^0.2.3", "0.3.0", false),
            ("^0", "0.9.0", true),
            ("~1.2", "1.2.9", true),
            ("~1", "1.9.0", true),
            ("~1.2.3", "1.3.0", false),
            ("1.x", "1.9.9", true),
            ("*", "3.1.4", true),
            (">=1.0, <2.0 || >=3", "2.5.0", false),
            (">=1.0 <2.0 || >=3", "3.5.0", true),
            ("1.2 - 1.4.5", "1.4.5", true),
            ("1.2 - 1.4.5", "1.4.6", false),
            (">1.1.0", "1.2.0-beta", false),
            (">1.1.0-0", "1.2.0-beta", true),
            ("!=1.2.x", "1.2.9", false),
            ("!=1.2.x", "1.3.0", true),
            (">1.2", "1.2.5", false),
            ("<=1.2", "1.2.5", true),
            ("=1.2", "1.2.5", true),
        ] {
            let out = call("semverCompare", &[constraint.into(), version.into()]).unwrap();
            assert!(
                matches!(out, Value::Bool(b) if b == expected),
                "{constraint} {version}"
            );
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        assert_eq!(
            text("semver", &["x"]).unwrap_err(),
            "invalid semantic version"
        );
        let error = text("semverCompare", &["nope", "1.0.0"]).unwrap_err();
        assert_eq!(error, "improper constraint: nope");
    }

    #[test]
    fn a_version_prints_its_full_form() {
        let Value::Object(version) = call("semver", &["v1.2-rc.1+b".into()]).unwrap() else {
            panic!("must be a version");
        };
        assert_eq!(version.display(), b"1.2.0-rc.1+b");
    }
}
