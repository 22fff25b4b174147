//! What a pass would do to a Secret, without doing it: for the commands that tell people beforehand.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::fetch::{Wanted, fetch};
use super::keep::leave_foreign;
use super::plan::{Content, Dress, Existing, Object, Write, plan_write, rest_after_success};
use super::render::content;
use crate::api::v1::{self, CreationPolicy};
use crate::cluster::request::Error;
use crate::cluster::secret_object::{Desired, Stored, Version};
use crate::controllers::Context;
use crate::model::external_secret::ExternalSecret;
use crate::model::failover::Candidates;
use crate::model::hash;
use crate::model::secret_store::StoreId;

/// Which values the Secret is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// Those it has: what is told is what would be written were the stores unchanged.
    AsStored,
    /// Those the stores have now. Values that are made stay as they are, for asking changes them.
    Fetched,
}

/// What would become of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Forecast {
    /// Nothing: there would be no write.
    Unchanged,
    /// It would be made.
    Created,
    /// It would be replaced; a sentence a difference, without values.
    Rewritten(Vec<String>),
    /// It would be deleted, as the deletionPolicy asks.
    Deleted,
    /// It would be left alone and the object fail; the text says why.
    Refused(String),
    /// Its target is no Secret, and is not looked at.
    Elsewhere,
    /// The values cannot be had; the text says why. The Secret would stay.
    Unfetched(String),
}

/// Tells what would become of the Secret of `object`, whose checked spec is `spec`, with `stores`.
///
/// # Errors
/// When the Secret cannot be read.
pub(crate) async fn forecast(
    context: &Context,
    object: &v1::ExternalSecret,
    spec: &ExternalSecret,
    stores: &HashMap<StoreId, Candidates>,
    values: Values,
) -> Result<Forecast, Error> {
    if spec.target.manifest.is_some() {
        return Ok(Forecast::Elsewhere);
    }
    let stored = context
        .objects
        .read(&spec.namespace, &spec.target.name)
        .await?;
    let manager = hash::field_manager(&spec.name);
    let content = match (values, &stored) {
        (Values::Fetched, _) if !spec.generates() => match fetched(context, spec, stores).await {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(Forecast::Unchanged),
            Err(why) => return Ok(Forecast::Unfetched(why)),
        },
        (_, Some(stored)) => as_stored(spec, stored, &manager),
        (_, None) => return Ok(without_secret(spec.target.creation)),
    };
    let existing = stored.as_ref().map(|stored| Existing {
        version: Version {
            uid: stored.uid.clone(),
            resource_version: stored.resource_version.clone(),
        },
        content: &stored.content,
        managed: stored.managed_by(&manager),
    });
    let about = about(object, spec);
    let planned = plan_write(&about, content, existing.as_ref(), context.consent);
    Ok(match (planned, &stored) {
        (Ok(Write::Nothing(..)), _) => Forecast::Unchanged,
        (Ok(Write::Replace(wanted)), Some(stored)) => {
            Forecast::Rewritten(differences(&stored.content, &wanted))
        }
        (Ok(Write::Create(_) | Write::Replace(_)), _) => Forecast::Created,
        (Ok(Write::Delete(_)), _) => Forecast::Deleted,
        (Err(failure), _) => Forecast::Refused(failure.message()),
    })
}

fn about<'a>(object: &'a v1::ExternalSecret, spec: &'a ExternalSecret) -> Object<'a> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    Object {
        spec,
        uid: object.metadata.uid.as_deref().unwrap_or_default(),
        labels: object.metadata.labels.as_ref().unwrap_or(&NONE),
        annotations: object.metadata.annotations.as_ref().unwrap_or(&NONE),
    }
}

/// The Secret that the stores and the template lead to were there none yet, with its values.
///
/// # Errors
/// Why there is none; the text holds no value.
pub(crate) async fn rendered(
    context: &Context,
    object: &v1::ExternalSecret,
    spec: &ExternalSecret,
    stores: &HashMap<StoreId, Candidates>,
) -> Result<Desired, String> {
    const NOTHING: &str = "the stores have no value for it, so that no Secret would be made";
    if spec.target.manifest.is_some() {
        return Err("spec.target.manifest: its target is no Secret and is not rendered".to_owned());
    }
    if spec.generates() {
        return Err(
            "its values are made by a generator, and asking would make new ones".to_owned(),
        );
    }
    let content = fetched(context, spec, stores).await?;
    let content = content.ok_or_else(|| NOTHING.to_owned())?;
    let mut alone = spec.clone();
    alone.target.creation = CreationPolicy::Orphan;
    match plan_write(&about(object, &alone), content, None, context.consent) {
        Ok(Write::Create(secret)) => Ok(secret),
        Ok(_) => Err(NOTHING.to_owned()),
        Err(failure) => Err(failure.message()),
    }
}

