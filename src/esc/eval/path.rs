//! Property paths: `app.hosts[0]["a.b"]`.

use std::collections::BTreeMap;
use std::fmt;

use super::{Content, Value};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A member of an object.
    Key(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// A path to a property in the lax grammar of Pulumi's property paths: names run to the next `.` or
/// `[`, `["…"]` quotes a key, `[0]` is an index; the empty path is the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyPath(Vec<Segment>);

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// The whole environment (empty path).
    All(&'a BTreeMap<String, Value>),
    /// One value.
    One(&'a Value),
}

impl PropertyPath {
    /// Reads a path.
    ///
    /// # Errors
    /// A sentence that says what is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            rest = match first {
                '.' if segments.is_empty() => {
                    return Err("expected a property name or subscript, not '.'".to_owned());
                }
                '.' => {
                    let rest = &rest[1..];
                    if rest.is_empty() || rest.starts_with(['.', '[']) {
                        return Err("expected a property name behind '.'".to_owned());
                    }
                    rest
                }
                '[' => {
                    let (segment, rest) = subscript(&rest[1..])?;
                    segments.push(segment);
                    rest
                }
                _ => {
                    let end = rest.find(['.', '[']).unwrap_or(rest.len());
                    segments.push(Segment::Key(rest[..end].to_owned()));
                    &rest[end..]
                }
            };
        }
        Ok(Self(segments))
    }

    /// The steps, outermost first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether this is the whole.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The path without its last step, and that step; `None` for the empty path.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, &Segment)> {
        let (last, parents) = self.0.split_last()?;
        Some((Self(parents.to_vec()), last))
    }
}

impl FromIterator<Segment> for PropertyPath {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self
            .0
            .iter()
            .fold(String::new(), |path, segment| match segment {
                Segment::Key(key) => join(&path, key),
                Segment::Index(index) => format!("{path}[{index}]"),
            });
        f.write_str(&text)
    }
}

/// A subscript behind its `[`, and what follows its `]`.
fn subscript(text: &str) -> Result<(Segment, &str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut key = String::new();
        let mut chars = quoted.char_indices().peekable();
        while let Some((index, char)) = chars.next() {
            match char {
                '"' => {
                    let rest = &quoted[index + 1..];
                    return rest
                        .strip_prefix(']')
                        .map(|rest| (Segment::Key(key), rest))
                        .ok_or_else(|| "missing closing bracket in property path".to_owned());
                }
                '\\' if chars.next_if(|(_, next)| *next == '"').is_some() => key.push('"'),
                _ => key.push(char),
            }
        }
        return Err("missing closing quote in property path".to_owned());
    }
    let (inner, rest) = text
        .split_once(']')
        .ok_or_else(|| "missing closing bracket in property path".to_owned())?;
    if inner == "*" {
        return Ok((Segment::Key(inner.to_owned()), rest));
    }
    inner
        .parse()
        .map(|index| (Segment::Index(index), rest))
        .map_err(|_| "a list index in a property path must be a number".to_owned())
}

/// Appends a key to the text of a path, in brackets if it is no identifier.
pub(super) fn join(path: &str, key: &str) -> String {
    let identifier = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && key
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_');
    if !identifier {
        return format!("{path}[\"{}\"]", key.replace('"', "\\\""));
    }
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Finds what `path` leads to.
#[must_use]
pub fn lookup<'a>(
    properties: &'a BTreeMap<String, Value>,
    path: &PropertyPath,
) -> Option<Found<'a>> {
    let Some((first, rest)) = path.0.split_first() else {
        return Some(Found::All(properties));
    };
    let Segment::Key(first) = first else {
        return None;
    };
    let mut value = properties.get(first)?;
    for segment in rest {
        value = match (&value.content, segment) {
            (Content::Object(members), Segment::Key(key)) => members.get(key)?,
            (Content::List(elements), Segment::Index(index)) => elements.get(*index)?,
            _ => return None,
        };
    }
    Some(Found::One(value))
}

#[cfg(test)]
mod tests {
    use super::{PropertyPath, Segment};

    #[test]
    fn a_path_is_read_laxly_and_printed_back() {
        for (text, printed) in [
            ("", ""),
            ("app.hello", "app.hello"),
            ("app.hello-secret", r#"app["hello-secret"]"#),
            (r#"tls["tls.crt"][0].x"#, r#"tls["tls.crt"][0].x"#),
            (r#"["a \"b\""]"#, r#"["a \"b\""]"#),
            ("a b/c[2]", r#"["a b/c"][2]"#),
        ] {
            let path = PropertyPath::parse(text).unwrap();
            assert_eq!(path.to_string(), printed);
            assert_eq!(PropertyPath::parse(printed).unwrap(), path);
        }
        let star = PropertyPath::parse("a[*]").unwrap();
        assert_eq!(star.segments()[1], Segment::Key("*".to_owned()));
    }

    #[test]
    fn a_malformed_path_is_refused() {
        for text in [
            ".a", "a.", "a..b", "a[", "a[x]", "a[\"x", "a[\"x\"", "a[-1]",
        ] {
            assert!(PropertyPath::parse(text).is_err(), "{text}");
        }
    }
}
