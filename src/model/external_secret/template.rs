//! How the Secret is made from the fetched values, checked.

use std::collections::BTreeMap;

use crate::api::v1::{
    DecodingStrategy, ExternalSecretTemplate, TemplateFrom, TemplateMergePolicy, TemplateRef,
    TemplateScope,
};
use crate::model::complaint::Complaint;
use crate::model::field_path::FieldPath;

/// Types of Secrets that give whoever may write an ExternalSecret more than it may have (ESO 2.9.0).
const BOOTSTRAP_TOKEN: &str = "bootstrap.kubernetes.io/token";
const ACCOUNT_TOKEN: &str = "kubernetes.io/service-account-token";
/// Names the account that the API server fills such a Secret with a token of.
const ACCOUNT_ANNOTATION: &str = "kubernetes.io/service-account.name";

/// How the Secret is made from the fetched values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Path of the field it stands in.
    pub field: String,
    /// Type of the Secret; `None` keeps the usual one.
    pub type_: Option<String>,
    /// Whether the fetched keys stand beside the rendered ones.
    pub keeps_fetched: bool,
    /// Labels of the Secret; the values are templates.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Secret; the values are templates.
    pub annotations: BTreeMap<String, String>,
    /// Finalizers, which are added and never removed.
    pub finalizers: Vec<String>,
    /// Templates that are rendered before `data`, in this order.
    pub sources: Vec<TemplateSource>,
    /// Key to template.
    pub data: BTreeMap<String, String>,
}

/// Templates that stand in an object or in the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateSource {
    /// Path of the field.
    pub field: String,
    /// Where the templates stand.
    pub origin: Origin,
    /// What they make.
    pub place: Place,
    /// How each rendered value is decoded.
    pub decoding: DecodingStrategy,
}

/// Where templates stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a ConfigMap of the object's namespace.
    ConfigMap(Keys),
    /// In a Secret of the object's namespace.
    Secret(Keys),
    /// In the spec itself; the output is a YAML map.
    Literal(String),
}

/// Keys of an object that hold templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Name of the object.
    pub name: String,
    /// Its keys, and whether the output of each is a YAML map instead of the value of that key.
    pub items: Vec<(String, bool)>,
}

/// The part of an object that a template makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Its data.
    #[default]
    Data,
    /// Its annotations.
    Annotations,
    /// Its labels.
    Labels,
    /// What stands there, in an object that is no Secret.
    Path(FieldPath),
}

impl Template {
    /// Checks the template of a Secret that stands in `field`; what is wrong goes to `complaints`.
    pub fn parse(
        field: &str,
        raw: &ExternalSecretTemplate,
        complaints: &mut Vec<Complaint>,
    ) -> Self {
        let template = Self::parse_for_manifest(field, raw, complaints);
        for (position, entry) in raw.template_from.iter().enumerate() {
            let named = entry.target.as_deref().unwrap_or_default();
            if !is_part_of_secret(named) {
                complaints.push(Complaint::error(
                    format!("{field}.templateFrom[{position}].target"),
                    format!(
                        "templateFrom target={named:?} is not allowed when targeting a Secret, must be one of Data, Annotations, Labels"
                    ),
                ));
            }
        }
        template.refuse_privileged(complaints);
        template
    }

    /// Checks the template of an object of another kind, of which it may make any part.
    pub fn parse_for_manifest(
        field: &str,
        raw: &ExternalSecretTemplate,
        complaints: &mut Vec<Complaint>,
    ) -> Self {
        let metadata = raw.metadata.clone().unwrap_or_default();
        let mut sources = Vec::new();
        for (position, entry) in raw.template_from.iter().enumerate() {
            let field = format!("{field}.templateFrom[{position}]");
            parse_sources(&field, entry, &mut sources, complaints);
        }
        Self {
            field: field.to_owned(),
            type_: raw.type_.clone().filter(|type_| !type_.is_empty()),
            keeps_fetched: raw.merge_policy == Some(TemplateMergePolicy::Merge)
                || (raw.data.is_empty() && raw.template_from.is_empty()),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            sources,
            data: raw.data.clone(),
        }
    }

    /// Every text of the spec that is a template, with the path of its field.
    #[must_use]
    pub fn texts(&self) -> Vec<(String, &str)> {
        let mut texts = Vec::new();
        for source in &self.sources {
            if let Origin::Literal(text) = &source.origin {
                texts.push((format!("{}.literal", source.field), text.as_str()));
            }
        }
        for (path, map) in [
            ("data", &self.data),
            ("metadata.labels", &self.labels),
            ("metadata.annotations", &self.annotations),
        ] {
            for (key, text) in map {
                texts.push((format!("{}.{path}[{key:?}]", self.field), text.as_str()));
            }
        }
        texts
    }

    fn refuse_privileged(&self, complaints: &mut Vec<Complaint>) {
        let type_ = self.type_.as_deref().unwrap_or_default();
        let mut refuse = |text: String| {
            complaints.push(Complaint::error(format!("{}.type", self.field), text));
        };
        if type_ == BOOTSTRAP_TOKEN {
            refuse(format!("template.type={type_:?} is not allowed"));
        }
        if type_ != ACCOUNT_TOKEN {
            return;
        }
        if self.annotations.contains_key(ACCOUNT_ANNOTATION) {
            refuse(format!(
                "template.type={type_:?} with annotation {ACCOUNT_ANNOTATION:?} is not allowed"
            ));
        }
        let annotates = |source: &&TemplateSource| source.place == Place::Annotations;
        if self.sources.iter().any(|source| annotates(&source)) {
            refuse(format!(
                "template.type={type_:?} with templateFrom target=\"Annotations\" is not allowed"
            ));
        }
    }
}

