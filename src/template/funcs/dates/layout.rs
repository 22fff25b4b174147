//! Go's layouts: how the moment `Mon Jan 2 15:04:05 -0700 MST 2006` would be written.

use jiff::Zoned;

use crate::template::error::Outcome;

pub(super) const MONTHS: [&str; 12] = [
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
pub(super) const DAYS: [&str; 7] = [
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
pub(super) enum Part {
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
pub(super) enum Field {
    Month,
    Day,
    YearDay,
    Hour,
    HalfHour,
    Minute,
    Second,
}

#[expect(
    clippy::fn_params_excessive_bools,
    reason = "the variant's fields, in their order"
)]
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
pub(super) fn parts(layout: &str) -> (Vec<(&str, Part, &str)>, &str) {
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

pub(super) fn text(bytes: &[u8]) -> Outcome<&str> {
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
        Part::Number(width, ' ', field) => out.extend([format!("{:width$}", value(field, time))]),
        Part::Number(width, _, field) => out.extend([format!("{:0width$}", value(field, time))]),
        Part::Year => out.extend([format!("{:04}", time.year())]),
        Part::YearInCentury => out.extend([format!("{:02}", time.year().rem_euclid(100))]),
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
            write_offset(
                time.offset().seconds(),
                if colon { ":" } else { "" },
                (minutes, seconds, zulu),
                out,
            );
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

/// The number in a field.
fn value(field: Field, time: &Zoned) -> i16 {
    match field {
        Field::Month => i16::from(time.month()),
        Field::Day => i16::from(time.day()),
        Field::YearDay => time.day_of_year(),
        Field::Hour => i16::from(time.hour()),
        Field::HalfHour => i16::from((time.hour() + 11) % 12 + 1),
        Field::Minute => i16::from(time.minute()),
        Field::Second => i16::from(time.second()),
    }
}

/// A distance from UTC, with minutes and seconds as wanted, or `Z` for none.
fn write_offset(
    offset: i32,
    colon: &str,
    (minutes, seconds, zulu): (bool, bool, bool),
    out: &mut String,
) {
    if zulu && offset == 0 {
        out.push('Z');
        return;
    }
    let size = offset.unsigned_abs();
    out.push(if offset < 0 { '-' } else { '+' });
    out.extend([format!("{:02}", size / 3600)]);
    if minutes {
        out.extend([format!("{colon}{:02}", size / 60 % 60)]);
    }
    if seconds {
        out.extend([format!("{colon}{:02}", size % 60)]);
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
