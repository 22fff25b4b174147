//! What one evaluation shares among all environments it touches: findings, limits, loaded files.

use std::collections::HashMap;
use std::rc::Rc;

use super::ast::{Definition, Id};
use super::source::Span;
use super::value::{Def, Val};
use super::{Caller, Diagnostic, Loader, Mode, Range, Severity};

/// Largest definition, in bytes.
pub(super) const MAX_DOCUMENT: usize = 1 << 20;
/// Steps of one evaluation: expressions, references, members merged or checked.
const MAX_STEPS: usize = 1_000_000;
/// Bytes of text that one evaluation may make.
const MAX_BYTES: usize = 32 << 20;
/// Environments that one evaluation may load.
const MAX_IMPORTS: usize = 256;
/// Findings that are kept.
const MAX_DIAGNOSTICS: usize = 256;
/// Expressions that may wait for one another.
const MAX_DEPTH: usize = 160;

/// A definition with its name.
pub(super) struct File {
    pub(super) name: Rc<str>,
    pub(super) definition: Rc<Definition>,
}

/// How far an environment of the import closure is.
pub(super) enum Imported {
    Evaluating,
    /// Its value; `None` if it has none because of errors already reported.
    Done(Option<Rc<Val>>),
    /// It could not be loaded, for this reason.
    Failed(String),
}

pub(super) struct Session<'a> {
    pub(super) loader: &'a dyn Loader,
    pub(super) caller: &'a Caller,
    pub(super) mode: Mode,
    pub(super) files: Vec<File>,
    pub(super) imported: HashMap<String, Imported>,
    pub(super) diagnostics: Vec<Diagnostic>,
    steps: usize,
    bytes: usize,
    depth: usize,
}

impl<'a> Session<'a> {
    pub(super) fn new(loader: &'a dyn Loader, caller: &'a Caller, mode: Mode) -> Self {
        Self {
            loader,
            caller,
            mode,
            files: Vec::new(),
            imported: HashMap::new(),
            diagnostics: Vec::new(),
            steps: 0,
            bytes: 0,
            depth: 0,
        }
    }

    /// Whether ciphertext is to be decrypted.
    pub(super) fn decrypts(&self) -> bool {
        !matches!(
            self.mode,
            Mode::Check {
                show_secrets: false
            }
        )
    }

    /// Registers a definition and takes over its diagnostics.
    pub(super) fn add_file(&mut self, name: &str, mut definition: Definition) -> u32 {
        for diagnostic in std::mem::take(&mut definition.diagnostics) {
            self.push(diagnostic);
        }
        self.files.push(File {
            name: name.into(),
            definition: Rc::new(definition),
        });
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    /// Whether another environment may be loaded.
    pub(super) fn may_import(&self) -> bool {
        self.files.len() <= MAX_IMPORTS
    }

    /// Counts steps; false once there were too many, which is reported once.
    pub(super) fn spend(&mut self, steps: usize) -> bool {
        let within = self.steps <= MAX_STEPS;
        self.steps = self.steps.saturating_add(steps);
        if within && self.steps > MAX_STEPS {
            self.exceed("evaluation takes too many steps");
        }
        self.steps <= MAX_STEPS
    }

    /// Counts bytes of text made; false once there were too many, which is reported once.
    pub(super) fn spend_bytes(&mut self, bytes: usize) -> bool {
        let within = self.bytes <= MAX_BYTES;
        self.bytes = self.bytes.saturating_add(bytes);
        if within && self.bytes > MAX_BYTES {
            self.exceed("evaluation makes too much text");
        }
        self.bytes <= MAX_BYTES
    }

    /// Bytes of text that may still be made.
    pub(super) fn bytes_left(&self) -> usize {
        MAX_BYTES.saturating_sub(self.bytes)
    }

    fn exceed(&mut self, summary: &str) {
        // A limit must show however many findings there are.
        self.diagnostics.truncate(MAX_DIAGNOSTICS - 1);
        self.push(Diagnostic {
            severity: Severity::Error,
            summary: summary.to_owned(),
            path: String::new(),
            range: None,
        });
    }

    /// Goes one level down; false if that is too deep. Every `true` needs a [`Self::leave`].
    pub(super) fn enter(&mut self) -> bool {
        let within = self.depth < MAX_DEPTH;
        self.depth += usize::from(within);
        within
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Reports at an expression, or at `span` within it.
    pub(super) fn report(
        &mut self,
        severity: Severity,
        (file, id): (u32, Id),
        span: Option<Span>,
        summary: String,
    ) {
        let file = &self.files[file as usize];
        let path = file.definition.path(id);
        let span = span.unwrap_or_else(|| file.definition.expr(id).span);
        let range = range_of(&file.name, span);
        self.push(Diagnostic {
            severity,
            summary,
            path,
            range: Some(range),
        });
    }

    /// An error at whatever made a value.
    pub(super) fn finding(&self, def: Def, summary: String) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            summary,
            path: def.id.map_or_else(String::new, |id| {
                self.files[def.file as usize].definition.path(id)
            }),
            range: def.id.map(|_| self.range(def)),
        }
    }

    /// Where a value was made.
    pub(super) fn range(&self, def: Def) -> Range {
        let file = &self.files[def.file as usize];
        let span = def
            .id
            .map_or_else(Span::default, |id| file.definition.expr(id).span);
        range_of(&file.name, span)
    }
}

pub(super) fn range_of(environment: &str, span: Span) -> Range {
    Range {
        environment: environment.to_owned(),
        begin: span.begin,
        end: span.end,
    }
}
