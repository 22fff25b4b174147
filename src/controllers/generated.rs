//! Values from generators, and the records of those that must be taken back one day.
//!
//! ESO records what was made after the values are in use, so that a crash in between leaks them. Here
//! the record comes first: what is never used is taken back with it, and what is in use never is.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;

use crate::cluster::generator_object;
use crate::cluster::generator_state::{self, Record};
use crate::controllers::Context;
use crate::generators;
use crate::model::external_secret::GeneratorId;
use crate::model::hash;
use crate::secret::SecretMap;

/// For whom values are made.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object as an owner of records; `None` where it cannot own any.
    pub owner: Option<OwnerReference>,
}

/// A record of values that are not in use yet.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    name: String,
    key: String,
}

/// Why nothing was made.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// A sentence.
    pub text: String,
    /// Whether only a change of an object can help.
    pub until_change: bool,
    /// How long a server asked to wait, if it did.
    pub retry_after: Option<Duration>,
}

impl Failure {
    fn passing(text: String) -> Self {
        Self {
            text,
            until_change: false,
            retry_after: None,
        }
    }
}

impl From<generators::Error> for Failure {
    fn from(error: generators::Error) -> Self {
        Self {
            text: format!("error using generator: {error}"),
            until_change: error.lasting,
            retry_after: error.retry_after,
        }
    }
}

/// What generators may use for an object of `namespace`.
pub(crate) fn surroundings(context: &Context, namespace: &str) -> generators::Context {
    generators::Context {
        namespace: namespace.to_owned(),
        secrets: std::sync::Arc::clone(&context.reader),
        registry: std::sync::Arc::clone(&context.registry),
        now: context.now(),
        controller_class: context.options.controller_class.clone(),
    }
}

/// Makes new values for the place `place` of an object (ESO: the index in `dataFrom`), and records them
/// where they must be taken back one day.
///
/// # Errors
/// When there is no such generator, it fails, or what it made cannot be recorded; it is taken back then.
pub(crate) async fn make(
    context: &Context,
    asker: &Asker,
    place: &str,
    id: &GeneratorId,
) -> Result<(SecretMap, Option<Recorded>), Failure> {
    let GeneratorId { kind, name } = id;
    let found = generator_object::read(&context.client, &asker.namespace, kind, name).await;
    let found = found
        .map_err(|error| Failure::passing(format!("failed to read {kind} {name:?}: {error}")))?;
    let found =
        found.ok_or_else(|| Failure::passing(format!("there is no {kind} {name:?}; create it")))?;
    let (kind, spec) = generators::resolve(kind, found.spec)?;
    let surroundings = surroundings(context, &asker.namespace);
    let owner = asker.owner.clone();
    if owner.is_none() && generators::parse(&kind, spec.clone())?.stateful().is_some() {
        let text = format!(
            "{kind} {name:?}: what it makes must be taken back one day; name it in an ExternalSecret"
        );
        return Err(generators::Error::invalid(text).into());
    }
    let made = generators::generate(&kind, spec.clone(), &surroundings).await?;
    let Some(owner) = owner.filter(|_| !made.state.is_null()) else {
        return Ok((made.values, None));
    };
    let key = hash::generator_owner(asker.kind, &asker.namespace, &asker.name, place);
    let record = Record {
        namespace: asker.namespace.clone(),
        owner,
        key: key.clone(),
        resource: json!({
            "apiVersion": "generators.external-secrets.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": asker.namespace},
            "spec": spec,
        }),
        state: made.state.clone(),
    };
    match generator_state::create(&context.client, record).await {
        Ok(name) => Ok((made.values, Some(Recorded { name, key }))),
        Err(error) => {
            let undone = generators::take_back(&kind, spec, &made.state, &surroundings).await;
            let undone = undone.err().map_or_else(String::new, |error| {
                format!("; and it could not be taken back: {error}")
            });
            Err(Failure::passing(format!(
                "{kind} {name:?}: failed to record what was made: {error}{undone}"
            )))
        }
    }
}

/// The values are in use: what was made before for the same places is taken back after a while.
pub(crate) async fn settle(context: &Context, namespace: &str, records: &[Recorded]) {
    let deadline = context.now() + context.options.generator_grace;
    for Recorded { name, key } in records {
        let client = &context.client;
        let expired = generator_state::expire_others(client, namespace, key, name, deadline).await;
        if let Err(error) = expired {
            tracing::warn!(
                namespace,
                record = name,
                error = %error,
                "Failed to mark older generated values; the next refresh does"
            );
        }
    }
}

/// The values are not used: they are taken back.
pub(crate) async fn discard(context: &Context, namespace: &str, records: &[Recorded]) {
    for Recorded { name, .. } in records {
        if let Err(error) = generator_state::delete(&context.client, namespace, name).await {
            tracing::warn!(
                namespace,
                record = name,
                error = %error,
                "Failed to delete the record of unused values; the next refresh does"
            );
        }
    }
}
