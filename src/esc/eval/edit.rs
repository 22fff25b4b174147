//! Editing one property of a definition in place.

use std::ops::Range;

use super::path::{PropertyPath, Segment};
use super::source::Source;
use super::yaml::{self, Kind, Member, Node, Style};
use super::{Diagnostic, render};

/// A change of the text.
struct Splice {
    bytes: Range<usize>,
    text: String,
}

/// Sets the property at `path` (under `values`) to the YAML in `value_yaml`.
///
/// Missing parents are created, a list may grow by one element, and what is not concerned stays
/// byte for byte as it is.
///
/// # Errors
/// What is wrong with either text, or why the path does not fit the definition.
pub fn set_property(
    text: &str,
    path: &PropertyPath,
    value_yaml: &str,
) -> Result<String, Vec<Diagnostic>> {
    let source = Source::new(text);
    let root = yaml::parse(&source)?;
    let value_source = Source::new(value_yaml);
    let value = yaml::parse(&value_source)?;
    if path.is_empty() {
        return Err(refusal("property path must not be empty"));
    }
    let segments = under_values(root.as_ref(), path);
    // Block style first because it reads better; flow style fits everywhere.
    for flow in [false, true] {
        let content = Content::new(value.as_ref(), &value_source, flow);
        let splice = match &root {
            Some(root) => {
                place(&source, root, &segments, content, flow).map_err(|at| refusal(&at))?
            }
            None => Splice {
                bytes: text.len()..text.len(),
                text: separated(
                    text,
                    &content.nested(&segments).map_err(|at| refusal(&at))?,
                    0,
                ),
            },
        };
        let result = apply(text, splice);
        if is_sound(root.as_ref(), &result, &segments, Some(value.as_ref())) {
            return Ok(result);
        }
    }
    Err(refusal(
        "failed to edit the definition in place: rewrite it as a whole",
    ))
}

/// Removes the property at `path` (under `values`); a path that does not exist changes nothing.
///
/// # Errors
/// What is wrong with the text, or why the property cannot be removed in place.
pub fn remove_property(text: &str, path: &PropertyPath) -> Result<String, Vec<Diagnostic>> {
    let source = Source::new(text);
    let Some(root) = yaml::parse(&source)? else {
        return Ok(text.to_owned());
    };
    let segments = under_values(Some(&root), path);
    let Some((last, parents)) = segments.split_last().filter(|_| !path.is_empty()) else {
        return Err(refusal("property path must not be empty"));
    };
    let Some((parent, slot)) = find(&root, parents, 0) else {
        return Ok(text.to_owned());
    };
    let entries = entries(parent);
    let Some(index) = position(parent, last) else {
        return Ok(text.to_owned());
    };
    let splice = removal(&source, parent, slot, &entries, index);
    let result = apply(text, splice);
    if is_sound(Some(&root), &result, &segments, None) {
        Ok(result)
    } else {
        Err(refusal(
            "failed to edit the definition in place: rewrite it as a whole",
        ))
    }
}

/// The path from the root of the document. Of several `values` the last one counts.
fn under_values(root: Option<&Node>, path: &PropertyPath) -> Vec<Segment> {
    let key = root
        .and_then(Node::members)
        .and_then(|members| members.iter().rev().find(|member| is_values(member)))
        .map_or("values", |member| member.key.as_str());
    std::iter::once(Segment::Key(key.to_owned()))
        .chain(path.segments().iter().cloned())
        .collect()
}

fn is_values(member: &Member) -> bool {
    member.key.eq_ignore_ascii_case("values")
}

/// A value to be written, as text for either style.
struct Content {
    inline: String,
    /// In block style, without indentation; `None` if it fits on the line of its key.
    lines: Option<Vec<String>>,
}

impl Content {
    fn new(value: Option<&Node>, source: &Source<'_>, flow: bool) -> Self {
        let Some(value) = value else {
            return Self {
                inline: "null".to_owned(),
                lines: None,
            };
        };
        let verbatim = &source.text[value.bytes.clone()];
        let one_line = !verbatim.contains('\n') && !verbatim.is_empty();
        let block = value.style == Style::Block;
        let inline = if flow || block || !one_line {
            render::flow(value)
        } else {
            verbatim.to_owned()
        };
        let lines = (block && !flow).then(|| {
            let start = source.line_start(value.bytes.start);
            let indent = value.bytes.start - start;
            source.text[value.bytes.start..value.bytes.end]
                .lines()
                .enumerate()
                .map(|(number, line)| {
                    let cut = if number == 0 {
                        0
                    } else {
                        indent.min(line.len() - line.trim_start_matches(' ').len())
                    };
                    line[cut..].to_owned()
                })
                .collect()
        });
        Self { inline, lines }
    }

