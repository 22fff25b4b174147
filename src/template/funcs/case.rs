//! sprig's functions on the case of words: `title`, `swapcase`, `snakecase` and their kin.

use super::Function;
use super::runes::{
    is_digit, is_letter, is_lower, is_number, is_punctuation, is_title, is_upper, lower, mapped,
    runes, title, upper,
};
use crate::template::value::Type;

const S: Type = Type::String;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("title", &[S], |args| Ok(titled(args[0].bytes()).into())),
    Function::new("untitle", &[S], |args| Ok(untitled(args[0].bytes()).into())),
    Function::new("swapcase", &[S], |args| Ok(swapped(args[0].bytes()).into())),
    Function::new(
        "initials",
        &[S],
        |args| Ok(initials(args[0].bytes()).into()),
    ),
    Function::new("snakecase", &[S], |args| {
        Ok(joined(args[0].bytes(), '_').into())
    }),
    Function::new("kebabcase", &[S], |args| {
        Ok(joined(args[0].bytes(), '-').into())
    }),
    Function::new("camelcase", &[S], |args| {
        Ok(pascal(&runes(args[0].bytes())).into())
    }),
];

fn titled(text: &[u8]) -> Vec<u8> {
    let mut previous = ' ';
    mapped(text, |c| {
        let starts = separates(previous);
        previous = c;
        if starts { title(c) } else { c }
    })
}

/// Whether a word begins after `c`.
fn separates(c: char) -> bool {
    if c.is_ascii() {
        return !(c.is_ascii_alphanumeric() || c == '_');
    }
    !is_letter(c) && !is_digit(c) && c.is_whitespace()
}

fn untitled(text: &[u8]) -> Vec<u8> {
    let mut starts = true;
    mapped(text, |c| {
        if c.is_whitespace() {
            starts = true;
            return c;
        }
        if std::mem::take(&mut starts) {
            lower(c)
        } else {
            c
        }
    })
}

fn swapped(text: &[u8]) -> Vec<u8> {
    let mut after_space = true;
    mapped(text, |c| {
        if is_upper(c) || is_title(c) {
            after_space = false;
            lower(c)
        } else if is_lower(c) {
            if std::mem::take(&mut after_space) {
                title(c)
            } else {
                upper(c)
            }
        } else {
            after_space = c.is_whitespace();
            c
        }
    })
}

