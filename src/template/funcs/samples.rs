//! Calls a function as a template would, for the tests of the families.

use super::find;
use crate::template::error::Outcome;
use crate::template::{Environment, Value};

/// 2026-03-04T05:06:07Z, and the system's randomness.
pub(super) fn environment() -> Environment<'static> {
    static NOW: std::sync::LazyLock<jiff::Zoned> = std::sync::LazyLock::new(|| {
        let second = jiff::Timestamp::from_second(1_772_600_767).expect("must be in range");
        second.to_zoned(jiff::tz::TimeZone::UTC)
    });
    Environment {
        now: &NOW,
        random: &|bytes| aws_lc_rs::rand::fill(bytes).expect("the system must have randomness"),
    }
}

/// Calls the function `name` with `args`.
pub(super) fn call(name: &str, args: &[Value]) -> Outcome {
    let function = find(name).expect("the function must exist");
    function.invoke(&environment(), args)
}

/// What `name` gives for string arguments, as text.
pub(super) fn text(name: &str, args: &[&str]) -> Outcome<String> {
    let args: Vec<Value> = args.iter().map(|text| (*text).into()).collect();
    let value = call(name, &args)?;
    Ok(String::from_utf8_lossy(value.bytes()).into_owned())
}
