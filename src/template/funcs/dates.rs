//! sprig's dates: Go's times, layouts and durations.

mod layout;
mod reading;
mod span;

use std::num::IntErrorKind;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, Zoned};

use super::Function;
use crate::template::error::Outcome;
use crate::template::value::{Kind, Object, Type, Value};
use crate::template::{Environment, budget};

const NAME: &str = "time.Time";
const TIME: Type = Type::Named(NAME);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::with_environment("now", &[], now),
    Function::with_environment("date", &[Type::String, Type::Any], |environment, args| {
        formatted(environment, args[0].bytes(), &args[1], b"Local")
    }),
    Function::with_environment("dateInZone", IN_ZONE, date_in_zone),
    Function::with_environment("date_in_zone", IN_ZONE, date_in_zone),
    Function::with_environment("htmlDate", &[Type::Any], |environment, args| {
        formatted(environment, b"2006-01-02", &args[0], b"Local")
    }),
    Function::with_environment(
        "htmlDateInZone",
        &[Type::Any, Type::String],
        |environment, args| formatted(environment, b"2006-01-02", &args[0], args[1].bytes()),
    ),
    Function::new("dateModify", MODIFY, date_modify),
    Function::new("date_modify", MODIFY, date_modify),
    Function::new("mustDateModify", MODIFY, must_date_modify),
    Function::new("must_date_modify", MODIFY, must_date_modify),
    Function::with_environment("ago", &[Type::Any], ago),
    Function::with_environment("toDate", PARSE, |environment, args| {
        let zero = || Timestamp::from_second(ZERO).map(|time| time.to_zoned(TimeZone::UTC));
        let time = parsed(environment, args).or_else(|_| zero().map_err(|e| e.to_string()))?;
        Ok(Value::object(Time(time)))
    }),
    Function::with_environment("mustToDate", PARSE, |environment, args| {
        Ok(Value::object(Time(parsed(environment, args)?)))
    }),
    Function::new("duration", &[Type::Any], duration),
    Function::with_environment("durationRound", &[Type::Any], duration_round),
    Function::new("unixEpoch", &[TIME], |args| {
        Ok(receiver(args)?.timestamp().as_second().to_string().into())
    }),
];

const IN_ZONE: &[Type] = &[Type::String, Type::Any, Type::String];
const MODIFY: &[Type] = &[Type::String, TIME];
const PARSE: &[Type] = &[Type::String, Type::String];
/// Go's zero time, the first of January of the year 1.
const ZERO: i64 = -62_135_596_800;

/// Go's `time.Time`.
pub(super) struct Time(Zoned);

static METHODS: &[Function] = &[
    Function::new("Format", &[Type::String], |args| {
        Ok(layout::format(args[1].bytes(), receiver(args)?)?.into())
    }),
    Function::new("String", &[], |args| Ok(shown(receiver(args)?).into())),
    Function::new("Unix", &[], |args| {
        Ok(Value::Int64(receiver(args)?.timestamp().as_second()))
    }),
    Function::new("UnixMilli", &[], |args| {
        Ok(Value::Int64(receiver(args)?.timestamp().as_millisecond()))
    }),
    Function::new("UTC", &[], |args| {
        let time = receiver(args)?.with_time_zone(TimeZone::UTC);
        Ok(Value::object(Time(time)))
    }),
    Function::new("Month", &[], |args| {
        let month = receiver(args)?.month();
        let name = layout::MONTHS[usize::from(month.unsigned_abs()) - 1];
        Ok(Value::object(Named("time.Month", name, month.into())))
    }),
    Function::new("Weekday", &[], |args| {
        let day = receiver(args)?.weekday().to_sunday_zero_offset();
        let name = layout::DAYS[usize::from(day.unsigned_abs())];
        Ok(Value::object(Named("time.Weekday", name, day.into())))
    }),
    Function::new("AddDate", &[Type::Int, Type::Int, Type::Int], add_date),
    Function::new("Year", &[], |args| {
        Ok(Value::Int(receiver(args)?.year().into()))
    }),
    Function::new("Day", &[], |args| {
        Ok(Value::Int(receiver(args)?.day().into()))
    }),
    Function::new("YearDay", &[], |args| {
        Ok(Value::Int(receiver(args)?.day_of_year().into()))
    }),
    Function::new("Hour", &[], |args| {
        Ok(Value::Int(receiver(args)?.hour().into()))
    }),
    Function::new("Minute", &[], |args| {
        Ok(Value::Int(receiver(args)?.minute().into()))
    }),
    Function::new("Second", &[], |args| {
        Ok(Value::Int(receiver(args)?.second().into()))
    }),
    Function::new("IsZero", &[], |args| {
        let time = receiver(args)?.timestamp();
        Ok(Value::Bool(
            time.as_second() == ZERO && time.subsec_nanosecond() == 0,
        ))
    }),
];

