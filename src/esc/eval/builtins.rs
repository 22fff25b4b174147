//! What the builtins do.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Mode;
use super::ast::{Call, Id};
use super::call::Function;
use super::convert::{self, Buffer};
use super::engine::Evaluator;
use super::envelope;
use super::validate::Validator;
use super::value::{Repr, Shape, Val};
use crate::secret::SecretBytes;

impl Evaluator<'_, '_> {
    /// The value of the call `id`.
    pub(super) fn call(&mut self, id: Id, call: &Call) -> Rc<Val> {
        let argument = call.argument;
        let value = match &call.function {
            Function::Broken => self.unknown(id),
            Function::Secret(Some(literal)) => {
                self.transparent(*literal, |value| value.secret_if(true))
            }
            Function::Secret(None) => Val::string(self.def(Some(id)), "").secret_if(true),
            Function::Final => self.transparent(argument, |mut value| {
                value.is_final = true;
                value
            }),
            Function::Ciphertext(text) => self.decrypted(id, text.expose()),
            Function::Open { provider, inputs } => self.dynamic(id, "fn::open", provider, *inputs),
            Function::Rotate { provider, inputs } => {
                self.dynamic(id, "fn::rotate", provider, *inputs)
            }
            Function::Concat => self.concat(id, argument),
            Function::Join { delimiter, values } => self.join(id, *delimiter, *values),
            Function::Split { delimiter, text } => self.split(id, *delimiter, *text),
            Function::ToJson => self.textual(id, argument, convert::json),
            Function::ToString => self.textual(id, argument, convert::text),
            Function::FromJson => return self.from_json(id, argument),
            Function::ToBase64 => self.to_base64(id, argument),
            Function::FromBase64 => self.from_base64(id, argument),
            Function::Validate { schema, value } => return self.validate(*schema, *value),
        };
        Rc::new(value)
    }

    fn transparent(&mut self, id: Id, mark: impl FnOnce(Val) -> Val) -> Val {
        mark(Val::clone(&self.eval(id)))
    }

    fn decrypted(&mut self, id: Id, text: &[u8]) -> Val {
        let def = self.def(Some(id));
        let unknown = Val::unknown(def, Shape::String).secret_if(true);
        let envelope = match envelope::decode(text) {
            Ok(envelope) => envelope,
            Err(reason) => {
                self.error(id, format!("invalid ciphertext: {reason}"));
                return unknown;
            }
        };
        if !self.session.decrypts() {
            return unknown;
        }
        match self.decrypter.decrypt(&envelope) {
            Ok(plaintext) if self.session.spend_bytes(plaintext.len()) => {
                Val::string(def, plaintext).secret_if(true)
            }
            Ok(_) => unknown,
            Err(reason) => {
                self.error(id, format!("decrypting: {reason}"));
                unknown
            }
        }
    }

    /// Dynamic providers are not served: an error where a value is needed, unknown otherwise.
    fn dynamic(&mut self, id: Id, call: &str, provider: &str, inputs: Id) -> Val {
        self.eval(inputs);
        if self.session.mode == Mode::Open {
            self.error(
                id,
                format!("{call}: provider {provider:?} is not served by this server"),
            );
        }
        self.unknown(id)
    }

    /// Evaluates an operand that must be a string; reports if it is not.
    fn string(&mut self, id: Id) -> Option<Rc<Val>> {
        let value = self.eval(id);
        self.expect(&value, "string").then_some(value)
    }

    fn expect(&mut self, value: &Val, expected: &str) -> bool {
        let any = matches!(value.repr, Repr::Unknown(Shape::Any));
        if any || value.type_name() == expected {
            return true;
        }
        let summary = format!("expected {expected}, got {}", value.type_name());
        let finding = self.session.finding(value.def, summary);
        self.session.push(finding);
        false
    }

