//! Pipelines, commands and chains of fields.

use super::{Execution, Place};
use crate::template::MissingKey;
use crate::template::ast::{Command, Operand, Pipe, Term};
use crate::template::budget;
use crate::template::error::Error;
use crate::template::format::quoted;
use crate::template::funcs::{self, zero};
use crate::template::number::Number;
use crate::template::value::{Type, Value};

/// What a function or method is called with: words, then what came through the pipe.
#[derive(Clone, Copy, Default)]
pub(super) struct Given<'t, 'v> {
    pub(super) words: &'t [Operand],
    pub(super) piped: Option<&'v Value>,
}

impl Given<'_, '_> {
    fn is_empty(self) -> bool {
        self.words.is_empty() && self.piped.is_none()
    }
}

impl<'t> Execution<'t> {
    /// The value of a pipeline; a nil has become no value.
    pub(super) fn pipe(&mut self, dot: &Value, pipe: &'t Pipe) -> Result<Value, Error> {
        let _level = self.located(budget::descend())?;
        self.place = Place::Pipe(pipe);
        let mut value: Option<Value> = None;
        for command in &pipe.commands {
            let next = self.command(dot, command, value.as_ref())?;
            value = Some(match next {
                Value::Nil => Value::NoValue,
                next => next,
            });
        }
        let value = value.unwrap_or(Value::NoValue);
        for name in &pipe.variables {
            if pipe.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        dot: &Value,
        command: &'t Command,
        piped: Option<&Value>,
    ) -> Result<Value, Error> {
        self.located(budget::spend(1))?;
        let first = &command.args[0];
        let given = Given {
            words: &command.args[1..],
            piped,
        };
        match &first.term {
            Term::Field(names) => {
                self.place = Place::Operand(first);
                self.fields(dot, dot.clone(), first, names, given)
            }
            Term::Chain(operand, names) => self.chain(dot, first, operand, names, given),
            Term::Identifier(name) => {
                self.function(dot, first, name, Place::Command(command), given)
            }
            Term::Pipe(pipe) => {
                self.refuse_arguments(first, given)?;
                self.pipe(dot, pipe)
            }
            Term::Variable(names) => self.variable(dot, first, names, given),
            _ => {
                self.place = Place::Operand(first);
                self.refuse_arguments(first, given)?;
                self.literal(dot, first)
            }
        }
    }

    fn refuse_arguments(&self, first: &Operand, given: Given<'_, '_>) -> Result<(), Error> {
        if given.is_empty() {
            return Ok(());
        }
        self.fail(format!("can't give argument to non-function {first}"))
    }

    /// The value of a word that is no function, field or variable.
    pub(super) fn literal(&mut self, dot: &Value, operand: &'t Operand) -> Result<Value, Error> {
        match &operand.term {
            Term::Bool(truth) => Ok(Value::Bool(*truth)),
            Term::Dot => Ok(dot.clone()),
            Term::Number(number) => self.ideal(operand, number),
            Term::String { text, .. } => Ok(Value::String(text.clone())),
            Term::Nil => self.fail("nil is not a command"),
            _ => self.fail(format!("can't evaluate command {operand}")),
        }
    }

    /// A number where nothing but its own form says what it is.
    fn ideal(&mut self, operand: &'t Operand, number: &Number) -> Result<Value, Error> {
        self.place = Place::Operand(operand);
        if let Some((real, imaginary)) = number.complex {
            return Ok(Value::Complex128(real, imaginary));
        }
        if let Some(float) = number.float.filter(|_| number.looks_like_float()) {
            return Ok(Value::Float64(float));
        }
        match number.int {
            Some(int) => Ok(Value::Int(int)),
            None => self.fail(format!("{} overflows int", number.text)),
        }
    }

    pub(super) fn variable(
        &mut self,
        dot: &Value,
        operand: &'t Operand,
        names: &'t [String],
        given: Given<'t, '_>,
    ) -> Result<Value, Error> {
        self.place = Place::Operand(operand);
        let found = self.variables.iter().rev().find(|(n, _)| *n == names[0]);
        let Some((_, value)) = found else {
            return self.fail(format!("undefined variable: {}", names[0]));
        };
        let value = value.clone();
        if names.len() == 1 {
            self.refuse_arguments(operand, given)?;
            return Ok(value);
        }
        self.fields(dot, value, operand, &names[1..], given)
    }

    pub(super) fn chain(
        &mut self,
        dot: &Value,
        place: &'t Operand,
        operand: &'t Operand,
        names: &'t [String],
        given: Given<'t, '_>,
    ) -> Result<Value, Error> {
        self.place = Place::Operand(operand);
        let receiver = match &operand.term {
            Term::Pipe(pipe) => self.pipe(dot, pipe)?,
            Term::Identifier(name) => {
                let here = Place::Operand(operand);
                self.function(dot, operand, name, here, Given::default())?
            }
            _ => return self.fail(format!("indirection through {operand} in {place}")),
        };
        self.fields(dot, receiver, place, names, given)
    }

    /// Follows `names` from `receiver`; the last one may be a method and gets the arguments.
    pub(super) fn fields(
        &mut self,
        dot: &Value,
        mut receiver: Value,
        place: &'t Operand,
        names: &'t [String],
        given: Given<'t, '_>,
    ) -> Result<Value, Error> {
        let mut seen_as = receiver.type_of();
        for (i, name) in names.iter().enumerate() {
            let given = if i + 1 == names.len() {
                given
            } else {
                Given::default()
            };
            let value = self.field(dot, &receiver, seen_as, place, name, given)?;
            // Go names the type that the container gives its elements.
            seen_as = match &receiver {
                Value::Map(map) => map.element(),
                _ => value.type_of(),
            };
            receiver = value;
        }
        Ok(receiver)
    }

    fn field(
        &mut self,
        dot: &Value,
        receiver: &Value,
        seen_as: Type,
        place: &'t Operand,
        name: &'t str,
        given: Given<'t, '_>,
    ) -> Result<Value, Error> {
        match receiver {
            Value::NoValue if self.options.missing_key == MissingKey::Error => {
                let name = quoted(name.as_bytes());
                self.fail(format!("nil data; no entry for key {name}"))
            }
            Value::NoValue => Ok(Value::NoValue),
            Value::Nil => self.fail(format!("nil pointer evaluating interface {{}}.{name}")),
            Value::Map(_) if !given.is_empty() => {
                self.fail(format!("{name} is not a method but has arguments"))
            }
            Value::Map(map) => match map.get(name.as_bytes()) {
                Some(value) => Ok(value),
                None => match self.options.missing_key {
                    MissingKey::Default => Ok(Value::NoValue),
                    MissingKey::Zero => Ok(zero(map.element())),
                    MissingKey::Error => {
                        let name = quoted(name.as_bytes());
                        self.fail(format!("map has no entry for key {name}"))
                    }
                },
            },
            Value::Object(object) => {
                if let Some(method) = object.method(name) {
                    let here = Place::Operand(place);
                    return self.call(dot, method, Some(receiver), here, given);
                }
                match object.field(name) {
                    Some(_) if !given.is_empty() => self.fail(format!(
                        "{name} has arguments but cannot be invoked as function"
                    )),
                    Some(value) => Ok(value),
                    None => self.no_field(name, seen_as),
                }
            }
            _ => self.no_field(name, seen_as),
        }
    }

    fn no_field(&self, name: &str, kind: Type) -> Result<Value, Error> {
        self.fail(format!("can't evaluate field {name} in type {kind}"))
    }

    pub(super) fn function(
        &mut self,
        dot: &Value,
        operand: &'t Operand,
        name: &str,
        whole: Place<'t>,
        given: Given<'t, '_>,
    ) -> Result<Value, Error> {
        self.place = Place::Operand(operand);
        match funcs::find(name) {
            Some(function) => self.call(dot, function, None, whole, given),
            None => {
                let name = quoted(name.as_bytes());
                self.fail(format!("{name} is not a defined function"))
            }
        }
    }
}
