//! The object that is kept in place of a Secret. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::controllers::external_secret::render::{Engine, Text};
use crate::model::external_secret::{Manifest, Place, Template};
use crate::model::field_path::FieldPath;
use crate::model::keys;
use crate::secret::{SecretBytes, SecretMap};

/// What the object holds besides its metadata: the fetched values under `data` of a ConfigMap and under
/// `spec.data` of anything else (ESO 2.9.0).
pub(super) fn plain(manifest: &Manifest, values: &SecretMap) -> Result<Value, String> {
    if !manifest.is_config_map() {
        let mut data = Map::new();
        for (key, value) in values.iter() {
            data.insert(key.to_owned(), text(key, value)?.into());
        }
        return Ok(json!({"spec": {"data": data}}));
    }
    let (mut data, mut binary) = (Map::new(), Map::new());
    for (key, value) in values.iter() {
        match value.expose_str() {
            Some(text) => data.insert(key.to_owned(), text.into()),
            None => binary.insert(key.to_owned(), STANDARD.encode(value.expose()).into()),
        };
    }
    let mut object = json!({"data": data});
    if !binary.is_empty() {
        object["binaryData"] = binary.into();
    }
    Ok(object)
}

/// What a template makes of the values. ESO renders templates of ConfigMaps and Secrets twice, the
/// second time what the first made of the values; here they are rendered once.
pub(super) fn rendered(
    template: &Template,
    engine: &Engine,
    texts: &[Vec<Text>],
) -> Result<Value, String> {
    let mut object = json!({});
    for (source, texts) in template.sources.iter().zip(texts) {
        let at = |why: String| format!("{}: {why}", source.field);
        for template in texts {
            let output = engine
                .render(&template.key, template.body.expose())
                .map_err(at)?;
            let output = keys::decode(output, source.decoding).map_err(at)?;
            let made = text(&template.key, &output).map_err(at)?;
            put(&mut object, &source.place, template, made).map_err(at)?;
        }
    }
    for (key, template) in &template.data {
        let made = engine.render(key, template.as_bytes())?;
        object["data"][key] = text(key, &made)?.into();
    }
    Ok(object)
}

fn put(object: &mut Value, place: &Place, template: &Text, made: &str) -> Result<(), String> {
    let key = &template.key;
    let path = match place {
        Place::Data => &FieldPath::parse("data")?,
        Place::Labels => &FieldPath::parse("metadata.labels")?,
        Place::Annotations => &FieldPath::parse("metadata.annotations")?,
        Place::Path(path) => path,
    };
    let is_path = matches!(place, Place::Path(_));
    let target = path.place(object)?;
    if !template.makes_map {
        let value = if is_path {
            parsed(made).unwrap_or_else(|| made.into())
        } else {
            made.into()
        };
        return member(target, key, value);
    }
    let value = parsed(made).ok_or_else(|| format!("what key {key:?} makes is not YAML"))?;
    match value {
        Value::Object(members) if !(is_path && path.is_single()) => {
            for (key, value) in members {
                member(target, &key, value)?;
            }
            Ok(())
        }
        value if is_path => {
            *target = value;
            Ok(())
        }
        Value::Null => Ok(()),
        _ => Err(format!("what key {key:?} makes is not a map")),
    }
}

fn member(target: &mut Value, key: &str, value: Value) -> Result<(), String> {
    if target.is_null() {
        *target = json!({});
    }
    let map = target.as_object_mut();
    let map = map.ok_or_else(|| format!("what should hold {key:?} is not a map"))?;
    map.insert(key.to_owned(), value);
    Ok(())
}

fn parsed(made: &str) -> Option<Value> {
    if made.trim().is_empty() {
        return Some(Value::Null);
    }
    serde_saphyr::from_str(made).ok()
}

fn text<'a>(key: &str, value: &'a SecretBytes) -> Result<&'a str, String> {
    let text = value.expose_str();
    text.ok_or_else(|| format!("the value of {key:?} is not text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::api::v1::ExternalSecretTemplate;

    fn values() -> SecretMap {
        [("host", "db"), ("port", "5432")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), SecretBytes::from(value)))
            .collect()
    }

    fn manifest(kind: &str) -> Manifest {
        Manifest {
            api_version: "v1".to_owned(),
            kind: kind.to_owned(),
        }
    }

    fn made(template: Value) -> Result<Value, String> {
        let raw: ExternalSecretTemplate = serde_json::from_value(template).unwrap();
        let mut complaints = Vec::new();
        let template = Template::parse_for_manifest("t", &raw, &mut complaints);
        assert!(complaints.is_empty(), "{complaints:?}");
        let texts: Vec<Vec<Text>> = raw
            .template_from
            .iter()
            .map(|source| {
                vec![Text {
                    key: "literal".to_owned(),
                    body: SecretBytes::from(source.literal.as_deref().unwrap()),
                    makes_map: true,
                }]
            })
            .collect();
        let engine = Engine::new(&values(), Timestamp::UNIX_EPOCH);
        rendered(&template, &engine, &texts)
    }

    #[test]
    fn without_a_template_values_stand_where_the_kind_has_them() {
        let data = json!({"host": "db", "port": "5432"});
        assert_eq!(
            plain(&manifest("ConfigMap"), &values()).unwrap(),
            json!({"data": data})
        );
        assert_eq!(
            plain(&manifest("Database"), &values()).unwrap(),
            json!({"spec": {"data": data}})
        );
        let bytes = [("raw".to_owned(), SecretBytes::new(vec![0xff]))].into_iter();
        let binary = plain(&manifest("ConfigMap"), &bytes.collect()).unwrap();
        assert_eq!(binary, json!({"data": {}, "binaryData": {"raw": "/w=="}}));
    }

    #[test]
    fn a_template_fills_paths_and_data() {
        let object = made(json!({
            "templateFrom": [
                {"target": "spec", "literal": "replicas: 1\nport: {{ .port }}"},
                {"target": "spec.hosts[1]", "literal": "name: {{ .host }}"},
                {"target": "Labels", "literal": "tier: '{{ .host }}'"}
            ],
            "data": {"url": "{{ .host }}:{{ .port }}"}
        }));
        assert_eq!(
            object.unwrap(),
            json!({
                "spec": {"replicas": 1, "port": 5432, "hosts": [null, {"name": "db"}]},
                "metadata": {"labels": {"tier": "db"}},
                "data": {"url": "db:5432"}
            })
        );
    }

    #[test]
    fn what_does_not_fit_is_told_by_field() {
        let told = made(json!({"templateFrom": [
            {"target": "spec", "literal": "5"}, {"target": "spec.a", "literal": "b: 1"}]}));
        let told = told.unwrap_err();
        assert!(told.starts_with("t.templateFrom[1]: "), "{told}");
        let scalar = made(json!({"templateFrom": [{"literal": "just text"}]}));
        assert!(scalar.unwrap_err().contains("not a map"));
    }
}