    /// The value under `segments`, in block style.
    fn nested(&self, segments: &[Segment]) -> Result<Vec<String>, String> {
        let Some((first, rest)) = segments.split_first() else {
            return Ok(self
                .lines
                .clone()
                .unwrap_or_else(|| vec![self.inline.clone()]));
        };
        let inner = self.nested(rest)?;
        match first {
            Segment::Key(key) => {
                let key = render::scalar(key);
                if rest.is_empty() && self.lines.is_none() {
                    return Ok(vec![format!("{key}: {}", self.inline)]);
                }
                let inner = inner.into_iter().map(|line| indented(&line, 2));
                Ok(std::iter::once(format!("{key}:")).chain(inner).collect())
            }
            Segment::Index(0) => Ok(inner
                .into_iter()
                .enumerate()
                .map(|(number, line)| match number {
                    0 => format!("- {line}"),
                    _ => indented(&line, 2),
                })
                .collect()),
            Segment::Index(_) => Err("array index out of range".to_owned()),
        }
    }

    /// The value under `segments`, in flow style.
    fn nested_flow(&self, segments: &[Segment]) -> Result<String, String> {
        let Some((first, rest)) = segments.split_first() else {
            return Ok(self.inline.clone());
        };
        let inner = self.nested_flow(rest)?;
        match first {
            Segment::Key(key) => Ok(format!("{{{}: {inner}}}", render::scalar(key))),
            Segment::Index(0) => Ok(format!("[{inner}]")),
            Segment::Index(_) => Err("array index out of range".to_owned()),
        }
    }
}

fn indented(line: &str, indent: usize) -> String {
    if line.is_empty() {
        return String::new();
    }
    format!("{}{line}", " ".repeat(indent))
}

/// Lines behind existing text, each with its indentation.
fn separated(before: &str, lines: &[String], indent: usize) -> String {
    let mut text = String::new();
    if !before.is_empty() && !before.ends_with('\n') {
        text.push('\n');
    }
    for line in lines {
        text.push_str(&indented(line, indent));
        text.push('\n');
    }
    text
}

/// Where a node stands in its parent.
#[derive(Clone, Copy)]
struct Spot {
    /// The byte behind its key's colon or its dash.
    slot: usize,
    /// Column of its key or dash, from 0.
    indent: usize,
    flow: bool,
}

/// The change that puts `content` at `segments` below `root`.
fn place(
    source: &Source<'_>,
    root: &Node,
    segments: &[Segment],
    content: Content,
    flow: bool,
) -> Result<Splice, String> {
    let mut node = root;
    let mut spot = Spot {
        slot: root.bytes.start,
        indent: 0,
        flow: root.style == Style::Flow,
    };
    let mut rest = segments;
    while let Some((first, behind)) = rest.split_first() {
        let at = PropertyPath::from_iter(segments[1..segments.len() - behind.len()].to_vec());
        match (&node.kind, first) {
            (Kind::Null, _) => break,
            (Kind::Object(_), Segment::Index(_)) => {
                return Err(format!("{at}: key for a map must be a string"));
            }
            (Kind::List(_), Segment::Key(_)) => {
                return Err(format!("{at}: key for an array must be an int"));
            }
            (Kind::List(items), Segment::Index(index)) if *index > items.len() => {
                return Err(format!("{at}: array index out of range"));
            }
            (Kind::Object(_) | Kind::List(_), _) => {}
            _ => return Err(format!("{at}: expected an array or an object")),
        }
        let entries = entries(node);
        let Some(index) = position(node, first) else {
            return insertion(source, node, &entries, rest, &content, flow);
        };
        let entry = &entries[index];
        spot = Spot {
            slot: entry.slot,
            indent: entry.start - source.line_start(entry.start),
            flow: spot.flow || node.style == Style::Flow,
        };
        node = entry.value;
        rest = behind;
    }
    replacement(source, node, spot, rest, &content, flow)
}

