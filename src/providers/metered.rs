//! Every call of a provider spends from the budget of its store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::slots::Slots;
use super::{Abilities, ClientContext, Error, ErrorKind, Provider, SecretsClient, Validation};
use crate::budget::Budget;
use crate::model::push::{Push, Target};
use crate::model::remote::{Find, RemoteRef};
use crate::model::request_rate::RequestRate;
use crate::model::secret_store::{Store, StoreId};
use crate::secret::{SecretBytes, SecretMap};
use crate::telemetry::metrics::Metrics;

/// How long a budget is kept that nobody spends: longer than the slowest one takes to fill up.
const IDLE: Duration = Duration::from_hours(1);

/// What stands in the place of the provider in the error of a budget that is spent.
const BUDGET: &str = "budget";

/// The budgets of all stores.
pub(super) struct Budgets {
    default: RequestRate,
    metrics: Metrics,
    held: Slots<(StoreId, u64), Budget>,
}

impl Budgets {
    /// Budgets of stores that say nothing are of `default`.
    pub(super) fn new(default: RequestRate, metrics: Metrics) -> Self {
        Self {
            default,
            metrics,
            held: Slots::new(50_000, IDLE),
        }
    }

    async fn of(&self, store: &Store, provider: &'static str) -> Option<Arc<Budget>> {
        let RequestRate::PerSecond(rate) = store.rate.unwrap_or(self.default) else {
            return None;
        };
        let fresh = || Budget::new(rate, provider, self.metrics.clone());
        let key = (store.id.clone(), rate.to_bits());
        Some(self.held.get(&key, fresh).await)
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self::new(RequestRate::default(), Metrics::new())
    }
}

/// A provider whose clients spend.
pub(super) struct Metered {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) budgets: Arc<Budgets>,
}

#[async_trait]
impl Provider for Metered {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    fn abilities(&self) -> &'static Abilities {
        self.provider.abilities()
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        self.provider.check(store)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        let budget = self.budgets.of(&context.store, self.name()).await;
        let Some(budget) = budget else {
            return self.provider.client(context).await;
        };
        let client = budget.spend(self.provider.client(context)).await?;
        Ok(Box::new(MeteredClient { client, budget }))
    }

    fn sweep(&self) {
        self.provider.sweep();
    }
}

struct MeteredClient {
    client: Box<dyn SecretsClient>,
    budget: Arc<Budget>,
}

impl MeteredClient {
    async fn spend<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        if let Some(wait) = self.budget.too_long() {
            let message = format!(
                "the store's budget of requests is spent for the next {} s; raise \
                 latchkey.dev/max-requests-per-second, or refresh less often",
                wait.as_secs()
            );
            let mut error = Error::new(ErrorKind::Throttled, BUDGET, message);
            error.retry_after = Some(wait);
            return Err(error);
        }
        self.budget.spend(call).await
    }
}

#[async_trait]
impl SecretsClient for MeteredClient {
    async fn get(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        self.spend(self.client.get(reference)).await
    }

    async fn get_map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        self.spend(self.client.get_map(reference)).await
    }

    async fn find(&self, find: &Find) -> Result<SecretMap, Error> {
        self.spend(self.client.find(find)).await
    }

    async fn validate(&self) -> Result<Validation, Error> {
        self.spend(self.client.validate()).await
    }

    async fn push(&self, push: &Push<'_>) -> Result<(), Error> {
        self.spend(self.client.push(push)).await
    }

    async fn delete(&self, target: &Target) -> Result<(), Error> {
        self.spend(self.client.delete(target)).await
    }

    async fn exists(&self, target: &Target) -> Result<bool, Error> {
        self.spend(self.client.exists(target)).await
    }
}

impl Error {
    /// Whether the remote was not asked, because the store's budget of requests is spent. That is no failure
    /// of the store.
    #[must_use]
    pub fn is_own_restraint(&self) -> bool {
        self.provider == BUDGET
    }
}