/// When an object that is as it should be is refreshed next; `None` where only a change of it leads to a
/// refresh. A closed sync window may put it off.
pub(crate) fn next_due(spec: &ExternalSecret, now: Timestamp) -> Option<Timestamp> {
    let rest = rest_after_success(spec, now)?;
    now.checked_add(rest).ok()
}

/// What the stores say now; nothing where an empty answer would leave the Secret alone.
async fn fetched(
    context: &Context,
    spec: &ExternalSecret,
    stores: &HashMap<StoreId, Candidates>,
) -> Result<Option<Content>, String> {
    let wanted = Wanted {
        not_before: context.now(),
        partial: false,
        owner: None,
    };
    let fetched = fetch(context, spec, stores, wanted).await;
    let fetched = fetched.map_err(|failure| failure.message())?;
    let content = content(context, spec, fetched.data).await;
    let content = content.map_err(|failure| failure.message())?;
    let says_nothing = content.is_empty_at_stores && fetched.found_nothing;
    Ok((!says_nothing).then_some(content))
}

/// The values that the Secret has of this object. What a template makes of metadata is not known without
/// the stores, so that it is taken for unchanged.
fn as_stored(spec: &ExternalSecret, stored: &Stored, manager: &str) -> Content {
    let mut data = stored.content.data.duplicate();
    let ours = stored.managed_by(manager).data;
    leave_foreign(&mut data, spec.target.creation, &ours);
    let dress = spec.target.template.as_ref().map(|template| Dress {
        type_: stored.content.type_.clone(),
        labels: stored.content.labels.clone(),
        annotations: stored.content.annotations.clone(),
        finalizers: template.finalizers.clone(),
    });
    Content {
        is_empty_at_stores: false,
        dress,
        ..Content::plain(data)
    }
}

fn without_secret(creation: CreationPolicy) -> Forecast {
    match creation {
        CreationPolicy::Merge | CreationPolicy::None => Forecast::Unchanged,
        CreationPolicy::Owner | CreationPolicy::Orphan | CreationPolicy::CreateOrMerge => {
            Forecast::Created
        }
    }
}

/// What differs between two states of a Secret, a sentence each; values are told by their key alone.
fn differences(present: &Desired, wanted: &Desired) -> Vec<String> {
    let mut told = Vec::new();
    let hashes = [present, wanted].map(|secret| hash::data(&secret.data));
    if hashes[0] != hashes[1] {
        let changed = |key: &&str| present.data.get(key) != wanted.data.get(key);
        let keys: std::collections::BTreeSet<&str> =
            present.data.keys().chain(wanted.data.keys()).collect();
        for key in keys.iter().filter(|key| changed(key)) {
            let verb = verb(
                present.data.get(key).is_some(),
                wanted.data.get(key).is_some(),
            );
            told.push(format!("data {key:?} {verb}"));
        }
    }
    told.extend(of_maps("label", &present.labels, &wanted.labels));
    told.extend(of_maps(
        "annotation",
        &present.annotations,
        &wanted.annotations,
    ));
    if present.owners != wanted.owners {
        told.push("the owner references change".to_owned());
    }
    if present.finalizers != wanted.finalizers {
        told.push("the finalizers change".to_owned());
    }
    if present.type_ != wanted.type_ {
        told.push("the type changes".to_owned());
    }
    if present.immutable != wanted.immutable {
        told.push("it becomes immutable".to_owned());
    }
    told
}

fn of_maps(
    what: &str,
    present: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = present.keys().chain(wanted.keys()).collect();
    let changed = keys
        .into_iter()
        .filter(|key| present.get(*key) != wanted.get(*key));
    let told = changed.map(|key| {
        let verb = verb(present.contains_key(key), wanted.contains_key(key));
        format!("{what} {key} {verb}")
    });
    told.collect()
}

fn verb(before: bool, after: bool) -> &'static str {
    match (before, after) {
        (false, _) => "is added",
        (true, false) => "is removed",
        (true, true) => "changes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretBytes;

    fn secret(data: &[(&str, &str)], labels: &[(&str, &str)]) -> Desired {
        Desired {
            data: data
                .iter()
                .map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value)))
                .collect(),
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Desired::default()
        }
    }

    #[test]
    fn differences_name_keys_and_never_values() {
        let present = secret(&[("a", "secret-1"), ("b", "x")], &[("l", "1")]);
        let wanted = secret(&[("a", "secret-2"), ("c", "x")], &[("l", "1"), ("m", "2")]);
        let told = differences(&present, &wanted);
        assert_eq!(
            told,
            [
                "data \"a\" changes",
                "data \"b\" is removed",
                "data \"c\" is added",
                "label m is added"
            ]
        );
        assert!(differences(&present, &present.duplicate()).is_empty());
    }

    #[test]
    fn a_missing_secret_is_made_where_the_policy_makes_secrets() {
        assert_eq!(without_secret(CreationPolicy::Merge), Forecast::Unchanged);
        assert_eq!(without_secret(CreationPolicy::Owner), Forecast::Created);
    }
}
