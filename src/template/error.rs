//! What can go wrong, in Go's words.

use std::fmt;

/// What a function gives: a value, or the sentence that says why not.
pub type Outcome<T = super::Value> = Result<T, String>;

/// A template that cannot be parsed or rendered. `Display` is Go's text: the template's name, the line,
/// for an error while rendering the column and the expression, then the reason.
///
/// The text holds parts of the template, and what `fail` and other functions were told to say; of the
/// data it never holds more than that.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    text: String,
    line: usize,
    column: Option<usize>,
}

impl Error {
    /// A template that is not in the language.
    pub(super) fn parse(name: &str, line: usize, reason: impl fmt::Display) -> Self {
        Self {
            text: format!("template: {name}:{line}: {reason}"),
            line,
            column: None,
        }
    }

    /// A rendering that cannot go on at `context`, an expression of the template `name`.
    pub(super) fn execute(
        name: &str,
        parsed_in: &str,
        (line, column): (usize, usize),
        context: &str,
        reason: impl fmt::Display,
    ) -> Self {
        let name = super::format::quoted(name.as_bytes());
        Self {
            text: format!(
                "template: {parsed_in}:{line}:{column}: executing {name} at <{context}>: {reason}"
            ),
            line,
            column: Some(column),
        }
    }

    /// A template that cannot be rendered as a whole.
    pub(super) fn whole(name: &str, reason: impl fmt::Display) -> Self {
        Self {
            text: format!("template: {name}: {reason}"),
            line: 0,
            column: None,
        }
    }

    /// The line, counted from 1; 0 where the error belongs to no line.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in bytes, counted as Go does from 0; only errors of a rendering have one.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.column
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
