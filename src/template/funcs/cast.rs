//! Conversions between strings and numbers, as sprig makes them: what cannot be converted is zero.

use super::Function;
use crate::template::error::Outcome;
use crate::template::format;
use crate::template::value::{List, Text, Type, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("int", &[Type::Any], |args| Ok(Value::Int(to_int(&args[0])))),
    Function::new("int64", &[Type::Any], |args| {
        Ok(Value::Int64(to_int(&args[0])))
    }),
    Function::new(
        "float64",
        &[Type::Any],
        |args| Ok(to_float(&args[0]).into()),
    ),
    Function::new("atoi", &[Type::String], |args| {
        Ok(Value::Int(atoi(&String::from_utf8_lossy(args[0].bytes()))))
    }),
    Function::new("toDecimal", &[Type::Any], to_decimal),
    Function::new("toString", &[Type::Any], |args| {
        Ok(to_text(&args[0])?.into())
    }),
    Function::new("toStrings", &[Type::Any], |args| match &args[0] {
        // The list itself, even the nil one.
        Value::List(list) if list.element() == Type::String => Ok(args[0].clone()),
        other => Ok(List::strings(to_texts(other)?).into()),
    }),
];

/// The string of anything.
pub(super) fn to_text(value: &Value) -> Outcome<Text> {
    if let Value::List(list) = value
        && list.element() == Type::Uint8
    {
        let bytes = list.items().iter().filter_map(Value::as_integer);
        return Ok(bytes
            .map(|byte| byte.to_le_bytes()[0])
            .collect::<Vec<_>>()
            .into());
    }
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Ok(format::sprint(std::slice::from_ref(other))?.into()),
    }
}

/// The strings of a list's elements, without the nils; of anything else, its own.
pub(super) fn to_texts(value: &Value) -> Outcome<Vec<Text>> {
    match value {
        Value::List(list) => {
            let items = list.items().iter().filter(|item| !item.is_nil());
            items.map(to_text).collect()
        }
        Value::Nil | Value::NoValue => Ok(Vec::new()),
        other => Ok(vec![to_text(other)?]),
    }
}

/// The integer of anything: fractions are cut off, strings read with Go's prefixes for the base.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Bool(value) => i64::from(*value),
        Value::Float64(value) => truncated(*value),
        Value::String(text) => parse_int(whole_part(&text.to_str()), 0).unwrap_or(0),
        Value::Object(object) => object.underlying().map_or(0, |value| to_int(&value)),
        other => wrapped(other.as_integer().unwrap_or(0)),
    }
}

/// The low 64 bits, as Go converts integers.
fn wrapped(number: i128) -> i64 {
    let mask = i128::from(u64::MAX);
    u64::try_from(number & mask).unwrap_or(0).cast_signed()
}

/// As Go converts on amd64: what does not fit is the least integer.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked, the fraction is cut off"
)]
fn truncated(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// The float of anything.
#[expect(clippy::cast_precision_loss, reason = "Go rounds likewise")]
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Float64(value) => *value,
        Value::String(text) => parse_float(&text.to_str()).unwrap_or(0.0),
        Value::Object(object) => object.underlying().map_or(0.0, |value| to_float(&value)),
        other => other.as_integer().unwrap_or(0) as f64,
    }
}

/// What stands before the point, if the text is a plain decimal fraction.
fn whole_part(text: &str) -> &str {
    let Some((whole, fraction)) = text.split_once('.') else {
        return text;
    };
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let is_decimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        _ if !is_decimal(digits) || !is_decimal(fraction) => text,
        "" | "-" | "+" => "0",
        _ => whole,
    }
}

/// Go's `strconv.ParseInt`; base 0 takes the base from the prefix and allows underscores.
fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (base, digits) = match base {
        0 => prefixed(digits)?,
        base => (base, digits.to_owned()),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(&digits, base).ok()?;
    i64::try_from(if negative {
        -i128::from(magnitude)
    } else {
        i128::from(magnitude)
    })
    .ok()
}