/// A month or a weekday: its type, its name, its number.
struct Named(&'static str, &'static str, i64);

impl Object for Named {
    fn type_name(&self) -> &'static str {
        self.0
    }

    fn kind(&self) -> Kind {
        Kind::Int
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::Int(self.2))
    }

    fn display(&self) -> Vec<u8> {
        self.1.as_bytes().to_vec()
    }
}

/// The time moved by years, months and days; days beyond a month's end run into the next.
fn add_date(args: &[Value]) -> Outcome {
    let time = receiver(args)?;
    let outside = || "the date is out of range".to_owned();
    let [years, months, days] = [1, 2, 3].map(|at| args[at].int());
    let first = time.first_of_month().map_err(|error| error.to_string())?;
    let span = Span::new()
        .try_years(years)
        .and_then(|span| span.try_months(months))
        .map_err(|_| outside())?;
    let days = days
        .checked_add(i64::from(time.day()) - 1)
        .ok_or_else(outside)?;
    let days = Span::new().try_days(days).map_err(|_| outside())?;
    let moved = first
        .checked_add(span)
        .and_then(|first| first.checked_add(days));
    Ok(Value::object(Time(moved.map_err(|_| outside())?)))
}

impl Object for Time {
    fn type_name(&self) -> &'static str {
        NAME
    }

    fn display(&self) -> Vec<u8> {
        shown(&self.0).into_bytes()
    }

    fn encoded(&self) -> Value {
        self.rfc3339().into()
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let other: Option<&Self> = other.downcast();
        Some(other.is_some_and(|other| self.0.timestamp() == other.0.timestamp()))
    }
}

impl Time {
    /// The time in RFC 3339, as Go's JSON has it.
    pub(super) fn rfc3339(&self) -> String {
        layout::format(b"2006-01-02T15:04:05.999999999Z07:00", &self.0).unwrap_or_default()
    }
}

/// What Go's `String` gives.
fn shown(time: &Zoned) -> String {
    layout::format(b"2006-01-02 15:04:05.999999999 -0700 MST", time).unwrap_or_default()
}

