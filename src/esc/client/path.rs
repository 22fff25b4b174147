//! Property paths: `a.b`, `a["b.c"]`, `a[0]` (the grammar of Pulumi's IaC property paths).

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// A way into a value; without steps it is the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyPath(Vec<Step>);

impl PropertyPath {
    /// Reads a path.
    ///
    /// # Errors
    /// A sentence that says what is wrong at which character.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = |at: usize, what: &str| {
            format!("property path {text:?}: {what} at character {}", at + 1)
        };
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            if let Some(bracketed) = rest.strip_prefix('[') {
                let (step, behind) = subscript(bracketed).map_err(|what| invalid(at, what))?;
                steps.push(step);
                rest = behind;
                continue;
            }
            let name = match (rest.strip_prefix('.'), steps.is_empty()) {
                (Some(_), true) => return Err(invalid(at, "a path must not begin with a dot")),
                (Some(name), false) => name,
                (None, true) => rest,
                (None, false) => return Err(invalid(at, "a dot or a bracket is missing")),
            };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                return Err(invalid(at, "a name is empty"));
            }
            steps.push(Step::Key(name[..end].to_owned()));
            rest = &name[end..];
        }
        Ok(Self(steps))
    }

    /// The steps from the outside in.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

/// The step behind an opening bracket, and what stands behind the closing one.
fn subscript(text: &str) -> Result<(Step, &str), &'static str> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut key = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' if quoted[at + 1..].starts_with('"') => {
                    key.push('"');
                    characters.next();
                }
                '"' => {
                    let behind = quoted[at + 1..]
                        .strip_prefix(']')
                        .ok_or("a closing bracket is missing")?;
                    return Ok((Step::Key(key), behind));
                }
                other => key.push(other),
            }
        }
        return Err("a closing quote is missing");
    }
    let (digits, behind) = text.split_once(']').ok_or("a closing bracket is missing")?;
    let index = digits
        .parse()
        .map_err(|_| "an index must be a number; a key stands in quotes")?;
    Ok((Step::Index(index), behind))
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.is_empty() || key.contains(['.', '[', '"']) => {
                    write!(f, "[\"{}\"]", key.replace('"', "\\\""))?;
                }
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Step {
        Step::Key(text.to_owned())
    }

    #[test]
    fn every_form_is_read_and_printed() {
        for (text, steps) in [
            ("", vec![]),
            ("app", vec![key("app")]),
            ("app.hello-secret", vec![key("app"), key("hello-secret")]),
            (
                "a[\"tls.crt\"][0].b",
                vec![key("a"), key("tls.crt"), Step::Index(0), key("b")],
            ),
            ("[\"say \\\"hi\\\"\"]", vec![key("say \"hi\"")]),
            (
                "path/with spaces.x",
                vec![key("path/with spaces"), key("x")],
            ),
        ] {
            let path = PropertyPath::parse(text).unwrap();
            assert_eq!(path.steps(), steps);
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for text in [".a", "a..b", "a.", "a[", "a[x]", "a[\"x]", "a[0]b", "a[-1]"] {
            assert!(PropertyPath::parse(text).is_err(), "{text}");
        }
        assert!(
            PropertyPath::parse("ab..c")
                .unwrap_err()
                .ends_with("at character 3")
        );
    }
}
