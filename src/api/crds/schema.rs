//! What the derived schemas lack to be those of External Secrets Operator.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// Members of the selectors that stand in hundreds of places; their names say what they are.
const SELECTORS: [&[&str]; 4] = [
    &["key", "name", "namespace"],
    &["audiences", "name", "namespace"],
    &["key", "name", "namespace", "type"],
    &["matchExpressions", "matchLabels"],
];

/// The schema of the whole object.
pub(super) fn root(version: &mut CustomResourceDefinitionVersion) -> Option<&mut JSONSchemaProps> {
    version.schema.as_mut()?.open_api_v3_schema.as_mut()
}

/// The schema at `path`, a list of property names.
pub(super) fn at<'a>(
    schema: &'a mut JSONSchemaProps,
    path: &[&str],
) -> Option<&'a mut JSONSchemaProps> {
    path.iter().try_fold(schema, |schema, name| {
        schema.properties.as_mut()?.get_mut(*name)
    })
}

/// Makes a derived schema as strict, and as short, as it is meant to be.
///
/// Optional members may be left out but not be null, as in ESO: the API server drops a null
/// instead of storing it. Titles repeat names, and members of selectors lose their
/// descriptions, because a CRD that is applied by a client must fit into an annotation.
pub(super) fn tidy(root: &mut JSONSchemaProps) {
    each(root, &mut |schema| {
        schema.nullable = None;
        schema.title = None;
        if is_selector(schema) {
            undescribe_members(schema);
        }
    });
    if let Some(spec) = at(root, &["spec"]) {
        spec.description = None;
    }
    if let Some(time) = at(root, &["status", "refreshTime"]) {
        time.nullable = Some(true);
    }
}

/// Calls `visit` for `schema` and for every schema below it.
pub(super) fn each(schema: &mut JSONSchemaProps, visit: &mut impl FnMut(&mut JSONSchemaProps)) {
    visit(schema);
    for member in schema
        .properties
        .iter_mut()
        .flat_map(|map| map.values_mut())
    {
        each(member, visit);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => each(item, visit),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            for item in items {
                each(item, visit);
            }
        }
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        each(values, visit);
    }
}

fn is_selector(schema: &JSONSchemaProps) -> bool {
    schema.properties.as_ref().is_some_and(|members| {
        SELECTORS
            .iter()
            .any(|names| members.keys().eq(names.iter().copied()))
    })
}

fn undescribe_members(selector: &mut JSONSchemaProps) {
    let description = selector.description.take();
    each(selector, &mut |schema| schema.description = None);
    selector.description = description;
}
