//! The reader: YAML 1.1 as go-yaml resolves it, with JSON's values as the result.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use granit_parser::{Event, Parser, ScalarStyle, StrInput};

use super::scalar::{self, Scalar};
use crate::template::budget;
use crate::template::value::{List, Map, Type, Value};

/// Why there is no mapping.
pub(super) enum Error {
    /// The work for it is not allowed.
    Work(String),
    /// The document is not one, in Go's words as far as they can be met.
    Document(String),
}

type Parsed<T> = Result<T, Error>;

fn invalid(reason: &str) -> Error {
    Error::Document(format!("error converting YAML to JSON: {reason}"))
}

/// What Go reads the mapping into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    /// A `map[string]interface{}`.
    Any,
    /// A `map[string]string`: numbers and booleans become text.
    Strings,
}

/// Reads the first document, which must be a mapping or nothing.
pub(super) fn mapping(bytes: &[u8], into: Into) -> Parsed<Map> {
    budget::spend(bytes.len()).map_err(Error::Work)?;
    let text =
        std::str::from_utf8(bytes).map_err(|_| invalid("yaml: invalid leading UTF-8 octet"))?;
    let options = granit_parser::options! { emit_comments: false };
    let mut reader = Reader {
        text,
        is_at_end: false,
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        into,
    };
    let kind = match reader.document()? {
        Value::Map(map) => return Ok(map),
        Value::Nil => return Ok(Map::new()),
        Value::Bool(_) => "bool",
        Value::Float64(_) => "number",
        Value::List(_) => "array",
        _ => "string",
    };
    Err(Error::Document(format!(
        "error unmarshaling JSON: while decoding JSON: \
         json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    )))
}

struct Reader<'a> {
    text: &'a str,
    /// Whether the last event ended with the text.
    is_at_end: bool,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Value>,
    into: Into,
}

/// A key of a mapping.
enum Key {
    Name(String),
    Merge,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Parsed<Event<'a>> {
        match self.parser.next() {
            Some(Ok((event, span))) => {
                self.is_at_end = span.end.byte_offset() == Some(self.text.len());
                let sigil = match &event {
                    Event::Alias(_) => Some('*'),
                    other => other.anchor_id().map(|_| '&'),
                };
                if let (Some(sigil), Some(start)) = (sigil, span.start.byte_offset())
                    && !has_plain_name(self.text, start, sigil)
                {
                    let reason = "did not find expected alphabetic or numeric character";
                    return Err(invalid(&format!("yaml: {reason}")));
                }
                Ok(event)
            }
            Some(Err(error)) => {
                let line = error.marker().line();
                // As in Go, the first line is not named.
                let place = if line > 1 {
                    format!("line {line}: ")
                } else {
                    String::new()
                };
                Err(invalid(&format!("yaml: {place}{}", error.info())))
            }
            None => Ok(Event::StreamEnd),
        }
    }

    fn document(&mut self) -> Parsed<Value> {
        loop {
            match self.next()? {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd | Event::DocumentEnd => return Ok(Value::Nil),
                first => {
                    let root = self.node(first)?;
                    // What follows the node must be sound up to the document's end.
                    while !matches!(self.next()?, Event::DocumentEnd | Event::StreamEnd) {}
                    return Ok(root);
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>) -> Parsed<Value> {
        let _level = budget::descend().map_err(Error::Work)?;
        budget::spend(1).map_err(Error::Work)?;
        let anchor = event.anchor_id();
        let value = match event {
            Event::Scalar(text, style, _, tag) => {
                let tag = tag.map(|tag| tag.core_suffix().unwrap_or("!").to_owned());
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let text = if is_block && self.is_at_end {
                    self.without_added_break(&text)
                } else {
                    &text
                };
                scalar(text, style, tag.as_deref(), self.into)?
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => items.push(self.node(event)?),
                    }
                }
                List::new(items).into()
            }
            Event::MappingStart(..) => self.mapping()?.into(),
            Event::Alias(id) => match self.anchors.get(&id) {
                Some(value) => copy(value)?,
                None => return Err(invalid("yaml: an anchor's value contains itself")),
            },
            _ => return Err(invalid("yaml: unexpected end of document")),
        };
        if let Some(id) = anchor {
            self.anchors.insert(id, value.clone());
        }
        Ok(value)
    }

    /// A block at the end of the text, of which the parser ends the last line even if the text does not. A last
    /// line of spaces counts where some of them are the block's own.
    fn without_added_break<'b>(&self, block: &'b str) -> &'b str {
        let last = self.text.rsplit('\n').next().unwrap_or_default();
        let lines = block.strip_suffix('\n').unwrap_or(block);
        let own = lines.rsplit('\n').next().unwrap_or_default();
        let is_blank = |line: &str| line.trim_matches(' ').is_empty();
        let is_own = !is_blank(last) || lines.is_empty() || (!own.is_empty() && is_blank(own));
        if is_own && !last.is_empty() {
            block.trim_end_matches('\n')
        } else {
            block
        }
    }

    fn mapping(&mut self) -> Parsed<Map> {
        let map = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(map),
                event => self.key(event)?,
            };
            let first = self.next()?;
            let value = self.node(first)?;
            match key {
                Key::Name(name) => map.insert(name, value).map_err(Error::Work)?,
                Key::Merge => merge(&map, &value)?,
            }
        }
    }

    fn key(&mut self, event: Event<'a>) -> Parsed<Key> {
        if let Event::Scalar(text, ScalarStyle::Plain, _, None) = &event {
            let name = match scalar::resolve(text) {
                Scalar::Merge => return Ok(Key::Merge),
                Scalar::Int(number) => number.to_string(),
                Scalar::Float(number) if number.is_nan() => ".nan".to_owned(),
                Scalar::Float(number) if number.is_infinite() => {
                    if number > 0.0 { ".inf" } else { "-.inf" }.to_owned()
                }
                Scalar::Float(number) => scalar::shortest(number),
                Scalar::Bool(value) => value.to_string(),
                Scalar::Null => {
                    return Err(invalid("unsupported map key of type: %!s(<nil>)"));
                }
                Scalar::Timestamp | Scalar::Text => text.to_string(),
            };
            if event.anchor_id().is_some() {
                self.node(event)?;
            }
            return Ok(Key::Name(name));
        }
        match self.node(event)? {
            Value::String(text) => Ok(Key::Name(text.to_str().into_owned())),
            Value::Bool(value) => Ok(Key::Name(value.to_string())),
            Value::Float64(number) => Ok(Key::Name(scalar::shortest(number))),
            _ => Err(invalid("unsupported map key: it is no scalar")),
        }
    }
}

