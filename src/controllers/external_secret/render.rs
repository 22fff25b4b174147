//! What a template makes of the fetched values (eso.md §2.10 and §5.1).

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::plan::{Content, Dress, Failure, Keeps};
use super::status;
use crate::api::v1::DeletionPolicy;
use crate::controllers::Context;
use crate::model::external_secret::{ExternalSecret, Keys, Origin, Place, Template};
use crate::model::keys;
use crate::secret::{SecretBytes, SecretMap};
use crate::template::funcs::yaml;
use crate::template::value::Map;
use crate::template::{Environment, MissingKey, Options, Value};

/// One template that stands in another object or in `templateFrom`.
pub(super) struct Text {
    /// Key it stands under; also its name in error texts.
    pub key: String,
    /// The template.
    pub body: SecretBytes,
    /// Whether its output is a YAML map instead of the value of its key.
    pub makes_map: bool,
}

/// What is to be in the Secret: the fetched values, or what the template makes of them.
///
/// # Errors
/// When a ConfigMap or Secret with templates cannot be read, or a template cannot be rendered; the text
/// names the field or the key.
pub(in crate::controllers) async fn content(
    context: &Context,
    spec: &ExternalSecret,
    data: SecretMap,
) -> Result<Content, Failure> {
    let Some(template) = &spec.target.template else {
        return Ok(Content::plain(data));
    };
    if data.is_empty() && spec.target.deletion != DeletionPolicy::Merge {
        return Ok(Content::plain(data));
    }
    let made = templated(context, &spec.namespace, template, data).await;
    made.map_err(|why| failed(&why))
}

/// What a template of an object of `namespace` makes of `data`.
///
/// # Errors
/// As [`content`].
pub(in crate::controllers) async fn templated(
    context: &Context,
    namespace: &str,
    template: &Template,
    data: SecretMap,
) -> Result<Content, String> {
    let mut texts = Vec::new();
    for source in &template.sources {
        let read = read(context, namespace, &source.origin).await;
        texts.push(read.map_err(|why| format!("error fetching templateFrom data: {why}"))?);
    }
    let (template, now) = (template.clone(), context.now());
    // A template may make RSA keys, which takes a thread for a second.
    let rendered = tokio::task::spawn_blocking(move || render(&template, data, &texts, now)).await;
    rendered.unwrap_or_else(|_| {
        Err("the template made latchkey panic; its log has the cause".to_owned())
    })
}

fn failed(why: &str) -> Failure {
    Failure::passing(
        status::NOT_UPDATED,
        format!("could not apply template: {why}"),
    )
}

/// Reads the templates that stand in an object or in the spec.
///
/// # Errors
/// When the object or a key of it is missing or cannot be read.
pub(super) async fn read(
    context: &Context,
    namespace: &str,
    origin: &Origin,
) -> Result<Vec<Text>, String> {
    match origin {
        Origin::Literal(text) => Ok(vec![Text {
            key: "literal".to_owned(),
            body: SecretBytes::from(text.as_str()),
            makes_map: true,
        }]),
        Origin::ConfigMap(keys) => {
            let read = context.reader.read_config_map(namespace, &keys.name).await;
            let read = read.map_err(|error| error.to_string())?;
            let values = read.map(|values| {
                let values = values.into_iter();
                values
                    .map(|(key, text)| (key, SecretBytes::from(text)))
                    .collect()
            });
            pick(keys, "configmap", values)
        }
        Origin::Secret(keys) => {
            let read = context.reader.read_secret(namespace, &keys.name).await;
            pick(keys, "secret", read.map_err(|error| error.to_string())?)
        }
    }
}

fn pick(keys: &Keys, kind: &str, values: Option<SecretMap>) -> Result<Vec<Text>, String> {
    let name = &keys.name;
    let values = values.ok_or_else(|| format!("error in {kind} {name}: not found"))?;
    let items = keys.items.iter().map(|(key, makes_map)| {
        let text = values.get(key);
        let text = text.ok_or_else(|| format!("error in {kind} {name}: missing key {key}"))?;
        Ok(Text {
            key: key.clone(),
            body: text.duplicate(),
            makes_map: *makes_map,
        })
    });
    items.collect()
}

