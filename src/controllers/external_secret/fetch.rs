//! Fetching the values of an ExternalSecret.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::api::v1::{DecodingStrategy, DeletionPolicy};
use crate::controllers::Context;
use crate::controllers::external_secret::plan::Failure;
use crate::controllers::external_secret::status;
use crate::controllers::generated::{self, Asker, Recorded};
use crate::model::external_secret::{Entry, ExternalSecret, GeneratorId, Source};
use crate::model::secret_store::{Store, StoreId};
use crate::model::{keys, rewrite};
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
}

/// Why an entry has no value.
#[derive(Clone, Debug)]
struct EntryError {
    missing: bool,
    text: String,
    retry_after: Option<Duration>,
    until_change: bool,
}

impl EntryError {
    fn invalid(text: impl Into<String>) -> Self {
        Self {
            missing: false,
            text: text.into(),
            retry_after: None,
            until_change: true,
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
        }
    }
}

/// Fetches every entry, each store by one client; values fetched before `not_before` are too old.
///
/// # Errors
/// When any entry fails: the failure lists every entry that did, so that all can be mended at once.
pub(in crate::controllers) async fn fetch(
    context: &Context,
    object: &ExternalSecret,
    stores: &HashMap<StoreId, Arc<Store>>,
    owner: Option<OwnerReference>,
    not_before: Timestamp,
) -> Result<Fetched, Failure> {
    let asker = Asker {
        kind: "ExternalSecret",
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        owner,
    };
    let made = Mutex::default();
    let mut clients = HashMap::new();
    for id in object.stores() {
        let client = match stores.get(id) {
            Some(store) => client(context, object, Arc::clone(store), not_before).await,
            None => Err(EntryError::invalid(format!(
                "could not get {} {:?}",
                id.kind.as_str(),
                id.name
            ))),
        };
        clients.insert(id.clone(), client);
    }
    let fetches = object.entries.iter().map(|entry| async {
        let client = entry.store.as_ref().map(|store| &clients[store]);
        match (&entry.source, client) {
            (Source::Generate(generator), _) => generate(context, &asker, entry, generator, &made)
                .await
                .and_then(|values| {
                    finish(entry, Answer::Many(values)).map_err(EntryError::invalid)
                }),
            (_, Some(Ok(client))) => fetch_entry(client.as_ref(), entry).await,
            (_, Some(Err(error))) => Err(error.clone()),
            (_, None) => Err(EntryError::invalid("no store is named")),
        }
    });
    let answers = join_all(fetches).await;
    let made: Vec<Recorded> = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    match merge(object, answers) {
        Ok(fetched) => Ok(Fetched { made, ..fetched }),
        Err(failure) => {
            generated::discard(context, &object.namespace, &made).await;
            Err(failure)
        }
    }
}

async fn client(
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

async fn fetch_entry(client: &dyn SecretsClient, entry: &Entry) -> Result<SecretMap, EntryError> {
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
    finish(entry, answer?).map_err(EntryError::invalid)
}

enum Answer {
    Single(SecretBytes),
    Many(SecretMap),
}

/// Makes keys legal and decodes values (eso.md §2.6).
fn finish(entry: &Entry, answer: Answer) -> Result<SecretMap, String> {
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
            rewrite::apply(values, &entry.rewrite)
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

fn merge(
    object: &ExternalSecret,
    answers: Vec<Result<SecretMap, EntryError>>,
) -> Result<Fetched, Failure> {
    let mut fetched = Fetched::default();
    let mut errors: Vec<(String, EntryError)> = Vec::new();
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
            Err(error) => errors.push((entry.label(), error)),
        }
    }
    if errors.is_empty() {
        return Ok(fetched);
    }
    let causes: Vec<String> = errors
        .iter()
        .map(|(label, error)| format!("{label}: {}", error.text))
        .collect();
    Err(Failure {
        summary: status::NO_DATA,
        cause: causes.join("; "),
        retry_after: errors
            .iter()
            .filter_map(|(_, error)| error.retry_after)
            .max(),
        until_change: errors.iter().all(|(_, error)| error.until_change),
    })
}
