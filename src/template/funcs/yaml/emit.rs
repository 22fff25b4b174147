//! The writer: go-yaml's block style, two spaces, long lines folded at spaces.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::scalar::{self, Scalar};
use super::sort;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::funcs::dates::Time;
use crate::template::value::{List, Map, Type, Value};

/// Spaces of one level.
const INDENT: usize = 2;
/// Bytes of the longest key that stands on one line with its value.
const LONGEST_KEY: usize = 128;

/// The document without its last line break; `None` for what JSON or YAML cannot hold.
pub(super) fn document(value: &Value) -> Outcome<Option<String>> {
    let mut writer = Writer {
        out: String::new(),
        column: 0,
        indent: None,
        whitespace: true,
        indention: true,
        impossible: false,
    };
    writer.node(value, Place::Root)?;
    if writer.impossible {
        return Ok(None);
    }
    if writer.column > 0 {
        writer.line_break();
    }
    if writer.out.ends_with('\n') {
        writer.out.truncate(writer.out.len() - 1);
    }
    Ok(Some(writer.out))
}

/// Characters of a line after which the next single space becomes a line break.
const WIDTH: usize = 80;

/// How a text on one line is written.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Item,
    SimpleKey,
    Key,
    Member,
}

struct Writer {
    out: String,
    column: usize,
    indent: Option<usize>,
    /// Whether the last character was white space or an indicator that serves as such.
    whitespace: bool,
    /// Whether the line holds nothing but indentation and indicators.
    indention: bool,
    /// Whether a value was met that has no form.
    impossible: bool,
}

impl Writer {
    fn node(&mut self, value: &Value, place: Place) -> Outcome<()> {
        let _level = budget::descend()?;
        budget::spend(1)?;
        match value {
            Value::NoValue | Value::Nil => self.plain("null"),
            Value::Bool(value) => self.plain(if *value { "true" } else { "false" }),
            Value::Float64(value) => self.float(*value),
            Value::Complex128(..) => self.impossible = true,
            Value::String(text) => self.text(text.as_bytes(), place)?,
            Value::List(list) => self.list(list, place)?,
            Value::Map(map) => self.map(map, place)?,
            Value::Object(object) => {
                if let Some(time) = value.as_object::<Time>() {
                    return self.text(time.rfc3339().as_bytes(), place);
                }
                let value = object
                    .underlying()
                    .unwrap_or_else(|| object.display().into());
                self.node(&value, place)?;
            }
            number => match number.as_integer() {
                Some(number) => self.plain(&number.to_string()),
                None => self.impossible = true,
            },
        }
        Ok(())
    }

    /// A number that went through JSON: whole ones lose their point, as far as an integer holds them.
    fn float(&mut self, value: f64) {
        if !value.is_finite() {
            self.impossible = true;
            return;
        }
        if value.fract() == 0.0 && value.abs() < 1e21 {
            let digits = format!("{value:.0}");
            if let Scalar::Int(number) = scalar::resolve(&digits) {
                return self.plain(&number.to_string());
            }
        }
        self.plain(&scalar::shortest(value));
    }

    fn list(&mut self, list: &List, place: Place) -> Outcome<()> {
        if list.is_nil() {
            self.plain("null");
        } else if list.element() == Type::Uint8 {
            let bytes = list.items().iter().filter_map(|item| match item {
                Value::Uint8(byte) => Some(*byte),
                _ => None,
            });
            self.text(
                STANDARD.encode(bytes.collect::<Vec<u8>>()).as_bytes(),
                place,
            )?;
        } else if list.is_empty() {
            self.plain("[]");
        } else {
            let former = self.indent;
            let flat =
                matches!(place, Place::Key | Place::Member | Place::SimpleKey) && !self.indention;
            self.deepen(flat);
            for item in list.items() {
                self.start_line();
                self.indicator("-", true, true);
                self.node(item, Place::Item)?;
            }
            self.indent = former;
        }
        Ok(())
    }

    fn map(&mut self, map: &Map, _place: Place) -> Outcome<()> {
        if map.is_empty() {
            self.plain("{}");
            return Ok(());
        }
        let entries = map.entries();
        let mut entries: Vec<_> = entries
            .iter()
            .map(|(key, value)| (go_text(key.as_bytes()), value))
            .collect();
        entries.sort_by(|(left, _), (right, _)| sort::keys(left, right));
        entries.dedup_by(|later, earlier| later.0 == earlier.0);
        let former = self.indent;
        self.deepen(false);
        for (key, value) in entries {
            budget::spend(key.len())?;
            self.start_line();
            if key.len() <= LONGEST_KEY && !key.chars().any(is_break) {
                self.text(key.as_bytes(), Place::SimpleKey)?;
                self.indicator(":", false, false);
            } else {
                self.indicator("?", true, true);
                self.text(key.as_bytes(), Place::Key)?;
                self.start_line();
                self.indicator(":", true, true);
            }
            self.node(value, Place::Member)?;
        }
        self.indent = former;
        Ok(())
    }

    fn deepen(&mut self, flat: bool) {
        self.indent = Some(match self.indent {
            None => 0,
            Some(indent) if flat => indent,
            Some(indent) => indent + INDENT,
        });
    }

