//! A verb's flags, and what they do to text and numbers.

use super::float::float;
use super::quote::{can_backquote, is_printable, quoted, quoted_ascii, quoted_char};
use crate::template::budget;
use crate::template::error::Outcome;

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "fmt's flags are independent of each other"
)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%#v`
    pub(super) sharp_v: bool,
    /// `%+v`
    pub(super) plus_v: bool,
}

impl Flags {
    /// Appends `text`, filled up to the width.
    pub(super) fn pad(self, out: &mut Vec<u8>, text: &[u8]) -> Outcome<()> {
        let missing = self.width.unwrap_or(0).saturating_sub(runes(text));
        budget::spend(missing + text.len())?;
        let fill = std::iter::repeat_n(self.fill(), missing);
        if self.minus {
            out.extend_from_slice(text);
            out.extend(fill);
        } else {
            out.extend(fill);
            out.extend_from_slice(text);
        }
        Ok(())
    }

    /// Appends `text`, filled up with spaces whatever the flags say.
    fn pad_blank(self, out: &mut Vec<u8>, text: &[u8]) -> Outcome<()> {
        let blank = Self {
            zero: false,
            ..self
        };
        blank.pad(out, text)
    }

    fn fill(self) -> u8 {
        if self.zero && !self.minus { b'0' } else { b' ' }
    }

    /// `%s`
    pub(super) fn string(self, out: &mut Vec<u8>, text: &[u8]) -> Outcome<()> {
        self.pad(out, self.truncated(text))
    }

    /// `%q`
    pub(super) fn quoted(self, out: &mut Vec<u8>, text: &[u8]) -> Outcome<()> {
        let text = self.truncated(text);
        if self.sharp && can_backquote(text) {
            return self.pad(out, &[b"`", text, b"`"].concat());
        }
        let quoted = if self.plus {
            quoted_ascii(text)
        } else {
            quoted(text)
        };
        self.pad(out, quoted.as_bytes())
    }

    /// The first characters of `text`, as many as the precision says.
    fn truncated(self, text: &[u8]) -> &[u8] {
        let Some(limit) = self.precision else {
            return text;
        };
        let mut end = 0;
        for _ in 0..limit {
            if end == text.len() {
                break;
            }
            end += decode(&text[end..]).1;
        }
        &text[..end]
    }

    /// `%x` and `%X` of a string.
    pub(super) fn hex(self, out: &mut Vec<u8>, text: &[u8], upper: bool) -> Outcome<()> {
        let length = self
            .precision
            .map_or(text.len(), |limit| limit.min(text.len()));
        let prefix = match (self.sharp, upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let mut shown = String::new();
        for (i, byte) in text[..length].iter().enumerate() {
            if self.space && i > 0 {
                shown.push(' ');
            }
            if i == 0 || self.space {
                shown.push_str(prefix);
            }
            let digits = if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            };
            shown.push_str(&digits);
        }
        self.pad(out, shown.as_bytes())
    }

    /// An integer in `base`; `letter` is the verb.
    pub(super) fn integer(
        self,
        out: &mut Vec<u8>,
        number: i128,
        base: u32,
        letter: char,
    ) -> Outcome<()> {
        let (negative, magnitude) = (number < 0, number.unsigned_abs());
        if self.precision == Some(0) && magnitude == 0 {
            return self.pad_blank(out, b"");
        }
        let mut digits = match (base, letter) {
            (2, _) => format!("{magnitude:b}"),
            (8, _) => format!("{magnitude:o}"),
            (16, 'X') => format!("{magnitude:X}"),
            (16, _) => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let signed = usize::from(negative || self.plus || self.space);
        let least = match (self.precision, self.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if self.zero && !self.minus => width.saturating_sub(signed),
            _ => 0,
        };
        budget::spend(least)?;
        digits.insert_str(0, &"0".repeat(least.saturating_sub(digits.len())));
        let prefix = match (self.sharp, base, letter) {
            (true, 8, 'O') if !digits.starts_with('0') => "0o0",
            (_, 8, 'O') => "0o",
            (true, 2, _) => "0b",
            (true, 8, _) if !digits.starts_with('0') => "0",
            (true, 16, 'X') => "0X",
            (true, 16, _) => "0x",
            _ => "",
        };
        let sign = match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (.., true) => " ",
            _ => "",
        };
        self.pad_blank(out, format!("{sign}{prefix}{digits}").as_bytes())
    }

