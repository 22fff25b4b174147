//! References: `${a.b[0]}` and its special roots.

use std::rc::Rc;

use super::ast::{Id, Kind};
use super::engine::Evaluator;
use super::interpolation::{Accessor, Step};
use super::suggest;
use super::value::{Repr, Shape, Val};

const NOT_A_CONTAINER: &str = "receiver must be an array or an object";

impl Evaluator<'_, '_> {
    /// What the accessors in expression `id` lead to. Own literals are walked without evaluating
    /// what is beside the path, so that members of one object may refer to each other.
    pub(super) fn access(&mut self, id: Id, accessors: &[Accessor]) -> Rc<Val> {
        if !self.session.spend(accessors.len()) {
            return Rc::new(self.unknown(id));
        }
        let first = accessors.first().map(|accessor| &accessor.kind);
        match first {
            Some(Step::Key(root)) if root == "imports" => {
                let imports = Rc::clone(&self.imports);
                self.access_value(id, imports, &accessors[1..])
            }
            Some(Step::Key(root)) if root == "context" => {
                let context = Rc::clone(&self.context);
                self.access_value(id, context, &accessors[1..])
            }
            Some(Step::Key(root)) if root == "environments" => {
                self.access_environment(id, accessors)
            }
            _ => self.access_own(id, accessors),
        }
    }

    fn access_own(&mut self, id: Id, accessors: &[Accessor]) -> Rc<Val> {
        let definition = Rc::clone(&self.definition);
        let Some(mut receiver) = definition.root else {
            return Rc::new(self.unknown(id));
        };
        let mut rest = accessors;
        while let Some((accessor, behind)) = rest.split_first() {
            let base = self.base_of(receiver).cloned();
            if base.as_ref().is_some_and(|base| base.is_final) {
                break;
            }
            match &definition.expr(receiver).kind {
                Kind::List(elements) => {
                    let Some(index) = self.index(id, accessor, Some(elements.len())) else {
                        return Rc::new(self.unknown(id));
                    };
                    receiver = elements[index];
                }
                Kind::Object(object) => {
                    let Some(key) = self.key(id, accessor) else {
                        return Rc::new(self.unknown(id));
                    };
                    match (object.members.get(key), base) {
                        (Some(member), _) => receiver = *member,
                        (None, Some(base)) if base.is_object() => {
                            return self.access_value(id, base, rest);
                        }
                        (None, _) => {
                            let keys = object.members.keys().map(|key| &**key);
                            return self.unknown_property(id, accessor, key, keys);
                        }
                    }
                }
                Kind::Call(call) if call.function.is_final() => {
                    receiver = call.argument;
                    continue;
                }
                _ => break,
            }
            rest = behind;
        }
        let value = self.eval(receiver);
        self.access_value(id, value, rest)
    }

    fn access_value(&mut self, id: Id, value: Rc<Val>, accessors: &[Accessor]) -> Rc<Val> {
        let mut receiver = value;
        for accessor in accessors {
            let next = match &receiver.repr {
                Repr::Unknown(Shape::Any) => return Rc::new(self.unknown(id)),
                Repr::Unknown(Shape::List) => {
                    self.index(id, accessor, None);
                    return Rc::new(self.unknown(id));
                }
                Repr::List(elements) => self
                    .index(id, accessor, Some(elements.len()))
                    .map(|index| Rc::clone(&elements[index])),
                Repr::Object(object) => match self.key(id, accessor) {
                    Some(key) => match receiver.property(key) {
                        Some(member) => Some(member),
                        None => {
                            let keys = object.members.keys().map(|key| &**key);
                            return self.unknown_property(id, accessor, key, keys);
                        }
                    },
                    None => None,
                },
                _ => {
                    self.error_in(id, accessor.span, NOT_A_CONTAINER);
                    None
                }
            };
            match next {
                Some(next) => receiver = next,
                None => return Rc::new(self.unknown(id)),
            }
        }
        receiver
    }

    /// `environments.<project>.<environment>.<path>`: imports on the spot.
    fn access_environment(&mut self, id: Id, accessors: &[Accessor]) -> Rc<Val> {
        let [_, project, environment, rest @ ..] = accessors else {
            return Rc::new(self.unknown(id));
        };
        let (Some(project), Some(environment)) = (self.key(id, project), self.key(id, environment))
        else {
            return Rc::new(self.unknown(id));
        };
        let name = format!("{project}/{environment}");
        match self.import(&name) {
            Ok(Some(value)) => self.access_value(id, value, rest),
            Ok(None) => Rc::new(self.unknown(id)),
            Err(failure) => {
                self.error(id, failure.summary(&name));
                Rc::new(self.unknown(id))
            }
        }
    }

    fn unknown_property<'k>(
        &mut self,
        id: Id,
        accessor: &Accessor,
        key: &str,
        known: impl Iterator<Item = &'k str>,
    ) -> Rc<Val> {
        let mut summary = format!("unknown property {key:?}");
        if let Some(nearest) = suggest::nearest(key, known) {
            summary.push_str(&format!("; did you mean {nearest:?}?"));
        }
        self.error_in(id, accessor.span, summary);
        Rc::new(self.unknown(id))
    }

    fn key<'k>(&mut self, id: Id, accessor: &'k Accessor) -> Option<&'k str> {
        match &accessor.kind {
            Step::Key(key) => Some(key),
            Step::Index(_) => {
                let summary = "cannot access an object property using an integer index";
                self.error_in(id, accessor.span, summary);
                None
            }
        }
    }

    /// The index an accessor means in a list of `length`, if that is known.
    fn index(&mut self, id: Id, accessor: &Accessor, length: Option<usize>) -> Option<usize> {
        let Step::Index(index) = accessor.kind else {
            let summary = "cannot access an array element using a property name";
            self.error_in(id, accessor.span, summary);
            return None;
        };
        let Ok(position) = usize::try_from(index) else {
            self.error_in(id, accessor.span, "array indices must not be negative");
            return None;
        };
        if let Some(length) = length
            && position >= length
        {
            let summary = format!("array index {index} out-of-bounds for array of length {length}");
            self.error_in(id, accessor.span, summary);
            return None;
        }
        Some(position)
    }
}
