//! `${…}` in strings.

use super::Diagnostic;
use super::source::Span;
use super::yaml::{self, Node, Style};

/// A run of text and the reference behind it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) reference: Option<Vec<Accessor>>,
}

/// One step of a reference.
#[derive(Debug)]
pub(super) struct Accessor {
    pub(super) kind: Step,
    /// Where it stands, if the string is written plainly.
    pub(super) span: Option<Span>,
}

#[derive(Debug)]
pub(super) enum Step {
    Key(String),
    Index(i64),
}

/// Splits `text` into its parts; a string without references is one part.
///
/// `node` and `path` say where the string stands; errors are appended to `diagnostics` and parsing
/// goes on behind them.
pub(super) fn parse(
    text: &str,
    node: &Node,
    path: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$') {
        literal.push_str(&text[at..at + dollar]);
        at += dollar + 1;
        match text.as_bytes().get(at) {
            Some(b'$') => {
                literal.push('$');
                at += 1;
            }
            Some(b'{') => {
                let mut parser = Accessors {
                    text,
                    at: at + 1,
                    node,
                    path,
                    accessors: Vec::new(),
                    diagnostics,
                };
                parser.run();
                at = parser.at;
                parts.push(Part {
                    text: std::mem::take(&mut literal),
                    reference: Some(parser.accessors),
                });
            }
            _ => literal.push('$'),
        }
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part {
            text: literal,
            reference: None,
        });
    }
    parts
}

/// Whether a string holds no reference.
pub(super) fn is_literal(text: &str) -> bool {
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'$' {
            match bytes.peek() {
                Some(b'$') => {
                    bytes.next();
                }
                Some(b'{') => return false,
                _ => {}
            }
        }
    }
    true
}

struct Accessors<'t, 'd> {
    text: &'t str,
    at: usize,
    node: &'t Node,
    path: &'t str,
    accessors: Vec<Accessor>,
    diagnostics: &'d mut Vec<Diagnostic>,
}

const UNCLOSED: &str = "missing closing brace '}' in interpolation";
const UNCLOSED_SUBSCRIPT: &str = "subscript is missing closing bracket ']'";

impl Accessors<'_, '_> {
    fn run(&mut self) {
        loop {
            let start = self.at;
            match self.peek() {
                None => {
                    self.error(start, UNCLOSED);
                    return self.finish(start);
                }
                Some(b'}') => {
                    self.at += 1;
                    return self.finish(start);
                }
                Some(b'.') => {
                    self.at += 1;
                    self.name(start);
                }
                Some(b'[') => {
                    self.at += 1;
                    self.subscript(start);
                }
                Some(byte) if is_space(byte) => {
                    self.error(start, UNCLOSED);
                    return self.finish(start);
                }
                Some(_) => self.name(start),
            }
        }
    }

    fn finish(&mut self, start: usize) {
        if self.accessors.is_empty() {
            self.push(start, Step::Key(String::new()));
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn push(&mut self, start: usize, kind: Step) {
        let span = self.span(start);
        self.accessors.push(Accessor { kind, span });
    }

    fn name(&mut self, start: usize) {
        let from = self.at;
        self.take_while(|byte| !ends_name(byte));
        let name = self.text[from..self.at].to_owned();
        if name.is_empty() {
            self.error(start, "property name must not be empty");
        }
        self.push(start, Step::Key(name));
    }

    fn subscript(&mut self, start: usize) {
        let kind = match self.peek() {
            None => {
                self.error(start, UNCLOSED_SUBSCRIPT);
                return self.push(start, Step::Key(String::new()));
            }
            Some(b'"') => self.quoted(start),
            Some(_) => self.index(start),
        };
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            self.error(start, UNCLOSED_SUBSCRIPT);
        }
        self.push(start, kind);
    }

    fn quoted(&mut self, start: usize) -> Step {
        self.at += 1;
        let mut key = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(char) = rest.chars().next() else {
                self.error(start + 1, "key subscript is missing closing quote '\"'");
                return Step::Key(key);
            };
            if rest.starts_with("\\\"") {
                key.push('"');
                self.at += 2;
                continue;
            }
            self.at += char.len_utf8();
            if char == '"' {
                if key.is_empty() {
                    self.error(start + 1, "key subscript must not be empty");
                }
                return Step::Key(key);
            }
            key.push(char);
        }
    }

    fn index(&mut self, start: usize) -> Step {
        let from = self.at;
        self.take_while(|byte| byte != b']' && !ends_name(byte));
        let text = &self.text[from..self.at];
        let Ok(index) = text.parse() else {
            let key = text.to_owned();
            self.error(
                start + 1,
                "numeric subscript must be a positive base-10 integer",
            );
            return Step::Key(key);
        };
        if self.accessors.is_empty() {
            self.error(
                start,
                "the first accessor must be a property name or key subscript, not a numeric subscript",
            );
        }
        Step::Index(index)
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
    }

    /// From `start` to here, if offsets in the text are offsets in the document.
    fn span(&self, start: usize) -> Option<Span> {
        if self.node.style != Style::Plain {
            return None;
        }
        let origin = self.node.span.begin;
        let position = |offset: usize| {
            let mut position = origin;
            position.byte += offset;
            position.column += self
                .text
                .get(..offset)
                .map_or(offset, |before| before.chars().count());
            position
        };
        Some(Span {
            begin: position(start),
            end: position(self.at),
        })
    }

    fn error(&mut self, start: usize, summary: &str) {
        let span = self.span(start).unwrap_or(self.node.span);
        self.diagnostics.push(yaml::diagnostic(
            summary.to_owned(),
            self.path.to_owned(),
            span,
        ));
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn ends_name(byte: u8) -> bool {
    matches!(byte, b'.' | b'[' | b'}') || is_space(byte)
}
