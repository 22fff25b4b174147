//! What a `PushSecret` writes where. Pure: the source and the stores are arguments.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use regex::Regex;

use crate::api::meta::StoreKind;
use crate::api::v1alpha1::{
    PushConversionStrategy, PushSecretData, PushSecretDataTo, PushSecretMatch, PushSecretRemoteRef,
    PushSecretSpec, PushSecretStoreRef,
};
use crate::model::complaint::Complaint;
use crate::model::duration;
use crate::model::push::Target;
use crate::model::secret_store::{StoreId, selects, unreadable};
use crate::secret::SecretMap;

/// Interval of an object that names none.
const DEFAULT_INTERVAL: SignedDuration = SignedDuration::from_hours(1);

/// What was pushed: `<kind>/<store>` to `<remoteKey>[/<property>]` to the entry that asked for it.
pub type Synced = BTreeMap<String, BTreeMap<String, PushSecretData>>;

/// A store that may be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which store.
    pub id: StoreId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The entry as the status records it.
    pub entry: PushSecretData,
    /// Keys of the source that are written together; `None` is the entry's own key, or all of them.
    pub bundle: Option<BTreeSet<String>>,
}

/// What of a spec cannot work or is not served.
///
/// # Errors
/// Every complaint, in the order of the fields.
pub fn check(spec: &PushSecretSpec) -> Result<(), Vec<Complaint>> {
    let mut complaints = Vec::new();
    if let Some(text) = spec
        .refresh_interval
        .as_deref()
        .filter(|text| !text.is_empty())
        && let Err(message) = duration::parse(text)
    {
        complaints.push(Complaint::error("spec.refreshInterval", message));
    }
    if spec.template.is_some() {
        let message = "templates of PushSecrets are not served yet; nothing is pushed";
        complaints.push(Complaint::unserved("spec.template", message));
    }
    complaints.extend(selectors(spec));
    complaints.extend(collisions(spec));
    for (i, entry) in spec.data_to.iter().enumerate() {
        let field = format!("spec.dataTo[{i}]");
        let store = entry.store_ref.as_ref();
        if store.is_none_or(|store| store.name.is_none() && store.label_selector.is_none()) {
            complaints.push(Complaint::error(
                format!("{field}.storeRef"),
                "name or labelSelector must be set",
            ));
        }
        if entry.remote_key.is_some() && !entry.rewrite.is_empty() {
            complaints.push(Complaint::error(
                field.clone(),
                "remoteKey and rewrite exclude each other",
            ));
        }
        if let Err(complaint) = expressions(&field, entry) {
            complaints.push(complaint);
        }
    }
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(complaints)
    }
}

/// Selectors that cannot be read, and so match nothing.
fn selectors(spec: &PushSecretSpec) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut check = |field: String, selector: Option<&LabelSelector>| {
        complaints.extend(selector.iter().flat_map(|one| unreadable(&field, one)));
    };
    for (i, reference) in spec.secret_store_refs.iter().enumerate() {
        let field = format!("spec.secretStoreRefs[{i}].labelSelector");
        check(field, reference.label_selector.as_ref());
    }
    let source = spec.selector.secret.as_ref();
    let source = source.and_then(|secret| secret.selector.as_ref());
    check("spec.selector.secret.selector".to_owned(), source);
    for (i, entry) in spec.data_to.iter().enumerate() {
        let store = entry.store_ref.as_ref();
        let selector = store.and_then(|store| store.label_selector.as_ref());
        check(format!("spec.dataTo[{i}].storeRef.labelSelector"), selector);
    }
    complaints
}

/// Entries of `data` that go where an earlier one goes.
fn collisions(spec: &PushSecretSpec) -> Vec<Complaint> {
    let mut places = BTreeSet::new();
    let entries = spec.data.iter().enumerate();
    let doubled = entries.filter_map(|(i, entry)| {
        let place = target_key(&entry.match_.remote_ref);
        let message = format!("an earlier entry goes to {place:?} too; name another place");
        let field = format!("spec.data[{i}].match.remoteRef");
        (!places.insert(place)).then(|| Complaint::error(field, message))
    });
    doubled.collect()
}

