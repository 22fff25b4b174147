//! Template text to tokens.

use super::cursor::{Cursor, is_alphanumeric, is_space};
use super::format::{quoted, quoted_printable};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    End,
    Field,
    Identifier,
    LeftDelimiter,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelimiter,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Nil,
    /// A word of the language, such as `if`.
    Keyword,
}

/// One token; `text` of an error is what is wrong.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
    pub(super) line: usize,
    pub(super) text: Vec<u8>,
}

impl Token {
    /// Whether this is that word of the language.
    pub(super) fn is_keyword(&self, word: &str) -> bool {
        self.kind == Kind::Keyword && self.text == word.as_bytes()
    }

    /// The token as error texts show it.
    pub(super) fn shown(&self) -> String {
        match self.kind {
            Kind::End => "EOF".to_owned(),
            Kind::Error => self.str(),
            Kind::Keyword | Kind::Dot | Kind::Nil => format!("<{}>", self.str()),
            _ if self.text.len() > 10 => {
                let text = self.str();
                let head: String = text.chars().take(10).collect();
                format!("{}...", quoted(head.as_bytes()))
            }
            _ => quoted(&self.text),
        }
    }

    /// The text, bytes that are not UTF-8 replaced.
    pub(super) fn str(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

const KEYWORDS: [&str; 10] = [
    "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with",
];

/// The tokens of `text`; the last one is the end, or what is wrong.
pub(super) fn tokens(text: &[u8], left: &str, right: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        cursor: Cursor::new(text),
        left: left.as_bytes(),
        right: right.as_bytes(),
        start: Cursor::new(text),
        parens: 0,
        tokens: Vec::new(),
    };
    if let Err(reason) = lexer.text() {
        lexer.tokens.push(Token {
            kind: Kind::Error,
            at: lexer.start.at,
            line: lexer.start.line,
            text: reason.into_bytes(),
        });
    }
    lexer.tokens
}

struct Lexer<'a> {
    cursor: Cursor<'a>,
    left: &'a [u8],
    right: &'a [u8],
    /// Where the token at hand began.
    start: Cursor<'a>,
    parens: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn emit(&mut self, kind: Kind) {
        self.tokens.push(Token {
            kind,
            at: self.start.at,
            line: self.start.line,
            text: self.pending().to_vec(),
        });
        self.start = self.cursor;
    }

    fn pending(&self) -> &[u8] {
        &self.cursor.text[self.start.at..self.cursor.at]
    }

    fn ignore(&mut self) {
        self.start = self.cursor;
    }

    /// Text and actions up to the end.
    fn text(&mut self) -> Result<(), String> {
        while let Some(length) = self.cursor.find(self.left) {
            let text = &self.cursor.rest()[..length];
            let after = &self.cursor.rest()[length + self.left.len()..];
            let kept = if has_left_trim_marker(after) {
                trimmed_length(text)
            } else {
                length
            };
            self.cursor.skip(kept);
            if kept > 0 {
                self.emit(Kind::Text);
            }
            self.cursor.skip(length - kept);
            self.ignore();
            self.left_delimiter()?;
        }
        self.cursor.skip(self.cursor.rest().len());
        if self.cursor.at > self.start.at {
            self.emit(Kind::Text);
        }
        self.emit(Kind::End);
        Ok(())
    }

    fn left_delimiter(&mut self) -> Result<(), String> {
        self.cursor.skip(self.left.len());
        let marker = if has_left_trim_marker(self.cursor.rest()) {
            2
        } else {
            0
        };
        if self.cursor.rest()[marker..].starts_with(b"/*") {
            self.cursor.skip(marker);
            self.ignore();
            return self.comment();
        }
        self.emit(Kind::LeftDelimiter);
        self.cursor.skip(marker);
        self.ignore();
        self.parens = 0;
        while self.inside_action()? {}
        Ok(())
    }

