//! `fn::validate`: the subset of JSON Schema that Pulumi ESC has.

use std::rc::Rc;

use regex::RegexBuilder;

use super::Diagnostic;
use super::convert::{self, Buffer};
use super::decimal::Decimal;
use super::session::Session;
use super::value::{ObjectRepr, Repr, Shape, Val};

/// Longest rendering of an expected constant in a message.
const LONGEST_CONSTANT: usize = 1024;
/// Largest compiled pattern, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// Checks values against one schema document.
pub(super) struct Validator<'v, 'a> {
    session: &'v mut Session<'a>,
    root: Rc<Val>,
    findings: Vec<Diagnostic>,
}

impl<'v, 'a> Validator<'v, 'a> {
    pub(super) fn new(session: &'v mut Session<'a>, root: Rc<Val>) -> Self {
        Self {
            session,
            root,
            findings: Vec::new(),
        }
    }

    /// What is wrong with `value`.
    pub(super) fn check(mut self, value: &Rc<Val>) -> Vec<Diagnostic> {
        let root = Rc::clone(&self.root);
        self.accepts(&root, value);
        self.findings
    }

    fn accepts(&mut self, schema: &Rc<Val>, value: &Rc<Val>) -> bool {
        if !self.session.spend(1) {
            return false;
        }
        if !self.session.enter() {
            return self.refuse(value, "schema is nested too deeply");
        }
        let accepted = match &schema.repr {
            Repr::Bool(true) => true,
            Repr::Bool(false) => self.refuse(value, "no value is allowed here"),
            Repr::Object(keywords) => self.accepts_all(schema, keywords, value),
            _ => self.invalid(schema, "a schema must be a boolean or an object"),
        };
        self.session.leave();
        accepted
    }

    fn accepts_all(&mut self, schema: &Rc<Val>, keywords: &ObjectRepr, value: &Rc<Val>) -> bool {
        if matches!(value.repr, Repr::Unknown(Shape::Any)) {
            return true;
        }
        let keyword = |name: &str| keywords.members.get(name);
        let mut accepted = keyword("$ref").is_none_or(|target| self.reference(target, value));
        accepted &= keyword("anyOf").is_none_or(|schemas| self.any_of(schemas, value));
        accepted &= keyword("oneOf").is_none_or(|schemas| self.one_of(schemas, value));
        if !value.contains_unknown {
            accepted &= keyword("const").is_none_or(|wanted| self.constant(wanted, value));
            accepted &= keyword("enum").is_none_or(|wanted| self.one_constant(wanted, value));
        }
        if let Some(wanted) = keyword("type")
            && !self.type_matches(wanted, value)
        {
            return false;
        }
        accepted & self.content(schema, keywords, value)
    }

    fn content(&mut self, schema: &Rc<Val>, keywords: &ObjectRepr, value: &Rc<Val>) -> bool {
        match &value.repr {
            Repr::Number(text) => self.number(keywords, value, text),
            Repr::String(text) => self.string(keywords, value, text.expose()),
            Repr::List(elements) => self.list(keywords, value, elements),
            Repr::Object(object) => self.object(schema, keywords, value, object),
            _ => true,
        }
    }

    fn reference(&mut self, target: &Rc<Val>, value: &Rc<Val>) -> bool {
        let schema = string(target)
            .and_then(|target| target.strip_prefix("#/$defs/"))
            .and_then(|name| self.root.property("$defs")?.property(name));
        match schema {
            Some(schema) => self.accepts(&schema, value),
            None => self.invalid(target, "unknown reference"),
        }
    }

    fn any_of(&mut self, schemas: &Rc<Val>, value: &Rc<Val>) -> bool {
        let (matched, failures) = self.matching(schemas, value);
        if matched == 0 {
            self.findings.extend(failures);
            return self.refuse(value, "at least one subschema must match");
        }
        true
    }

    fn one_of(&mut self, schemas: &Rc<Val>, value: &Rc<Val>) -> bool {
        match self.matching(schemas, value) {
            (0, failures) => {
                self.findings.extend(failures);
                self.refuse(value, "exactly one subschema must match")
            }
            (1, _) => true,
            // More of them may match what is not known yet.
            _ if value.contains_unknown => true,
            _ => self.refuse(value, "exactly one subschema may match"),
        }
    }

    /// How many schemas accept the value, and why the others do not.
    fn matching(&mut self, schemas: &Rc<Val>, value: &Rc<Val>) -> (usize, Vec<Diagnostic>) {
        let Repr::List(schemas) = &schemas.repr else {
            self.invalid(schemas, "expected a list of schemas");
            return (1, Vec::new());
        };
        let outer = std::mem::take(&mut self.findings);
        let matched = schemas
            .iter()
            .filter(|schema| self.accepts(schema, value))
            .count();
        let failures = std::mem::replace(&mut self.findings, outer);
        (matched, failures)
    }

