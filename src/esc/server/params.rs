//! Query parameters, read as leniently as clients write them: an empty one is an absent one.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::problem::Problem;

/// Lifetime of a session unless the request tells one (Pulumi's documentation).
const LIFETIME: Duration = Duration::from_hours(2);
/// Longest lifetime of a session.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24);
/// Most items in one page, and as many as there are unless the request tells another number.
const PAGE: usize = 500;

pub(super) struct Params(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(all) = Query::<HashMap<String, String>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::bad_request("the query cannot be read"))?;
        Ok(Self(all))
    }
}

impl Params {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|text| text == "true" || text == "1")
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| Problem::bad_request(format!("parameter {name} must be a number")))
        };
        self.text(name).map(parse).transpose()
    }

    /// How many items of a list are asked for; 0 means no wish.
    pub(super) fn limit(&self, name: &str) -> Result<usize, Problem> {
        let asked = self.number(name)?.filter(|count| *count > 0);
        Ok(asked.map_or(PAGE, |count| {
            usize::try_from(count).unwrap_or(PAGE).min(PAGE)
        }))
    }

    /// How long a session is to live, in Go's notation (`2h0m0s`).
    pub(super) fn lifetime(&self) -> Result<Duration, Problem> {
        let Some(text) = self.text("duration") else {
            return Ok(LIFETIME);
        };
        go_duration(text)
            .filter(|duration| !duration.is_zero() && *duration <= LONGEST_LIFETIME)
            .ok_or_else(|| {
                Problem::bad_request("parameter duration must be like 2h0m0s, and at most 24h")
            })
    }
}

fn go_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let amount: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest
            .find(|char: char| char.is_ascii_digit() || char == '.')
            .unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "\u{b5}s" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(amount * unit).ok()?)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_in_go() {
        for (text, seconds) in [
            ("2h0m0s", 7200.0),
            ("1.5h", 5400.0),
            ("90s", 90.0),
            ("250ms", 0.25),
        ] {
            assert_eq!(
                go_duration(text),
                Some(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
        for text in ["", "5", "h", "-1h", "1d", "1e9h", "1h-5m"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