/// How often values are pushed; zero or less is on changes only.
#[must_use]
pub fn interval(spec: &PushSecretSpec) -> SignedDuration {
    let text = spec
        .refresh_interval
        .as_deref()
        .filter(|text| !text.is_empty());
    text.and_then(|text| duration::parse(text).ok())
        .unwrap_or(DEFAULT_INTERVAL)
}

/// The stores that a reference means, out of all there are.
///
/// # Errors
/// When a selector cannot be read.
pub fn matching<'a>(
    reference: &PushSecretStoreRef,
    stores: &'a [Candidate],
) -> Result<Vec<&'a Candidate>, String> {
    let kind = reference.kind.unwrap_or(StoreKind::SecretStore);
    let mut found = Vec::new();
    for store in stores.iter().filter(|store| store.id.kind == kind) {
        let is_meant = match (&reference.name, &reference.label_selector) {
            (Some(name), _) => *name == store.id.name,
            (None, Some(selector)) => selects(selector, &store.labels)?,
            (None, None) => false,
        };
        if is_meant {
            found.push(store);
        }
    }
    Ok(found)
}

/// How a store is named in the status.
#[must_use]
pub fn store_key(id: &StoreId) -> String {
    format!("{}/{}", id.kind.as_str(), id.name)
}

/// How a target is named in the status.
#[must_use]
pub fn target_key(target: &PushSecretRemoteRef) -> String {
    match target
        .property
        .as_deref()
        .filter(|property| !property.is_empty())
    {
        Some(property) => format!("{}/{property}", target.remote_key),
        None => target.remote_key.clone(),
    }
}

/// Where an entry goes.
#[must_use]
pub fn target(entry: &PushSecretData) -> Target {
    Target {
        key: entry.match_.remote_ref.remote_key.clone(),
        property: entry.match_.remote_ref.property.clone().unwrap_or_default(),
    }
}

/// Everything that goes to `store`: `dataTo` by pattern, then `data`, whose entries take the place of
/// those with the same source key.
///
/// # Errors
/// When an expression cannot be read or two entries go to the same place.
pub fn writes(
    spec: &PushSecretSpec,
    keys: &[&str],
    store: &Candidate,
) -> Result<Vec<Write>, String> {
    let mut writes: Vec<Write> = Vec::new();
    for (i, entry) in spec.data_to.iter().enumerate() {
        let Some(reference) = &entry.store_ref else {
            continue;
        };
        if !matching(reference, std::slice::from_ref(store))?.is_empty() {
            let field = format!("spec.dataTo[{i}]");
            writes
                .extend(expanded(&field, entry, keys).map_err(|complaint| complaint.to_string())?);
        }
    }
    let named = |write: &Write| {
        let key = write.entry.match_.secret_key.as_deref();
        let mut explicit = spec.data.iter();
        explicit.any(|entry| entry.match_.secret_key.as_deref() == key)
    };
    writes.retain(|write| write.bundle.is_some() || !named(write));
    writes.extend(spec.data.iter().map(|entry| Write {
        entry: entry.clone(),
        bundle: None,
    }));
    let mut places = BTreeSet::new();
    for write in &writes {
        let place = target_key(&write.entry.match_.remote_ref);
        if !places.insert(place.clone()) {
            return Err(format!(
                "two entries go to {place:?} of {}",
                store_key(&store.id)
            ));
        }
    }
    Ok(writes)
}

/// What was pushed before and is not asked for any more.
#[must_use]
pub fn obsolete(old: &Synced, new: &Synced) -> Vec<(String, PushSecretData)> {
    let mut gone = Vec::new();
    for (store, entries) in old {
        let kept = new.get(store);
        for (place, entry) in entries {
            if !kept.is_some_and(|kept| kept.contains_key(place)) {
                gone.push((store.clone(), entry.clone()));
            }
        }
    }
    gone
}

/// The store that the status names so, as an object of `namespace` sees it.
#[must_use]
pub fn store_of_key(namespace: &str, key: &str) -> Option<StoreId> {
    let (kind, name) = key.split_once('/')?;
    let kind = match kind {
        "SecretStore" => StoreKind::SecretStore,
        "ClusterSecretStore" => StoreKind::ClusterSecretStore,
        _ => return None,
    };
    Some(StoreId::new(kind, namespace, name))
}