/// Whether the anchor or alias of the node at `start` has a name that go-yaml takes: letters, digits, `-` and `_`,
/// where the parser takes whatever is no space.
fn has_plain_name(text: &str, start: usize, sigil: char) -> bool {
    let at_node = text.get(start..).filter(|rest| rest.starts_with(sigil));
    let before = || Some(&text[text.get(..start)?.rfind(sigil)?..]);
    let Some(name) = at_node.or_else(before) else {
        return true;
    };
    let name = &name[1..];
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let after = name.trim_start_matches(is_part);
    let ends = |letter: char| letter.is_whitespace() || "?:,]}%@`".contains(letter);
    after.len() < name.len() && (after.is_empty() || after.starts_with(ends))
}

/// Puts the entries of a mapping, or of several of which the first wins, into `map`.
fn merge(map: &Map, value: &Value) -> Parsed<()> {
    let sources: Vec<&Value> = match value {
        Value::List(list) => list.items().iter().rev().collect(),
        other => vec![other],
    };
    for source in sources {
        let Value::Map(source) = source else {
            return Err(invalid(
                "yaml: map merge requires map or sequence of maps as the value",
            ));
        };
        for (key, value) in source.entries() {
            map.insert(key, value).map_err(Error::Work)?;
        }
    }
    Ok(())
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>, into: Into) -> Parsed<Value> {
    match tag {
        Some("binary") => {
            let lines: String = text.split_whitespace().collect();
            let bytes = STANDARD.decode(lines);
            return bytes
                .map(Value::from)
                .map_err(|_| invalid("yaml: !!binary value contains invalid base64 data"));
        }
        Some("int" | "float" | "bool" | "null") => {}
        Some(_) => return Ok(text.into()),
        None if style != ScalarStyle::Plain => return Ok(text.into()),
        None => {}
    }
    let resolved = scalar::resolve(text);
    if into == Into::Strings {
        return Ok(match resolved {
            Scalar::Null => Value::Nil,
            Scalar::Bool(value) => value.to_string().as_str().into(),
            Scalar::Int(number) => number.to_string().as_str().into(),
            Scalar::Float(number) => scalar::text_of(number).as_str().into(),
            Scalar::Timestamp | Scalar::Merge | Scalar::Text => text.into(),
        });
    }
    Ok(match resolved {
        Scalar::Null => Value::Nil,
        Scalar::Bool(value) => Value::Bool(value),
        #[expect(
            clippy::cast_precision_loss,
            reason = "JSON's numbers are floats in Go"
        )]
        Scalar::Int(number) => Value::Float64(number as f64),
        Scalar::Float(number) if !number.is_finite() => {
            let name = if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return Err(invalid(&format!("json: unsupported value: {name}")));
        }
        Scalar::Float(number) => Value::Float64(number),
        Scalar::Timestamp | Scalar::Merge | Scalar::Text => text.into(),
    })
}

/// A copy that shares no map.
fn copy(value: &Value) -> Parsed<Value> {
    let _level = budget::descend().map_err(Error::Work)?;
    budget::spend(1).map_err(Error::Work)?;
    Ok(match value {
        Value::List(list) => {
            let items = list.items().iter().map(copy).collect::<Parsed<_>>()?;
            List::of(Type::Any, items).into()
        }
        Value::Map(map) => {
            let copied = Map::new();
            for (key, value) in map.entries() {
                copied.insert(key, copy(&value)?).map_err(Error::Work)?;
            }
            copied.into()
        }
        other => other.clone(),
    })
}
