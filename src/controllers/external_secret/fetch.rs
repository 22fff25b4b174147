//! Fetching the values of an ExternalSecret.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{join, join_all};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::api::v1::{DecodingStrategy, DeletionPolicy};
use crate::controllers::Context;
use crate::controllers::external_secret::failover::{self, Asked, Detour};
use crate::controllers::external_secret::plan::{Failure, Keeps};
use crate::controllers::external_secret::render::transformed;
use crate::controllers::external_secret::status;
use crate::controllers::generated::{self, Asker, Recorded};
use crate::model::external_secret::{Entry, ExternalSecret, GeneratorId, Source};
use crate::model::failover::Candidates;
use crate::model::keys;
use crate::model::rewrite::{self, Rewrite};
use crate::model::secret_store::{Store, StoreId};
use crate::providers::{ClientContext, ErrorKind, SecretsClient};
use crate::secret::{SecretBytes, SecretMap};

/// What the stores gave.
#[derive(Debug, Default)]
pub(in crate::controllers) struct Fetched {
    /// The values, ready for the Secret.
    pub data: SecretMap,
    /// Labels of the entries that do not exist at the provider and may be missing.
    pub skipped: Vec<String>,
    /// Records of values that generators made.
    pub made: Vec<Recorded>,
    /// Whether a search answered nothing; an empty answer alone must not delete anything.
    pub found_nothing: bool,
    /// Why some entries have no value, where the object is content with the others.
    pub failed: Option<Failure>,
    /// The keys that those entries would have made, which keep their last value.
    pub keeps: Keeps,
    /// Stores in whose place others served.
    pub detours: Vec<Detour>,
}

/// What a refresh asks for.
pub(in crate::controllers) struct Wanted {
    /// Values fetched before are too old.
    pub not_before: Timestamp,
    /// Whether the object is content with the entries that have a value.
    pub partial: bool,
    /// The object as an owner of records; without it, nothing is made that needs one.
    pub owner: Option<OwnerReference>,
}

/// Why an entry has no value.
#[derive(Clone, Debug)]
pub(super) struct EntryError {
    /// Whether the store has no such value.
    pub missing: bool,
    /// What is wrong; holds no value.
    pub text: String,
    /// How long the remote asked to wait.
    pub retry_after: Option<Duration>,
    /// Whether only a change of an object can help.
    pub until_change: bool,
    /// Whether the store is down or throttles, so that another one may be asked.
    pub is_down: bool,
}

impl EntryError {
    /// A failure that only a change of an object can heal.
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self {
            missing: false,
            text: text.into(),
            retry_after: None,
            until_change: true,
            is_down: false,
        }
    }
}

impl From<crate::providers::Error> for EntryError {
    fn from(error: crate::providers::Error) -> Self {
        Self {
            missing: error.is_not_found(),
            text: error.to_string(),
            retry_after: error.retry_after,
            until_change: matches!(error.kind, ErrorKind::Unsupported),
            is_down: matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Throttled)
                && !error.is_own_restraint(),
        }
    }
}

/// Fetches every entry, those of a store by one client, and by those in its place while it is down; values
/// fetched before `not_before` are too old.
///
/// # Errors
/// When any entry fails: the failure lists every entry that did, so that all can be mended at once. With
/// `partial` it is part of what was fetched, as long as anything was.
pub(in crate::controllers) async fn fetch(
    context: &Context,
    object: &ExternalSecret,
    stores: &HashMap<StoreId, Candidates>,
    wanted: Wanted,
) -> Result<Fetched, Failure> {
    let asker = Asker {
        kind: "ExternalSecret",
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        owner: wanted.owner,
    };
    let made = Mutex::default();
    let (generated, (stored, detours)) = join(
        of_generators(context, object, &asker, &made),
        of_stores(context, object, stores, wanted.not_before),
    )
    .await;
    let mut answers: BTreeMap<usize, Answered> = generated.into_iter().chain(stored).collect();
    let nowhere = || Err(EntryError::invalid("no store is named"));
    let places = 0..object.entries.len();
    let answers = places.map(|place| answers.remove(&place).unwrap_or_else(nowhere));
    let made: Vec<Recorded> = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    match merge(object, answers.collect(), wanted.partial) {
        Ok(fetched) => Ok(Fetched {
            made,
            detours,
            ..fetched
        }),
        Err(failure) => {
            generated::discard(context, &object.namespace, &made).await;
            Err(failure)
        }
    }
}

/// What an entry came to.
pub(super) type Answered = Result<SecretMap, EntryError>;