/// The source with its keys turned back, where asked.
///
/// # Errors
/// When two keys become one.
pub fn converted(
    data: &SecretMap,
    strategy: Option<PushConversionStrategy>,
) -> Result<SecretMap, String> {
    if strategy != Some(PushConversionStrategy::ReverseUnicode) {
        return Ok(data.duplicate());
    }
    let mut turned = SecretMap::new();
    for (key, value) in data.iter() {
        let new = reversed(key);
        if turned.insert(new.clone(), value.duplicate()).is_some() {
            return Err(format!("secret name collision during conversion: {new}"));
        }
    }
    Ok(turned)
}

fn reversed(key: &str) -> String {
    let mut text = String::new();
    let mut rest = key;
    while let Some(start) = rest.find("_U") {
        let (before, code) = rest.split_at(start);
        text.push_str(before);
        let digits = code[2..].find('_').map(|end| &code[2..2 + end]);
        let character = digits
            .filter(|digits| digits.len() >= 4)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok().zip(Some(digits.len())))
            .and_then(|(point, length)| Some((char::from_u32(point)?, length)));
        match character {
            Some((character, length)) => {
                text.push(character);
                rest = &code[length + 3..];
            }
            None => {
                text.push_str("_U");
                rest = &code[2..];
            }
        }
    }
    text.push_str(rest);
    text
}

type Expressions = (Option<Regex>, Vec<(Regex, String)>);

fn expressions(field: &str, entry: &PushSecretDataTo) -> Result<Expressions, Complaint> {
    let read = |field: String, text: &str| {
        Regex::new(text)
            .map_err(|error| Complaint::error(field, format!("not a regular expression: {error}")))
    };
    let wanted = entry
        .match_
        .as_ref()
        .and_then(|wanted| wanted.regexp.as_deref());
    let wanted = wanted
        .filter(|text| !text.is_empty())
        .map(|text| read(format!("{field}.match.regexp"), text));
    let mut rewrites = Vec::new();
    for (i, rewrite) in entry.rewrite.iter().enumerate() {
        let field = format!("{field}.rewrite[{i}]");
        match (&rewrite.regexp, &rewrite.transform) {
            (Some(regexp), None) => {
                rewrites.push((read(field, &regexp.source)?, regexp.target.clone()));
            }
            (None, Some(_)) => return Err(Complaint::unserved(field, "only regexp is served yet")),
            _ => {
                return Err(Complaint::error(
                    field,
                    "exactly one of regexp and transform must be set",
                ));
            }
        }
    }
    Ok((wanted.transpose()?, rewrites))
}

