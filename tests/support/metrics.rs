//! Counters in the Prometheus text format.

use anyhow::{Context as _, bail};

/// Verbs under which the API server counts a change.
const WRITES: [&str; 6] = [
    "POST",
    "PUT",
    "PATCH",
    "APPLY",
    "DELETE",
    "DELETECOLLECTION",
];

/// One scrape.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Samples {
    /// Reads a scrape; a line that cannot be read is an error, so that no count is lost in silence.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| sample(line).with_context(|| format!("failed to read metric {line:?}")))
            .collect::<anyhow::Result<_>>()
            .map(Self)
    }

    /// Sum over the samples of `name` that have all of `labels`; zero if there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &Sample, (key, value): &(&str, &str)| {
            sample.labels.iter().any(|(k, v)| k == key && v == value)
        };
        self.0
            .iter()
            .filter(|sample| sample.name == name)
            .filter(|sample| labels.iter().all(|label| has(sample, label)))
            .map(|sample| sample.value)
            .sum()
    }

    /// Whether any sample has this name: tells a counter at zero from a misspelt one.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.iter().any(|sample| sample.name == name)
    }

    /// Requests the API server has answered, whatever the answer.
    pub(crate) fn api_requests(&self, verb: &str, of: Resource<'_>) -> u64 {
        let count = self.sum(
            "apiserver_request_total",
            &[
                ("verb", verb),
                ("group", of.group),
                ("resource", of.plural),
                ("subresource", of.subresource),
            ],
        );
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a counter of requests is a small whole number"
        )]
        let count = count as u64;
        count
    }

    /// Changing requests the API server has answered: creates, updates, patches, applies and deletes.
    pub(crate) fn api_writes(&self, of: Resource<'_>) -> u64 {
        WRITES.iter().map(|verb| self.api_requests(verb, of)).sum()
    }
}

/// What a request to the API server was about; the core group and the object itself are empty strings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource<'a> {
    /// API group.
    pub(crate) group: &'a str,
    /// Plural name.
    pub(crate) plural: &'a str,
    /// Subresource, such as `status`.
    pub(crate) subresource: &'a str,
}

/// Secrets themselves.
pub(crate) const SECRETS: Resource<'static> = Resource {
    group: "",
    plural: "secrets",
    subresource: "",
};

/// ExternalSecrets themselves.
pub(crate) const EXTERNAL_SECRETS: Resource<'static> = Resource {
    group: "external-secrets.io",
    plural: "externalsecrets",
    subresource: "",
};

/// The status of ExternalSecrets.
pub(crate) const EXTERNAL_SECRET_STATUS: Resource<'static> = Resource {
    subresource: "status",
    ..EXTERNAL_SECRETS
};

fn sample(line: &str) -> anyhow::Result<Sample> {
    let end = line
        .find(|c: char| c == '{' || c.is_whitespace())
        .context("no value")?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // A timestamp may follow the value.
    let value = rest.split_whitespace().next().context("no value")?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse()?,
    };
    Ok(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Reads `a="b",c="d"} rest`.
fn labels(mut rest: &str) -> anyhow::Result<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (key, after) = rest.split_once("=\"").context("a label without a value")?;
        let (value, after) = quoted(after)?;
        labels.push((key.trim().to_owned(), value));
        rest = after;
    }
}

/// Reads to the closing quote and undoes the three escapes of the format.
fn quoted(text: &str) -> anyhow::Result<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next().context("an escape without a character")?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    bail!("a label value without its closing quote")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAPE: &str = r#"
# HELP apiserver_request_total Counter of apiserver requests.
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="secrets",scope="resource",subresource="",verb="POST",version="v1"} 3
apiserver_request_total{code="409",component="apiserver",dry_run="",group="",resource="secrets",scope="resource",subresource="",verb="POST",version="v1"} 1
apiserver_request_total{code="200",component="apiserver",dry_run="",group="external-secrets.io",resource="externalsecrets",scope="resource",subresource="status",verb="APPLY",version="v1"} 2e+00
odd{path="C:\\x",text="a \"b\", {c}\n"} +Inf 1700000000000
bare 7
"#;

    #[test]
    fn requests_are_summed_over_the_labels_left_open() {
        let samples = Samples::parse(SCRAPE).unwrap();
        assert_eq!(samples.api_requests("POST", SECRETS), 4);
        assert_eq!(samples.api_writes(SECRETS), 4);
        assert_eq!(samples.api_writes(EXTERNAL_SECRETS), 0);
        assert_eq!(samples.api_writes(EXTERNAL_SECRET_STATUS), 2);
    }

    #[test]
    fn escapes_braces_and_timestamps_are_read() {
        let samples = Samples::parse(SCRAPE).unwrap();
        let labels = [("path", r"C:\x"), ("text", "a \"b\", {c}\n")];
        assert!(samples.sum("odd", &labels).is_infinite());
        assert!((samples.sum("bare", &[]) - 7.0).abs() < f64::EPSILON);
        assert!(samples.knows("bare") && !samples.knows("absent"));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_an_error() {
        for line in [
            "name",
            "name{",
            "name{a=\"b} 1",
            "name{a=\"b\"} x",
            "name{a} 1",
        ] {
            assert!(Samples::parse(line).is_err(), "{line}");
        }
    }
}
