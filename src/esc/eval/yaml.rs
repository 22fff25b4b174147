//! YAML into a tree that keeps where everything stands, both as reported and as spliced.

use std::ops;

use granit_parser::{Event, Parser, ScalarStyle, Span as EventSpan, StrInput, StructureStyle};

use super::path::join;
use super::scalar::{Scalar, resolve, resolve_tagged};
use super::source::{Source, Span};
use super::{Diagnostic, Position, Severity};

/// Deepest nesting of collections of one style.
const MAX_NESTING: usize = 64;

/// A node of the document.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// As reported.
    pub(super) span: Span,
    /// The bytes the node takes, tag included, line break behind it excluded.
    pub(super) bytes: ops::Range<usize>,
    pub(super) style: Style,
}

/// How a node is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// An unquoted scalar on one line, so that offsets in its text are offsets in the document.
    Plain,
    /// Any other scalar that is not a block scalar.
    Quoted,
    /// A literal or folded scalar; the byte behind its header's indicators.
    BlockScalar { header_end: usize },
    /// A collection in brackets.
    Flow,
    /// A collection by indentation.
    Block,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    List(Vec<Item>),
    Object(Vec<Member>),
}

#[derive(Debug)]
pub(super) struct Item {
    /// Byte of the `-`, or of the item itself in a flow list.
    pub(super) dash: usize,
    pub(super) node: Node,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_node: Node,
    /// The byte behind the colon, or behind the key where there is none.
    pub(super) slot: usize,
    pub(super) value: Node,
}

impl Node {
    /// The members if this is an object.
    pub(super) fn members(&self) -> Option<&[Member]> {
        match &self.kind {
            Kind::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether both mean the same, wherever they stand.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Null, Kind::Null) => true,
            (Kind::Bool(left), Kind::Bool(right)) => left == right,
            (Kind::Number(left), Kind::Number(right))
            | (Kind::String(left), Kind::String(right)) => left == right,
            (Kind::List(left), Kind::List(right)) => {
                left.len() == right.len()
                    && left.iter().zip(right).all(|(l, r)| l.node.same(&r.node))
            }
            (Kind::Object(left), Kind::Object(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .zip(right)
                        .all(|(l, r)| l.key == r.key && l.value.same(&r.value))
            }
            _ => false,
        }
    }
}

/// Parses the first document of `source`; `None` if it holds no node.
///
/// Diagnostics carry no environment name: the caller fills it in.
pub(super) fn parse(source: &Source<'_>) -> Result<Option<Node>, Vec<Diagnostic>> {
    let mut builder = Builder::new(source);
    let root = builder.document();
    if let Err(stop) = root {
        builder.diagnostics.push(stop);
        return Err(builder.diagnostics);
    }
    if builder.diagnostics.is_empty() {
        root.map_err(|stop| vec![stop])
    } else {
        Err(builder.diagnostics)
    }
}

struct Builder<'s, 'a> {
    source: &'s Source<'a>,
    parser: Parser<'a, StrInput<'a>>,
    peeked: Option<(Event<'a>, EventSpan)>,
    /// End of the last token seen.
    cursor: usize,
    path: Vec<Step>,
    diagnostics: Vec<Diagnostic>,
}

enum Step {
    Key(String),
    Index(usize),
}

type Parsed<T> = Result<T, Diagnostic>;

impl<'s, 'a> Builder<'s, 'a> {
    fn new(source: &'s Source<'a>) -> Self {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
            block_scalar_eof_without_line_feed: true,
            flow_nesting_limit: MAX_NESTING,
            block_nesting_limit: MAX_NESTING,
        };
        Self {
            source,
            parser: Parser::new_from_str_with_options(source.text, options),
            peeked: None,
            cursor: 0,
            path: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    fn next(&mut self) -> Parsed<(Event<'a>, EventSpan)> {
        if let Some(event) = self.peeked.take() {
            return Ok(event);
        }
        match self.parser.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let marker = error.marker();
                let begin = self.source.position(marker.line(), marker.col() + 1);
                let summary = format!("yaml: line {}: {}", marker.line(), error.info());
                Err(diagnostic(
                    summary,
                    String::new(),
                    Span { begin, end: begin },
                ))
            }
            None => Ok((Event::StreamEnd, EventSpan::default())),
        }
    }