    fn comment(&mut self) -> Result<(), String> {
        self.cursor.skip(2);
        let length = self.cursor.find(b"*/").ok_or("unclosed comment")?;
        self.cursor.skip(length + 2);
        let (at_end, trims) = self.at_right_delimiter();
        if !at_end {
            return Err("comment ends before closing delimiter".to_owned());
        }
        self.pass_right_delimiter(trims);
        self.ignore();
        Ok(())
    }

    /// Whether the right delimiter is next, and whether it trims what follows.
    fn at_right_delimiter(&self) -> (bool, bool) {
        let rest = self.cursor.rest();
        if has_right_trim_marker(rest) && rest[2..].starts_with(self.right) {
            return (true, true);
        }
        (rest.starts_with(self.right), false)
    }

    fn pass_right_delimiter(&mut self, trims: bool) {
        self.cursor
            .skip(if trims { 2 } else { 0 } + self.right.len());
        if trims {
            self.cursor.accept_run(" \t\r\n");
        }
    }

    fn right_delimiter(&mut self) {
        let (_, trims) = self.at_right_delimiter();
        if trims {
            self.cursor.skip(2);
            self.ignore();
        }
        self.cursor.skip(self.right.len());
        self.emit(Kind::RightDelimiter);
        if trims {
            self.cursor.accept_run(" \t\r\n");
            self.ignore();
        }
    }

