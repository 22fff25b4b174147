//! Go's durations: nanoseconds in an `int64`.

use crate::template::error::Outcome;
use crate::template::format::quoted;

const SECOND: u64 = 1_000_000_000;

/// Go's text, such as `1h15m30.918s`.
pub(super) fn text(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let body = match size {
        0 => "0s".to_owned(),
        1..1_000 => format!("{size}ns"),
        1_000..1_000_000 => decimal(size, 1_000) + "µs",
        1_000_000..SECOND => decimal(size, 1_000_000) + "ms",
        _ => {
            let (minutes, rest) = (size / (60 * SECOND), size % (60 * SECOND));
            let seconds = decimal(rest, SECOND) + "s";
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{body}")
}

/// `size` in units of `unit`, a power of ten, without zeros at the end.
fn decimal(size: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", size % unit);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        (size / unit).to_string()
    } else {
        format!("{}.{fraction}", size / unit)
    }
}

/// Reads a duration such as `-1.5h30m`.
pub(super) fn parse(text: &[u8]) -> Outcome<i64> {
    let invalid = || format!("time: invalid duration {}", quoted(text));
    let negative = text.starts_with(b"-");
    let mut rest = if text.starts_with(b"-") || text.starts_with(b"+") {
        &text[1..]
    } else {
        text
    };
    if rest == b"0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after {
            [b'.', after @ ..] => digits(after),
            after => (&b""[..], after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after
            .iter()
            .position(|byte| *byte == b'.' || byte.is_ascii_digit());
        let (name, after) = after.split_at(end.unwrap_or(after.len()));
        let unit = unit(name).ok_or_else(|| {
            if name.is_empty() {
                format!("time: missing unit in duration {}", quoted(text))
            } else {
                format!(
                    "time: unknown unit {} in duration {}",
                    quoted(name),
                    quoted(text)
                )
            }
        })?;
        let whole = number(whole).ok_or_else(invalid)?;
        let mut part = whole.checked_mul(unit).ok_or_else(invalid)?;
        let mut scale = 1_i128;
        let mut numerator = 0_i128;
        for digit in fraction.iter().take(18) {
            numerator = numerator * 10 + i128::from(digit - b'0');
            scale *= 10;
        }
        part += numerator * unit / scale;
        total += part;
        if total > i128::from(i64::MAX) + 1 {
            return Err(invalid());
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn number(digits: &[u8]) -> Option<i128> {
    if digits.is_empty() {
        return Some(0);
    }
    let value: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(i128::from(value))
}

/// Nanoseconds of a unit.
fn unit(name: &[u8]) -> Option<i128> {
    Some(match name {
        b"ns" => 1,
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        b"m" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// The nearest whole second, halves away from zero.
pub(super) fn rounded_to_second(nanoseconds: i64) -> i64 {
    let second = 1_000_000_000;
    let rest = nanoseconds % second;
    let whole = nanoseconds - rest;
    if rest.abs() * 2 < second {
        return whole;
    }
    whole
        .checked_add(second * rest.signum())
        .unwrap_or(nanoseconds)
}

/// The number of the greatest unit that is exceeded: years, months, days, hours, minutes, seconds.
pub(super) fn greatest_unit(nanoseconds: u64) -> String {
    const DAY: u64 = 24 * 3600 * SECOND;
    let units = [
        (365 * DAY, "y"),
        (30 * DAY, "mo"),
        (DAY, "d"),
        (3600 * SECOND, "h"),
        (60 * SECOND, "m"),
        (SECOND, "s"),
    ];
    let found = units.iter().find(|(unit, _)| nanoseconds > *unit);
    found.map_or_else(
        || "0s".to_owned(),
        |(unit, name)| format!("{}{name}", nanoseconds / unit),
    )
}
