//! References in the values of variables, pointed at the Secrets that hold them. Pure.
//!
//! A value that is a reference becomes `valueFrom`. A reference inside text is read by a variable of its
//! own just before, and the text says `$(NAME)`, which the kubelet replaces once and does not read again.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::complaint::Complaint;
use crate::model::pod_injection::{
    ContainerPlace, ContainerVariable, Groups, InlineReference, InlineValue, Pod, Remote, Segment,
    literal_before_reference, scan,
};

/// Characters of a Secret's name that tell the variables of two Secrets apart.
const TAG_LENGTH: usize = 6;

/// A change of one variable. Positions are those before any change.
#[derive(Debug, PartialEq)]
pub(super) struct Edit<'p> {
    /// The container.
    pub(super) container: ContainerPlace<'p>,
    /// Index of the variable.
    pub(super) index: usize,
    /// What happens to it.
    pub(super) change: Change,
}

/// What happens to a variable.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// It is read from a Secret.
    Source(Source),
    /// Variables are put before it, and its value changes.
    Text {
        /// Names and sources of the new variables.
        added: Vec<(String, Source)>,
        /// The new value.
        value: String,
    },
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) secret: String,
    pub(super) key: String,
}

/// A variable with references in its value.
pub(super) struct Found<'p> {
    container: ContainerPlace<'p>,
    index: usize,
    value: InlineValue<'p>,
}

/// The references of a pod, and the variables of the containers they stand in.
#[derive(Default)]
pub(super) struct References<'p> {
    found: Vec<Found<'p>>,
    containers: Vec<(ContainerPlace<'p>, Vec<ContainerVariable<'p>>)>,
}

/// Collects the references of a pod.
///
/// # Errors
/// Every reference that cannot be read, by container, variable and position.
pub(super) fn references<'p>(pod: &'p Pod<'_>) -> Result<References<'p>, Vec<Complaint>> {
    let mut references = References::default();
    let mut complaints = Vec::new();
    for (container, variables) in pod.variables() {
        let before = references.found.len();
        for (index, variable) in variables.iter().enumerate() {
            match scan(variable.value.unwrap_or_default()) {
                Ok(None) => {}
                Ok(Some(value)) => references.found.push(Found {
                    container,
                    index,
                    value,
                }),
                Err(problem) => {
                    let field = format!("{container}, env {}", variable.name);
                    complaints.push(Complaint::error(field, problem));
                }
            }
        }
        if references.found.len() > before {
            references.containers.push((container, variables));
        }
    }
    if complaints.is_empty() {
        Ok(references)
    } else {
        Err(complaints)
    }
}

impl<'p> References<'p> {
    /// The same, where no variable has a source besides. A new pod that has one is refused by the API
    /// server, but only as long as its value is still there; in an update the source is that of the live
    /// pod.
    ///
    /// # Errors
    /// Every such variable.
    pub(super) fn without_sources(self) -> Result<Self, Vec<Complaint>> {
        let mut complaints = Vec::new();
        for (container, variables) in &self.containers {
            let here = self
                .found
                .iter()
                .filter(|found| found.container == *container);
            for variable in here.map(|found| &variables[found.index]) {
                if variable.has_source {
                    let field = format!("{container}, env {}", variable.name);
                    let message =
                        "has a reference as its value and valueFrom beside it; remove one";
                    complaints.push(Complaint::error(field, message));
                }
            }
        }
        if complaints.is_empty() {
            Ok(self)
        } else {
            Err(complaints)
        }
    }

    /// The properties that are referred to, by remote key, and the container that does so first.
    pub(super) fn groups(&self) -> (Groups, BTreeMap<Remote, ContainerPlace<'p>>) {
        let mut groups = Groups::new();
        let mut places = BTreeMap::new();
        for found in &self.found {
            for reference in referred(&found.value) {
                let properties = groups.entry(reference.remote.clone()).or_default();
                properties.insert(reference.property.clone());
                places
                    .entry(reference.remote.clone())
                    .or_insert(found.container);
            }
        }
        (groups, places)
    }