fn is_part_of_secret(target: &str) -> bool {
    ["", "data", "annotations", "labels"]
        .iter()
        .any(|part| target.eq_ignore_ascii_case(part))
}

/// Within one entry ESO takes the ConfigMap first, then the Secret, then the literal.
fn parse_sources(
    field: &str,
    entry: &TemplateFrom,
    sources: &mut Vec<TemplateSource>,
    complaints: &mut Vec<Complaint>,
) {
    let named = entry.target.as_deref().unwrap_or_default();
    let place = match named.to_ascii_lowercase().as_str() {
        "" | "data" => Place::Data,
        "annotations" => Place::Annotations,
        "labels" => Place::Labels,
        _ => match FieldPath::parse(named) {
            Ok(path) => Place::Path(path),
            Err(message) => {
                complaints.push(Complaint::error(format!("{field}.target"), message));
                Place::Data
            }
        },
    };
    let origins = [
        entry
            .config_map
            .as_ref()
            .map(|map| Origin::ConfigMap(keys(map))),
        entry
            .secret
            .as_ref()
            .map(|secret| Origin::Secret(keys(secret))),
        entry.literal.clone().map(Origin::Literal),
    ];
    if origins.iter().all(Option::is_none) {
        complaints.push(Complaint::error(
            field,
            "one of configMap, secret and literal must be set",
        ));
    }
    sources.extend(origins.into_iter().flatten().map(|origin| {
        TemplateSource {
            field: field.to_owned(),
            origin,
            place: place.clone(),
            decoding: entry
                .values_decoding_strategy
                .unwrap_or(DecodingStrategy::None),
        }
    }));
}

fn keys(reference: &TemplateRef) -> Keys {
    let items = reference.items.iter();
    Keys {
        name: reference.name.clone(),
        items: items
            .map(|item| {
                let is_map = item.template_as == Some(TemplateScope::KeysAndValues);
                (item.key.clone(), is_map)
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(template: &Value) -> Result<Template, Vec<String>> {
        let raw: ExternalSecretTemplate = serde_json::from_value(template.clone()).unwrap();
        let mut complaints = Vec::new();
        let template = Template::parse("spec.target.template", &raw, &mut complaints);
        if complaints.is_empty() {
            Ok(template)
        } else {
            Err(complaints.iter().map(ToString::to_string).collect())
        }
    }

    #[test]
    fn the_fetched_keys_stay_where_nothing_is_rendered_or_merge_is_asked_for() {
        let keeps = |template: Value| parse(&template).unwrap().keeps_fetched;
        assert!(keeps(json!({"type": "kubernetes.io/tls"})));
        assert!(!keeps(json!({"data": {"a": "b"}})));
        assert!(!keeps(json!({"templateFrom": [{"literal": "a: b"}]})));
        assert!(keeps(json!({"data": {"a": "b"}, "mergePolicy": "Merge"})));
    }

    #[test]
    fn sources_keep_their_order_and_their_place() {
        let items = json!([{"key": "k"}, {"key": "m", "templateAs": "KeysAndValues"}]);
        let template = parse(&json!({"templateFrom": [
            {"literal": "x", "target": "labels"},
            {"literal": "y", "configMap": {"name": "c", "items": items}, "valuesDecodingStrategy": "Base64"},
        ]}))
        .unwrap();
        let [first, map, literal] = template.sources.as_slice() else {
            panic!("three sources: {:?}", template.sources)
        };
        assert_eq!(first.place, Place::Labels);
        assert_eq!(literal.origin, Origin::Literal("y".to_owned()));
        assert_eq!(map.decoding, DecodingStrategy::Base64);
        let Origin::ConfigMap(keys) = &map.origin else {
            panic!("a ConfigMap: {:?}", map.origin)
        };
        assert_eq!(
            keys.items,
            [("k".to_owned(), false), ("m".to_owned(), true)]
        );
    }

    #[test]
    fn a_template_cannot_make_a_token_of_somebody_else() {
        let refused = |template: Value| parse(&template).unwrap_err().join("\n");
        let account = "kubernetes.io/service-account-token";
        let annotated = refused(json!({
            "type": account, "metadata": {"annotations": {"kubernetes.io/service-account.name": "admin"}}
        }));
        assert!(annotated.contains("is not allowed"), "{annotated}");
        let from = json!([{"literal": "a: b", "target": "annotations"}]);
        refused(json!({"type": account, "templateFrom": from}));
        refused(json!({"type": "bootstrap.kubernetes.io/token"}));
        parse(&json!({"type": account})).unwrap();
    }

    #[test]
    fn an_unknown_place_and_an_empty_source_are_told_by_field() {
        let told = parse(&json!({"templateFrom": [{"literal": "a", "target": "spec.x"}, {}]}));
        let told = told.unwrap_err();
        assert!(
            told[1].starts_with("spec.target.template.templateFrom[0].target: "),
            "{told:?}"
        );
        assert!(
            told[0].starts_with("spec.target.template.templateFrom[1]: "),
            "{told:?}"
        );
    }
}
