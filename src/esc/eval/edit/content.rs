//! The text of a value that is written into a definition.

use super::super::path::Segment;
use super::super::render;
use super::super::source::Source;
use super::super::yaml::{Node, Style};

/// A value to be written, as text for either style.
pub(super) struct Content {
    pub(super) inline: String,
    /// In block style, without indentation; `None` if it fits on the line of its key.
    pub(super) lines: Option<Vec<String>>,
}

impl Content {
    /// `flow` allows flow style only.
    pub(super) fn new(value: Option<&Node>, source: &Source<'_>, flow: bool) -> Self {
        let Some(value) = value else {
            return Self {
                inline: "null".to_owned(),
                lines: None,
            };
        };
        let verbatim = &source.text[value.bytes.clone()];
        let one_line = !verbatim.contains('\n') && !verbatim.is_empty();
        let block = value.style == Style::Block;
        let inline = if flow || block || !one_line {
            render::flow(value)
        } else {
            verbatim.to_owned()
        };
        let lines = (block && !flow).then(|| {
            let start = source.line_start(value.bytes.start);
            let indent = value.bytes.start - start;
            source.text[value.bytes.start..value.bytes.end]
                .lines()
                .enumerate()
                .map(|(number, line)| {
                    let cut = if number == 0 {
                        0
                    } else {
                        indent.min(line.len() - line.trim_start_matches(' ').len())
                    };
                    line[cut..].to_owned()
                })
                .collect()
        });
        Self { inline, lines }
    }

    /// The value under `segments`, in block style.
    pub(super) fn nested(&self, segments: &[Segment]) -> Result<Vec<String>, String> {
        let Some((first, rest)) = segments.split_first() else {
            return Ok(self
                .lines
                .clone()
                .unwrap_or_else(|| vec![self.inline.clone()]));
        };
        let inner = self.nested(rest)?;
        match first {
            Segment::Key(key) => {
                let key = render::scalar(key);
                if rest.is_empty() && self.lines.is_none() {
                    return Ok(vec![format!("{key}: {}", self.inline)]);
                }
                let inner = inner.into_iter().map(|line| indented(&line, 2));
                Ok(std::iter::once(format!("{key}:")).chain(inner).collect())
            }
            Segment::Index(0) => Ok(inner
                .into_iter()
                .enumerate()
                .map(|(number, line)| match number {
                    0 => format!("- {line}"),
                    _ => indented(&line, 2),
                })
                .collect()),
            Segment::Index(_) => Err("array index out of range".to_owned()),
        }
    }

    /// The value under `segments`, in flow style.
    pub(super) fn nested_flow(&self, segments: &[Segment]) -> Result<String, String> {
        let Some((first, rest)) = segments.split_first() else {
            return Ok(self.inline.clone());
        };
        let inner = self.nested_flow(rest)?;
        match first {
            Segment::Key(key) => Ok(format!("{{{}: {inner}}}", render::scalar(key))),
            Segment::Index(0) => Ok(format!("[{inner}]")),
            Segment::Index(_) => Err("array index out of range".to_owned()),
        }
    }
}

/// A line with spaces before it, unless it is empty.
pub(super) fn indented(line: &str, indent: usize) -> String {
    if line.is_empty() {
        return String::new();
    }
    format!("{}{line}", " ".repeat(indent))
}