    /// The changes, where `secret_of` knows the Secret of a reference. A value with a reference that it
    /// does not know stays as it is.
    pub(super) fn edits(
        &self,
        secret_of: impl Fn(&InlineReference) -> Option<String>,
    ) -> Vec<Edit<'p>> {
        let mut edits = Vec::new();
        for (container, variables) in &self.containers {
            let mut names = Names::new(variables);
            let found = self.found.iter().filter(|f| f.container == *container);
            for found in found {
                let known = referred(&found.value)
                    .map(|reference| {
                        let secret = secret_of(reference)?;
                        let key = reference.property.clone();
                        Some(Source { secret, key })
                    })
                    .collect::<Option<Vec<Source>>>();
                if let Some(sources) = known {
                    edits.push(Edit {
                        container: *container,
                        index: found.index,
                        change: change(&found.value, sources, found.index, &mut names),
                    });
                }
            }
        }
        edits
    }
}

fn referred<'v>(value: &'v InlineValue<'_>) -> impl Iterator<Item = &'v InlineReference> {
    let (whole, segments): (Option<&InlineReference>, &[Segment<'_>]) = match value {
        InlineValue::Whole(reference) => (Some(reference), &[]),
        InlineValue::Text(segments) => (None, segments),
    };
    let inside = segments.iter().filter_map(|segment| match segment {
        Segment::Reference(reference) => Some(reference),
        Segment::Literal(_) => None,
    });
    whole.into_iter().chain(inside)
}

/// `sources` are those of the references in the order of the value.
fn change(
    value: &InlineValue<'_>,
    sources: Vec<Source>,
    index: usize,
    names: &mut Names<'_>,
) -> Change {
    let mut sources = sources.into_iter();
    let InlineValue::Text(segments) = value else {
        let source = sources.next().expect("a whole value must have its source");
        return Change::Source(source);
    };
    let mut added = Vec::new();
    let mut text = String::new();
    for (i, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Literal(literal) if i + 1 < segments.len() => {
                text.push_str(&literal_before_reference(literal));
            }
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Reference(_) => {
                let source = sources
                    .next()
                    .expect("every reference must have its source");
                let (name, is_new) = names.of(&source, index);
                text.extend(["$(", &name, ")"]);
                if is_new {
                    added.push((name, source));
                }
            }
        }
    }
    Change::Text { added, value: text }
}

/// Names of the variables of one container.
struct Names<'p> {
    variables: &'p [ContainerVariable<'p>],
    taken: BTreeSet<&'p str>,
    made: BTreeMap<String, Source>,
}

impl<'p> Names<'p> {
    fn new(variables: &'p [ContainerVariable<'p>]) -> Self {
        Self {
            variables,
            taken: variables.iter().map(|variable| variable.name).collect(),
            made: BTreeMap::new(),
        }
    }

    /// The variable that holds `source` for a value at `index`, and whether it must be added. One that
    /// an earlier value or an earlier pass has added serves again.
    fn of(&mut self, source: &Source, index: usize) -> (String, bool) {
        let first = variable_name(source);
        let mut name = first.clone();
        let mut number = 1;
        loop {
            if self.made.get(&name) == Some(source) || self.stands_before(&name, source, index) {
                return (name, false);
            }
            if !self.made.contains_key(&name) && !self.taken.contains(name.as_str()) {
                self.made.insert(name.clone(), source.clone());
                return (name, true);
            }
            number += 1;
            name = format!("{first}_{number}");
        }
    }

    /// The last variable of a name counts.
    fn stands_before(&self, name: &str, source: &Source, index: usize) -> bool {
        let mut named = self.variables.iter().filter(|v| v.name == name);
        let one = named.next();
        let alone = named.next().is_none();
        let before = self.variables[..index].iter().any(|v| v.name == name);
        alone
            && before
            && one.is_some_and(|variable| {
                variable.secret == Some((source.secret.as_str(), source.key.as_str()))
            })
    }
}

fn variable_name(source: &Source) -> String {
    let start = source.secret.len().saturating_sub(TAG_LENGTH);
    let tag = source.secret.get(start..).unwrap_or_default();
    let property = source.key.chars().map(|character| match character {
        'A'..='Z' | 'a'..='z' | '0'..='9' => character.to_ascii_uppercase(),
        _ => '_',
    });
    format!(
        "INJ_{}_{}",
        tag.to_ascii_uppercase(),
        property.collect::<String>()
    )
}
