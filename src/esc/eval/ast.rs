//! Definitions as expressions: what a document says before anything is evaluated.
//!
//! Parsing recovers: a malformed call or reference becomes an expression of unknown value, so that
//! one pass reports everything.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::call::{self, Function};
use super::interpolation::{self, Accessor, Part};
use super::path::join;
use super::source::{Source, Span};
use super::suggest;
use super::yaml::{self, Kind as Yaml, Member, Node};
use super::{Diagnostic, Severity};
use crate::secret::SecretBytes;

/// Names an expression of one definition.
pub(super) type Id = u32;

/// A parsed definition.
#[derive(Debug, Default)]
pub(super) struct Definition {
    exprs: Vec<Expr>,
    /// The object under `values`, if there is one.
    pub(super) root: Option<Id>,
    pub(super) imports: Vec<Import>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// An entry of `imports`.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) name_span: Span,
    pub(super) span: Span,
    pub(super) path: String,
    pub(super) merge: bool,
}

#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) span: Span,
    parent: Option<Id>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Key(Rc<str>),
    Index(usize),
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Not evaluable: an error has been reported.
    Broken,
    Null,
    Bool(bool),
    Number(Rc<str>),
    String(Rc<SecretBytes>),
    Interpolate(Vec<Part>),
    Symbol(Vec<Accessor>),
    List(Vec<Id>),
    Object(Object),
    Call(Call),
}

#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) entries: Vec<Entry>,
    /// The first entry of each key that may be used.
    pub(super) members: BTreeMap<Rc<str>, Id>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Rc<str>,
    pub(super) key_span: Span,
    pub(super) value: Id,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: Rc<str>,
    pub(super) name_span: Span,
    pub(super) argument: Id,
    pub(super) function: Function,
}

impl Definition {
    /// Parses `text`; diagnostics name `environment`.
    pub(super) fn parse(environment: &str, text: &str) -> Self {
        let source = Source::new(text);
        let mut definition = match yaml::parse(&source) {
            Ok(None) => Self::default(),
            Ok(Some(root)) => Parser::default().definition(root),
            Err(diagnostics) => Self {
                diagnostics,
                ..Self::default()
            },
        };
        for diagnostic in &mut definition.diagnostics {
            if let Some(range) = &mut diagnostic.range {
                environment.clone_into(&mut range.environment);
            }
        }
        definition
    }

