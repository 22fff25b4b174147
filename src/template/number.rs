//! Number, character and string constants.

use super::format::{decode, quoted};

/// A constant, as every kind of number that it can be.
#[derive(Default)]
pub(super) struct Number {
    pub(super) text: String,
    pub(super) int: Option<i64>,
    pub(super) uint: Option<u64>,
    pub(super) float: Option<f64>,
    pub(super) complex: Option<(f64, f64)>,
}

impl Number {
    /// A character constant in its quotes.
    pub(super) fn character(text: &[u8]) -> Result<Self, String> {
        let (character, rest) = unescape(&text[1..], b'\'')?;
        let shown = String::from_utf8_lossy(text).into_owned();
        if rest != b"'" {
            return Err(format!("malformed character constant: {shown}"));
        }
        let code = match character {
            Piece::Byte(byte) => u32::from(byte),
            Piece::Char(character) => u32::from(character),
        };
        Ok(Self {
            text: shown,
            int: Some(i64::from(code)),
            uint: Some(u64::from(code)),
            float: Some(f64::from(code)),
            complex: None,
        })
    }

    /// A pair such as `1+2i`.
    pub(super) fn pair(text: &str) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let split = (1..bytes.len()).rev().find(|i| {
            matches!(bytes[*i], b'+' | b'-') && !matches!(bytes[i - 1], b'e' | b'E' | b'p' | b'P')
        });
        let parts = split.and_then(|split| {
            let imaginary = text[split..].strip_suffix('i')?;
            Some((parse_float(&text[..split])?, parse_float(imaginary)?))
        });
        let (real, imaginary) = parts.ok_or("syntax error scanning complex number")?;
        Ok(Self::complex(text, real, imaginary))
    }

    fn complex(text: &str, real: f64, imaginary: f64) -> Self {
        let mut number = Self {
            text: text.to_owned(),
            complex: Some((real, imaginary)),
            ..Self::default()
        };
        if imaginary == 0.0 {
            number.float = Some(real);
            number.int = whole_int(real);
            number.uint = whole_uint(real);
        }
        number
    }

    /// Any other number.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(imaginary) = text.strip_suffix('i').and_then(parse_float) {
            return Ok(Self::complex(text, 0.0, imaginary));
        }
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let signed = digits.len() < text.len();
        let magnitude = parse_integer(digits);
        let mut number = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        if let Some(magnitude) = magnitude {
            let value = i128::from(magnitude) * if negative { -1 } else { 1 };
            number.int = i64::try_from(value).ok();
            number.uint = (!signed || value == 0).then_some(magnitude);
        }
        if let Some(int) = number.int {
            number.float = Some(to_float(i128::from(int)));
        } else if let Some(uint) = number.uint {
            number.float = Some(to_float(i128::from(uint)));
        } else if let Some(float) = parse_float(text) {
            if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                return Err(format!("integer overflow: {}", quoted(text.as_bytes())));
            }
            number.float = Some(float);
            number.int = whole_int(float);
            number.uint = whole_uint(float);
        } else {
            let shown = quoted(text.as_bytes());
            return Err(format!("illegal number syntax: {shown}"));
        }
        Ok(number)
    }

    /// Whether the constant is a float where nothing else says what it is.
    pub(super) fn looks_like_float(&self) -> bool {
        let text = &self.text;
        let hex = text.len() > 2
            && (text.starts_with("0x") || text.starts_with("0X"))
            && !text.contains(['p', 'P']);
        !hex && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P'])
    }
}

#[expect(clippy::cast_precision_loss, reason = "Go's conversion rounds too")]
fn to_float(number: i128) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "compared with the original"
)]
fn whole_int(float: f64) -> Option<i64> {
    let int = float as i64;
    (to_float(i128::from(int)).to_bits() == (float + 0.0).to_bits()).then_some(int)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "compared with the original"
)]
fn whole_uint(float: f64) -> Option<u64> {
    let uint = float as u64;
    (to_float(i128::from(uint)).to_bits() == (float + 0.0).to_bits()).then_some(uint)
}

/// Digits with Go's prefixes; a leading zero alone means octal.
fn parse_integer(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let digits = without_underscores(&lower, digits)?;
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&digits, base).ok()
}

/// `digits` without underscores, if each stood between digits of the `whole` or after its prefix.
fn without_underscores(whole: &str, digits: &str) -> Option<String> {
    let misplaced = digits.ends_with('_')
        || digits.contains("__")
        || digits.starts_with('_') && whole.len() == digits.len();
    (!misplaced).then(|| digits.replace('_', ""))
}

fn parse_float(text: &str) -> Option<f64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let lower = digits.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        return Some(sign * parse_hex_float(&without_underscores(&lower, hex)?)?);
    }
    for (i, _) in lower.match_indices('_') {
        let is_digit = |at: Option<usize>| {
            at.and_then(|at| lower.as_bytes().get(at))
                .is_some_and(u8::is_ascii_digit)
        };
        if !is_digit(i.checked_sub(1)) || !is_digit(Some(i + 1)) {
            return None;
        }
    }
    let plain = lower.replace('_', "");
    if !plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let value: f64 = plain.parse().ok()?;
    value.is_finite().then_some(sign * value)
}

