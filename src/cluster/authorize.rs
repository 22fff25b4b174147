//! May a service account use a store? Asked of the API server, by the verb `use`.
//!
//! The question is always asked for the pod's namespace, also for a cluster-scoped store, so that a
//! RoleBinding can open such a store for one namespace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};
use moka::Expiry;
use moka::future::Cache;

use crate::api::meta::StoreKind;
use crate::api::well_known::GROUP;
use crate::cluster::request::{Error, bounded};

/// The ClusterRole, shipped with latchkey, that lets its subjects use stores.
pub const STORE_USER_ROLE: &str = "latchkey-store-user";
/// The verb that is asked for.
pub const USE_VERB: &str = "use";

/// How long a permission is believed: a revoked one stops working within a minute.
const ALLOWED_FOR: Duration = Duration::from_mins(1);
/// How long a refusal is believed: short, for a person who has just been refused makes the RoleBinding
/// and tries again.
const DENIED_FOR: Duration = Duration::from_secs(5);
/// Answers kept at most.
const CAPACITY: u64 = 10_000;

/// A service account and the store it wants to use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreAccess {
    /// Namespace of the service account.
    pub namespace: String,
    /// Name of the service account.
    pub account: String,
    /// Scope of the store.
    pub kind: StoreKind,
    /// Name of the store.
    pub store: String,
}

/// What became of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// It may not; the API server's reason, often empty.
    Denied(String),
    /// Nobody could say; holds why. This is no refusal.
    Unknown(String),
}

/// Decides who may use which store.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Answers from memory where it can.
    async fn may_use(&self, access: &StoreAccess) -> Verdict;
}

/// The mode `namespace`: whoever may create a pod in a namespace may use what the namespace may use, as
/// with ESO.
pub struct WholeNamespace;

#[async_trait]
impl Authorizer for WholeNamespace {
    async fn may_use(&self, _: &StoreAccess) -> Verdict {
        Verdict::Allowed
    }
}

/// Asks one SubjectAccessReview.
#[async_trait]
pub trait AccessReviews: Send + Sync {
    /// Whether `access` is permitted, and the reason given.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses the question.
    async fn review(&self, access: &StoreAccess) -> Result<(bool, String), Error>;
}

/// Asks the API server.
pub struct KubeAccessReviews {
    client: Client,
}

impl KubeAccessReviews {
    /// Asks through `client`, which needs `create` on `subjectaccessreviews`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl AccessReviews for KubeAccessReviews {
    async fn review(&self, access: &StoreAccess) -> Result<(bool, String), Error> {
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let review = SubjectAccessReview {
            spec: question(access),
            ..SubjectAccessReview::default()
        };
        let answer = bounded(api.create(&PostParams::default(), &review)).await?;
        let status = answer.status.unwrap_or_default();
        Ok((status.allowed, status.reason.unwrap_or_default()))
    }
}

fn question(access: &StoreAccess) -> SubjectAccessReviewSpec {
    let StoreAccess {
        namespace,
        account,
        kind,
        store,
    } = access;
    SubjectAccessReviewSpec {
        user: Some(format!("system:serviceaccount:{namespace}:{account}")),
        groups: Some(vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ]),
        resource_attributes: Some(ResourceAttributes {
            group: Some(GROUP.to_owned()),
            resource: Some(plural(*kind).to_owned()),
            name: Some(store.clone()),
            namespace: Some(namespace.clone()),
            verb: Some(USE_VERB.to_owned()),
            ..ResourceAttributes::default()
        }),
        ..SubjectAccessReviewSpec::default()
    }
}

fn plural(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::SecretStore => "secretstores",
        StoreKind::ClusterSecretStore => "clustersecretstores",
    }
}

/// The mode `rbac`: remembers answers for a short time and asks once for all who wait for one.
pub struct StoreAuthorizer {
    reviews: Arc<dyn AccessReviews>,
    answers: Cache<StoreAccess, Verdict>,
}

struct Remembered {
    allowed_for: Duration,
}

impl Expiry<StoreAccess, Verdict> for Remembered {
    fn expire_after_create(
        &self,
        _: &StoreAccess,
        answer: &Verdict,
        _: Instant,
    ) -> Option<Duration> {
        Some(believed_for(answer, self.allowed_for))
    }
}

fn believed_for(answer: &Verdict, allowed_for: Duration) -> Duration {
    match answer {
        Verdict::Allowed => allowed_for,
        Verdict::Denied(_) => DENIED_FOR,
        Verdict::Unknown(_) => Duration::ZERO,
    }
}

