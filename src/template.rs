//! Go's `text/template`, as External Secrets Operator uses it: same output for the same template, byte
//! for byte, and the same error texts.
//!
//! The module knows neither Kubernetes nor files; time and randomness are passed in. Rendering is
//! bounded in work, depth and output, so that no template can hang or exhaust the process. Where Go's
//! error text would show a value of the data, the value's type stands instead.

mod ast;
pub mod budget;
mod cursor;
pub mod error;
mod exec;
mod format;
pub mod funcs;
mod lexer;
mod number;
mod parser;
pub mod value;

use parser::Trees;

pub use error::{Error, Outcome};
pub use value::Value;

/// What a template may see of the world.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// The time it is, and the zone that Go calls local.
    pub now: &'a jiff::Zoned,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
}

/// What a field gives that its map does not have: Go's option `missingkey`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// No value, which prints as `<no value>`.
    Default,
    /// The zero value of the map's elements.
    Zero,
    /// An error; what External Secrets Operator sets.
    #[default]
    Error,
}

/// How much one rendering may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Units of work: about one for each byte made, element visited and expression evaluated.
    pub work: u64,
    /// Bytes of output.
    pub output: usize,
    /// Levels that blocks, calls and values may be nested.
    pub depth: u32,
}

impl Default for Limits {
    /// Room for several passes over the largest Secret (1 MiB), memory in the tens of megabytes, and
    /// levels that fit a thread's stack of 2 MiB.
    fn default() -> Self {
        Self {
            work: 20_000_000,
            output: 4 << 20,
            depth: 400,
        }
    }
}

/// How to render.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// What to do about missing keys.
    pub missing_key: MissingKey,
    /// How much the rendering may do.
    pub limits: Limits,
    /// What the template may see of the world.
    pub environment: Environment<'a>,
}

impl<'a> Options<'a> {
    /// As External Secrets Operator renders: a missing key is an error.
    #[must_use]
    pub fn new(environment: Environment<'a>) -> Self {
        Self {
            missing_key: MissingKey::default(),
            limits: Limits::default(),
            environment,
        }
    }
}

/// What actions stand between.
#[derive(Clone, Copy, Debug)]
pub struct Delimiters<'a> {
    /// Before an action; empty means `{{`.
    pub left: &'a str,
    /// After an action; empty means `}}`.
    pub right: &'a str,
}

impl Default for Delimiters<'_> {
    fn default() -> Self {
        Self {
            left: "{{",
            right: "}}",
        }
    }
}

/// A parsed template and those that its text defines.
pub struct Template {
    name: String,
    text: Vec<u8>,
    trees: Trees,
}

impl Template {
    /// Parses `text`; errors call it `name`.
    ///
    /// # Errors
    /// When the text is not in the language or names a function that does not exist.
    pub fn parse(name: &str, text: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::parse_between(name, text, Delimiters::default())
    }

    /// As [`Template::parse`], for actions between other delimiters.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_between(
        name: &str,
        text: impl AsRef<[u8]>,
        delimiters: Delimiters<'_>,
    ) -> Result<Self, Error> {
        let or = |given: &'_ str, default: &'static str| {
            if given.is_empty() {
                default.to_owned()
            } else {
                given.to_owned()
            }
        };
        let (left, right) = (or(delimiters.left, "{{"), or(delimiters.right, "}}"));
        let text = text.as_ref();
        Ok(Self {
            name: name.to_owned(),
            trees: parser::parse(name, text, &left, &right)?,
            text: text.to_vec(),
        })
    }

    /// Renders over `dot`. The output is as secret as what `dot` holds.
    ///
    /// # Errors
    /// When an expression cannot be evaluated, a function fails or a limit is reached; there is no
    /// partial output.
    pub fn render(&self, dot: &Value, options: &Options<'_>) -> Result<Vec<u8>, Error> {
        exec::render(self, &self.name, dot, options)
    }
}

#[cfg(test)]
mod tests;