/// The base that a prefix tells, and the digits without it and without underscores.
fn prefixed(text: &str) -> Option<(u32, String)> {
    let prefix = text.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (base, digits) = match prefix.as_str() {
        "0x" => (16, &text[2..]),
        "0b" => (2, &text[2..]),
        "0o" => (8, &text[2..]),
        _ if text.len() > 1 && text.starts_with('0') => (8, &text[1..]),
        _ => (10, text),
    };
    let after_prefix = digits.len() < text.len();
    let misplaced = digits.contains("__")
        || digits.ends_with('_')
        || (digits.starts_with('_') && !after_prefix);
    (!misplaced).then(|| (base, digits.replace('_', "")))
}

/// Go's `strconv.Atoi`, whose error sprig ignores: what is too large is the nearest integer.
fn atoi(text: &str) -> i64 {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_negative = text.starts_with('-');
    let limit = if is_negative { i64::MIN } else { i64::MAX };
    let mut number = 0_u64;
    for byte in digits.bytes() {
        if !byte.is_ascii_digit() {
            return 0;
        }
        let next = number.checked_mul(10);
        match next.and_then(|next| next.checked_add(u64::from(byte - b'0'))) {
            Some(next) => number = next,
            // What follows is not looked at.
            None => return limit,
        }
    }
    let number = i128::from(number);
    i64::try_from(if is_negative { -number } else { number }).unwrap_or(limit)
}

/// Go's `strconv.ParseFloat`.
fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case("nan") {
        return (unsigned.len() == text.len()).then_some(f64::NAN);
    }
    if unsigned
        .get(..2)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"))
    {
        let value = hexadecimal(&prefixed(unsigned)?.1.to_ascii_lowercase())?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    let value: f64 = without_underscores(text)?.parse().ok()?;
    let is_word = unsigned.starts_with(['i', 'I']);
    (is_word || value.is_finite()).then_some(value)
}

/// The text without its underscores, each of which must stand between digits.
fn without_underscores(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('_').collect();
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let between_digits = parts
        .windows(2)
        .all(|pair| is_digit(pair[0].as_bytes().last()) && is_digit(pair[1].as_bytes().first()));
    between_digits.then(|| parts.concat())
}

/// A hexadecimal float without its prefix; the exponent is required.
#[expect(
    clippy::cast_precision_loss,
    reason = "rounding is what reading a float is"
)]
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let mut exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 {
        return None;
    }
    let value = u128::from_str_radix(&digits, 16).ok()?;
    exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()? * 4)?;
    let value = value as f64 * 2f64.powi(exponent);
    value.is_finite().then_some(value)
}

/// Reads octal, whatever the name says.
fn to_decimal(args: &[Value]) -> Outcome {
    let text = format::sprint(args)?;
    let number = parse_int(&String::from_utf8_lossy(&text), 8);
    Ok(Value::Int64(number.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::{parse_float, to_float, to_int};
    use crate::template::value::Value;

    #[test]
    fn strings_are_read_with_their_base() {
        for (text, number) in [
            ("5", 5),
            ("0x1f", 31),
            ("-0x5", -5),
            ("010", 8),
            ("08", 0),
            ("0b11", 3),
            ("1_000", 1000),
            ("1__0", 0),
            ("_1", 0),
            ("1.9", 1),
            (".5", 0),
            ("1.x", 0),
            ("9223372036854775808", 0),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(to_int(&text.into()), number, "{text}");
        }
    }

    #[test]
    fn floats_that_do_not_fit_become_the_least_integer() {
        for value in [f64::NAN, 1e19, -1e19, f64::INFINITY] {
            assert_eq!(to_int(&Value::Float64(value)), i64::MIN);
        }
        assert_eq!(to_int(&Value::Uint64(u64::MAX)), -1);
    }

    #[test]
    fn floats_are_read_as_in_go() {
        assert_eq!(parse_float("0x1.8p1"), Some(3.0));
        assert_eq!(parse_float("1e400"), None);
        assert_eq!(parse_float("-Inf"), Some(f64::NEG_INFINITY));
        assert!(parse_float("NaN").is_some_and(f64::is_nan) && parse_float("+NaN").is_none());
        assert_eq!(parse_float("1_0"), Some(10.0));
        assert_eq!(to_float(&"1__0".into()).to_bits(), 0);
    }
}