impl StoreAuthorizer {
    /// Asks `reviews` what it does not remember.
    #[must_use]
    pub fn new(reviews: Arc<dyn AccessReviews>) -> Self {
        Self::believing(reviews, ALLOWED_FOR)
    }

    /// As [`Self::new`], with permissions believed for `allowed_for`: for who asks again and again and
    /// is to see a revocation within a minute all the same.
    #[must_use]
    pub fn believing(reviews: Arc<dyn AccessReviews>, allowed_for: Duration) -> Self {
        let answers = Cache::builder().max_capacity(CAPACITY);
        Self {
            reviews,
            answers: answers.expire_after(Remembered { allowed_for }).build(),
        }
    }
}

#[async_trait]
impl Authorizer for StoreAuthorizer {
    async fn may_use(&self, access: &StoreAccess) -> Verdict {
        let ask = async {
            match self.reviews.review(access).await {
                Ok((true, _)) => Ok(Verdict::Allowed),
                Ok((false, reason)) => Ok(Verdict::Denied(reason)),
                Err(error) => Err(error.to_string()),
            }
        };
        let answer = self.answers.try_get_with_by_ref(access, ask).await;
        answer.unwrap_or_else(|error| Verdict::Unknown((*error).clone()))
    }
}

/// A RoleBinding that permits `access`, as YAML to apply.
#[must_use]
pub fn role_binding(access: &StoreAccess) -> String {
    let StoreAccess {
        namespace, account, ..
    } = access;
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: RoleBinding\n\
         metadata: {{name: {STORE_USER_ROLE}-{account}, namespace: {namespace}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {STORE_USER_ROLE}}}\n\
         subjects:\n\
         - {{kind: ServiceAccount, name: {account}, namespace: {namespace}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Answering(Result<bool, ()>, AtomicUsize);

    #[async_trait]
    impl AccessReviews for Answering {
        async fn review(&self, _: &StoreAccess) -> Result<(bool, String), Error> {
            self.1.fetch_add(1, Ordering::SeqCst);
            match self.0 {
                Ok(allowed) => Ok((allowed, String::new())),
                Err(()) => Err(Error::Timeout),
            }
        }
    }

    fn access() -> StoreAccess {
        StoreAccess {
            namespace: "team".to_owned(),
            account: "web".to_owned(),
            kind: StoreKind::ClusterSecretStore,
            store: "vault".to_owned(),
        }
    }

    async fn asked_twice(answer: Result<bool, ()>) -> (Verdict, usize) {
        let reviews = Arc::new(Answering(answer, AtomicUsize::new(0)));
        let authorizer = StoreAuthorizer::new(reviews.clone());
        let first = authorizer.may_use(&access()).await;
        assert_eq!(authorizer.may_use(&access()).await, first);
        (first, reviews.1.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn answers_are_remembered_and_failures_are_not() {
        assert_eq!(asked_twice(Ok(true)).await, (Verdict::Allowed, 1));
        let denied = Verdict::Denied(String::new());
        assert_eq!(asked_twice(Ok(false)).await, (denied, 1));
        let (failed, questions) = asked_twice(Err(())).await;
        assert!(matches!(failed, Verdict::Unknown(_)));
        assert_eq!(questions, 2);
    }

    #[test]
    fn a_permission_is_believed_longer_than_a_refusal() {
        assert_eq!(believed_for(&Verdict::Allowed, ALLOWED_FOR).as_secs(), 60);
        let denied = Verdict::Denied(String::new());
        assert_eq!(believed_for(&denied, ALLOWED_FOR).as_secs(), 5);
    }

    #[test]
    fn a_cluster_scoped_store_is_asked_for_in_the_namespace_of_the_pod() {
        let spec = question(&access());
        assert_eq!(spec.user.as_deref(), Some("system:serviceaccount:team:web"));
        assert_eq!(spec.groups.unwrap()[1], "system:serviceaccounts:team");
        let resource = spec.resource_attributes.unwrap();
        assert_eq!(resource.resource.as_deref(), Some("clustersecretstores"));
        assert_eq!(resource.namespace.as_deref(), Some("team"));
        assert_eq!(resource.verb.as_deref(), Some("use"));
    }

    #[test]
    fn the_role_binding_is_one_the_api_server_takes() {
        let binding: k8s_openapi::api::rbac::v1::RoleBinding =
            serde_saphyr::from_str(&role_binding(&access())).unwrap();
        assert_eq!(binding.role_ref.name, STORE_USER_ROLE);
        assert_eq!(binding.subjects.unwrap()[0].name, "web");
    }
}
