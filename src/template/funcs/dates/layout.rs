//! Go's layouts: how the moment `Mon Jan 2 15:04:05 -0700 MST 2006` would be written.

use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::fixed;
use crate::template::error::Outcome;
use crate::template::format::quoted;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// What a part of a layout stands for; in the order in which spellings are tried, longest first.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Month {
        full: bool,
    },
    Weekday {
        full: bool,
    },
    ZoneName,
    /// A number of the date or time: least width, what fills it, of which field.
    Number(usize, char, Field),
    Year,
    YearInCentury,
    Half {
        upper: bool,
    },
    /// Distance from UTC: colons, minutes and seconds, `Z` for none.
    Offset {
        colon: bool,
        minutes: bool,
        seconds: bool,
        zulu: bool,
    },
    /// Digits behind the second's point; `9` leaves zeros at the end out.
    Fraction {
        digits: usize,
        trimmed: bool,
        point: char,
    },
}

#[derive(Clone, Copy, PartialEq)]
enum Field {
    Month,
    Day,
    YearDay,
    Hour,
    HalfHour,
    Minute,
    Second,
}

const fn offset(colon: bool, minutes: bool, seconds: bool, zulu: bool) -> Part {
    Part::Offset {
        colon,
        minutes,
        seconds,
        zulu,
    }
}

const SPELLINGS: &[(&str, Part)] = &[
    ("January", Part::Month { full: true }),
    ("Jan", Part::Month { full: false }),
    ("Monday", Part::Weekday { full: true }),
    ("Mon", Part::Weekday { full: false }),
    ("MST", Part::ZoneName),
    ("002", Part::Number(3, '0', Field::YearDay)),
    ("01", Part::Number(2, '0', Field::Month)),
    ("02", Part::Number(2, '0', Field::Day)),
    ("03", Part::Number(2, '0', Field::HalfHour)),
    ("04", Part::Number(2, '0', Field::Minute)),
    ("05", Part::Number(2, '0', Field::Second)),
    ("06", Part::YearInCentury),
    ("15", Part::Number(2, '0', Field::Hour)),
    ("1", Part::Number(1, '0', Field::Month)),
    ("2006", Part::Year),
    ("2", Part::Number(1, '0', Field::Day)),
    ("__2", Part::Number(3, ' ', Field::YearDay)),
    ("_2", Part::Number(2, ' ', Field::Day)),
    ("3", Part::Number(1, '0', Field::HalfHour)),
    ("4", Part::Number(1, '0', Field::Minute)),
    ("5", Part::Number(1, '0', Field::Second)),
    ("PM", Part::Half { upper: true }),
    ("pm", Part::Half { upper: false }),
    ("-07:00:00", offset(true, true, true, false)),
    ("-070000", offset(false, true, true, false)),
    ("-07:00", offset(true, true, false, false)),
    ("-0700", offset(false, true, false, false)),
    ("-07", offset(false, false, false, false)),
    ("Z07:00:00", offset(true, true, true, true)),
    ("Z070000", offset(false, true, true, true)),
    ("Z07:00", offset(true, true, false, true)),
    ("Z0700", offset(false, true, false, true)),
    ("Z07", offset(false, false, false, true)),
];

/// The part that begins `layout`, and its length.
fn part_at(layout: &str) -> Option<(Part, usize)> {
    if layout.starts_with("_2006") {
        return None;
    }
    if let Some(found) = fraction_at(layout) {
        return Some(found);
    }
    let found = SPELLINGS.iter().find(|(spelling, _)| {
        let Some(after) = layout.strip_prefix(spelling) else {
            return false;
        };
        // `Month` and `Monty` are words, not days.
        !matches!(*spelling, "Jan" | "Mon") || !after.starts_with(|c: char| c.is_ascii_lowercase())
    });
    found.map(|(spelling, part)| (*part, spelling.len()))
}

