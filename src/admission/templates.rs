//! Whether templates are in the language, before anything is rendered.

use crate::model::complaint::Complaint;
use crate::model::external_secret::ExternalSecret;
use crate::template::Template;

/// A complaint for each template of the spec that cannot be parsed or calls what does not exist.
/// Templates that stand in ConfigMaps and Secrets are not looked at.
pub(super) fn complaints(spec: &ExternalSecret) -> Vec<Complaint> {
    let mut texts = spec.transforms();
    texts.extend(spec.target.template.iter().flat_map(|made| made.texts()));
    let texts = texts.into_iter();
    let wrong = texts.filter_map(|(field, text)| {
        let error = Template::parse("template", text).err()?;
        Some(Complaint::error(field, error.to_string()))
    });
    wrong.collect()
}
