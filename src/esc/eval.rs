//! Evaluation of environment definitions: pure, without I/O.
//!
//! A definition is parsed into expressions ([`ast`]), each evaluated at most once when it is needed
//! ([`engine`]); imports are definitions evaluated the same way in one [`session`], which bounds
//! depth, steps and output so that no document can exhaust the process. The rules are those of
//! Pulumi ESC's evaluator (github.com/pulumi/esc, v0.25).

mod access;
mod ast;
mod builtins;
mod call;
mod convert;
mod crypt;
mod decimal;
mod edit;
mod engine;
mod envelope;
mod exprs;
mod interpolation;
mod output;
mod path;
mod quote;
mod render;
mod scalar;
mod session;
mod source;
mod suggest;
mod validate;
mod value;
mod yaml;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_edit;
#[cfg(test)]
mod tests_prop;

use std::collections::BTreeMap;

use crate::secret::SecretBytes;

pub use crypt::{decrypt_secrets, encrypt_secrets};
pub use edit::{remove_property, set_property};
pub use exprs::{Expr, ExprKind, expressions};
pub use output::properties_to_json;
pub use path::{Found, PropertyPath, Segment, lookup};

/// A place in a document. Lines and columns count from 1, bytes from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// Byte, from 0.
    pub byte: usize,
}

/// A stretch of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Environment as the evaluator names it: `project/env`, the project `default` elided.
    pub environment: String,
    /// First character.
    pub begin: Position,
    /// Behind the last character.
    pub end: Position,
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The document cannot be saved or opened.
    Error,
    /// The document is accepted.
    Warning,
}

/// Something wrong in a document; holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// One sentence.
    pub summary: String,
    /// Property path such as `values.foo["fn::join"][1]`; empty if there is none.
    pub path: String,
    /// Where it stands, if known.
    pub range: Option<Range>,
}

/// Decrypts the ciphertexts of one environment.
pub trait Decrypter {
    /// The plaintext of the envelope in `ciphertext` (already base64-decoded).
    ///
    /// # Errors
    /// A sentence for a diagnostic, without any secret.
    fn decrypt(&self, ciphertext: &[u8]) -> Result<SecretBytes, String>;
}

/// A definition that an import names.
pub struct Loaded {
    /// The YAML text as stored, ciphertext inside.
    pub text: String,
    /// Decrypts that environment's ciphertexts.
    pub decrypter: Box<dyn Decrypter>,
}

/// Loads imported environments of the same organisation.
pub trait Loader {
    /// The definition of `name`: `project/env`, `env` in the project `default`, either with `@7` or
    /// `@tag` behind it.
    ///
    /// # Errors
    /// A sentence for a diagnostic.
    fn load(&self, name: &str) -> Result<Loaded, String>;
}

/// Who evaluates and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For use: ciphertext is decrypted.
    Open,
    /// For editing: ciphertext is unknown unless `show_secrets`.
    Check {
        /// Whether ciphertext is decrypted.
        show_secrets: bool,
    },
}

/// What `${context.…}` gives besides the environment's names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// `context.pulumi.user.login`.
    pub user_login: String,
    /// `context.pulumi.user.id`.
    pub user_id: String,
    /// `context.pulumi.organization.login`.
    pub organization: String,
}

/// What a value is.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number as normalised decimal text of any precision.
    Number(String),
    /// Text; bytes, since `fn::fromBase64` may make any.
    String(SecretBytes),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Object(BTreeMap<String, Value>),
}

/// An evaluated value.
#[derive(Debug, PartialEq, Eq)]
pub struct Value {
    /// The value; Null when unknown.
    pub content: Content,
    /// Whether it is secret.
    pub secret: bool,
    /// Whether it could not be known in this mode.
    pub unknown: bool,
    /// Where it is defined.
    pub def: Range,
}

/// The outcome of an evaluation. With an error among the diagnostics, `properties` is the best that
/// could be done.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// Top-level values after imports are merged.
    pub properties: BTreeMap<String, Value>,
    /// What is wrong, in the order found.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the root's own text is malformed (YAML or expression syntax), as opposed to errors
    /// found while it was evaluated.
    pub malformed: bool,
}

impl Evaluation {
    /// Whether an error was found, so that the environment may not be opened or saved.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Evaluates a definition.
///
/// `name` is `project/env` with the project `default` elided, or `<yaml>` for a text that is not
/// stored. Errors become diagnostics; the values they concern are unknown, everything else is still
/// evaluated. Without an error in `Mode::Open` nothing is unknown.
pub fn evaluate(
    name: &str,
    text: &str,
    decrypter: &dyn Decrypter,
    loader: &dyn Loader,
    caller: &Caller,
    mode: Mode,
) -> Evaluation {
    if text.len() > session::MAX_DOCUMENT {
        return Evaluation {
            diagnostics: vec![Diagnostic {
                severity: Severity::Error,
                summary: "definition is too large".to_owned(),
                path: String::new(),
                range: None,
            }],
            malformed: true,
            ..Evaluation::default()
        };
    }
    let name = engine::identity(name);
    let definition = ast::Definition::parse(name, text);
    let malformed = definition.malformed();
    let mut session = session::Session::new(loader, caller, mode);
    let file = session.add_file(name, definition);
    session
        .imported
        .insert(name.to_owned(), session::Imported::Evaluating);
    let root = engine::Evaluator::new(&mut session, file, decrypter, None).run();
    let properties = output::Export::new(&mut session).properties(&root);
    Evaluation {
        properties,
        diagnostics: session.diagnostics,
        malformed,
    }
}
