//! Go's `fmt`: the default form of every value, and the verbs of `printf`.

mod flags;
mod float;
mod printer;
mod quote;
mod verbs;

pub(crate) use flags::decode;
use printer::Printer;
pub(crate) use quote::{can_backquote, is_printable as quoted_printable, quoted};
pub(crate) use verbs::sprintf;

use super::error::Outcome;
use super::value::Value;

/// What `{{ . }}` prints.
pub(crate) fn printed(value: &Value) -> Outcome<Vec<u8>> {
    if let Value::NoValue = value {
        return Ok(b"<no value>".to_vec());
    }
    sprint(std::slice::from_ref(value))
}

/// Go's `Sprint`: a space between two arguments neither of which is a string.
pub(crate) fn sprint(args: &[Value]) -> Outcome<Vec<u8>> {
    let mut printer = Printer::default();
    let mut after_string = true;
    for value in args {
        let is_string = matches!(value, Value::String(_));
        if !is_string && !after_string {
            printer.raw(b" ")?;
        }
        printer.argument(value, 'v')?;
        after_string = is_string;
    }
    Ok(printer.out)
}

/// Go's `Sprintln`: a space between all arguments, a line's end after them.
pub(crate) fn sprintln(args: &[Value]) -> Outcome<Vec<u8>> {
    let mut printer = Printer::default();
    for (i, value) in args.iter().enumerate() {
        if i > 0 {
            printer.raw(b" ")?;
        }
        printer.argument(value, 'v')?;
    }
    printer.raw(b"\n")?;
    Ok(printer.out)
}

#[cfg(test)]
mod tests;