    fn expect_elements(&mut self, value: &Val, expected: &str) -> bool {
        if !self.expect(value, "array") {
            return false;
        }
        match &value.repr {
            Repr::List(elements) => {
                let elements = Rc::clone(elements);
                let mut sound = true;
                for element in elements.iter() {
                    sound &= self.expect(element, expected);
                }
                sound
            }
            _ => true,
        }
    }

    fn join(&mut self, id: Id, delimiter: Id, values: Id) -> Val {
        let delimiter = self.string(delimiter);
        let values = self.eval(values);
        let sound = self.expect_elements(&values, "string");
        let def = self.def(Some(id));
        let (Some(delimiter), true) = (delimiter, sound) else {
            return Val::unknown(def, Shape::String);
        };
        let secret = delimiter.contains_secret || values.contains_secret;
        let (Repr::String(delimiter), Repr::List(elements), false) =
            (&delimiter.repr, &values.repr, values.contains_unknown)
        else {
            return Val::unknown(def, Shape::String).secret_if(secret);
        };
        let mut text = Buffer::new(self.session.bytes_left());
        for (index, element) in elements.iter().enumerate() {
            if index > 0 {
                text.push(delimiter.expose());
            }
            if let Repr::String(element) = &element.repr {
                text.push(element.expose());
            }
        }
        self.made(id, text, secret)
    }

    fn split(&mut self, id: Id, delimiter: Id, text: Id) -> Val {
        let def = self.def(Some(id));
        let (Some(delimiter), Some(text)) = (self.string(delimiter), self.string(text)) else {
            return Val::unknown(def, Shape::List);
        };
        let secret = delimiter.contains_secret || text.contains_secret;
        let (Repr::String(delimiter), Repr::String(text)) = (&delimiter.repr, &text.repr) else {
            return Val::unknown(def, Shape::List).secret_if(secret);
        };
        let pieces = pieces(delimiter.expose(), text.expose());
        if !self.session.spend(pieces.len()) || !self.session.spend_bytes(text.len()) {
            return Val::unknown(def, Shape::List).secret_if(secret);
        }
        let elements = pieces
            .into_iter()
            .map(|piece| Rc::new(Val::string(def, SecretBytes::new(piece))))
            .collect();
        Val::list(def, elements).secret_if(secret)
    }

    fn concat(&mut self, id: Id, argument: Id) -> Val {
        let def = self.def(Some(id));
        let lists = self.eval(argument);
        let shaped = match &lists.repr {
            Repr::List(lists) => lists.iter().all(|list| {
                matches!(
                    list.repr,
                    Repr::List(_) | Repr::Unknown(Shape::Any | Shape::List)
                )
            }),
            Repr::Unknown(shape) => *shape != Shape::String,
            _ => false,
        };
        if !shaped {
            let summary = "the argument to fn::concat must be an array of arrays";
            self.error(argument, summary);
            return Val::unknown(def, Shape::List);
        }
        let secret = lists.contains_secret;
        let mut elements = Vec::new();
        let mut known = !lists.contains_unknown;
        if let Repr::List(lists) = &lists.repr {
            for list in lists.iter() {
                if let (Repr::List(list), true) = (&list.repr, known) {
                    known = self.session.spend(list.len());
                    elements.extend(list.iter().cloned());
                }
            }
        }
        if known {
            Val::list(def, elements).secret_if(secret)
        } else {
            Val::unknown(def, Shape::List).secret_if(secret)
        }
    }

    fn textual(&mut self, id: Id, argument: Id, write: fn(&Val, &mut Buffer)) -> Val {
        let value = self.eval(argument);
        let secret = value.contains_secret;
        if value.contains_unknown {
            return Val::unknown(self.def(Some(id)), Shape::String).secret_if(secret);
        }
        let mut text = Buffer::new(self.session.bytes_left());
        write(&value, &mut text);
        self.made(id, text, secret)
    }

