//! A store, checked.

use crate::api::meta::StoreKind;
use crate::api::v1::SecretStoreProvider;

/// Names one store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId {
    /// Scope.
    pub kind: StoreKind,
    /// Empty for a cluster-scoped store.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A store as providers see it.
#[derive(Clone, Debug)]
pub struct Store {
    /// Which store it is.
    pub id: StoreId,
    /// Changes when the object is made anew.
    pub uid: String,
    /// Changes with each change of the spec.
    pub generation: i64,
    /// The provider block.
    pub provider: SecretStoreProvider,
}
