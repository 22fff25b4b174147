//! ExternalSecrets.

use super::{Findings, Object, Place, store_trouble};
use crate::admission::{Webhook, templates};
use crate::api::v1::ExternalSecretSpec;
use crate::cluster::existence::Kind;
use crate::model::external_secret::{ExternalSecret, Origin, Source, Template, stores_named};

/// Looks at an ExternalSecret. Stores are looked up in caches; only what no cache holds is named.
pub(super) fn find(
    webhook: &Webhook,
    place: &Place<'_>,
    object: &Object,
) -> Result<Findings, Findings> {
    Ok(look(webhook, place, &object.spec()?))
}

/// Looks at the spec of one.
pub(super) fn look(webhook: &Webhook, place: &Place<'_>, spec: &ExternalSecretSpec) -> Findings {
    let mut found = Findings::default();
    let stores = stores_named(place.namespace, spec);
    let troubles = stores
        .iter()
        .filter_map(|id| store_trouble(webhook, place.namespace, id));
    found.warnings.extend(troubles);
    match ExternalSecret::parse(place.namespace, place.name, spec) {
        Err(complaints) => found.complaints = complaints,
        Ok(parsed) => {
            found.complaints = templates::complaints(&parsed);
            name_generators(place, &parsed, &mut found);
            if let Some(template) = &parsed.target.template {
                name_templates(place, template, &mut found);
            }
        }
    }
    found
}

fn name_generators(place: &Place<'_>, spec: &ExternalSecret, found: &mut Findings) {
    for entry in &spec.entries {
        if let Source::Generate(generator) = &entry.source {
            let field = format!("{}.sourceRef.generatorRef", entry.field);
            let kind = Kind::Generator(generator.kind.clone());
            found.name(field, kind, place.namespace, &generator.name);
        }
    }
}

fn name_templates(place: &Place<'_>, template: &Template, found: &mut Findings) {
    for source in &template.sources {
        let (kind, name) = match &source.origin {
            Origin::ConfigMap(keys) => (Kind::ConfigMap, &keys.name),
            Origin::Secret(keys) => (Kind::Secret, &keys.name),
            Origin::Literal(_) => continue,
        };
        found.name(&source.field, kind, place.namespace, name);
    }
}
