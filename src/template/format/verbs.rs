//! The format string of `printf`.

use super::flags::{Flags, decode};
use super::printer::Printer;
use crate::template::error::Outcome;
use crate::template::value::Value;

/// Widths, precisions and argument numbers that Go takes for a mistake.
const TOO_LARGE: i128 = 1_000_000;

/// Go's `Sprintf`. Mistakes in the format become text in the output, as in Go.
pub(crate) fn sprintf(format: &[u8], args: &[Value]) -> Outcome<Vec<u8>> {
    let mut scan = Scan {
        format,
        at: 0,
        args,
        next: 0,
        reordered: false,
        good_index: true,
        printer: Printer::default(),
    };
    while scan.at < format.len() {
        let rest = &format[scan.at..];
        let plain = rest.iter().position(|byte| *byte == b'%');
        let plain = plain.unwrap_or(rest.len());
        scan.printer.raw(&rest[..plain])?;
        scan.at += plain;
        if scan.at < format.len() {
            scan.at += 1;
            scan.directive()?;
        }
    }
    scan.surplus()?;
    Ok(scan.printer.out)
}

struct Scan<'a> {
    format: &'a [u8],
    at: usize,
    args: &'a [Value],
    /// The next argument to print.
    next: usize,
    /// Whether the format chose arguments by number; then none counts as surplus.
    reordered: bool,
    /// Whether the argument number of this directive can be used.
    good_index: bool,
    printer: Printer,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    /// What follows a `%`.
    fn directive(&mut self) -> Outcome<()> {
        self.good_index = true;
        self.printer.flags = self.flags();
        let mut after_index = self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            after_index = false;
            self.star_width()?;
        } else {
            self.printer.flags.width = self.number();
            if after_index && self.printer.flags.width.is_some() {
                self.good_index = false;
            }
        }
        if self.peek() == Some(b'.') && self.at + 1 < self.format.len() {
            self.at += 1;
            if after_index {
                self.good_index = false;
            }
            after_index = self.index();
            if self.peek() == Some(b'*') {
                self.at += 1;
                after_index = false;
                self.star_precision()?;
            } else {
                self.printer.flags.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.index();
        }
        self.verb()
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        flags
    }

    fn verb(&mut self) -> Outcome<()> {
        if self.at >= self.format.len() {
            return self.printer.raw(b"%!(NOVERB)");
        }
        let (verb, size) = decode(&self.format[self.at..]);
        self.at += size;
        if verb == '%' {
            return self.printer.raw(b"%");
        }
        if !self.good_index {
            return self.printer.raw(format!("%!{verb}(BADINDEX)").as_bytes());
        }
        let Some(value) = self.args.get(self.next) else {
            return self.printer.raw(format!("%!{verb}(MISSING)").as_bytes());
        };
        self.next += 1;
        if matches!(verb, 'v' | 'w') {
            let flags = &mut self.printer.flags;
            flags.sharp_v = std::mem::take(&mut flags.sharp);
            flags.plus_v = std::mem::take(&mut flags.plus);
        }
        self.printer.argument(value, verb)
    }

    /// An argument number such as `[2]`; whether there was one.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let close = rest.iter().position(|byte| *byte == b']');
        let Some(close) = close.filter(|_| rest.len() >= 3) else {
            self.at += 1;
            self.good_index = false;
            return false;
        };
        self.at += close + 1;
        match digits(&rest[1..close]) {
            Some((number, length)) if length == close - 1 => {
                if (1..=self.args.len()).contains(&number) {
                    self.next = number - 1;
                } else {
                    self.good_index = false;
                }
                true
            }
            _ => {
                self.good_index = false;
                false
            }
        }
    }

    /// A number in the format. One that is too large ends the format, as in Go.
    fn number(&mut self) -> Option<usize> {
        let rest = &self.format[self.at..];
        if !rest.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        if let Some((number, length)) = digits(rest) {
            self.at += length;
            return Some(number);
        }
        self.at = self.format.len();
        None
    }

    /// The integer that `*` takes from the arguments.
    fn star(&mut self) -> Option<i128> {
        let value = self.args.get(self.next)?;
        self.next += 1;
        let number = value.as_integer()?;
        (number.abs() <= TOO_LARGE).then_some(number)
    }

    fn star_width(&mut self) -> Outcome<()> {
        let Some(number) = self.star() else {
            return self.printer.raw(b"%!(BADWIDTH)");
        };
        let flags = &mut self.printer.flags;
        flags.width = usize::try_from(number.unsigned_abs()).ok();
        if number < 0 {
            flags.minus = true;
            flags.zero = false;
        }
        Ok(())
    }

    fn star_precision(&mut self) -> Outcome<()> {
        let number = self.star().and_then(|number| usize::try_from(number).ok());
        self.printer.flags.precision = number;
        if number.is_none() {
            return self.printer.raw(b"%!(BADPREC)");
        }
        Ok(())
    }

    /// Tells of the arguments that no verb asked for.
    fn surplus(&mut self) -> Outcome<()> {
        if self.reordered || self.next >= self.args.len() {
            return Ok(());
        }
        self.printer.flags = Flags::default();
        self.printer.raw(b"%!(EXTRA ")?;
        for (i, value) in self.args[self.next..].iter().enumerate() {
            if i > 0 {
                self.printer.raw(b", ")?;
            }
            if value.is_nil() {
                self.printer.raw(b"<nil>")?;
                continue;
            }
            self.printer
                .raw(format!("{}=", value.type_of()).as_bytes())?;
            self.printer.argument(value, 'v')?;
        }
        self.printer.raw(b")")
    }
}

/// The number at the start of `text` and how many digits it has; `None` if it is missing or too large.
fn digits(text: &[u8]) -> Option<(usize, usize)> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = std::str::from_utf8(&text[..length]).ok()?;
    let number = digits.parse::<usize>().ok()?;
    // Go notices only when another digit follows, hence the factor.
    (number <= 10_000_009).then_some((number, length))
}
