//! Annotations of pods.

use latchkey::api::v1::ExternalSecretSpec;
use latchkey::model::pod_injection::{Source, canonical, parse};

use crate::chance::Chance;
use crate::corpus::{ANNOTATIONS, WORDS};
use crate::{Finding, Tried, mutate};

pub(crate) fn attempt(chance: &mut Chance) -> Tried {
    let several = 1 + chance.below(3);
    let annotations: Vec<(String, String)> = (0..several).map(|_| annotation(chance)).collect();
    let found = |trouble: String| {
        Err(Finding {
            input: format!("{annotations:?}"),
            trouble,
        })
    };
    let read = || {
        parse(
            "team",
            annotations.iter().map(|(key, value)| (&**key, &**value)),
        )
    };
    let injection = match (read(), read()) {
        (Ok(once), Ok(twice)) if once == twice => once,
        (Err(once), Err(twice)) if once == twice => {
            let unnamed = once.iter().find(|complaint| {
                !annotations
                    .iter()
                    .any(|(key, _)| complaint.field.starts_with(key.as_str()))
            });
            return match unnamed {
                Some(complaint) => found(format!("names no annotation: {complaint}")),
                None => Ok(false),
            };
        }
        _ => return found("means another thing the second time".to_owned()),
    };
    for (alias, source) in &injection.aliases {
        if let Source::Spec(spec) = source
            && let Err(trouble) = is_held(alias, source, spec)
        {
            return found(trouble);
        }
    }
    Ok(true)
}

/// Whether the canonical form of a spec means what the spec means.
fn is_held(alias: &str, source: &Source, spec: &ExternalSecretSpec) -> Result<(), String> {
    let text = canonical(spec);
    let again: ExternalSecretSpec = match serde_json::from_str(&text) {
        Ok(again) => again,
        Err(error) => return Err(format!("{alias}: canonical form is unreadable: {error}")),
    };
    if canonical(&again) != text {
        return Err(format!("{alias}: canonical form has another: {text}"));
    }
    // As an annotation it means the same, too, unless it has what YAML does not hold.
    let is_outside = |c: char| c.is_control() || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(is_outside) {
        return Ok(());
    }
    let key = format!("latchkey.dev/secret.{alias}");
    let broken = text.replacen('{', "{\n", 1);
    let annotation = [(key.as_str(), broken.as_str())];
    match parse("team", annotation.into_iter()) {
        Ok(same) if same.aliases.get(alias) == Some(source) => {}
        Ok(other) => {
            return Err(format!(
                "{alias}: {text} means {:?}",
                other.aliases.get(alias)
            ));
        }
        Err(complaints) => return Err(format!("{alias}: {text} is refused: {complaints:?}")),
    }
    Ok(())
}

fn annotation(chance: &mut Chance) -> (String, String) {
    let (key, value) = *chance.pick(&ANNOTATIONS);
    let key = if chance.one_in(8) {
        mutate::text(chance, key)
    } else {
        key.to_owned()
    };
    let value = match chance.below(8) {
        0 => value.to_owned(),
        1 => {
            let words = (0..chance.below(6)).map(|_| *chance.pick(&WORDS));
            words.collect()
        }
        2 => {
            let (_, other) = *chance.pick(&ANNOTATIONS);
            mutate::text(chance, &format!("{value}{other}"))
        }
        _ => mutate::text(chance, value),
    };
    (key, value)
}