    /// One token of an action; false after the right delimiter.
    fn inside_action(&mut self) -> Result<bool, String> {
        if self.at_right_delimiter().0 {
            if self.parens > 0 {
                return Err("unclosed left paren".to_owned());
            }
            self.right_delimiter();
            return Ok(false);
        }
        let before = self.cursor;
        let next = self.cursor.next().ok_or("unclosed action")?;
        match next {
            _ if is_space(next) => {
                self.cursor = before;
                return Ok(self.space());
            }
            '=' => self.emit(Kind::Assign),
            ':' if self.cursor.next() == Some('=') => self.emit(Kind::Declare),
            ':' => return Err("expected :=".to_owned()),
            '|' => self.emit(Kind::Pipe),
            '"' => self.delimited('"', "unterminated quoted string", Kind::String)?,
            '\'' => {
                self.delimited('\'', "unterminated character constant", Kind::CharConstant)?;
            }
            '`' => {
                let length = self.cursor.find(b"`");
                let length = length.ok_or("unterminated raw quoted string")?;
                self.cursor.skip(length + 1);
                self.emit(Kind::RawString);
            }
            '$' => self.name(Kind::Variable, Kind::Variable)?,
            '.' if !self.cursor.rest().first().is_some_and(u8::is_ascii_digit)
                && !self.cursor.rest().is_empty() =>
            {
                self.name(Kind::Field, Kind::Dot)?;
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.cursor = before;
                self.number()?;
            }
            _ if is_alphanumeric(next) => self.identifier()?,
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen);
            }
            ')' if self.parens == 0 => return Err("unexpected right paren".to_owned()),
            ')' => {
                self.parens -= 1;
                self.emit(Kind::RightParen);
            }
            ' '..='~' => self.emit(Kind::Char),
            _ => {
                let shown = shown_character(Some(next));
                return Err(format!("unrecognized character in action: {shown}"));
            }
        }
        Ok(true)
    }

    /// A run of space. If its last one belongs to a trim marker, the action may end with it.
    fn space(&mut self) -> bool {
        let mut last = self.cursor;
        let mut count = 0;
        while self.cursor.peek().is_some_and(is_space) {
            last = self.cursor;
            self.cursor.next();
            count += 1;
        }
        let ahead = last.rest();
        if has_right_trim_marker(ahead) && ahead[2..].starts_with(self.right) {
            self.cursor = last;
            if count == 1 {
                // Go leaves the action here, parenthesis or not; the parser then complains.
                self.right_delimiter();
                return false;
            }
        }
        self.emit(Kind::Space);
        true
    }

    fn identifier(&mut self) -> Result<(), String> {
        while self.cursor.peek().is_some_and(is_alphanumeric) {
            self.cursor.next();
        }
        self.check_terminator()?;
        let kind = match std::str::from_utf8(self.pending()) {
            Ok("nil") => Kind::Nil,
            Ok("true" | "false") => Kind::Bool,
            Ok(word) if KEYWORDS.contains(&word) => Kind::Keyword,
            _ => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    /// A field or a variable, whose first character is taken; `alone` is the kind of that by itself.
    fn name(&mut self, kind: Kind, alone: Kind) -> Result<(), String> {
        if self.at_terminator() {
            self.emit(alone);
            return Ok(());
        }
        while self.cursor.peek().is_some_and(is_alphanumeric) {
            self.cursor.next();
        }
        self.check_terminator()?;
        self.emit(kind);
        Ok(())
    }

    /// Whether what is next can stand after a name.
    fn at_terminator(&self) -> bool {
        match self.cursor.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(next) => is_space(next) || self.cursor.rest().starts_with(self.right),
        }
    }

    fn check_terminator(&mut self) -> Result<(), String> {
        if self.at_terminator() {
            return Ok(());
        }
        let shown = shown_character(self.cursor.peek());
        Err(format!("bad character {shown}"))
    }

    /// A string or character constant up to `mark`, in which a backslash protects the next character.
    fn delimited(&mut self, mark: char, reason: &str, kind: Kind) -> Result<(), String> {
        loop {
            match self.cursor.next() {
                Some('\\') => match self.cursor.next() {
                    None | Some('\n') => return Err(reason.to_owned()),
                    Some(_) => {}
                },
                None | Some('\n') => return Err(reason.to_owned()),
                Some(next) if next == mark => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let bad = |lexer: &Self| format!("bad number syntax: {}", quoted(lexer.pending()));
        if !self.scan_number() {
            return Err(bad(self));
        }
        if matches!(self.cursor.peek(), Some('+' | '-')) {
            if !self.scan_number() || self.pending().last() != Some(&b'i') {
                return Err(bad(self));
            }
            self.emit(Kind::Complex);
            return Ok(());
        }
        self.emit(Kind::Number);
        Ok(())
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEXADECIMAL: &str = "0123456789abcdefABCDEF_";
        self.cursor.accept("+-");
        let mut digits = DECIMAL;
        if self.cursor.accept("0") {
            if self.cursor.accept("xX") {
                digits = HEXADECIMAL;
            } else if self.cursor.accept("oO") {
                digits = "01234567_";
            } else if self.cursor.accept("bB") {
                digits = "01_";
            }
        }
        self.cursor.accept_run(digits);
        if self.cursor.accept(".") {
            self.cursor.accept_run(digits);
        }
        if digits == DECIMAL && self.cursor.accept("eE")
            || digits == HEXADECIMAL && self.cursor.accept("pP")
        {
            self.cursor.accept("+-");
            self.cursor.accept_run(DECIMAL);
        }
        self.cursor.accept("i");
        if self.cursor.peek().is_some_and(is_alphanumeric) {
            self.cursor.next();
            return false;
        }
        true
    }
}

/// A character as `%#U` shows it; the end of the text is Go's -1.
fn shown_character(character: Option<char>) -> String {
    let Some(character) = character else {
        return "U+FFFFFFFFFFFFFFFF".to_owned();
    };
    let code = u32::from(character);
    if quoted_printable(character) {
        format!("U+{code:04X} '{character}'")
    } else {
        format!("U+{code:04X}")
    }
}

fn has_left_trim_marker(text: &[u8]) -> bool {
    matches!(text, [b'-', space, ..] if is_space(char::from(*space)))
}

fn has_right_trim_marker(text: &[u8]) -> bool {
    matches!(text, [space, b'-', ..] if is_space(char::from(*space)))
}

/// The length of `text` without the spaces at its end.
fn trimmed_length(text: &[u8]) -> usize {
    let last = text.iter().rposition(|byte| !is_space(char::from(*byte)));
    last.map_or(0, |last| last + 1)
}
