//! Values while they are evaluated: shared, immutable, with what is asked of them often kept at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::ast::Id;
use crate::secret::SecretBytes;

/// Deepest nesting of a value. References can nest deeper than any text.
pub(super) const MAX_HEIGHT: u16 = 128;

/// The expression that made a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Def {
    pub(super) file: u32,
    /// `None` for a value that no expression made.
    pub(super) id: Option<Id>,
}

pub(super) type Members = BTreeMap<Rc<str>, Rc<Val>>;

#[derive(Clone, Debug)]
pub(super) enum Repr {
    Null,
    Bool(bool),
    Number(Rc<str>),
    String(Rc<SecretBytes>),
    List(Rc<[Rc<Val>]>),
    Object(ObjectRepr),
    Unknown(Shape),
}

#[derive(Clone, Debug)]
pub(super) struct ObjectRepr {
    /// All members, those of bases included.
    pub(super) members: Rc<Members>,
    /// The keys that are not inherited, if some are.
    own: Option<Rc<BTreeSet<Rc<str>>>>,
    /// Whether a base is unknown, so that any further member may exist.
    pub(super) open: bool,
}

/// What is known of an unknown value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Any,
    String,
    List,
}

#[derive(Clone, Debug)]
pub(super) struct Val {
    pub(super) def: Def,
    pub(super) repr: Repr,
    pub(super) secret: bool,
    /// Importers may not override it.
    pub(super) is_final: bool,
    pub(super) contains_secret: bool,
    pub(super) contains_unknown: bool,
    pub(super) height: u16,
}

impl Val {
    pub(super) fn new(def: Def, repr: Repr) -> Self {
        let mut val = Self {
            def,
            repr: Repr::Null,
            secret: false,
            is_final: false,
            contains_secret: false,
            contains_unknown: matches!(repr, Repr::Unknown(_)),
            height: 0,
        };
        match &repr {
            Repr::List(elements) => val.contain(elements.iter()),
            Repr::Object(object) => val.contain(object.members.values()),
            _ => {}
        }
        val.repr = repr;
        val
    }

    fn contain<'v>(&mut self, children: impl Iterator<Item = &'v Rc<Self>>) {
        for child in children {
            self.contains_secret |= child.contains_secret;
            self.contains_unknown |= child.contains_unknown;
            self.height = self.height.max(child.height + 1);
        }
    }

    pub(super) fn unknown(def: Def, shape: Shape) -> Self {
        Self::new(def, Repr::Unknown(shape))
    }

    pub(super) fn string(def: Def, bytes: impl Into<SecretBytes>) -> Self {
        Self::new(def, Repr::String(Rc::new(bytes.into())))
    }

    pub(super) fn object(def: Def, members: Members) -> Self {
        Self::new(def, Repr::Object(ObjectRepr::new(members)))
    }

    pub(super) fn list(def: Def, elements: Vec<Rc<Self>>) -> Self {
        Self::new(def, Repr::List(elements.into()))
    }

    /// Marks the value itself secret if `secret`.
    pub(super) fn secret_if(mut self, secret: bool) -> Self {
        self.secret |= secret;
        self.contains_secret |= secret;
        self
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.repr, Repr::Unknown(_))
    }

    /// Whether members may be looked up in it.
    pub(super) fn is_object(&self) -> bool {
        matches!(self.repr, Repr::Object(_) | Repr::Unknown(Shape::Any))
    }

    /// The member a value of the same key would be merged with.
    pub(super) fn property(&self, key: &str) -> Option<Rc<Self>> {
        match &self.repr {
            Repr::Object(object) => match object.members.get(key) {
                Some(member) => Some(Rc::clone(member)),
                None if object.open => Some(Rc::new(Self::unknown(self.def, Shape::Any))),
                None => None,
            },
            Repr::Unknown(Shape::Any) => Some(Rc::new(Self::unknown(self.def, Shape::Any))),
            _ => None,
        }
    }

    /// The name JSON Schema has for its type.
    pub(super) fn type_name(&self) -> &'static str {
        match &self.repr {
            Repr::Null => "null",
            Repr::Bool(_) => "boolean",
            Repr::Number(_) => "number",
            Repr::String(_) | Repr::Unknown(Shape::String) => "string",
            Repr::List(_) | Repr::Unknown(Shape::List) => "array",
            Repr::Object(_) | Repr::Unknown(Shape::Any) => "object",
        }
    }
}

impl ObjectRepr {
    pub(super) fn new(members: Members) -> Self {
        Self {
            members: Rc::new(members),
            own: None,
            open: false,
        }
    }

    /// Members that were not inherited from a base.
    pub(super) fn own(&self) -> impl Iterator<Item = (&Rc<str>, &Rc<Val>)> {
        self.members
            .iter()
            .filter(|(key, _)| self.own.as_ref().is_none_or(|own| own.contains(*key)))
    }
}

/// Puts `members`, each already merged with its counterpart, over those of `base`.
pub(super) fn overlay(members: Members, base: Option<&Rc<Val>>) -> ObjectRepr {
    match base.map(|base| &base.repr) {
        Some(Repr::Object(base)) => {
            let own = members.keys().cloned().collect();
            let mut all = Members::clone(&base.members);
            all.extend(members);
            ObjectRepr {
                members: Rc::new(all),
                own: Some(Rc::new(own)),
                open: base.open,
            }
        }
        Some(Repr::Unknown(Shape::Any)) => ObjectRepr {
            open: true,
            ..ObjectRepr::new(members)
        },
        _ => ObjectRepr::new(members),
    }
}

/// Merges `top` over `base`: objects by member, everything else is replaced. `spend` is told the
/// cost and stops the merge by refusing it.
pub(super) fn merge(
    top: &Rc<Val>,
    base: &Rc<Val>,
    spend: &mut dyn FnMut(usize) -> bool,
) -> Rc<Val> {
    let Repr::Object(over) = &top.repr else {
        return Rc::clone(top);
    };
    if Rc::ptr_eq(top, base) {
        return Rc::clone(top);
    }
    let repr = match &base.repr {
        Repr::Object(under) => {
            if !spend(over.members.len() + under.members.len()) {
                return Rc::clone(top);
            }
            let mut members = Members::clone(&under.members);
            for (key, member) in over.members.iter() {
                let merged = match under.members.get(key) {
                    Some(counterpart) => merge(member, counterpart, spend),
                    None => Rc::clone(member),
                };
                members.insert(Rc::clone(key), merged);
            }
            let own = over
                .own
                .clone()
                .unwrap_or_else(|| Rc::new(over.members.keys().cloned().collect()));
            ObjectRepr {
                members: Rc::new(members),
                own: Some(own),
                open: over.open || under.open,
            }
        }
        Repr::Unknown(Shape::Any) => ObjectRepr {
            open: true,
            ..over.clone()
        },
        _ => return Rc::clone(top),
    };
    let mut merged = Val::new(top.def, Repr::Object(repr)).secret_if(top.secret);
    merged.is_final = top.is_final;
    Rc::new(merged)
}