fn replacement(
    source: &Source<'_>,
    node: &Node,
    spot: Spot,
    rest: &[Segment],
    content: &Content,
    flow: bool,
) -> Result<Splice, String> {
    let gap = source.text.get(spot.slot..node.bytes.start).unwrap_or("x");
    let adjacent = gap.trim().is_empty() && spot.slot <= node.bytes.start;
    let in_block = !spot.flow && !flow && (content.lines.is_some() || !rest.is_empty());
    if in_block && adjacent {
        let lines = content.nested(rest)?;
        let lines: Vec<_> = lines
            .iter()
            .map(|line| indented(line, spot.indent + 2))
            .collect();
        return Ok(Splice {
            bytes: spot.slot..node.bytes.end.max(spot.slot),
            text: format!("\n{}", lines.join("\n")),
        });
    }
    let mut text = content.nested_flow(rest)?;
    let mut bytes = node.bytes.clone();
    if let Style::BlockScalar { header_end } = node.style {
        text.push_str(&source.text[header_end..source.line_end(header_end)]);
    } else if bytes.is_empty() || (node.style == Style::Block && adjacent) {
        bytes.start = spot.slot.min(bytes.start);
        text.insert(0, ' ');
    }
    Ok(Splice { bytes, text })
}

/// The change that adds an entry to a collection that lacks it.
fn insertion(
    source: &Source<'_>,
    node: &Node,
    entries: &[Entry<'_>],
    rest: &[Segment],
    content: &Content,
    flow: bool,
) -> Result<Splice, String> {
    // An index that is missing is the next one.
    let mut rest = rest.to_vec();
    if let Some(Segment::Index(index)) = rest.first_mut() {
        *index = 0;
    }
    if node.style == Style::Flow {
        let nested = content.nested_flow(&rest)?;
        let inner = nested[1..nested.len() - 1].to_owned();
        let (at, text) = match entries.last() {
            Some(last) => (last.end(), format!(", {inner}")),
            None => (node.bytes.start + 1, inner),
        };
        return Ok(Splice {
            bytes: at..at,
            text,
        });
    }
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Err("failed to find a place for the property".to_owned());
    };
    let lines = if flow {
        let nested = content.nested_flow(&rest)?;
        let inner = &nested[1..nested.len() - 1];
        vec![match rest.first() {
            Some(Segment::Index(_)) => format!("- {inner}"),
            _ => inner.to_owned(),
        }]
    } else {
        content.nested(&rest)?
    };
    let indent = first.start - source.line_start(first.start);
    let lines: Vec<_> = lines.iter().map(|line| indented(line, indent)).collect();
    let at = source.line_end(last.end());
    Ok(Splice {
        bytes: at..at,
        text: format!("\n{}", lines.join("\n")),
    })
}

/// An element or member, as the text has it.
struct Entry<'n> {
    start: usize,
    slot: usize,
    value: &'n Node,
}

impl Entry<'_> {
    fn end(&self) -> usize {
        self.value.bytes.end.max(self.slot)
    }
}

