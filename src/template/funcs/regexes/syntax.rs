//! Go's syntax of regular expressions in that of the `regex` library.

/// What Go says of a part that it does not know, and the part.
type Unknown = (&'static str, String);

/// Names between `[:` and `:]`.
const NAMED_CLASSES: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Go's classes `\d`, `\w`, `\s`, `\b` know ASCII only, its `[` has no set operators, and `\Q…\E` quotes.
///
/// # Errors
/// What Go says of the first escape, or the first named class, that it does not know.
pub(super) fn in_our_syntax(pattern: &str) -> Result<String, Unknown> {
    let mut out = String::new();
    let mut rest = pattern;
    let mut class = false;
    let tail = tail(pattern);
    while let Some(character) = take(&mut rest) {
        match character {
            '\\' => match take(&mut rest) {
                Some('Q') if !class => {
                    let (literal, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                    out.push_str(&regex::escape(literal));
                    rest = after;
                }
                Some(letter @ ('d' | 'w' | 's' | 'D' | 'W' | 'S')) => {
                    out.push_str(ascii_class(letter, class));
                }
                Some('b') if !class => out.push_str(r"(?-u:\b)"),
                Some('B') if !class => out.push_str(r"(?-u:\B)"),
                // Ends of words elsewhere, in Go the characters.
                Some(other @ ('<' | '>')) => out.push(other),
                Some(other) if !is_escape(other, class) => {
                    return Err(("invalid escape sequence", format!("\\{other}")));
                }
                Some(other) => {
                    out.extend(['\\', other]);
                    if matches!(other, 'p' | 'P' | 'x') && take_if(&mut rest, '{') {
                        out.push('{');
                    }
                }
                None => out.push('\\'),
            },
            '[' if class => out.push_str(named_class(pattern, &mut rest, tail)?),
            '[' => {
                class = true;
                out.push('[');
                if take_if(&mut rest, '^') {
                    out.push('^');
                }
                if take_if(&mut rest, ']') {
                    out.push_str(r"\]");
                }
            }
            ']' if class => {
                class = false;
                out.push(']');
            }
            '{' if !class && !is_repetition(rest.chars()) => out.push_str(r"\{"),
            '&' | '~' if class => out.extend(['\\', character]),
            other => out.push(other),
        }
    }
    Ok(out)
}

/// How many bytes there are from the last `:]` on, so that none is looked for in vain at every bracket.
fn tail(pattern: &str) -> usize {
    let last = pattern.rfind(":]");
    last.map_or(usize::MAX, |last| pattern.len() - last)
}

fn take(rest: &mut &str) -> Option<char> {
    let mut characters = rest.chars();
    let first = characters.next();
    *rest = characters.as_str();
    first
}

fn take_if(rest: &mut &str, wanted: char) -> bool {
    let after = rest.strip_prefix(wanted);
    *rest = after.unwrap_or(rest);
    after.is_some()
}

/// What a bracket within brackets begins, of which `rest` is what follows: a class between `[:` and `:]`, or else only
/// itself.
fn named_class<'p>(pattern: &'p str, rest: &mut &'p str, tail: usize) -> Result<&'p str, Unknown> {
    let start = pattern.len() - rest.len() - 1;
    let after = rest.strip_prefix(':').filter(|after| after.len() >= tail);
    let name = after.and_then(|after| after.split_once(":]"));
    let Some((name, after)) = name else {
        return Ok(r"\[");
    };
    *rest = after;
    let class = &pattern[start..pattern.len() - after.len()];
    if NAMED_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        Ok(class)
    } else {
        Err(("invalid character class range", class.to_owned()))
    }
}

/// The first repetition that is repeated, as in `a**`, up to the end of the second operator: Go refuses it.
pub(super) fn stacked_repetitions(pattern: &str) -> Option<&str> {
    let mut at = 0;
    // Where the operator began that ended just before `at`, and whether there is something to repeat.
    let (mut last, mut has_operand) = (None, false);
    let tail = tail(pattern);
    while let Some(character) = pattern[at..].chars().next() {
        let rest = &pattern[at..];
        let operator = match character {
            '*' | '+' | '?' => 1,
            '{' if is_repetition(rest[1..].chars()) => rest.find('}').map_or(1, |end| end + 1),
            _ => {
                at += token_length(rest, tail);
                (last, has_operand) = (None, !matches!(character, '(' | '|'));
                continue;
            }
        };
        let is_lazy = rest[operator..].starts_with('?');
        let end = at + operator + usize::from(is_lazy);
        if let Some(start) = last {
            return Some(&pattern[start..end]);
        }
        if !has_operand {
            return None;
        }
        last = Some(at);
        at = end;
    }
    None
}

/// Length of the escape, the class, the head of a group or the character that `rest` starts with.
fn token_length(rest: &str, tail: usize) -> usize {
    let until = |from: usize, end: &str| {
        let found = rest.get(from..).and_then(|rest| rest.find(end));
        found.map_or(rest.len(), |at| from + at + end.len())
    };
    match rest.as_bytes() {
        [b'\\', b'Q', ..] => until(2, "\\E"),
        [b'\\', b'p' | b'P' | b'x', b'{', ..] => until(3, "}"),
        [b'\\', ..] => rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at),
        [b'[', ..] => class_length(rest, tail),
        [b'(', b'?', ..] => 2,
        _ => rest.chars().next().map_or(0, char::len_utf8),
    }
}

/// Length of the class in brackets that `rest` starts with.
fn class_length(rest: &str, tail: usize) -> usize {
    let mut at = if rest.starts_with("[^") { 2 } else { 1 };
    let first = at;
    while let Some(character) = rest[at..].chars().next() {
        match character {
            ']' if at > first => return at + 1,
            '[' if rest[at..].starts_with("[:") && rest.len() - at >= tail => {
                at += rest[at..].find(":]").map_or(2, |end| end + 2);
            }
            '\\' => at += token_length(&rest[at..], tail),
            other => at += other.len_utf8(),
        }
    }
    at
}

/// Whether Go knows the escape of this character, outside or inside of brackets.
fn is_escape(character: char, inside: bool) -> bool {
    match character {
        'A' | 'z' | 'C' => !inside,
        'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'p' | 'P' | '0'..='7' => true,
        other => other.is_ascii_punctuation(),
    }
}

/// The class that the letter names after a backslash, outside or inside of brackets.
fn ascii_class(letter: char, inside: bool) -> &'static str {
    match (letter, inside) {
        ('d', true) => "0-9",
        ('d', false) => "[0-9]",
        ('w', true) => "0-9A-Za-z_",
        ('w', false) => "[0-9A-Za-z_]",
        ('s', true) => r"\t\n\x0c\r ",
        ('s', false) => r"[\t\n\x0c\r ]",
        ('D', _) => "[^0-9]",
        ('W', _) => "[^0-9A-Za-z_]",
        _ => r"[^\t\n\x0c\r ]",
    }
}

/// Whether what follows a brace makes it a count, as in `{2,3}`; else Go takes the brace as it is.
fn is_repetition(after: impl Iterator<Item = char>) -> bool {
    let inside: String = after
        .take_while(|c| c.is_ascii_digit() || matches!(c, ',' | '}'))
        .collect();
    let Some((count, _)) = inside.split_once('}') else {
        return false;
    };
    let (least, most) = count.split_once(',').unwrap_or((count, ""));
    !least.is_empty() && !most.contains(',')
}
