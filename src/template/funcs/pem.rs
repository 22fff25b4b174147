//! PEM as Go's `encoding/pem` reads and writes it, and the operator's filters over it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Function;
use super::chain::{self, Certificate};
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{List, Type, Value};

const TWO: &[Type] = &[Type::String, Type::String];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("filterPEM", TWO, filter_pem),
    Function::new("filterCertChain", TWO, filter_cert_chain),
    Function::new("certSANs", &[Type::String], cert_sans),
];

/// The type of a certificate's block.
pub(super) const CERTIFICATE: &[u8] = b"CERTIFICATE";
/// Characters of base64 in a line.
const LINE: usize = 64;

/// What stands between a BEGIN and an END line.
pub(super) struct Block<'a> {
    /// The words behind BEGIN.
    pub(super) kind: &'a [u8],
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The decoded content.
    pub(super) bytes: Vec<u8>,
}

/// The first block of `input` and what follows it; all of `input` where there is none.
pub(super) fn decode(input: &[u8]) -> (Option<Block<'_>>, &[u8]) {
    let mut rest = input;
    while let Some(at) = line_start(rest, b"-----BEGIN ") {
        rest = &rest[at + b"-----BEGIN ".len()..];
        if let Some((block, after)) = block(rest) {
            return (Some(block), after);
        }
    }
    (None, input)
}

/// Where `marker` begins a line.
fn line_start(text: &[u8], marker: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        if text[from..].starts_with(marker) {
            return Some(from);
        }
        from += text[from..].iter().position(|byte| *byte == b'\n')? + 1;
    }
}

/// The first line without white space at its end, and what follows.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b'\n');
    let (line, rest) = match end {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &text[text.len()..]),
    };
    (line.trim_ascii_end(), rest)
}

/// The block whose text begins behind `-----BEGIN `.
fn block(text: &[u8]) -> Option<(Block<'_>, &[u8])> {
    let (first, mut rest) = line(text);
    let kind = first.strip_suffix(b"-----")?;
    let mut headers = Vec::new();
    loop {
        let (header, after) = line(rest);
        let Some(colon) = header.iter().position(|byte| *byte == b':') else {
            break;
        };
        let (name, value) = (&header[..colon], &header[colon + 1..]);
        headers.push((name.trim_ascii().to_vec(), value.trim_ascii().to_vec()));
        rest = after;
    }
    let end = line_start(rest, b"-----END ")?;
    let (last, after) = line(&rest[end + b"-----END ".len()..]);
    if last.strip_suffix(b"-----")? != kind {
        return None;
    }
    let body: Vec<u8> = rest[..end]
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let bytes = STANDARD.decode(body).ok()?;
    Some((
        Block {
            kind,
            headers,
            bytes,
        },
        after,
    ))
}

/// The block as PEM.
pub(super) fn encode(kind: &[u8], bytes: &[u8]) -> Vec<u8> {
    written(kind, &[], bytes)
}

fn written(kind: &[u8], headers: &[(Vec<u8>, Vec<u8>)], bytes: &[u8]) -> Vec<u8> {
    let mut out = [b"-----BEGIN ".as_slice(), kind, b"-----\n"].concat();
    let mut headers: Vec<_> = headers.iter().collect();
    // `Proc-Type` must come first (RFC 1421 §4.6.1.1); the others follow in order.
    headers.sort_by_key(|(name, _)| (name != b"Proc-Type", name.clone()));
    for (name, value) in &headers {
        out.extend([name.as_slice(), b": ", value, b"\n"].concat());
    }
    if !headers.is_empty() {
        out.push(b'\n');
    }
    for line in STANDARD.encode(bytes).as_bytes().chunks(LINE) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.extend([b"-----END ".as_slice(), kind, b"-----\n"].concat());
    out
}

/// The text from the first BEGIN on, wherever in its line that stands.
fn from_first_begin(text: &[u8]) -> &[u8] {
    let at = text.windows(10).position(|window| window == b"-----BEGIN");
    &text[at.unwrap_or(0)..]
}

/// The blocks of one type.
fn filter_pem(args: &[Value]) -> Outcome {
    let mut rest = from_first_begin(args[1].bytes());
    budget::spend(rest.len().saturating_mul(2))?;
    let mut out = Vec::new();
    while let (Some(block), after) = decode(rest) {
        rest = after;
        if same_fold(block.kind, args[0].bytes()) {
            out.extend(written(block.kind, &block.headers, &block.bytes));
        }
    }
    if out.is_empty() && !rest.is_empty() {
        return Err("error filtering pem: found junk".to_owned());
    }
    Ok(out.into())
}

fn same_fold(left: &[u8], right: &[u8]) -> bool {
    String::from_utf8_lossy(left).to_lowercase() == String::from_utf8_lossy(right).to_lowercase()
}

/// The certificates of a part of the chain: `leaf`, `intermediate` or `root`.
fn filter_cert_chain(args: &[Value]) -> Outcome {
    budget::spend(args[1].bytes().len().saturating_mul(4))?;
    let ordered = chain::ordered(args[1].bytes())?;
    let found: Vec<&Certificate> = match args[0].bytes() {
        b"leaf" => ordered
            .first()
            .filter(|leaf| !leaf.is_root())
            .into_iter()
            .collect(),
        b"intermediate" => ordered
            .iter()
            .skip(1)
            .take_while(|next| !next.is_root())
            .collect(),
        b"root" => ordered
            .last()
            .filter(|last| last.is_root())
            .into_iter()
            .collect(),
        _ => Vec::new(),
    };
    let encoded = found.iter().flat_map(|one| encode(CERTIFICATE, &one.der));
    Ok(encoded.collect::<Vec<u8>>().into())
}

/// The names of the first certificate: DNS names, addresses, e-mail addresses, URIs.
fn cert_sans(args: &[Value]) -> Outcome {
    let (block, _) = decode(from_first_begin(args[0].bytes()));
    let block = block.ok_or_else(|| "failed to decode PEM block".to_owned())?;
    budget::spend(block.bytes.len())?;
    let names = chain::alternative_names(&block.bytes)
        .map_err(|error| format!("failed to parse certificate: {error}"))?;
    Ok(List::strings(names).into())
}
