//! One value under one verb.

use super::flags::Flags;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{List, Map, Object, Type, Value};

/// Collects output; the flags are those of the verb at hand.
#[derive(Default)]
pub(super) struct Printer {
    pub(super) out: Vec<u8>,
    pub(super) flags: Flags,
    /// Whether a wrong verb is being reported, when Go calls no `String()`.
    reporting: bool,
}

impl Printer {
    pub(super) fn raw(&mut self, text: &[u8]) -> Outcome<()> {
        budget::spend(text.len())?;
        self.out.extend_from_slice(text);
        Ok(())
    }

    /// `value` under `verb`, as an argument of its own.
    pub(super) fn argument(&mut self, value: &Value, verb: char) -> Outcome<()> {
        match (value, verb) {
            (Value::Nil | Value::NoValue, 'T' | 'v') => self.flags.pad(&mut self.out, b"<nil>"),
            (_, 'T') if !value.is_nil() => {
                let name = value.type_of().to_string();
                self.flags.string(&mut self.out, name.as_bytes())
            }
            // No value here is an error, which `%w` is for.
            (_, 'p' | 'w') | (Value::Nil | Value::NoValue, _) => self.bad_verb(value, verb),
            _ => self.value(value, verb, 0),
        }
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) -> Outcome<()> {
        let _level = budget::descend()?;
        budget::spend(1)?;
        match value {
            Value::Nil | Value::NoValue if self.flags.sharp_v => self.raw(b"interface {}(nil)"),
            Value::Nil | Value::NoValue => self.raw(b"<nil>"),
            Value::Bool(truth) if matches!(verb, 't' | 'v') => {
                let text: &[u8] = if *truth { b"true" } else { b"false" };
                self.flags.pad(&mut self.out, text)
            }
            Value::Bool(_) => self.bad_verb(value, verb),
            Value::Int(number) | Value::Int64(number) => {
                self.integer(value, i128::from(*number), verb)
            }
            Value::Int32(number) => self.integer(value, i128::from(*number), verb),
            Value::Uint8(number) => self.integer(value, i128::from(*number), verb),
            Value::Uint64(number) => self.integer(value, i128::from(*number), verb),
            Value::Float64(number) => self.float(value, *number, verb),
            Value::Complex128(real, imaginary) => self.complex(value, (*real, *imaginary), verb),
            Value::String(text) => self.string(value, text.as_bytes(), verb),
            Value::List(list) => self.list(list, verb, depth),
            Value::Map(map) => self.map(map, verb, depth),
            Value::Object(object) => self.object(value, object.as_ref(), verb),
        }
    }

    fn integer(&mut self, value: &Value, number: i128, verb: char) -> Outcome<()> {
        // Go looks at the bits of a negative number where it wants a character.
        let bits = u64::try_from(number)
            .or_else(|_| i64::try_from(number).map(i64::cast_unsigned))
            .unwrap_or(u64::MAX);
        let (flags, out) = (self.flags, &mut self.out);
        let unsigned = matches!(value, Value::Uint8(_) | Value::Uint64(_));
        match verb {
            'v' if flags.sharp_v && unsigned => {
                let sharp = Flags {
                    sharp: true,
                    ..flags
                };
                sharp.integer(out, number, 16, 'x')
            }
            'v' | 'd' => flags.integer(out, number, 10, verb),
            'b' => flags.integer(out, number, 2, verb),
            'o' | 'O' => flags.integer(out, number, 8, verb),
            'x' | 'X' => flags.integer(out, number, 16, verb),
            'c' => flags.character(out, bits, false),
            'q' => flags.character(out, bits, true),
            'U' => flags.unicode(out, bits),
            _ => self.bad_verb(value, verb),
        }
    }

    fn float(&mut self, value: &Value, number: f64, verb: char) -> Outcome<()> {
        let (flags, out) = (self.flags, &mut self.out);
        match verb {
            'v' | 'g' => flags.float(out, number, b'g', None),
            'G' => flags.float(out, number, b'G', None),
            'b' => flags.float(out, number, b'b', None),
            'x' => flags.float(out, number, b'x', None),
            'X' => flags.float(out, number, b'X', None),
            'f' | 'F' => flags.float(out, number, b'f', Some(6)),
            'e' => flags.float(out, number, b'e', Some(6)),
            'E' => flags.float(out, number, b'E', Some(6)),
            _ => self.bad_verb(value, verb),
        }
    }

