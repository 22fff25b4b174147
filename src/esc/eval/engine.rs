//! Evaluation of one environment: every expression at most once, when it is first needed.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ast::{Definition, Id, Import, Kind, RESERVED};
use super::convert;
use super::interpolation::Part;
use super::session::{Imported, MAX_DOCUMENT, Session};
use super::source::Span;
use super::value::{Def, MAX_HEIGHT, Members, Repr, Shape, Val, merge, overlay};
use super::yaml;
use super::{Decrypter, Severity};

/// The name of an environment that is not stored.
pub(super) const ANONYMOUS: &str = "<yaml>";

/// An expression's progress.
#[derive(Default)]
enum State {
    #[default]
    Untouched,
    Evaluating,
    Done(Rc<Val>),
}

#[derive(Default)]
struct Slot {
    base: Option<Rc<Val>>,
    state: State,
}

/// Evaluates one environment.
pub(super) struct Evaluator<'e, 'a> {
    pub(super) session: &'e mut Session<'a>,
    pub(super) file: u32,
    pub(super) definition: Rc<Definition>,
    pub(super) decrypter: &'e dyn Decrypter,
    pub(super) imports: Rc<Val>,
    pub(super) context: Rc<Val>,
    root_name: Rc<str>,
    base: Option<Rc<Val>>,
    slots: Vec<Slot>,
}

/// An environment's identity: the legacy project is elided.
pub(super) fn identity(name: &str) -> &str {
    name.strip_prefix("default/").unwrap_or(name)
}

impl<'e, 'a> Evaluator<'e, 'a> {
    /// Prepares the evaluation of `file`; `root` is the root environment's name if this is not it.
    pub(super) fn new(
        session: &'e mut Session<'a>,
        file: u32,
        decrypter: &'e dyn Decrypter,
        root: Option<&Rc<str>>,
    ) -> Self {
        let entry = &session.files[file as usize];
        let definition = Rc::clone(&entry.definition);
        let name = Rc::clone(&entry.name);
        let root_name = match root {
            Some(root) if !root.is_empty() && **root != *ANONYMOUS => Rc::clone(root),
            _ => Rc::clone(&name),
        };
        let nothing = Def { file, id: None };
        let context = Rc::new(context(nothing, session, &name, &root_name));
        let mut slots = Vec::new();
        slots.resize_with(definition.len(), Slot::default);
        Self {
            session,
            file,
            definition,
            decrypter,
            imports: Rc::new(Val::object(nothing, Members::new())),
            context,
            root_name,
            base: None,
            slots,
        }
    }

    /// The environment's value.
    pub(super) fn run(&mut self) -> Rc<Val> {
        self.import_all();
        let Some(root) = self.definition.root else {
            let nothing = self.def(None);
            let empty = || Rc::new(Val::object(nothing, Members::new()));
            return self.base.clone().unwrap_or_else(empty);
        };
        self.report_reserved(root);
        let base = self.base.clone();
        self.declare(root, base);
        self.eval(root)
    }

    pub(super) fn def(&self, id: Option<Id>) -> Def {
        Def {
            file: self.file,
            id,
        }
    }

    pub(super) fn error(&mut self, id: Id, summary: impl Into<String>) {
        let at = (self.file, id);
        self.session
            .report(Severity::Error, at, None, summary.into());
    }

    pub(super) fn error_in(&mut self, id: Id, span: Option<Span>, summary: impl Into<String>) {
        let at = (self.file, id);
        self.session
            .report(Severity::Error, at, span, summary.into());
    }

    pub(super) fn base_of(&self, id: Id) -> Option<&Rc<Val>> {
        self.slots[id as usize].base.as_ref()
    }

    fn report_reserved(&mut self, root: Id) {
        let definition = Rc::clone(&self.definition);
        if let Kind::Object(object) = &definition.expr(root).kind {
            for entry in &object.entries {
                if RESERVED.contains(&&*entry.key) {
                    let summary = format!("{:?} is a reserved key", entry.key);
                    self.error_in(entry.value, Some(entry.key_span), summary);
                }
            }
        }
    }

    /// Hands bases down the literals and reports duplicate keys.
    fn declare(&mut self, id: Id, base: Option<Rc<Val>>) {
        let definition = Rc::clone(&self.definition);
        match &definition.expr(id).kind {
            Kind::Object(object) => {
                for entry in &object.entries {
                    match object.members.get(&entry.key) {
                        Some(value) if *value == entry.value => {
                            let base = base.as_ref().and_then(|base| base.property(&entry.key));
                            self.declare(entry.value, base);
                        }
                        Some(_) => {
                            let summary = format!("duplicate key {:?}", entry.key);
                            self.error_in(entry.value, Some(entry.key_span), summary);
                        }
                        None => {}
                    }
                }
            }
            Kind::List(elements) => elements.iter().for_each(|id| self.declare(*id, None)),
            Kind::Call(call) => {
                let transparent = call.function.is_final();
                let base = base.clone().filter(|_| transparent);
                self.declare(call.argument, base);
            }
            _ => {}
        }
        self.slots[id as usize].base = base;
    }

