//! Which stores serve in the place of one that is down: the annotation `latchkey.dev/fallback-stores`.
//!
//! A fallback gives nobody what a reference to it would not give: a store of a namespace may name stores
//! of its own namespace and of the cluster, a store of the cluster others of the cluster, and whoever uses
//! the one must be admitted by the other as well. What a fallback itself names is not followed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::meta::StoreKind;
use crate::api::well_known::FALLBACK_STORES_ANNOTATION;
use crate::model::complaint::Complaint;
use crate::model::secret_store::{Store, StoreId};

/// Most stores of one list: each may cost a caller a timeout.
const MOST: usize = 5;

/// Longest name of an object.
const LONGEST_NAME: usize = 253;

/// A store that is named, and those that serve in its place, in the order in which they are asked.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// The store that is named.
    pub store: Arc<Store>,
    /// Those in its place.
    pub fallbacks: Vec<Fallback>,
}

/// A store in the place of another.
#[derive(Clone, Debug)]
pub enum Fallback {
    /// Whoever reads may use it, as if it were named directly.
    Usable(Arc<Store>),
    /// It is passed over.
    Barred {
        /// Which store it is.
        store: StoreId,
        /// Why; names the store.
        why: String,
    },
}

impl From<Arc<Store>> for Candidates {
    /// A store that nothing stands in for.
    fn from(store: Arc<Store>) -> Self {
        Self {
            store,
            fallbacks: Vec::new(),
        }
    }
}

impl Candidates {
    /// Whether a store may serve in the place of the one that is named.
    #[must_use]
    pub fn are_several(&self) -> bool {
        let mut fallbacks = self.fallbacks.iter();
        fallbacks.any(|fallback| matches!(fallback, Fallback::Usable(_)))
    }

    /// Why fallbacks are passed over, a text each that names the store.
    #[must_use]
    pub fn barred(&self) -> Vec<&str> {
        let barred = self.fallbacks.iter().filter_map(|fallback| match fallback {
            Fallback::Barred { why, .. } => Some(why.as_str()),
            Fallback::Usable(_) => None,
        });
        barred.collect()
    }
}

/// The stores that the annotations of the store `id` put in its place.
///
/// # Errors
/// When the annotation cannot be read; nothing serves in its place then.
pub fn of_store(
    id: &StoreId,
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<StoreId>, Complaint> {
    let text = annotations.get(FALLBACK_STORES_ANNOTATION);
    text.map_or_else(|| Ok(Vec::new()), |text| fallbacks(id, text))
}

/// Reads the annotation of the store `id`: entries `NAME`, of the store's own kind and namespace, or
/// `KIND/NAME`, with commas between them.
///
/// # Errors
/// When an entry names nothing that may stand in for the store.
pub fn fallbacks(id: &StoreId, text: &str) -> Result<Vec<StoreId>, Complaint> {
    let wrong = |message: String| {
        let field = format!("metadata.annotations[{FALLBACK_STORES_ANNOTATION}]");
        Complaint::error(field, format!("{id}: {message}"))
    };
    let mut found = Vec::new();
    for entry in text.split(',') {
        let fallback = parse(id, entry.trim()).map_err(wrong)?;
        if fallback == *id {
            return Err(wrong(format!(
                "{:?} is the store itself; name another one",
                entry.trim()
            )));
        }
        if found.contains(&fallback) {
            return Err(wrong(format!(
                "{fallback} stands there twice; name it once"
            )));
        }
        found.push(fallback);
    }
    if found.len() > MOST {
        return Err(wrong(format!(
            "names {} stores; name {MOST} at most",
            found.len()
        )));
    }
    Ok(found)
}

fn parse(id: &StoreId, entry: &str) -> Result<StoreId, String> {
    let (kind, name) = match entry.split_once('/') {
        None => (id.kind, entry),
        Some((kind, name)) => {
            let kinds = [StoreKind::SecretStore, StoreKind::ClusterSecretStore];
            let found = kinds
                .into_iter()
                .find(|known| known.as_str() == kind.trim());
            let kind = found.ok_or_else(|| {
                format!("{entry:?} names no kind of store; write SecretStore/NAME or ClusterSecretStore/NAME")
            })?;
            (kind, name.trim())
        }
    };
    if !is_name(name) {
        return Err(format!(
            "{entry:?} names no store; write for example \"copy, ClusterSecretStore/backup\", or remove the \
             annotation"
        ));
    }
    if id.kind == StoreKind::ClusterSecretStore && kind == StoreKind::SecretStore {
        return Err(format!(
            "{entry:?} is in a namespace, and a ClusterSecretStore is not; name a ClusterSecretStore"
        ));
    }
    Ok(StoreId::new(kind, &id.namespace, name))
}

fn is_name(name: &str) -> bool {
    let legal = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = name.as_bytes();
    name.len() <= LONGEST_NAME
        && name.bytes().all(legal)
        && ends(bytes.first().copied())
        && ends(bytes.last().copied())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn id(kind: StoreKind) -> StoreId {
        StoreId::new(kind, "team", "main")
    }

    #[test]
    fn a_name_is_of_the_stores_own_kind_and_the_order_stays() {
        let found = fallbacks(
            &id(StoreKind::SecretStore),
            " eu-west-1-copy ,ClusterSecretStore/backup, SecretStore/third.one",
        );
        let store = |kind, name| StoreId::new(kind, "team", name);
        assert_eq!(
            found.unwrap(),
            [
                store(StoreKind::SecretStore, "eu-west-1-copy"),
                store(StoreKind::ClusterSecretStore, "backup"),
                store(StoreKind::SecretStore, "third.one"),
            ]
        );
        let of_cluster = fallbacks(&id(StoreKind::ClusterSecretStore), "copy").unwrap();
        assert_eq!(of_cluster, [store(StoreKind::ClusterSecretStore, "copy")]);
    }

    #[rstest]
    #[case("", "names no store")]
    #[case("a,,b", "names no store")]
    #[case("Upper", "names no store")]
    #[case("-a", "names no store")]
    #[case("SecretStore/", "names no store")]
    #[case("SecretStore/team/a", "names no store")]
    #[case("Vault/a", "names no kind of store")]
    #[case("secretstore/a", "names no kind of store")]
    #[case("main", "is the store itself")]
    #[case("SecretStore/main", "is the store itself")]
    #[case("a, SecretStore/a", "twice")]
    #[case("a,b,c,d,e,f", "5 at most")]
    fn nonsense_is_told_with_object_annotation_and_remedy(
        #[case] text: &str,
        #[case] expected: &str,
    ) {
        let complaint = fallbacks(&id(StoreKind::SecretStore), text).unwrap_err();
        let told = complaint.to_string();
        for part in [
            expected,
            "metadata.annotations[latchkey.dev/fallback-stores]",
            "SecretStore \"main\"",
        ] {
            assert!(told.contains(part), "{part:?} in {told}");
        }
    }

    #[test]
    fn a_store_of_the_cluster_names_none_of_a_namespace() {
        let cluster = id(StoreKind::ClusterSecretStore);
        let complaint = fallbacks(&cluster, "SecretStore/copy").unwrap_err();
        assert!(complaint.message.contains("name a ClusterSecretStore"));
        // Another object than the store of the same name in the cluster.
        assert!(fallbacks(&id(StoreKind::SecretStore), "ClusterSecretStore/main").is_ok());
    }
}