/// Takes each byte for a Latin-1 character, as the library does.
fn initials(text: &[u8]) -> String {
    let mut after_gap = true;
    let characters = text.iter().map(|byte| char::from(*byte));
    characters
        .filter(|c| {
            let is_gap = c.is_whitespace();
            let is_first = after_gap && !is_gap;
            after_gap = is_gap;
            is_first
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Word {
    None,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// A letter of an alphabet, as Chinese characters are not.
fn is_alphabet(c: char) -> bool {
    let is_chinese =
        matches!(c, '\u{3400}'..='\u{4d85}' | '\u{4e00}'..='\u{9fcc}' | '\u{20000}'..='\u{2b81d}');
    is_letter(c) && !is_chinese
}

/// Splits off the next word: a run of characters of one kind, where one capital belongs to the small
/// letters after it.
fn next_word(text: &[char]) -> (Word, &[char], &[char]) {
    let run = |from: usize, belongs: fn(char) -> bool| {
        let more = text[from..].iter().take_while(|c| belongs(**c)).count();
        from + more
    };
    let small = |c: char| is_alphabet(c) && !is_upper(c);
    let Some(first) = text.first().copied() else {
        return (Word::None, text, text);
    };
    let (word, end) = if is_connector(first) {
        (Word::Connector, run(1, is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, run(1, is_punctuation))
    } else if is_upper(first) {
        let capitals = run(1, is_upper);
        let before_small = text.get(capitals).is_some_and(|c| is_alphabet(*c));
        let end = match capitals {
            1 => run(1, small),
            _ if before_small => capitals - 1,
            _ => capitals,
        };
        (Word::Upper, end)
    } else if is_alphabet(first) {
        (Word::Alphabet, run(1, small))
    } else if is_number(first) {
        (Word::Number, run(1, is_number))
    } else {
        let other: fn(char) -> bool =
            |c| !(is_connector(c) || is_alphabet(c) || is_number(c) || is_punctuation(c));
        (Word::Other, run(1, other))
    };
    (word, &text[..end], &text[end..])
}

/// The words of `text` in small letters, joined by `connector`.
struct Joiner {
    out: String,
    connector: char,
}

impl Joiner {
    fn push(&mut self, word: Word, text: &[char]) {
        let connector = self.connector;
        match word {
            Word::Upper | Word::Connector => self.out.extend(text.iter().map(|c| match c {
                c if is_connector(*c) => connector,
                c if is_upper(*c) => lower(*c),
                c => *c,
            })),
            _ => self.out.extend(text),
        }
    }

    /// Pushes words as long as they are numbers or small letters.
    fn push_small<'a>(
        &mut self,
        mut next: (Word, &'a [char], &'a [char]),
    ) -> (Word, &'a [char], &'a [char]) {
        while matches!(next.0, Word::Alphabet | Word::Number) {
            self.push(next.0, next.1);
            next = next_word(next.2);
        }
        next
    }

    fn separate_before(&mut self, word: Word) {
        if !matches!(word, Word::None | Word::Punctuation | Word::Connector) {
            self.out.push(self.connector);
        }
    }

    /// What follows a word of letters: a number belongs to it, unless small letters come after that.
    fn after_letters<'a>(
        &mut self,
        next: (Word, &'a [char], &'a [char]),
    ) -> (Word, &'a [char], &'a [char]) {
        let (word, text, rest) = next;
        if word != Word::Number {
            self.separate_before(word);
            return next;
        }
        if rest.is_empty() {
            return next;
        }
        let after = next_word(rest);
        if after.0 != Word::Alphabet {
            self.push(Word::Number, text);
            self.separate_before(after.0);
            return after;
        }
        self.out.push(self.connector);
        self.push(Word::Number, text);
        let after = self.push_small(after);
        self.separate_before(after.0);
        after
    }
}

fn joined(text: &[u8], connector: char) -> String {
    let characters = runes(text);
    let mut joiner = Joiner {
        out: String::new(),
        connector,
    };
    let mut next = next_word(&characters);
    while !next.2.is_empty() {
        let (word, text, rest) = next;
        if word != Word::Connector {
            joiner.push(word, text);
        }
        next = next_word(rest);
        match word {
            Word::Number => {
                next = joiner.push_small(next);
                joiner.separate_before(next.0);
            }
            Word::Connector => joiner.push(word, text),
            Word::Punctuation => {}
            _ => next = joiner.after_letters(next),
        }
    }
    joiner.push(next.0, next.1);
    joiner.out
}

/// `PascalCase`; connectors at the start, and all but one of several, stay.
fn pascal(text: &[char]) -> String {
    let leading = text.iter().take_while(|c| is_connector(**c)).count();
    let mut out: String = text[..leading].iter().collect();
    let Some((first, rest)) = text[leading..].split_first() else {
        // The library writes the last of nothing but connectors twice.
        out.extend(text.last());
        return out;
    };
    let mut in_capitals = is_upper(*first);
    let mut previous = upper(*first);
    for c in rest {
        let mut current = *c;
        if is_connector(current) && is_connector(previous) {
            out.push(previous);
            previous = current;
            continue;
        }
        if is_connector(previous) {
            in_capitals = is_upper(current);
            current = upper(current);
        } else {
            if in_capitals {
                if is_upper(current) {
                    current = lower(current);
                } else {
                    in_capitals = false;
                }
            }
            out.push(previous);
        }
        previous = current;
    }
    out.push(previous);
    out
}

#[cfg(test)]
mod tests {
    use super::{joined, pascal};

    #[test]
    fn words_are_found_in_names() {
        for (name, snake) in [
            ("HTTPServer", "http_server"),
            ("Bld4Floor3rd", "bld4_floor_3rd"),
            ("http2xx", "http_2xx"),
            ("_a__B_", "_a__b_"),
            ("first name-here", "first_name_here"),
        ] {
            assert_eq!(joined(name.as_bytes(), '_'), snake);
        }
        let text: Vec<char> = "_complex__case_".chars().collect();
        assert_eq!(pascal(&text), "_Complex_Case_");
    }
}
