//! How often a store is called at most: the annotation `latchkey.dev/max-requests-per-second`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::api::well_known::MAX_REQUESTS_ANNOTATION;
use crate::model::complaint::Complaint;
use crate::model::secret_store::StoreId;

/// Fewest requests a second, one in 100 s; a line of callers would never end with less.
const FEWEST: f64 = 0.01;
/// Most requests a second that still limit anything.
const MOST: f64 = 10_000.0;

/// Requests a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RequestRate {
    /// As many as are asked for.
    Unlimited,
    /// No more than this, between 0.01 and 10,000.
    PerSecond(f64),
}

impl Default for RequestRate {
    /// 50: far below what services refuse, and more than a store needs whose values are shared.
    fn default() -> Self {
        Self::PerSecond(50.0)
    }
}

impl FromStr for RequestRate {
    type Err = String;

    /// Reads a number of requests a second; 0 is any number.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().parse::<f64>() {
            Ok(0.0) => Ok(Self::Unlimited),
            Ok(rate) if (FEWEST..=MOST).contains(&rate) => Ok(Self::PerSecond(rate)),
            _ => Err(format!(
                "{text:?} is no number of requests a second; write 0 for any number, or one from {FEWEST} to \
                 {MOST}"
            )),
        }
    }
}

impl fmt::Display for RequestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("0"),
            Self::PerSecond(rate) => write!(f, "{rate}"),
        }
    }
}

/// What the annotations of the store `id` say; `None` leaves it to the process's default.
///
/// # Errors
/// When the annotation cannot be read; the default holds then.
pub fn of_store(
    id: &StoreId,
    annotations: &BTreeMap<String, String>,
) -> Result<Option<RequestRate>, Complaint> {
    let text = annotations.get(MAX_REQUESTS_ANNOTATION);
    text.map(|text| rate(id, text)).transpose()
}

/// Reads the annotation of the store `id`.
///
/// # Errors
/// When it is no rate.
pub fn rate(id: &StoreId, text: &str) -> Result<RequestRate, Complaint> {
    text.parse().map_err(|message| {
        let field = format!("metadata.annotations[{MAX_REQUESTS_ANNOTATION}]");
        Complaint::error(field, format!("{id}: {message}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::meta::StoreKind;

    #[test]
    fn a_rate_is_a_number_or_none_at_all() {
        let rate = |text: &str| text.parse::<RequestRate>();
        assert_eq!(rate("50"), Ok(RequestRate::PerSecond(50.0)));
        assert_eq!(rate(" 0.5 "), Ok(RequestRate::PerSecond(0.5)));
        assert_eq!(rate("0"), Ok(RequestRate::Unlimited));
        for wrong in ["", "-1", "0.001", "20000", "many", "NaN", "inf", "1/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        for text in ["0", "50", "0.5"] {
            assert_eq!(rate(text).map(|rate| rate.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn nonsense_is_told_with_object_annotation_and_remedy() {
        let id = StoreId::new(StoreKind::ClusterSecretStore, "", "vault");
        let said = |text: &str| {
            let all = [(MAX_REQUESTS_ANNOTATION.to_owned(), text.to_owned())];
            of_store(&id, &all.into())
        };
        assert_eq!(of_store(&id, &BTreeMap::new()), Ok(None));
        assert_eq!(said("3"), Ok(Some(RequestRate::PerSecond(3.0))));
        let told = said("fast").unwrap_err().to_string();
        for part in [
            "ClusterSecretStore \"vault\"",
            "latchkey.dev/max-requests-per-second",
            "write 0 for any number",
        ] {
            assert!(told.contains(part), "{part:?} in {told}");
        }
    }
}
