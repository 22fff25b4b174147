//! Calls: arguments are evaluated and checked against the signature, with Go's texts.

use super::pipeline::Given;
use super::{Execution, Place};
use crate::template::ast::{Operand, Term};
use crate::template::budget;
use crate::template::error::Error;
use crate::template::funcs::{Body, Function};
use crate::template::value::{List, Map, Type, Value};

impl<'t> Execution<'t> {
    /// Calls a function, or a method of `receiver`; an error that it returns is at `whole`.
    pub(super) fn call(
        &mut self,
        dot: &Value,
        function: &'static Function,
        receiver: Option<&Value>,
        whole: Place<'t>,
        given: Given<'t, '_>,
    ) -> Result<Value, Error> {
        self.check_count(function, given)?;
        if let Body::And | Body::Or = function.body {
            return self.short_circuit(dot, matches!(function.body, Body::Or), given);
        }
        let mut args: Vec<Value> = receiver.cloned().into_iter().collect();
        for (i, word) in given.words.iter().enumerate() {
            args.push(self.argument(dot, parameter(function, i), word)?);
        }
        if let Some(piped) = given.piped {
            let kind = parameter(function, given.words.len());
            args.push(self.checked(piped.clone(), kind)?);
        }
        let result = match function.body {
            Body::Call => Err(refused_call(&args[0], given.words.first())),
            _ => function.invoke(&self.options.environment, &args),
        };
        match result {
            Ok(value) => {
                self.located(budget::spend(1 + value.bytes().len()))?;
                Ok(value)
            }
            Err(reason) => {
                self.place = whole;
                self.fail(format!("error calling {}: {reason}", function.name))
            }
        }
    }

    fn check_count(&self, function: &Function, given: Given<'_, '_>) -> Result<(), Error> {
        let count = given.words.len() + usize::from(given.piped.is_some());
        let wanted = function.parameters.len();
        if function.more.is_none() && count != wanted {
            return self.fail(format!(
                "wrong number of args for {}: want {wanted} got {count}",
                function.name
            ));
        }
        if count < wanted {
            // Go leaves what came through the pipe out of this count.
            return self.fail(format!(
                "wrong number of args for {}: want at least {wanted} got {}",
                function.name,
                given.words.len()
            ));
        }
        Ok(())
    }

    /// `and` and `or`: the first argument that decides, or the last.
    fn short_circuit(
        &mut self,
        dot: &Value,
        deciding: bool,
        given: Given<'t, '_>,
    ) -> Result<Value, Error> {
        let mut value = Value::NoValue;
        for word in given.words {
            value = self.argument(dot, Type::Reflect, word)?;
            if value.truth() == deciding {
                return Ok(value);
            }
        }
        Ok(given.piped.cloned().unwrap_or(value))
    }

    /// The value of the word `operand` for a parameter of the type `wanted`.
    fn argument(
        &mut self,
        dot: &Value,
        wanted: Type,
        operand: &'t Operand,
    ) -> Result<Value, Error> {
        self.place = Place::Operand(operand);
        let value = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Nil if wanted.can_be_nil() => return Ok(nil_of(wanted)),
            Term::Nil => return self.fail(format!("cannot assign nil to {wanted}")),
            Term::Field(names) => {
                self.fields(dot, dot.clone(), operand, names, Given::default())?
            }
            Term::Variable(names) => self.variable(dot, operand, names, Given::default())?,
            Term::Pipe(pipe) => self.pipe(dot, pipe)?,
            Term::Identifier(name) => {
                let here = Place::Operand(operand);
                self.function(dot, operand, name, here, Given::default())?
            }
            Term::Chain(inner, names) => {
                self.chain(dot, operand, inner, names, Given::default())?
            }
            Term::Bool(_) | Term::Number(_) | Term::String { .. } => {
                return self.constant(dot, wanted, operand);
            }
        };
        self.checked(value, wanted)
    }

    /// A constant takes the type of the parameter, if it can.
    fn constant(
        &mut self,
        dot: &Value,
        wanted: Type,
        operand: &'t Operand,
    ) -> Result<Value, Error> {
        let (value, name) = match (wanted, &operand.term) {
            (Type::Any | Type::Reflect, _) => return self.literal(dot, operand),
            (Type::Bool, Term::Bool(truth)) => (Some(Value::Bool(*truth)), "bool"),
            (Type::Bool, _) => (None, "bool"),
            (Type::String, Term::String { text, .. }) => {
                (Some(Value::String(text.clone())), "string")
            }
            (Type::String, _) => (None, "string"),
            (Type::Int | Type::Int32 | Type::Int64, Term::Number(number)) => {
                let made = number.int.and_then(|int| match wanted {
                    Type::Int => Some(Value::Int(int)),
                    Type::Int64 => Some(Value::Int64(int)),
                    _ => i32::try_from(int).ok().map(Value::Int32),
                });
                (made, "integer")
            }
            (Type::Int | Type::Int32 | Type::Int64, _) => (None, "integer"),
            (Type::Uint8 | Type::Uint64, Term::Number(number)) => {
                let made = number.uint.and_then(|uint| match wanted {
                    Type::Uint64 => Some(Value::Uint64(uint)),
                    _ => u8::try_from(uint).ok().map(Value::Uint8),
                });
                (made, "unsigned integer")
            }
            (Type::Uint8 | Type::Uint64, _) => (None, "unsigned integer"),
            (Type::Float64, Term::Number(number)) => (number.float.map(Value::Float64), "float"),
            (Type::Float64, _) => (None, "float"),
            _ => {
                return self.fail(format!("can't handle {operand} for arg of type {wanted}"));
            }
        };
        match value {
            Some(value) => Ok(value),
            None => self.fail(format!("expected {name}; found {operand}")),
        }
    }

    /// `value`, if it can be given where `wanted` is.
    fn checked(&self, value: Value, wanted: Type) -> Result<Value, Error> {
        match (&value, wanted) {
            (_, Type::Reflect) => Ok(value),
            (Value::NoValue, _) if wanted.can_be_nil() => Ok(nil_of(wanted)),
            (Value::NoValue, _) => self.fail(format!("invalid value; expected {wanted}")),
            (_, Type::Any) => Ok(value),
            _ if value.type_of() == wanted && !value.is_nil() => Ok(value),
            _ => self.fail(format!(
                "wrong type for value; expected {wanted}; got {}",
                value.type_of()
            )),
        }
    }
}

/// The type of the argument number `index`.
fn parameter(function: &Function, index: usize) -> Type {
    let fixed = function.parameters.get(index).copied();
    fixed.or(function.more).unwrap_or(Type::Any)
}

/// Go's nil of that type.
fn nil_of(wanted: Type) -> Value {
    match wanted {
        Type::Reflect => Value::NoValue,
        Type::Slice(element) => List::nil(*element).into(),
        Type::Map(element) => Map::of(*element).into(),
        _ => Value::Nil,
    }
}

/// Why `call` cannot call: no value that a template meets is a function.
fn refused_call(value: &Value, word: Option<&Operand>) -> String {
    if value.is_nil() {
        return "call of nil".to_owned();
    }
    let name = word.map_or_else(|| value.type_of().to_string(), ToString::to_string);
    format!("non-function {name} of type {}", value.type_of())
}