fn expanded(field: &str, entry: &PushSecretDataTo, keys: &[&str]) -> Result<Vec<Write>, Complaint> {
    let (wanted, rewrites) = expressions(field, entry)?;
    let strategy = entry.conversion_strategy;
    let reverse = strategy == Some(PushConversionStrategy::ReverseUnicode);
    let turned = keys.iter().map(|key| {
        if reverse {
            reversed(key)
        } else {
            (*key).to_owned()
        }
    });
    let matched: Vec<String> = turned
        .filter(|key| wanted.as_ref().is_none_or(|wanted| wanted.is_match(key)))
        .collect();
    let made = |secret_key: Option<String>, remote_key: String| PushSecretData {
        conversion_strategy: strategy,
        match_: PushSecretMatch {
            remote_ref: PushSecretRemoteRef {
                property: None,
                remote_key,
            },
            secret_key,
        },
        metadata: entry.metadata.clone(),
    };
    if let Some(remote_key) = entry.remote_key.as_ref().filter(|key| !key.is_empty()) {
        return Ok(vec![Write {
            entry: made(None, remote_key.clone()),
            bundle: Some(matched.into_iter().collect()),
        }]);
    }
    let renamed = |key: &str| {
        rewrites
            .iter()
            .fold(key.to_owned(), |name, (source, target)| {
                source.replace_all(&name, target.as_str()).into_owned()
            })
    };
    let each = matched.into_iter();
    Ok(each
        .map(|key| Write {
            entry: made(Some(key.clone()), renamed(&key)),
            bundle: None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(changes: &serde_json::Value) -> PushSecretSpec {
        let mut spec =
            json!({"secretStoreRefs": [{"name": "s"}], "selector": {"secret": {"name": "a"}}});
        spec.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        serde_json::from_value(spec).unwrap()
    }

    fn store() -> Candidate {
        Candidate {
            id: StoreId::new(StoreKind::SecretStore, "team", "s"),
            labels: [("env".to_owned(), "prod".to_owned())]
                .into_iter()
                .collect(),
        }
    }

    fn places(changes: &serde_json::Value, keys: &[&str]) -> Result<Vec<String>, String> {
        let writes = writes(&spec(changes), keys, &store())?;
        Ok(writes
            .iter()
            .map(|write| target_key(&write.entry.match_.remote_ref))
            .collect())
    }

    #[test]
    fn patterns_are_expanded_and_renamed_and_an_explicit_entry_wins() {
        let changes = json!({
            "dataTo": [{"storeRef": {"name": "s"}, "match": {"regexp": "^db-"},
                "rewrite": [{"regexp": {"source": "^db-(.*)", "target": "prod/$1"}}]}],
            "data": [{"match": {"secretKey": "db-user", "remoteRef": {"remoteKey": "own", "property": "p"}}}]
        });
        assert_eq!(
            places(&changes, &["db-user", "db-pass", "x"]).unwrap(),
            ["prod/pass", "own/p"]
        );
    }

    #[test]
    fn a_bundle_holds_every_matched_key() {
        let changes = json!({"dataTo": [{"storeRef": {"labelSelector": {"matchLabels": {"env": "prod"}}}, "remoteKey": "all"}]});
        let writes = writes(&spec(&changes), &["a", "b"], &store()).unwrap();
        assert_eq!(writes.len(), 1);
        assert_eq!(writes[0].bundle.as_ref().unwrap().len(), 2);
    }

    #[test]
    fn two_entries_for_one_place_are_an_error() {
        let entry = json!({"match": {"secretKey": "a", "remoteRef": {"remoteKey": "same"}}});
        assert!(places(&json!({"data": [entry, entry]}), &["a"]).is_err());
        let other = json!({"match": {"secretKey": "a", "remoteRef": {"remoteKey": "other"}}});
        let both = places(&json!({"data": [entry, other]}), &["a"]).unwrap();
        assert_eq!(both, ["same", "other"]);
    }

    #[test]
    fn what_is_not_asked_for_any_more_is_obsolete() {
        let changes = json!({"data": [{"match": {"remoteRef": {"remoteKey": "a"}}}]});
        let entry = spec(&changes).data[0].clone();
        let synced = |places: &[&str]| -> Synced {
            let entries = places
                .iter()
                .map(|place| ((*place).to_owned(), entry.clone()))
                .collect();
            [("SecretStore/s".to_owned(), entries)]
                .into_iter()
                .collect()
        };
        assert_eq!(obsolete(&synced(&["a", "b"]), &synced(&["b"])).len(), 1);
        assert_eq!(obsolete(&synced(&["a"]), &Synced::new()).len(), 1);
        assert!(obsolete(&synced(&["a"]), &synced(&["a"])).is_empty());
    }

    #[test]
    fn escaped_characters_are_turned_back() {
        for (key, turned) in [
            ("a_U0020_b", "a b"),
            ("_U002f_", "/"),
            ("_Uxyz_", "_Uxyz_"),
            ("a_U12_", "a_U12_"),
            ("_U", "_U"),
        ] {
            assert_eq!(reversed(key), turned);
        }
    }

    #[test]
    fn what_cannot_work_is_named() {
        let found = check(&spec(
            &json!({"template": {}, "refreshInterval": "soon", "dataTo": [{}]}),
        ))
        .unwrap_err();
        let fields: Vec<&str> = found
            .iter()
            .map(|complaint| complaint.field.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "spec.refreshInterval",
                "spec.template",
                "spec.dataTo[0].storeRef"
            ]
        );
    }
}
