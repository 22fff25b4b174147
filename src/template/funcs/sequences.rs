//! sprig's functions that count: `until`, `untilStep`, `seq`.

use super::Function;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::value::{List, Type, Value};

const I: Type = Type::Int;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("until", &[I], |args| {
        let end = args[0].int();
        integers(0, end, if end < 0 { -1 } else { 1 }).map(listed)
    }),
    Function::new("untilStep", &[I, I, I], |args| {
        integers(args[0].int(), args[1].int(), args[2].int()).map(listed)
    }),
    Function::new("seq", &[], seq).and_more(I),
];

fn listed(numbers: Vec<i64>) -> Value {
    List::of(I, numbers.into_iter().map(Value::Int).collect()).into()
}

/// The numbers from `start` to before `stop`; none, if `step` leads away from there. Beyond the largest number
/// comes the smallest, as in Go.
fn integers(start: i64, stop: i64, step: i64) -> Outcome<Vec<i64>> {
    if step == 0 || (stop < start) != (step < 0) {
        return Ok(Vec::new());
    }
    let mut numbers = Vec::new();
    let mut number = start;
    let is_before = |number: i64| {
        if step < 0 {
            number > stop
        } else {
            number < stop
        }
    };
    while is_before(number) {
        // As many as fit before the end; the step after the last may lead around.
        let count = stop.abs_diff(number).div_ceil(step.unsigned_abs());
        budget::spend(usize::try_from(count).unwrap_or(usize::MAX))?;
        for _ in 0..count {
            numbers.push(number);
            number = number.wrapping_add(step);
        }
    }
    Ok(numbers)
}

fn seq(args: &[Value]) -> Outcome {
    let numbers: Vec<i64> = args.iter().map(Value::int).collect();
    let towards = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, step, end) = match numbers[..] {
        [end] => (1, towards(1, end), end),
        [start, end] => (start, towards(start, end), end),
        [start, step, end] if end >= start || step <= 0 => (start, step, end),
        _ => return Ok("".into()),
    };
    let numbers = integers(start, end.wrapping_add(towards(start, end)), step)?;
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let text = texts.join(" ");
    budget::spend(text.len())?;
    Ok(text.into())
}