    fn constant(&mut self, wanted: &Rc<Val>, value: &Rc<Val>) -> bool {
        equal(wanted, value) || {
            let wanted = constant_text(wanted);
            self.refuse(value, &format!("expected {wanted}"))
        }
    }

    fn one_constant(&mut self, wanted: &Rc<Val>, value: &Rc<Val>) -> bool {
        let Repr::List(constants) = &wanted.repr else {
            return self.invalid(wanted, "enum must be a list");
        };
        if constants.iter().any(|constant| equal(constant, value)) {
            return true;
        }
        let summary = match &**constants {
            [only] => format!("expected {}", constant_text(only)),
            _ => format!("expected one of {}", constant_text(wanted)),
        };
        self.refuse(value, &summary)
    }

    fn type_matches(&mut self, wanted: &Rc<Val>, value: &Rc<Val>) -> bool {
        let Some(wanted) = string(wanted) else {
            return self.invalid(wanted, "type must be a string");
        };
        let got = value.type_name();
        wanted == got || self.refuse(value, &format!("expected {wanted}, got {got}"))
    }

    fn number(&mut self, keywords: &ObjectRepr, value: &Rc<Val>, text: &str) -> bool {
        const BOUNDS: [(&str, &str, Bound); 4] = [
            ("minimum", "greater than or equal to", |order| order.is_ge()),
            ("exclusiveMinimum", "greater than", |order| order.is_gt()),
            ("maximum", "less than or equal to", |order| order.is_le()),
            ("exclusiveMaximum", "less than", |order| order.is_lt()),
        ];
        let Some(number) = Decimal::parse(text) else {
            return true;
        };
        let mut accepted = true;
        for (keyword, phrase, holds) in BOUNDS {
            let Some((bound, bound_text)) = self.bound(keywords, keyword) else {
                continue;
            };
            if !holds(number.compare(&bound)) {
                accepted = self.refuse(value, &format!("expected a number {phrase} {bound_text}"));
            }
        }
        if let Some((unit, unit_text)) = self.bound(keywords, "multipleOf")
            && number.is_multiple_of(&unit) == Some(false)
        {
            accepted = self.refuse(value, &format!("expected a multiple of {unit_text}"));
        }
        accepted
    }

    fn bound(&mut self, keywords: &ObjectRepr, keyword: &str) -> Option<(Decimal, Rc<str>)> {
        let bound = keywords.members.get(keyword)?;
        if let Repr::Number(text) = &bound.repr
            && let Some(number) = Decimal::parse(text)
        {
            return Some((number, Rc::clone(text)));
        }
        self.invalid(bound, &format!("{keyword} must be a number"));
        None
    }

    /// Checks a count against a pair of keywords.
    fn count(
        &mut self,
        keywords: &ObjectRepr,
        value: &Rc<Val>,
        count: usize,
        [minimum, maximum]: [(&str, &str); 2],
    ) -> bool {
        let Some(count) = Decimal::parse(&count.to_string()) else {
            return true;
        };
        let mut accepted = true;
        for ((keyword, phrase), least) in [(minimum, true), (maximum, false)] {
            let Some((bound, text)) = self.bound(keywords, keyword) else {
                continue;
            };
            let order = count.compare(&bound);
            if (least && order.is_lt()) || (!least && order.is_gt()) {
                accepted = self.refuse(value, &phrase.replace("{}", &text));
            }
        }
        accepted
    }

    fn string(&mut self, keywords: &ObjectRepr, value: &Rc<Val>, text: &[u8]) -> bool {
        let phrases = [
            ("minLength", "expected a string of at least length {}"),
            ("maxLength", "expected a string of at most length {}"),
        ];
        let accepted = self.count(keywords, value, text.len(), phrases);
        let Some(pattern) = keywords.members.get("pattern") else {
            return accepted;
        };
        let Some(source) = string(pattern) else {
            return self.invalid(pattern, "pattern must be a string");
        };
        let compiled = RegexBuilder::new(source)
            .size_limit(LARGEST_PATTERN)
            .build();
        let Ok(compiled) = compiled else {
            return self.invalid(pattern, "pattern must be a regular expression");
        };
        let matches = self.session.spend(text.len() / 1024 + source.len())
            && compiled.is_match(&String::from_utf8_lossy(text));
        let summary = || format!("string must match the pattern {source:?}");
        (matches || self.refuse(value, &summary())) && accepted
    }

