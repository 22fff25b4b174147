//! What a plain scalar means in go-yaml's YAML 1.1, which also decides what a string must be quoted for.

use std::sync::LazyLock;

use regex::Regex;

/// A plain scalar's meaning.
#[derive(Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    /// From the least `int64` to the greatest `uint64`.
    Int(i128),
    Float(f64),
    /// A date or time; read as its own text.
    Timestamp,
    /// `<<`
    Merge,
    Text,
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern must be right")
}

static FLOAT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"));
static SEXAGESIMAL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$"));
static TIMESTAMP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^(\d{4})-(\d{1,2})-(\d{1,2})",
        r"(?:(?:[Tt ])(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?)?",
        r"(?:Z|[+-](\d{2}):(\d{2}))?$"
    ))
});

/// What `text` means unquoted.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        "<<" => return Scalar::Merge,
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' => float(text).map_or(Scalar::Text, Scalar::Float),
        b'0'..=b'9' | b'+' | b'-' => number(text),
        _ => Scalar::Text,
    }
}

fn number(text: &str) -> Scalar {
    if is_timestamp(text) {
        return Scalar::Timestamp;
    }
    let plain = text.replace('_', "");
    if let Some(number) = integer(&plain) {
        return Scalar::Int(number);
    }
    float(&plain).map_or(Scalar::Text, Scalar::Float)
}

fn float(text: &str) -> Option<f64> {
    let value: f64 = FLOAT.is_match(text).then(|| text.parse().ok())??;
    value.is_finite().then_some(value)
}

/// An integer in one of Go's bases, in the range of `int64` or `uint64`.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    let signed = text.starts_with(['+', '-']);
    let greatest = if signed {
        i128::from(i64::MAX)
    } else {
        i128::from(u64::MAX)
    };
    (i128::from(i64::MIN)..=greatest)
        .contains(&value)
        .then_some(value)
}

fn is_timestamp(text: &str) -> bool {
    let Some(parts) = TIMESTAMP.captures(text) else {
        return false;
    };
    let part = |at: usize| {
        parts
            .get(at)
            .and_then(|part| part.as_str().parse::<i16>().ok())
    };
    let zoned = text.ends_with('Z') || part(7).is_some();
    let spaced = text.contains(' ');
    // A zone belongs to the form with a `T`, and only to that.
    if part(4).is_some() && zoned == spaced || part(4).is_none() && zoned {
        return false;
    }
    let narrow = |at: usize| part(at).and_then(|part| i8::try_from(part).ok());
    let (Some(year), Some(month), Some(day)) = (part(1), narrow(2), narrow(3)) else {
        return false;
    };
    let below = |at: usize, end: i16| part(at).is_none_or(|part| part < end);
    jiff::civil::Date::new(year, month, day).is_ok()
        && below(4, 24)
        && below(5, 60)
        && below(6, 60)
        && below(7, 25)
        && below(8, 60)
}

/// Whether older parsers read `text` as a number in base 60.
pub(super) fn is_sexagesimal(text: &str) -> bool {
    SEXAGESIMAL.is_match(text)
}

/// As [`shortest`], for every number.
pub(super) fn text_of(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    shortest(value)
}

/// Go's shortest form of a finite number, as `strconv` gives it: with an exponent from a million on.
pub(super) fn shortest(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}