    fn text(&mut self, bytes: &[u8], place: Place) -> Outcome<()> {
        budget::spend(bytes.len())?;
        let text = go_text(bytes);
        if text.chars().any(is_refused) {
            self.impossible = true;
            return Ok(());
        }
        let shape = Shape::of(&text);
        let key = place == Place::SimpleKey;
        if text.contains('\n') && !key && shape.block {
            self.literal(&text);
        } else if text.contains('\n') {
            self.flow(&text, Style::Double, key);
        } else {
            let meaning = scalar::resolve(&text);
            if meaning != Scalar::Text || scalar::is_sexagesimal(&text) {
                if meaning == Scalar::Merge {
                    // go-yaml does not look `<<` up when it writes.
                    self.plain(&text);
                } else {
                    self.flow(&text, Style::Double, key);
                }
            } else if shape.plain {
                self.flow(&text, Style::Plain, key);
            } else if shape.single {
                self.flow(&text, Style::Single, key);
            } else {
                self.flow(&text, Style::Double, key);
            }
        }
        Ok(())
    }

    fn plain(&mut self, text: &str) {
        if !self.whitespace {
            self.put(" ");
        }
        self.put(text);
        self.whitespace = false;
        self.indention = false;
    }

    /// A text in `style`; one that is no key may go over several lines.
    fn flow(&mut self, text: &str, style: Style, key: bool) {
        let mark = match style {
            Style::Plain => "",
            Style::Single => "'",
            Style::Double => "\"",
        };
        self.plain(mark);
        let former = self.indent;
        self.indent = Some(former.map_or(INDENT, |indent| indent + INDENT));
        let mut after_space = false;
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if character != ' ' {
                after_space = false;
                self.put(&escaped(character, style));
                self.indention = false;
                continue;
            }
            let before_space = characters.peek().is_some_and(|(_, next)| *next == ' ');
            let inside = at > 0 && characters.peek().is_some();
            let may_break = match style {
                Style::Plain => !before_space,
                Style::Single => inside && !before_space,
                Style::Double => inside,
            };
            if !key && !after_space && may_break && self.column > WIDTH {
                self.start_line();
                self.put(if before_space { "\\" } else { "" });
            } else {
                self.put(" ");
            }
            after_space = true;
        }
        self.indent = former;
        self.put(mark);
        self.whitespace = false;
        self.indention = false;
    }

    fn literal(&mut self, text: &str) {
        let mut header = String::from("|");
        if text.starts_with(' ') || text.starts_with(is_break) {
            header.push('2');
        }
        let mut from_end = text.chars().rev();
        let (last, before) = (from_end.next(), from_end.next());
        if !last.is_some_and(is_break) {
            header.push('-');
        } else if before.is_none_or(is_break) {
            header.push('+');
        }
        self.plain(&header);
        let former = self.indent;
        self.indent = Some(former.map_or(INDENT, |indent| indent + INDENT));
        self.line_break();
        self.whitespace = true;
        self.indention = true;
        let mut fresh = true;
        for character in text.chars() {
            if is_break(character) {
                if character == '\n' {
                    self.line_break();
                } else {
                    self.out.push(character);
                    self.column = 0;
                }
                self.indention = true;
                fresh = true;
            } else {
                if fresh {
                    self.start_line();
                }
                self.out.push(character);
                self.column += 1;
                self.indention = false;
                fresh = false;
            }
        }
        self.indent = former;
    }

    fn indicator(&mut self, text: &str, spaced: bool, indention: bool) {
        if spaced && !self.whitespace {
            self.put(" ");
        }
        self.put(text);
        self.whitespace = false;
        self.indention = self.indention && indention;
    }

    fn start_line(&mut self) {
        let indent = self.indent.unwrap_or(0);
        let here = self.column == indent && self.whitespace;
        if !self.indention || self.column > indent || (self.column == indent && !here) {
            self.line_break();
        }
        while self.column < indent {
            self.put(" ");
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }
}

/// What stands for the character in a text of that style.
fn escaped(character: char, style: Style) -> Cow<'static, str> {
    if style != Style::Double {
        return match (character, style) {
            ('\'', Style::Single) => "''".into(),
            _ => character.to_string().into(),
        };
    }
    let escape = match character {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        other if is_printable(other) => return other.to_string().into(),
        other => {
            let code = u32::from(other);
            return match other {
                ..='\u{ff}' => format!("\\x{code:02X}"),
                ..='\u{ffff}' => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            }
            .into();
        }
    };
    escape.into()
}

/// The bytes as Go's JSON has them: each that is not UTF-8 replaced.
fn go_text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    text
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(character: char) -> bool {
    character == '\n'
        || matches!(character, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
            && character != '\u{feff}'
}

/// Whether go-yaml refuses to read the character, which JSON writes unescaped.
fn is_refused(character: char) -> bool {
    matches!(character, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// The styles in which a text can be written.
struct Shape {
    plain: bool,
    single: bool,
    block: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut breaks, mut break_space, mut space_break) =
            (false, false, false, false);
        for (at, &character) in characters.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| characters[at]);
            let blank_before =
                before.is_none_or(|c| c == ' ' || c == '\t' || is_break(c) || c == '\0');
            let blank_after = characters
                .get(at + 1)
                .is_none_or(|c| matches!(c, ' ' | '\t'));
            indicators |= match character {
                '#' => blank_before,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`' => at == 0,
                ':' => blank_after,
                '?' | '-' => at == 0 && blank_after,
                _ => false,
            };
            special |= !is_printable(character);
            breaks |= is_break(character);
            break_space |= character == ' ' && before.is_some_and(is_break);
            space_break |= is_break(character) && before == Some(' ');
        }
        let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
        let padded = edge(characters.first()) || edge(characters.last());
        let awkward = break_space || space_break || special;
        Self {
            plain: !(padded || awkward || breaks || indicators),
            single: !awkward,
            block: !(characters.last() == Some(&' ') || space_break || special),
        }
    }
}