    fn list(&mut self, keywords: &ObjectRepr, value: &Rc<Val>, elements: &[Rc<Val>]) -> bool {
        let phrases = [
            ("minItems", "expected an array with at least {} items"),
            ("maxItems", "expected an array with at most {} items"),
        ];
        let mut accepted = self.count(keywords, value, elements.len(), phrases);
        let prefix = match keywords
            .members
            .get("prefixItems")
            .map(|prefix| &prefix.repr)
        {
            Some(Repr::List(prefix)) => Rc::clone(prefix),
            _ => Rc::from([]),
        };
        let items = keywords.members.get("items");
        for (index, element) in elements.iter().enumerate() {
            if let Some(schema) = prefix.get(index).or(items) {
                accepted &= self.accepts(schema, element);
            }
        }
        accepted
    }

    fn object(
        &mut self,
        schema: &Rc<Val>,
        keywords: &ObjectRepr,
        value: &Rc<Val>,
        object: &ObjectRepr,
    ) -> bool {
        let phrases = [
            (
                "minProperties",
                "expected an object with at least {} properties",
            ),
            (
                "maxProperties",
                "expected an object with at most {} properties",
            ),
        ];
        let mut accepted =
            object.open || self.count(keywords, value, object.members.len(), phrases);
        let properties = keywords.members.get("properties");
        let additional = keywords.members.get("additionalProperties");
        for (key, member) in object.members.iter() {
            let named = properties.and_then(|properties| properties.property(key));
            if let Some(schema) = named.as_ref().or(additional) {
                accepted &= self.accepts(schema, member);
            }
        }
        let missing = self.missing(schema, keywords, object);
        if !missing.is_empty() {
            let missing = missing.join(", ");
            accepted = self.refuse(value, &format!("missing required properties: {missing}"));
        }
        accepted
    }

    fn missing(
        &mut self,
        schema: &Rc<Val>,
        keywords: &ObjectRepr,
        object: &ObjectRepr,
    ) -> Vec<String> {
        let mut required: Vec<Rc<Val>> = Vec::new();
        let mut lists: Vec<Rc<Val>> = keywords
            .members
            .get("required")
            .cloned()
            .into_iter()
            .collect();
        if let Some(Repr::Object(dependent)) = keywords
            .members
            .get("dependentRequired")
            .map(|dependent| &dependent.repr)
        {
            let applying = |key: &&Rc<str>| object.members.contains_key(*key);
            let keys = dependent.members.keys().filter(applying);
            lists.extend(keys.filter_map(|key| dependent.members.get(key).cloned()));
        }
        for list in lists {
            match &list.repr {
                Repr::List(names) => required.extend(names.iter().cloned()),
                _ => {
                    self.invalid(schema, "required must be a list");
                }
            }
        }
        required
            .iter()
            .filter_map(string)
            .filter(|name| !object.open && !object.members.contains_key(*name))
            .map(str::to_owned)
            .collect()
    }

    fn refuse(&mut self, value: &Rc<Val>, summary: &str) -> bool {
        let finding = self.session.finding(value.def, summary.to_owned());
        self.findings.push(finding);
        false
    }

    fn invalid(&mut self, schema: &Rc<Val>, reason: &str) -> bool {
        self.refuse(schema, &format!("invalid schema: {reason}"))
    }
}

type Bound = fn(std::cmp::Ordering) -> bool;

fn string(value: &Rc<Val>) -> Option<&str> {
    match &value.repr {
        Repr::String(text) => text.expose_str(),
        _ => None,
    }
}

/// Whether both are the same JSON.
fn equal(left: &Rc<Val>, right: &Rc<Val>) -> bool {
    if Rc::ptr_eq(left, right) {
        return true;
    }
    match (&left.repr, &right.repr) {
        (Repr::Null, Repr::Null) => true,
        (Repr::Bool(left), Repr::Bool(right)) => left == right,
        (Repr::Number(left), Repr::Number(right)) => left == right,
        (Repr::String(left), Repr::String(right)) => left == right,
        (Repr::List(left), Repr::List(right)) => {
            left.len() == right.len() && left.iter().zip(&**right).all(|(l, r)| equal(l, r))
        }
        (Repr::Object(left), Repr::Object(right)) => {
            left.members.len() == right.members.len()
                && left.members.iter().zip(&*right.members).all(
                    |((left_key, left), (right_key, right))| {
                        left_key == right_key && equal(left, right)
                    },
                )
        }
        _ => false,
    }
}

/// A constant for a message.
fn constant_text(wanted: &Rc<Val>) -> String {
    if wanted.contains_secret {
        return "\"[secret]\"".to_owned();
    }
    let mut text = Buffer::new(LONGEST_CONSTANT);
    convert::json(wanted, &mut text);
    if !text.is_complete() {
        return "a constant of the schema".to_owned();
    }
    String::from_utf8_lossy(text.finish().expose()).into_owned()
}
