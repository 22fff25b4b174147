//! What is known by key, made at the first look and dropped when nobody asked for it for long.
//!
//! The cache below is compiled once for all kinds of keys and values: each other instance of it would
//! add some 100 KB to the binary.

use std::any::Any;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

/// One `V` for each `K`.
pub(super) struct Slots<K, V> {
    held: Cache<Key, Value>,
    kinds: PhantomData<fn(K) -> V>,
}

type Value = Arc<dyn Any + Send + Sync>;

impl<K, V> Slots<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Empty; `capacity` bounds how many are held, `idle` how long one is held that nobody asks for.
    pub(super) fn new(capacity: u64, idle: Duration) -> Self {
        let held = Cache::builder().max_capacity(capacity).time_to_idle(idle);
        Self {
            held: held.build(),
            kinds: PhantomData,
        }
    }

    /// The value of `key`; the default one where there is none yet.
    pub(super) async fn of(&self, key: &K) -> Arc<V>
    where
        V: Default,
    {
        self.get(key, V::default).await
    }

    /// The value of `key`; made by `fresh` where there is none yet.
    pub(super) async fn get(&self, key: &K, fresh: impl FnOnce() -> V + Send) -> Arc<V> {
        let made = async { Arc::new(fresh()) as Value };
        let made: Pin<Box<dyn Future<Output = Value> + Send + '_>> = Box::pin(made);
        let value = self.held.get_with(Key::of(key), made).await;
        value
            .downcast()
            .expect("all values of one cache are of one type")
    }

    /// Drops the value of `key`. Who holds it may go on with it.
    pub(super) async fn forget(&self, key: &K) {
        self.held.invalidate(&Key::of(key)).await;
    }

    /// All values.
    pub(super) fn values(&self) -> impl Iterator<Item = Arc<V>> {
        let held = self.held.iter();
        held.filter_map(|(_, value)| value.downcast().ok())
    }
}

/// A key of any kind.
struct Key(Box<dyn AnyKey>);

impl Key {
    fn of<K: Hash + Eq + Clone + Send + Sync + 'static>(key: &K) -> Self {
        Self(Box::new(key.clone()))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(other.0.as_any())
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, mut state: &mut H) {
        self.0.feed(&mut state);
    }
}

trait AnyKey: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn equals(&self, other: &dyn Any) -> bool;
    fn feed(&self, hasher: &mut dyn Hasher);
}

impl<K: Hash + Eq + Send + Sync + 'static> AnyKey for K {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<K>().is_some_and(|other| self == other)
    }

    fn feed(&self, mut hasher: &mut dyn Hasher) {
        self.hash(&mut hasher);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn equal_keys_share_a_value_until_it_is_forgotten() {
        let slots: Slots<(String, u8), Mutex<u32>> = Slots::new(10, Duration::from_mins(1));
        let key = ("a".to_owned(), 1);
        let first = slots.of(&key).await;
        *first.lock().unwrap() = 7;
        assert!(Arc::ptr_eq(&first, &slots.of(&("a".to_owned(), 1)).await));
        let other = slots.get(&("a".to_owned(), 2), || Mutex::new(3)).await;
        assert!(!Arc::ptr_eq(&first, &other));
        let mut held: Vec<_> = slots.values().map(|value| *value.lock().unwrap()).collect();
        held.sort_unstable();
        assert_eq!(held, [3, 7]);
        slots.forget(&key).await;
        assert_eq!(*slots.of(&key).await.lock().unwrap(), 0);
        assert_eq!(*first.lock().unwrap(), 7);
    }
}
