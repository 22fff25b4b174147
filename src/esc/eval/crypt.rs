//! Turning the plaintexts of a definition into ciphertexts and back, in place.

use std::ops::Range;

use super::interpolation::is_literal;
use super::source::Source;
use super::yaml::{self, Kind, Node, Style};
use super::{Diagnostic, envelope, render};
use crate::secret::SecretBytes;

const SECRET: &str = "fn::secret";
const CIPHERTEXT: &str = "ciphertext";

struct Splice {
    bytes: Range<usize>,
    text: String,
}

/// Replaces every `fn::secret: <string>` by `fn::secret: {ciphertext: <base64>}`.
///
/// `encrypt` gets the text of the scalar and returns the base64 of its envelope. Everything else,
/// malformed calls included, stays byte for byte as it is.
///
/// # Errors
/// What keeps the text from being read as YAML, or a secret from being replaced in place.
pub fn encrypt_secrets(
    text: &str,
    encrypt: &mut dyn FnMut(&str) -> String,
) -> Result<String, Vec<Diagnostic>> {
    let source = Source::new(text);
    let Some(root) = yaml::parse(&source)? else {
        return Ok(text.to_owned());
    };
    let mut splices = Vec::new();
    each_secret(&root, &mut |value| {
        if let Kind::String(plaintext) = &value.kind
            && is_literal(plaintext)
        {
            let call = format!("{{{CIPHERTEXT}: {}}}", encrypt(plaintext));
            splices.push(replacement(&source, value, call));
        }
    });
    if splices.is_empty() {
        return Ok(text.to_owned());
    }
    let result = splice(text, splices);
    // Nothing may be stored in clear, whatever the document looks like.
    let mut plain = false;
    if let Some(root) = yaml::parse(&Source::new(&result))? {
        each_secret(&root, &mut |value| {
            plain |= matches!(&value.kind, Kind::String(text) if is_literal(text));
        });
    }
    if plain {
        let summary = "failed to encrypt a secret in place: write it on one line".to_owned();
        return Err(vec![yaml::diagnostic(summary, String::new(), root.span)]);
    }
    Ok(result)
}

/// Replaces every ciphertext under `values` by its plaintext: the reverse of [`encrypt_secrets`].
///
/// `decrypt` gets the envelope. A plaintext that cannot be written as a literal (it is no UTF-8 or
/// holds `${`) stays ciphertext.
///
/// # Errors
/// What keeps the text from being read as YAML, or a ciphertext from being decrypted.
pub fn decrypt_secrets(
    text: &str,
    decrypt: &mut dyn FnMut(&[u8]) -> Result<SecretBytes, String>,
) -> Result<String, Vec<Diagnostic>> {
    let source = Source::new(text);
    let root = yaml::parse(&source)?;
    let mut splices = Vec::new();
    let mut diagnostics = Vec::new();
    let sections = root.as_ref().and_then(Node::members).unwrap_or_default();
    for section in sections {
        if !section.key.eq_ignore_ascii_case("values") {
            continue;
        }
        each_secret(&section.value, &mut |value| {
            let Some(ciphertext) = ciphertext(value) else {
                return;
            };
            let plaintext = envelope::decode(ciphertext.as_bytes())
                .map_err(|reason| format!("invalid ciphertext: {reason}"))
                .and_then(|envelope| {
                    decrypt(&envelope).map_err(|reason| format!("decrypting: {reason}"))
                });
            match plaintext {
                Ok(plaintext) => {
                    if let Some(plaintext) = plaintext.expose_str().filter(|text| is_literal(text))
                    {
                        let scalar = render::scalar(plaintext);
                        splices.push(replacement(&source, value, scalar));
                    }
                }
                Err(summary) => {
                    diagnostics.push(yaml::diagnostic(summary, String::new(), value.span));
                }
            }
        });
    }
    if diagnostics.is_empty() {
        Ok(splice(text, splices))
    } else {
        Err(diagnostics)
    }
}

/// Visits the argument of every `fn::secret` call, in the order of the document.
fn each_secret(node: &Node, visit: &mut dyn FnMut(&Node)) {
    match &node.kind {
        Kind::Object(members) => {
            if let [call] = members.as_slice()
                && call.key == SECRET
            {
                visit(&call.value);
            }
            for member in members {
                each_secret(&member.value, visit);
            }
        }
        Kind::List(items) => {
            for item in items {
                each_secret(&item.node, visit);
            }
        }
        _ => {}
    }
}

fn ciphertext(argument: &Node) -> Option<&str> {
    match argument.members()? {
        [member] if member.key == CIPHERTEXT => match &member.value.kind {
            Kind::String(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Puts `text` in the place of a node; a comment behind a block scalar's header stays.
fn replacement(source: &Source<'_>, node: &Node, mut text: String) -> Splice {
    if let Style::BlockScalar { header_end } = node.style {
        text.push_str(&source.text[header_end..source.line_end(header_end)]);
    }
    Splice {
        bytes: node.bytes.clone(),
        text,
    }
}

fn splice(text: &str, splices: Vec<Splice>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for Splice { bytes, text: new } in splices {
        result.push_str(&text[at..bytes.start]);
        result.push_str(&new);
        at = bytes.end;
    }
    result.push_str(&text[at..]);
    result
}
