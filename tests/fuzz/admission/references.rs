//! References, in annotations and within values.

use latchkey::model::pod_injection::{
    InlineReference, InlineValue, Segment, literal_before_reference, parse, read_record, record,
    scan,
};

use crate::chance::Chance;
use crate::corpus::{ANNOTATIONS, WORDS};
use crate::{Finding, Tried, mutate};

const PROPERTIES: [&str; 5] = ["a", "tls.crt", "A_B-c", ".dockerconfigjson", "..."];

pub(crate) fn attempt(chance: &mut Chance) -> Tried {
    if chance.one_in(2) {
        made(chance)
    } else {
        found_in_text(chance)
    }
}

fn finding<T>(input: &str, trouble: impl Into<String>) -> Result<T, Finding> {
    Err(Finding {
        input: format!("{input:?}"),
        trouble: trouble.into(),
    })
}

/// A reference of parts that are legal reads as these parts.
fn made(chance: &mut Chance) -> Tried {
    let (cluster, store) = (chance.one_in(2), *chance.pick(&["vault", "a.b-c.d", "0"]));
    let (key, version) = (part(chance), chance.one_in(2).then(|| part(chance)));
    let property = *chance.pick(&PROPERTIES);
    let kind = if cluster { "cluster:" } else { "" };
    let asked = version
        .as_ref()
        .map(|version| format!("?version={}", encoded(version)));
    let asked = asked.unwrap_or_default();
    let text = format!("secret://{kind}{store}/{}{asked}#{property}", encoded(&key));
    let reference = match InlineReference::parse(&text) {
        Ok(reference) => reference,
        Err(error) => return finding(&text, error),
    };
    let properties = std::iter::once(property.to_owned()).collect();
    let spec = reference.remote.spec(&properties, None);
    let [entry] = &spec.data[..] else {
        return finding(&text, format!("stands for {spec:?}"));
    };
    let (read, store_read) = (&entry.remote_ref, spec.secret_store_ref.as_ref());
    let same = read.key == key
        && read.version.as_ref() == version.as_ref()
        && entry.secret_key == property
        && store_read.and_then(|store| store.name.as_deref()) == Some(store);
    if !same {
        return finding(&text, format!("reads as {spec:?}"));
    }
    settled(&text, &reference)?;
    Ok(true)
}

/// A part with anything in it that may be written.
fn part(chance: &mut Chance) -> String {
    let words = (0..=chance.below(4)).map(|_| *chance.pick(&WORDS));
    format!("{}x", words.collect::<String>())
}

fn encoded(part: &str) -> String {
    let encode = |character: char| match character {
        '%' | '#' | '?' | '&' | '}' => format!("%{:02X}", u32::from(character)),
        other => other.to_string(),
    };
    part.chars().map(encode).collect()
}

/// What was read prints as what reads the same, alone, in a value and in a record.
fn settled(input: &str, reference: &InlineReference) -> Result<(), Finding> {
    let printed = reference.remote.reference(&reference.property);
    match InlineReference::parse(&printed) {
        Ok(again) if again == *reference => {}
        other => {
            return finding(
                input,
                format!("prints {printed:?}, which reads as {other:?}"),
            );
        }
    }
    let within = format!("a${{{printed}}}b");
    match scan(&within) {
        Ok(Some(InlineValue::Text(segments)))
            if segments[..]
                == [
                    Segment::Literal("a"),
                    Segment::Reference(reference.clone()),
                    Segment::Literal("b"),
                ] => {}
        other => return finding(input, format!("{within:?} reads as {other:?}")),
    }
    let properties = std::iter::once(reference.property.clone()).collect();
    let recorded = serde_json::json!({"n": record(&reference.remote, &properties)}).to_string();
    if read_record(&recorded)[..] != [("n".to_owned(), reference.remote.clone(), properties)] {
        return finding(input, format!("is recorded as {recorded}"));
    }
    Ok(())
}

fn found_in_text(chance: &mut Chance) -> Tried {
    let (_, base) = *chance.pick(&ANNOTATIONS[..3]);
    let text = match chance.below(3) {
        0 => mutate::text(chance, base),
        1 => mutate::text(chance, &format!("a ${{{base}}} b ${{{base}}}")),
        _ => (0..chance.below(10))
            .map(|_| *chance.pick(&WORDS))
            .collect(),
    };
    let annotation = [("latchkey.dev/secret.a", text.as_str())];
    drop(parse("team", annotation.into_iter()));
    drop(read_record(&text));
    let escaped = literal_before_reference(&text);
    if expanded(&escaped) != expanded(&text) {
        return finding(
            &text,
            format!("is escaped as {escaped:?}, which means another thing"),
        );
    }
    let Ok(Some(value)) = scan(&text) else {
        return Ok(false);
    };
    match value {
        InlineValue::Whole(reference) => settled(&text, &reference)?,
        InlineValue::Text(segments) => {
            let mut rest = text.as_str();
            for segment in segments {
                match segment {
                    Segment::Literal(literal) => match rest.strip_prefix(literal) {
                        Some(behind) => rest = behind,
                        None => return finding(&text, format!("has no {literal:?} there")),
                    },
                    Segment::Reference(reference) => {
                        settled(&text, &reference)?;
                        let Some((_, behind)) = rest.split_once('}') else {
                            return finding(&text, "has no reference there");
                        };
                        rest = behind;
                    }
                }
            }
            if !rest.is_empty() {
                return finding(&text, format!("{rest:?} is lost"));
            }
        }
    }
    Ok(true)
}

/// What the kubelet makes of a value in which no variable is defined (`third_party/forked/golang/expansion`
/// of Kubernetes).
fn expanded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let taken = match behind.chars().next() {
            None => {
                out.push('$');
                0
            }
            Some('$') => {
                out.push('$');
                1
            }
            Some('(') => match behind.find(')') {
                Some(end) => {
                    out.push('$');
                    out.push_str(&behind[..=end]);
                    end + 1
                }
                None => {
                    out.push_str("$(");
                    1
                }
            },
            Some(other) => {
                out.push('$');
                out.push(other);
                other.len_utf8()
            }
        };
        rest = &behind[taken..];
    }
    out.push_str(rest);
    out
}
