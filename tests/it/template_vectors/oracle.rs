//! What it means to render as Go does; the vectors and the fuzzer share it.

use latchkey::template::value::Map;
use latchkey::template::{Environment, MissingKey, Options, Template, Value};

/// Renders as the Go program does with the same case; an error is its text.
pub(crate) fn render(
    template: &str,
    data: &serde_json::Value,
    dot: &str,
    missing_key: &str,
) -> Result<Vec<u8>, String> {
    let dot = match (dot, data) {
        ("any", serde_json::Value::Null) => Value::NoValue,
        ("any", _) => Value::from_json(data),
        _ => {
            let entries = data
                .as_object()
                .expect("a dot of strings must be an object");
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            Map::strings(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), text(value))),
            )
            .into()
        }
    };
    let now = jiff::Timestamp::from_second(1_700_000_000)
        .expect("must be a time")
        .to_zoned(jiff::tz::TimeZone::UTC);
    let random = |bytes: &mut [u8]| {
        aws_lc_rs::rand::fill(bytes).expect("the system must give random bytes");
    };
    let mut options = Options::new(Environment {
        now: &now,
        random: &random,
    });
    options.missing_key = match missing_key {
        "default" => MissingKey::Default,
        "zero" => MissingKey::Zero,
        _ => MissingKey::Error,
    };
    let template = Template::parse("t", template).map_err(|error| error.to_string())?;
    template
        .render(&dot, &options)
        .map_err(|error| error.to_string())
}

/// Texts of Go after which ours may differ, because Go's would show values, which may be secret, or is
/// the text of a library that is not ours. What stands before them is the same: the place, the
/// expression and the function.
const OWN_WORDS: &[&str] = &[
    // An element of a list of anything; ours tells what it is.
    " in type interface {}",
    "range can't iterate over ",
    "can't use ",
    "non-comparable type",
    "exceeded maximum template depth",
    "error calling mustFromJson: ",
    "is not a string",
    "error parsing regexp: ",
    "error reading P12 data: ",
    "runtime error: invalid memory address or nil pointer dereference",
    "x509: malformed ",
    "x509: unknown key type while marshaling",
    "failed to unmarshal JSON into key hint: ",
];

/// Whether the errors say the same, as far as they are meant to.
pub(crate) fn is_same_error(wanted: &str, rendered: &str) -> bool {
    let own_words = |text: &&&str| wanted.contains(**text);
    wanted == rendered
        || OWN_WORDS.iter().find(own_words).is_some_and(|text| {
            let (before, _) = wanted.split_once(*text).unwrap_or_default();
            let place = before.rfind(": ").map_or(before, |end| &before[..end]);
            rendered.starts_with(place)
        })
}