    fn import_all(&mut self) {
        let definition = Rc::clone(&self.definition);
        let mut listed = Members::new();
        for import in &definition.imports {
            let Some(value) = self.import_listed(import) else {
                continue;
            };
            listed.insert(import.name.as_str().into(), Rc::clone(&value));
            if import.merge {
                self.base = Some(match &self.base {
                    Some(base) => merge(&value, base, &mut |steps| self.session.spend(steps)),
                    None => value,
                });
            }
        }
        self.imports = Rc::new(Val::object(self.def(None), listed));
    }

    fn import_listed(&mut self, import: &Import) -> Option<Rc<Val>> {
        self.import(&import.name).unwrap_or_else(|failure| {
            let span = match failure {
                ImportFailure::Cyclic => import.span,
                ImportFailure::Load(_) => import.name_span,
            };
            let summary = failure.summary(&import.name);
            let mut diagnostic = yaml::diagnostic(summary, import.path.clone(), span);
            if let Some(range) = &mut diagnostic.range {
                range.environment = self.session.files[self.file as usize].name.to_string();
            }
            self.session.push(diagnostic);
            None
        })
    }

    /// The value of another environment, evaluated at its first use; `None` if its own errors,
    /// already reported, leave it without one.
    pub(super) fn import(&mut self, name: &str) -> Result<Option<Rc<Val>>, ImportFailure> {
        let identity = identity(name);
        match self.session.imported.get(identity) {
            Some(Imported::Evaluating) => return Err(ImportFailure::Cyclic),
            Some(Imported::Done(value)) => return Ok(value.clone()),
            Some(Imported::Failed(reason)) => return Err(ImportFailure::Load(reason.clone())),
            None => {}
        }
        let outcome = self.load(identity, name);
        let state = match &outcome {
            Ok(value) => Imported::Done(value.clone()),
            Err(ImportFailure::Load(reason)) => Imported::Failed(reason.clone()),
            Err(ImportFailure::Cyclic) => Imported::Evaluating,
        };
        self.session.imported.insert(identity.to_owned(), state);
        outcome
    }

    fn load(&mut self, identity: &str, name: &str) -> Result<Option<Rc<Val>>, ImportFailure> {
        if !self.session.may_import() {
            let reason = "too many environments are imported".to_owned();
            return Err(ImportFailure::Load(reason));
        }
        let loaded = self
            .session
            .loader
            .load(name)
            .map_err(ImportFailure::Load)?;
        if loaded.text.len() > MAX_DOCUMENT {
            return Err(ImportFailure::Load("definition is too large".to_owned()));
        }
        if !self.session.enter() {
            let reason = "imports are nested too deeply".to_owned();
            return Err(ImportFailure::Load(reason));
        }
        let definition = Definition::parse(identity, &loaded.text);
        let malformed = definition.malformed();
        let file = self.session.add_file(identity, definition);
        let mut value = None;
        if !malformed {
            self.session
                .imported
                .insert(identity.to_owned(), Imported::Evaluating);
            let root = Rc::clone(&self.root_name);
            let mut evaluator = Evaluator::new(self.session, file, &*loaded.decrypter, Some(&root));
            value = Some(evaluator.run());
        }
        self.session.leave();
        Ok(value)
    }

    /// The value of an expression, merged with its base.
    pub(super) fn eval(&mut self, id: Id) -> Rc<Val> {
        match &self.slots[id as usize].state {
            State::Done(value) => return Rc::clone(value),
            State::Evaluating => {
                let path = self.definition.path(id);
                let path = path.strip_prefix("values.").unwrap_or(&path).to_owned();
                self.error(id, format!("cyclic reference to {path}"));
                return Rc::new(self.unknown(id));
            }
            State::Untouched => {}
        }
        if !self.session.spend(1) {
            return Rc::new(self.unknown(id));
        }
        if !self.session.enter() {
            self.error(id, "expression is nested too deeply");
            return Rc::new(self.unknown(id));
        }
        self.slots[id as usize].state = State::Evaluating;
        let value = self.eval_merged(id);
        self.session.leave();
        self.slots[id as usize].state = State::Done(Rc::clone(&value));
        value
    }