/// The time that a method or a function got; the last fixed argument of those that take one.
fn receiver(args: &[Value]) -> Outcome<&Zoned> {
    let mut times = args.iter().filter_map(Value::as_object::<Time>);
    let time = times
        .next()
        .ok_or_else(|| "the argument is no time.Time".to_owned())?;
    Ok(&time.0)
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn now(environment: &Environment<'_>, _args: &[Value]) -> Outcome {
    Ok(Value::object(Time(environment.now.clone())))
}

/// A time, or the seconds since 1970; now for anything else.
fn moment(environment: &Environment<'_>, value: &Value) -> Zoned {
    if let Some(time) = value.as_object::<Time>() {
        return time.0.clone();
    }
    let second = match value {
        Value::Int(second) | Value::Int64(second) => Some(*second),
        Value::Int32(second) => Some(i64::from(*second)),
        _ => None,
    };
    let time = second.and_then(|second| Timestamp::from_second(second).ok());
    time.map_or_else(
        || environment.now.clone(),
        |time| time.to_zoned(environment.now.time_zone().clone()),
    )
}

/// The zone of that name; UTC for one that does not exist.
fn zone(environment: &Environment<'_>, name: &[u8]) -> TimeZone {
    match name {
        b"Local" => environment.now.time_zone().clone(),
        b"" | b"UTC" => TimeZone::UTC,
        name => TimeZone::get(&String::from_utf8_lossy(name)).unwrap_or(TimeZone::UTC),
    }
}

fn formatted(
    environment: &Environment<'_>,
    layout: &[u8],
    value: &Value,
    zone_name: &[u8],
) -> Outcome {
    let time = moment(environment, value).with_time_zone(zone(environment, zone_name));
    Ok(layout::format(layout, &time)?.into())
}

fn date_in_zone(environment: &Environment<'_>, args: &[Value]) -> Outcome {
    formatted(environment, args[0].bytes(), &args[1], args[2].bytes())
}

fn must_date_modify(args: &[Value]) -> Outcome {
    let change = SignedDuration::from_nanos(span::parse(args[0].bytes())?);
    let time = receiver(args)?
        .checked_add(change)
        .map_err(|error| error.to_string())?;
    Ok(Value::object(Time(time)))
}

/// The time moved; as it is where the duration cannot be read.
#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn date_modify(args: &[Value]) -> Outcome {
    Ok(must_date_modify(args).unwrap_or_else(|_| args[1].clone()))
}

fn since(environment: &Environment<'_>, time: &Zoned) -> i64 {
    let elapsed = environment
        .now
        .timestamp()
        .duration_since(time.timestamp())
        .as_nanos();
    let bounded = elapsed.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(bounded).unwrap_or_default()
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn ago(environment: &Environment<'_>, args: &[Value]) -> Outcome {
    let time = match &args[0] {
        Value::Int32(_) => environment.now.clone(),
        value => moment(environment, value),
    };
    Ok(span::text(span::rounded_to_second(since(environment, &time))).into())
}

fn parsed(environment: &Environment<'_>, args: &[Value]) -> Outcome<Zoned> {
    budget::spend(args[0].bytes().len() + args[1].bytes().len())?;
    reading::parse(
        args[0].bytes(),
        args[1].bytes(),
        environment.now.time_zone(),
    )
}

/// Seconds as a duration's text: of an `int64` or a string; of anything else, none.
#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn duration(args: &[Value]) -> Outcome {
    let seconds = match &args[0] {
        Value::Int64(seconds) => *seconds,
        Value::String(text) => whole(&text.to_str()),
        _ => 0,
    };
    Ok(span::text(seconds.wrapping_mul(1_000_000_000)).into())
}

/// The integer of the text, the nearest where it does not fit; else zero.
fn whole(text: &str) -> i64 {
    text.parse()
        .unwrap_or_else(|error: std::num::ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => i64::MAX,
            IntErrorKind::NegOverflow => i64::MIN,
            _ => 0,
        })
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn duration_round(environment: &Environment<'_>, args: &[Value]) -> Outcome {
    let nanoseconds = match &args[0] {
        Value::String(text) => span::parse(text.as_bytes()).unwrap_or(0),
        Value::Int64(nanoseconds) => *nanoseconds,
        value => value
            .as_object::<Time>()
            .map_or(0, |time| since(environment, &time.0)),
    };
    Ok(span::greatest_unit(nanoseconds.unsigned_abs()).into())
}

/// A zone of that distance from UTC, in seconds.
fn fixed(seconds: i32) -> Outcome<TimeZone> {
    let offset = Offset::from_seconds(seconds).map_err(|error| error.to_string())?;
    Ok(if seconds == 0 {
        TimeZone::UTC
    } else {
        TimeZone::fixed(offset)
    })
}

#[cfg(test)]
mod tests;
