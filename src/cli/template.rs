//! `latchkey template`: renders templates over JSON data, without a cluster.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use serde::{Deserialize, Serialize};

use crate::template::{Environment, MissingKey, Options, Template, Value};

/// What `latchkey template` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The template; `-` reads it from standard input
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    file: Option<PathBuf>,
    /// JSON that becomes the dot; `-` reads it from standard input
    #[arg(long, value_name = "DATA.json", conflicts_with = "batch")]
    data: Option<PathBuf>,
    /// The template engine; there is one
    #[arg(long, value_enum, default_value = "v2")]
    engine: Engine,
    /// Renders a JSON list of `{name, template, data, missingKey}` and prints a JSON list of
    /// `{name, output}`, `{name, outputBase64}` (an output that is not UTF-8) or `{name, error}`
    #[arg(long, value_name = "CASES.json")]
    batch: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Engine {
    /// Go's text/template with External Secrets Operator's functions
    V2,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    template: String,
    #[serde(default)]
    data: serde_json::Value,
    #[serde(default)]
    missing_key: MissingKeyName,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MissingKeyName {
    Default,
    Zero,
    #[default]
    Error,
}

impl From<MissingKeyName> for MissingKey {
    fn from(name: MissingKeyName) -> Self {
        match name {
            MissingKeyName::Default => Self::Default,
            MissingKeyName::Zero => Self::Zero,
            MissingKeyName::Error => Self::Error,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rendered {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Renders and prints.
///
/// # Errors
/// When a file cannot be read or, for a single template, when it cannot be rendered; in a batch, an
/// error is part of the answer.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let Engine::V2 = args.engine;
    let output = match (&args.batch, &args.file) {
        (Some(batch), _) => {
            let cases = serde_json::from_slice(&read(batch)?)
                .with_context(|| format!("failed to read {} as cases", batch.display()))?;
            let mut text = serde_json::to_vec_pretty(&render_all(cases))?;
            text.push(b'\n');
            text
        }
        (None, Some(file)) => render_file(file, args.data.as_deref())?,
        (None, None) => anyhow::bail!("give a template or --batch"),
    };
    std::io::stdout()
        .write_all(&output)
        .context("failed to write the output")
}

fn render_file(file: &Path, data: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let data = match data {
        Some(path) => serde_json::from_slice(&read(path)?)
            .with_context(|| format!("failed to read {} as JSON", path.display()))?,
        None => serde_json::Value::Null,
    };
    let name = match file.file_name() {
        Some(name) if !is_stdin(file) => name.to_string_lossy().into_owned(),
        _ => "stdin".to_owned(),
    };
    Ok(render(&name, &read(file)?, &data, MissingKey::Error)?)
}

fn render_all(cases: Vec<Case>) -> Vec<Rendered> {
    cases
        .into_iter()
        .map(|case| {
            let missing_key = case.missing_key.into();
            let result = render(
                &case.name,
                case.template.as_bytes(),
                &case.data,
                missing_key,
            );
            let mut rendered = Rendered {
                name: case.name,
                output: None,
                output_base64: None,
                error: None,
            };
            match result.map(String::from_utf8) {
                Ok(Ok(text)) => rendered.output = Some(text),
                Ok(Err(error)) => {
                    let engine = base64::engine::general_purpose::STANDARD;
                    rendered.output_base64 = Some(engine.encode(error.as_bytes()));
                }
                Err(error) => rendered.error = Some(error.to_string()),
            }
            rendered
        })
        .collect()
}

fn render(
    name: &str,
    text: &[u8],
    data: &serde_json::Value,
    missing_key: MissingKey,
) -> Result<Vec<u8>, crate::template::Error> {
    let now = jiff::Zoned::now();
    let random = |buffer: &mut [u8]| rand::fill(buffer);
    let options = Options {
        missing_key,
        ..Options::new(Environment {
            now: &now,
            random: &random,
        })
    };
    Template::parse(name, text)?.render(&Value::from_json(data), &options)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if is_stdin(path) {
        let mut text = Vec::new();
        std::io::stdin()
            .read_to_end(&mut text)
            .context("failed to read standard input")?;
        return Ok(text);
    }
    std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::render_all;

    #[test]
    fn a_batch_answers_each_case_by_its_name() {
        let cases = serde_json::json!([
            {"name": "a", "template": "{{ .x }}", "data": {"x": 1.5}},
            {"name": "b", "template": "{{ .y }}", "data": {}, "missingKey": "default"},
            {"name": "c", "template": "{{ .y }}", "data": {}},
            {"name": "d", "template": "{{ \"\\xff\" }}"},
        ]);
        let rendered = render_all(serde_json::from_value(cases).unwrap());
        assert_eq!(
            serde_json::to_value(rendered).unwrap(),
            serde_json::json!([
                {"name": "a", "output": "1.5"},
                {"name": "b", "output": "<no value>"},
                {"name": "c", "error":
                    "template: c:1:3: executing \"c\" at <.y>: map has no entry for key \"y\""},
                {"name": "d", "outputBase64": "/w=="},
            ])
        );
    }
}
