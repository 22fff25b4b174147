//! A definition's expressions for clients that show where values are defined.

use std::collections::BTreeMap;

use super::Range;
use super::ast::{Definition, Id, Kind};
use super::interpolation::{Accessor, Step};
use super::path::{PropertyPath, Segment};
use super::session::range_of;

/// An expression of a definition.
#[derive(Debug, PartialEq, Eq)]
pub struct Expr {
    /// Where it stands.
    pub range: Range,
    /// What it is.
    pub kind: ExprKind,
}

/// What an expression is. Texts of `fn::secret` are left out: their literal is null.
#[derive(Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// A null, or something malformed.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number as normalised text.
    Number(String),
    /// A text without references.
    String(String),
    /// A text with references: runs of text, each with the reference behind it.
    Interpolate(Vec<(String, Option<PropertyPath>)>),
    /// A reference alone.
    Symbol(PropertyPath),
    /// A list.
    List(Vec<Expr>),
    /// An object: by key, where the key stands and the value.
    Object(BTreeMap<String, (Range, Expr)>),
    /// A builtin call.
    Builtin {
        /// `fn::…`.
        name: String,
        /// Where the name stands.
        name_range: Range,
        /// The whole argument.
        argument: Box<Expr>,
    },
}

/// The expressions under `values` of a definition, by top-level key; none if the text is no YAML.
/// `name` is the environment's name for ranges.
#[must_use]
pub fn expressions(name: &str, text: &str) -> BTreeMap<String, Expr> {
    let definition = Definition::parse(name, text);
    let view = View {
        name,
        definition: &definition,
    };
    let root = definition.root.map(|root| view.expr(root).kind);
    match root {
        Some(ExprKind::Object(members)) => members
            .into_iter()
            .map(|(key, (_, member))| (key, member))
            .collect(),
        _ => BTreeMap::new(),
    }
}

struct View<'v> {
    name: &'v str,
    definition: &'v Definition,
}

impl View<'_> {
    fn expr(&self, id: Id) -> Expr {
        let expr = self.definition.expr(id);
        let kind = match &expr.kind {
            Kind::Broken | Kind::Null => ExprKind::Null,
            Kind::Bool(value) => ExprKind::Bool(*value),
            Kind::Number(text) => ExprKind::Number(text.to_string()),
            Kind::String(text) => {
                ExprKind::String(text.expose_str().unwrap_or_default().to_owned())
            }
            Kind::Interpolate(parts) => ExprKind::Interpolate(
                parts
                    .iter()
                    .map(|part| (part.text.clone(), part.reference.as_deref().map(path)))
                    .collect(),
            ),
            Kind::Symbol(accessors) => ExprKind::Symbol(path(accessors)),
            Kind::List(elements) => {
                ExprKind::List(elements.iter().map(|id| self.expr(*id)).collect())
            }
            Kind::Object(object) => {
                let members = object.entries.iter().rev().map(|entry| {
                    let range = range_of(self.name, entry.key_span);
                    (entry.key.to_string(), (range, self.expr(entry.value)))
                });
                ExprKind::Object(members.collect())
            }
            Kind::Call(call) => {
                let mut argument = self.expr(call.argument);
                if &*call.name == "fn::secret" && matches!(argument.kind, ExprKind::String(_)) {
                    argument.kind = ExprKind::Null;
                }
                ExprKind::Builtin {
                    name: call.name.to_string(),
                    name_range: range_of(self.name, call.name_span),
                    argument: Box::new(argument),
                }
            }
        };
        Expr {
            range: range_of(self.name, expr.span),
            kind,
        }
    }
}

fn path(accessors: &[Accessor]) -> PropertyPath {
    accessors
        .iter()
        .map(|accessor| match &accessor.kind {
            Step::Key(key) => Segment::Key(key.clone()),
            Step::Index(index) => Segment::Index(usize::try_from(*index).unwrap_or_default()),
        })
        .collect()
}
