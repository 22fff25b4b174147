//! Makes a template smaller as long as what is wrong with it stays.

use anyhow::Result;

use crate::generator::Case;

/// The smallest template found for which `holds`, by leaving parts out and putting plain values for
/// what stands in brackets.
pub(crate) fn smallest(case: &Case, mut holds: impl FnMut(&Case) -> Result<bool>) -> Result<Case> {
    let mut best = case.clone();
    loop {
        let mut smaller = None;
        for template in candidates(&best.template) {
            let candidate = Case {
                template,
                ..best.clone()
            };
            if holds(&candidate)? {
                smaller = Some(candidate);
                break;
            }
        }
        match smaller {
            Some(candidate) => best = candidate,
            None => return Ok(best),
        }
    }
}

/// Shorter templates, the shortest first.
fn candidates(template: &str) -> Vec<String> {
    let parts = parts(template);
    let mut out = Vec::new();
    for length in (1..=parts.len()).rev() {
        for start in 0..=parts.len() - length {
            let kept = parts[..start].iter().chain(&parts[start + length..]);
            out.push(kept.copied().collect());
        }
    }
    for (from, to) in brackets(template) {
        for plain in ["1", "\"a\"", "(list)", "(dict)"] {
            if plain.len() < to - from {
                out.push(format!("{}{plain}{}", &template[..from], &template[to..]));
            }
        }
        let inner = &template[from + 1..to - 1];
        out.push(format!("{}{inner}{}", &template[..from], &template[to..]));
        out.push(format!("{{{{{inner}}}}}"));
    }
    out.retain(|candidate| candidate.len() < template.len());
    out.sort_by_key(String::len);
    out.dedup();
    out
}

/// The template's actions and the texts between them.
fn parts(template: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let end = rest[start..]
            .find("}}")
            .map_or(rest.len(), |end| start + end + 2);
        parts.push(&rest[..start]);
        parts.push(&rest[start..end]);
        rest = &rest[end..];
    }
    parts.push(rest);
    parts.retain(|part| !part.is_empty());
    parts
}

/// Where brackets open and close.
fn brackets(template: &str) -> Vec<(usize, usize)> {
    let (mut open, mut pairs) = (Vec::new(), Vec::new());
    for (at, byte) in template.bytes().enumerate() {
        match byte {
            b'(' => open.push(at),
            b')' => pairs.extend(open.pop().map(|from| (from, at + 1))),
            _ => {}
        }
    }
    pairs
}
