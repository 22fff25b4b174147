//! When periodic refreshes may happen (eso.md §2.4).
//!
//! ESO documents UTC and evaluates in the zone of its process; here it is UTC.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::api::v1::{SyncWindow, SyncWindowKind, SyncWindows as Raw};
use crate::model::complaint::Complaint;
use crate::model::duration;

/// Windows that are passed over in the search for a moment outside of all of them. A denial that is
/// never interrupted for so many is for ever.
const SEARCH_LIMIT: usize = 1000;

/// Times in which periodic refreshes may, or may not, happen.
#[derive(Clone, Debug)]
pub struct SyncWindows {
    allows: bool,
    windows: Vec<Window>,
}

#[derive(Clone, Debug)]
struct Window {
    schedule: Schedule,
    duration: SignedDuration,
}

/// When a window opens.
#[derive(Clone, Debug)]
enum Schedule {
    Cron(Box<Cron>),
    /// Counted from 1970, so that every process and every restart agrees.
    Every(SignedDuration),
}

impl SyncWindows {
    /// Checks windows. ESO takes a schedule that it cannot read for one that never opens; here it is
    /// told.
    pub(super) fn parse(raw: &Raw, complaints: &mut Vec<Complaint>) -> Self {
        let mut windows = Vec::new();
        for (position, window) in raw.windows.iter().enumerate() {
            let field = format!("spec.syncWindows.windows[{position}]");
            match Window::parse(&field, window) {
                Ok(window) => windows.push(window),
                Err(complaint) => complaints.push(complaint),
            }
        }
        Self {
            allows: raw.kind == SyncWindowKind::Allow,
            windows,
        }
    }

    /// The first moment at or after `from` at which refreshes may happen; `None` where there is none.
    #[must_use]
    pub fn opening(&self, from: Timestamp) -> Option<Timestamp> {
        if self.allows {
            if self.windows.iter().any(|window| window.is_open(from)) {
                return Some(from);
            }
            let firings = self.windows.iter();
            return firings
                .filter_map(|window| window.schedule.next(from))
                .min();
        }
        let mut moment = from;
        for _ in 0..SEARCH_LIMIT {
            let windows = self.windows.iter();
            let Some(end) = windows.filter_map(|window| window.end(moment)).max() else {
                return Some(moment);
            };
            // The border belongs to the window.
            moment = end.checked_add(Duration::from_nanos(1)).ok()?;
        }
        None
    }
}

impl Window {
    fn parse(field: &str, raw: &SyncWindow) -> Result<Self, Complaint> {
        let at =
            |member: &str, message: String| Complaint::error(format!("{field}.{member}"), message);
        let duration = duration::parse(&raw.duration).map_err(|message| at("duration", message))?;
        if duration < SignedDuration::ZERO {
            return Err(at(
                "duration",
                "a window cannot last less than no time".to_owned(),
            ));
        }
        let schedule = Schedule::parse(&raw.schedule).map_err(|message| at("schedule", message))?;
        Ok(Self { schedule, duration })
    }

    fn is_open(&self, at: Timestamp) -> bool {
        self.end(at).is_some()
    }

    /// The last moment of the window that is open at `at`; both borders belong to it.
    fn end(&self, at: Timestamp) -> Option<Timestamp> {
        let opened = self.schedule.latest(at)?;
        let end = opened.checked_add(self.duration).ok()?;
        (at <= end).then_some(end)
    }
}

impl Schedule {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(text) = text.strip_prefix("@every ") {
            let interval = duration::parse(text.trim())?;
            return if interval < SignedDuration::from_secs(1) {
                Err("a schedule fires once a second at most".to_owned())
            } else {
                Ok(Self::Every(interval))
            };
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(|error| {
            format!("{text:?} is not a cron expression of five fields or a descriptor such as @daily: {error}")
        })?;
        Ok(Self::Cron(Box::new(cron)))
    }