/// Renders everything; later values of a key win. Labels and annotations that are made from secrets are
/// the wish of whoever wrote the template.
fn render(
    template: &Template,
    fetched: SecretMap,
    texts: &[Vec<Text>],
    now: Timestamp,
) -> Result<Content, String> {
    let engine = Engine::new(&fetched, now);
    let mut made = Made::default();
    for (source, texts) in template.sources.iter().zip(texts) {
        for text in texts {
            let at = |why: String| format!("{}: {why}", source.field);
            let output = engine.render(&text.key, text.body.expose()).map_err(at)?;
            let values = if text.makes_map {
                map(&output).map_err(|why| at(format!("key {}: {why}", text.key)))?
            } else {
                [(text.key.clone(), output)].into_iter().collect()
            };
            for (key, value) in values {
                let value = keys::decode(value, source.decoding);
                let value =
                    value.map_err(|why| at(format!("failure decoding key {key}: {why}")))?;
                made.put(&source.place, key, value)?;
            }
        }
    }
    for (place, templates) in [
        (Place::Data, &template.data),
        (Place::Labels, &template.labels),
        (Place::Annotations, &template.annotations),
    ] {
        for (key, text) in templates {
            let output = engine.render(key, text.as_bytes())?;
            made.put(&place, key.clone(), output)?;
        }
    }
    let mut data = SecretMap::new();
    let is_empty_at_stores = fetched.is_empty();
    if template.keeps_fetched {
        data = fetched;
    }
    data.extend(made.data);
    Ok(Content {
        keeps: Keeps::default(),
        data,
        is_empty_at_stores,
        dress: Some(Dress {
            type_: template.type_.clone(),
            labels: made.labels,
            annotations: made.annotations,
            finalizers: template.finalizers.clone(),
        }),
    })
}

#[derive(Default)]
struct Made {
    data: SecretMap,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl Made {
    fn put(&mut self, place: &Place, key: String, value: SecretBytes) -> Result<(), String> {
        let map = match place {
            Place::Data => {
                self.data.insert(key, value);
                return Ok(());
            }
            Place::Labels => &mut self.labels,
            Place::Annotations => &mut self.annotations,
            Place::Path(_) => return Err("a Secret has no other parts".to_owned()),
        };
        let text = value.expose_str();
        let text = text.ok_or_else(|| format!("metadata {key:?} is not text in UTF-8"))?;
        map.insert(key, text.to_owned());
        Ok(())
    }
}

/// A rendered YAML map of texts, read as Go reads it.
fn map(output: &SecretBytes) -> Result<SecretMap, String> {
    let unfit = |why: &str| format!("could not unmarshal template to 'map[string][]byte': {why}");
    let values = yaml::strings(output.expose()).map_err(|why| unfit(&why))?;
    Ok(values
        .into_iter()
        .map(|(key, value)| (key, SecretBytes::new(value)))
        .collect())
}

/// What a rewrite's template makes of a key. As in ESO a missing field is no error here.
///
/// # Errors
/// When the template cannot be parsed or rendered, or makes no text.
pub(in crate::controllers) fn transformed(
    now: Timestamp,
    template: &str,
    key: &str,
) -> Result<String, String> {
    let now = now.to_zoned(TimeZone::UTC);
    let options = Options {
        missing_key: MissingKey::Default,
        ..Options::new(Environment {
            now: &now,
            random: &|buffer| rand::fill(buffer),
        })
    };
    let parsed = crate::template::Template::parse("transform", template);
    let parsed = parsed.map_err(|error| format!("unable to parse template: {error}"))?;
    let dot = Value::Map(Map::strings([("value", key.as_bytes())]));
    let made = parsed.render(&dot, &options);
    let made = made.map_err(|error| format!("unable to execute template: {error}"))?;
    String::from_utf8(made).map_err(|_| "the template makes a key that is not text".to_owned())
}

/// Renders over the fetched values.
pub(super) struct Engine {
    dot: Value,
    now: Zoned,
}

impl Engine {
    /// Renders over these values at this time.
    pub(super) fn new(fetched: &SecretMap, now: Timestamp) -> Self {
        let entries = fetched.iter().map(|(key, value)| (key, value.expose()));
        Self {
            dot: Value::Map(Map::strings(entries)),
            now: now.to_zoned(TimeZone::UTC),
        }
    }

    /// The output of a template; errors call it `key`.
    ///
    /// # Errors
    /// When it cannot be parsed or rendered.
    pub(super) fn render(&self, key: &str, text: &[u8]) -> Result<SecretBytes, String> {
        let options = Options::new(Environment {
            now: &self.now,
            random: &|buffer| rand::fill(buffer),
        });
        let parsed = crate::template::Template::parse(key, text);
        let parsed =
            parsed.map_err(|error| format!("unable to parse template at key {key}: {error}"))?;
        let output = parsed.render(&self.dot, &options);
        let output =
            output.map_err(|error| format!("unable to execute template at key {key}: {error}"))?;
        Ok(SecretBytes::new(output))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::api::v1::ExternalSecretSpec;

    fn template(template: &Json) -> Template {
        let spec = json!({
            "secretStoreRef": {"name": "s"},
            "dataFrom": [{"extract": {"key": "app"}}],
            "target": {"template": template},
        });
        let spec: ExternalSecretSpec = serde_json::from_value(spec).unwrap();
        let parsed = ExternalSecret::parse("team", "app", &spec).unwrap();
        parsed.target.template.unwrap()
    }

    fn fetched() -> SecretMap {
        [("user", "web"), ("password", "p&ss")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), SecretBytes::from(value)))
            .collect()
    }

