//! Dates against what Go gives.

use super::super::samples::{call, text};
use crate::template::Value;

fn shown(value: &Value) -> String {
    match value {
        Value::Object(object) => String::from_utf8(object.display()).unwrap(),
        other => String::from_utf8_lossy(other.bytes()).into_owned(),
    }
}

#[test]
fn layouts_are_written_as_in_go() {
    for (layout, zone, expected) in [
        ("2006-01-02T15:04:05Z07:00", "UTC", "2026-03-04T05:06:07Z"),
        (
            "Mon Jan _2 15:04:05 MST 2006",
            "Europe/Berlin",
            "Wed Mar  4 06:06:07 CET 2026",
        ),
        (
            "Monday, January 2 3:04PM -0700",
            "America/New_York",
            "Wednesday, March 4 12:06AM -0500",
        ),
        (
            "02.1.06 002 __2 .000 .999 pm",
            "UTC",
            "04.3.26 063  63 .000  am",
        ),
        (
            "Month Janet Mon, Z0700 -07",
            "Asia/Kolkata",
            "Month Janet Wed, +0530 +05",
        ),
        ("2006", "No/Where", "2026"),
    ] {
        let now = call("now", &[]).unwrap();
        let out = call("dateInZone", &[layout.into(), now, zone.into()]).unwrap();
        assert_eq!(shown(&out), expected, "{layout}");
    }
}

#[test]
fn what_go_reads_is_read() {
    for (layout, value, expected) in [
        ("2006-01-02", "2017-12-31", "2017-12-31 00:00:00 +0000 UTC"),
        (
            "2006-01-02T15:04:05Z07:00",
            "2020-02-29T23:59:59.5+02:00",
            "2020-02-29 23:59:59.5 +0200 +0200",
        ),
        (
            "Jan 2, 2006 at 3:04pm (MST)",
            "feb 3, 2013 at 7:54pm (UTC)",
            "2013-02-03 19:54:00 +0000 UTC",
        ),
        ("2006 15:04", "0001 7:05", "0001-01-01 07:05:00 +0000 UTC"),
    ] {
        let out = call("mustToDate", &[layout.into(), value.into()]).unwrap();
        assert_eq!(shown(&out), expected, "{layout}");
    }
}

#[test]
fn what_go_refuses_is_refused_in_its_words() {
    for (layout, value, expected) in [
        (
            "2006-01-02",
            "x",
            r#"parsing time "x" as "2006-01-02": cannot parse "x" as "2006""#,
        ),
        (
            "2006-01-02",
            "2020-13-01",
            r#"parsing time "2020-13-01": month out of range"#,
        ),
        (
            "2006-01-02",
            "2021-02-29",
            r#"parsing time "2021-02-29": day out of range"#,
        ),
        (
            "2006-01-02",
            "2020-01-01Z",
            r#"parsing time "2020-01-01Z": extra text: "Z""#,
        ),
    ] {
        let error = call("mustToDate", &[layout.into(), value.into()]).unwrap_err();
        assert_eq!(error, expected);
        let zero = call("toDate", &[layout.into(), value.into()]).unwrap();
        assert_eq!(shown(&zero), "0001-01-01 00:00:00 +0000 UTC");
    }
}

#[test]
fn durations_are_written_as_in_go() {
    for (seconds, expected) in [
        (0, "0s"),
        (95, "1m35s"),
        (-3600, "-1h0m0s"),
        (90_061, "25h1m1s"),
    ] {
        let out = call("duration", &[Value::Int64(seconds)]).unwrap();
        assert_eq!(shown(&out), expected);
    }
    for (duration, expected) in [
        ("2h10m5s", "2h"),
        ("2400h10m5s", "3mo"),
        ("-90s", "1m"),
        ("x", "0s"),
        ("8761h", "1y"),
    ] {
        assert_eq!(text("durationRound", &[duration]).unwrap(), expected);
    }
}

#[test]
fn times_move_by_durations() {
    let now = call("now", &[]).unwrap();
    let moved = call("mustDateModify", &["-1.5h".into(), now.clone()]).unwrap();
    assert_eq!(shown(&moved), "2026-03-04 03:36:07 +0000 UTC");
    assert_eq!(
        shown(&call("ago", std::slice::from_ref(&moved)).unwrap()),
        "1h30m0s"
    );
    let error = call("mustDateModify", &["1x".into(), now.clone()]).unwrap_err();
    assert_eq!(error, r#"time: unknown unit "x" in duration "1x""#);
    let same = call("dateModify", &["1".into(), now.clone()]).unwrap();
    assert_eq!(shown(&same), shown(&now));
    assert_eq!(shown(&call("unixEpoch", &[now]).unwrap()), "1772600767");
}
