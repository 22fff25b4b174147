//! One line of the report.

use std::fmt::Write as _;

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// Worth a look; latchkey works.
    Warn,
    /// latchkey does not work, or not as it should.
    Fail,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What was checked.
    #[serde(rename = "check")]
    pub(super) subject: String,
    /// How it ended.
    pub(super) status: Status,
    /// What was found; holds no secret.
    pub(super) detail: String,
    /// What to do; empty where nothing is.
    pub(super) remedy: String,
}

impl Check {
    /// Something as it should be.
    pub(super) fn ok(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            subject: check.into(),
            status: Status::Ok,
            detail: detail.into(),
            remedy: String::new(),
        }
    }

    /// Something worth a look.
    pub(super) fn warn(
        check: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Warn,
            remedy: remedy.into(),
            ..Self::ok(check, detail)
        }
    }

    /// Something that does not work.
    pub(super) fn fail(
        check: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Fail,
            ..Self::warn(check, detail, remedy)
        }
    }

    /// Something that could not be looked at.
    pub(super) fn unseen(check: impl Into<String>, error: impl std::fmt::Display) -> Self {
        Self::fail(
            check,
            format!("could not be read: {error}"),
            "run doctor with an account that may read it",
        )
    }
}

/// The report for people: a line a check, the remedy below it.
pub(super) fn text(checks: &[Check]) -> String {
    let width = checks
        .iter()
        .map(|check| check.subject.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let status = check.status.as_str();
        writeln!(
            text,
            "{status:<5}{:<width$}  {}",
            check.subject, check.detail
        )
        .expect("writing to a String must succeed");
        if !check.remedy.is_empty() {
            writeln!(text, "{:>width$}  {}", "→", check.remedy, width = width + 5)
                .expect("writing to a String must succeed");
        }
    }
    text
}

/// The report for programs.
pub(super) fn json(checks: &[Check]) -> String {
    let mut text = serde_json::to_string_pretty(checks).expect("checks must be JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_remedy_below_it() {
        let checks = [
            Check::ok("API server", "v1.35"),
            Check::fail("CRDs", "missing", "install them"),
        ];
        assert_eq!(
            text(&checks),
            "OK   API server  v1.35\nFAIL CRDs        missing\n              →  install them\n"
        );
        let parsed: serde_json::Value = serde_json::from_str(&json(&checks)).unwrap();
        assert_eq!(parsed[1]["status"], "FAIL");
        assert_eq!(parsed[0]["remedy"], "");
    }
}
