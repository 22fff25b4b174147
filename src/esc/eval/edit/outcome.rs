//! Whether an edit did what it was meant to do and nothing else.

use super::super::path::Segment;
use super::super::source::Source;
use super::super::yaml::{self, Kind, Node};
use super::{find, position};

/// What an edit was meant to do to a property.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'n> {
    /// Set it; no node is null.
    Value(Option<&'n Node>),
    /// Remove it.
    Gone,
}

/// Whether `result` is the document `old` with nothing but the property at `segments` changed.
pub(super) fn is_sound(
    old: Option<&Node>,
    result: &str,
    segments: &[Segment],
    wanted: Wanted<'_>,
) -> bool {
    let Ok(Some(new)) = yaml::parse(&Source::new(result)) else {
        return false;
    };
    let reached = find(&new, segments, 0).map(|(node, _)| node);
    let as_wanted = match (wanted, reached) {
        (Wanted::Value(Some(value)), Some(node)) => value.same(node),
        (Wanted::Value(None), Some(node)) => matches!(node.kind, Kind::Null),
        (Wanted::Gone, _) => true,
        (Wanted::Value(_), None) => false,
    };
    let removed = matches!(wanted, Wanted::Gone);
    as_wanted && old.is_none_or(|old| unchanged(old, &new, segments, removed))
}

/// Whether both are the same beside `segments`.
fn unchanged(old: &Node, new: &Node, segments: &[Segment], removed: bool) -> bool {
    let Some((first, rest)) = segments.split_first() else {
        return true;
    };
    let target = position(old, first);
    let gone = removed && rest.is_empty();
    let (before, after) = match (&old.kind, &new.kind) {
        (Kind::Null, _) => return true,
        (Kind::Object(_), Kind::Object(_)) | (Kind::List(_), Kind::List(_)) => {
            (children(old), children(new))
        }
        _ => return false,
    };
    if before.len() + usize::from(target.is_none()) != after.len() + usize::from(gone) {
        return false;
    }
    let mut after = after.into_iter();
    before.into_iter().enumerate().all(|(index, (key, child))| {
        let is_target = Some(index) == target;
        (is_target && gone)
            || after.next().is_some_and(|(other_key, other)| {
                key == other_key
                    && if is_target {
                        unchanged(child, other, rest, removed)
                    } else {
                        child.same(other)
                    }
            })
    })
}

fn children(node: &Node) -> Vec<(&str, &Node)> {
    match &node.kind {
        Kind::Object(members) => members
            .iter()
            .map(|member| (member.key.as_str(), &member.value))
            .collect(),
        Kind::List(items) => items.iter().map(|item| ("", &item.node)).collect(),
        _ => Vec::new(),
    }
}