fn entries(node: &Node) -> Vec<Entry<'_>> {
    match &node.kind {
        Kind::Object(members) => members
            .iter()
            .map(|member| Entry {
                start: member.key_node.bytes.start,
                slot: member.slot,
                value: &member.value,
            })
            .collect(),
        Kind::List(items) => items
            .iter()
            .map(|item| Entry {
                start: item.dash,
                slot: match node.style {
                    Style::Flow => item.dash,
                    _ => item.dash + 1,
                },
                value: &item.node,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn position(node: &Node, segment: &Segment) -> Option<usize> {
    match (&node.kind, segment) {
        (Kind::Object(members), Segment::Key(key)) => {
            members.iter().position(|member| member.key == *key)
        }
        (Kind::List(items), Segment::Index(index)) => (*index < items.len()).then_some(*index),
        _ => None,
    }
}

/// The node at `segments` below `node`, and the byte behind the colon or dash before it.
fn find<'n>(node: &'n Node, segments: &[Segment], slot: usize) -> Option<(&'n Node, usize)> {
    let Some((first, rest)) = segments.split_first() else {
        return Some((node, slot));
    };
    let index = position(node, first)?;
    let entry = entries(node).swap_remove(index);
    find(entry.value, rest, entry.slot)
}

fn removal(
    source: &Source<'_>,
    parent: &Node,
    slot: usize,
    entries: &[Entry<'_>],
    index: usize,
) -> Splice {
    let entry = &entries[index];
    let delete = |bytes: Range<usize>| Splice {
        bytes,
        text: String::new(),
    };
    if entries.len() == 1 {
        let empty = match parent.kind {
            Kind::List(_) => "[]",
            _ => "{}",
        };
        let gap = source.text.get(slot..parent.bytes.start).unwrap_or("x");
        let own_line = parent.style == Style::Block && gap.trim().is_empty() && slot > 0;
        return Splice {
            bytes: if own_line { slot } else { parent.bytes.start }
                ..entry.end().max(parent.bytes.end),
            text: if own_line {
                format!(" {empty}")
            } else {
                empty.to_owned()
            },
        };
    }
    if parent.style == Style::Flow {
        return match entries.get(index + 1) {
            Some(next) => delete(entry.start..next.start),
            None => delete(entries[index - 1].end()..entry.end()),
        };
    }
    let line = source.line_start(entry.start);
    let alone = source.text[line..entry.start].trim().is_empty();
    match entries.get(index + 1) {
        Some(next) if !alone => delete(entry.start..next.start),
        _ => {
            let end = source.line_end(entry.end());
            let behind = (end + 1).min(source.text.len());
            delete(line..behind)
        }
    }
}

fn apply(text: &str, splice: Splice) -> String {
    let mut result = text.to_owned();
    result.replace_range(splice.bytes, &splice.text);
    result
}

/// Whether `result` is the old document with nothing but the property at `segments` changed: to
/// `value`, or gone if there is none.
fn is_sound(
    old: Option<&Node>,
    result: &str,
    segments: &[Segment],
    value: Option<Option<&Node>>,
) -> bool {
    let Ok(Some(new)) = yaml::parse(&Source::new(result)) else {
        return false;
    };
    let reached = find(&new, segments, 0).map(|(node, _)| node);
    let as_wanted = match (value, reached) {
        (Some(Some(value)), Some(node)) => value.same(node),
        (Some(None), Some(node)) => matches!(node.kind, Kind::Null),
        (None, _) => true,
        _ => false,
    };
    as_wanted && old.is_none_or(|old| unchanged(old, &new, segments, value.is_none()))
}

/// Whether both are the same beside `segments`.
fn unchanged(old: &Node, new: &Node, segments: &[Segment], removed: bool) -> bool {
    let Some((first, rest)) = segments.split_first() else {
        return true;
    };
    let target = position(old, first);
    match (&old.kind, &new.kind) {
        (Kind::Null, _) => true,
        (Kind::Object(before), Kind::Object(after)) => {
            let gone = usize::from(removed && rest.is_empty());
            let grown = usize::from(target.is_none());
            let same_length = before.len() + grown == after.len() + gone;
            let mut after = after.iter();
            same_length
                && before.iter().enumerate().all(|(index, member)| {
                    if Some(index) == target && gone == 1 {
                        return true;
                    }
                    after.next().is_some_and(|other| {
                        member.key == other.key
                            && if Some(index) == target {
                                unchanged(&member.value, &other.value, rest, removed)
                            } else {
                                member.value.same(&other.value)
                            }
                    })
                })
        }
        (Kind::List(before), Kind::List(after)) => {
            let gone = usize::from(removed && rest.is_empty());
            let grown = usize::from(target.is_none());
            let same_length = before.len() + grown == after.len() + gone;
            let mut after = after.iter();
            same_length
                && before.iter().enumerate().all(|(index, item)| {
                    if Some(index) == target && gone == 1 {
                        return true;
                    }
                    after.next().is_some_and(|other| {
                        if Some(index) == target {
                            unchanged(&item.node, &other.node, rest, removed)
                        } else {
                            item.node.same(&other.node)
                        }
                    })
                })
        }
        _ => false,
    }
}

fn refusal(summary: &str) -> Vec<Diagnostic> {
    let mut diagnostic = yaml::diagnostic(
        summary.to_owned(),
        String::new(),
        super::source::Span::default(),
    );
    diagnostic.range = None;
    vec![diagnostic]
}
