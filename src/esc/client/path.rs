//! Property paths: `a.b`, `a["b.c"][0]`.
//!
//! The grammar is that of property paths in Pulumi's infrastructure SDKs, read as laxly: a name runs
//! to the next `.` or `[`, so that dashes, slashes and spaces are part of it.

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accessor {
    /// Member of an object.
    Key(String),
    /// Item of a list, from 0.
    Index(usize),
}

/// Where a value stands in an environment; without a step it is the whole environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyPath(pub Vec<Accessor>);

/// A text that is no property path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read property path {path:?}: {why}")]
pub struct PathError {
    /// The text.
    pub path: String,
    /// What is wrong.
    pub why: &'static str,
}

impl PropertyPath {
    /// Parses a path.
    ///
    /// # Errors
    /// When a bracket or quote is not closed, an index is no number, or a name is missing.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let failed = |why| PathError {
            path: text.to_owned(),
            why,
        };
        if text.starts_with('.') {
            return Err(failed("it must not begin with a dot"));
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let step;
            (step, rest) = if let Some(quoted) = rest.strip_prefix("[\"") {
                quoted_key(quoted).map_err(failed)?
            } else if let Some(subscript) = rest.strip_prefix('[') {
                index(subscript).map_err(failed)?
            } else {
                name(rest)
            };
            if step == Accessor::Key(String::new()) {
                return Err(failed("a name is missing"));
            }
            steps.push(step);
            if let Some(next) = rest.strip_prefix('.') {
                if next.is_empty() {
                    return Err(failed("a name is missing behind the last dot"));
                }
                rest = next;
            }
        }
        Ok(Self(steps))
    }

    /// The path one step further.
    #[must_use]
    pub fn join(&self, key: &str) -> Self {
        let key = Accessor::Key(key.to_owned());
        Self(self.0.iter().cloned().chain([key]).collect())
    }
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Accessor::Index(index) => write!(f, "[{index}]")?,
                Accessor::Key(key) if key.is_empty() || key.contains(['.', '[', '"']) => {
                    write!(f, "[\"{}\"]", key.replace('"', "\\\""))?;
                }
                Accessor::Key(key) if position == 0 => f.write_str(key)?,
                Accessor::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

fn name(text: &str) -> (Accessor, &str) {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    (Accessor::Key(text[..end].to_owned()), &text[end..])
}

fn quoted_key(text: &str) -> Result<(Accessor, &str), &'static str> {
    let mut key = String::new();
    let mut rest = text;
    loop {
        let quote = rest.find('"').ok_or("a quote is not closed")?;
        if let Some(escaped) = rest[..quote].strip_suffix('\\') {
            key.push_str(escaped);
            key.push('"');
            rest = &rest[quote + 1..];
        } else {
            key.push_str(&rest[..quote]);
            let rest = rest[quote + 1..].strip_prefix(']');
            return rest
                .map(|rest| (Accessor::Key(key), rest))
                .ok_or("a bracket is not closed");
        }
    }
}

fn index(text: &str) -> Result<(Accessor, &str), &'static str> {
    let (index, rest) = text.split_once(']').ok_or("a bracket is not closed")?;
    if index == "*" {
        return Ok((Accessor::Key("*".to_owned()), rest));
    }
    index
        .parse()
        .map(|index| (Accessor::Index(index), rest))
        .map_err(|_| "what is in brackets must be a number or a quoted name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> Accessor {
        Accessor::Key(key.to_owned())
    }

    #[test]
    fn names_and_subscripts_are_read_laxly() {
        let parse = |text| PropertyPath::parse(text).unwrap().0;
        assert_eq!(parse(""), []);
        assert_eq!(
            parse("a.b-c/d e[0]"),
            [key("a"), key("b-c/d e"), Accessor::Index(0)]
        );
        assert_eq!(parse(r#"["tls.crt"]"#), [key("tls.crt")]);
        assert_eq!(
            parse(r#"a["b \"c\""].d"#),
            [key("a"), key(r#"b "c""#), key("d")]
        );
        assert_eq!(parse("a.[1]"), [key("a"), Accessor::Index(1)]);
        assert_eq!(parse("a[*]"), [key("a"), key("*")]);
    }

    #[test]
    fn broken_paths_are_errors() {
        for text in [
            ".a", "a.", "a..b", "a[", "a[\"b", "a[\"b\"", "a[x]", "a[-1]",
        ] {
            assert!(PropertyPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_printed_path_parses_to_itself() {
        for text in ["a.b", r#"["tls.crt"][3].x"#, r#"a["q\"q"]"#] {
            let path = PropertyPath::parse(text).unwrap();
            assert_eq!(path.to_string(), text);
            assert_eq!(PropertyPath::parse(&path.to_string()).unwrap(), path);
        }
    }
}
