//! Go's own functions that give text: `print printf println html js urlquery`.

use super::Function;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::format::{decode, quoted_printable, sprint, sprintf, sprintln};
use crate::template::value::{Type, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("print", &[], print).and_more(Type::Any),
    Function::new("printf", &[Type::String], printf).and_more(Type::Any),
    Function::new("println", &[], println).and_more(Type::Any),
    Function::new("html", &[], html).and_more(Type::Any),
    Function::new("js", &[], js).and_more(Type::Any),
    Function::new("urlquery", &[], urlquery).and_more(Type::Any),
];

fn print(args: &[Value]) -> Outcome {
    Ok(sprint(args)?.into())
}

fn printf(args: &[Value]) -> Outcome {
    Ok(sprintf(args[0].bytes(), &args[1..])?.into())
}

fn println(args: &[Value]) -> Outcome {
    Ok(sprintln(args)?.into())
}

/// The bytes to escape: a lone string as it is, else what `print` makes of the arguments.
fn text(args: &[Value]) -> Outcome<Vec<u8>> {
    let text = match args {
        [Value::String(text)] => text.as_bytes().to_vec(),
        _ => {
            let shown = |value: &Value| match value {
                Value::Nil => "<no value>".into(),
                other => other.clone(),
            };
            sprint(&args.iter().map(shown).collect::<Vec<_>>())?
        }
    };
    budget::spend(text.len())?;
    Ok(text)
}

fn html(args: &[Value]) -> Outcome {
    let mut out = Vec::new();
    for byte in text(args)? {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            _ => out.push(byte),
        }
    }
    Ok(out.into())
}

fn js(args: &[Value]) -> Outcome {
    let text = text(args)?;
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (character, size) = decode(&text[at..]);
        match character {
            '\\' | '\'' | '"' => out.extend_from_slice(format!("\\{character}").as_bytes()),
            '<' | '>' | '&' | '=' | '\0'..='\u{1f}' => {
                out.extend_from_slice(format!("\\u{:04X}", u32::from(character)).as_bytes());
            }
            _ if character.is_ascii() || quoted_printable(character) => {
                out.extend_from_slice(&text[at..at + size]);
            }
            _ => out.extend_from_slice(format!("\\u{:04X}", u32::from(character)).as_bytes()),
        }
        at += size;
    }
    Ok(out.into())
}

fn urlquery(args: &[Value]) -> Outcome {
    let mut out = Vec::new();
    for byte in text(args)? {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::{html, js, urlquery};
    use crate::template::value::Value;

    #[test]
    fn text_is_escaped_as_in_go() {
        let text = "<a href=\"x\">'&\u{0}ü\n</a>";
        assert_eq!(
            html(&[text.into()]).unwrap().bytes(),
            "&lt;a href=&#34;x&#34;&gt;&#39;&amp;\u{fffd}ü\n&lt;/a&gt;".as_bytes()
        );
        assert_eq!(
            js(&["'<a>=\"\\\n\u{2028}ü".into()]).unwrap().bytes(),
            "\\'\\u003Ca\\u003E\\u003D\\\"\\\\\\u000A\\u2028ü".as_bytes()
        );
        assert_eq!(
            urlquery(&["a b&ü/~".into()]).unwrap().bytes(),
            b"a+b%26%C3%BC%2F~"
        );
        assert_eq!(
            html(&[Value::Int(1), Value::Int(2)]).unwrap().bytes(),
            b"1 2"
        );
    }
}