/// `1.8p3` without its `0x`.
fn parse_hex_float(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once('p')?;
    let mut exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut mantissa: u64 = 0;
    let mut seen = false;
    for (digit, is_fraction) in whole
        .chars()
        .map(|digit| (digit, false))
        .chain(fraction.chars().map(|digit| (digit, true)))
    {
        let digit = u64::from(digit.to_digit(16)?);
        seen = true;
        if mantissa >> 56 == 0 {
            mantissa = mantissa << 4 | digit;
            exponent = exponent.checked_sub(if is_fraction { 4 } else { 0 })?;
        } else {
            // What no longer fits only decides which way to round.
            mantissa |= u64::from(digit != 0);
            exponent = exponent.checked_add(if is_fraction { 0 } else { 4 })?;
        }
    }
    let value = to_float(i128::from(mantissa))
        * 2f64.powi(exponent.clamp(-2000, 2000) / 2)
        * 2f64.powi(exponent.clamp(-2000, 2000) - exponent.clamp(-2000, 2000) / 2);
    (seen && value.is_finite()).then_some(value)
}

/// What an escape stands for.
enum Piece {
    Byte(u8),
    Char(char),
}

/// The bytes of a string constant in its quotes, `"` or a backquote.
pub(super) fn unquote(text: &[u8]) -> Result<Vec<u8>, String> {
    let inner = &text[1..text.len() - 1];
    if text[0] == b'`' {
        return Ok(inner
            .iter()
            .copied()
            .filter(|byte| *byte != b'\r')
            .collect());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        if rest[0] != b'\\' {
            // Bytes that are not UTF-8 stay what they are.
            let (_, size) = decode(rest);
            out.extend_from_slice(&rest[..size]);
            rest = &rest[size..];
            continue;
        }
        let (piece, after) = unescape(rest, b'"')?;
        match piece {
            Piece::Byte(byte) => out.push(byte),
            Piece::Char(character) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        rest = after;
    }
    Ok(out)
}

/// The character or escape at the start of `text`, and what follows it.
fn unescape(text: &[u8], quote: u8) -> Result<(Piece, &[u8]), String> {
    let invalid = || "invalid syntax".to_owned();
    let first = *text.first().ok_or_else(invalid)?;
    if first == quote {
        return Err(invalid());
    }
    if first != b'\\' {
        let (character, size) = decode(text);
        return Ok((Piece::Char(character), &text[size..]));
    }
    let letter = *text.get(1).ok_or_else(invalid)?;
    let rest = &text[2..];
    let plain = match letter {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        _ if letter == quote => quote,
        b'x' => return hex_escape(rest, 2).ok_or_else(invalid),
        b'u' => return hex_escape(rest, 4).ok_or_else(invalid),
        b'U' => return hex_escape(rest, 8).ok_or_else(invalid),
        b'0'..=b'7' => {
            let digits = text.get(1..4).and_then(|d| std::str::from_utf8(d).ok());
            let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
            return Ok((Piece::Byte(code.ok_or_else(invalid)?), &text[4..]));
        }
        _ => return Err(invalid()),
    };
    Ok((Piece::Byte(plain), rest))
}

fn hex_escape(text: &[u8], count: usize) -> Option<(Piece, &[u8])> {
    let digits = text.get(..count)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let piece = if count == 2 {
        Piece::Byte(u8::try_from(code).ok()?)
    } else {
        Piece::Char(char::from_u32(code)?)
    };
    Some((piece, &text[count..]))
}

#[cfg(test)]
mod tests {
    use super::{Number, unquote};

    #[test]
    fn constants_are_read_as_in_go() {
        for (text, expected) in [
            ("42", 42),
            ("-42", -42),
            ("+7", 7),
            ("0x1F", 31),
            ("0b101", 5),
            ("0o17", 15),
            ("017", 15),
            ("1_000", 1000),
            ("0x_ff", 255),
            ("1e3", 1000),
            ("-0", 0),
        ] {
            assert_eq!(Number::parse(text).unwrap().int, Some(expected), "{text}");
        }
        for (text, expected) in [
            ("1.5", 1.5),
            (".5", 0.5),
            ("1_0.2_5", 10.25),
            ("0x1p-2", 0.25),
            ("0x1.8p1", 3.0),
        ] {
            assert_eq!(Number::parse(text).unwrap().float, Some(expected), "{text}");
        }
        assert_eq!(Number::parse("2i").unwrap().complex, Some((0.0, 2.0)));
        assert_eq!(
            Number::pair("1e2-2.5i").unwrap().complex,
            Some((100.0, -2.5))
        );
        assert_eq!(Number::parse("18446744073709551615").unwrap().int, None);
        for text in [
            "089",
            "1__0",
            "_",
            "0x",
            "1_",
            "99999999999999999999",
            "+-1",
        ] {
            assert!(Number::parse(text).is_err(), "{text}");
        }
        assert_eq!(Number::character(br"'\n'").unwrap().int, Some(10));
        assert_eq!(Number::character("'ü'".as_bytes()).unwrap().int, Some(252));
        assert!(Number::character(b"'ab'").is_err() && Number::character(b"''").is_err());
    }

    #[test]
    fn strings_are_unquoted_as_in_go() {
        assert_eq!(
            unquote(br#""a\x41\101\u00fc\n\"\xff""#).unwrap(),
            b"aAA\xc3\xbc\n\"\xff"
        );
        assert_eq!(unquote(b"`a\\n\r\n`").unwrap(), b"a\\n\n");
        for text in [
            br#""\'""#.as_slice(),
            br#""\ud800""#,
            br#""\400""#,
            br#""\xg""#,
        ] {
            assert_eq!(unquote(text).unwrap_err(), "invalid syntax");
        }
    }
}
