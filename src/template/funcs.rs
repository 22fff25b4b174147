//! The function table: every function a template can call, by name.
//!
//! To add a function, write it in the file of its family below `funcs/` and add one line to that file's
//! `FUNCTIONS`:
//!
//! ```text
//! pub(super) static FUNCTIONS: &[Function] = &[
//!     Function::new("upper", &[Type::String], upper),
//!     Function::new("join", &[Type::String, Type::Any], join),
//!     Function::new("cat", &[], cat).and_more(Type::Any),
//!     Function::with_environment("now", &[], now),
//! ];
//!
//! fn upper(args: &[Value]) -> Outcome { … }
//! fn now(environment: &Environment<'_>, args: &[Value]) -> Outcome { … }
//! ```
//!
//! A new family is one line in `FAMILIES`. Rules for a body:
//!
//! - The table is the signature: the execution has checked number and types of the arguments, with Go's
//!   texts, before the body runs. For `Type::String` use [`Value::bytes`], for `Type::Int` and
//!   `Type::Int64` [`Value::int`]. An argument of `Type::Any` is never [`Value::NoValue`].
//! - `Err` holds what Go's function returns as error (or panics with); the execution puts
//!   `error calling NAME: ` before it.
//! - What may grow beyond its arguments pays first: `budget::spend(bytes, or 16 an element)?`. What follows a
//!   value into itself takes `let _level = budget::descend()?` at each level.
//! - Go's result type decides the variant: `int` is [`Value::Int`], `int64` is [`Value::Int64`],
//!   `[]string` is [`super::value::List::strings`], `[]interface{}` is [`super::value::List::new`].
//! - A type with methods (`time.Time`) implements [`super::value::Object`]; each method is a `Function`
//!   whose body gets the receiver as first argument.

mod case;
mod cast;
mod certificates;
mod chain;
mod collections;
mod comparison;
mod dates;
mod decimal;
mod defaults;
mod dicts;
mod digests;
mod encoding;
mod json;
mod jwk;
mod keys;
mod layout;
mod lists;
mod math;
mod merging;
mod paths;
mod pem;
mod pkcs12;
mod printing;
mod random;
mod reflection;
mod regexes;
mod runes;
#[cfg(test)]
mod samples;
mod sequences;
mod splitting;
mod strings;
mod urls;
mod versions;
pub mod yaml;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Environment;
use super::error::Outcome;
use super::value::{Type, Value};
pub(super) use collections::zero;

/// Every family; the first that has a name wins, so that sprig's `slice` comes before Go's.
static FAMILIES: &[&[Function]] = &[
    case::FUNCTIONS,
    cast::FUNCTIONS,
    defaults::FUNCTIONS,
    dicts::FUNCTIONS,
    encoding::FUNCTIONS,
    json::FUNCTIONS,
    layout::FUNCTIONS,
    lists::FUNCTIONS,
    math::FUNCTIONS,
    paths::FUNCTIONS,
    reflection::FUNCTIONS,
    sequences::FUNCTIONS,
    splitting::FUNCTIONS,
    strings::FUNCTIONS,
    comparison::FUNCTIONS,
    collections::FUNCTIONS,
    printing::FUNCTIONS,
    certificates::FUNCTIONS,
    dates::FUNCTIONS,
    digests::FUNCTIONS,
    jwk::FUNCTIONS,
    pem::FUNCTIONS,
    pkcs12::FUNCTIONS,
    random::FUNCTIONS,
    regexes::FUNCTIONS,
    urls::FUNCTIONS,
    versions::FUNCTIONS,
    yaml::FUNCTIONS,
];

/// A function or a method, with the signature that its arguments are checked against.
pub struct Function {
    /// The name templates call it by.
    pub name: &'static str,
    /// The types of the fixed parameters.
    pub parameters: &'static [Type],
    /// The type of any further arguments, if there may be some.
    pub more: Option<Type>,
    /// What it does.
    pub body: Body,
}

/// What a function does with its arguments.
#[derive(Clone, Copy)]
pub enum Body {
    /// Depends on its arguments alone.
    Pure(fn(&[Value]) -> Outcome),
    /// Needs the time or randomness too.
    Environment(fn(&Environment<'_>, &[Value]) -> Outcome),
    /// Go's `and`, which evaluates no more arguments than it must.
    And,
    /// Go's `or`, likewise.
    Or,
    /// Go's `call`, which names what it was given.
    Call,
}

impl Function {
    /// A function of its arguments alone.
    #[must_use]
    pub const fn new(
        name: &'static str,
        parameters: &'static [Type],
        body: fn(&[Value]) -> Outcome,
    ) -> Self {
        Self::of(name, parameters, Body::Pure(body))
    }

    /// A function that needs the time or randomness.
    #[must_use]
    pub const fn with_environment(
        name: &'static str,
        parameters: &'static [Type],
        body: fn(&Environment<'_>, &[Value]) -> Outcome,
    ) -> Self {
        Self::of(name, parameters, Body::Environment(body))
    }

    /// The same function with any number of further arguments of the type `more`.
    #[must_use]
    pub const fn and_more(mut self, more: Type) -> Self {
        self.more = Some(more);
        self
    }

    const fn of(name: &'static str, parameters: &'static [Type], body: Body) -> Self {
        Self {
            name,
            parameters,
            more: None,
            body,
        }
    }

    /// Runs the function. `call` and the short-circuiting ones are the execution's own.
    ///
    /// # Errors
    /// Whatever the function refuses, in Go's words.
    pub fn invoke(&self, environment: &Environment<'_>, args: &[Value]) -> Outcome {
        match self.body {
            Body::Pure(body) => body(args),
            Body::Environment(body) => body(environment, args),
            Body::And | Body::Or | Body::Call => Err("must be called by a template".to_owned()),
        }
    }
}

/// The function of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Function> {
    static TABLE: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
        let mut table = HashMap::new();
        for function in FAMILIES.iter().copied().flatten() {
            table.entry(function.name).or_insert(function);
        }
        table
    });
    TABLE.get(name).copied()
}

/// The names of all functions, sorted.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let functions = FAMILIES.iter().copied().flatten();
    let mut names: Vec<_> = functions.map(|function| function.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}