    fn peek(&mut self) -> Parsed<&Event<'a>> {
        let event = match self.peeked.take() {
            Some(event) => event,
            None => self.next()?,
        };
        Ok(&self.peeked.insert(event).0)
    }

    fn document(&mut self) -> Parsed<Option<Node>> {
        loop {
            match self.peek()? {
                Event::StreamEnd | Event::DocumentEnd => return Ok(None),
                Event::StreamStart | Event::DocumentStart(..) => {
                    let (_, span) = self.next()?;
                    self.cursor = self.cursor.max(bytes_of(&span).end);
                }
                _ => break,
            }
        }
        let root = self.node()?;
        // The rest of this document must be sound; what follows it is not read.
        while !matches!(self.next()?.0, Event::DocumentEnd | Event::StreamEnd) {}
        Ok(Some(root))
    }

    fn node(&mut self) -> Parsed<Node> {
        let (event, span) = self.next()?;
        let mut bytes = bytes_of(&span);
        if let Some(tag) = span.tag_start.and_then(|tag| tag.byte_offset()) {
            bytes.start = bytes.start.min(tag);
        }
        match event {
            Event::Scalar(text, style, _, tag) => {
                let tag = tag.map(|tag| tag.core_suffix().unwrap_or("").to_owned());
                Ok(self.scalar(text.into_owned(), style, tag.as_deref(), bytes))
            }
            Event::SequenceStart(style, ..) => self.list(style, bytes),
            Event::MappingStart(style, ..) => self.object(style, bytes),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.cursor = bytes.end;
                let begin = self.source.at(bytes.start);
                let name = bytes.len().saturating_sub(1);
                let end = self.source.position(begin.line, begin.column + name);
                self.report("alias nodes are not supported", Span { begin, end });
                Ok(leaf(Kind::Null, Span { begin, end }, bytes, Style::Quoted))
            }
            _ => Err(diagnostic(
                "yaml: unexpected end of document".to_owned(),
                self.pointer(),
                Span::default(),
            )),
        }
    }

    fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        tag: Option<&str>,
        mut bytes: ops::Range<usize>,
    ) -> Node {
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            return self.block_scalar(text, style, bytes);
        }
        let empty = bytes.is_empty();
        if empty {
            bytes = self.cursor..self.cursor;
        }
        self.cursor = bytes.end;
        let begin = self.source.at(bytes.start);
        let plain = style == ScalarStyle::Plain;
        let length = if empty { 0 } else { text.len() };
        let tag_length = if plain && tag.is_some() {
            self.source.text[bytes.clone()]
                .split_whitespace()
                .next()
                .map_or(0, |tag| tag.len() + 1)
        } else {
            0
        };
        let end = self
            .source
            .position(begin.line, begin.column + tag_length + length);
        let span = Span { begin, end };
        let resolved = match tag {
            None if plain && empty => Scalar::Null,
            None if plain => resolve(&text),
            None => Scalar::String,
            Some(tag) => resolve_tagged(tag, &text).unwrap_or_else(|found| {
                let summary = format!("cannot decode {found} as a !!{tag}");
                self.report(&summary, span);
                Scalar::Null
            }),
        };
        let kind = match resolved {
            Scalar::Null => Kind::Null,
            Scalar::Bool(value) => Kind::Bool(value),
            Scalar::Number(text) => Kind::Number(text),
            Scalar::String => Kind::String(text),
        };
        let verbatim = plain
            && tag.is_none()
            && self
                .source
                .text
                .get(bytes.clone())
                .is_some_and(|source| !source.contains('\n'));
        let style = if verbatim {
            Style::Plain
        } else {
            Style::Quoted
        };
        leaf(kind, span, bytes, style)
    }

    fn block_scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        content: ops::Range<usize>,
    ) -> Node {
        let source = self.source.text;
        let header = self
            .skip_to(|byte| matches!(byte, b'|' | b'>'))
            .min(content.start);
        let header_end = header
            + 1
            + source[(header + 1).min(source.len())..]
                .bytes()
                .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-'))
                .count();
        let body = source.get(content.clone()).unwrap_or_default();
        let end = content.start + body.trim_end_matches(['\n', '\r', ' ', '\t']).len();
        let end = end.max(self.source.line_end(header));
        self.cursor = end;
        let begin = self.source.at(header);
        let (lines, rest) = match style {
            ScalarStyle::Literal => (
                text.matches('\n').count(),
                text.len() - text.rfind('\n').map_or(0, |index| index + 1),
            ),
            _ => (0, text.len()),
        };
        let end_position = self
            .source
            .position(begin.line + lines, begin.column + rest);
        let span = Span {
            begin,
            end: end_position,
        };
        leaf(
            Kind::String(text),
            span,
            header..end,
            Style::BlockScalar { header_end },
        )
    }

    fn list(&mut self, style: StructureStyle, bytes: ops::Range<usize>) -> Parsed<Node> {
        let flow = style == StructureStyle::Flow;
        let mut start = bytes.start;
        if flow {
            self.cursor = bytes.end;
        } else {
            start = self.skip_to(|byte| byte == b'-');
        }
        let mut items = Vec::new();
        while !matches!(self.peek()?, Event::SequenceEnd) {
            let mut dash = 0;
            if !flow {
                dash = self.skip_to(|byte| byte == b'-');
                self.cursor = (dash + 1).min(self.source.text.len());
            }
            self.path.push(Step::Index(items.len()));
            let node = self.node()?;
            self.path.pop();
            if flow {
                dash = node.bytes.start;
            }
            items.push(Item { dash, node });
        }
        let last = items
            .last()
            .map(|item| (item.node.span.end, item.node.bytes.end));
        Ok(self.collection(Kind::List(items), start, last, flow)?)
    }

    fn object(&mut self, style: StructureStyle, bytes: ops::Range<usize>) -> Parsed<Node> {
        let flow = style == StructureStyle::Flow;
        let start = bytes.start;
        if flow {
            self.cursor = bytes.end;
        }
        let mut members: Vec<Member> = Vec::new();
        while !matches!(self.peek()?, Event::MappingEnd) {
            let key_text = match self.peek()? {
                Event::Scalar(text, ..) => text.to_string(),
                _ => String::new(),
            };
            self.path.push(Step::Key(key_text));
            let key_node = self.node()?;
            let key = match &key_node.kind {
                Kind::String(text) => text.clone(),
                _ => {
                    self.report("mapping keys must be strings", key_node.span);
                    String::new()
                }
            };
            let colon = self.skip_to(|byte| byte == b':');
            if self.source.text.as_bytes().get(colon) == Some(&b':') {
                self.cursor = colon + 1;
            }
            let slot = self.cursor;
            let value = self.node()?;
            self.path.pop();
            members.push(Member {
                key,
                key_node,
                slot,
                value,
            });
        }
        let start = if flow {
            start
        } else {
            members
                .first()
                .map_or(start, |member| member.key_node.bytes.start)
        };
        let last = members
            .last()
            .map(|member| (member.value.span.end, member.value.bytes.end));
        Ok(self.collection(Kind::Object(members), start, last, flow)?)
    }

    fn collection(
        &mut self,
        kind: Kind,
        start: usize,
        last: Option<(Position, usize)>,
        flow: bool,
    ) -> Parsed<Node> {
        let (_, span) = self.next()?;
        let begin = self.source.at(start);
        let (end, mut end_byte) = last.unwrap_or((begin, start));
        if flow {
            end_byte = bytes_of(&span).end;
            self.cursor = end_byte;
        }
        let style = if flow { Style::Flow } else { Style::Block };
        Ok(leaf(kind, Span { begin, end }, start..end_byte, style))
    }

    /// The first byte at or behind the cursor that `wanted` accepts, reading over white space,
    /// comments, node properties and indicators; the cursor if another token comes first.
    fn skip_to(&self, wanted: impl Fn(u8) -> bool) -> usize {
        let bytes = self.source.text.as_bytes();
        let until = |from: usize, stop: fn(u8) -> bool| {
            bytes[from..]
                .iter()
                .position(|byte| stop(*byte))
                .map_or(bytes.len(), |length| from + length)
        };
        let mut at = self.cursor;
        while let Some(&byte) = bytes.get(at) {
            if wanted(byte) {
                return at;
            }
            at = match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b':' | b'-' | b'?' => at + 1,
                b'#' => until(at, |byte| byte == b'\n'),
                b'!' | b'&' => until(at, |byte| byte.is_ascii_whitespace()),
                _ => return self.cursor,
            };
        }
        self.cursor
    }

    fn pointer(&self) -> String {
        self.path
            .iter()
            .fold(String::new(), |path, step| match step {
                Step::Key(key) => join(&path, key),
                Step::Index(index) => format!("{path}[{index}]"),
            })
    }

    fn report(&mut self, summary: &str, span: Span) {
        let path = self.pointer();
        self.diagnostics
            .push(diagnostic(summary.to_owned(), path, span));
    }
}

fn leaf(kind: Kind, span: Span, bytes: ops::Range<usize>, style: Style) -> Node {
    Node {
        kind,
        span,
        bytes,
        style,
    }
}

fn bytes_of(span: &EventSpan) -> ops::Range<usize> {
    span.byte_range().unwrap_or_default()
}

/// An error of the document, its environment still unnamed.
pub(super) fn diagnostic(summary: String, path: String, span: Span) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        summary,
        path,
        range: Some(super::Range {
            environment: String::new(),
            begin: span.begin,
            end: span.end,
        }),
    }
}
