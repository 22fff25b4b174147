//! Rendering: walks a tree and writes what it says. Pipelines are in `exec/pipeline.rs`, calls and
//! their arguments in `exec/call.rs`.

mod call;
mod pipeline;

use std::fmt;

use super::ast::{Branch, BranchKind, Call, Command, Node, Operand, Pipe, Tree};
use super::budget;
use super::cursor::newlines;
use super::error::{Error, Outcome};
use super::format::{printed, quoted};
use super::value::Value;
use super::{Options, Template};

/// Renders the template `name` of `set` over `dot`.
pub(super) fn render(
    set: &Template,
    name: &str,
    dot: &Value,
    options: &Options<'_>,
) -> Result<Vec<u8>, Error> {
    let Some(tree) = set.trees.get(name) else {
        let name = quoted(name.as_bytes());
        return Err(Error::whole(&set.name, format!("no template {name}")));
    };
    let _account = budget::open(options.limits.work, options.limits.depth);
    let mut execution = Execution {
        set,
        options,
        name: &set.name,
        tree,
        place: Place::Start,
        variables: vec![("$", dot.clone())],
        out: Vec::new(),
    };
    execution.list(dot, &tree.nodes)?;
    Ok(execution.out)
}

/// One rendering.
struct Execution<'t> {
    set: &'t Template,
    options: &'t Options<'t>,
    /// The template at hand.
    name: &'t str,
    tree: &'t Tree,
    /// What is being evaluated, for errors.
    place: Place<'t>,
    /// A stack: the last of a name is the one in scope.
    variables: Vec<(&'t str, Value)>,
    out: Vec<u8>,
}

/// What an error points to.
#[derive(Clone, Copy)]
enum Place<'t> {
    Start,
    Node(&'t Node),
    Call(&'t Call),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
}

impl Place<'_> {
    fn offset(self) -> usize {
        match self {
            Self::Start => 0,
            Self::Node(node) => match node {
                Node::Text { at, .. }
                | Node::Action { at, .. }
                | Node::Break { at }
                | Node::Continue { at } => *at,
                Node::Branch(branch) => branch.at,
                Node::Template(call) => call.at,
            },
            Self::Call(call) => call.at,
            Self::Pipe(pipe) => pipe.at,
            Self::Command(command) => command.at,
            Self::Operand(operand) => operand.at,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => Ok(()),
            Self::Node(node) => node.fmt(f),
            Self::Call(call) => call.fmt(f),
            Self::Pipe(pipe) => pipe.fmt(f),
            Self::Command(command) => command.fmt(f),
            Self::Operand(operand) => operand.fmt(f),
        }
    }
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Done,
    Break,
    Continue,
}

impl<'t> Execution<'t> {
    /// The error that `reason` is at the place at hand.
    fn error(&self, reason: impl fmt::Display) -> Error {
        let offset = self.place.offset();
        let before = &self.set.text[..offset.min(self.set.text.len())];
        let line = 1 + newlines(before);
        let newline = before.iter().rposition(|byte| *byte == b'\n');
        let column = offset - newline.map_or(0, |newline| newline + 1);
        Error::execute(
            self.name,
            &self.tree.parsed_in,
            (line, column),
            &self.place.to_string(),
            reason,
        )
    }

    fn fail<T>(&self, reason: impl fmt::Display) -> Result<T, Error> {
        Err(self.error(reason))
    }

