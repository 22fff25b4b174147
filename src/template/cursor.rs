//! A position in a template's text.

use std::sync::LazyLock;

use regex::Regex;

use super::format::decode;

/// Reads text forwards, keeping the line.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    /// Counted from 1.
    pub(super) line: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
        }
    }

    /// What is still ahead.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    /// The next character, left where it is.
    pub(super) fn peek(&self) -> Option<char> {
        let rest = self.rest();
        (!rest.is_empty()).then(|| decode(rest).0)
    }

    /// Takes the next character.
    pub(super) fn next(&mut self) -> Option<char> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let (character, size) = decode(rest);
        self.skip(size);
        Some(character)
    }

    /// Takes `count` bytes.
    pub(super) fn skip(&mut self, count: usize) {
        let end = self.at + count;
        let passed = &self.text[self.at..end];
        self.line += newlines(passed);
        self.at = end;
    }

    /// Takes the next character if it is in `set`.
    pub(super) fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|next| set.contains(next));
        if found {
            self.next();
        }
        found
    }

    /// Takes all characters that are in `set`.
    pub(super) fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    /// How far ahead `wanted` stands.
    pub(super) fn find(&self, wanted: &[u8]) -> Option<usize> {
        let rest = self.rest();
        rest.windows(wanted.len()).position(|part| part == wanted)
    }
}

/// How many lines end in `text`.
#[expect(
    clippy::naive_bytecount,
    reason = "templates are short; not worth a dependency"
)]
pub(super) fn newlines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// Space inside of an action.
pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// Go's letters and digits, and the underscore: what names are made of.
pub(super) fn is_alphanumeric(character: char) -> bool {
    static LETTER_OR_DIGIT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nd}]$").expect("must be a pattern"));
    if character.is_ascii() {
        return character == '_' || character.is_ascii_alphanumeric();
    }
    LETTER_OR_DIGIT.is_match(character.encode_utf8(&mut [0; 4]))
}