    /// `%U`
    pub(super) fn unicode(self, out: &mut Vec<u8>, number: u64) -> Outcome<()> {
        let least = self.precision.unwrap_or(4).max(4);
        budget::spend(least)?;
        let digits = format!("{number:X}");
        let zeros = "0".repeat(least.saturating_sub(digits.len()));
        let character = u32::try_from(number).ok().and_then(char::from_u32);
        let shown = match character {
            Some(character) if self.sharp && is_printable(character) => {
                format!("U+{zeros}{digits} '{character}'")
            }
            _ => format!("U+{zeros}{digits}"),
        };
        self.pad_blank(out, shown.as_bytes())
    }

    /// `%c` and, if `quote`, `%q` of an integer.
    pub(super) fn character(self, out: &mut Vec<u8>, number: u64, quote: bool) -> Outcome<()> {
        let character = u32::try_from(number).ok().and_then(char::from_u32);
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        let shown = if quote {
            quoted_char(character, self.plus)
        } else {
            character.to_string()
        };
        self.pad(out, shown.as_bytes())
    }

    /// A number by Go's `strconv` form `form`; without a precision in the format, `default`.
    pub(super) fn float(
        self,
        out: &mut Vec<u8>,
        value: f64,
        form: u8,
        default: Option<usize>,
    ) -> Outcome<()> {
        let precision = self.precision.or(default);
        budget::spend(precision.unwrap_or(0))?;
        let text = float(value, form, precision);
        let (sign, text) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (
                if text.starts_with('-') { "-" } else { "+" },
                rest.to_owned(),
            ),
            None => ("+", text),
        };
        let sign = match sign {
            "+" if self.space && !self.plus => " ",
            "+" if !self.plus && text != "Inf" => "",
            sign => sign,
        };
        if text == "Inf" || text == "NaN" {
            let sign = if text == "Inf" || self.plus || self.space {
                sign
            } else {
                ""
            };
            return self.pad_blank(out, format!("{sign}{text}").as_bytes());
        }
        let text = if self.sharp && form != b'b' {
            with_point(&text, form, precision)
        } else {
            text
        };
        let whole = sign.len() + text.len();
        match self.width {
            Some(width) if self.zero && !self.minus && !sign.is_empty() && width > whole => {
                budget::spend(width)?;
                out.extend_from_slice(sign.as_bytes());
                out.extend(std::iter::repeat_n(b'0', width - whole));
                out.extend_from_slice(text.as_bytes());
                Ok(())
            }
            _ => self.pad(out, format!("{sign}{text}").as_bytes()),
        }
    }
}

/// The number with a decimal point and, for the general forms, the zeros that they leave out.
fn with_point(text: &str, form: u8, precision: Option<usize>) -> String {
    let hex = matches!(form, b'x' | b'X');
    let tail = if hex {
        text.find(['p', 'P'])
    } else {
        text.find(['e', 'E'])
    };
    let (number, tail) = text.split_at(tail.unwrap_or(text.len()));
    let wanted = match form {
        b'g' | b'G' | b'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let significant = number
        .bytes()
        .filter(|byte| *byte != b'.')
        .skip_while(|byte| *byte == b'0')
        .count();
    let mut number = number.to_owned();
    let mut counted = significant;
    if !number.contains('.') {
        counted += usize::from(number == "0");
        number.push('.');
    }
    number.push_str(&"0".repeat(wanted.saturating_sub(counted)));
    number + tail
}

/// Number of characters, each byte that is not UTF-8 counted as one.
pub(super) fn runes(text: &[u8]) -> usize {
    text.utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

/// The first character of a text that is not empty, and its length; a byte that is not UTF-8 is the
/// replacement character of length 1, as in Go.
pub(crate) fn decode(text: &[u8]) -> (char, usize) {
    let end = text.len().min(4);
    let first = text[..end].utf8_chunks().next();
    match first.and_then(|chunk| chunk.valid().chars().next()) {
        Some(character) => (character, character.len_utf8()),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}