    /// The result of something that knows no place.
    fn located<T>(&self, result: Outcome<T>) -> Result<T, Error> {
        result.map_err(|reason| self.error(reason))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.located(budget::spend(bytes.len()))?;
        let limit = self.options.limits.output;
        if self.out.len() + bytes.len() > limit {
            return self.fail(format!("the output is larger than {limit} bytes"));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn list(&mut self, dot: &Value, nodes: &'t [Node]) -> Result<Flow, Error> {
        let _level = self.located(budget::descend())?;
        for node in nodes {
            self.located(budget::spend(1))?;
            self.place = Place::Node(node);
            let flow = match node {
                Node::Text { text, .. } => {
                    self.write(text)?;
                    Flow::Done
                }
                Node::Action { pipe, .. } => {
                    self.action(dot, node, pipe)?;
                    Flow::Done
                }
                Node::Branch(branch) => self.branch(dot, branch)?,
                Node::Template(call) => {
                    self.template(dot, call)?;
                    Flow::Done
                }
                Node::Break { .. } => Flow::Break,
                Node::Continue { .. } => Flow::Continue,
            };
            if flow != Flow::Done {
                return Ok(flow);
            }
        }
        Ok(Flow::Done)
    }

    /// Variables that an action declares stay until the end of the list it is in.
    fn action(&mut self, dot: &Value, node: &'t Node, pipe: &'t Pipe) -> Result<(), Error> {
        let value = self.pipe(dot, pipe)?;
        if pipe.variables.is_empty() {
            self.place = Place::Node(node);
            let text = self.located(printed(&value))?;
            self.write(&text)?;
        }
        Ok(())
    }

    fn branch(&mut self, dot: &Value, branch: &'t Branch) -> Result<Flow, Error> {
        let mark = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = match branch.kind {
            BranchKind::Range => self.range(dot, branch, &value)?,
            kind => {
                let inner = if kind == BranchKind::With {
                    &value
                } else {
                    dot
                };
                match &branch.otherwise {
                    _ if value.truth() => self.list(inner, &branch.then)?,
                    Some(otherwise) => self.list(dot, otherwise)?,
                    None => Flow::Done,
                }
            }
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// What Go's texts would show of the value, these say its type: it may be secret.
    fn range(&mut self, dot: &Value, branch: &'t Branch, value: &Value) -> Result<Flow, Error> {
        let mut empty = true;
        match value {
            Value::List(list) => {
                for (i, item) in list.items().iter().enumerate() {
                    empty = false;
                    let index = Value::Int(i64::try_from(i).unwrap_or(i64::MAX));
                    if !self.iteration(branch, &index, item)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                let entries = map.entries();
                self.located(budget::spend(entries.len()))?;
                for (key, item) in entries {
                    empty = false;
                    if !self.iteration(branch, &Value::String(key), &item)? {
                        break;
                    }
                }
            }
            Value::NoValue | Value::Nil => {}
            _ => empty = self.count(branch, value)?,
        }
        match &branch.otherwise {
            Some(otherwise) if empty => self.list(dot, otherwise),
            _ => Ok(Flow::Done),
        }
    }

    /// A range over an integer: from 0 to one below it. Whether there was no turn.
    fn count(&mut self, branch: &'t Branch, value: &Value) -> Result<bool, Error> {
        let kind = value.type_of();
        let made: Option<fn(i128) -> Value> = match value {
            Value::Int(_) => Some(|n| Value::Int(i64::try_from(n).unwrap_or(0))),
            Value::Int32(_) => Some(|n| Value::Int32(i32::try_from(n).unwrap_or(0))),
            Value::Int64(_) => Some(|n| Value::Int64(i64::try_from(n).unwrap_or(0))),
            Value::Uint8(_) => Some(|n| Value::Uint8(u8::try_from(n).unwrap_or(0))),
            Value::Uint64(_) => Some(|n| Value::Uint64(u64::try_from(n).unwrap_or(0))),
            _ => None,
        };
        let (Some(made), Some(count)) = (made, value.as_integer()) else {
            return self.fail(format!("range can't iterate over a value of type {kind}"));
        };
        if branch.pipe.variables.len() > 1 {
            return self.fail(format!(
                "can't use a value of type {kind} to iterate over more than one variable"
            ));
        }
        for number in 0..count {
            if !self.iteration(branch, &Value::NoValue, &made(number))? {
                break;
            }
        }
        Ok(count <= 0)
    }

    /// One turn of a range; whether there may be another.
    fn iteration(
        &mut self,
        branch: &'t Branch,
        index: &Value,
        item: &Value,
    ) -> Result<bool, Error> {
        self.located(budget::spend(1))?;
        let mark = self.variables.len();
        let pipe = &branch.pipe;
        let values = match pipe.variables.len() {
            0 => vec![],
            1 => vec![item],
            _ => vec![index, item],
        };
        for (i, (name, value)) in pipe.variables.iter().zip(&values).enumerate() {
            if pipe.assigns {
                self.assign(name, (*value).clone())?;
            } else {
                self.variables[mark - values.len() + i].1 = (*value).clone();
            }
        }
        let flow = self.list(item, &branch.then)?;
        self.variables.truncate(mark);
        Ok(flow != Flow::Break)
    }

    /// Sets the variable of that name that was declared last.
    fn assign(&mut self, name: &str, value: Value) -> Result<(), Error> {
        let found = self.variables.iter_mut().rev().find(|(n, _)| *n == name);
        match found {
            Some(variable) => {
                variable.1 = value;
                Ok(())
            }
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    /// The called template sees its own dot and none of the caller's variables.
    fn template(&mut self, dot: &Value, call: &'t Call) -> Result<(), Error> {
        self.place = Place::Call(call);
        let Some((name, tree)) = self.set.trees.get_key_value(&call.name) else {
            let name = quoted(call.name.as_bytes());
            return self.fail(format!("template {name} not defined"));
        };
        let dot = match &call.pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::NoValue,
        };
        let Ok(_level) = budget::descend() else {
            return self.fail("exceeded maximum template depth");
        };
        let variables = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let outer = (
            std::mem::replace(&mut self.name, name),
            std::mem::replace(&mut self.tree, tree),
        );
        self.list(&dot, &tree.nodes)?;
        (self.name, self.tree) = outer;
        self.variables = variables;
        Ok(())
    }
}
