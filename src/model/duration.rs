//! Durations as Go writes them: `1h30m`, `0`, `-5s`, `1.5h`.

use jiff::SignedDuration;

/// Reads a Go duration (`time.ParseDuration`): an optional sign and a sequence of decimal numbers with
/// the units `ns us µs ms s m h`, or a bare `0`.
///
/// # Errors
/// A sentence that quotes the text and shows the form.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let invalid =
        || format!("{text:?} is not a duration; write for example \"30s\", \"1h30m\" or \"0\"");
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanoseconds: i128 = 0;
    while !rest.is_empty() {
        let (term, behind) = leading_term(rest).ok_or_else(invalid)?;
        nanoseconds = nanoseconds.checked_add(term).ok_or_else(invalid)?;
        rest = behind;
    }
    let limit = i128::from(i64::MAX);
    if nanoseconds > limit {
        return Err(invalid());
    }
    let nanoseconds = i64::try_from(nanoseconds).map_err(|_| invalid())?;
    Ok(SignedDuration::from_nanos(if negative {
        -nanoseconds
    } else {
        nanoseconds
    }))
}

/// The first number with its unit, in nanoseconds, and what stands behind it.
fn leading_term(text: &str) -> Option<(i128, &str)> {
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (whole, mut rest) = text.split_at(digits_end);
    let mut fraction = "";
    if let Some(behind) = rest.strip_prefix('.') {
        let end = behind
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(behind.len());
        (fraction, rest) = behind.split_at(end);
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, behind) = leading_unit(rest)?;
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut value = whole.checked_mul(unit)?;
    let mut scale = unit;
    for digit in fraction.bytes() {
        scale /= 10;
        value += i128::from(digit - b'0') * scale;
    }
    Some((value, behind))
}

/// Nanoseconds of the leading unit, and what stands behind it.
fn leading_unit(text: &str) -> Option<(i128, &str)> {
    const UNITS: [(&str, i128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    UNITS
        .iter()
        .find_map(|(unit, size)| text.strip_prefix(unit).map(|behind| (*size, behind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let seconds = |text: &str| parse(text).unwrap().as_secs_f64();
        for (text, expected) in [
            ("0", 0.0),
            ("10s", 10.0),
            ("1h0m0s", 3600.0),
            ("1.5h", 5400.0),
            ("-5m", -300.0),
            ("+1s", 1.0),
            ("300ms", 0.3),
            (".5s", 0.5),
            ("1m0.5s", 60.5),
        ] {
            assert!((seconds(text) - expected).abs() < 1e-9, "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "",
            "10",
            "s",
            "1 h",
            "1d",
            "-",
            "1h-5m",
            "99999999999h",
            "1h ",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