    fn rendered(raw: &Json, texts: &[Vec<Text>]) -> Result<Content, String> {
        render(&template(raw), fetched(), texts, Timestamp::UNIX_EPOCH)
    }

    fn literal(text: &str) -> Vec<Text> {
        vec![Text {
            key: "literal".to_owned(),
            body: SecretBytes::from(text),
            makes_map: true,
        }]
    }

    fn entries(data: &SecretMap) -> Vec<(&str, &str)> {
        data.iter()
            .map(|(key, value)| (key, value.expose_str().unwrap()))
            .collect()
    }

    #[test]
    fn rendered_keys_take_the_place_of_the_fetched_ones() {
        let url = json!({"data": {"url": "db://{{ .user }}:{{ .password | urlquery }}@h"}});
        let content = rendered(&url, &[]).unwrap();
        assert_eq!(entries(&content.data), [("url", "db://web:p%26ss@h")]);
    }

    #[test]
    fn merge_keeps_the_fetched_keys_beside_them() {
        let merged = json!({"mergePolicy": "Merge", "data": {"user": "{{ .user }}!"}});
        let content = rendered(&merged, &[]).unwrap();
        assert_eq!(
            entries(&content.data),
            [("password", "p&ss"), ("user", "web!")]
        );
    }

    #[test]
    fn a_map_makes_keys_and_its_numbers_become_text() {
        let raw = json!({"templateFrom": [{"literal": "x", "valuesDecodingStrategy": "None"}]});
        let texts = [literal("{{ .user }}: 8080\nflag: true\nnone: ~\n")];
        let content = rendered(&raw, &texts).unwrap();
        assert_eq!(
            entries(&content.data),
            [("flag", "true"), ("none", ""), ("web", "8080")]
        );
        let told = rendered(
            &raw,
            &[literal(
                "a: 0777\nb: yes\nc: 1_000\nd: 12345678901234567890\ne: 1.50\nf: 2001-01-01\ng: 1e7\nh: 'no'\n",
            )],
        );
        assert_eq!(
            entries(&told.unwrap().data),
            [
                ("a", "511"),
                ("b", "true"),
                ("c", "1000"),
                ("d", "12345678901234567890"),
                ("e", "1.5"),
                ("f", "2001-01-01"),
                ("g", "1e+07"),
                ("h", "no"),
            ],
            "as YAML 1.1 and Go's strings have it"
        );
        let nested = rendered(&raw, &[literal("a: [1]")]).unwrap_err();
        assert!(nested.contains("'map[string][]byte'"), "{nested}");
    }

    #[test]
    fn a_key_is_transformed_by_a_template_over_itself() {
        let made = |template: &str| transformed(Timestamp::UNIX_EPOCH, template, "db.user");
        assert_eq!(
            made(r#"{{ .value | upper | replace "." "_" }}"#).unwrap(),
            "DB_USER"
        );
        assert_eq!(made("{{ .nothing }}").unwrap(), "<no value>");
        assert!(made("{{ .value | nope }}").unwrap_err().contains("nope"));
    }

    #[test]
    fn labels_and_annotations_are_rendered_too() {
        let raw = json!({
            "type": "example.com/x",
            "metadata": {"labels": {"of": "{{ .user }}"}, "annotations": {"static": "a"}},
            "templateFrom": [{"literal": "x", "target": "Annotations"}],
        });
        let content = rendered(&raw, &[literal("made: 'by {{ .user }}'")]).unwrap();
        let dress = content.dress.unwrap();
        assert_eq!(dress.labels["of"], "web");
        assert_eq!(dress.annotations["static"], "a");
        assert_eq!(dress.annotations["made"], "by web");
        assert_eq!(dress.type_.as_deref(), Some("example.com/x"));
    }

    #[test]
    fn a_missing_key_is_told_with_its_place_and_shows_no_value() {
        let why = rendered(&json!({"data": {"url": "a {{ .usr }}"}}), &[]).unwrap_err();
        assert!(
            why.starts_with("unable to execute template at key url: "),
            "{why}"
        );
        assert!(why.contains("map has no entry for key \"usr\""), "{why}");
        assert!(!why.contains("p&ss"), "{why}");
    }
}