    /// The last firing at or before `at`.
    fn latest(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(interval) => {
                let since = at.as_nanosecond().rem_euclid(interval.as_nanos());
                Timestamp::from_nanosecond(at.as_nanosecond() - since).ok()
            }
            Self::Cron(cron) => {
                let zoned = at.to_zoned(TimeZone::UTC);
                let firing = cron.find_previous_occurrence(&zoned, true).ok()?;
                Some(firing.timestamp())
            }
        }
    }

    /// The first firing after `at`.
    fn next(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(interval) => self.latest(at)?.checked_add(*interval).ok(),
            Self::Cron(cron) => {
                let zoned = at.to_zoned(TimeZone::UTC);
                let firing = cron.find_next_occurrence(&zoned, false).ok()?;
                Some(firing.timestamp())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn windows(kind: &str, windows: &[(&str, &str)]) -> SyncWindows {
        let windows: Vec<_> = windows
            .iter()
            .map(|(schedule, duration)| json!({"schedule": schedule, "duration": duration}))
            .collect();
        let raw: Raw = serde_json::from_value(json!({"kind": kind, "windows": windows})).unwrap();
        let mut complaints = Vec::new();
        let parsed = SyncWindows::parse(&raw, &mut complaints);
        assert!(complaints.is_empty(), "{complaints:?}");
        parsed
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[track_caller]
    fn opens(windows: &SyncWindows, from: &str, expected: &str) {
        assert_eq!(windows.opening(at(from)), Some(at(expected)));
    }

    #[test]
    fn allowed_windows_hold_refreshes_back_until_one_opens() {
        let nights = windows("allow", &[("0 2 * * *", "1h"), ("30 22 * * 1-5", "30m")]);
        // Wednesday.
        opens(&nights, "2026-11-25T12:00:00Z", "2026-11-25T22:30:00Z");
        opens(&nights, "2026-11-25T22:45:00Z", "2026-11-25T22:45:00Z");
        opens(&nights, "2026-11-25T23:00:01Z", "2026-11-26T02:00:00Z");
        // Saturday.
        opens(&nights, "2026-11-28T12:00:00Z", "2026-11-29T02:00:00Z");
    }

    #[test]
    fn both_borders_belong_to_a_window() {
        let hour = windows("allow", &[("0 2 * * *", "1h")]);
        opens(&hour, "2026-11-25T02:00:00Z", "2026-11-25T02:00:00Z");
        opens(&hour, "2026-11-25T03:00:00Z", "2026-11-25T03:00:00Z");
        opens(&hour, "2026-11-25T03:00:00.001Z", "2026-11-26T02:00:00Z");
        let denied = windows("deny", &[("0 2 * * *", "1h")]);
        opens(
            &denied,
            "2026-11-25T02:00:00Z",
            "2026-11-25T03:00:00.000000001Z",
        );
        opens(&denied, "2026-11-25T01:59:59Z", "2026-11-25T01:59:59Z");
    }

    #[test]
    fn denied_windows_that_overlap_hold_back_until_the_last_ends() {
        let busy = windows(
            "deny",
            &[
                ("0 8 * * *", "4h"),
                ("0 11 * * *", "2h"),
                ("0 13 * * *", "10m"),
            ],
        );
        opens(
            &busy,
            "2026-11-25T09:00:00Z",
            "2026-11-25T13:10:00.000000001Z",
        );
    }

    #[test]
    fn what_never_opens_is_known_as_such() {
        assert_eq!(
            windows("deny", &[("* * * * *", "1h")]).opening(at("2026-11-25T09:00:00Z")),
            None
        );
        assert_eq!(
            windows("allow", &[("0 0 30 2 *", "1h")]).opening(at("2026-11-25T09:00:00Z")),
            None
        );
    }

    #[test]
    fn descriptors_and_intervals_are_schedules() {
        opens(
            &windows("allow", &[("@daily", "1m")]),
            "2026-11-25T09:00:00Z",
            "2026-11-26T00:00:00Z",
        );
        opens(
            &windows("allow", &[("@hourly", "1m")]),
            "2026-11-25T09:05:00Z",
            "2026-11-25T10:00:00Z",
        );
        opens(
            &windows("allow", &[("@weekly", "1m")]),
            "2026-11-25T09:05:00Z",
            "2026-11-29T00:00:00Z",
        );
        opens(
            &windows("allow", &[("@every 10m", "1m")]),
            "2026-11-25T09:05:00Z",
            "2026-11-25T09:10:00Z",
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (schedule, duration, field) in [
            ("0 25 * * *", "1h", "schedule"),
            ("0 0 2 * * *", "1h", "schedule"),
            ("@every soon", "1h", "schedule"),
            ("@daily", "a while", "duration"),
        ] {
            let raw =
                json!({"kind": "allow", "windows": [{"schedule": schedule, "duration": duration}]});
            let mut complaints = Vec::new();
            SyncWindows::parse(&serde_json::from_value(raw).unwrap(), &mut complaints);
            assert_eq!(
                complaints[0].field,
                format!("spec.syncWindows.windows[0].{field}")
            );
        }
    }
}