    /// Whether an error was found.
    pub(super) fn malformed(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    pub(super) fn expr(&self, id: Id) -> &Expr {
        &self.exprs[id as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.exprs.len()
    }

    /// Path of an expression in the document: `values.foo["fn::join"][1]`.
    pub(super) fn path(&self, id: Id) -> String {
        path(&self.exprs, id)
    }
}

fn path(exprs: &[Expr], id: Id) -> String {
    let mut steps = Vec::new();
    let mut next = Some(id);
    while let Some(id) = next {
        let expr = &exprs[id as usize];
        steps.push(&expr.step);
        next = expr.parent;
    }
    steps
        .iter()
        .rev()
        .fold(String::new(), |path, step| match step {
            Step::Key(key) => join(&path, key),
            Step::Index(index) => format!("{path}[{index}]"),
        })
}

/// Builds expressions from YAML nodes.
#[derive(Default)]
pub(super) struct Parser {
    exprs: Vec<Expr>,
    diagnostics: Vec<Diagnostic>,
}

const FIELDS: [&str; 3] = ["description", "imports", "values"];

impl Parser {
    fn definition(mut self, root: Node) -> Definition {
        let mut imports = Vec::new();
        let mut values = None;
        match root.kind {
            Yaml::Null => {}
            Yaml::Object(members) => {
                let mut seen: Vec<String> = Vec::new();
                for member in members {
                    let field = member.key.to_ascii_lowercase();
                    if seen.contains(&field) {
                        let summary = format!("duplicate key {:?}", member.key);
                        self.warn(summary, member.key.clone(), member.key_node.span);
                    }
                    match field.as_str() {
                        "description" => {}
                        "imports" => imports = self.imports(member.value),
                        "values" => values = self.values(member.value),
                        _ => self.unknown_field(&member),
                    }
                    seen.push(field);
                }
            }
            _ => self.error_at("environment must be an object", String::new(), root.span),
        }
        Definition {
            exprs: self.exprs,
            root: values,
            imports,
            diagnostics: self.diagnostics,
        }
    }

    fn unknown_field(&mut self, member: &Member) {
        let mut fields = FIELDS.to_vec();
        if let Some(nearest) = suggest::nearest(&member.key, FIELDS) {
            fields.sort_by_key(|field| *field != nearest);
        }
        let summary = format!(
            "Field '{}' does not exist on Object 'environment'. Existing fields are: '{}'",
            member.key,
            fields.join("', '"),
        );
        self.warn(summary, member.key.clone(), member.key_node.span);
    }

    fn imports(&mut self, node: Node) -> Vec<Import> {
        let items = match node.kind {
            Yaml::List(items) => items,
            Yaml::Null => return Vec::new(),
            _ => {
                self.error_at("imports must be a list", "imports".to_owned(), node.span);
                return Vec::new();
            }
        };
        let mut imports = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            imports.extend(self.import(item.node, format!("imports[{index}]")));
        }
        imports
    }

    fn import(&mut self, node: Node, path: String) -> Option<Import> {
        let span = node.span;
        let mut merge = true;
        let (name, name_span) = match node.kind {
            Yaml::String(name) => (name, span),
            Yaml::Object(mut members) if members.len() == 1 => {
                let member = members.remove(0);
                let path = join(&path, &member.key);
                merge = self.merge_flag(&member.value, &path)?;
                (member.key, member.key_node.span)
            }
            Yaml::Object(_) => {
                self.error_at("import must have a single key", path, span);
                return None;
            }
            _ => {
                self.error_at("import must be a string or an object", path, span);
                return None;
            }
        };
        Some(Import {
            name,
            name_span,
            span,
            path,
            merge,
        })
    }

    fn merge_flag(&mut self, meta: &Node, path: &str) -> Option<bool> {
        let members = match &meta.kind {
            Yaml::Null => return Some(true),
            Yaml::Object(members) => members,
            _ => {
                self.error_at("import must be an object", path.to_owned(), meta.span);
                return None;
            }
        };
        let Some(merge) = members
            .iter()
            .rev()
            .find(|member| member.key.eq_ignore_ascii_case("merge"))
        else {
            return Some(true);
        };
        match merge.value.kind {
            Yaml::Bool(merge) => Some(merge),
            _ => {
                let path = join(path, &merge.key);
                self.error_at("merge must be a boolean value", path, merge.value.span);
                None
            }
        }
    }

    fn values(&mut self, node: Node) -> Option<Id> {
        let span = node.span;
        let id = self.reserve(span, None, Step::Key("values".into()));
        let members = match node.kind {
            Yaml::Object(members) => members,
            Yaml::Null => return None,
            _ => {
                self.error_at("values must be an object", "values".to_owned(), span);
                return None;
            }
        };
        for member in &members {
            if member.key.starts_with("fn::") {
                let summary = format!(
                    "builtin function call {:?} not allowed at the top level",
                    member.key
                );
                self.error_at(&summary, "values".to_owned(), member.key_node.span);
            }
        }
        let mut object = self.members(id, members);
        for reserved in RESERVED {
            object.members.remove(reserved);
        }
        object.members.retain(|key, _| !key.starts_with("fn::"));
        self.exprs[id as usize].kind = Kind::Object(object);
        Some(id)
    }

    /// Parses any node into the expression `id`, which stands under `parent`.
    fn expr(&mut self, node: Node, parent: Id, step: Step) -> Id {
        let id = self.reserve(node.span, Some(parent), step);
        let kind = match node.kind {
            Yaml::Null => Kind::Null,
            Yaml::Bool(value) => Kind::Bool(value),
            Yaml::Number(text) => Kind::Number(text.into()),
            Yaml::String(_) => self.string(node, id),
            Yaml::List(items) => Kind::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| self.expr(item.node, id, Step::Index(index)))
                    .collect(),
            ),
            Yaml::Object(members) => self.object(members, id),
        };
        self.exprs[id as usize].kind = kind;
        id
    }

    fn string(&mut self, mut node: Node, id: Id) -> Kind {
        let Yaml::String(text) = &mut node.kind else {
            return Kind::Broken;
        };
        let text = std::mem::take(text);
        if !text.contains('$') {
            return Kind::String(Rc::new(text.into()));
        }
        let path = self.path(id);
        let mut parts = interpolation::parse(&text, &node, &path, &mut self.diagnostics);
        match parts.as_mut_slice() {
            [
                Part {
                    text,
                    reference: None,
                },
            ] => Kind::String(Rc::new(std::mem::take(text).into())),
            [
                Part {
                    text,
                    reference: Some(accessors),
                },
            ] if text.is_empty() => Kind::Symbol(std::mem::take(accessors)),
            _ => Kind::Interpolate(parts),
        }
    }

    fn object(&mut self, mut members: Vec<Member>, id: Id) -> Kind {
        if members.len() == 1 {
            let name = members[0].key.as_str();
            if call::is_known(name) {
                let member = members.remove(0);
                return self.call(member, id);
            }
            if name
                .get(..4)
                .is_some_and(|prefix| prefix.eq_ignore_ascii_case("fn::"))
            {
                let span = members[0].key_node.span;
                self.error_at("'fn::' is a reserved prefix", self.path(id), span);
            }
        } else {
            for member in &members {
                if call::is_known(&member.key) {
                    let summary = format!(
                        "illegal call to builtin function: {:?} must be the only key within its \
                         containing object",
                        member.key
                    );
                    self.error(id, &summary);
                }
            }
        }
        Kind::Object(self.members(id, members))
    }

    fn members(&mut self, id: Id, members: Vec<Member>) -> Object {
        let mut object = Object::default();
        for member in members {
            let key: Rc<str> = member.key.into();
            let value = self.expr(member.value, id, Step::Key(Rc::clone(&key)));
            if !interpolation::is_literal(&key) {
                let path = self.path(value);
                let span = member.key_node.span;
                self.error_at("object keys must be strings", path, span);
                continue;
            }
            let key: Rc<str> = if key.contains("$$") {
                key.replace("$$", "$").into()
            } else {
                key
            };
            object.members.entry(Rc::clone(&key)).or_insert(value);
            object.entries.push(Entry {
                key,
                key_span: member.key_node.span,
                value,
            });
        }
        object
    }

    fn call(&mut self, member: Member, id: Id) -> Kind {
        let name: Rc<str> = member.key.into();
        // The text of a secret is taken as it is: what is encrypted is what was written.
        let raw = match &member.value.kind {
            Yaml::String(text) if &*name == "fn::secret" && interpolation::is_literal(text) => {
                Some(Rc::new(SecretBytes::from(text.as_str())))
            }
            _ => None,
        };
        let argument = self.expr(member.value, id, Step::Key(Rc::clone(&name)));
        if let Some(raw) = raw {
            self.exprs[argument as usize].kind = Kind::String(raw);
        }
        let function = call::parse(self, &name, argument);
        Kind::Call(Call {
            name,
            name_span: member.key_node.span,
            argument,
            function,
        })
    }

    fn reserve(&mut self, span: Span, parent: Option<Id>, step: Step) -> Id {
        let id = Id::try_from(self.exprs.len()).unwrap_or(Id::MAX);
        self.exprs.push(Expr {
            kind: Kind::Broken,
            span,
            parent,
            step,
        });
        id
    }

    fn path(&self, id: Id) -> String {
        path(&self.exprs, id)
    }

    /// The kind of an expression already parsed.
    pub(super) fn kind(&self, id: Id) -> &Kind {
        &self.exprs[id as usize].kind
    }

    /// Reports an error that covers an expression.
    pub(super) fn error(&mut self, id: Id, summary: &str) {
        self.error_at(summary, self.path(id), self.exprs[id as usize].span);
    }

    fn error_at(&mut self, summary: &str, path: String, span: Span) {
        self.diagnostics
            .push(yaml::diagnostic(summary.to_owned(), path, span));
    }

    fn warn(&mut self, summary: String, path: String, span: Span) {
        let mut diagnostic = yaml::diagnostic(summary, path, span);
        diagnostic.severity = Severity::Warning;
        self.diagnostics.push(diagnostic);
    }
}

/// Top-level keys that would hide a root of references.
pub(super) const RESERVED: [&str; 3] = ["context", "environments", "imports"];
