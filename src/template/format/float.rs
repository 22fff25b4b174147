//! Floating-point numbers in Go's forms, as `strconv.FormatFloat` gives them.

/// More digits than any `float64` has; further ones are zeros.
const EXACT_DIGITS: usize = 1100;

/// Decimal digits without trailing zeros, and where the point stands: the value is `0.digits * 10^point`.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

/// `value` in Go's `format` (one of `e E f g G b x X`); no `precision` means the shortest digits that
/// give the value back. Infinities and NaN are `+Inf`, `-Inf` and `NaN`.
pub(super) fn float(value: f64, format: u8, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return if sign.is_empty() { "+Inf" } else { "-Inf" }.to_owned();
    }
    let value = value.abs();
    let text = match format {
        b'e' | b'E' => scientific(value, precision),
        b'f' => fixed(value, precision),
        b'b' => binary(value),
        b'x' | b'X' => hexadecimal(value, precision),
        _ => general(value, precision),
    };
    let text = if format.is_ascii_uppercase() {
        text.to_ascii_uppercase()
    } else {
        text
    };
    format!("{sign}{text}")
}

/// The digits of Rust's own scientific form, which is exact and rounds to even.
fn decimal(value: f64, significant: Option<usize>) -> Decimal {
    let text = match significant {
        Some(count) => format!("{:.*e}", count.saturating_sub(1).min(EXACT_DIGITS), value),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let point = if digits.is_empty() {
        0
    } else {
        exponent.parse::<i32>().unwrap_or(0) + 1
    };
    Decimal { digits, point }
}

fn scientific(value: f64, precision: Option<usize>) -> String {
    let decimal = decimal(value, precision.map(|precision| precision + 1));
    let places = precision.unwrap_or(decimal.digits.len().saturating_sub(1));
    scientific_digits(&decimal, places)
}

fn scientific_digits(decimal: &Decimal, places: usize) -> String {
    let digit = |i: usize| char::from(decimal.digits.get(i).copied().unwrap_or(b'0'));
    let mut text = String::from(digit(0));
    if places > 0 {
        text.push('.');
        text.extend((1..=places).map(digit));
    }
    let exponent = if decimal.digits.is_empty() {
        0
    } else {
        decimal.point - 1
    };
    let sign = if exponent < 0 { '-' } else { '+' };
    text + &format!("e{sign}{:02}", exponent.unsigned_abs())
}

fn fixed(value: f64, precision: Option<usize>) -> String {
    match precision {
        Some(places) => {
            let mut text = format!("{:.*}", places.min(EXACT_DIGITS), value);
            text.extend(std::iter::repeat_n(
                '0',
                places.saturating_sub(EXACT_DIGITS),
            ));
            text
        }
        None => fixed_digits(&decimal(value, None)),
    }
}

fn fixed_digits(decimal: &Decimal) -> String {
    let digit = |i: i32| {
        let index = usize::try_from(i).ok();
        let found = index.and_then(|i| decimal.digits.get(i));
        char::from(found.copied().unwrap_or(b'0'))
    };
    let mut text: String = (0..decimal.point.max(0)).map(digit).collect();
    if text.is_empty() {
        text.push('0');
    }
    let count = i32::try_from(decimal.digits.len()).unwrap_or(i32::MAX);
    if count > decimal.point {
        text.push('.');
        text.extend((decimal.point..count).map(digit));
    }
    text
}

fn general(value: f64, precision: Option<usize>) -> String {
    let significant = precision.map(|precision| precision.max(1));
    let decimal = decimal(value, significant);
    let count = decimal.digits.len();
    let threshold = match significant {
        None => 6,
        Some(digits)
            if digits > count && decimal.point <= i32::try_from(count).unwrap_or(i32::MAX) =>
        {
            count
        }
        Some(digits) => digits,
    };
    let exponent = decimal.point - 1;
    let threshold = i32::try_from(threshold).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= threshold {
        return scientific_digits(&decimal, count.saturating_sub(1));
    }
    fixed_digits(&decimal)
}

/// Mantissa and exponent of a finite, positive value: `mantissa * 2^exponent`.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let exponent = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    if exponent == 0 {
        (fraction, -1074)
    } else {
        (fraction | (1 << 52), exponent - 1075)
    }
}

fn binary(value: f64) -> String {
    let (mantissa, exponent) = parts(value);
    format!("{mantissa}p{exponent:+}")
}

fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = parts(value);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // One leading bit, then 60 bits of fraction.
        let shift = mantissa.leading_zeros() - 3;
        mantissa <<= shift;
        exponent += 60 - i32::try_from(shift).unwrap_or(0);
    }
    if let Some(places) = precision.filter(|places| *places < 15) {
        let drop = 60 - 4 * u32::try_from(places).unwrap_or(0);
        let (kept, rest, half) = (
            mantissa >> drop,
            mantissa & ((1 << drop) - 1),
            1 << (drop - 1),
        );
        let up = rest > half || rest == half && kept & 1 == 1;
        mantissa = (kept + u64::from(up)) << drop;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(places) => format!("{fraction:0<places$}")[..places].to_owned(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let (lead, exponent) = (mantissa >> 60, exponent.unsigned_abs());
    format!("0x{lead}{point}{fraction}p{sign}{exponent:02}")
}
