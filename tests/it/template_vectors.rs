//! The template engine gives what Go's engine gave. `tests/fixtures/template` holds the cases, the
//! program that rendered them with Go, and the results.

mod oracle;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    made_from: String,
    data: Vec<serde_json::Value>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    template: String,
    data: usize,
    #[serde(default)]
    dot: String,
    #[serde(default)]
    missing_key: String,
    output: Option<String>,
    output_base64: Option<String>,
    error: Option<String>,
}

#[test]
fn every_vector_is_rendered_as_in_go() {
    let fixture = fixture();
    let mut wrong = Vec::new();
    for vector in &fixture.vectors {
        let rendered = oracle::render(
            &vector.template,
            &fixture.data[vector.data],
            &vector.dot,
            &vector.missing_key,
        );
        if let Some(difference) = difference(vector, &rendered) {
            wrong.push(format!(
                "{}: {}\n{difference}",
                vector.name, vector.template
            ));
        }
    }
    let (count, all) = (wrong.len(), fixture.vectors.len());
    assert!(
        wrong.is_empty(),
        "{count} of {all} differ\n\n{}",
        wrong.join("\n\n")
    );
    assert!(all > 900, "{all} vectors are too few to be the fixture");
}

#[test]
fn vectors_are_made_from_the_cases_as_they_are() {
    let mut sources = Vec::new();
    for name in ["cases.txt", "material.json"] {
        sources.extend(std::fs::read(directory().join(name)).unwrap());
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &sources);
    let digest = data_encoding::HEXLOWER.encode(digest.as_ref());
    assert_eq!(
        fixture().made_from,
        digest,
        "vectors.json is stale; run `go run . vectors` in tests/fixtures/template"
    );
}

#[test]
fn every_function_is_in_a_vector() {
    let fixture = fixture();
    let known = |name: &str| {
        let mentions = |vector: &Vector| {
            let words = vector
                .template
                .split(|c: char| !c.is_alphanumeric() && c != '_');
            words.into_iter().any(|word| word == name)
        };
        fixture.vectors.iter().any(mentions)
    };
    let names = latchkey::template::funcs::names();
    let missing: Vec<_> = names.into_iter().filter(|name| !known(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/template")
}

fn fixture() -> Fixture {
    let text = std::fs::read(directory().join("vectors.json")).expect("vectors.json must be there");
    serde_json::from_slice(&text).expect("vectors.json must be what the Go program writes")
}

fn difference(vector: &Vector, rendered: &Result<Vec<u8>, String>) -> Option<String> {
    let wanted = match (&vector.output, &vector.output_base64, &vector.error) {
        (Some(output), None, None) => Ok(output.clone().into_bytes()),
        (None, Some(output), None) => Ok(STANDARD.decode(output).expect("must be base64")),
        (None, None, Some(error)) => Err(error.as_str()),
        _ => panic!("{} must have one result", vector.name),
    };
    match (&wanted, rendered) {
        (Ok(wanted), Ok(rendered)) if wanted == rendered => None,
        (Err(wanted), Err(rendered)) if oracle::is_same_error(wanted, rendered) => None,
        _ if is_known_difference(vector, rendered) => None,
        _ => Some(format!(
            "  go:   {}\n  ours: {}",
            shown(wanted.as_deref().map_err(|error| *error)),
            shown(rendered.as_deref().map_err(String::as_str))
        )),
    }
}

fn shown(result: Result<&[u8], &str>) -> String {
    match result {
        Ok(output) => format!("{:?}", output.escape_ascii().to_string()),
        Err(error) => format!("error: {error}"),
    }
}

/// Vectors that ours does not give as Go does, and what it gives instead.
const KNOWN_DIFFERENCES: &[(&str, &str)] = &[
    // An argument that is an unsigned integer is checked by the function, so the error points to the call.
    ("hashes 4", "-1 is not a counter from 0 to 4294967295"),
    // A zone's abbreviation that means nothing in the local zone is forgotten once the time is read.
    ("dates 7", "2013-02-03 19:54:00 +0000 UTC"),
    // Durations are not values of their own.
    ("dates 14", "can't evaluate field Sub in type time.Time"),
];

fn is_known_difference(vector: &Vector, rendered: &Result<Vec<u8>, String>) -> bool {
    let text = match rendered {
        Ok(output) => String::from_utf8_lossy(output),
        Err(error) => error.as_str().into(),
    };
    let mut known = KNOWN_DIFFERENCES.iter();
    known.any(|(name, ours)| *name == vector.name && text.contains(ours))
}