fn fraction_at(layout: &str) -> Option<(Part, usize)> {
    let mut characters = layout.chars();
    let point = characters.next().filter(|c| matches!(c, '.' | ','))?;
    let digit = characters.next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = layout[1..].chars().take_while(|c| *c == digit).count();
    if layout[1 + digits..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let trimmed = digit == '9';
    Some((
        Part::Fraction {
            digits,
            trimmed,
            point,
        },
        1 + digits,
    ))
}

/// The layout's parts, each with the literal text before it and its own spelling, and the text at the end.
fn parts(layout: &str) -> (Vec<(&str, Part, &str)>, &str) {
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(character) = layout[at..].chars().next() {
        if let Some((part, length)) = part_at(&layout[at..]) {
            parts.push((&layout[from..at], part, &layout[at..at + length]));
            at += length;
            from = at;
        } else {
            at += character.len_utf8();
        }
    }
    (parts, &layout[from..])
}

fn text(bytes: &[u8]) -> Outcome<&str> {
    std::str::from_utf8(bytes).map_err(|_| "the layout and the time must be UTF-8".to_owned())
}

/// `time` as `layout` says.
pub(super) fn format(layout: &[u8], time: &Zoned) -> Outcome<String> {
    let (parts, end) = parts(text(layout)?);
    let mut out = String::new();
    for (before, part, _) in parts {
        out.push_str(before);
        write(part, time, &mut out);
    }
    out.push_str(end);
    Ok(out)
}

fn write(part: Part, time: &Zoned, out: &mut String) {
    match part {
        Part::Month { full } => {
            let name = MONTHS[usize::from(time.month().unsigned_abs()) - 1];
            out.push_str(if full { name } else { &name[..3] });
        }
        Part::Weekday { full } => {
            let day = time.weekday().to_sunday_zero_offset();
            let name = DAYS[usize::from(day.unsigned_abs())];
            out.push_str(if full { name } else { &name[..3] });
        }
        Part::ZoneName => out.push_str(&zone_name(time)),
        Part::Number(width, fill, field) => {
            let number = match field {
                Field::Month => i16::from(time.month()),
                Field::Day => i16::from(time.day()),
                Field::YearDay => time.day_of_year(),
                Field::Hour => i16::from(time.hour()),
                Field::HalfHour => i16::from((time.hour() + 11) % 12 + 1),
                Field::Minute => i16::from(time.minute()),
                Field::Second => i16::from(time.second()),
            };
            if fill == '0' {
                out.push_str(&format!("{number:0width$}"));
            } else {
                out.push_str(&format!("{number:width$}"));
            }
        }
        Part::Year => out.push_str(&format!("{:04}", time.year())),
        Part::YearInCentury => out.push_str(&format!("{:02}", time.year().rem_euclid(100))),
        Part::Half { upper } => out.push_str(match (time.hour() >= 12, upper) {
            (true, true) => "PM",
            (false, true) => "AM",
            (true, false) => "pm",
            (false, false) => "am",
        }),
        Part::Offset {
            colon,
            minutes,
            seconds,
            zulu,
        } => {
            let offset = time.offset().seconds();
            if zulu && offset == 0 {
                out.push('Z');
                return;
            }
            let size = offset.unsigned_abs();
            let colon = if colon { ":" } else { "" };
            out.push(if offset < 0 { '-' } else { '+' });
            out.push_str(&format!("{:02}", size / 3600));
            if minutes {
                out.push_str(&format!("{colon}{:02}", size / 60 % 60));
            }
            if seconds {
                out.push_str(&format!("{colon}{:02}", size % 60));
            }
        }
        Part::Fraction {
            digits,
            trimmed,
            point,
        } => {
            let nanoseconds = format!("{:09}", time.subsec_nanosecond());
            let mut shown: String = nanoseconds
                .chars()
                .chain(std::iter::repeat('0'))
                .take(digits)
                .collect();
            if trimmed {
                shown.truncate(shown.trim_end_matches('0').len());
            }
            if !shown.is_empty() {
                out.push(point);
                out.push_str(&shown);
            }
        }
    }
}

/// The zone's abbreviation; the distance from UTC where it has no name.
fn zone_name(time: &Zoned) -> String {
    let zone = time.time_zone();
    if zone.to_fixed_offset().is_ok() && zone.iana_name().is_none() && time.offset().seconds() != 0
    {
        let minutes = time.offset().seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let minutes = minutes.unsigned_abs();
        return format!("{sign}{:02}{:02}", minutes / 60, minutes % 60);
    }
    time.strftime("%Z").to_string()
}

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
            Part::Half { upper } => {
                let (half, rest) = (text.get(..2)?, &text[2..]);
                let (before, after) = if upper { ("AM", "PM") } else { ("am", "pm") };
                if half != before && half != after {
                    return None;
                }
                self.afternoon = Some(half == after);
                Some(rest)
            }
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
