//! Scalars: what they mean and what they take up.

use std::ops;

use granit_parser::ScalarStyle;

use super::super::scalar::{Scalar, resolve, resolve_tagged};
use super::super::source::Span;
use super::{Builder, Kind, Node, Style, leaf};

impl Builder<'_, '_> {
    /// A scalar that is not a block scalar, or delegates to one.
    pub(super) fn scalar(
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
        let kept = body.trim_end_matches(['\n', '\r', ' ', '\t']).len();
        let end = if kept == 0 {
            self.source.line_end(header)
        } else {
            content.start + kept
        };
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
}
