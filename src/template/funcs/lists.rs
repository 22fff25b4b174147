//! sprig's functions on lists. The variants named `must` differ in Go by how they fail, not in what a
//! template sees.

use super::Function;
use super::cast::to_int;
use super::reflection::deep_equal;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{LIST, List, Type, Value};

const A: Type = Type::Any;
/// What Go says of a nil where a list is needed.
const NIL: &str = "runtime error: invalid memory address or nil pointer dereference";

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("list", &[], list).and_more(A),
    Function::new("tuple", &[], list).and_more(A),
    Function::new("first", &[A], first),
    Function::new("mustFirst", &[A], first),
    Function::new("last", &[A], last),
    Function::new("mustLast", &[A], last),
    Function::new("rest", &[A], rest),
    Function::new("mustRest", &[A], rest),
    Function::new("initial", &[A], initial),
    Function::new("mustInitial", &[A], initial),
    Function::new("append", &[A, A], push),
    Function::new("push", &[A, A], push),
    Function::new("mustAppend", &[A, A], push),
    Function::new("mustPush", &[A, A], push),
    Function::new("prepend", &[A, A], prepend),
    Function::new("mustPrepend", &[A, A], prepend),
    Function::new("concat", &[], concat).and_more(A),
    Function::new("reverse", &[A], reverse),
    Function::new("mustReverse", &[A], reverse),
    Function::new("uniq", &[A], uniq),
    Function::new("mustUniq", &[A], uniq),
    Function::new("without", &[A], without).and_more(A),
    Function::new("mustWithout", &[A], without).and_more(A),
    Function::new("has", &[A, A], has),
    Function::new("mustHas", &[A, A], has),
    Function::new("compact", &[A], compact),
    Function::new("mustCompact", &[A], compact),
    Function::new("slice", &[A], slice).and_more(A),
    Function::new("mustSlice", &[A], slice).and_more(A),
    Function::new("chunk", &[Type::Int, A], chunk),
    Function::new("mustChunk", &[Type::Int, A], chunk),
];

fn list(args: &[Value]) -> Outcome {
    budget::spend(args.len())?;
    Ok(List::new(args.to_vec()).into())
}

/// The list that `value` is, or what Go's function says of anything else, which ends in its kind.
fn wanted<'a>(value: &'a Value, refusal: &str) -> Outcome<&'a List> {
    match value {
        Value::List(list) => {
            budget::spend(list.len())?;
            Ok(list)
        }
        Value::Nil | Value::NoValue => Err(NIL.to_owned()),
        other => Err(format!("{refusal} {}", other.kind().name())),
    }
}

fn first(args: &[Value]) -> Outcome {
    let list = wanted(&args[0], "Cannot find first on type")?;
    Ok(list.items().first().cloned().unwrap_or(Value::Nil))
}

fn last(args: &[Value]) -> Outcome {
    let list = wanted(&args[0], "Cannot find last on type")?;
    Ok(list.items().last().cloned().unwrap_or(Value::Nil))
}

fn rest(args: &[Value]) -> Outcome {
    let list = wanted(&args[0], "Cannot find rest on type")?;
    let rest = list.items().split_first().map(|(_, rest)| rest.to_vec());
    Ok(rest.map_or(List::nil(A), List::new).into())
}

fn initial(args: &[Value]) -> Outcome {
    let list = wanted(&args[0], "Cannot find initial on type")?;
    let initial = list
        .items()
        .split_last()
        .map(|(_, initial)| initial.to_vec());
    Ok(initial.map_or(List::nil(A), List::new).into())
}

fn push(args: &[Value]) -> Outcome {
    let mut items = wanted(&args[0], "Cannot push on type")?.items().to_vec();
    items.push(args[1].clone());
    Ok(List::new(items).into())
}

fn prepend(args: &[Value]) -> Outcome {
    let list = wanted(&args[0], "Cannot prepend on type")?;
    let items = std::iter::once(&args[1]).chain(list.items()).cloned();
    Ok(List::new(items.collect()).into())
}

fn concat(args: &[Value]) -> Outcome {
    let mut items = Vec::new();
    for value in args {
        let list = wanted(value, "Cannot concat type").map_err(|reason| match reason.as_str() {
            text if text.starts_with("Cannot") => format!("{text} as list"),
            _ => reason,
        })?;
        items.extend_from_slice(list.items());
    }
    if items.is_empty() {
        return Ok(List::nil(A).into());
    }
    Ok(List::new(items).into())
}

fn reverse(args: &[Value]) -> Outcome {
    let list = wanted(&args[0], "Cannot find reverse on type")?;
    Ok(List::new(list.items().iter().rev().cloned().collect()).into())
}

fn contains(items: &[Value], wanted: &Value) -> Outcome<bool> {
    for item in items {
        if deep_equal(wanted, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(args: &[Value]) -> Outcome {
    let list = wanted(&args[0], "Cannot find uniq on type")?;
    let mut items = Vec::new();
    for item in list.items() {
        if !contains(&items, item)? {
            items.push(item.clone());
        }
    }
    Ok(List::new(items).into())
}

fn without(args: &[Value]) -> Outcome {
    let list = wanted(&args[0], "Cannot find without on type")?;
    let mut items = Vec::new();
    for item in list.items() {
        if !contains(&args[1..], item)? {
            items.push(item.clone());
        }
    }
    Ok(List::new(items).into())
}

fn has(args: &[Value]) -> Outcome {
    if args[1].is_nil() {
        return Ok(false.into());
    }
    let list = wanted(&args[1], "Cannot find has on type")?;
    Ok(contains(list.items(), &args[0])?.into())
}

fn compact(args: &[Value]) -> Outcome {
    let list = wanted(&args[0], "Cannot compact on type")?;
    let items = list.items().iter().filter(|item| item.truth()).cloned();
    Ok(List::new(items.collect()).into())
}

fn slice(args: &[Value]) -> Outcome {
    let list = wanted(&args[0], "list should be type of slice or array but")?;
    if list.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, to_int);
    let end = match args.get(2) {
        Some(end) => usize::try_from(to_int(end)).ok(),
        None => Some(list.len()),
    };
    let bounds = usize::try_from(start).ok().zip(end);
    let part = bounds.and_then(|(start, end)| list.items().get(start..end));
    let part = part.ok_or("reflect.Value.Slice: slice index out of bounds")?;
    Ok(List::of(list.element(), part.to_vec()).into())
}

/// Counts in floats, as the library does, which decides what sizes below 1 give.
#[expect(clippy::cast_precision_loss, reason = "no list is that long")]
fn chunk(args: &[Value]) -> Outcome {
    let list = wanted(&args[1], "Cannot chunk type")?;
    let (size, length) = (args[0].int(), list.len());
    let chunks = ((length as f64 - 1.0) / size as f64).floor() + 1.0;
    let too_few = || Err("runtime error: makeslice: len out of range".to_owned());
    if !chunks.is_finite() || chunks < 0.0 {
        return too_few();
    }
    let chunks: Vec<Value> = match usize::try_from(size) {
        _ if chunks == 0.0 => Vec::new(),
        Ok(size) => {
            let chunks = list.items().chunks(size);
            chunks
                .map(|chunk| List::new(chunk.to_vec()).into())
                .collect()
        }
        // One element in a chunk of its own, where the size is below -1.
        Err(_) if size < -1 && !list.is_empty() => vec![List::new(list.items().to_vec()).into()],
        Err(_) => return too_few(),
    };
    Ok(List::of(LIST, chunks).into())
}
