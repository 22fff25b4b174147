//! Objects of other kinds than Secret (eso.md §2.13): behind a flag, and, unlike ESO's, never taken from
//! somebody else, never written without a change and never deleted unless they are ours.

mod build;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::brake::{Loss, Verdict};
use super::observe::Snapshot;
use super::plan::{Consent, Failure, Object};
use super::render::{Engine, read};
use super::status::{self, Outcome};
use crate::api::v1::{CreationPolicy, DeletionPolicy};
use crate::api::well_known::{
    ADOPT_ANNOTATION, ALLOW_DELETION_ANNOTATION, CREATED_BY_LABEL, DATA_HASH_ANNOTATION, GROUP,
    MANAGED_LABEL,
};
use crate::cluster::events::Occurrence;
use crate::cluster::manifest_object::{self, Kind, Standing};
use crate::cluster::request::Error;
use crate::controllers::Context;
use crate::controllers::external_secret::apply::Ended;
use crate::model::external_secret::{ExternalSecret, Manifest};
use crate::model::hash;
use crate::secret::{SecretBytes, SecretMap};

/// How a pass over the object ended: with a change or without.
struct Written {
    reason: &'static str,
    message: &'static str,
    event: Option<&'static str>,
}

/// Brings the object in line with the fetched values.
pub(super) async fn keep(
    context: &Context,
    snapshot: &Snapshot,
    object: &Object<'_>,
    manifest: &Manifest,
    values: SecretMap,
) -> Ended {
    match bring(context, snapshot, object, manifest, values).await {
        Ok(Ok(written)) => {
            let outcome = Outcome::Synced {
                reason: written.reason,
                message: written.message,
                written: written.event.is_some(),
                target: None,
                version: snapshot.version.clone(),
                remark: None,
            };
            let told = written.event.map(|verb| {
                let name = &object.spec.target.name;
                Occurrence::normal(verb, format!("{verb} {} {name}", manifest.kind))
            });
            Ended::Told(outcome, told.into_iter().collect())
        }
        Ok(Err(ended)) => ended,
        Err(error) if error.is_conflict() => Ended::Raced(super::apply::RACE_WAIT),
        Err(error) => failed(status::NOT_UPDATED, error.to_string()),
    }
}

fn failed(summary: &'static str, cause: impl Into<String>) -> Ended {
    Ended::Failed(Failure {
        reason: status::RESOURCE_SYNCED_ERROR,
        ..Failure::passing(summary, cause)
    })
}

async fn bring(
    context: &Context,
    snapshot: &Snapshot,
    object: &Object<'_>,
    manifest: &Manifest,
    values: SecretMap,
) -> Result<Result<Written, Ended>, Error> {
    let spec = object.spec;
    let (name, target) = (&spec.target.name, &spec.target);
    let found = manifest_object::kind(
        &context.client,
        &spec.namespace,
        &manifest.api_version,
        &manifest.kind,
    );
    let Some(kind) = found.await? else {
        let cause = format!(
            "the API server serves no {} {} in namespaces",
            manifest.api_version, manifest.kind
        );
        return Ok(Err(failed("could not get target resource", cause)));
    };
    let standing = kind.read(name).await?;
    if values.is_empty() && target.deletion != DeletionPolicy::Merge {
        return without_values(context, snapshot, object, &kind, standing).await;
    }
    let unmade = match (target.creation, &standing) {
        (CreationPolicy::None, _) => Some((status::RESOURCE_SYNCED, status::RESOURCE_IN_PLACE)),
        (CreationPolicy::Merge, None) => {
            Some((status::RESOURCE_MISSING, status::RESOURCE_NOT_CREATED))
        }
        _ => None,
    };
    if let Some((reason, message)) = unmade {
        return Ok(Ok(unchanged(reason, message)));
    }
    if let Some(standing) = &standing
        && let Err(cause) = consent(context.consent, object, standing)
    {
        return Ok(Err(failed(status::NO_OWNERSHIP, cause)));
    }
    let body = match body(context, spec, manifest, values).await {
        Ok(body) => body,
        Err(why) => return Ok(Err(failed("could not apply template to manifest", why))),
    };
    let wanted = dressed(object, manifest, body);
    Ok(Ok(apply(
        context, snapshot, object, &kind, standing, &wanted,
    )
    .await?))
}

/// Applies the object unless it is the very one that was applied last, and stands there unchanged.
async fn apply(
    context: &Context,
    snapshot: &Snapshot,
    object: &Object<'_>,
    kind: &Kind,
    standing: Option<Standing>,
    wanted: &Value,
) -> Result<Written, Error> {
    let in_place = unchanged(status::RESOURCE_SYNCED, status::RESOURCE_IN_PLACE);
    let (name, manager) = (
        &object.spec.target.name,
        hash::field_manager(&object.spec.name),
    );
    let hash = wanted["metadata"]["annotations"][DATA_HASH_ANNOTATION].clone();
    let known = context.memories.recall(&snapshot.key).applied;
    let present = standing.as_ref().map(|standing| &standing.resource_version);
    if known.is_some() && known == present.map(|version| format!("{hash} {version}")) {
        return Ok(in_place);
    }
    let version = kind.apply(name, &manager, wanted).await?;
    let event = match present {
        None => Some("Created"),
        Some(present) if *present != version => Some("Updated"),
        Some(_) => None,
    };
    context.memories.note(&snapshot.key, |memory| {
        memory.applied = Some(format!("{hash} {version}"));
    });
    Ok(Written { event, ..in_place })
}

fn unchanged(reason: &'static str, message: &'static str) -> Written {
    Written {
        reason,
        message,
        event: None,
    }
}