    fn complex(&mut self, value: &Value, number: (f64, f64), verb: char) -> Outcome<()> {
        if !"vbgGxXfFeE".contains(verb) {
            return self.bad_verb(value, verb);
        }
        let plus = self.flags.plus;
        self.raw(b"(")?;
        self.float(value, number.0, verb)?;
        self.flags.plus = true;
        let imaginary = self.float(value, number.1, verb);
        self.flags.plus = plus;
        imaginary?;
        self.raw(b"i)")
    }

    fn string(&mut self, value: &Value, text: &[u8], verb: char) -> Outcome<()> {
        let (flags, out) = (self.flags, &mut self.out);
        match verb {
            'v' if flags.sharp_v => flags.quoted(out, text),
            'v' | 's' => flags.string(out, text),
            'x' | 'X' => flags.hex(out, text, verb == 'X'),
            'q' => flags.quoted(out, text),
            _ => self.bad_verb(value, verb),
        }
    }

    fn list(&mut self, list: &List, verb: char, depth: usize) -> Outcome<()> {
        let bytes: Option<Vec<u8>> = (list.element() == Type::Uint8).then(|| {
            let number = |item: &Value| item.as_integer().and_then(|n| u8::try_from(n).ok());
            list.items().iter().filter_map(number).collect()
        });
        if let Some(bytes) = bytes.filter(|_| matches!(verb, 's' | 'q' | 'x' | 'X')) {
            return self.string(&Value::from(bytes.as_slice()), &bytes, verb);
        }
        let (open, between, close) = self.brackets(b"[", b"]");
        if self.flags.sharp_v {
            let name = Value::List(list.clone()).type_of().to_string();
            self.raw(name.as_bytes())?;
            if list.is_nil() {
                return self.raw(b"(nil)");
            }
        }
        self.raw(open)?;
        for (i, item) in list.items().iter().enumerate() {
            if i > 0 {
                self.raw(between)?;
            }
            self.value(item, verb, depth + 1)?;
        }
        self.raw(close)
    }

    fn map(&mut self, map: &Map, verb: char, depth: usize) -> Outcome<()> {
        let (open, between, close) = self.brackets(b"map[", b"]");
        if self.flags.sharp_v {
            let name = Value::Map(map.clone()).type_of().to_string();
            self.raw(name.as_bytes())?;
        }
        self.raw(open)?;
        for (i, (key, item)) in map.borrow().iter().enumerate() {
            if i > 0 {
                self.raw(between)?;
            }
            self.value(&Value::String(key.clone()), verb, depth + 1)?;
            self.raw(b":")?;
            self.value(item, verb, depth + 1)?;
        }
        self.raw(close)
    }

    /// What stands before, between and after the elements.
    fn brackets(
        &self,
        open: &'static [u8],
        close: &'static [u8],
    ) -> (&'static [u8], &'static [u8], &'static [u8]) {
        if self.flags.sharp_v {
            (b"{", b", ", b"}")
        } else {
            (open, b" ", close)
        }
    }

    fn object(&mut self, value: &Value, object: &dyn Object, verb: char) -> Outcome<()> {
        let textual = matches!(verb, 'v' | 's' | 'x' | 'X' | 'q');
        if object.is_stringer() && textual && !self.flags.sharp_v && !self.reporting {
            return self.string(value, &object.display(), verb);
        }
        match object.underlying() {
            Some(plain) => self.value(&plain, verb, 0),
            None if verb == 'v' || verb == 's' => self.raw(&object.display()),
            None => self.bad_verb(value, verb),
        }
    }

    /// Reports that `verb` does not apply, with the type and the value as Go does.
    fn bad_verb(&mut self, value: &Value, verb: char) -> Outcome<()> {
        let reporting = std::mem::replace(&mut self.reporting, true);
        self.raw(format!("%!{verb}(").as_bytes())?;
        if value.is_nil() {
            self.raw(b"<nil>")?;
        } else {
            self.raw(format!("{}=", value.type_of()).as_bytes())?;
            self.value(value, 'v', 0)?;
        }
        self.reporting = reporting;
        self.raw(b")")
    }
}