/// What generators make, by the place of the entry.
async fn of_generators(
    context: &Context,
    object: &ExternalSecret,
    asker: &Asker,
    made: &Mutex<Vec<Recorded>>,
) -> Vec<(usize, Answered)> {
    let makings = object.entries.iter().enumerate();
    let makings = makings.filter_map(|(place, entry)| match &entry.source {
        Source::Generate(generator) => Some(async move {
            let answer = match generate(context, asker, entry, generator, made).await {
                Ok(values) => finished(context, entry, Answer::Many(values)).await,
                Err(error) => Err(error),
            };
            (place, answer)
        }),
        _ => None,
    });
    join_all(makings).await
}

/// What stores hold, by the place of the entry, and the stores in whose place others served.
async fn of_stores(
    context: &Context,
    object: &ExternalSecret,
    stores: &HashMap<StoreId, Candidates>,
    not_before: Timestamp,
) -> (Vec<(usize, Answered)>, Vec<Detour>) {
    let ids = object.stores();
    let asked = ids.into_iter().map(|id| async move {
        let entries = object.entries.iter().enumerate();
        let entries = entries.filter(|(_, entry)| {
            entry.store.as_ref() == Some(id) && !matches!(entry.source, Source::Generate(_))
        });
        let (places, entries): (Vec<usize>, Vec<&Entry>) = entries.unzip();
        let asked = match stores.get(id) {
            Some(candidates) => {
                failover::ask(context, object, candidates, &entries, not_before).await
            }
            None => Asked::refused(&entries, &format!("could not get {id}")),
        };
        (places, asked)
    });
    let (mut answers, mut detours) = (Vec::new(), Vec::new());
    for (places, asked) in join_all(asked).await {
        answers.extend(places.into_iter().zip(asked.answers));
        detours.extend(asked.detour);
    }
    (answers, detours)
}

/// A client of a store for one refresh of an object.
///
/// # Errors
/// When none can be made.
pub(super) async fn client(
    context: &Context,
    object: &ExternalSecret,
    store: Arc<Store>,
    not_before: Timestamp,
) -> Result<Box<dyn SecretsClient>, EntryError> {
    let provider = context.registry.provider(&store)?;
    let client = provider.client(ClientContext {
        store,
        namespace: object.namespace.clone(),
        secrets: Arc::clone(&context.reader),
        not_before: not_before.into(),
    });
    Ok(client.await?)
}

async fn generate(
    context: &Context,
    asker: &Asker,
    entry: &Entry,
    generator: &GeneratorId,
    made: &Mutex<Vec<Recorded>>,
) -> Result<SecretMap, EntryError> {
    let place = entry
        .field
        .trim_matches(|letter: char| !letter.is_ascii_digit());
    let (values, recorded) = generated::make(context, asker, place, generator)
        .await
        .map_err(|failure| EntryError {
            until_change: failure.until_change,
            retry_after: failure.retry_after,
            ..EntryError::invalid(failure.text)
        })?;
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    made.extend(recorded);
    Ok(values)
}

/// The values of one entry.
///
/// # Errors
/// Why there are none.
pub(super) async fn fetch_entry(
    context: &Context,
    client: &dyn SecretsClient,
    entry: &Entry,
) -> Result<SecretMap, EntryError> {
    let started = std::time::Instant::now();
    let answer = match &entry.source {
        Source::Single { reference, .. } => client.get(reference).await.map(Answer::Single),
        Source::Extract(reference) => client.get_map(reference).await.map(Answer::Many),
        Source::Find(find) => client.find(find).await.map(Answer::Many),
        Source::Generate(_) => return Err(EntryError::invalid("a store generates nothing")),
    };
    tracing::debug!(
        entry = entry.field,
        milliseconds = started.elapsed().as_millis(),
        ok = answer.is_ok(),
        "Fetched entry"
    );
    finished(context, entry, answer?).await
}

/// As [`finish`]; a thread of its own where templates make keys, which may take it for a second.
async fn finished(
    context: &Context,
    entry: &Entry,
    answer: Answer,
) -> Result<SecretMap, EntryError> {
    let now = context.now();
    let renders = |rewrite: &Rewrite| matches!(rewrite, Rewrite::Transform(_));
    if !entry.rewrite.iter().any(renders) {
        return finish(entry, answer, now).map_err(EntryError::invalid);
    }
    let entry = entry.clone();
    let finished = tokio::task::spawn_blocking(move || finish(&entry, answer, now)).await;
    let finished =
        finished.map_err(|_| "the template made latchkey panic; its log has the cause".to_owned());
    finished.flatten().map_err(EntryError::invalid)
}