/// The store has nothing: what deletionPolicy says is done to an object that is ours.
async fn without_values(
    context: &Context,
    snapshot: &Snapshot,
    object: &Object<'_>,
    kind: &Kind,
    standing: Option<Standing>,
) -> Result<Result<Written, Ended>, Error> {
    if object.spec.target.deletion == DeletionPolicy::Retain {
        return Ok(Ok(unchanged(status::RESOURCE_SYNCED, status::RETAINED)));
    }
    let ours = |standing: &Standing| {
        let controller = standing.controller();
        controller.is_some_and(|owner| owner.uid == object.uid)
    };
    let Some(standing) = standing.filter(ours) else {
        let (reason, message) = (status::RESOURCE_DELETED, status::RESOURCE_GONE);
        return Ok(Ok(unchanged(reason, message)));
    };
    let allowed = object.annotations.get(ALLOW_DELETION_ANNOTATION);
    if allowed.is_none_or(|value| value != "true") {
        match context
            .brake
            .ask(&snapshot.key, Loss::Secret, context.now())
        {
            Verdict::Granted => {}
            Verdict::Pause(wait) => return Ok(Err(Ended::Raced(wait))),
            Verdict::Held => return Ok(Err(Ended::Failed(super::restrain::held()))),
        }
    }
    kind.delete(&object.spec.target.name, &standing).await?;
    Ok(Ok(Written {
        event: Some("Deleted"),
        ..unchanged(status::RESOURCE_DELETED, status::RESOURCE_GONE)
    }))
}

/// Whether an object that stands there may be written.
fn consent(consent: Consent, object: &Object<'_>, standing: &Standing) -> Result<(), String> {
    let spec = object.spec;
    let name = &spec.target.name;
    let merges = matches!(
        spec.target.creation,
        CreationPolicy::Merge | CreationPolicy::CreateOrMerge
    );
    match standing.controller() {
        Some(owner) if owner.uid == object.uid => return Ok(()),
        Some(owner) if is_external_secret(owner) || !merges => {
            return Err(format!(
                "{name:?} is controlled by {} {:?}; choose another spec.target.name",
                owner.kind, owner.name
            ));
        }
        _ => {}
    }
    let labels = standing.object.labels();
    let created_by = hash::created_by(&spec.namespace, &spec.name);
    let consents = |annotations: &BTreeMap<String, String>| {
        annotations
            .get(ADOPT_ANNOTATION)
            .is_some_and(|value| value == "true")
    };
    let known = labels.get(CREATED_BY_LABEL) == Some(&created_by)
        || standing.is_managed_by(&hash::field_manager(&spec.name));
    let adopted = consent == Consent::Given
        || consents(object.annotations)
        || consents(standing.object.annotations());
    if merges || known || adopted {
        return Ok(());
    }
    Err(format!(
        "{name:?} exists and was not made by this ExternalSecret; to let it be written, annotate it or the \
         ExternalSecret with {ADOPT_ANNOTATION}=true, else choose another spec.target.name or creationPolicy Merge"
    ))
}

fn is_external_secret(owner: &OwnerReference) -> bool {
    let group = owner.api_version.split('/').next().unwrap_or_default();
    owner.kind == "ExternalSecret" && group == GROUP
}

async fn body(
    context: &Context,
    spec: &ExternalSecret,
    manifest: &Manifest,
    values: SecretMap,
) -> Result<Value, String> {
    let Some(template) = &spec.target.template else {
        return build::plain(manifest, &values);
    };
    let mut texts = Vec::new();
    for source in &template.sources {
        texts.push(read(context, &spec.namespace, &source.origin).await?);
    }
    let (template, manifest, now) = (template.clone(), manifest.clone(), context.now());
    let rendered = tokio::task::spawn_blocking(move || {
        if template.sources.is_empty() && template.data.is_empty() {
            return build::plain(&manifest, &values);
        }
        build::rendered(&template, &Engine::new(&values, now), &texts)
    });
    rendered.await.unwrap_or_else(|_| {
        Err("the template made latchkey panic; its log has the cause".to_owned())
    })
}

/// The whole object: its name, its metadata and a hash of what it holds.
fn dressed(object: &Object<'_>, manifest: &Manifest, mut body: Value) -> Value {
    let spec = object.spec;
    let (labels, annotations) = match &spec.target.template {
        Some(template) => (template.labels.clone(), template.annotations.clone()),
        None => super::plan::inheritance(object),
    };
    let mut wanted = json!({
        "apiVersion": manifest.api_version,
        "kind": manifest.kind,
        "metadata": {
            "name": spec.target.name,
            "namespace": spec.namespace,
            "labels": labels,
            "annotations": annotations,
        },
    });
    let made = body["metadata"].take();
    for part in ["labels", "annotations"] {
        for (key, value) in made[part].as_object().into_iter().flatten() {
            wanted["metadata"][part][key] = value.clone();
        }
    }
    wanted["metadata"]["labels"][MANAGED_LABEL] = "true".into();
    if spec.target.creation == CreationPolicy::Owner {
        let created_by = hash::created_by(&spec.namespace, &spec.name);
        wanted["metadata"]["labels"][CREATED_BY_LABEL] = created_by.into();
        wanted["metadata"]["ownerReferences"] = json!([{
            "apiVersion": format!("{GROUP}/v1"),
            "kind": "ExternalSecret",
            "name": spec.name,
            "uid": object.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        }]);
    }
    for (member, value) in body.as_object_mut().into_iter().flatten() {
        if !matches!(
            member.as_str(),
            "metadata" | "apiVersion" | "kind" | "status"
        ) {
            wanted[member] = value.take();
        }
    }
    let text = SecretBytes::from(wanted.to_string());
    let content = [("object".to_owned(), text)].into_iter().collect();
    wanted["metadata"]["annotations"][DATA_HASH_ANNOTATION] = hash::data(&content).into();
    wanted
}
