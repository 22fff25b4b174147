//! Reading times by layouts.

use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::fixed;
use super::layout::{DAYS, Field, MONTHS, Part, parts, text};
use crate::template::error::Outcome;
use crate::template::format::quoted;

/// What was read so far; Go's zero time where nothing was.
struct Read {
    year: i16,
    month: i8,
    day: i8,
    year_day: Option<i16>,
    hour: i8,
    afternoon: Option<bool>,
    minute: i8,
    second: i8,
    nanosecond: i32,
    offset: Option<i32>,
    zone_name: String,
}

/// The time that `value` is under `layout`, in `local` unless it says otherwise.
pub(super) fn parse(layout: &[u8], value: &[u8], local: &TimeZone) -> Outcome<Zoned> {
    let (layout, value) = (text(layout)?, text(value)?);
    let refused = |rest: &str, want: &str| {
        let [value, layout, rest, want] = [value, layout, rest, want].map(|t| quoted(t.as_bytes()));
        format!("parsing time {value} as {layout}: cannot parse {rest} as {want}")
    };
    let range = |what: &str| {
        format!(
            "parsing time {}: {what} out of range",
            quoted(value.as_bytes())
        )
    };
    let (parts, end) = parts(layout);
    let mut read = Read {
        year: 1,
        month: 1,
        day: 1,
        year_day: None,
        hour: 0,
        afternoon: None,
        minute: 0,
        second: 0,
        nanosecond: 0,
        offset: None,
        zone_name: String::new(),
    };
    let mut rest = value;
    for (at, (before, part, spelling)) in parts.iter().enumerate() {
        rest = rest
            .strip_prefix(before)
            .ok_or_else(|| refused(rest, before))?;
        let start = rest;
        rest = read
            .take(*part, rest)
            .ok_or_else(|| refused(start, spelling))?;
        let second = matches!(part, Part::Number(_, _, Field::Second));
        let fraction_next = parts
            .get(at + 1)
            .is_some_and(|next| next.0.is_empty() && matches!(next.1, Part::Fraction { .. }));
        if second && !fraction_next && rest.starts_with(['.', ',']) {
            rest = read.fraction(rest).unwrap_or(rest);
        }
    }
    if rest != end {
        return Err(match rest.strip_prefix(end) {
            Some(extra) => {
                let [value, extra] = [value, extra].map(|t| quoted(t.as_bytes()));
                format!("parsing time {value}: extra text: {extra}")
            }
            None => refused(rest, end),
        });
    }
    read.time(local).map_err(range)
}

/// A number of `least` to `most` digits at the beginning of `text`.
fn number(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let count = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if count < least {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}

/// The place of the name that begins `text`, in any case.
fn name<'a>(names: &[&str], text: &'a str, full: bool) -> Option<(usize, &'a str)> {
    names.iter().enumerate().find_map(|(at, name)| {
        let name = if full { name } else { &name[..3] };
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then(|| (at, &text[name.len()..]))
    })
}