enum Answer {
    Single(SecretBytes),
    Many(SecretMap),
}

/// Makes keys legal and decodes values (eso.md §2.6).
fn finish(entry: &Entry, answer: Answer, now: Timestamp) -> Result<SecretMap, String> {
    let values = match (answer, &entry.source) {
        (Answer::Single(value), Source::Single { secret_key, .. }) => {
            [(secret_key.clone(), value)].into_iter().collect()
        }
        (Answer::Single(_), _) => {
            return Err(
                "the provider answered with one value where many were asked for".to_owned(),
            );
        }
        (Answer::Many(values), source)
            if entry.rewrite.is_empty() && !matches!(source, Source::Generate(_)) =>
        {
            let converted = keys::convert(values, entry.conversion);
            converted.and_then(keys::validate).map_err(|error| {
                format!("invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): {error}")
            })?
        }
        (Answer::Many(values), _) => keys::validate(
            rewrite::apply(values, &entry.rewrite, &|template, key| {
                transformed(now, template, key)
            })
            .map_err(|error| format!("error applying rewrite to keys: {error}"))?,
        )?,
    };
    let mut finished = SecretMap::new();
    for (key, value) in values {
        let value = keys::decode(value, entry.decoding).map_err(|error| {
            format!(
                "error applying decoding strategy {}: failure decoding key {key}: {error}",
                name(entry.decoding)
            )
        })?;
        if entry.refuse_null_bytes && value.expose().contains(&0) {
            return Err(format!(
                "fetched secret value for key {key:?} contains null bytes"
            ));
        }
        finished.insert(key, value);
    }
    Ok(finished)
}

fn name(strategy: DecodingStrategy) -> &'static str {
    match strategy {
        DecodingStrategy::Auto => "Auto",
        DecodingStrategy::Base64 => "Base64",
        DecodingStrategy::Base64URL => "Base64URL",
        DecodingStrategy::None => "None",
    }
}

/// The keys that an entry would have made.
fn keeps(entry: &Entry) -> Keeps {
    match &entry.source {
        Source::Single { secret_key, .. } => Keeps::Keys([secret_key.clone()].into()),
        _ => Keeps::All,
    }
}

fn merge(
    object: &ExternalSecret,
    answers: Vec<Answered>,
    partial: bool,
) -> Result<Fetched, Failure> {
    let mut fetched = Fetched::default();
    let mut errors: Vec<(&Entry, EntryError)> = Vec::new();
    for (entry, answer) in object.entries.iter().zip(answers) {
        match answer {
            Ok(values) => {
                fetched.found_nothing |=
                    values.is_empty() && matches!(entry.source, Source::Find(_));
                fetched.data.extend(values);
            }
            Err(error) if error.missing && object.target.deletion != DeletionPolicy::Retain => {
                fetched.skipped.push(entry.label());
            }
            Err(error) => errors.push((entry, error)),
        }
    }
    if errors.is_empty() {
        return Ok(fetched);
    }
    let causes: Vec<String> = errors
        .iter()
        .map(|(entry, error)| format!("{}: {}", entry.label(), error.text))
        .collect();
    let failure = Failure {
        reason: status::SECRET_SYNCED_ERROR,
        summary: status::NO_DATA,
        cause: causes.join("; "),
        retry_after: errors
            .iter()
            .filter_map(|(_, error)| error.retry_after)
            .max(),
        until_change: errors.iter().all(|(_, error)| error.until_change),
        is_missing: errors.iter().all(|(_, error)| error.missing),
    };
    // Nothing at all is an outage, and what a template would make of a part is not known.
    let writes_part = partial && !fetched.data.is_empty() && object.target.template.is_none();
    if !writes_part {
        return Err(failure);
    }
    let whole = |keys: &Keeps| *keys == Keeps::All;
    let keeps = errors.iter().map(|(entry, _)| keeps(entry));
    fetched.keeps = keeps.fold(Keeps::default(), |all, more| match (all, more) {
        (all, more) if whole(&all) || whole(&more) => Keeps::All,
        (Keeps::Keys(mut all), Keeps::Keys(more)) => {
            all.extend(more);
            Keeps::Keys(all)
        }
        (all, _) => all,
    });
    fetched.failed = Some(Failure {
        reason: status::PARTIALLY_SYNCED,
        summary: status::PARTIAL,
        ..failure
    });
    Ok(fetched)
}
