//! Changing one value of a definition in place.

use super::{Client, Diagnostic, EnvironmentName, Error, ErrorKind, Position, PropertyPath, Range};
use crate::esc::eval;
use crate::secret::SecretBytes;

/// How often a definition is read and written again when others write it at the same time.
const TRIES: usize = 5;

/// What becomes of a value.
#[derive(Debug)]
pub enum Edit<'a> {
    /// It is this YAML.
    Set(&'a SecretBytes),
    /// It is there no more.
    Remove,
}

impl Client {
    /// Edits the newest definition, guarded by its ETag and once more when somebody else was faster. What
    /// the path does not name stays byte for byte, ciphertext included.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the environment does not exist or cannot be seen,
    /// [`ErrorKind::Invalid`] with diagnostics when the path does not fit the definition,
    /// [`ErrorKind::Conflict`] when others go on being faster.
    pub async fn edit(
        &self,
        name: &EnvironmentName,
        path: &PropertyPath,
        edit: Edit<'_>,
    ) -> Result<(), Error> {
        let action = format!("edit environment {name}");
        let invalid = |message: String| Error::new(ErrorKind::Invalid, &action, message);
        let path = eval::PropertyPath::parse(&path.to_string()).map_err(invalid)?;
        let mut tries = 0;
        loop {
            let definition = self.definition(name, None, false).await?;
            let text = definition.text.expose_str();
            let text = text.ok_or_else(|| invalid("the definition is not UTF-8".to_owned()))?;
            let edited = match edit {
                Edit::Set(yaml) => {
                    let yaml = yaml.expose_str();
                    let yaml = yaml.ok_or_else(|| invalid("the value is not UTF-8".to_owned()))?;
                    eval::set_property(text, &path, yaml)
                }
                Edit::Remove => eval::remove_property(text, &path),
            };
            let edited = edited.map_err(|found| Error {
                diagnostics: found.into_iter().map(told).collect(),
                ..invalid("the definition cannot be edited so".to_owned())
            })?;
            if edited == text {
                return Ok(());
            }
            tries += 1;
            let etag = definition.etag.as_deref();
            match self.update(name, &SecretBytes::from(edited), etag).await {
                Err(error) if error.kind == ErrorKind::Conflict && tries < TRIES => {}
                written => return written.map(drop),
            }
        }
    }
}

fn told(found: eval::Diagnostic) -> Diagnostic {
    let range = found.range.map(|range| Range {
        begin: Position {
            line: range.begin.line,
            column: range.begin.column,
        },
        ..Range::default()
    });
    Diagnostic {
        summary: found.summary,
        range,
        ..Diagnostic::default()
    }
}