    fn from_json(&mut self, id: Id, argument: Id) -> Rc<Val> {
        let Some(text) = self.string(argument) else {
            return Rc::new(self.unknown(id));
        };
        let secret = text.contains_secret;
        let def = self.def(Some(id));
        let unknown = || Rc::new(Val::unknown(def, Shape::Any).secret_if(secret));
        let Repr::String(text) = &text.repr else {
            return unknown();
        };
        let session = &mut *self.session;
        let spend = &mut |bytes: usize| session.spend(1) && session.spend_bytes(bytes);
        convert::from_json(text.expose(), def, secret, spend).unwrap_or_else(|reason| {
            self.error(id, format!("decoding JSON string: {reason}"));
            unknown()
        })
    }

    fn to_base64(&mut self, id: Id, argument: Id) -> Val {
        let Some(value) = self.string(argument) else {
            return Val::unknown(self.def(Some(id)), Shape::String);
        };
        let secret = value.contains_secret;
        let Repr::String(bytes) = &value.repr else {
            return Val::unknown(self.def(Some(id)), Shape::String).secret_if(secret);
        };
        let mut text = Buffer::new(self.session.bytes_left());
        let encoded = Zeroizing::new(STANDARD.encode(bytes.expose()));
        text.push(encoded.as_bytes());
        self.made(id, text, secret)
    }

    fn from_base64(&mut self, id: Id, argument: Id) -> Val {
        let def = self.def(Some(id));
        let Some(value) = self.string(argument) else {
            return Val::unknown(def, Shape::String);
        };
        let secret = value.contains_secret;
        let unknown = Val::unknown(def, Shape::String).secret_if(secret);
        let Repr::String(text) = &value.repr else {
            return unknown;
        };
        match envelope::decode_base64(text.expose()) {
            Ok(mut bytes) if self.session.spend_bytes(bytes.len()) => {
                Val::string(def, SecretBytes::new(std::mem::take(&mut *bytes))).secret_if(secret)
            }
            Ok(_) => unknown,
            Err(reason) => {
                self.error(id, format!("decoding base64 string: {reason}"));
                unknown
            }
        }
    }

    fn validate(&mut self, schema: Id, value: Id) -> Rc<Val> {
        let schema = self.eval(schema);
        let value = self.eval(value);
        if !schema.contains_unknown {
            let findings = Validator::new(self.session, Rc::clone(&schema)).check(&value);
            for finding in findings {
                self.session.push(finding);
            }
        }
        value
    }

    /// Text that the call `id` made; unknown if it is too long.
    fn made(&mut self, id: Id, text: Buffer, secret: bool) -> Val {
        let def = self.def(Some(id));
        let value = if self.session.spend_bytes(text.spent()) {
            Val::string(def, text.finish())
        } else {
            Val::unknown(def, Shape::String)
        };
        value.secret_if(secret)
    }
}

/// Splits as Go's `strings.Split`: an empty delimiter splits into characters.
fn pieces<'t>(delimiter: &[u8], text: &'t [u8]) -> Vec<&'t [u8]> {
    if delimiter.is_empty() {
        let mut pieces = Vec::new();
        for chunk in text.utf8_chunks() {
            let valid = chunk.valid();
            pieces.extend(
                valid
                    .char_indices()
                    .map(|(at, char)| &valid.as_bytes()[at..at + char.len_utf8()]),
            );
            pieces.extend(chunk.invalid().chunks(1));
        }
        return pieces;
    }
    if let (Ok(delimiter), Ok(text)) = (str::from_utf8(delimiter), str::from_utf8(text)) {
        return text.split(delimiter).map(str::as_bytes).collect();
    }
    // Bytes as characters, so that the search is linear in any case.
    let widen = |bytes: &[u8]| Zeroizing::new(bytes.iter().copied().map(char::from).collect());
    let (delimiter, wide): (Zeroizing<String>, Zeroizing<String>) = (widen(delimiter), widen(text));
    let mut at = 0;
    wide.split(delimiter.as_str())
        .map(|piece| {
            let length = piece.chars().count();
            let piece = &text[at..at + length];
            at += length + delimiter.chars().count();
            piece
        })
        .collect()
}
