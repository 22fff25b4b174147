//! Positions in a document as Pulumi ESC reports them.

use super::Position;

/// A stretch of one document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) begin: Position,
    pub(super) end: Position,
}

struct Line {
    offset: usize,
    ascii: bool,
}

/// A document with its line starts.
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    lines: Vec<Line>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut offset = 0;
        let lines = text
            .split('\n')
            .map(|line| {
                let start = offset;
                offset += line.len() + 1;
                Line {
                    offset: start,
                    ascii: line.is_ascii(),
                }
            })
            .collect();
        Self { text, lines }
    }

    /// Line (from 1) and column (from 1, in characters) of a byte.
    pub(super) fn line_column(&self, byte: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|line| line.offset <= byte);
        let start = &self.lines[line.max(1) - 1];
        let column = if start.ascii {
            byte - start.offset
        } else {
            self.text
                .get(start.offset..byte)
                .map_or(0, |before| before.chars().count())
        };
        (line.max(1), column + 1)
    }

    /// The position of a byte.
    pub(super) fn at(&self, byte: usize) -> Position {
        let (line, column) = self.line_column(byte);
        self.position(line, column)
    }

    /// A position whose byte is found from line and column. The last line has none if no line
    /// break ends it: the reference implementation is off by one there, and its goldens have it.
    pub(super) fn position(&self, line: usize, column: usize) -> Position {
        let byte = match self.lines.get(line.wrapping_sub(1)) {
            Some(start) if line < self.lines.len() => {
                if start.ascii {
                    start.offset + column - 1
                } else {
                    let end = self.lines[line].offset - 1;
                    let text = self.text.get(start.offset..end).unwrap_or_default();
                    start.offset
                        + text
                            .char_indices()
                            .nth(column - 1)
                            .map_or(text.len(), |(index, _)| index)
                }
            }
            _ => 0,
        };
        Position { line, column, byte }
    }

    /// The byte behind the last character of the line that holds `byte`, without its line break.
    pub(super) fn line_end(&self, byte: usize) -> usize {
        self.text
            .get(byte..)
            .and_then(|rest| rest.find('\n'))
            .map_or(self.text.len(), |index| byte + index)
    }

    /// The first byte of the line that holds `byte`.
    pub(super) fn line_start(&self, byte: usize) -> usize {
        let line = self.lines.partition_point(|line| line.offset <= byte);
        self.lines[line.max(1) - 1].offset
    }
}