impl Read {
    /// Reads one part; what follows it.
    fn take<'a>(&mut self, part: Part, text: &'a str) -> Option<&'a str> {
        match part {
            Part::Month { full } => {
                let (at, rest) = name(&MONTHS, text, full)?;
                self.month = i8::try_from(at).ok()? + 1;
                Some(rest)
            }
            Part::Weekday { full } => Some(name(&DAYS, text, full)?.1),
            Part::Year => {
                let (year, rest) = number(text, 4, 4)?;
                self.year = i16::try_from(year).ok()?;
                Some(rest)
            }
            Part::YearInCentury => {
                let (year, rest) = number(text, 2, 2)?;
                self.year =
                    i16::try_from(if year >= 69 { year + 1900 } else { year + 2000 }).ok()?;
                Some(rest)
            }
            Part::Half { upper } => self.half(upper, text),
            Part::Number(width, fill, field) => self.number(width, fill, field, text),
            Part::Fraction {
                digits, trimmed, ..
            } => {
                if trimmed {
                    return if text.starts_with(['.', ',']) {
                        self.fraction(text).or(Some(text))
                    } else {
                        Some(text)
                    };
                }
                let rest = self.fraction(text)?;
                (text.len() - rest.len() == digits + 1).then_some(rest)
            }
            Part::Offset {
                colon,
                minutes,
                seconds,
                zulu,
            } => {
                if zulu && let Some(rest) = text.strip_prefix('Z') {
                    self.offset = Some(0);
                    return Some(rest);
                }
                self.offset(colon, minutes, seconds, text)
            }
            Part::ZoneName => {
                let count = text.bytes().take_while(u8::is_ascii_uppercase).count();
                if !(3..=5).contains(&count) {
                    return None;
                }
                text[..count].clone_into(&mut self.zone_name);
                Some(&text[count..])
            }
        }
    }

    fn half<'a>(&mut self, upper: bool, text: &'a str) -> Option<&'a str> {
        let half = text.get(..2)?;
        let (before, after) = if upper { ("AM", "PM") } else { ("am", "pm") };
        if half != before && half != after {
            return None;
        }
        self.afternoon = Some(half == after);
        Some(&text[2..])
    }

    fn number<'a>(
        &mut self,
        width: usize,
        fill: char,
        field: Field,
        text: &'a str,
    ) -> Option<&'a str> {
        let text = if fill == ' ' {
            text.trim_start_matches(' ')
        } else {
            text
        };
        let most = if field == Field::YearDay { 3 } else { 2 };
        let least = match (fill, field) {
            (' ', _) | (_, Field::Hour) => 1,
            _ => width,
        };
        let (value, rest) = number(text, least, most)?;
        let small = i8::try_from(value).ok();
        match field {
            Field::Month => self.month = small?,
            Field::Day => self.day = small?,
            Field::YearDay => self.year_day = Some(i16::try_from(value).ok()?),
            Field::Hour | Field::HalfHour => self.hour = small?,
            Field::Minute => self.minute = small?,
            Field::Second => self.second = small?,
        }
        Some(rest)
    }

    /// Reads a point and digits, of which nine count.
    fn fraction<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let digits = text.get(1..)?;
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 || !text.starts_with(['.', ',']) {
            return None;
        }
        let nine: String = digits[..count]
            .chars()
            .chain("000000000".chars())
            .take(9)
            .collect();
        self.nanosecond = nine.parse().ok()?;
        Some(&digits[count..])
    }

    fn offset<'a>(
        &mut self,
        colon: bool,
        minutes: bool,
        seconds: bool,
        text: &'a str,
    ) -> Option<&'a str> {
        let (sign, text) = match text.as_bytes().first()? {
            b'+' => (1, &text[1..]),
            b'-' => (-1, &text[1..]),
            _ => return None,
        };
        let (hours, mut rest) = number(text, 2, 2)?;
        let mut total = hours * 3600;
        for (wanted, unit) in [(minutes, 60), (seconds, 1)] {
            if wanted {
                rest = if colon { rest.strip_prefix(':')? } else { rest };
                let (value, after) = number(rest, 2, 2)?;
                total += value * unit;
                rest = after;
            }
        }
        self.offset = Some(sign * total);
        Some(rest)
    }

    /// The time; the name of the field that is out of range otherwise.
    fn time(&self, local: &TimeZone) -> Result<Zoned, &'static str> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        for (what, value, least, end) in [
            ("month", self.month, 1, 13),
            ("hour", hour, 0, 24),
            ("minute", self.minute, 0, 60),
            ("second", self.second, 0, 60),
        ] {
            if !(least..end).contains(&value) {
                return Err(what);
            }
        }
        let civil = DateTime::new(
            self.year,
            self.month,
            self.day,
            hour,
            self.minute,
            self.second,
            self.nanosecond,
        );
        let mut civil = civil.map_err(|_| "day")?;
        if let Some(day) = self.year_day {
            civil = civil
                .with()
                .day_of_year(day)
                .build()
                .map_err(|_| "day-of-year")?;
        }
        let zone = match (self.offset, self.zone_name.as_str()) {
            (Some(seconds), _) => {
                let there = civil.to_zoned(local.clone()).map_err(|_| "time")?;
                if there.offset().seconds() == seconds {
                    local.clone()
                } else {
                    fixed(seconds).map_err(|_| "time zone offset")?
                }
            }
            (None, "UTC" | "GMT") => TimeZone::UTC,
            (None, _) => local.clone(),
        };
        civil.to_zoned(zone).map_err(|_| "time")
    }
}