    fn eval_merged(&mut self, id: Id) -> Rc<Val> {
        let base = self.slots[id as usize].base.clone();
        if let Some(base) = base.as_ref().filter(|base| base.is_final) {
            let summary = "cannot override final value".to_owned();
            self.session
                .report(Severity::Warning, (self.file, id), None, summary);
            return Rc::clone(base);
        }
        let definition = Rc::clone(&self.definition);
        let value = match &definition.expr(id).kind {
            Kind::Object(object) => return self.object(id, &object.members, base.as_ref()),
            Kind::Broken => self.unknown(id),
            Kind::Null => Val::new(self.def(Some(id)), Repr::Null),
            Kind::Bool(value) => Val::new(self.def(Some(id)), Repr::Bool(*value)),
            Kind::Number(text) => Val::new(self.def(Some(id)), Repr::Number(Rc::clone(text))),
            Kind::String(text) => Val::new(self.def(Some(id)), Repr::String(Rc::clone(text))),
            Kind::Interpolate(parts) => self.interpolate(id, parts),
            Kind::Symbol(accessors) => {
                let target = self.access(id, accessors);
                let mut copy = Val::clone(&target);
                copy.def = self.def(Some(id));
                copy.is_final = false;
                copy
            }
            Kind::List(elements) => {
                let elements = elements.iter().map(|id| self.eval(*id)).collect();
                Val::list(self.def(Some(id)), elements)
            }
            Kind::Call(call) => return self.merged_call(id, call, base.as_ref()),
        };
        self.merged(id, Rc::new(value), base.as_ref())
    }

    fn merged_call(&mut self, id: Id, call: &super::ast::Call, base: Option<&Rc<Val>>) -> Rc<Val> {
        let value = self.call(id, call);
        self.merged(id, value, base)
    }

    fn merged(&mut self, id: Id, value: Rc<Val>, base: Option<&Rc<Val>>) -> Rc<Val> {
        let value = match base {
            Some(base) => merge(&value, base, &mut |steps| self.session.spend(steps)),
            None => value,
        };
        self.within_height(id, value)
    }

    fn object(
        &mut self,
        id: Id,
        members: &BTreeMap<Rc<str>, Id>,
        base: Option<&Rc<Val>>,
    ) -> Rc<Val> {
        let members = members
            .iter()
            .map(|(key, id)| (Rc::clone(key), self.eval(*id)))
            .collect();
        let repr = Repr::Object(overlay(members, base));
        let value = Rc::new(Val::new(self.def(Some(id)), repr));
        self.within_height(id, value)
    }

    fn within_height(&mut self, id: Id, value: Rc<Val>) -> Rc<Val> {
        if value.height <= MAX_HEIGHT {
            return value;
        }
        self.error(id, "value is nested too deeply");
        Rc::new(self.unknown(id))
    }

    pub(super) fn unknown(&self, id: Id) -> Val {
        Val::unknown(self.def(Some(id)), Shape::Any)
    }

    fn interpolate(&mut self, id: Id, parts: &[Part]) -> Val {
        let mut text = convert::Buffer::new(self.session.bytes_left());
        let (mut secret, mut unknown) = (false, false);
        for part in parts {
            text.push(part.text.as_bytes());
            if let Some(accessors) = &part.reference {
                let value = self.access(id, accessors);
                secret |= value.contains_secret;
                unknown |= value.contains_unknown;
                if !unknown {
                    convert::text(&value, &mut text);
                }
            }
        }
        let def = self.def(Some(id));
        let value = if unknown || !self.session.spend_bytes(text.spent()) {
            Val::unknown(def, Shape::String)
        } else {
            Val::string(def, text.finish())
        };
        value.secret_if(secret)
    }
}

/// Why an import gave no value.
pub(super) enum ImportFailure {
    Cyclic,
    Load(String),
}

impl ImportFailure {
    pub(super) fn summary(self, name: &str) -> String {
        match self {
            Self::Cyclic => format!("cyclic import of {name}"),
            Self::Load(reason) => reason,
        }
    }
}

/// What `${context.…}` refers to.
fn context(def: Def, session: &Session<'_>, name: &str, root: &str) -> Val {
    let caller = session.caller;
    let text = |text: &str| Rc::new(Val::string(def, text));
    let object = |members: Vec<(&str, Rc<Val>)>| {
        let members = members
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect();
        Rc::new(Val::object(def, members))
    };
    let user = object(vec![
        ("login", text(&caller.user_login)),
        ("id", text(&caller.user_id)),
    ]);
    let organization = object(vec![("login", text(&caller.organization))]);
    let context = object(vec![
        (
            "pulumi",
            object(vec![("user", user), ("organization", organization)]),
        ),
        ("currentEnvironment", object(vec![("name", text(name))])),
        ("rootEnvironment", object(vec![("name", text(root))])),
    ]);
    Rc::unwrap_or_clone(context)
}
