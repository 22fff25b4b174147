//! What a plain scalar means: the core schema as `gopkg.in/yaml.v3` resolves it, quirks included,
//! since definitions must mean here what they mean to Pulumi ESC.

/// The meaning of a scalar without its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(String),
    String,
}

/// Resolves an unquoted, untagged scalar.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        _ => number(text).map_or(Scalar::String, Scalar::Number),
    }
}

/// Resolves a scalar under an explicit core tag (`int`, `float`, `bool`, `null`); every other tag
/// leaves a string. `Err` is the kind of scalar that was found instead.
pub(super) fn resolve_tagged(tag: &str, text: &str) -> Result<Scalar, &'static str> {
    let found = resolve(text);
    match (tag, found) {
        ("int", found @ Scalar::Number(_)) if integer(text).is_some() => Ok(found),
        ("float", found @ Scalar::Number(_))
        | ("bool", found @ Scalar::Bool(_))
        | ("null", found @ Scalar::Null) => Ok(found),
        ("int" | "float" | "bool" | "null", found) => Err(match found {
            Scalar::Null => "!!null",
            Scalar::Bool(_) => "!!bool",
            Scalar::Number(_) if integer(text).is_some() => "!!int",
            Scalar::Number(_) => "!!float",
            Scalar::String => "!!str",
        }),
        _ => Ok(Scalar::String),
    }
}

fn number(text: &str) -> Option<String> {
    let first = text.as_bytes().first()?;
    match first {
        b'0'..=b'9' | b'+' | b'-' => {
            integer(text).or_else(|| float(&text.replace('_', "")).map(format_float))
        }
        b'.' => float(text).map(format_float),
        _ => None,
    }
}

/// Integers of 64 bits in the bases of Go's `ParseInt` with base 0: a leading zero means octal.
fn integer(text: &str) -> Option<String> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.as_bytes().first()? {
        b'-' => ("-", &plain[1..]),
        b'+' => ("", &plain[1..]),
        _ => ("", plain.as_str()),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some(two) if two.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    let signed = plain.starts_with(['-', '+']);
    if signed && magnitude > i64::MIN.unsigned_abs() - u64::from(sign.is_empty()) {
        return None;
    }
    Some(if magnitude == 0 {
        "0".to_owned()
    } else {
        format!("{sign}{magnitude}")
    })
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned
        .split_once(['e', 'E'])
        .map_or((unsigned, None), |(mantissa, exponent)| {
            (mantissa, Some(exponent))
        });
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let well_formed = digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0;
    let exponent_formed = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if !well_formed || !exponent_formed {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The shortest text that reads back as `value`, with an exponent where Go's `%g` has one.
fn format_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        format!("{value}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::{Scalar, resolve};

    #[test]
    fn plain_scalars_resolve_as_in_go() {
        let number = |text: &str| Scalar::Number(text.to_owned());
        for (text, expected) in [
            ("0x1F", number("31")),
            ("0o17", number("15")),
            ("0b11", number("3")),
            ("1_000", number("1000")),
            ("0777", number("511")),
            ("01234", number("668")),
            ("09", number("9")),
            ("-0", number("0")),
            ("+12", number("12")),
            ("-0x10", number("-16")),
            ("18446744073709551615", number("18446744073709551615")),
            ("-9223372036854775808", number("-9223372036854775808")),
            ("1.0", number("1")),
            ("1.10", number("1.1")),
            ("1e3", number("1000")),
            ("1e21", number("1e+21")),
            ("1e6", number("1e+06")),
            ("1234567.5", number("1.2345675e+06")),
            (".5", number("0.5")),
            ("0.00001", number("1e-05")),
            ("123456789012345678901", number("1.2345678901234568e+20")),
            ("1e999", Scalar::String),
            ("1.2.3", Scalar::String),
            ("0x", Scalar::String),
            ("-", Scalar::String),
            (".", Scalar::String),
            ("yes", Scalar::String),
            ("2001-12-14", Scalar::String),
            ("TRUE", Scalar::Bool(true)),
            ("False", Scalar::Bool(false)),
            ("~", Scalar::Null),
            ("NULL", Scalar::Null),
        ] {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }
}
