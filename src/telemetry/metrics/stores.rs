//! How stores are called.

use prometheus::{GaugeVec, IntCounterVec};

use super::{Metrics, Registering};

/// Calls, what becomes of stores that are down, and of requests that wait.
pub(super) struct Stores {
    calls: IntCounterVec,
    fallbacks: IntCounterVec,
    delayed: IntCounterVec,
    waiting: GaugeVec,
}

impl Stores {
    pub(super) fn new(new: &Registering) -> Self {
        Self {
            calls: new.counter(
                "externalsecret_provider_api_calls_count",
                "Calls of providers",
                &["provider", "call", "status"],
            ),
            fallbacks: new.counter(
                "latchkey_fallback_refreshes_total",
                "Refreshes for which a store was down, by the provider of that store and by what those in \
                 its place did",
                &["provider", "outcome"],
            ),
            delayed: new.counter(
                "latchkey_store_requests_delayed_total",
                "Requests that waited because their store is called no faster",
                &["provider"],
            ),
            waiting: new.gauge(
                "latchkey_store_requests_waiting",
                "Requests that wait because their store is called no faster",
                &["provider"],
            ),
        }
    }
}

impl Metrics {
    /// A provider was called.
    pub fn called_provider(&self, provider: &str, call: &str, ok: bool) {
        let status = if ok { "success" } else { "error" };
        let calls = &self.0.stores.calls;
        calls.with_label_values(&[provider, call, status]).inc();
    }

    /// A store of `provider` was down, and those in its place `served`, `refused` or were `exhausted`.
    pub fn fell_back(&self, provider: &str, outcome: &str) {
        let fallbacks = &self.0.stores.fallbacks;
        fallbacks.with_label_values(&[provider, outcome]).inc();
    }

    /// A request to a store of `provider` waits for its turn.
    pub fn request_waits(&self, provider: &str) {
        let stores = &self.0.stores;
        stores.delayed.with_label_values(&[provider]).inc();
        stores.waiting.with_label_values(&[provider]).inc();
    }

    /// It waits no more.
    pub fn request_waits_no_more(&self, provider: &str) {
        let waiting = &self.0.stores.waiting;
        waiting.with_label_values(&[provider]).dec();
    }
}
